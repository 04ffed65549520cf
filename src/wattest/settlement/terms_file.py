"""The settlement terms file: what a manager signed of prices, shares and payees, as TOML that a person can read.

Decided here: the file's fields, and how prices in cents become a tariff. Not decided here: what is signed
(``messages.settlement_terms``), what a tariff does (``tariff``). Invariant: what the signature is over is computed from
the values that a person reads, so that an edited price is seen. Source: docs/spec/settlement-terms.md, section "File".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from wattest.crypto.hashing import sha256
from wattest.crypto.strict_fields import Field, Reader, Refusal
from wattest.crypto.toml_text import dump_toml, load_toml
from wattest.errors import InputError
from wattest.messages.channel import ChannelIdentity
from wattest.messages.eip712 import Domain
from wattest.messages.fields import ADDRESS_BYTES, WORD, require_bytes
from wattest.messages.member_file import MAX_NAME, NO_PAYEE, NamedMember, require_name
from wattest.messages.member_list import PUBLIC_KEY_BYTES
from wattest.messages.settlement_terms import SIGNATURE_BYTES, SettlementTerms, SignedTerms, verify_terms
from wattest.settlement.allocation import AllocationKey, AllocationKind
from wattest.settlement.tariff import CURRENCY_DECIMALS, Tariff
from wattest.workload.settle import MAX_HOUSEHOLDS

TERMS_FILE_FORMAT = "wattest/settlement-terms/1"
MAX_TERMS_FILE_BYTES = 16 * 2**20
MICRO_CENTS_PER_CENT = 1_000_000
PRICES = ("energy", "grid", "community", "community_grid", "feed_in", "fixed_per_day")
"""Cents per kilowatt-hour, ``fixed_per_day`` cents per day; in the order of the tariff's bytes."""
_MAX_PRICE_TEXT = 32
_PRICE = re.compile(r"\d{1,12}(?:\.\d{1,6})?", re.ASCII)
_LATEST_S = 2**40


class TermsFileInvalid(InputError):
    """A terms file that is not of its format, or whose values do not fit together; ``place`` says where."""


class PriceInvalid(InputError):
    """A price that is no number of cents with at most six decimals, or is negative."""


def _refuse(refusal: Refusal) -> TermsFileInvalid:
    place = refusal.where or "the whole"
    return TermsFileInvalid(f"{place}: {refusal.message}", place=place, **refusal.details)


_READER = Reader(_refuse, "a table", shows_text=True)


@dataclass(frozen=True, slots=True)
class NamedPayee:
    """A household's account: its name, not signed; its meter's key, 64 bytes; the address, 20 bytes or zero."""

    name: str
    public_key: bytes
    address: bytes

    def __post_init__(self) -> None:
        require_name(self.name)
        require_bytes("payee's public key", self.public_key, PUBLIC_KEY_BYTES)
        require_bytes("payee", self.address, ADDRESS_BYTES)

    @classmethod
    def of(cls, member: NamedMember) -> NamedPayee:
        """A household of a member file as a payee."""
        return cls(member.name, member.member.public_key, member.payee)


@dataclass(frozen=True, slots=True)
class TermsFile:
    """Signed settlement terms with everything behind their digests.

    Channels and ``members_hash`` (the member list's EIP-712 hashStruct) 32 bytes; payees ascend by public key, which is
    the order of the member list and of the allocation's keys. Raises: TermsFileInvalid.
    """

    statement_channel: bytes
    metering_channel: bytes
    members_hash: bytes
    tariff: Tariff
    allocation: AllocationKey
    payees: tuple[NamedPayee, ...]
    signed: SignedTerms

    def __post_init__(self) -> None:
        for name in ("statement_channel", "metering_channel", "members_hash"):
            require_bytes(name, getattr(self, name), WORD)
        if len(self.payees) != len(self.allocation.keys):
            raise TermsFileInvalid(
                "one key of the allocation for each payee",
                place="allocation.keys",
                expected=len(self.payees),
                actual=len(self.allocation.keys),
            )
        keys = [payee.public_key for payee in self.payees]
        if keys != sorted(set(keys)):
            raise TermsFileInvalid("payees ascend by public key, without repeats", place="payee")

    @property
    def payee_addresses(self) -> tuple[bytes, ...]:
        """The accounts in member order, 20 bytes each, zero for none."""
        return tuple(payee.address for payee in self.payees)

    @property
    def terms(self) -> SettlementTerms:
        """What the signature is over, computed from the values. Raises: TermsInvalid."""
        return SettlementTerms(
            self.statement_channel,
            self.metering_channel,
            self.signed.valid_from,
            self.signed.valid_until,
            self.members_hash,
            sha256(self.tariff.to_bytes()),
            sha256(self.allocation.to_bytes()),
            sha256(b"".join(self.payee_addresses)),
        )

    def to_bytes(self) -> bytes:
        """The TOML text."""
        return dump_toml(
            {
                "format": TERMS_FILE_FORMAT,
                "statement_channel": self.statement_channel.hex(),
                "metering_channel": self.metering_channel.hex(),
                "valid_from": self.signed.valid_from,
                "valid_until": self.signed.valid_until,
                "members": self.members_hash.hex(),
                "signature": self.signed.signature.hex(),
                "tariff": {name: show_price(getattr(self.tariff, name)) for name in PRICES}
                | {"currency_decimals": self.tariff.currency_decimals},
                "allocation": {"kind": self.allocation.kind.name.lower(), "keys": list(self.allocation.keys)},
                "payee": [
                    {
                        "name": payee.name,
                        "public_key": payee.public_key.hex(),
                        "address": "0x" + payee.address.hex() if any(payee.address) else "",
                    }
                    for payee in self.payees
                ],
            }
        ).encode()


