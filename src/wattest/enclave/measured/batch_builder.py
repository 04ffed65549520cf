"""A batch in the making: entries in order, their keys and blocks, and the header over them.

Decided here: series keys, the order of entries, block encryption, trees, content id, header, wrapped keys; the same for
series, imports and statements. Not decided here: what an entry says (``series``, ``imported``, ``statement``) and when
a signature leaves (``release``). Invariants: a series key encrypts one plaintext: when a batch is made again, a block
that differs from the sealed one is refused before anything is encrypted; no reading is kept once its block is out. A
series key is wrapped under message numbers that say which batch and entry it is of, and a batch takes its readers'
contexts once, when its first page is asked for: names and keys are fixed by then, so a page asked for again is the same
bytes. Whatever a host rolls back, makes again or asks for twice, no number comes twice in one context
(``native/series/src/wrap.rs`` has the argument).
Source: docs/spec/sealed-blocks.md; docs/spec/sealed-state.md, section "The same batch again".
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from wattest.crypto.errors import PublicKeyInvalid
from wattest.crypto.hashing import sha256
from wattest.crypto.hpke import verify_reader_key
from wattest.enclave.measured.errors import JobConflict, ReaderKeyRefused, RequestInvalid, SessionInvalid
from wattest.enclave.measured.identity import Identities
from wattest.enclave.measured.release import Head, require_head, require_same_job, sign_and_seal
from wattest.enclave.measured.sealed_state import PendingBatch, Standing
from wattest.enclave.measured.stop_points import StopPoints
from wattest.merkle import MerkleTree
from wattest.messages.header import MAX_ENTRIES, BatchHeader
from wattest.metering.entry import ENTRY_BYTES
from wattest.metering.series_key import SERIES_KEY_BYTES, entry_salts
from wattest.sealing.bundle import BundleManifest, seal_block
from wattest.sealing.series_columns import SealedRun
from wattest.sealing.wrapped_keys import KeyWrapping

ZERO = bytes(32)


@dataclass(frozen=True, slots=True)
class Job:
    """What every job has: channel, head, period (unix seconds, half-open), and a digest over the rest of it."""

    channel: bytes
    head: Head
    period_start: int
    period_end: int
    content: bytes

    @property
    def digest(self) -> bytes:
        """SHA-256 over all of it: two jobs with one digest make one batch."""
        return sha256(
            b"wattest/job/1"
            + self.channel
            + self.head.sequence.to_bytes(8, "big")
            + self.head.digest
            + self.period_start.to_bytes(8, "big")
            + self.period_end.to_bytes(8, "big")
            + self.content
        )


@dataclass(frozen=True, slots=True)
class Roots:
    """The header's fields that depend on the kind of batch."""

    roster: bytes = ZERO
    inputs: bytes = ZERO
    state: bytes = ZERO


