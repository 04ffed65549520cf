"""A household's bill: its bytes, its arithmetic, and how the household checks it with its own readings alone.

Decided here: the seven lines, their rounding, and what makes a bill wrong. Not decided here: whether the allocation was
right for the others, which only the attested guest saw. docs/spec/settlement.md, "Bill"
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from wattest.errors import InputError, VerificationError
from wattest.settlement.tariff import Tariff
from wattest.units import SECONDS_PER_DAY
from wattest.workload.settle import (
    BILL_FIXED_BYTES,
    MAX_CELLS,
    bill_digest,
)

BILL_VERSION = 1
ENERGY_DIVISOR = 10**12  # milliwatt-hours per kilowatt-hour x micro-cents per cent
FIXED_DIVISOR = SECONDS_PER_DAY * 10**6

_HEAD = struct.Struct(">B32s16sQQII32s32sQQQQB")
_LINE = struct.Struct(">BQqq")


class LineKind(IntEnum):
    """What a line charges (or credits), in the order of the bill."""

    GRID_ENERGY = 1
    GRID_FEE = 2
    COMMUNITY_ENERGY = 3
    COMMUNITY_GRID_FEE = 4
    COMMUNITY_CREDIT = 5
    FEED_IN_CREDIT = 6
    FIXED_CHARGE = 7


CREDITS = (LineKind.COMMUNITY_CREDIT, LineKind.FEED_IN_CREDIT)


class BillInvalid(InputError):
    """Bill bytes outside the format."""


class BillMismatch(VerificationError):
    """A bill that does not follow from the household's readings and the tariff; fields ``what``, expected, actual."""


@dataclass(frozen=True, slots=True)
class BillLine:
    """One line: milliwatt-hours (seconds for the fixed charge), micro-cents per kilowatt-hour (per day), cents."""

    kind: LineKind
    quantity: int
    price_micro_cents: int
    amount_cents: int


@dataclass(frozen=True, slots=True)
class Bill:
    """One household's bill of one period; energies in milliwatt-hours, shares one value per interval."""

    job_id: bytes
    blinding: bytes = field(repr=False)
    period_start: int
    period_end: int
    interval_s: int
    tariff_digest: bytes
    allocation_digest: bytes
    total_import: int = field(repr=False)
    total_export: int = field(repr=False)
    total_shared: int = field(repr=False)
    total_shared_export: int = field(repr=False)
    lines: tuple[BillLine, ...] = field(repr=False)
    total_cents: int = field(repr=False)
    shared: tuple[int, ...] = field(repr=False)
    shared_export: tuple[int, ...] = field(repr=False)

    def to_bytes(self) -> bytes:
        """The 353 + 16 n bytes of the format, for a bill whose values fit their fields."""
        count = len(self.shared)
        head = _HEAD.pack(
            BILL_VERSION, self.job_id, self.blinding, self.period_start, self.period_end, self.interval_s, count,
            self.tariff_digest, self.allocation_digest, self.total_import, self.total_export, self.total_shared,
            self.total_shared_export, len(self.lines),
        )  # fmt: skip
        lines = b"".join(
            _LINE.pack(line.kind, line.quantity, line.price_micro_cents, line.amount_cents) for line in self.lines
        )
        shares = struct.pack(f">q{2 * count}Q", self.total_cents, *self.shared, *self.shared_export)
        return head + lines + shares

    @property
    def digest(self) -> bytes:
        """The result digest of the bill's entry, 32 bytes."""
        return bill_digest(self.to_bytes())


def bill_lines(
    tariff: Tariff, seconds: int, total_import: int, total_export: int, shared: int, shared_export: int
) -> tuple[BillLine, ...]:
    """The seven lines of a bill from its sums, milliwatt-hours."""
    rest, surplus = total_import - shared, total_export - shared_export
    quantities = (
        (LineKind.GRID_ENERGY, rest, tariff.energy),
        (LineKind.GRID_FEE, rest, tariff.grid),
        (LineKind.COMMUNITY_ENERGY, shared, tariff.community),
        (LineKind.COMMUNITY_GRID_FEE, shared, tariff.community_grid),
        (LineKind.COMMUNITY_CREDIT, shared_export, tariff.community),
        (LineKind.FEED_IN_CREDIT, surplus, tariff.feed_in),
        (LineKind.FIXED_CHARGE, seconds, tariff.fixed_per_day),
    )
    return tuple(
        BillLine(kind, quantity, price, amount_cents(kind, quantity, price)) for kind, quantity, price in quantities
    )


