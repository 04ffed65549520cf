"""Codec of the ``settle`` guest: a period's energy in, bills and the payout list out.

Decided here: the bytes of the job and of its result, and the digests of its parts. Not decided here: what tariff,
allocation key and bill mean (the settlement room and the guest); here they are opaque bytes of known length.
docs/spec/settlement.md
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wattest.crypto.hashing import sha256
from wattest.errors import InputError
from wattest.units import U64_MAX
from wattest.workload.engine import Guest, Limits
from wattest.workload.status import MalformedGuestOutput, result_of

ADDRESS_BYTES = 20
PAYOUT_BYTES = 52
TARIFF_BYTES = 50
JOB_ID_BYTES = 32
BLINDING_BYTES = 16
BILL_FIXED_BYTES = 353
MAX_HOUSEHOLDS = 10_000
MAX_CELLS = 2**21
MAX_PREVIOUS_PAYOUTS = 65_536
PAYOUT_LEAF_VERSION = 1

_VERSION = 1
_HEADER = struct.Struct(">BQQII")
_TAIL = struct.Struct(">QQQq")
_TARIFF_DOMAIN = b"wattest/tariff/1"
_ALLOCATION_DOMAIN = b"wattest/allocation/1"

REASONS = {
    1: "malformed framing",
    2: "malformed tariff",
    3: "malformed allocation key",
    4: "malformed previous payout list",
    5: "a household's energy is out of range",
    6: "a payout is out of range",
}


Column: TypeAlias = "Sequence[int] | NDArray[np.integer[Any]]"


class StatementInputInvalid(InputError):
    """A settlement job that its format cannot express."""


@dataclass(frozen=True, slots=True)
class HouseholdInput:
    """One household of a statement: its 32-byte job id, 16 secret bytes, and its energy per interval.

    ``imports`` and ``exports`` are columns of unsigned 64-bit milliwatt-hours, one value per interval of the period.
    """

    job_id: bytes
    blinding: bytes = field(repr=False)
    imports: Column = field(repr=False)
    exports: Column = field(repr=False)


@dataclass(frozen=True, slots=True)
class Payout:
    """All that an address was ever promised, in the token's smallest units."""

    address: bytes
    cumulative_amount: int

    def leaf_payload(self) -> bytes:
        """The 53-byte payload of its leaf in the payout tree."""
        return bytes([PAYOUT_LEAF_VERSION]) + self.address + self.cumulative_amount.to_bytes(32, "big")


@dataclass(frozen=True, slots=True)
class StatementInput:
    """One billing period of one community; households, payees and allocation keys are in the same order.

    ``tariff`` and ``allocation`` are the settlement room's canonical bytes. ``payees`` are 20-byte addresses, zero for
    none. ``previous_payouts`` is the payout list of the statement before.
    """

    period_start: int
    period_end: int
    interval_s: int
    tariff: bytes
    allocation: bytes
    payees: Sequence[bytes] = field(repr=False)
    households: Sequence[HouseholdInput] = field(repr=False)
    previous_payouts: Sequence[Payout] = field(default=(), repr=False)

    @property
    def interval_count(self) -> int:
        """Whole intervals of the period. Raises ``StatementInputInvalid``."""
        if self.interval_s <= 0 or self.period_end <= self.period_start:
            raise StatementInputInvalid("the period or the interval is empty")
        count, rest = divmod(self.period_end - self.period_start, self.interval_s)
        if rest:
            raise StatementInputInvalid("the period is not whole intervals", expected=self.interval_s, actual=rest)
        return count


@dataclass(frozen=True, slots=True)
class StatementOutput:
    """The settled period: one bill per household, the cumulative payout list ascending by address, and the sums.

    ``community_rounding_cents`` is what consumers paid for community energy beyond what exporters were credited.
    """

    bills: Sequence[bytes] = field(repr=False)
    payouts: Sequence[Payout] = field(repr=False)
    total_import_milliwatt_hours: int
    total_export_milliwatt_hours: int
    total_shared_milliwatt_hours: int
    community_rounding_cents: int

    @property
    def payout_total(self) -> int:
        """Sum of the payout list: the ``total`` that the payout entry commits to beside the root."""
        return sum(payout.cumulative_amount for payout in self.payouts)


def encode_statement_input(job: StatementInput) -> bytes:
    """The guest's input. Raises ``StatementInputInvalid``. docs/spec/settlement.md"""
    count, households = job.interval_count, len(job.households)
    if not 1 <= households <= MAX_HOUSEHOLDS or households * count > MAX_CELLS:
        raise StatementInputInvalid(
            "the statement is too large or has no households",
            expected=MAX_CELLS, actual=households * count, hint="settle a shorter period, or fewer households at once",
        )  # fmt: skip
    if len(job.payees) != households or any(len(payee) != ADDRESS_BYTES for payee in job.payees):
        raise StatementInputInvalid("payees are not one 20-byte address per household", expected=households)
    if len(job.tariff) != TARIFF_BYTES:
        raise StatementInputInvalid("the tariff has another length", expected=TARIFF_BYTES, actual=len(job.tariff))
    if len(job.allocation) != 5 + 4 * households:
        raise StatementInputInvalid(
            "the allocation key is not of these households", expected=5 + 4 * households, actual=len(job.allocation)
        )
    if len(job.previous_payouts) > MAX_PREVIOUS_PAYOUTS:
        raise StatementInputInvalid(
            "the payout list is too long", expected=MAX_PREVIOUS_PAYOUTS, actual=len(job.previous_payouts)
        )
    try:
        header = _HEADER.pack(_VERSION, job.period_start, job.period_end, job.interval_s, households)
    except struct.error as error:
        raise StatementInputInvalid("a value does not fit its field", reason=str(error)) from None
    return b"".join(
        [
            header, job.tariff, job.allocation, *job.payees,
            len(job.previous_payouts).to_bytes(4, "big"), encode_payouts(job.previous_payouts),
            *(part for household in job.households for part in _household_parts(household, count)),
        ]
    )  # fmt: skip


