"""The salted leaf and node rule (``docs/spec/merkle.md``, section 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattest.crypto import native
from wattest.merkle.errors import unusable

if TYPE_CHECKING:
    from typing_extensions import Buffer

HASH_BYTES = 32
SALT_BYTES = 16
PAYLOAD_MAX_BYTES = 118
SIZE_MAX = 2**32 - 1


def leaf_hash(salt: Buffer, payload: Buffer) -> bytes:
    """``keccak256(0x00 || salt[16] || payload)``; the payload has 0 to 118 bytes.

    Raises:
        TreeInputInvalid: a salt that is not 16 bytes; ``PayloadTooLong`` over 118 bytes.
    """
    try:
        return native.leaf_hash(salt, payload)
    except native.Fault as fault:
        raise unusable(fault) from None


def node_hash(left: Buffer, right: Buffer) -> bytes:
    """``keccak256(0x01 || left || right)`` over two 32-byte nodes.

    Raises:
        TreeInputInvalid: a node that is not 32 bytes.
    """
    try:
        return native.node_hash(left, right)
    except native.Fault as fault:
        raise unusable(fault) from None
