"""Protocol values under arbitrary and mutated bytes; the stake formula over every number of cheated entries."""

from __future__ import annotations

import contextlib
import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattest.errors import InputError, VerificationError
from wattest.messages.eip712 import Domain
from wattest.messages.evidence_verdict import parse_verdict
from wattest.messages.header import HEADER_BYTES, parse_header
from wattest.messages.member_list import parse_signed_member_list, verify_member_list
from wattest.twin.stake import (
    StakeInvalid,
    StakeModel,
    base_stake,
    detection_chance,
    expected_profit,
    required_deposit,
    required_stake,
)

VECTORS = Path(__file__).parents[2] / "vectors/protocol"
MEMBERS = json.loads((VECTORS / "member_list.json").read_text())
LIST_BYTES = bytes.fromhex(MEMBERS["bytes"])
DOMAIN = Domain(int(MEMBERS["chain_id"]), bytes.fromhex(MEMBERS["referee"]))


@given(st.binary(max_size=700) | st.binary(min_size=HEADER_BYTES, max_size=HEADER_BYTES))
def test_header_parser_total(data: bytes) -> None:
    with contextlib.suppress(InputError):
        assert parse_header(data).to_bytes() == data


@given(st.binary(max_size=500) | st.binary(min_size=448, max_size=448))
def test_verdict_parser_total(data: bytes) -> None:
    with contextlib.suppress(InputError):
        assert parse_verdict(data).to_bytes() == data


@given(st.binary(max_size=400))
def test_member_list_parser_total(data: bytes) -> None:
    with contextlib.suppress(InputError):
        assert parse_signed_member_list(data).to_bytes() == data


@settings(max_examples=300)
@given(st.integers(0, len(LIST_BYTES) - 1), st.integers(1, 255))
def test_member_list_any_byte_changed_is_refused(position: int, change: int) -> None:
    data = bytearray(LIST_BYTES)
    data[position] ^= change
    with pytest.raises((InputError, VerificationError)):
        verify_member_list(parse_signed_member_list(bytes(data)), DOMAIN)


@given(st.integers(0, len(LIST_BYTES) - 1))
def test_member_list_truncated(length: int) -> None:
    with pytest.raises(InputError):
        parse_signed_member_list(LIST_BYTES[:length])


@st.composite
def models(draw: st.DrawFn) -> StakeModel:
    entries = draw(st.integers(1, 60))
    entry_gain = draw(st.integers(1, 1000))
    batch_gain = entry_gain * draw(st.integers(1, 2 * entries)) + draw(st.integers(0, entry_gain - 1))
    chances = st.fractions(Fraction(1, 50), 1)
    return StakeModel(entries, entry_gain, batch_gain, draw(chances), draw(chances), draw(st.integers(1, 20)))


@settings(max_examples=200)
@given(models())
def test_cheating_never_pays_at_the_base_stake(model: StakeModel) -> None:
    stake = base_stake(model)
    assert all(expected_profit(model, stake, bad) <= 0 for bad in range(1, model.entries + 1))


@settings(max_examples=100)
@given(models())
def test_the_base_stake_is_no_larger_than_its_terms(model: StakeModel) -> None:
    stake = base_stake(model)
    drawn = min(model.drawn, model.entries)
    few = Fraction(model.entries * model.entry_gain) / (model.detection * model.selection * drawn)
    k1 = min(model.batch_gain // model.entry_gain, model.entries)
    many = model.batch_gain * (1 / detection_chance(model, k1) - 1)
    assert max(few, many) <= stake < max(few, many) + 1


@given(models(), st.fractions(0, 1))
def test_reputation_lowers_the_stake_between_three_and_one(model: StakeModel, rho: Fraction) -> None:
    base = base_stake(model)
    assert base == required_stake(base, Fraction(1)) <= required_stake(base, rho) <= required_stake(base, Fraction(0))
    assert required_stake(base, Fraction(0)) == 3 * base


@pytest.mark.parametrize("rho", [Fraction(-1, 10), Fraction(11, 10)])
def test_reputation_out_of_bounds(rho: Fraction) -> None:
    with pytest.raises(StakeInvalid):
        required_stake(100, rho)


@pytest.mark.parametrize(
    "arguments",
    [
        (0, 1, 1, Fraction(1)),
        (2**20 + 1, 1, 1, Fraction(1)),
        (1, 0, 1, Fraction(1)),
        (1, 2, 1, Fraction(1)),
        (1, 1, 1, Fraction(0)),
        (1, 1, 1, Fraction(11, 10)),
        (1, 1, 1, Fraction(1), Fraction(0)),
        (1, 1, 1, Fraction(1), Fraction(1), 0),
    ],
)
def test_stake_models_refused(arguments: tuple[int, int, int, Fraction]) -> None:
    with pytest.raises(StakeInvalid):
        StakeModel(*arguments)


def test_deposit_covers_all_open_batches_at_once() -> None:
    assert required_deposit([(100, 20), (50, 10)], 7) == 187
    assert required_deposit([], 7) == 7