def parse_statement_output(output: bytes) -> StatementOutput:
    """Read the guest's output, every size bounded by what is there.

    Raises ``JobDeclined`` (a ``VerificationError``) where the guest refused the job, ``MalformedGuestOutput``.
    """
    data = result_of("settle", output, REASONS)
    if len(data) < 8:
        raise MalformedGuestOutput("the output of settle is cut short", actual=len(data))
    count, size = struct.unpack_from(">II", data)
    payouts_at = 8 + count * size
    if not 1 <= count <= MAX_HOUSEHOLDS or size < BILL_FIXED_BYTES or payouts_at + 4 > len(data):
        raise MalformedGuestOutput("the output of settle does not hold its bills", count=count, size=size)
    bills = [data[8 + index * size : 8 + (index + 1) * size] for index in range(count)]
    payout_count = int.from_bytes(data[payouts_at : payouts_at + 4], "big")
    tail_at = payouts_at + 4 + payout_count * PAYOUT_BYTES
    if len(data) != tail_at + _TAIL.size:
        raise MalformedGuestOutput("the output of settle has another length than its counts", actual=len(data))
    return StatementOutput(bills, parse_payouts(data[payouts_at + 4 : tail_at]), *_TAIL.unpack_from(data, tail_at))


def run_settle(guest: Guest, job: StatementInput, limits: Limits | None = None) -> StatementOutput:
    """Run one job. Raises ``StatementInputInvalid``, ``JobDeclined``, ``GuestFailure``."""
    return parse_statement_output(guest.run(encode_statement_input(job), limits).output)


def encode_payouts(payouts: Sequence[Payout]) -> bytes:
    """A payout list, 52 bytes each. Raises ``StatementInputInvalid``."""
    for payout in payouts:
        if len(payout.address) != ADDRESS_BYTES or not 0 < payout.cumulative_amount < 2**128:
            raise StatementInputInvalid("a payout's address or amount is out of range", actual=payout.address)
    return b"".join(payout.address + payout.cumulative_amount.to_bytes(32, "big") for payout in payouts)


def parse_payouts(data: bytes) -> list[Payout]:
    """Read a payout list; it is strictly ascending by address and holds no zero. Raises ``MalformedGuestOutput``."""
    if len(data) % PAYOUT_BYTES:
        raise MalformedGuestOutput("a payout list is not whole payouts", expected=PAYOUT_BYTES, actual=len(data))
    payouts: list[Payout] = []
    before = bytes(ADDRESS_BYTES)
    for at in range(0, len(data), PAYOUT_BYTES):
        payout = Payout(data[at : at + 20], int.from_bytes(data[at + 20 : at + 52], "big"))
        if payout.address <= before or not 0 < payout.cumulative_amount < 2**128:
            raise MalformedGuestOutput("a payout list is not ascending, or holds a zero", at=at // PAYOUT_BYTES)
        before = payout.address
        payouts.append(payout)
    return payouts


def tariff_digest(tariff: bytes) -> bytes:
    """SHA-256 of a tariff's bytes under its tag, 32 bytes."""
    return sha256(_TARIFF_DOMAIN + tariff)


def allocation_digest(allocation: bytes) -> bytes:
    """SHA-256 of an allocation key's bytes under its tag, 32 bytes."""
    return sha256(_ALLOCATION_DOMAIN + allocation)


def bill_digest(bill: bytes) -> bytes:
    """The result digest of a bill's kind-18 entry, 32 bytes; the blinding inside keeps it from being guessed."""
    return sha256(bill)


def _household_parts(household: HouseholdInput, count: int) -> tuple[bytes, bytes, bytes, bytes]:
    if len(household.job_id) != JOB_ID_BYTES or len(household.blinding) != BLINDING_BYTES:
        raise StatementInputInvalid("a household needs a 32-byte job id and a 16-byte blinding")
    columns = [_column(values, count) for values in (household.imports, household.exports)]
    return household.job_id, household.blinding, columns[0], columns[1]


def _column(values: Column, count: int) -> bytes:
    if isinstance(values, np.ndarray):
        sound = values.shape == (count,) and values.dtype.kind in "iu" and not (values < 0).any()
    else:  # numpy would take floats and booleans for integers, and guess a type for large ones
        sound = len(values) == count and all(type(value) is int and 0 <= value <= U64_MAX for value in values)
    if not sound:
        raise StatementInputInvalid(
            "a column is not one unsigned 64-bit integer per interval", expected=count, actual=len(values)
        )
    return np.asarray(values, dtype=">u8").tobytes()
