"""The twin of the ``settle`` guest: the same bytes in, the same bytes out, in plain Python.

Decided here: nothing that docs/spec/settlement.md does not say. It exists so that the attested result can be checked
without an engine, and tests hold the two together.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from wattest.settlement.allocation import AllocationInvalid, AllocationKey, allocate, parse_allocation_key
from wattest.settlement.bill import Bill, LineKind, bill_lines
from wattest.settlement.payout import merge_payouts
from wattest.settlement.tariff import Tariff, TariffInvalid, parse_tariff
from wattest.units import U128_MAX
from wattest.workload.settle import (
    ADDRESS_BYTES,
    BILL_FIXED_BYTES,
    BLINDING_BYTES,
    JOB_ID_BYTES,
    MAX_CELLS,
    MAX_HOUSEHOLDS,
    MAX_PREVIOUS_PAYOUTS,
    PAYOUT_BYTES,
    TARIFF_BYTES,
    Payout,
    StatementInput,
    StatementOutput,
    encode_payouts,
    encode_statement_input,
    parse_payouts,
    parse_statement_output,
)
from wattest.workload.status import MalformedGuestOutput

ENERGY_LIMIT = 2**50
TIME_LIMIT_S = 2**48
_NOWHERE = 2**32 - 1
_HEADER = struct.Struct(">BQQII")
_BAD_FRAMING, _BAD_TARIFF, _BAD_ALLOCATION, _BAD_PREVIOUS, _BAD_ENERGY, _BAD_PAYOUT = range(1, 7)


class _RefusedError(Exception):
    def __init__(self, code: int, index: int = _NOWHERE) -> None:
        super().__init__(code, index)
        self.code = code
        self.index = index


@dataclass(frozen=True, slots=True)
class _Household:
    job_id: bytes
    blinding: bytes
    imports: tuple[int, ...]
    exports: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Job:
    period_start: int
    period_end: int
    interval_s: int
    intervals: int
    tariff: Tariff
    key: AllocationKey
    payees: list[bytes]
    previous: list[Payout]
    households: list[_Household]


def settle(job: StatementInput) -> StatementOutput:
    """Settle a period outside the enclave, with the guest's result.

    Raises ``StatementInputInvalid``, ``JobDeclined``.
    """
    return parse_statement_output(settle_bytes(encode_statement_input(job)))


def settle_bytes(data: bytes) -> bytes:
    """The guest's output for its input, refusals included."""
    try:
        return b"\0" + _settle(_read(data))
    except _RefusedError as refusal:
        return struct.pack(">BBI", 1, refusal.code, refusal.index)


