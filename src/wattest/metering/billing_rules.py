"""What can be billed and what makes a series: one set of rules for readers, for ``billable`` and for the importer.

Decided here: every rule and its code, which of them also forbid a series, and the judgements themselves. Not decided
here: how a format's fields are read (``readers``), which moments pair up (``transactions``), or whether a series is
plausible (``vee``). Invariants: a file is billable exactly if nothing objects; whatever the importer refuses is an
objection of the same code, found by the same function. docs/spec/meter-files.md, section "What can be billed"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from wattest.errors import VerificationError
from wattest.metering.records import RecordsOutOfOrder, ends, verify_order
from wattest.metering.verdicts import CrcVerdict, SignatureVerdict
from wattest.units import U32_MAX

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from wattest.metering.points import Places, PointColumns
    from wattest.metering.records import Records

    Column = NDArray[Any]


class BillingRule(StrEnum):
    """The code of a rule, stable for scripts."""

    SIGNATURE_ABSENT = "signature-absent"
    SIGNATURE_UNCHECKED = "signature-unchecked"
    SIGNATURE_INVALID = "signature-invalid"
    CHECKSUM_FAILED = "checksum-failed"
    FORMAT_BROKEN = "format-broken"

    FORMAT_VERSION = "format-version"
    METER_STATUS = "meter-status"
    ERROR_FLAG = "error-flag"
    EXCEPTION = "exception"
    CLOCK_MARK = "clock-mark"
    NEGATIVE_ENERGY = "negative-energy"
    LOSS = "cumulated-loss"
    NO_VALUE = "no-value"
    USER_ASSIGNMENT = "user-assignment"
    PAGES = "pages"

    SEVERAL_METERS = "several-meters"
    NO_REGISTER = "no-register"
    REGISTERS_DIFFER = "registers-differ"
    REGISTER_BACKWARDS = "register-backwards"
    REGISTER_OUT_OF_RANGE = "register-out-of-range"
    ENERGY_UNKNOWN = "energy-unknown"
    TIME_MISSING = "time-missing"
    TIME_OUT_OF_RANGE = "time-out-of-range"
    TIME_BACKWARDS = "time-backwards"
    READINGS_OVERLAP = "readings-overlap"
    RECORDS_UNFIT = "records-unfit"

    @property
    def forbids_series(self) -> bool:
        """Whether a file that breaks this rule makes no series either."""
        return self in _FORBID_SERIES


_FORBID_SERIES = frozenset(
    {
        *(BillingRule.SIGNATURE_INVALID, BillingRule.CHECKSUM_FAILED, BillingRule.FORMAT_BROKEN),
        *(BillingRule.SEVERAL_METERS, BillingRule.NO_REGISTER, BillingRule.REGISTERS_DIFFER),
        *(BillingRule.REGISTER_BACKWARDS, BillingRule.REGISTER_OUT_OF_RANGE, BillingRule.ENERGY_UNKNOWN),
        *(BillingRule.TIME_MISSING, BillingRule.TIME_OUT_OF_RANGE, BillingRule.TIME_BACKWARDS),
        *(BillingRule.READINGS_OVERLAP, BillingRule.RECORDS_UNFIT),
    }
)
_STATUS = {
    "N": "the meter was not present",
    "T": "a timeout while reading the meter",
    "D": "the meter was disconnected",
    "R": "the meter was removed",
    "M": "manipulation was detected",
    "X": "the meter was exchanged",
    "I": "the meter is incompatible",
    "O": "the value is out of range",
    "S": "a substitute value",
    "E": "an unspecified error",
    "F": "the register was not read correctly",
}
_CLOCK_MARKS = frozenset("UISR")  # unknown, informative, synchronised, relative
_ASSIGNED = frozenset({"NONE", "HEARSAY", "TRUSTED", "VERIFIED", "CERTIFIED", "SECURE"})
_NOT_ASSIGNED = frozenset({"MISMATCH", "INVALID", "OUTDATED", "UNKNOWN"})
_OCMF_VERSION = re.compile(r"(?:0\.[1-4]|1\.[0-4])(?:\.\d{1,3})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a file must not be billed: the rule, and words; ``record`` numbers the part that breaks it from 1."""

    rule: BillingRule
    text: str
    record: int | None = None
    hint: str | None = None
    fields: Mapping[str, object] = field(default_factory=dict, hash=False)

    def refusal(self) -> NotImportable:
        """The same as an importer says it."""
        return NotImportable(self.rule, self.text, record=self.record, hint=self.hint, **self.fields)

    def as_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {"rule": str(self.rule), "record": self.record, "text": self.text}


class NotImportable(VerificationError):
    """Readings that make no series; ``rule`` is the billing rule that they break."""

    def __init__(
        self, rule: BillingRule, message: str, *, record: int | None = None, hint: str | None = None, **fields: object
    ) -> None:
        named = fields if record is None else {"record": record, **fields}
        super().__init__(message, hint=hint, rule=str(rule), **named)
        self.rule = rule
        self._objection = Objection(rule, message, record, hint, fields)

    @property
    def objection(self) -> Objection:
        """The same as a reader says it."""
        return self._objection


