"""EAR: every reason code has a place in the vector, tiers are AR4SI's, and readers of claims and tokens are strict."""

from __future__ import annotations

import contextlib
import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattest.attestation.appraisal_policy import ALLOWABLE
from wattest.attestation.ear import MAX_EAR_BYTES, Ear, EarExpired, EarMalformed, encode_ear, parse_ear
from wattest.attestation.ear_token import MAX_TOKEN_BYTES, EarForged, open_ear, sign_ear
from wattest.attestation.trust_vector import (
    _KNOWN_WEAK,
    ALL_CLAIMS,
    CODE_VALUES,
    Tier,
    tier_of,
    worst_tier,
)
from wattest.attestation.trust_words import CLAIM_WORDS, value_words
from wattest.crypto.canonical import encode
from wattest.crypto.errors import PublicKeyInvalid
from wattest.crypto.p256 import P256PrivateKey
from wattest.errors import InputError, VerificationError

ROOT = Path(__file__).resolve().parents[3]
FILE = json.loads((ROOT / "vectors" / "ear" / "ear.json").read_text())
CASES = {case["name"]: case for case in FILE["cases"]}
PUBLIC_KEY = bytes.fromhex(FILE["public_key"])
TOKEN = CASES["up to date"]["token"].encode()
CLAIMS = CASES["unknown measurement"]["claims"]


def test_every_reason_code_on_the_page_has_a_place_and_no_other() -> None:
    page = (ROOT / "docs" / "spec" / "evidence.md").read_text("utf-8")
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", page.split("### Reasons")[1], re.MULTILINE)
    codes = {code for row in rows for code in re.findall(r"`(\w+)`", row)} - {"accepted"}
    assert len(codes) > 40
    assert codes == set(CODE_VALUES)


def test_every_status_that_a_policy_may_allow_is_a_known_weakness() -> None:
    assert set(ALLOWABLE) == set(_KNOWN_WEAK)


@pytest.mark.parametrize(
    ("value", "tier"),
    [
        *((-128, "contraindicated"), (-97, "contraindicated"), (-96, "warning"), (-33, "warning")),
        *((-32, "affirming"), (-2, "affirming"), (-1, "none"), (0, "none"), (1, "none"), (2, "affirming")),
        *((31, "affirming"), (32, "warning"), (95, "warning"), (96, "contraindicated"), (127, "contraindicated")),
    ],
)
def test_tiers(value: int, tier: str) -> None:
    assert tier_of(value) == tier
    assert worst_tier({"hardware": value, "executables": 2}) == max((Tier(tier), Tier.AFFIRMING), key=list(Tier).index)


@pytest.mark.parametrize("status", ["affirming", "warning", "none"])
def test_what_is_refused_is_never_better_than_contraindicated(status: str) -> None:
    claims = copy.deepcopy(CLAIMS)
    claims["submods"]["enclave"]["ear_status"] = status
    with pytest.raises(EarMalformed) as caught:
        parse_ear(encode(claims))
    assert caught.value.fields["location"] == "submods.enclave.ear_status"


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else ()
    return [path, *(found for key, item in inner for found in paths(item, (*path, key)))]


@pytest.mark.parametrize("path", [path for path in paths(CLAIMS) if path and "wattest_measurement" not in path[:-1]])
def test_a_claim_that_is_missing_is_named(path: tuple[Any, ...]) -> None:
    claims = copy.deepcopy(CLAIMS)
    at = claims
    for key in path[:-1]:
        at = at[key]
    del at[path[-1]]
    if "ear_trustworthiness_vector" in path[:-1]:
        assert path[-1] not in parse_ear(encode(claims)).vector
        return
    if path[-1] in {"ear_attester_claims", "ear_verifier_claims", "wattest_measurement", "wattest_appraisal"}:
        told = path[-1] in {"ear_attester_claims", "wattest_measurement"}
        assert (parse_ear(encode(claims)).accepted is False) == told  # optional: None where nothing is told
        return
    with pytest.raises(EarMalformed) as caught:
        parse_ear(encode(claims))
    assert path[-1] in caught.value.fields["location"] or path[0] == "submods"