def _settle(job: _Job) -> bytes:
    for index, household in enumerate(job.households):
        if sum(household.imports) >= ENERGY_LIMIT or sum(household.exports) >= ENERGY_LIMIT:
            raise _RefusedError(_BAD_ENERGY, index)
    intervals = [
        allocate(job.key, column_imports, column_exports)
        for column_imports, column_exports in zip(
            zip(*(household.imports for household in job.households), strict=True),
            zip(*(household.exports for household in job.households), strict=True),
            strict=True,
        )
    ]
    bills = [
        _bill(
            job,
            household,
            tuple(interval.shared[index] for interval in intervals),
            tuple(interval.shared_export[index] for interval in intervals),
        )
        for index, household in enumerate(job.households)
    ]
    payouts = encode_payouts(_payouts(job, bills))
    sums = struct.pack(
        ">QQQq",
        sum(bill.total_import for bill in bills),
        sum(bill.total_export for bill in bills),
        sum(bill.total_shared for bill in bills),
        community_rounding_cents(bills),
    )
    sizes = struct.pack(">II", len(bills), BILL_FIXED_BYTES + 16 * job.intervals)
    count = (len(payouts) // PAYOUT_BYTES).to_bytes(4, "big")
    return b"".join([sizes, *(bill.to_bytes() for bill in bills), count, payouts, sums])


def community_rounding_cents(bills: Sequence[Bill]) -> int:
    """What consumers pay for community energy beyond what exporters are credited: rounding alone, in cents."""
    kinds = (LineKind.COMMUNITY_ENERGY, LineKind.COMMUNITY_CREDIT)
    return sum(line.amount_cents for bill in bills for line in bill.lines if line.kind in kinds)


def _bill(job: _Job, household: _Household, shared: tuple[int, ...], shared_export: tuple[int, ...]) -> Bill:
    totals = (sum(household.imports), sum(household.exports), sum(shared), sum(shared_export))
    lines = bill_lines(job.tariff, job.period_end - job.period_start, *totals)
    return Bill(
        household.job_id, household.blinding, job.period_start, job.period_end, job.interval_s,
        job.tariff.digest, job.key.digest, *totals,
        lines=lines, total_cents=sum(line.amount_cents for line in lines), shared=shared, shared_export=shared_export,
    )  # fmt: skip


def _payouts(job: _Job, bills: Sequence[Bill]) -> list[Payout]:
    owed = [max(0, -bill.total_cents) * job.tariff.units_per_cent for bill in bills]
    sums = {payout.address: payout.cumulative_amount for payout in job.previous}
    # the guest visits addresses in ascending order, and names the household that makes a sum too large
    for index in sorted(range(len(owed)), key=lambda index: (job.payees[index], index)):
        payee = job.payees[index]
        if any(payee) and owed[index]:
            sums[payee] = sums.get(payee, 0) + owed[index]
            if sums[payee] > U128_MAX:
                raise _RefusedError(_BAD_PAYOUT, index)
    return merge_payouts(job.previous, zip(job.payees, owed, strict=True))


def _read(data: bytes) -> _Job:
    if len(data) < _HEADER.size:
        raise _RefusedError(_BAD_FRAMING)
    version, start, end, interval_s, households = _HEADER.unpack_from(data)
    if version != 1 or not interval_s or start >= end or end >= TIME_LIMIT_S or (end - start) % interval_s:
        raise _RefusedError(_BAD_FRAMING)
    intervals = (end - start) // interval_s
    if not 1 <= households <= MAX_HOUSEHOLDS or intervals > MAX_CELLS // households:
        raise _RefusedError(_BAD_FRAMING)
    at = _HEADER.size

    def take(size: int) -> bytes:
        nonlocal at
        if size > len(data) - at:
            raise _RefusedError(_BAD_FRAMING)
        at += size
        return data[at - size : at]

    tariff, allocation = take(TARIFF_BYTES), take(5 + 4 * households)
    payees = [take(ADDRESS_BYTES) for _ in range(households)]
    previous_count = int.from_bytes(take(4), "big")
    if previous_count > MAX_PREVIOUS_PAYOUTS:
        raise _RefusedError(_BAD_FRAMING)
    previous = take(previous_count * PAYOUT_BYTES)
    column = struct.Struct(f">{intervals}Q")
    sizes = (JOB_ID_BYTES, BLINDING_BYTES, column.size, column.size)
    parts = [[take(size) for size in sizes] for _ in range(households)]
    if at != len(data):
        raise _RefusedError(_BAD_FRAMING)
    return _Job(
        start, end, interval_s, intervals,
        _tariff(tariff), _key(allocation, households), payees, _previous(previous),
        [_Household(job, blinding, column.unpack(a), column.unpack(b)) for job, blinding, a, b in parts],
    )  # fmt: skip


def _tariff(data: bytes) -> Tariff:
    try:
        return parse_tariff(data)
    except TariffInvalid:
        raise _RefusedError(_BAD_TARIFF) from None


def _key(data: bytes, households: int) -> AllocationKey:
    try:
        key = parse_allocation_key(data)
    except AllocationInvalid:
        raise _RefusedError(_BAD_ALLOCATION) from None
    if len(key.keys) != households:
        raise _RefusedError(_BAD_ALLOCATION)
    return key


def _previous(data: bytes) -> list[Payout]:
    try:
        return parse_payouts(data)
    except MalformedGuestOutput:
        raise _RefusedError(_BAD_PREVIOUS) from None