def file_objections(signature: SignatureVerdict, crc: CrcVerdict, *, malformed: bool) -> tuple[Objection, ...]:
    """What a file's verdicts say against it: only a signature that holds over an unbroken file can be billed."""
    found: list[Objection] = []
    if signature is SignatureVerdict.INVALID:
        found.append(Objection(BillingRule.SIGNATURE_INVALID, "a signature does not hold"))
    elif signature is SignatureVerdict.UNCHECKED:
        found.append(Objection(BillingRule.SIGNATURE_UNCHECKED, "no signature was checked under a registered key"))
    elif signature is SignatureVerdict.ABSENT:
        found.append(Objection(BillingRule.SIGNATURE_ABSENT, "no signature binds the values to a meter"))
    if crc is CrcVerdict.FAILED:
        found.append(Objection(BillingRule.CHECKSUM_FAILED, "a checksum does not hold"))
    if malformed:
        found.append(Objection(BillingRule.FORMAT_BROKEN, "the file breaks its format"))
    return tuple(found)


def payload_objections(
    version: str | None, identification: str | None, level: str | None, *, valued: bool
) -> list[Objection]:
    """What one OCMF payload says against itself beside its readings.

    ``version`` is FV as text, None where it is left out. ``level`` is IL; before 1.0 the level stood in IS, so that IS
    is judged like IL wherever it is text (``identification``, None for a boolean).
    """
    found: list[Objection] = []
    if version is not None and _OCMF_VERSION.fullmatch(version) is None:
        text = f"format version {version[:20]!r} is not known: what its fields mean is not known either"
        found.append(Objection(BillingRule.FORMAT_VERSION, text))
    for stated in dict.fromkeys(word for word in (identification, level) if word):
        if stated in _NOT_ASSIGNED:
            found.append(Objection(BillingRule.USER_ASSIGNMENT, f"user assignment failed: {stated}"))
        elif stated not in _ASSIGNED:
            found.append(Objection(BillingRule.USER_ASSIGNMENT, f"no known level of user assignment: {stated[:40]!r}"))
    if not valued:
        found.append(Objection(BillingRule.NO_VALUE, "no reading has a value"))
    return found


def reading_objections(
    number: int, status: str | None, error_flags: str, transaction: str | None, energy: Decimal | None,
    clock: str | None, loss: Decimal | None,
) -> list[Objection]:  # fmt: skip
    """What one OCMF reading says against itself; ``energy`` is exact and None where it shows none.

    ``clock`` is the letter behind the time; ``loss`` is CL, None where it is left out.
    """
    where = f"reading {number}"
    found: list[Objection] = []
    if status != "G":
        meaning = _STATUS.get(status or "", "no known meter status")
        found.append(Objection(BillingRule.METER_STATUS, f"{where}: status {status}: {meaning}"))
    if "E" in error_flags:
        found.append(Objection(BillingRule.ERROR_FLAG, f"{where}: error flag E: energy is not usable for billing"))
    if "t" in error_flags:
        found.append(Objection(BillingRule.ERROR_FLAG, f"{where}: error flag t: time is not usable for billing"))
    if error_flags.strip("Et"):
        found.append(Objection(BillingRule.ERROR_FLAG, f"{where}: unknown error flags {error_flags!r}"))
    if transaction == "X":
        text = f"{where}: an exception during charging makes time or energy unusable from here on"
        found.append(Objection(BillingRule.EXCEPTION, text))
    if clock is not None and clock not in _CLOCK_MARKS:
        found.append(Objection(BillingRule.CLOCK_MARK, f"{where}: no known clock status {clock!r}"))
    if energy is not None and energy < 0:
        found.append(Objection(BillingRule.NEGATIVE_ENERGY, f"{where}: negative energy"))
    if loss is not None and loss < 0:
        found.append(Objection(BillingRule.LOSS, f"{where}: a negative cumulated loss (CL)"))
    elif loss and transaction == "B":
        text = f"{where}: the cumulated loss (CL) is not zero where the transaction begins: it holds losses of others"
        found.append(Objection(BillingRule.LOSS, text))
    return found


def is_plain_reading(
    status: str | None, error_flags: str, transaction: str | None, energy: Decimal | None, clock: str | None,
    loss: Decimal | None,
) -> bool:  # fmt: skip
    """Whether ``reading_objections`` certainly finds nothing; most readings end here."""
    return (
        status == "G"
        and not error_flags
        and transaction != "X"
        and (clock is None or clock in _CLOCK_MARKS)
        and (energy is None or energy >= 0)
        and loss is None
    )


def several_meters() -> Objection:
    """Readings of more than one meter cannot be told apart in one series."""
    return Objection(
        BillingRule.SEVERAL_METERS, "the records come from more than one meter", hint="import one file per meter"
    )


