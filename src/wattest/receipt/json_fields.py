"""Reading and writing the values of receipts and address books: exactly one spelling each.

Decided here: which error a field that cannot be read becomes, how a value is spelled, and what files are taken for one
another. Bytes are lower-case hex without prefix, integers decimal text without sign or leading zero, objects have
exactly the named keys (``Field.hex``, ``decimal``, ``fields`` of ``crypto.strict_fields``). Not decided here: which
fields there are.
Source: docs/spec/receipt.md, section "Spelling".
"""

from __future__ import annotations

from wattest.crypto.strict_fields import Reader, Refusal
from wattest.errors import InputError


class JsonFieldInvalid(InputError):
    """A field that is missing, unknown, of another type, too long, or spelled in another way than the one."""


def _refuse(refusal: Refusal) -> JsonFieldInvalid:
    where = refusal.where or "the whole"
    return JsonFieldInvalid(f"{where}: {refusal.message}", field=where, **refusal.details)


JSON_FIELDS = Reader(_refuse)


class AnotherKindOfFile(InputError):
    """A file that is good for something else, such as the receipt and the address book swapped."""


COLLATERAL = "collateral"
_KINDS = {
    "an address book": frozenset({"genesis_hash", "referee", "registry", "channels"}),
    "a receipt": frozenset({"meter_key", "first_blocks", "days", "statement"}),
    COLLATERAL: frozenset({"tcb_info", "qe_identity"}),
}


def kind_of(value: object) -> str | None:
    """What kind of file a JSON value is, by the fields that it has; None where it is none of them."""
    return next((kind for kind, names in _KINDS.items() if isinstance(value, dict) and names <= value.keys()), None)


def refuse_other_kind(value: object, wanted: str) -> None:
    """Recognise what is not ``wanted`` by its fields.

    Raises: AnotherKindOfFile.
    """
    kind = kind_of(value)
    if kind is None or kind == wanted:
        return
    are_swapped = {kind, wanted} == {"an address book", "a receipt"}
    raise AnotherKindOfFile(
        f"this is {kind}, where {wanted} is wanted" + (": the two are swapped" if are_swapped else ""),
        expected=wanted,
        actual=kind,
        hint="give the receipt as FILE and the address book (deployment.json) behind --deployment"
        if are_swapped
        else f"name {wanted}",
    )


def told_version(value: object) -> int | None:
    """The version that a file says; None where it says none in its one spelling, and its fields are to be judged."""
    said = value.get("version") if isinstance(value, dict) else None
    if not isinstance(said, str) or not said.isascii() or not said.isdecimal() or len(said) > 9:
        return None
    return int(said) if said == str(int(said)) else None


def show(value: bytes | int | str) -> str:
    """The one spelling of a value."""
    if isinstance(value, bytes):
        return value.hex()
    return str(int(value)) if isinstance(value, int) else value
