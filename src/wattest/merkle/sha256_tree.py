"""Unsalted SHA-256 trees exactly as RFC 9162, section 2.1: device blocks, rosters, citation lists.

Decided here: leaf ``SHA-256(0x00 || item)``, node ``SHA-256(0x01 || left || right)``, items of one width (1 to 1,024
bytes). The empty tree, which the RFC gives a root, is refused: no format here has one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattest.crypto import native
from wattest.merkle.errors import TreeInputInvalid, refusal, unusable
from wattest.merkle.proofs import InclusionProof, check_hash
from wattest.merkle.tree import check_index

if TYPE_CHECKING:
    from typing_extensions import Buffer

ITEM_MAX_BYTES = 1024


def sha256_root(items: Buffer, width: int) -> bytes:
    """The 32-byte root over the items of ``width`` bytes in one flat buffer.

    Raises:
        TreeInputInvalid: no item, a length that is no multiple of the width, a strided buffer; ``PayloadTooLong`` for a
            width over 1,024.
    """
    return _build(items, width).root


def sha256_inclusion(items: Buffer, width: int, index: int) -> InclusionProof:
    """The inclusion proof of one item.

    Raises:
        TreeInputInvalid: as ``sha256_root``, or an index outside the tree.
    """
    tree = _build(items, width)
    check_index(index, tree.size)
    return InclusionProof(index, tree.size, native.split_nodes(tree.path(index)))


def verify_sha256_inclusion(root: bytes, item: bytes, proof: InclusionProof) -> None:
    """Checks that the item itself (not its hash) stands at the proof's index under the 32-byte root.

    Raises:
        InclusionRefused: its subclass says why, as in ``verify_inclusion``; the class itself for an item over 1,024
            bytes or a root that is not 32.
    """
    check_hash("root", root)
    try:
        native.verify_sha256_inclusion(root, item, proof.index, proof.size, proof.path)
    except native.Fault as fault:
        raise refusal(fault) from None


def _build(items: Buffer, width: int) -> native.Tree:
    if not 1 <= width < 2**32:
        raise TreeInputInvalid("an item's width is 1 to 1,024 bytes", expected="1..1024", actual=width)
    try:
        return native.Tree.build_sha256(items, width)
    except native.Fault as fault:
        raise unusable(fault) from None
