"""OCMF as a meter format: lines of records, or the XML files of signed values that transparency software reads.

Decided here: which bytes are OCMF, and what a key inside the file is worth. Not decided here: a record's readings and
signature (``ocmf``). A key inside the file vouches for nothing: whoever forges the readings forges the key with them.
It is used to say whether the file agrees with itself; ``valid`` needs a key that came another way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wattest.metering.readers.meter_format import Claim, OpenedFile
from wattest.metering.readers.ocmf import OpenedOcmf, has_record
from wattest.metering.readers.public_key import MalformedPublicKey, MeterPublicKey, parse_public_key
from wattest.metering.readers.signature_batch import Check
from wattest.metering.readers.signed_values import OCMF_NAME, is_values_file, parse_ocmf_values, value_formats
from wattest.metering.readers.table import TableOptions
from wattest.metering.reading import ImportedFile
from wattest.metering.verdicts import SignatureVerdict

_SELF_CONSISTENT = "the signature fits the key inside the file, which proves nothing about the meter"


@dataclass(frozen=True, slots=True)
class OcmfFormat:
    """OCMF 0.1 to 1.4."""

    name: str = OCMF_NAME

    def claim(self, data: bytes) -> Claim:
        """A line that starts a record, or a signed value that does."""
        found = OCMF_NAME in value_formats(data) if is_values_file(data) else has_record(data)
        return Claim.MARK if found else Claim.NONE

    def parse(self, data: bytes, key: MeterPublicKey | None, table: TableOptions) -> OpenedFile:
        """Cut a file into records; raises ``MalformedOcmf`` or ``MalformedValues``."""
        del table
        if not is_values_file(data):
            return OpenedOcmf.of(data, key)
        values = parse_ocmf_values(data)
        if key is not None:
            return OpenedOcmf.of_values(values.records, data, key)
        unchecked = OpenedOcmf.of_values(values.records, data, None)
        if len(values.keys) != 1:
            return OwnKey(unchecked, None, "the container holds no single public key of its own")
        try:
            own = parse_public_key(next(iter(values.keys)))
        except MalformedPublicKey as error:
            return OwnKey(unchecked, None, f"the container's own key cannot be read: {error.message}")
        return OwnKey(unchecked, OpenedOcmf.of_values(values.records, data, own), _SELF_CONSISTENT)


@dataclass(frozen=True, slots=True)
class OwnKey:
    """A file that nobody gave a key for: unchecked, unless not even the key inside of it fits."""

    unchecked: OpenedOcmf
    own: OpenedOcmf | None
    remark: str

    @property
    def checks(self) -> Sequence[Check | None]:
        """The signatures under the file's own key."""
        return () if self.own is None else self.own.checks

    def report(self, holds: Sequence[bool]) -> ImportedFile:
        """``invalid`` if the own key does not fit, else ``unchecked`` with a remark."""
        if self.own is not None:
            judged = self.own.report(holds)
            if judged.signature is SignatureVerdict.INVALID:
                return judged
        unchecked = self.unchecked.report([False] * len(self.unchecked.checks))
        return replace(unchecked, reasons=(*unchecked.reasons, self.remark))


OCMF = OcmfFormat()
