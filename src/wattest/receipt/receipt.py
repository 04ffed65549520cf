"""The receipt: all that a household's bill rests on, in one file with one encoding.

Decided here: the fields, their limits, and the canonical JSON form. Not decided here: whether any of it holds
(``verify``). Invariants: ``parse_receipt(data).to_bytes() == data``; there is no field that no hash or signature binds.
Source: docs/spec/receipt.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from wattest.crypto.canonical import encode, parse
from wattest.crypto.strict_fields import Field, Fields
from wattest.errors import InputError
from wattest.messages.evidence_verdict import VERDICT_FIELDS, EvidenceVerdict
from wattest.messages.fields import ADDRESS_BYTES, WORD
from wattest.messages.header import HEADER_FIELDS, MAX_ENTRIES, BatchHeader
from wattest.receipt.json_fields import JSON_FIELDS, refuse_other_kind, show, told_version
from wattest.versions import version_hint

RECEIPT_VERSION = 1
MAX_RECEIPT_BYTES = 48 * 2**20
MAX_DAYS = 400
MAX_REGISTRATIONS = 32
MAX_BLOCK_BYTES = 2**24
MAX_QUOTE_BYTES = 2**16
MAX_COLLATERAL_CHARACTERS = 2**20
MAX_POLICY_CHARACTERS = 2**18
MAX_PATH = 32
SIGNATURE_BYTES = 65
ENTRY_BYTES = 118
TARIFF_BYTES = 50
_INTEGER_BITS = {
    "sequence": 64, "period_start": 64, "period_end": 64, "entry_count": 32,
    "issued_at": 64, "expires_at": 64, "nonce_block": 64,
}  # fmt: skip
_DAY = ("block", "series_key", "index", "path", "roster_path", "header", "signature")
_STATEMENT = ("block", "series_key", "index", "path", "header", "signature", "tariff")
_REGISTRATION = ("verdict", "signatures", "quote", "collateral", "policy")
_PAYOUT = (
    "entry", "entry_salt", "index", "path", "root", "total",
    "account", "amount", "leaf_salt", "leaf_index", "leaf_path",
)  # fmt: skip
_RECEIPT = (
    "version", "chain_id", "referee", "meter_key", "public_key", "first_blocks",
    "days", "registrations", "statement", "payout",
)  # fmt: skip


class ReceiptInvalid(InputError):
    """A receipt of an unknown version, or with no day."""


@dataclass(frozen=True, slots=True)
class Inclusion:
    """One entry's place: its series block, series key (32 bytes), index, path, and the signed header above it."""

    block: bytes = field(repr=False)
    series_key: bytes = field(repr=False)
    index: int
    path: tuple[bytes, ...]
    header: BatchHeader
    signature: bytes


@dataclass(frozen=True, slots=True)
class Day(Inclusion):
    """One metering batch of the period, with the meter's place in the roster."""

    roster_path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class StatementPart(Inclusion):
    """The statement: its block holds the bill and what it was computed from; the tariff (50 bytes) beside it."""

    tariff: bytes


@dataclass(frozen=True, slots=True)
class RegistrationPart:
    """An enclave key's registration: verdict, appraisers' signatures, and what the verdict was made from."""

    verdict: EvidenceVerdict
    signatures: tuple[bytes, ...]
    quote: bytes
    collateral: str
    policy: str


@dataclass(frozen=True, slots=True)
class PayoutPart:
    """The payout entry of the statement batch, and the household's leaf under the root that it names.

    ``total`` and ``amount`` (cumulative) are the token's smallest units, ``account`` 20 bytes, salts 16.
    """

    entry: bytes
    entry_salt: bytes
    index: int
    path: tuple[bytes, ...]
    root: bytes
    total: int
    account: bytes
    amount: int
    leaf_salt: bytes
    leaf_index: int
    leaf_path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """One household's bill of one period, with everything under it.

    ``meter_key`` (32 bytes) is the household's secret that names its entries: who has the receipt can find them.
    ``first_blocks`` are the digests of the first batch's encrypted blocks, in order: they bind the state that the first
    day continues from; later days continue from the day before. Registrations ascend by enclave key, then by issue.
    """

    chain_id: int
    referee: bytes
    meter_key: bytes = field(repr=False)
    public_key: bytes
    first_blocks: tuple[bytes, ...] = field(repr=False)
    days: tuple[Day, ...]
    registrations: tuple[RegistrationPart, ...]
    statement: StatementPart
    payout: PayoutPart | None

    def to_bytes(self) -> bytes:
        """The canonical JSON text (RFC 8785), without a newline at the end."""
        return encode(
            {
                "version": show(RECEIPT_VERSION),
                "chain_id": show(self.chain_id),
                "referee": show(self.referee),
                "meter_key": show(self.meter_key),
                "public_key": show(self.public_key),
                "first_blocks": [show(digest) for digest in self.first_blocks],
                "days": [_shown(day, _DAY) for day in self.days],
                "registrations": [_shown(part, _REGISTRATION) for part in self.registrations],
                "statement": _shown(self.statement, _STATEMENT),
                "payout": None if self.payout is None else _shown(self.payout, _PAYOUT),
            }
        )


