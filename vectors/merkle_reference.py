"""Merkle trees by the recursive definitions of RFC 9162, section 2.1: slow, and shares nothing with what it checks.

No levels, no flat arrays, no bit tricks: a tree is a function of a list, a proof a function of a split. Keccak comes
from another library than the native core's. Refusals are names, in the order of docs/spec/merkle.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from eth_hash.auto import keccak

Digest = Callable[[bytes], bytes]
ACCEPTED = "accepted"
SIZE_MAX = 2**32 - 1
PAYLOAD_MAX = 118


def sha256(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


def leaf_hash(salt: bytes, payload: bytes) -> bytes:
    """A salted leaf."""
    return keccak(b"\x00" + salt + payload)


def item_hash(item: bytes) -> bytes:
    """An unsalted leaf."""
    return sha256(b"\x00" + item)


def split(size: int) -> int:
    """The largest power of two below ``size``."""
    left = 1
    while left * 2 < size:
        left *= 2
    return left


def root(leaves: Sequence[bytes], digest: Digest = keccak) -> bytes:
    """MTH of RFC 9162, over leaf hashes."""
    if len(leaves) == 1:
        return leaves[0]
    left = split(len(leaves))
    return digest(b"\x01" + root(leaves[:left], digest) + root(leaves[left:], digest))


def path(leaves: Sequence[bytes], index: int, digest: Digest = keccak) -> list[bytes]:
    """PATH of RFC 9162, over leaf hashes."""
    if len(leaves) == 1:
        return []
    left = split(len(leaves))
    if index < left:
        return [*path(leaves[:left], index, digest), root(leaves[left:], digest)]
    return [*path(leaves[left:], index - left, digest), root(leaves[:left], digest)]


def path_length(index: int, size: int) -> int:
    """How many splits lie above a leaf."""
    if size == 1:
        return 0
    left = split(size)
    return 1 + (path_length(index, left) if index < left else path_length(index - left, size - left))


def root_of_path(leaf: bytes, index: int, size: int, siblings: Sequence[bytes], digest: Digest = keccak) -> bytes:
    """The root that a path of the right length leads to, from the top split down."""
    if size == 1:
        return leaf
    left = split(size)
    below, sibling = siblings[:-1], siblings[-1]
    if index < left:
        return digest(b"\x01" + root_of_path(leaf, index, left, below, digest) + sibling)
    return digest(b"\x01" + sibling + root_of_path(leaf, index - left, size - left, below, digest))


def judge_inclusion(
    expected: bytes, leaf: bytes, index: int, size: int, siblings: Sequence[bytes], digest: Digest = keccak
) -> str:
    """``accepted``, or the refusal's name."""
    if size == 0:
        return "EmptyTree"
    if size > SIZE_MAX:
        return "TreeTooLarge"
    if index >= size:
        return "IndexOutOfRange"
    if len(siblings) != path_length(index, size):
        return "PathLengthWrong"
    return ACCEPTED if root_of_path(leaf, index, size, siblings, digest) == expected else "RootMismatch"


def missing(indices: Sequence[int], start: int, size: int) -> list[tuple[int, int]]:
    """(level, position) of each subtree without a named leaf whose sibling has one, under [start, start + size)."""
    if size == 1 or not any(start <= index < start + size for index in indices):
        return []
    left = split(size)
    level = left.bit_length() - 1
    halves = [(start, left), (start + left, size - left)]
    found = []
    for begin, width in halves:
        if any(begin <= index < begin + width for index in indices):
            found += missing(indices, begin, width)
        else:
            found.append((level, begin >> level))
    return found


def multiproof_order(indices: Sequence[int], size: int) -> list[tuple[int, int]]:
    """Which nodes a multiproof has, in its order: level by level, left to right."""
    return sorted(missing(indices, 0, size))


def multiproof(leaves: Sequence[bytes], indices: Sequence[int], digest: Digest = keccak) -> list[bytes]:
    """The nodes of a multiproof; a subtree's leaves follow from its level and position."""
    return [
        root(leaves[position << level : (position + 1) << level], digest)
        for level, position in multiproof_order(indices, len(leaves))
    ]


