"""Inclusion proofs and multiproofs over salted trees, and their verification.

Decided here: a proof's parts and that every verifying function raises only ``VerificationError``s for what the parts
claim. Not decided here: the walk itself, which the native core does; the order of checks is that of
``docs/spec/merkle.md``, the same in Rust and Solidity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattest.crypto import native
from wattest.merkle.errors import InclusionRefused, LeavesMismatch, ProofMalformed, refusal
from wattest.merkle.hashes import HASH_BYTES, SIZE_MAX
from wattest.units import U64_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PATH_MAX_NODES = 32
MULTIPROOF_MAX_INDICES = 2**20


class _Made:
    """Where a proof that the core made keeps its parts, the nodes one after the other, until somebody asks for one."""

    __slots__ = ("_made",)

    _made: tuple[object, int, bytes]

    if not TYPE_CHECKING:  # a checker would take it for any name

        def __getattr__(self, name):
            # Reached only for what is not set: a field of a proof that the core made, asked for the first time.
            fields = type(self).__match_args__
            if name not in fields:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
            *numbers, nodes = self._made
            for field, value in zip(fields, (*numbers, native.split_nodes(nodes)), strict=True):
                object.__setattr__(self, field, value)
            return getattr(self, name)


@dataclass(frozen=True, slots=True)
class InclusionProof(_Made):
    """Where one leaf stands: its index, the tree's size, and the siblings from the leaf up (32 bytes each).

    Raises:
        ProofMalformed: a number that is no unsigned 64-bit integer, more than 32 nodes, a node that is not 32 bytes.
    """

    index: int
    size: int
    path: tuple[bytes, ...]

    def __post_init__(self) -> None:
        _check_unsigned(self.index, self.size)
        _check_nodes(self.path, PATH_MAX_NODES)


@dataclass(frozen=True, slots=True)
class MultiProof(_Made):
    """Where several leaves stand: strictly ascending indices, the tree's size, and the missing siblings in walk order.

    Raises:
        ProofMalformed: a number that is no unsigned 64-bit integer, more than 2**20 indices, a node that is not 32
            bytes, more nodes than the indices could need.
    """

    indices: tuple[int, ...]
    size: int
    nodes: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if len(self.indices) > MULTIPROOF_MAX_INDICES:
            raise ProofMalformed(
                "a multiproof names too many leaves", maximum=MULTIPROOF_MAX_INDICES, actual=len(self.indices)
            )
        _check_unsigned(self.size, *self.indices)
        _check_nodes(self.nodes, PATH_MAX_NODES * max(1, len(self.indices)))


_new = object.__new__
# What sets the slot past the guard of a frozen class, for an object that nobody else has yet.
_set_made: Callable[[_Made, tuple[object, int, bytes]], None] = vars(_Made)["_made"].__set__


def made_inclusion(index: int, size: int, nodes: bytes) -> InclusionProof:
    """The proof whose path the core has just made: ``nodes`` are its siblings, 32 bytes each, one after the other.

    Nothing is checked again, so what comes from elsewhere does not belong here. The fields are set when one is first
    asked for.
    """
    proof = _new(InclusionProof)
    _set_made(proof, (index, size, nodes))
    return proof


def made_multiproof(indices: tuple[int, ...], size: int, nodes: bytes) -> MultiProof:
    """The multiproof that the core has just made, as ``made_inclusion``."""
    proof = _new(MultiProof)
    _set_made(proof, (indices, size, nodes))
    return proof


def verify_inclusion(root: bytes, leaf: bytes, proof: InclusionProof) -> None:
    """Checks that the 32-byte leaf hash stands at the proof's index under the 32-byte root.

    Raises:
        InclusionRefused: its subclass says why, in the order EmptyTree, TreeTooLarge, IndexOutOfRange,
            PathLengthWrong, RootMismatch; the class itself for a root or leaf that is not 32 bytes.
    """
    try:
        native.verify_inclusion(root, leaf, proof.index, proof.size, proof.path)
    except native.Fault as fault:
        raise refusal(fault) from None


def verify_multiproof(root: bytes, leaves: Mapping[int, bytes], proof: MultiProof) -> None:
    """Checks that each 32-byte leaf hash stands at its index under the 32-byte root; ``leaves`` maps index to leaf.

    Raises:
        InclusionRefused: its subclass says why, in the order EmptyTree, TreeTooLarge, NoIndices, LeavesMismatch,
            IndicesNotAscending, IndexOutOfRange, NodeCountWrong, RootMismatch.
    """
    check_hash("root", root)
    for leaf in leaves.values():
        check_hash("leaf", leaf)
    if set(leaves) != set(proof.indices) and proof.indices and 1 <= proof.size <= SIZE_MAX:
        raise LeavesMismatch(
            "the leaves given are not those the multiproof names", expected=len(proof.indices), actual=len(leaves)
        )
    given = b"".join(leaves[index] for index in proof.indices if index in leaves)
    try:
        native.verify_multiproof(root, proof.size, proof.indices, given, b"".join(proof.nodes))
    except native.Fault as fault:
        raise refusal(fault) from None


def check_hash(what: str, value: bytes) -> None:
    """Refuses a root or leaf that is not 32 bytes."""
    if len(value) != HASH_BYTES:
        raise InclusionRefused(f"a {what} has 32 bytes", expected=HASH_BYTES, actual=len(value))


def _check_unsigned(*numbers: int) -> None:
    for number in numbers:
        if type(number) is not int or not 0 <= number <= U64_MAX:
            raise ProofMalformed("sizes and indices are unsigned 64-bit integers", actual=repr(number)[:40])


def _check_nodes(nodes: tuple[bytes, ...], maximum: int) -> None:
    if type(nodes) is not tuple:
        raise ProofMalformed("nodes are a tuple", actual=type(nodes).__name__)
    if len(nodes) > maximum:
        raise ProofMalformed("more nodes than any such proof has", maximum=maximum, actual=len(nodes))
    for node in nodes:
        if not isinstance(node, bytes) or len(node) != HASH_BYTES:
            raise ProofMalformed("a node has 32 bytes", expected=HASH_BYTES)