def parse_receipt(data: bytes) -> Receipt:
    """Read a receipt; at most 48 MiB, 400 days. Nothing is verified here.

    Raises: ReceiptInvalid, AnotherKindOfFile, JsonFieldInvalid, CanonicalJsonInvalid, FieldInvalid.
    """
    found = parse(data, MAX_RECEIPT_BYTES)
    refuse_other_kind(found, "a receipt")
    version = told_version(found)
    if version is not None and version != RECEIPT_VERSION:  # before its fields: another version may have others
        raise ReceiptInvalid(
            "unknown receipt version",
            expected=RECEIPT_VERSION,
            actual=version,
            hint=version_hint(RECEIPT_VERSION, version, older="ask for a receipt of this version"),
        )
    value = JSON_FIELDS.fields(found, *_RECEIPT)
    value["version"].decimal(32)
    days = value["days"].each(_day, MAX_DAYS)
    if not days:
        raise ReceiptInvalid("a receipt has at least one day", expected="1 to 400", actual=0)
    return Receipt(
        chain_id=value["chain_id"].decimal(256),
        referee=value["referee"].hex(ADDRESS_BYTES),
        meter_key=value["meter_key"].hex(WORD),
        public_key=value["public_key"].hex(2 * WORD),
        first_blocks=value["first_blocks"].each(_node, MAX_ENTRIES),
        days=days,
        registrations=value["registrations"].each(_registration, MAX_REGISTRATIONS),
        statement=_statement(value["statement"]),
        payout=None if value["payout"].is_null else _payout(value["payout"]),
    )


def _shown(part: object, names: tuple[str, ...]) -> dict[str, object]:
    return {name: _shown_value(getattr(part, name)) for name in names}


def _shown_value(value: object) -> object:
    if isinstance(value, BatchHeader):
        return {name: show(getattr(value, name)) for name in HEADER_FIELDS}
    if isinstance(value, EvidenceVerdict):
        return {name: show(getattr(value, name)) for name in VERDICT_FIELDS}
    if isinstance(value, tuple):
        return [_shown_value(item) for item in value]
    assert isinstance(value, (bytes, int, str))
    return show(value)


def _typed_fields(field: Field, names: tuple[str, ...]) -> dict[str, bytes | int]:
    named = field.fields(*names)
    found: dict[str, bytes | int] = {}
    for name in names:
        if name in _INTEGER_BITS:
            found[name] = named[name].decimal(_INTEGER_BITS[name])
        else:
            found[name] = named[name].hex(ADDRESS_BYTES if name in ("operator", "enclave_key", "referee") else WORD)
    return found


def _node(field: Field) -> bytes:
    return field.hex(WORD)


def _path(field: Field) -> tuple[bytes, ...]:
    return field.each(_node, MAX_PATH)


def _inclusion(named: Fields) -> Inclusion:
    return Inclusion(
        block=named["block"].hex_up_to(MAX_BLOCK_BYTES),
        series_key=named["series_key"].hex(WORD),
        index=named["index"].decimal(32),
        path=_path(named["path"]),
        header=BatchHeader(**_typed_fields(named["header"], HEADER_FIELDS)),  # type: ignore[arg-type]
        signature=named["signature"].hex(SIGNATURE_BYTES),
    )


def _day(field: Field) -> Day:
    named = field.fields(*_DAY)
    base, roster_path = _inclusion(named), _path(named["roster_path"])
    return Day(base.block, base.series_key, base.index, base.path, base.header, base.signature, roster_path)


def _statement(field: Field) -> StatementPart:
    named = field.fields(*_STATEMENT)
    base, tariff = _inclusion(named), named["tariff"].hex(TARIFF_BYTES)
    return StatementPart(base.block, base.series_key, base.index, base.path, base.header, base.signature, tariff)


def _registration(field: Field) -> RegistrationPart:
    named = field.fields(*_REGISTRATION)
    return RegistrationPart(
        verdict=EvidenceVerdict(**_typed_fields(named["verdict"], VERDICT_FIELDS)),  # type: ignore[arg-type]
        signatures=named["signatures"].each(lambda signature: signature.hex(SIGNATURE_BYTES), MAX_REGISTRATIONS),
        quote=named["quote"].hex_up_to(MAX_QUOTE_BYTES),
        collateral=named["collateral"].text(MAX_COLLATERAL_CHARACTERS),
        policy=named["policy"].text(MAX_POLICY_CHARACTERS),
    )


def _payout(field: Field) -> PayoutPart:
    named = field.fields(*_PAYOUT)
    return PayoutPart(
        entry=named["entry"].hex(ENTRY_BYTES),
        entry_salt=named["entry_salt"].hex(16),
        index=named["index"].decimal(32),
        path=_path(named["path"]),
        root=_node(named["root"]),
        total=named["total"].decimal(256),
        account=named["account"].hex(ADDRESS_BYTES),
        amount=named["amount"].decimal(256),
        leaf_salt=named["leaf_salt"].hex(16),
        leaf_index=named["leaf_index"].decimal(32),
        leaf_path=_path(named["leaf_path"]),
    )