def amount_cents(kind: LineKind, quantity: int, price_micro_cents: int) -> int:
    """A line's amount: rounded once, half a cent away from zero, with the line's sign."""
    divisor = FIXED_DIVISOR if kind is LineKind.FIXED_CHARGE else ENERGY_DIVISOR
    cents = (quantity * price_micro_cents + divisor // 2) // divisor
    return -cents if kind in CREDITS else cents


def parse_bill(data: bytes) -> Bill:
    """Read a bill; what is read encodes to the same bytes again. Raises ``BillInvalid``. docs/spec/settlement.md"""
    if len(data) < BILL_FIXED_BYTES:
        raise BillInvalid("the bill is cut short", expected=BILL_FIXED_BYTES, actual=len(data))
    (version, job_id, blinding, start, end, interval_s, count, tariff, allocation, *totals, line_count) = (
        _HEAD.unpack_from(data)
    )
    if version != BILL_VERSION:
        raise BillInvalid("the bill's version is unknown", expected=BILL_VERSION, actual=version)
    if line_count != len(LineKind):
        raise BillInvalid("a bill has seven lines", expected=len(LineKind), actual=line_count)
    if not interval_s or end <= start or not 1 <= count <= MAX_CELLS or end - start != count * interval_s:
        raise BillInvalid("the bill's period is not its intervals", expected=count * interval_s, actual=end - start)
    if len(data) != BILL_FIXED_BYTES + 16 * count:
        raise BillInvalid(
            "the bill has another length than its count", expected=BILL_FIXED_BYTES + 16 * count, actual=len(data)
        )
    lines = _lines(data)
    total_cents, *shares = struct.unpack_from(f">q{2 * count}Q", data, BILL_FIXED_BYTES - 8)
    return Bill(
        job_id=job_id,
        blinding=blinding,
        period_start=start,
        period_end=end,
        interval_s=interval_s,
        tariff_digest=tariff,
        allocation_digest=allocation,
        total_import=totals[0],
        total_export=totals[1],
        total_shared=totals[2],
        total_shared_export=totals[3],
        lines=lines,
        total_cents=total_cents,
        shared=tuple(shares[:count]),
        shared_export=tuple(shares[count:]),
    )


@dataclass(frozen=True, slots=True)
class BillHead:
    """What a bill says besides its intervals; energies in milliwatt-hours, times unix seconds."""

    period_start: int
    period_end: int
    total_import: int = field(repr=False)
    total_export: int = field(repr=False)
    total_shared: int = field(repr=False)
    total_shared_export: int = field(repr=False)
    lines: tuple[BillLine, ...] = field(repr=False)
    total_cents: int = field(repr=False)


def bill_head(data: bytes) -> BillHead:
    """Read a bill's first 353 bytes, which an operator keeps. Raises ``BillInvalid``."""
    if len(data) < BILL_FIXED_BYTES:
        raise BillInvalid("the bill is cut short", expected=BILL_FIXED_BYTES, actual=len(data))
    version, _, _, start, end, _, _, _, _, *totals, line_count = _HEAD.unpack_from(data)
    if version != BILL_VERSION or line_count != len(LineKind):
        raise BillInvalid("the bill's version is unknown", expected=BILL_VERSION, actual=version)
    (total_cents,) = struct.unpack_from(">q", data, BILL_FIXED_BYTES - 8)
    return BillHead(start, end, totals[0], totals[1], totals[2], totals[3], _lines(data), total_cents)


def _lines(data: bytes) -> tuple[BillLine, ...]:
    lines = []
    for position, expected in enumerate(LineKind):
        kind, quantity, price, amount = _LINE.unpack_from(data, _HEAD.size + position * _LINE.size)
        if kind != expected:
            raise BillInvalid("the bill's lines are not the seven in order", expected=int(expected), actual=kind)
        lines.append(BillLine(expected, quantity, price, amount))
    return tuple(lines)


def verify_bill(bill: Bill, own_imports: Sequence[int], own_exports: Sequence[int], tariff: Tariff) -> None:
    """Recompute a bill from the household's own energy (milliwatt-hours per interval) and the tariff.

    Raises ``BillMismatch`` on: another tariff; another number of intervals; a share beyond the own use or export; a
    sum, line or total that does not follow. docs/spec/settlement.md
    """
    _expect("tariff", tariff.digest, bill.tariff_digest)
    count = len(bill.shared)
    _expect("intervals", count, len(own_imports))
    _expect("intervals", count, len(own_exports))
    for index in range(count):
        if bill.shared[index] > own_imports[index]:
            raise BillMismatch(
                "a share is larger than the own use",
                what="shared", index=index, expected=own_imports[index], actual=bill.shared[index],
            )  # fmt: skip
        if bill.shared_export[index] > own_exports[index]:
            raise BillMismatch(
                "a credited export is larger than the own export",
                what="shared_export", index=index, expected=own_exports[index], actual=bill.shared_export[index],
            )  # fmt: skip
    _expect("total import", sum(own_imports), bill.total_import)
    _expect("total export", sum(own_exports), bill.total_export)
    _expect("total shared", sum(bill.shared), bill.total_shared)
    _expect("total shared export", sum(bill.shared_export), bill.total_shared_export)
    lines = bill_lines(
        tariff, bill.period_end - bill.period_start, bill.total_import, bill.total_export, bill.total_shared,
        bill.total_shared_export,
    )  # fmt: skip
    for line, actual in zip(lines, bill.lines, strict=True):
        _expect(f"line {line.kind.name.lower()}", line, actual)
    _expect("total", sum(line.amount_cents for line in lines), bill.total_cents)


def _expect(what: str, expected: object, actual: object) -> None:
    if expected != actual:
        raise BillMismatch(
            f"the bill's {what} is wrong",
            what=what, expected=expected, actual=actual, hint="compare the bill with your own readings and tariff",
        )  # fmt: skip
