"""Width checks and ABI words shared by every on-chain value.

Decided here: that a value which does not fit its Solidity type never comes into being, and how one static value becomes
one 32-byte ABI word (left-padded integers and addresses, ``bytes32`` as it is). Not decided here: which fields a
message has. Invariant: ``read_*`` accepts exactly the words that ``*_word`` emits, so each value has one encoding.
Source: Solidity ABI specification, section "Formal Specification of the Encoding".
"""

from __future__ import annotations

from wattest.errors import InputError

WORD = 32
ADDRESS_BYTES = 20
ZERO_WORD = bytes(WORD)
ZERO_ADDRESS = bytes(ADDRESS_BYTES)


class FieldInvalid(InputError):
    """A field of the wrong type or width, or an ABI word whose padding is not zero."""


def require_bytes(name: str, value: object, length: int) -> None:
    """Check that ``value`` is ``bytes`` of exactly ``length``.

    Raises: FieldInvalid.
    """
    if not isinstance(value, bytes):
        raise FieldInvalid(f"{name} must be bytes", field=name, expected=f"{length} bytes", actual=type(value).__name__)
    if len(value) != length:
        raise FieldInvalid(f"{name} has the wrong length", field=name, expected=length, actual=len(value))


def require_uint(name: str, value: object, bits: int) -> None:
    """Check that ``value`` is an integer in [0, 2**bits).

    Raises: FieldInvalid.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise FieldInvalid(
            f"{name} must be an integer", field=name, expected=f"uint{bits}", actual=type(value).__name__
        )
    if not 0 <= value < 1 << bits:
        raise FieldInvalid(f"{name} does not fit uint{bits}", field=name, expected=f"uint{bits}", actual=value)


def uint_word(value: int) -> bytes:
    """An unsigned integer below 2**256 as one big-endian ABI word."""
    return value.to_bytes(WORD, "big")


def address_word(address: bytes) -> bytes:
    """A 20-byte address as one left-padded ABI word."""
    return address.rjust(WORD, b"\x00")


def read_uint(name: str, word: bytes, bits: int) -> int:
    """The unsigned integer in one ABI word.

    Raises: FieldInvalid when a bit above ``bits`` is set.
    """
    require_bytes(name, word, WORD)
    value = int.from_bytes(word, "big")
    require_uint(name, value, bits)
    return value


def read_address(name: str, word: bytes) -> bytes:
    """The 20-byte address in one ABI word.

    Raises: FieldInvalid when the padding is not zero.
    """
    require_bytes(name, word, WORD)
    if any(word[: WORD - ADDRESS_BYTES]):
        raise FieldInvalid(f"{name} is not an address word", field=name, expected="12 zero bytes", actual=word[:12])
    return word[WORD - ADDRESS_BYTES :]
