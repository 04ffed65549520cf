"""Terms of directed challenges: one word, its bounds, the bonds and deadlines that follow; and causes as words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from protocol_scenarios import PARAMETERS, TERMS

from wattest.messages.channel import ChannelKind
from wattest.messages.fields import FieldInvalid
from wattest.twin.cause import SlashCause, cause_text, cause_word
from wattest.twin.challenge import (
    MAX_ANSWER_GAS,
    MAX_GAS_PRICE_WEI,
    NO_CHALLENGE_TERMS,
    challenge_terms_of,
    require_challenge_terms,
)
from wattest.twin.errors import TermOutOfRange, TermsNotZero
from wattest.twin.fraud_proofs import fraud_proofs_terms_rule

GWEI = 10**9
DAY = 86_400
DEAREST = MAX_ANSWER_GAS * TERMS.max_gas_price_wei


def test_terms_are_one_word_and_back() -> None:
    assert challenge_terms_of(TERMS.word) == TERMS
    assert TERMS.word.hex() == "00015180" + "00000000000f4240" + "000000000007a120" + "000000174876e800" + "00000000"
    assert challenge_terms_of(bytes(32)) == NO_CHALLENGE_TERMS
    assert challenge_terms_of(b"\xff" * 32).word == b"\xff" * 28 + bytes(4)


@pytest.mark.parametrize(
    "changed",
    [
        {"answer_window_s": 1},
        {"answer_window_s": 30 * DAY},
        {"max_gas_price_wei": MAX_GAS_PRICE_WEI},
        {"answer_gas_cap_wei": 0},
        {"answer_gas_cap_wei": TERMS.base_bond_wei},
        {"base_bond_wei": min(4 * DEAREST, PARAMETERS.catcher_reward_wei)},
        {"base_bond_wei": TERMS.answer_gas_cap_wei},
    ],
)
def test_terms_at_their_bounds(changed: dict[str, int]) -> None:
    require_challenge_terms(PARAMETERS, replace(TERMS, **changed).word)


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"answer_window_s": 0}, "answerWindowS"),
        ({"answer_window_s": 30 * DAY + 1}, "answerWindowS"),
        ({"max_gas_price_wei": 0}, "maxGasPriceWei"),
        ({"max_gas_price_wei": MAX_GAS_PRICE_WEI + 1}, "maxGasPriceWei"),
        ({"max_gas_price_wei": 10**9}, "answerGasCapWei"),
        ({"answer_gas_cap_wei": TERMS.base_bond_wei + GWEI}, "baseBondWei"),
        ({"base_bond_wei": 0, "answer_gas_cap_wei": 0}, "baseBondWei"),
        ({"base_bond_wei": 4 * DEAREST + GWEI}, "baseBondWei"),
        (
            {"max_gas_price_wei": MAX_GAS_PRICE_WEI, "base_bond_wei": PARAMETERS.catcher_reward_wei + GWEI},
            "baseBondWei",
        ),
        ({"answer_window_s": 0, "max_gas_price_wei": 0}, "answerWindowS"),
    ],
)
def test_terms_beyond_their_bounds(changed: dict[str, int], name: str) -> None:
    with pytest.raises(TermOutOfRange) as refused:
        require_challenge_terms(PARAMETERS, replace(TERMS, **changed).word)
    assert refused.value.fields == {"name": name}


def test_the_low_bits_of_terms_are_reserved() -> None:
    with pytest.raises(TermOutOfRange) as refused:
        require_challenge_terms(PARAMETERS, TERMS.word[:-1] + b"\x01")
    assert refused.value.fields == {"name": "reserved"}


@pytest.mark.parametrize(
    "changed", [{"base_bond_wei": 1}, {"answer_gas_cap_wei": GWEI + 1}, {"base_bond_wei": 2**64 * GWEI}]
)
def test_what_no_word_can_say_never_comes_into_being(changed: dict[str, int]) -> None:
    with pytest.raises(FieldInvalid):
        replace(TERMS, **changed)


def test_bonds_and_deadlines_by_ordinal() -> None:
    assert [TERMS.bond_wei(ordinal) for ordinal in (1, 2, 9)] == [10**15, 1_125 * 10**12, 2 * 10**15]
    assert [TERMS.answer_time_s(ordinal) // DAY for ordinal in (1, 4, 5, 8, 9)] == [1, 1, 2, 2, 3]


def test_fraud_proofs_have_no_terms() -> None:
    fraud_proofs_terms_rule(ChannelKind.OPEN, PARAMETERS, bytes(32))
    with pytest.raises(TermsNotZero):
        fraud_proofs_terms_rule(ChannelKind.OPEN, PARAMETERS, bytes(31) + b"\x01")


def test_causes_are_words_and_back() -> None:
    for cause in SlashCause:
        assert cause_text(cause.word) == cause
    assert cause_word("equivocation") == b"equivocation" + bytes(20)
    assert cause_text(cause_word("x" * 32)) == "x" * 32


@pytest.mark.parametrize("text", ["x" * 33, "\u00e4", "a\x00b"])
def test_what_is_no_cause(text: str) -> None:
    with pytest.raises(FieldInvalid):
        cause_word(text)


@pytest.mark.parametrize("word", [bytes(32), b"\xff" * 32, b"a\x00b" + bytes(29), b"\x07" + bytes(31)])
def test_a_cause_that_is_no_text_is_shown_as_it_is(word: bytes) -> None:
    assert cause_text(word) == word.hex()
