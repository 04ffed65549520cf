"""A household's own check of its bill: every part that differs is found, and bill bytes have one reading."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattest.settlement.allocation import AllocationKey
from wattest.settlement.bill import Bill, BillInvalid, BillMismatch, LineKind, amount_cents, parse_bill, verify_bill
from wattest.settlement.settle_twin import settle
from wattest.settlement.tariff import Tariff
from wattest.workload.settle import HouseholdInput, StatementInput

TARIFF = Tariff(31_500_000, 8_200_000, 13_000_000, 4_100_000, 7_030_000, 27_500_000)
IMPORTS, EXPORTS = [250_000, 0, 410_000, 77], [0, 640_000, 120_000, 0]


def make_bill() -> Bill:
    others = [HouseholdInput(bytes([i]) * 32, b"o" * 16, [300_000] * 4, [50_000] * 4) for i in (1, 2)]
    own = HouseholdInput(b"h" * 32, b"b" * 16, IMPORTS, EXPORTS)
    job = StatementInput(
        9000, 12_600, 900, TARIFF.to_bytes(), AllocationKey.static([200_000, 500_000, 300_000]).to_bytes(),
        [bytes(20)] * 3, [others[0], own, others[1]],
    )  # fmt: skip
    return parse_bill(settle(job).bills[1])


BILL = make_bill()


def test_a_right_bill_is_accepted() -> None:
    assert BILL.total_shared > 0
    assert BILL.total_shared_export > 0
    verify_bill(BILL, IMPORTS, EXPORTS, TARIFF)


def with_line(position: int, **changes: int) -> Bill:
    lines = list(BILL.lines)
    lines[position] = replace(lines[position], **changes)
    return replace(BILL, lines=tuple(lines))


WRONG: list[tuple[str, Bill, str]] = [
    ("tariff", replace(BILL, tariff_digest=bytes(32)), "tariff"),
    ("a share beyond the use", replace(BILL, shared=(250_001, *BILL.shared[1:])), "shared"),
    ("a credit beyond the export", replace(BILL, shared_export=(1, *BILL.shared_export[1:])), "shared_export"),
    ("a share too small", replace(BILL, shared=(BILL.shared[0] - 1, *BILL.shared[1:])), "total shared"),
    ("a credit too small", replace(BILL, shared_export=(0, BILL.shared_export[1] - 1, *BILL.shared_export[2:])),
     "total shared export"),
    ("total import", replace(BILL, total_import=BILL.total_import + 1), "total import"),
    ("total export", replace(BILL, total_export=BILL.total_export - 1), "total export"),
    ("total shared", replace(BILL, total_shared=BILL.total_shared + 1), "total shared"),
    ("total", replace(BILL, total_cents=BILL.total_cents + 1), "total"),
    ("period", replace(BILL, period_end=BILL.period_end + 86_400), "line fixed_charge"),
    *((f"line {position + 1} {name}", with_line(position, **{name: getattr(BILL.lines[position], name) + 1}),
       f"line {BILL.lines[position].kind.name.lower()}")
      for position in range(7) for name in ("quantity", "price_micro_cents", "amount_cents")),
    ("swapped kinds", with_line(0, kind=LineKind.GRID_FEE), "line grid_energy"),
]  # fmt: skip


@pytest.mark.parametrize(("bill", "what"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_a_wrong_bill_is_refused_for_what_is_wrong(bill: Bill, what: str) -> None:
    with pytest.raises(BillMismatch) as caught:
        verify_bill(bill, IMPORTS, EXPORTS, TARIFF)
    assert caught.value.fields["what"] == what
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("imports", "exports", "tariff"),
    [
        (IMPORTS[:3], EXPORTS, TARIFF),
        (IMPORTS, [*EXPORTS, 0], TARIFF),
        ([IMPORTS[0] + 1, *IMPORTS[1:]], EXPORTS, TARIFF),
        (IMPORTS, [*EXPORTS[:3], 1], TARIFF),
        (IMPORTS, EXPORTS, replace(TARIFF, feed_in=TARIFF.feed_in + 1)),
    ],
)
def test_other_readings_or_another_tariff_are_found(imports: list[int], exports: list[int], tariff: Tariff) -> None:
    with pytest.raises(BillMismatch):
        verify_bill(BILL, imports, exports, tariff)


def test_half_a_cent_rounds_away_from_zero() -> None:
    assert [amount_cents(LineKind.GRID_FEE, q, 10**6) for q in (499_999, 500_000, 1_499_999, 1_500_000)] == [
        0,
        1,
        1,
        2,
    ]
    assert [amount_cents(LineKind.FEED_IN_CREDIT, q, 10**6) for q in (499_999, 500_000, 1_500_000)] == [0, -1, -2]
    assert [amount_cents(LineKind.FIXED_CHARGE, s, 10**6) for s in (43_199, 43_200, 86_400, 129_600)] == [0, 1, 1, 2]


def test_the_bytes_lie_where_the_page_says() -> None:
    data = BILL.to_bytes()
    assert len(data) == 353 + 16 * 4
    assert data[1:33] == b"h" * 32
    assert data[33:49] == b"b" * 16
    assert data[73:105] == hashlib.sha256(b"wattest/tariff/1" + TARIFF.to_bytes()).digest() == TARIFF.digest
    assert data[345:353] == BILL.total_cents.to_bytes(8, "big", signed=True)
    assert BILL.digest == hashlib.sha256(data).digest()
    assert parse_bill(data) == BILL


def test_readings_and_secrets_stay_out_of_the_repr() -> None:
    for secret in ("blinding", "lines", "shared", "total"):
        assert secret not in repr(BILL)
    assert "blinding" not in repr(HouseholdInput(b"h" * 32, b"b" * 16, IMPORTS, EXPORTS))


@pytest.mark.parametrize(
    ("at", "new"),
    [
        (0, b"\2"), (49, b"\1"), (65, bytes(4)), (65, (450).to_bytes(4, "big")), (69, (5).to_bytes(4, "big")),
        (69, b"\xff" * 4), (169, b"\6"), (170, b"\2"), (195, b"\1"),
    ],
)  # fmt: skip
def test_malformed_bytes_are_refused(at: int, new: bytes) -> None:
    data = BILL.to_bytes()
    with pytest.raises(BillInvalid):
        parse_bill(data[:at] + new + data[at + len(new) :])


@given(st.binary(max_size=500), st.integers(0, 416), st.integers(1, 255), st.integers(0, 417))
def test_any_bytes_are_a_bill_or_an_input_error(noise: bytes, at: int, change: int, cut: int) -> None:
    data = bytearray(BILL.to_bytes())
    data[at] ^= change
    for candidate in (noise, bytes(data), bytes(data[:cut]), bytes(data) + noise):
        try:
            bill = parse_bill(candidate)
        except BillInvalid:
            continue
        assert bill.to_bytes() == candidate
        assert bill.digest != BILL.digest
