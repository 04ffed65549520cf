"""That records stand in an operator's history: the proof, and what it must hash to.

Decided here: the word that the chain keeps of a history of one size, and how a record or a run of records leads to the
history's peaks. Not decided here: what a record's leaf is (``batch``), which sizes a chain still keeps
(``referee.state``), how a proof is made (``history``). Invariants: a word hashes its size, so that none stands for
another one; a run of one has the same nodes as the single form; a proof has exactly the nodes that it needs.
Source: contracts/src/lib/History.sol; docs/spec/history.md; the tree is that of docs/spec/merkle.md,
section 8, over leaves without salt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wattest.crypto.hashing import keccak256
from wattest.merkle import NodeCountWrong, node_hash
from wattest.messages.fields import WORD, ZERO_WORD, require_bytes, require_uint, uint_word

RING = 8
"""So many sizes of a history are kept on chain: a proof holds for the next seven commits."""


@dataclass(frozen=True, slots=True)
class HistoryProof:
    """Nodes from records up to the peaks of a history that had ``size`` batches, the last with this header digest.

    ``peaks`` are the roots of the whole subtrees, left to right, the largest first; ``nodes`` the siblings, level by
    level from the leaves, left before right. All 32 bytes.
    """

    size: int
    last_header_digest: bytes
    peaks: tuple[bytes, ...]
    nodes: tuple[bytes, ...]

    def __post_init__(self) -> None:
        require_uint("size", self.size, 64)
        require_bytes("last_header_digest", self.last_header_digest, WORD)
        for node in (*self.peaks, *self.nodes):
            require_bytes("node", node, WORD)

    @property
    def word(self) -> bytes:
        """What this proof says that the chain keeps of the history."""
        return history_word(self.size, self.last_header_digest, self.peaks)


NO_HISTORY = HistoryProof(0, ZERO_WORD, (), ())
"""Stands where a call takes a proof and looks at none."""


def history_word(size: int, last_header_digest: bytes, peaks: Sequence[bytes]) -> bytes:
    """keccak256(u256 size || last header digest || peaks): what the chain keeps of a history of at least one batch.

    Of an empty one it keeps the zero word, which is not this function's.
    """
    return keccak256(uint_word(size) + last_header_digest + b"".join(peaks))


def appended_peaks(size: int, peaks: Sequence[bytes], leaf: bytes) -> tuple[bytes, ...]:
    """The peaks of a history with one more leaf after ``size`` with these peaks.

    The leaf takes in a peak for each trailing one bit of ``size``, from the right, and becomes the last peak itself.
    """
    kept = list(peaks)
    while size & 1:
        leaf = node_hash(kept.pop(), leaf)
        size >>= 1
    return (*kept, leaf)


def peak_place(height: int, size: int) -> int:
    """The place among the peaks of ``size`` of the one over 2**height leaves."""
    return (size >> height >> 1).bit_count()


def includes(leaf: bytes, index: int, proof: HistoryProof) -> bool:
    """Whether ``leaf`` is the one at ``index``, from 0 and below the size, under the proof's peaks.

    The peaks must be as many as the size has one bits: whoever compared the word knows. Raises: NodeCountWrong.
    """
    # The highest bit in which index and size differ is the height of the subtree that the record lies in.
    height = (index ^ proof.size).bit_length() - 1
    _require_node_count(height, len(proof.nodes))
    for level, sibling in enumerate(proof.nodes):
        leaf = node_hash(sibling, leaf) if index >> level & 1 else node_hash(leaf, sibling)
    return leaf == proof.peaks[peak_place(height, proof.size)]


def includes_run(leaves: Sequence[bytes], first: int, proof: HistoryProof) -> bool:
    """Whether ``leaves``, at least one, are those from ``first`` on, counted from 0, under the proof's peaks.

    None lies at or beyond the size; the peaks are as many as it has one bits. Raises: NodeCountWrong.
    """
    level, used, is_included = list(leaves), 0, True
    for height in range(proof.size.bit_length()):
        width = proof.size >> height
        # The last node of a level of odd width has no sibling: it is a peak.
        if width & 1 and first + len(level) == width:
            is_included &= level.pop() == proof.peaks[peak_place(height, proof.size)]
        if not level:
            break
        level, used = _climb(level, first, proof.nodes, used)
        first >>= 1
    _require_node_count(used, len(proof.nodes))
    return is_included


def _climb(level: list[bytes], first: int, nodes: Sequence[bytes], used: int) -> tuple[list[bytes], int]:
    """One level up; where the proof runs out of nodes a zero stands in, so that the count of needed ones comes out."""
    if first & 1:
        level = [_node(nodes, used), *level]
        used += 1
    if len(level) & 1:
        level = [*level, _node(nodes, used)]
        used += 1
    return [node_hash(level[at], level[at + 1]) for at in range(0, len(level), 2)], used


def _node(nodes: Sequence[bytes], place: int) -> bytes:
    return nodes[place] if place < len(nodes) else ZERO_WORD


def _require_node_count(expected: int, actual: int) -> None:
    if expected != actual:
        raise NodeCountWrong("missing or surplus nodes in a history proof", expected=expected, actual=actual)
