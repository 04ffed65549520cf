"""An operator's history in one channel, as it grows: what every proof of its batches is made from.

Decided here: which nodes are kept and how proofs are cut from them. Not decided here: what a proof must hash to
(``history_proof``), where records come from (BatchCommitted events are enough). Invariant: what is proved against one
size never changes when more batches join, since nodes over whole subtrees do not.
Source: docs/spec/history.md; docs/spec/merkle.md, section 8.
"""

from __future__ import annotations

from collections.abc import Iterable

from wattest.merkle import node_hash
from wattest.messages.fields import ADDRESS_BYTES, WORD, ZERO_WORD, FieldInvalid, require_bytes
from wattest.twin.batch import BatchRecord, BatchReference, BatchRun
from wattest.twin.errors import UnknownBatch
from wattest.twin.history_proof import HistoryProof, history_word


class History:
    """The records of one operator (20 bytes) in one channel (32 bytes), from sequence 1 on; about 160 bytes each."""

    def __init__(self, channel: bytes, operator: bytes, records: Iterable[BatchRecord] = ()) -> None:
        require_bytes("channel", channel, WORD)
        require_bytes("operator", operator, ADDRESS_BYTES)
        self.channel = channel
        self.operator = operator
        self._records: list[BatchRecord] = []
        # Level k has the nodes over whole runs of 2**k leaves, in order.
        self._levels: list[list[bytes]] = [[]]
        for record in records:
            self.append(record)

    @property
    def size(self) -> int:
        """Batches so far: the last one's sequence."""
        return len(self._records)

    def record(self, sequence: int) -> BatchRecord:
        """The record of one batch.

        Raises: UnknownBatch.
        """
        if not 0 < sequence <= self.size:
            raise UnknownBatch(self.channel, self.operator, sequence)
        return self._records[sequence - 1]

    def append(self, record: BatchRecord) -> None:
        """The next batch joins."""
        self._records.append(record)
        node = record.leaf(self.size)
        for level in range(len(self._levels)):
            self._levels[level].append(node)
            if len(self._levels[level]) & 1:
                return
            node = node_hash(*self._levels[level][-2:])
        self._levels.append([node])

    def truncate(self, size: int) -> None:
        """Forget the batches after ``size``: a reorganisation took them back.

        Raises: FieldInvalid for more batches than there are.
        """
        self._require_size(size)
        del self._records[size:]
        for level, nodes in enumerate(self._levels):
            del nodes[size >> level :]
        self._levels = [nodes for nodes in self._levels if nodes] or [[]]

    def peaks(self, size: int | None = None) -> tuple[bytes, ...]:
        """Roots of the whole subtrees of the first ``size`` records (all, unless said), left to right.

        Raises: FieldInvalid.
        """
        size = self._require_size(size)
        heights = [height for height in reversed(range(size.bit_length())) if size >> height & 1]
        return tuple(self._levels[height][(size >> height) - 1] for height in heights)

    def last_header_digest(self, size: int | None = None) -> bytes:
        """Header digest of the batch with sequence ``size`` (the last, unless said); zero for none.

        Raises: FieldInvalid.
        """
        size = self._require_size(size)
        return self._records[size - 1].header_digest if size else ZERO_WORD

    def word(self, size: int | None = None) -> bytes:
        """What the chain keeps of the history of this size; zero for none.

        Raises: FieldInvalid.
        """
        size = self._require_size(size)
        return history_word(size, self.last_header_digest(size), self.peaks(size)) if size else ZERO_WORD

    def reference(self, sequence: int, *, size: int | None = None) -> BatchReference:
        """One batch with its proof against the history of ``size`` (the whole, unless said).

        Raises: FieldInvalid, UnknownBatch.
        """
        proof = self.proof(sequence, 1, size=size)
        return BatchReference(self.channel, self.operator, sequence, self.record(sequence), proof)

    def run(self, first_sequence: int, count: int, *, size: int | None = None) -> BatchRun:
        """``count`` batches, at least one, from ``first_sequence`` on, with their proof.

        Raises: FieldInvalid, UnknownBatch.
        """
        proof = self.proof(first_sequence, count, size=size)
        records = tuple(self._records[first_sequence - 1 : first_sequence - 1 + count])
        return BatchRun(self.channel, self.operator, first_sequence, records, proof)

    def proof(self, first_sequence: int, count: int = 1, *, size: int | None = None) -> HistoryProof:
        """The proof alone; that of a run of one is that of the single record.

        Raises: FieldInvalid, UnknownBatch.
        """
        size = self._require_size(size)
        if first_sequence < 1 or count < 1 or first_sequence - 1 + count > size:
            raise UnknownBatch(self.channel, self.operator, first_sequence)
        begin, end = first_sequence - 1, first_sequence - 1 + count
        nodes: list[bytes] = []
        for height in range(size.bit_length()):
            width = size >> height
            if width & 1 and end == width:
                end -= 1
            if begin == end:
                break
            if begin & 1:
                nodes.append(self._levels[height][begin - 1])
            if end & 1:
                nodes.append(self._levels[height][end])
            begin, end = begin >> 1, (end + 1) >> 1
        return HistoryProof(size, self.last_header_digest(size), self.peaks(size), tuple(nodes))

    def _require_size(self, size: int | None) -> int:
        if size is None:
            return self.size
        if not 0 <= size <= self.size:
            raise FieldInvalid("the history was never of this size", field="size", expected=self.size, actual=size)
        return size