class BatchBuilder:
    """Collects one batch; ``readers`` are the X25519 keys that each entry's series key is wrapped for."""

    def __init__(
        self,
        identities: Identities,
        faults: StopPoints,
        job: Job,
        names: Sequence[bytes],
        readers: Sequence[Sequence[bytes]],
        workload: bytes,
    ) -> None:
        if not 0 < len(names) <= MAX_ENTRIES or len(names) != len(readers):
            raise RequestInvalid("a batch has 1 to 2**20 entries", field="entries", actual=len(names))
        if not job.period_start < job.period_end:
            raise RequestInvalid("a period ends after it starts", actual=[job.period_start, job.period_end])
        if any(before >= after for before, after in pairwise(names)):
            raise RequestInvalid("entries ascend strictly: two of them have one name", field="entries")
        self.state = identities.get(job.channel)
        self.job = job
        self.names = names
        self.workload = workload
        self._identities = identities
        self._faults = faults
        self._readers = readers
        self._verify_readers()
        self._again = require_same_job(self.state, job.digest) if require_head(self.state, job.head) else None
        count = len(names)
        if self._again is not None and len(self._again.series_keys) != count:
            raise JobConflict("another number of entries was sealed for this sequence", sequence=self.sequence)
        self._keys = (
            self._again.series_keys
            if self._again is not None
            else tuple(secrets.token_bytes(SERIES_KEY_BYTES) for _ in range(count))
        )
        self._entries: list[bytes | None] = [None] * count
        self._plaintexts: list[bytes] = [ZERO] * count
        self._ciphertexts: list[bytes] = [ZERO] * count
        self._late: dict[int, bytes] = {}
        self._results: dict[int, bytes] = {}
        self._released: PendingBatch | None = None
        self._wrapping: KeyWrapping | None = None

    @property
    def sequence(self) -> int:
        """The sequence that this batch has or gets."""
        return self.job.head.sequence + 1

    @property
    def is_again(self) -> bool:
        """Whether the batch was sealed before and is made again."""
        return self._again is not None

    @property
    def before(self) -> Standing:
        """What the batch before this one left."""
        return self.state.before if self.is_again else self.state.after

    def series_key(self, index: int) -> bytes:
        """The 32-byte key of one entry; it leaves only wrapped."""
        return self._keys[index]

    def has(self, index: int) -> bool:
        """Whether the entry was put."""
        return self._entries[index] is not None

    def put(self, index: int, entry: bytes, plaintext: bytes) -> bytes:
        """Take one entry (118 bytes) and its block's plaintext; the block's ciphertext.

        Raises: SessionInvalid for an entry put twice; JobConflict when the sealed batch had another
        block here.
        """
        if self.has(index):
            raise SessionInvalid("an entry was given twice", entry=index)
        digest = sha256(plaintext)
        if self._again is not None and self._again.inputs[index] != digest:
            raise JobConflict(
                "the sealed batch of this sequence has another block here",
                hint="submit the identical job, or commit the released header",
                entry=index,
                sequence=self.sequence,
            )
        ciphertext = seal_block(self._keys[index], self.job.channel, self.sequence, self.names[index], plaintext)
        self._entries[index] = entry
        self._plaintexts[index] = digest
        self._ciphertexts[index] = sha256(ciphertext)
        return ciphertext

    def put_sealed(self, indices: Sequence[int], sealed: SealedRun) -> None:
        """Take entries that were sealed in columns under these entries' keys, none of them put before."""
        rows = sealed.rows
        columns = (rows["entry"].tolist(), rows["plaintext_digest"].tolist(), rows["ciphertext_digest"].tolist())
        for index, entry, plaintext, ciphertext in zip(indices, *columns, strict=True):
            self._entries[index] = entry
            self._plaintexts[index] = plaintext
            self._ciphertexts[index] = ciphertext

    def expected(self, indices: Sequence[int]) -> list[bytes] | None:
        """The plaintexts' digests that a batch made again must have, or None when it is made for the first time."""
        return None if self._again is None else [self._again.inputs[index] for index in indices]

    def put_late(self, index: int, entry: bytes, plaintext: bytes, result: bytes = b"") -> None:
        """The same for a block that goes out with the pages, with a result for the host."""
        self._late[index] = self.put(index, entry, plaintext)
        self._results[index] = result

    def finish(self, roots: Roots, after: Standing) -> PendingBatch:
        """Build the header; sign and seal it, or find it as it was sealed.

        Once more, it is the same batch. Raises: SessionInvalid when an entry is missing; JobConflict when the sealed
        header differs; HeadMismatch, PhaseRefused when the state went on meanwhile; StateWriteFailed.
        """
        if self._released is not None:
            return self._released
        if any(entry is None for entry in self._entries):
            raise SessionInvalid("an entry is missing", entry=self._entries.index(None))
        header = self._header(roots)
        if self._again is None:
            self._released = sign_and_seal(
                self._identities,
                self.state,
                header,
                self.job.digest,
                tuple(self._plaintexts),
                self._keys,
                after,
                self._faults,
            )
        elif self._again.header != header:
            raise JobConflict("the sealed header of this sequence differs", sequence=self.sequence)
        else:
            self._released = self._again
        return self._released

    def _header(self, roots: Roots) -> BatchHeader:
        payloads = b"".join(entry for entry in self._entries if entry is not None)
        salts = entry_salts(self._keys)
        manifest = BundleManifest(
            self.job.channel, self.job.period_start, self.job.period_end, tuple(self._ciphertexts)
        )
        return BatchHeader(
            channel=self.job.channel,
            operator=self.state.operator,
            sequence=self.sequence,
            previous=self.job.head.digest,
            period_start=self.job.period_start,
            period_end=self.job.period_end,
            root=MerkleTree.build(payloads, ENTRY_BYTES, salts).root,
            entry_count=len(self._entries),
            roster=roots.roster,
            inputs=roots.inputs,
            state=roots.state,
            workload=self.workload,
            content_id=manifest.content_id,
            witnesses=ZERO,
            zk_root=ZERO,
        )

    def page(self, start: int, count: int) -> dict[str, object]:
        """Entries [start, start + count) for the host: payloads, salts, late blocks, wrapped keys.

        Raises: SessionInvalid before the batch was released, or outside of it.
        """
        end = start + count
        if self._released is None or end > len(self.names):
            raise SessionInvalid("pages come after the batch, and inside it", actual=[start, end])
        if self._wrapping is None:
            contexts = self._identities.reader_contexts(self.job.channel)
            self._wrapping = contexts.check_out(self.sequence, self.names, self._keys, self._readers)
        span = range(start, end)
        return {
            "entries": b"".join(self._entries[index] or b"" for index in span),
            "salts": entry_salts(self._keys[start:end]),
            "blocks": [self._late.get(index) for index in span],
            "results": [self._results.get(index, b"") for index in span],
            "readers": [b"".join(self._readers[index]) for index in span],
            "wrapped": self._wrapping.page(start, count),
        }

    def _verify_readers(self) -> None:
        """Keys are wrapped once the header is out: a reader's key that takes none must not strand a signed batch."""
        accepted: set[bytes] = set()
        for index, group in enumerate(self._readers):
            for reader in group:
                if reader in accepted:
                    continue
                try:
                    verify_reader_key(reader)
                except PublicKeyInvalid as error:
                    raise ReaderKeyRefused(
                        "a reader's key is no X25519 key that a secret can be sent to",
                        reader=reader,
                        entry=index,
                        hint="have the household or watcher make another key, and the manager sign the list again",
                    ) from error
                accepted.add(reader)
