"""Reading and writing the values of receipts and address books: exactly one spelling each.

Decided here: bytes are lower-case hex without prefix, integers decimal text without sign or leading zero,
objects have exactly the named keys. Not decided here: which fields there are.
Source: docs/spec/receipt.md, section "Spelling".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from wattest.errors import InputError

T = TypeVar("T")
_HEX = re.compile(r"(?:[0-9a-f]{2})*")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,77}")


class JsonFieldInvalid(InputError):
    """A field that is missing, unknown, of another type, too long, or spelled in another way than the one."""


class AnotherKindOfFile(InputError):
    """A file that is good for something else: the receipt and the address book swapped, or collateral."""


_KINDS = {
    "an address book": frozenset({"genesis_hash", "referee", "registry", "channels"}),
    "a receipt": frozenset({"meter_key", "first_blocks", "days", "statement"}),
    "collateral": frozenset({"tcb_info", "qe_identity"}),
}


def refuse_other_kind(value: object, wanted: str) -> None:
    """Recognise what is not ``wanted`` by its fields.

    Raises: AnotherKindOfFile.
    """
    for kind, names in _KINDS.items():
        if kind != wanted and isinstance(value, dict) and names <= value.keys():
            are_swapped = {kind, wanted} == {"an address book", "a receipt"}
            raise AnotherKindOfFile(
                f"this is {kind}, where {wanted} is wanted" + (": the two are swapped" if are_swapped else ""),
                expected=wanted,
                actual=kind,
                hint="give the receipt as FILE and the address book (deployment.json) behind --deployment"
                if are_swapped
                else f"name {wanted}",
            )


def members(where: str, value: object, names: Sequence[str]) -> dict[str, object]:
    """The object's fields, which are exactly ``names``.

    Raises: JsonFieldInvalid.
    """
    if not isinstance(value, dict):
        raise JsonFieldInvalid(f"{where} must be an object", field=where, actual=type(value).__name__)
    missing, unknown = sorted(set(names) - set(value)), sorted(set(value) - set(names))
    if missing or unknown:
        raise JsonFieldInvalid(
            f"{where} has other fields than it must",
            field=where,
            missing=missing,
            unknown=[name[:64] for name in unknown],
        )
    return value


def read_bytes(where: str, value: object, length: int | None = None, *, at_most: int | None = None) -> bytes:
    """Lower-case hex of exactly ``length`` bytes, or of at most ``at_most``.

    Raises: JsonFieldInvalid.
    """
    text = _text(where, value)
    limit = length if length is not None else at_most
    if limit is not None and len(text) > 2 * limit:
        raise JsonFieldInvalid(f"{where} is too long", field=where, expected=limit, actual=len(text) // 2)
    if _HEX.fullmatch(text) is None:
        # The text is not repeated: it may be a key.
        raise JsonFieldInvalid(f"{where} must be lower-case hex, two digits a byte", field=where, actual=len(text))
    data = bytes.fromhex(text)
    if length is not None and len(data) != length:
        raise JsonFieldInvalid(f"{where} has the wrong length", field=where, expected=length, actual=len(data))
    return data


def read_integer(where: str, value: object, bits: int) -> int:
    """A decimal number below 2**bits, as text.

    Raises: JsonFieldInvalid.
    """
    text = _text(where, value)
    if _DECIMAL.fullmatch(text) is None or (number := int(text)) >= 1 << bits:
        raise JsonFieldInvalid(
            f"{where} must be a decimal number as text", field=where, expected=f"below 2**{bits}", actual=text[:96]
        )
    return number


def read_text(where: str, value: object, at_most: int) -> str:
    """Text of at most that many characters.

    Raises: JsonFieldInvalid.
    """
    text = _text(where, value)
    if len(text) > at_most:
        raise JsonFieldInvalid(f"{where} is too long", field=where, expected=at_most, actual=len(text))
    return text


def read_list(where: str, value: object, item: Callable[[str, object], T], *, at_most: int) -> tuple[T, ...]:
    """A list of at most ``at_most`` items, each read by ``item(where, value)``.

    Raises: JsonFieldInvalid, or what ``item`` raises.
    """
    if not isinstance(value, list):
        raise JsonFieldInvalid(f"{where} must be a list", field=where, actual=type(value).__name__)
    if len(value) > at_most:
        raise JsonFieldInvalid(f"{where} is too long", field=where, expected=at_most, actual=len(value))
    return tuple(item(f"{where}[{position}]", part) for position, part in enumerate(value))


def show(value: bytes | int | str) -> str:
    """The one spelling of a value."""
    if isinstance(value, bytes):
        return value.hex()
    return str(int(value)) if isinstance(value, int) else value


def _text(where: str, value: object) -> str:
    if not isinstance(value, str):
        raise JsonFieldInvalid(f"{where} must be text", field=where, actual=type(value).__name__)
    return value