def parse_terms_file(data: bytes) -> TermsFile:
    """Read a terms file, at most 16 MiB; the signature is not checked.

    Raises: TermsFileInvalid, PriceInvalid, TariffInvalid, AllocationInvalid, TermsInvalid.
    """
    if len(data) > MAX_TERMS_FILE_BYTES:
        raise TermsFileInvalid("the file is too long", expected=MAX_TERMS_FILE_BYTES, actual=len(data))
    try:
        top = _READER.fields(load_toml(data))
    except ValueError as error:
        raise TermsFileInvalid(f"this is not TOML: {error}", place="the whole") from error
    if (said := top["format"].text(MAX_NAME)) != TERMS_FILE_FORMAT:
        raise TermsFileInvalid(
            "this is no settlement terms file, or one of another version",
            expected=TERMS_FILE_FORMAT,
            actual=said,
            hint="name the file that `wattest manager terms` wrote",
        )
    tariff = top["tariff"].fields(*PRICES, "currency_decimals")
    allocation = top["allocation"].fields("kind", "keys")
    kinds = {kind.name.lower(): kind for kind in AllocationKind}
    found = TermsFile(
        statement_channel=top["statement_channel"].hex(WORD),
        metering_channel=top["metering_channel"].hex(WORD),
        members_hash=top["members"].hex(WORD),
        tariff=make_tariff(
            [tariff[name].text(_MAX_PRICE_TEXT, what="cents as decimal text") for name in PRICES],
            tariff["currency_decimals"].integer(CURRENCY_DECIMALS.start, CURRENCY_DECIMALS.stop - 1),
        ),
        allocation=AllocationKey(
            kinds[allocation["kind"].one_of(kinds)],
            allocation["keys"].each(lambda key: key.uint(32), MAX_HOUSEHOLDS, 1),
        ),
        payees=top["payee"].each(_payee, MAX_HOUSEHOLDS, 1),
        signed=SignedTerms(
            top["valid_from"].integer(0, _LATEST_S),
            top["valid_until"].integer(0, _LATEST_S),
            top["signature"].hex(SIGNATURE_BYTES),
        ),
    )
    top.close()
    return found


def verify_terms_file(found: TermsFile, statement_channel: ChannelIdentity, domain: Domain) -> None:
    """Check that the statement channel's manager signed exactly these values; ``domain`` is the referee's.

    Raises: TermsUnsigned; the crypto room's errors for a malformed signature.
    """
    span = found.signed.valid_from, found.signed.valid_until
    verify_terms(found.terms, found.signed.signature, statement_channel, domain, span)


def make_tariff(prices_cents: Sequence[str], currency_decimals: int) -> Tariff:
    """A tariff from six texts of cents, in the order of ``PRICES``. Raises: PriceInvalid, TariffInvalid."""
    micro = [parse_price(text, name) for name, text in zip(PRICES, prices_cents, strict=True)]
    return Tariff(**dict(zip(PRICES, micro, strict=True)), currency_decimals=currency_decimals)


def parse_price(text: str, name: str = "price") -> int:
    """Micro-cents of a text such as ``24`` or ``9.35``. Raises: PriceInvalid."""
    if _PRICE.fullmatch(text) is None:
        raise PriceInvalid(
            f"{name} is no price: cents, such as 24 or 9.35, with at most six decimals and no sign",
            name=name,
            actual=ascii(text[:_MAX_PRICE_TEXT]),
        )
    whole, _, decimals = text.partition(".")
    return int(whole) * MICRO_CENTS_PER_CENT + int(decimals.ljust(6, "0") or 0)


def show_price(micro_cents: int) -> str:
    """Cents as decimal text, in their one shortest form."""
    whole, rest = divmod(micro_cents, MICRO_CENTS_PER_CENT)
    return f"{whole}.{rest:06d}".rstrip("0").removesuffix(".") if rest else str(whole)


def _payee(field: Field) -> NamedPayee:
    table = field.fields("name", "public_key", "address")
    address = table["address"]
    return NamedPayee(
        table["name"].text(MAX_NAME, at_least=1, what="a name"),
        table["public_key"].hex(PUBLIC_KEY_BYTES),
        NO_PAYEE if address.value == "" else address.hex(ADDRESS_BYTES, any_case=True, prefixed=True),
    )