def register_outside(whole: int, record: int | None = None) -> NotImportable:
    """The refusal of a register that is no unsigned 64-bit number of milliwatt-hours."""
    return NotImportable(
        BillingRule.REGISTER_OUT_OF_RANGE, "an energy register is negative or beyond 64 bits", record=record,
        actual=whole,
    )  # fmt: skip


def time_unusable(seconds: int | None, record: int | None = None) -> NotImportable:
    """The refusal of a reading without time, or with one that no record takes."""
    if seconds is None:
        return NotImportable(
            BillingRule.TIME_MISSING, "a reading has no usable time", record=record,
            hint="records need the time of every reading",
        )  # fmt: skip
    return NotImportable(
        BillingRule.TIME_OUT_OF_RANGE, "a reading's time is before 1970", record=record, actual=seconds
    )


def registers_differ(text: str, record: int | None = None) -> NotImportable:
    """The refusal of readings that show other registers than those before them."""
    return NotImportable(
        BillingRule.REGISTERS_DIFFER, text, record=record, hint="energy is the difference of one register at two times"
    )


def verify_spans(points: PointColumns, begin: Places, end: Places) -> None:
    """Refuse the first span whose time runs backwards, or whose registers do or are not the same at both ends.

    ``begin`` and ``end`` are places of points, equal for a snapshot. Raises ``NotImportable``.
    """
    time, imported, exported = points.time_s, points.import_register, points.export_register
    duration = time[end] - time[begin]  # both below 2**48: no sign is lost
    late = (duration < 0) | (duration > U32_MAX)
    other = points.shown[begin] != points.shown[end]
    falls = (imported[end] < imported[begin]) | (exported[end] < exported[begin])
    moves = (imported[end] != imported[begin]) | (exported[end] != exported[begin])
    wrong = late | other | falls | (moves & (duration == 0))
    hidden = None if points.fallen is None else points.fallen[end] & (begin != end)
    if hidden is not None:
        wrong |= hidden
    if not bool(wrong.any()):
        return
    at = int(np.argmax(wrong))
    before, after = int(begin[at]), int(end[at])
    record = int(points.source[after]) + 1
    if late[at]:
        raise NotImportable(
            BillingRule.TIME_BACKWARDS, "time runs backwards between two readings", record=record,
            actual=[int(time[before]), int(time[after])],
        )  # fmt: skip
    if other[at]:
        raise registers_differ("begin and end of an interval show different registers", record)
    if falls[at]:
        raise NotImportable(
            BillingRule.REGISTER_BACKWARDS,
            "a register runs backwards between two readings",
            record=record,
            hint="the meter was exchanged, or its register rolled over; import the parts as files of their own",
            actual=[int(column[after]) - int(column[before]) for column in (imported, exported)],
        )
    if hidden is not None and hidden[at]:
        raise NotImportable(
            BillingRule.REGISTER_BACKWARDS,
            "the register of one tariff runs backwards between two readings, though the sum of all does not",
            record=record,
            hint="the meter was exchanged, or its register rolled over; import the parts as files of their own",
        )
    raise NotImportable(
        BillingRule.TIME_BACKWARDS, "a register moves while time stands still", record=record, actual=int(time[after])
    )


def verify_register_column(register: Column, energy: Column, *, is_shown: bool, has_energy: bool) -> None:
    """Refuse a column of registers, in order of time, that cannot stand beside its energies.

    ``is_shown`` says that the source has the registers, which are running totals of the energies otherwise;
    ``has_energy`` that it has the energies. Raises ``NotImportable``.
    """
    if is_shown and not has_energy:
        raise NotImportable(
            BillingRule.ENERGY_UNKNOWN, "a column of registers has no column of energies beside it",
            hint="name the column that has the energy of each interval",
        )  # fmt: skip
    if is_shown and bool((register[1:] < register[:-1]).any()):
        index = int(np.argmax(register[1:] < register[:-1])) + 1
        raise NotImportable(
            BillingRule.REGISTER_BACKWARDS, "a register runs backwards between two rows",
            hint="the meter was exchanged, or its register rolled over; import the parts as files of their own",
            actual=[int(register[index - 1]), int(register[index])],
        )  # fmt: skip
    if not is_shown and bool((register < energy).any()):  # a sum of two that leaves 64 bits is less than each
        raise NotImportable(BillingRule.REGISTER_OUT_OF_RANGE, "the running total leaves 64 bits")


def series_period(records: Records) -> tuple[int, int]:
    """The period [first start, last end) of a file's records, at least one second.

    Raises ``NotImportable`` for records that overlap or repeat.
    """
    start, end = int(records["start"][0]), int(ends(records).max())
    end = max(end, start + 1)
    try:
        verify_order(records, start, end)
    except RecordsOutOfOrder as error:
        raise NotImportable(
            BillingRule.READINGS_OVERLAP, f"the readings overlap or repeat: {error.message}", hint=error.hint
        ) from error
    return start, end