def judge_multiproof(
    expected: bytes,
    size: int,
    indices: Sequence[int],
    leaves: Sequence[bytes],
    nodes: Sequence[bytes],
    digest: Digest = keccak,
) -> str:
    """``accepted``, or the refusal's name."""
    if size == 0:
        return "EmptyTree"
    if size > SIZE_MAX:
        return "TreeTooLarge"
    if not indices:
        return "NoIndices"
    if len(leaves) != len(indices):
        return "LeavesMismatch"
    if list(indices) != sorted(set(indices)):
        return "IndicesNotAscending"
    if indices[-1] >= size:
        return "IndexOutOfRange"
    order = multiproof_order(indices, size)
    if len(nodes) != len(order):
        return "NodeCountWrong"
    given = dict(zip(order, nodes, strict=True))
    named = dict(zip(indices, leaves, strict=True))

    def subtree(start: int, width: int) -> bytes:
        if width == 1:
            return named[start]
        left = split(width)
        level = left.bit_length() - 1
        children = []
        for begin, below in ((start, left), (start + left, width - left)):
            supplied = given.get((level, begin >> level))
            children.append(supplied if supplied is not None else subtree(begin, below))
        return digest(b"\x01" + children[0] + children[1])

    return ACCEPTED if subtree(0, size) == expected else "RootMismatch"


def judge_batch(
    expected: bytes, size: int, indices: Sequence[int], leaves: Sequence[bytes], nodes: Sequence[bytes]
) -> tuple[str, int | None]:
    """``accepted``, or the refusal's name; and the first proof refused, where it is one of them."""
    if size == 0:
        return "EmptyTree", None
    if size > SIZE_MAX:
        return "TreeTooLarge", None
    if not indices:
        return "NoIndices", None
    if len(leaves) != len(indices):
        return "LeavesMismatch", None
    for position, index in enumerate(indices):
        if index >= size:
            return "IndexOutOfRange", position
    if len(nodes) != sum(path_length(index, size) for index in indices):
        return "NodeCountWrong", None
    rest = list(nodes)
    for position, (index, leaf) in enumerate(zip(indices, leaves, strict=True)):
        length = path_length(index, size)
        if root_of_path(leaf, index, size, rest[:length]) != expected:
            return "RootMismatch", position
        rest = rest[length:]
    return ACCEPTED, None


def judge_groups(
    expected: bytes, size: int, groups: Sequence[Sequence[int]], leaves: Sequence[bytes], nodes: Sequence[bytes]
) -> tuple[str, int | None]:
    """``accepted``, or the refusal's name; and the first group refused, where it is one of them."""
    if size == 0:
        return "EmptyTree", None
    if size > SIZE_MAX:
        return "TreeTooLarge", None
    if not groups:
        return "NoIndices", None
    if len(leaves) != sum(len(group) for group in groups):
        return "LeavesMismatch", None
    rest_leaves, rest_nodes, parts = list(leaves), list(nodes), []
    for position, group in enumerate(groups):
        # With no leaf wrong yet, what is refused before the nodes are counted is the group's own.
        verdict = judge_multiproof(expected, size, group, [bytes(32)] * len(group), [])
        if verdict in {"NoIndices", "IndicesNotAscending", "IndexOutOfRange"}:
            return verdict, position
        count = len(multiproof_order(group, size))
        parts.append((group, rest_leaves[: len(group)], rest_nodes[:count]))
        rest_leaves, rest_nodes = rest_leaves[len(group) :], rest_nodes[count:]
    if len(nodes) != sum(len(multiproof_order(group, size)) for group in groups):
        return "NodeCountWrong", None
    for position, part in enumerate(parts):
        verdict = judge_multiproof(expected, size, *part)
        if verdict != ACCEPTED:
            return verdict, position
    return ACCEPTED, None


def post_order(leaves: Sequence[bytes]) -> list[bytes]:
    """The nodes over whole subtrees, each after its right child."""
    if len(leaves) == 1:
        return list(leaves)
    left = split(len(leaves))
    nodes = post_order(leaves[:left]) + post_order(leaves[left:])
    return [*nodes, root(leaves)] if len(leaves) == 2 * left else nodes
