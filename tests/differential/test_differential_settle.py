"""The settle guest against the Python twin: the same bytes, refusals included; and the laws that both must keep."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattest.settlement.allocation import AllocationKey, AllocationKind, parse_allocation_key
from wattest.settlement.bill import LineKind, parse_bill, verify_bill
from wattest.settlement.settle_twin import settle, settle_bytes
from wattest.settlement.tariff import Tariff, parse_tariff
from wattest.workload.engine import EngineConfiguration
from wattest.workload.failures import JobDeclined
from wattest.workload.guests import load_guest
from wattest.workload.settle import (
    HouseholdInput,
    Payout,
    StatementInput,
    encode_statement_input,
    parse_statement_output,
    run_settle,
)

GUEST = load_guest("settle", EngineConfiguration.for_enclave())
NOWHERE = 2**32 - 1
EXAMPLES = max(250, settings().max_examples)


def both(data: bytes) -> bytes:
    output = GUEST.run(data).output
    assert output == settle_bytes(data)
    return output


ENERGY = st.one_of(st.integers(0, 9), st.integers(0, 10**6), st.sampled_from([0, 0, 1, 2**40, 2**48]))
PRICE = st.one_of(st.sampled_from([0, 10**12]), st.integers(0, 10**8))
ADDRESSES = [bytes(20), b"\1" * 20, b"\2" * 20, b"\xff" * 20]


@st.composite
def jobs(draw: st.DrawFn) -> StatementInput:
    households, intervals = draw(st.integers(1, 7)), draw(st.integers(1, 4))
    kind = draw(st.sampled_from(AllocationKind))
    if kind is AllocationKind.STATIC:
        cuts = sorted(draw(st.lists(st.integers(0, 10**6), min_size=households - 1, max_size=households - 1)))
        key = AllocationKey.static([b - a for a, b in zip([0, *cuts], [*cuts, 10**6], strict=True)])
    elif kind is AllocationKind.DYNAMIC:
        key = AllocationKey.dynamic(households)
    else:
        key = AllocationKey.priority(
            draw(st.lists(st.sampled_from([0, 1, 1, 2, 2**32 - 1]), min_size=households, max_size=households))
        )
    tariff = Tariff(*[draw(PRICE) for _ in range(6)], currency_decimals=draw(st.integers(2, 18)))
    column = st.lists(ENERGY, min_size=intervals, max_size=intervals)
    interval = draw(st.sampled_from([1, 900, 86_400]))
    start = draw(st.sampled_from([0, 1_700_000_000]))
    previous = draw(st.lists(st.sampled_from([*ADDRESSES[1:], b"\7" * 20]), unique=True))
    return StatementInput(
        period_start=start,
        period_end=start + interval * intervals,
        interval_s=interval,
        tariff=tariff.to_bytes(),
        allocation=key.to_bytes(),
        payees=draw(st.lists(st.sampled_from(ADDRESSES), min_size=households, max_size=households)),
        households=[
            HouseholdInput(draw(st.binary(min_size=32, max_size=32)), bytes(16), draw(column), draw(column))
            for _ in range(households)
        ],
        previous_payouts=[Payout(address, draw(st.sampled_from([1, 10**6, 2**127]))) for address in sorted(previous)],
    )


@settings(max_examples=EXAMPLES)
@given(jobs())
def test_the_guest_is_its_twin(job: StatementInput) -> None:
    output = both(encode_statement_input(job))
    if output[0] == 0:
        check_laws(job)
    else:
        assert output[1] in (5, 6)
        with pytest.raises(JobDeclined):
            settle(job)


@settings(max_examples=EXAMPLES)
@given(jobs(), st.data())
def test_the_guest_is_its_twin_on_damaged_jobs(job: StatementInput, draw: st.DataObject) -> None:
    damaged = bytearray(encode_statement_input(job))
    for _ in range(draw.draw(st.integers(1, 3))):
        at = draw.draw(st.one_of(st.integers(0, min(len(damaged) - 1, 150)), st.integers(0, len(damaged) - 1)))
        damaged[at] = draw.draw(st.integers(0, 255))
    cut = draw.draw(st.sampled_from([0, 0, 0, 1, 8]))
    both(bytes(damaged[: len(damaged) - cut]))


@given(st.binary(max_size=400))
def test_the_guest_is_its_twin_on_noise(data: bytes) -> None:
    assert both(data) == struct.pack(">BBI", 1, 1, NOWHERE)


def check_laws(job: StatementInput) -> None:
    """Conservation of energy and money, whatever the key."""
    result = settle(job)
    tariff, key = parse_tariff(job.tariff), parse_allocation_key(job.allocation)
    bills = [parse_bill(bill) for bill in result.bills]
    imports = np.array([household.imports for household in job.households], dtype=object)
    exports = np.array([household.exports for household in job.households], dtype=object)
    shared = np.array([bill.shared for bill in bills], dtype=object)
    credited = np.array([bill.shared_export for bill in bills], dtype=object)
    for t in range(job.interval_count):
        surplus, use = sum(exports[:, t]), sum(imports[:, t])
        assert sum(shared[:, t]) == sum(credited[:, t]) <= min(surplus, use)
        assert all(shared[:, t] <= imports[:, t])
        assert all(credited[:, t] <= exports[:, t])
        if key.kind is not AllocationKind.STATIC:
            assert sum(shared[:, t]) == min(surplus, use)
        else:
            for weight, part, own in zip(key.keys, shared[:, t], imports[:, t], strict=True):
                assert part == own or abs(part * 10**6 - surplus * weight) < 10**6
    for bill, household, data in zip(bills, job.households, result.bills, strict=True):
        assert bill.to_bytes() == data
        verify_bill(bill, list(household.imports), list(household.exports), tariff)
        assert bill.total_cents == sum(line.amount_cents for line in bill.lines)
    assert result.total_import_milliwatt_hours == imports.sum()
    assert result.total_export_milliwatt_hours == exports.sum()
    assert result.total_shared_milliwatt_hours == shared.sum()

    kinds = (LineKind.COMMUNITY_ENERGY, LineKind.COMMUNITY_CREDIT)
    community = [line for bill in bills for line in bill.lines if line.kind in kinds and line.quantity]
    paid = sum(line.amount_cents for line in community if line.amount_cents > 0)
    received = -sum(line.amount_cents for line in community if line.amount_cents < 0)
    assert paid == received + result.community_rounding_cents
    assert 2 * abs(result.community_rounding_cents) <= len(community)

    owed: dict[bytes, int] = {payout.address: payout.cumulative_amount for payout in job.previous_payouts}
    for bill, payee in zip(bills, job.payees, strict=True):
        if bill.total_cents < 0 and any(payee):
            owed[payee] = owed.get(payee, 0) - bill.total_cents * tariff.units_per_cent
    assert result.payouts == [Payout(address, owed[address]) for address in sorted(owed)]
    assert result.payout_total == sum(owed.values())


def plain(**changes: object) -> StatementInput:
    values: dict[str, object] = {
        "period_start": 0, "period_end": 1800, "interval_s": 900,
        "tariff": Tariff(30_000_000, 8_000_000, 12_000_000, 4_000_000, 7_000_000, 20_000_000).to_bytes(),
        "allocation": AllocationKey.dynamic(2).to_bytes(), "payees": [b"\1" * 20, b"\2" * 20],
        "households": [
            HouseholdInput(b"a" * 32, b"s" * 16, [700_000, 0], [0, 0]),
            HouseholdInput(b"b" * 32, b"t" * 16, [0, 100_000], [1_000_000, 2_000_000]),
        ],
    }  # fmt: skip
    return StatementInput(**(values | changes))


def test_a_plain_period_through_both() -> None:
    assert run_settle(GUEST, plain()) == settle(plain())
    # by hand, cents: 0.8 kWh shared at 12 is 9.6, 2.2 kWh fed in at 7 is 15.4; spent 0.1 kWh at 12 is 1.2, at 4 is 0.4,
    # fixed 20 a day is 0.4: rounded 10 + 15 - 1 - 0 - 0 = 24, and one cent is 10^4 units at 6 decimals
    assert settle(plain()).payouts == [Payout(b"\2" * 20, 24 * 10**4)]


def patched(at: int, new: bytes, job: StatementInput | None = None) -> bytes:
    data = encode_statement_input(job or plain())
    return data[:at] + new + data[at + len(new) :]


WEIGHTS = AllocationKey.static([500_000, 500_000])
OLD = plain(previous_payouts=[Payout(b"\5" * 20, 3), Payout(b"\6" * 20, 4)])
OLD_AT = 25 + 50 + 13 + 40 + 4

REFUSALS: list[tuple[str, bytes, int, int]] = [
    ("version", patched(0, b"\2"), 1, NOWHERE),
    ("period backwards", patched(1, b"\1"), 1, NOWHERE),
    ("period too late", patched(9, b"\1"), 1, NOWHERE),
    ("interval zero", patched(17, bytes(4)), 1, NOWHERE),
    ("interval not whole", patched(17, (899).to_bytes(4, "big")), 1, NOWHERE),
    ("no households", patched(21, bytes(4)), 1, NOWHERE),
    ("too many households", patched(21, (10_001).to_bytes(4, "big")), 1, NOWHERE),
    ("too many cells", patched(9, (2**47).to_bytes(8, "big")), 1, NOWHERE),
    ("one byte more", encode_statement_input(plain()) + b"\0", 1, NOWHERE),
    ("one byte less", encode_statement_input(plain())[:-1], 1, NOWHERE),
    ("previous count", patched(25 + 50 + 13 + 40, (65_537).to_bytes(4, "big")), 1, NOWHERE),
    ("tariff version", patched(25, b"\0"), 2, NOWHERE),
    ("decimals too few", patched(26, b"\1"), 2, NOWHERE),
    ("decimals too many", patched(26, b"\x13"), 2, NOWHERE),
    ("price", patched(27, (10**12 + 1).to_bytes(8, "big")), 2, NOWHERE),
    ("kind", patched(75, b"\4"), 3, NOWHERE),
    ("key count", patched(76, (3).to_bytes(4, "big")), 3, NOWHERE),
    ("a key in a dynamic key", patched(83, b"\1"), 3, NOWHERE),
    ("weights", patched(80, (500_001).to_bytes(4, "big"), plain(allocation=WEIGHTS.to_bytes())), 3, NOWHERE),
    ("weights that overflow", patched(80, b"\xff" * 8, plain(allocation=WEIGHTS.to_bytes())), 3, NOWHERE),
    ("payouts not ascending", patched(OLD_AT, b"\6" * 20, OLD), 4, NOWHERE),
    ("payout to nobody", patched(OLD_AT, bytes(20), OLD), 4, NOWHERE),
    ("payout of nothing", patched(OLD_AT + 51, b"\0", OLD), 4, NOWHERE),
    ("payout of 2^128", patched(OLD_AT + 35, b"\1", OLD), 4, NOWHERE),
    ("energy", encode_statement_input(plain(households=[
        plain().households[0], HouseholdInput(b"b" * 32, b"t" * 16, [2**49, 2**49], [0, 0])])), 5, 1),
    ("energy overflows", encode_statement_input(plain(households=[
        HouseholdInput(b"b" * 32, b"t" * 16, [0, 0], [2**64 - 1, 1]), plain().households[0]])), 5, 0),
    ("payout overflows", encode_statement_input(plain(previous_payouts=[Payout(b"\2" * 20, 2**128 - 1)])), 6, 1),
]  # fmt: skip


@pytest.mark.parametrize(("data", "code", "index"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS])
def test_refusals(data: bytes, code: int, index: int) -> None:
    assert both(data) == struct.pack(">BBI", 1, code, index)


def test_the_untouched_jobs_are_accepted() -> None:
    for job in (plain(), OLD, plain(allocation=WEIGHTS.to_bytes())):
        assert both(encode_statement_input(job))[0] == 0


def test_a_large_period_stays_within_the_default_limits() -> None:
    rng = np.random.default_rng(20_240_601)
    households, intervals = 200, 2976
    job = StatementInput(
        0, 900 * intervals, 900, plain().tariff, AllocationKey.equal(households).to_bytes(), [bytes(20)] * households,
        [
            HouseholdInput(rng.bytes(32), rng.bytes(16), rng.integers(0, 300_000, intervals),
                           rng.integers(0, 400_000, intervals))
            for _ in range(households)
        ],
    )  # fmt: skip
    outcome = GUEST.run(encode_statement_input(job))
    assert len(parse_statement_output(outcome.output).bills) == households
