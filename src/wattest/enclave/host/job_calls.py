"""What every kind of job does with the socket: begin, hand parts over in bounded steps, finish, fetch the pages.

Decided here: the steps' size, and that what comes back is checked against the signed header before it is handed on. Not
decided here: which methods a kind has and what goes into them (its own file), one request (``client``).
Source: docs/spec/enclave-socket.md.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from wattest.crypto.hashing import sha256
from wattest.crypto.strict_fields import Fields
from wattest.enclave.host.jobs import ChainHead, PayoutResult, ReaderId, SealedBatch
from wattest.errors import VerificationError
from wattest.messages.header import HEADER_BYTES, parse_header
from wattest.sealing.bundle import BundleManifest

STEP_BYTES = 4 * 1024 * 1024
STEP_BLOCKS = 512
PAGE_ENTRIES = 1_024
MAX_BLOCK_BYTES = 2**26 + 16
_ENTRY_BYTES, _SALT_BYTES, _WRAPPED_BYTES = 118, 16, 80
_PAYOUT_MEMBER = 2**32 - 1

Part = TypeVar("Part")


class EnclaveMisbehaved(VerificationError):
    """An answer that does not follow from the header that came with it."""


class JobCalls(ABC):
    """The part of the enclave client that jobs use."""

    @abstractmethod
    def _ask(self, method: str, params: dict[str, object]) -> Fields: ...

    def ask_for(self, method: str, params: dict[str, object]) -> Fields:
        """One question of a job and its answer. Raises: the enclave's own error; EnclaveUnreachable."""
        return self._ask(method, params)

    def sealed_step(self, method: str, params: dict[str, object], count: int) -> dict[int, bytes]:
        """One step of a job: the entries that its ``count`` parts became, with their ciphertexts."""
        sealed = self.ask_for(method, params)
        indices = numbers(sealed["indices"].rows(4, count))
        ciphertexts = sealed["blocks"].blobs(count, MAX_BLOCK_BYTES)
        sealed.close()
        if not len(indices) == len(ciphertexts) == count:
            raise EnclaveMisbehaved("a step has other blocks", expected=count, actual=len(ciphertexts))
        return dict(zip(indices, ciphertexts, strict=True))

    def finish_job(self, order: Sequence[int] | None, blocks: dict[int, bytes]) -> SealedBatch:
        """End a job and fetch its batch; ``blocks`` are the ciphertexts by entry that its steps gave.

        ``order`` gives each entry's member or item; None where the enclave says it only now, as a statement's does.
        Raises: EnclaveMisbehaved unless all of it is what the header says.
        """
        finished = self.ask_for("batch.finish", {})
        header = parse_header(finished["header"].octets(HEADER_BYTES))
        signature = finished["signature"].octets(65)
        count = header.entry_count
        payouts: tuple[int, bytes, int, bytes] | None = None
        if order is None:
            order = numbers(finished["order"].rows(4, count))
            payouts = (
                finished["payout_entry"].uint(32),
                finished["payout_root"].octets(32),
                int.from_bytes(finished["payout_total"].octets(32), "big"),
                finished["payout_salts"].blob(_SALT_BYTES * 2**20),
            )
        finished.close()
        entries: list[bytes] = []
        salts: list[bytes] = []
        results: list[bytes] = []
        wrapped: list[dict[ReaderId, bytes]] = []
        for start in range(0, count, PAGE_ENTRIES):
            size = min(PAGE_ENTRIES, count - start)
            page = self.ask_for("batch.page", {"start": start, "count": size})
            entries += page["entries"].rows(_ENTRY_BYTES, size)
            salts += page["salts"].rows(_SALT_BYTES, size)
            _take_late_blocks(page["blocks"].raw(), start, blocks)
            results += page["results"].blobs(size, MAX_BLOCK_BYTES)
            readers = page["readers"].blobs(size, 32 * 128)
            keys = page["wrapped"].blobs(size, _WRAPPED_BYTES * 128)
            wrapped += [_by_reader(names, found) for names, found in zip(readers, keys, strict=False)]
            page.close()
        ciphertexts = [blocks[index] for index in range(count) if index in blocks]
        digests = tuple(sha256(block) for block in ciphertexts)
        manifest = BundleManifest(header.channel, header.period_start, header.period_end, digests).to_bytes()
        lengths = {len(each) for each in (entries, salts, results, wrapped, ciphertexts, order)}
        if lengths != {count} or sha256(manifest) != header.content_id:
            raise EnclaveMisbehaved("the blocks are not those of the header", expected=header.content_id)
        return SealedBatch(
            header=header,
            signature=signature,
            entries=entries,
            entry_salts=salts,
            blocks=ciphertexts,
            manifest=manifest,
            content_id=header.content_id,
            wrapped_keys=wrapped,
            member_of=[-1 if member == _PAYOUT_MEMBER else member for member in order],
            results=results if payouts is not None else (),
            payouts=None
            if payouts is None or payouts[0] >= count
            else PayoutResult(payouts[0], payouts[1], payouts[2], results[payouts[0]], payouts[3]),
        )


class Job(Protocol):
    """A job of any kind, as a host hands it to ``EnclaveClient.seal``."""

    def ask(self, calls: JobCalls) -> SealedBatch:
        """Ask for it, step by step, and give the batch that it became."""
        ...


class OpenChannelJob(Job, Protocol):
    """A job of an open channel: an import, a statement, or another kind that has a period of its own."""

    @property
    def channel(self) -> bytes:
        """The channel's id, 32 bytes."""
        ...

    @property
    def head(self) -> ChainHead:
        """The operator's head in the channel."""
        ...

    @property
    def period_start(self) -> int:
        """Unix seconds."""
        ...

    @property
    def period_end(self) -> int:
        """Unix seconds."""
        ...


def job_span(channel: bytes, head: ChainHead, period_start: int, period_end: int) -> dict[str, object]:
    """What every job begins with."""
    return {
        "channel": channel,
        "head_sequence": head.sequence,
        "head_digest": head.digest,
        "period_start": period_start,
        "period_end": period_end,
    }


def steps_of(parts: Iterable[Part], size_of: Callable[[Part], int]) -> Iterator[list[Part]]:
    """Cut a stream of blocks or files into steps of bounded size."""
    step: list[Part] = []
    size = 0
    for part in parts:
        length = size_of(part)
        if step and (size + length > STEP_BYTES or len(step) == STEP_BLOCKS):
            yield step
            step, size = [], 0
        step.append(part)
        size += length
    if step:
        yield step


def numbers(rows: list[bytes]) -> list[int]:
    """Big-endian rows as integers."""
    return [int.from_bytes(row, "big") for row in rows]


def _by_reader(readers: bytes, wrapped: bytes) -> dict[ReaderId, bytes]:
    count = len(readers) // 32
    if len(wrapped) != count * _WRAPPED_BYTES:
        raise EnclaveMisbehaved("wrapped keys and readers differ", expected=count, actual=len(wrapped))
    return {
        readers[32 * at : 32 * at + 32]: wrapped[_WRAPPED_BYTES * at : _WRAPPED_BYTES * (at + 1)] for at in range(count)
    }


def _take_late_blocks(value: object, start: int, blocks: dict[int, bytes]) -> None:
    if not isinstance(value, list):
        raise EnclaveMisbehaved("a page has no blocks")
    for at, block in enumerate(value):
        if isinstance(block, bytes):
            blocks[start + at] = block
