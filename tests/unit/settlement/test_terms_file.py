"""The settlement terms file: read as it was written, and every edited value breaks the signature."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wattest.crypto.p256 import P256PrivateKey
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.eip712 import Domain
from wattest.messages.settlement_terms import SignedTerms, TermsUnsigned, sign_terms
from wattest.settlement.allocation import AllocationKey
from wattest.settlement.terms_file import (
    NamedPayee,
    PriceInvalid,
    TermsFile,
    TermsFileInvalid,
    make_tariff,
    parse_price,
    parse_terms_file,
    show_price,
    verify_terms_file,
)

MANAGER = Secp256k1PrivateKey.from_seed(b"\x07" * 32)
STATEMENTS = ChannelIdentity(MANAGER.address, ChannelKind.OPEN, b"\x08" * 32)
DOMAIN = Domain(31337, b"\x12" * 20)
KEYS = sorted(P256PrivateKey.from_seed(bytes([one]) * 32).public_key for one in (1, 2, 3))


def signed() -> TermsFile:
    unsigned = TermsFile(
        statement_channel=STATEMENTS.id,
        metering_channel=b"\x09" * 32,
        members_hash=b"\x0a" * 32,
        tariff=make_tariff(["24", "9.35", "12", "4", "8", "10"], 2),
        allocation=AllocationKey.dynamic(3),
        payees=tuple(
            NamedPayee(f"flat-{at}", key, bytes([at]) * 20 if at else bytes(20)) for at, key in enumerate(KEYS)
        ),
        signed=SignedTerms(86_400, 31 * 86_400, bytes(65)),
    )
    return replace(unsigned, signed=sign_terms(MANAGER, unsigned.terms, DOMAIN))


def test_a_file_comes_back_and_its_signature_holds() -> None:
    terms = signed()
    found = parse_terms_file(terms.to_bytes())
    assert found == terms
    verify_terms_file(found, STATEMENTS, DOMAIN)
    assert found.tariff.grid == 9_350_000
    assert found.payee_addresses[0] == bytes(20)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'energy = "24"', b'energy = "24.000001"'),
        (b'fixed_per_day = "10"', b'fixed_per_day = "11"'),
        (b"currency_decimals = 2", b"currency_decimals = 3"),
        (b'kind = "dynamic"', b'kind = "priority"'),
        (b'address = "0x0101', b'address = "0x0102'),
        (b"valid_until = 2678400", b"valid_until = 2678401"),
        (b'members = "0a', b'members = "0b'),
        (b'metering_channel = "09', b'metering_channel = "0a'),
    ],
)
def test_an_edited_value_breaks_the_signature(before: bytes, after: bytes) -> None:
    text = signed().to_bytes()
    assert before in text
    with pytest.raises(TermsUnsigned):
        verify_terms_file(parse_terms_file(text.replace(before, after)), STATEMENTS, DOMAIN)


def test_a_name_is_for_people_and_not_signed() -> None:
    verify_terms_file(parse_terms_file(signed().to_bytes().replace(b"flat-1", b"the attic")), STATEMENTS, DOMAIN)


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [
        (b"settlement-terms/1", b"settlement-terms/2", "another version"),
        (b"keys = [0, 0, 0]", b"keys = [0, 0]", "one key of the allocation for each payee"),
        (b'energy = "24"', b"energy = 24", "tariff.energy"),
        (b'kind = "dynamic"', b'kind = "dynamik"', "did you mean 'dynamic'"),
        (b"[tariff]", b"[tarif]", "tarif"),
    ],
)
def test_anything_else_is_refused_with_its_place(before: bytes, after: bytes, place: str) -> None:
    text = signed().to_bytes()
    assert before in text
    with pytest.raises(TermsFileInvalid, match=place):
        parse_terms_file(text.replace(before, after))


def test_payees_are_in_member_order() -> None:
    terms = signed()
    with pytest.raises(TermsFileInvalid, match="ascend"):
        replace(terms, payees=terms.payees[::-1])


@pytest.mark.parametrize(("text", "micro"), [("0", 0), ("24", 24_000_000), ("9.35", 9_350_000), ("0.000001", 1)])
def test_prices_are_exact(text: str, micro: int) -> None:
    assert parse_price(text) == micro
    assert parse_price(show_price(micro)) == micro


@pytest.mark.parametrize(
    "text", ["", "-1", "9,35", "0.0000001", "nan", "inf", "1e2", ".5", "5.", "24 ct", "٣", "1" * 40]
)
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(PriceInvalid):
        parse_price(text)
