"""Tariffs and payouts: bounds, bytes, the tree that members claim from."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattest.crypto.hashing import keccak256
from wattest.merkle import leaf_hash, verify_inclusion
from wattest.settlement.payout import PayoutsInvalid, PayoutTree, merge_payouts
from wattest.settlement.tariff import Tariff, TariffInvalid, parse_tariff
from wattest.workload.settle import Payout, StatementInputInvalid, encode_payouts, parse_payouts
from wattest.workload.status import MalformedGuestOutput

TARIFF = Tariff(1, 2, 3, 4, 5, 6, 18)
LIST = [Payout(b"\1" * 20, 7), Payout(b"\2" * 20, 2**128 - 1), Payout(b"\xff" * 20, 1)]


def test_a_tariffs_bytes() -> None:
    assert TARIFF.to_bytes().hex() == "0112" + "".join(f"{price:016x}" for price in range(1, 7))
    assert parse_tariff(TARIFF.to_bytes()) == TARIFF
    assert TARIFF.units_per_cent == 10**16


@pytest.mark.parametrize(
    "changes",
    [{name: value} for name in ("energy", "grid", "community", "community_grid", "feed_in", "fixed_per_day")
     for value in (-1, 10**12 + 1)] + [{"currency_decimals": 1}, {"currency_decimals": 19}],
)  # fmt: skip
def test_a_tariff_out_of_range_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(TariffInvalid):
        replace(TARIFF, **changes)


@given(st.binary(max_size=60), st.integers(0, 49), st.integers(0, 255))
def test_any_bytes_are_a_tariff_or_an_input_error(noise: bytes, at: int, value: int) -> None:
    data = bytearray(TARIFF.to_bytes())
    data[at] = value
    for candidate in (noise, bytes(data), bytes(data)[:at]):
        try:
            assert parse_tariff(candidate).to_bytes() == candidate
        except TariffInvalid:
            continue


def test_a_claim_is_proved_by_its_leaf() -> None:
    salts = [bytes([i]) * 16 for i in range(3)]
    tree = PayoutTree.build(LIST, salts)
    assert tree.result_digest == keccak256(tree.root + (2**128 + 7).to_bytes(32, "big"))
    for payout in LIST:
        found, salt, proof = tree.prove(payout.address)
        assert found == payout
        payload = b"\1" + payout.address + payout.cumulative_amount.to_bytes(32, "big")
        assert len(payload) == 53
        verify_inclusion(tree.root, leaf_hash(salt, payload), proof)
    with pytest.raises(PayoutsInvalid):
        tree.prove(b"\3" * 20)


@pytest.mark.parametrize(
    "payouts",
    [[], LIST[::-1], [LIST[0], LIST[0]], [Payout(bytes(20), 1)], [Payout(b"\1" * 20, 0)], [Payout(b"\1" * 20, 2**128)],
     [Payout(b"\1" * 19, 1)]],
)  # fmt: skip
def test_a_list_out_of_order_makes_no_tree(payouts: list[Payout]) -> None:
    with pytest.raises(PayoutsInvalid):
        PayoutTree.build(payouts, [bytes(16)] * len(payouts))


def test_every_leaf_has_a_salt() -> None:
    with pytest.raises(PayoutsInvalid):
        PayoutTree.build(LIST, [bytes(16)] * 2)


def test_sums_are_cumulative_and_by_address() -> None:
    owed = [(b"\2" * 20, 5), (b"\1" * 20, 3), (b"\1" * 20, 4), (bytes(20), 9), (b"\3" * 20, 0)]
    assert merge_payouts([Payout(b"\1" * 20, 10)], owed) == [Payout(b"\1" * 20, 17), Payout(b"\2" * 20, 5)]
    with pytest.raises(PayoutsInvalid):
        merge_payouts(LIST, [(LIST[1].address, 1)])


@given(st.binary(max_size=160), st.integers(0, 155), st.integers(0, 255))
def test_any_bytes_are_a_payout_list_or_an_input_error(noise: bytes, at: int, value: int) -> None:
    data = bytearray(encode_payouts(LIST))
    data[at] = value
    for candidate in (noise, bytes(data), bytes(data)[:at]):
        try:
            assert encode_payouts(parse_payouts(candidate)) == candidate
        except MalformedGuestOutput:
            continue


def test_an_amount_out_of_range_is_not_encoded() -> None:
    for amount in (-1, 0, 2**128):
        with pytest.raises(StatementInputInvalid):
            encode_payouts([Payout(b"\1" * 20, amount)])
