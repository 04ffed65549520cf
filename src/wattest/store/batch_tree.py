"""The tree of a stored batch, kept in a file of its own, so that one entry's proof costs the same in any batch.

Decided here: when the file is made (at the first proof that is asked for) and when it is made again. Not decided here:
the file (``stored_tree``, docs/spec/stored-tree.md), or the entries, which the database keeps. Invariants: a file is
named by the root that the enclave signed and is whole before it has its name; what does not lead to that root is made
again from the database, and never shown. It holds salted hashes, so that nothing in it needs erasing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

from wattest.errors import VerificationError
from wattest.merkle import MerkleTree, ProvedLeaves, leaf_hash
from wattest.metering.entry import ENTRY_BYTES
from wattest.store.batch_state import StoredBatch
from wattest.store.operator_port import OperatorView
from wattest.store.stored_tree import StoredTree, StoredTreeAltered, StoredTreeMalformed, StoredTreeTruncated
from wattest.twin.batch import EntryInclusion

RUN_ENTRIES = 1 << 14


class BatchEntryAltered(VerificationError):
    """An entry in the database is not the one that the enclave sealed."""


class BatchTrees:
    """A folder of trees beside an operator's database; any number of threads and processes may use it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def in_cache(cls, folder: Path) -> BatchTrees:
        """The trees in a store's ``cache_folder``."""
        return cls(folder / "trees")

    def is_made(self, batch: StoredBatch) -> bool:
        """Whether the batch's tree is there, so that a proof costs little."""
        return batch.header is not None and self.path(batch.header.root).exists()

    def path(self, root: bytes) -> Path:
        """Where the tree of a batch root (32 bytes) lies, or would lie."""
        name = root.hex()
        return self._folder / name[:2] / f"{name}.tree"

    def inclusion(self, store: OperatorView, batch: StoredBatch, position: int) -> EntryInclusion | None:
        """An entry of a sealed batch with its salt and its path to the batch root; None where the batch has no such.

        Reads one row and some fourteen pages, whatever the batch's size; the first time it reads all of it.

        Raises: BatchEntryAltered when the database has other entries than the enclave sealed; StorageFailed,
        DatabaseFailed.
        """
        header = batch.header
        found = store.entry_rows.one(batch.channel, batch.sequence, position)
        if header is None or found is None:
            return None
        payload, salt = found
        proved = self._proved(store, batch, header.root, position)
        if proved.leaves != leaf_hash(salt, payload):
            raise BatchEntryAltered(
                "an entry in the database is not the one that was sealed",
                hint="restore the operator's database from a copy",
                sequence=batch.sequence,
                entry=position,
            )
        return EntryInclusion(position, salt, payload, proved.proofs.proof(0).path)

    def _proved(self, store: OperatorView, batch: StoredBatch, root: bytes, position: int) -> ProvedLeaves:
        path = self.path(root)
        if path.exists():
            try:
                return StoredTree.open(path, root=root).prove_each((position,))
            except (StoredTreeMalformed, StoredTreeTruncated, StoredTreeAltered):
                path.unlink(missing_ok=True)
        self._make(store, batch, root, path)
        return StoredTree.open(path, root=root).prove_each((position,))

    def _make(self, store: OperatorView, batch: StoredBatch, root: bytes, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.stem}.{os.getpid()}.{threading.get_ident()}")
        temporary.unlink(missing_ok=True)  # what a killed process of this number left
        try:
            tree = StoredTree.create(temporary)
            for payloads, salts in store.entry_rows.runs(batch.channel, batch.sequence, RUN_ENTRIES):
                tree.append(payloads, ENTRY_BYTES, salts)
            if tree.size == 0 or tree.root != root:
                raise BatchEntryAltered(
                    "the entries in the database do not lead to the root that was sealed",
                    hint="restore the operator's database from a copy",
                    sequence=batch.sequence,
                    expected=root,
                    actual=tree.root if tree.size else None,
                )
            tree.commit()
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def entry_inclusion(payloads: Sequence[bytes], salts: Sequence[bytes], position: int) -> EntryInclusion:
    """An entry of a batch at hand, with its salt and its path to the root over these payloads and salts."""
    tree = MerkleTree.build(b"".join(payloads), ENTRY_BYTES, b"".join(salts))
    return EntryInclusion(position, salts[position], payloads[position], tree.prove(position).path)