@pytest.mark.parametrize(
    "at", [(), ("ear_verifier_id",), ("submods", "enclave"), ("submods", "enclave", "ear_verifier_claims")]
)
def test_claims_that_are_not_known_decide_nothing(at: tuple[str, ...]) -> None:
    claims = copy.deepcopy(CLAIMS)
    inner = claims
    for key in at:
        inner = inner[key]
    inner["tag:example.org,2026:more"] = {"accepted": True}
    read = parse_ear(encode(claims))
    assert (read.status, read.accepted, read.codes) == (Tier.CONTRAINDICATED, False, ("unknown_measurement",))


def test_a_result_ends_when_it_says_so() -> None:
    ending = parse_ear(encode(CLAIMS | {"exp": 1_790_000_600}))
    ending.verify_unexpired(1_790_000_599)
    with pytest.raises(EarExpired):
        ending.verify_unexpired(1_790_000_600)
    parse_ear(encode(CLAIMS)).verify_unexpired(2**40)


def test_every_value_has_words() -> None:
    for claim in ALL_CLAIMS:
        words = [value_words(claim, value) for value in range(-128, 128)]
        assert all(words)
        assert len(set(words)) >= 7
    assert set(CLAIM_WORDS) == ALL_CLAIMS


def test_claims_that_are_too_long_are_never_made_or_read() -> None:
    claims = copy.deepcopy(CLAIMS)
    claims["ear_verifier_id"]["build"] = "x" * MAX_EAR_BYTES
    with pytest.raises(EarMalformed):
        encode_ear(claims)
    with pytest.raises(EarMalformed):
        parse_ear(encode(claims))
    with pytest.raises(EarMalformed):
        open_ear(b"a" * (MAX_TOKEN_BYTES + 1), PUBLIC_KEY)


def test_the_longest_claims_fit_a_token() -> None:
    claims = copy.deepcopy(CLAIMS)
    claims["ear_verifier_id"]["build"] = ""
    claims["ear_verifier_id"]["build"] = "x" * (MAX_EAR_BYTES - len(encode(claims)))
    key = P256PrivateKey.from_seed(bytes(31) + b"\x01")
    assert isinstance(open_ear(sign_ear(encode_ear(claims), key), key.public_key), Ear)


def test_nothing_is_signed_that_nobody_would_read() -> None:
    with pytest.raises(EarMalformed):
        sign_ear(b"{}", P256PrivateKey.from_seed(bytes(31) + b"\x01"))


def test_another_key_opens_nothing() -> None:
    stranger = P256PrivateKey.from_seed(bytes(31) + b"\x01").public_key
    with pytest.raises(EarForged):
        open_ear(TOKEN, stranger)
    with pytest.raises(PublicKeyInvalid):
        open_ear(TOKEN, bytes(64))


@given(st.data())
def test_a_token_with_any_byte_changed_is_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(TOKEN) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != TOKEN[at]))
    with pytest.raises((EarMalformed, EarForged)):
        open_ear(TOKEN[:at] + bytes([byte]) + TOKEN[at + 1 :], PUBLIC_KEY)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_no_token_and_no_claims(data: bytes) -> None:
    for read in (lambda: open_ear(data, PUBLIC_KEY), lambda: parse_ear(data)):
        with pytest.raises((InputError, VerificationError)):
            read()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([path for path in paths(CLAIMS) if path]), JSON)
def test_claims_with_any_value_replaced_are_read_or_refused(path: tuple[Any, ...], value: Any) -> None:
    claims = copy.deepcopy(CLAIMS)
    at = claims
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    with contextlib.suppress(EarMalformed):
        assert isinstance(parse_ear(encode(claims)), Ear)
