"""XML files of signed values, as drivers get them to check in transparency software: what they hold, and of which kind.

Decided here: how values and the keys beside them are taken out, which format a value is of, and which of these formats
are known by name without being read. Not decided here: how a format's values are read (``ocmf_format``), or trust.
Invariant: a value is never dropped: one that cannot be taken out refuses the file. SAFE e.V. transparency software,
``signedData`` and ``publicKey`` elements; docs/spec/meter-files.md
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn
from xml.etree import ElementTree as XmlTree

from wattest.metering.readers.meter_format import Claim
from wattest.metering.readers.public_key import MeterPublicKey
from wattest.metering.readers.table import TableOptions
from wattest.metering.reading import MalformedMeterFile

MAX_VALUES = 10_000
OCMF_HEADER = b"OCMF|"
OCMF_NAME = "ocmf"
_START = re.compile(rb"\s*<(?:\?xml|[A-Za-z])")
_VALUE = re.compile(
    rb"<(?:[A-Za-z_][\w.-]{0,40}:)?signedData\b([^>]{0,400})>\s{0,200}(?:<!\[CDATA\[)?\s{0,200}([^<\s]{0,16})"
)
_DECLARED = re.compile(rb"\bformat\s{0,9}=\s{0,9}[\"']([^\"']{0,40})[\"']")
_OCMF_ENCODED = re.compile(rb"OCMF\||4f434d467c|T0NNR[nv]", re.IGNORECASE)  # plain, hex, base64
_NAMES = (
    (re.compile(r"(?:ISA_?)?EDL_?40(?:_\w{1,20})?", re.ASCII | re.IGNORECASE), "edl40"),
    (re.compile(r"ALFEN", re.IGNORECASE), "alfen"),
    (re.compile(r"PCDF", re.IGNORECASE), "pcdf"),
)


class MalformedValues(MalformedMeterFile):
    """An XML file of signed values that is truncated, or whose values cannot be taken out."""


class UnreadFormat(MalformedMeterFile):
    """A file of a format that is known by name, and of which nothing is read."""


@dataclass(frozen=True, slots=True)
class SignedValues:
    """The values of a file, decoded, each of OCMF, and the texts of the keys beside them."""

    records: tuple[bytes, ...]
    keys: frozenset[str]


def is_values_file(data: bytes) -> bool:
    """Whether ``data`` is XML that names a signedData element."""
    return _START.match(data) is not None and b"signedData" in data


def value_formats(data: bytes) -> set[str]:
    """The names of the formats that a file's values are of, as far as its text tells; "unknown" for any other."""
    if not is_values_file(data):
        return set()
    return {
        OCMF_NAME if _OCMF_ENCODED.match(head) else _declared(attributes) for attributes, head in _VALUE.findall(data)
    }


def parse_ocmf_values(data: bytes) -> SignedValues:
    """Take 1 to 10,000 values out of a file; raises ``MalformedValues``, also for a value that is not of OCMF."""
    if re.search(rb"<!(?!--|\[CDATA\[)", data):
        raise MalformedValues("the file declares a document type or entity", hint="no meter file needs one")
    try:
        root = XmlTree.fromstring(data)  # noqa: S314 - no declarations, bounded size
    except (XmlTree.ParseError, ValueError, LookupError, RecursionError) as error:
        raise MalformedValues(f"the file is not XML: {error}", hint="it may be truncated") from error
    records: list[bytes] = []
    keys: set[str] = set()
    for element in root.iter():
        name = str(element.tag).rpartition("}")[2]
        text = "".join(element.itertext()).strip()
        if name == "signedData":
            records.append(_decoded(text, element.get("encoding", ""), element.get("format", ""), len(records) + 1))
        elif name == "publicKey" and text:
            keys.add(text)
    if not 1 <= len(records) <= MAX_VALUES:
        raise MalformedValues("the file holds 1 to 10,000 values", actual=len(records))
    return SignedValues(tuple(records), frozenset(keys))


def _decoded(text: str, encoding: str, declared: str, number: int) -> bytes:
    """One value's bytes, which begin with ``OCMF|`` whatever format and encoding are declared."""
    found = next((data for data in _readings(text, encoding) if data.startswith(OCMF_HEADER)), None)
    if found is not None:
        return found
    said = f" (it is declared as {declared[:20]!r})" if declared and declared.upper() != "OCMF" else ""
    raise MalformedValues(
        f"value {number} is no plain, hex or base64 OCMF{said}", hint="a file's values are all of one format"
    )


def _readings(text: str, encoding: str) -> Iterator[bytes]:
    """What a text may stand for, the declared encoding first."""
    yield text.encode("utf-8")
    body = re.sub(r"\s", "", text)
    order = (_from_hex, _from_base64) if encoding.lower() == "hex" else (_from_base64, _from_hex)
    for decode in order:
        try:
            yield decode(body).strip()
        except (binascii.Error, ValueError):
            continue  # the other encoding, or none: the value is refused then


def _from_hex(body: str) -> bytes:
    return bytes.fromhex(body)


def _from_base64(body: str) -> bytes:
    return base64.b64decode(body, validate=True)


def _declared(attributes: bytes) -> str:
    matched = _DECLARED.search(attributes)
    stated = matched[1].decode("latin-1").strip() if matched is not None else ""
    return next((name for pattern, name in _NAMES if pattern.fullmatch(stated)), "unknown")


@dataclass(frozen=True, slots=True)
class UnreadValues:
    """A format of signed values that is named rightly and not read."""

    name: str
    title: str

    def claim(self, data: bytes) -> Claim:
        """Values of this format, and of no other that is read."""
        found = value_formats(data)
        return Claim.MARK if self.name in found and OCMF_NAME not in found and min(found) == self.name else Claim.NONE

    def parse(self, data: bytes, key: MeterPublicKey | None, table: TableOptions) -> NoReturn:
        """Raises ``UnreadFormat``, always."""
        del data, key, table
        raise UnreadFormat(f"the file holds signed values of {self.title}, which are not read", format=self.name)


EDL40 = UnreadValues("edl40", "EDL-40")
ALFEN = UnreadValues("alfen", "Alfen")
PCDF = UnreadValues("pcdf", "PCDF")
