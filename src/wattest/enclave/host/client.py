"""The host's one way to ask an enclave for something.

Decided here: the methods and how a job becomes frames, streamed in bounded steps. Not decided here: the process behind
the socket (``process``), the frame format (``measured.wire``, docs/spec/enclave-socket.md) and what is checked inside.
Invariants: every failure is a ``WattestError``; one that the enclave raised keeps its code, branch, message and fields;
what comes back is checked against the signed header before it is handed on.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from wattest.crypto.hashing import sha256
from wattest.enclave.host.jobs import (
    ChainHead,
    CitedBatch,
    Description,
    FirstLight,
    Identity,
    ImportItem,
    ImportJob,
    PayoutResult,
    ReaderId,
    Release,
    SealedBatch,
    SealJob,
    StatementJob,
)
from wattest.enclave.host.peer_calls import PeerCalls
from wattest.enclave.measured.device import MAX_QUOTE_BYTES
from wattest.enclave.measured.errors import FrameMalformed
from wattest.enclave.measured.schema import Fields
from wattest.enclave.measured.wire import encode_request, parse_reply, receive_frame, send_frame
from wattest.errors import TransportError, VerificationError
from wattest.messages.channel import ChannelIdentity
from wattest.messages.header import HEADER_BYTES, parse_header
from wattest.messages.report_data import KeyBinding
from wattest.sealing.bundle import BundleManifest

__all__ = [
    "ChainHead",
    "CitedBatch",
    "Description",
    "EnclaveClient",
    "EnclaveMisbehaved",
    "EnclaveUnreachable",
    "FirstLight",
    "Identity",
    "ImportItem",
    "ImportJob",
    "PayoutResult",
    "ReaderId",
    "Release",
    "SealJob",
    "SealedBatch",
    "StatementJob",
]

STEP_BYTES = 4 * 1024 * 1024
STEP_BLOCKS = 512
PAGE_ENTRIES = 1_024
MAX_BLOCK_BYTES = 2**26 + 16
_ENTRY_BYTES, _SALT_BYTES, _WRAPPED_BYTES = 118, 16, 80
_PAYOUT_MEMBER = 2**32 - 1

Part = TypeVar("Part")


class EnclaveUnreachable(TransportError):
    """The enclave's socket cannot be reached, closed in the middle, or did not answer in time."""


class EnclaveMisbehaved(VerificationError):
    """An answer that does not follow from the header that came with it."""


class EnclaveClient(PeerCalls):
    """One connection to one enclave; methods are synchronous, and safe to call from several threads in turn."""

    def __init__(self, place: Path | int, *, request_timeout_s: float = 120.0) -> None:
        """``place`` is the enclave's Unix socket, or the port of the loopback interface that it was launched with."""
        self._place = place
        self._request_timeout_s = request_timeout_s
        self._stream: socket.socket | None = None
        self._id = 0
        self._lock = threading.RLock()

    def describe(self) -> Description:
        """Back end, measurement and identities."""
        fields = self._ask("describe", {})
        description = Description(
            backend=fields.text("backend", 32),
            debug=fields.flag("debug"),
            measurement=fields.octets("measurement", 32),
            engine_version=fields.text("engine_version", 64),
            vee_workload=fields.octets("vee_workload", 32),
            settle_workload=fields.octets("settle_workload", 32),
            identities=tuple(_identity(inner) for inner in fields.maps("identities", 65_536)),
        )
        fields.close()
        return description

    def create_identity(
        self, binding: KeyBinding, channel: ChannelIdentity, start: ChainHead | None = None
    ) -> Identity:
        """Make, or attest again, the key of (channel, operator); the evidence binds it with the nonce.

        ``start`` is the operator's head on chain when a new key takes over a scheduled channel in which an earlier one
        committed. An enclave holds one operator per channel. Raises: IdentityConflict for another operator, chain or
        referee.
        """
        start = start or ChainHead()
        span = {"start_sequence": start.sequence, "start_digest": start.digest}
        fields = self._ask("identity.create", {**_binding(binding, channel), **span})
        evidence = fields.blob("evidence", MAX_QUOTE_BYTES)
        return _identity(fields, evidence)

    def prepare_successor(self, binding: KeyBinding, channel: ChannelIdentity) -> Identity:
        """Make a key that waits for another enclave's state of (channel, operator); it is attested after it has it.

        The nonce is not used. Raises: PhaseRefused when the channel's key here has a life of its own.
        """
        return _identity(self._ask("successor.prepare", _binding(binding, channel)))

    def activate_standby(self, channel: bytes, head: ChainHead) -> Identity:
        """Let a standby sign from the chain's head on. Raises: PhaseRefused; HeadMismatch for any other head."""
        params = {"channel": channel, "head_sequence": head.sequence, "head_digest": head.digest}
        return _identity(self._ask("standby.activate", params))

    def first_light(self, text: str, channel: bytes | None = None) -> FirstLight:
        """Hash and sign ``text`` inside; ``channel`` names the identity, the first one when None."""
        fields = self._ask("first_light", {"text": text, "channel": channel})
        light = FirstLight(fields.octets("digest", 32), fields.octets("signature", 65), fields.octets("address", 20))
        fields.close()
        return light

    def seal_batch(self, job: SealJob) -> SealedBatch:
        """Seal one period; the identical job again gives the identical header and signature.

        Raises: HeadMismatch, JobConflict, PeriodOverlaps, MemberListRefused, MeterKeyRefused, DeviceBlockRefused,
        SeriesRefused (with the member's index), EnclaveUnreachable.
        """
        with self._lock:
            channel = job.members.member_list.channel
            begun = self._ask(
                "seal.begin",
                {
                    **_job(channel, job.head, job.period_start, job.period_end),
                    "members": job.members.to_bytes(),
                    "meter_keys": b"".join(job.meter_keys),
                },
            )
            order = _numbers(begun.rows("order", 4, len(job.meter_keys)))
            begun.close()
            blocks: dict[int, bytes] = {}
            for step in _steps(job.blocks, len):
                blocks.update(self._sealed_step("seal.add", {"blocks": step}, len(step)))
            return self._finish(order, blocks)

    def seal_import(self, job: ImportJob) -> SealedBatch:
        """Seal imported files (kinds 2 and 3) into an open channel.

        Raises: HeadMismatch, JobConflict, ImportRefused (with the item's index), EnclaveUnreachable.
        """
        with self._lock:
            begun = self._ask(
                "import.begin",
                {
                    **_job(job.channel, job.head, job.period_start, job.period_end),
                    "meter_keys": b"".join(item.meter_key for item in job.items),
                    "readers": b"".join(item.reader_key for item in job.items),
                    "watchers": b"".join(job.watcher_keys),
                },
            )
            order = _numbers(begun.rows("order", 4, len(job.items)))
            begun.close()
            blocks: dict[int, bytes] = {}
            for step in _steps(enumerate(job.items), lambda numbered: len(numbered[1].file)):
                items = [{"item": number, "file": item.file, "public_key": item.public_key} for number, item in step]
                blocks.update(self._sealed_step("import.add", {"items": items}, len(step)))
            return self._finish(order, blocks)

    def seal_statement(self, job: StatementJob) -> SealedBatch:
        """Run the settlement over cited batches and seal one entry per bill and one for the payouts.

        Raises: HeadMismatch, JobConflict, TermsRefused, CitationRefused, SettlementRefused, PayoutsBroken,
        EnclaveUnreachable.
        """
        with self._lock:
            self._ask(
                "statement.begin",
                {
                    **_job(job.channel, job.head, job.period_start, job.period_end),
                    "members": job.members.to_bytes(),
                    "meter_keys": b"".join(job.meter_keys),
                    "payees": b"".join(job.payees),
                    "tariff": job.tariff,
                    "allocation": job.allocation,
                    "previous_payouts": job.previous_payouts,
                    "terms_from": job.terms.valid_from,
                    "terms_until": job.terms.valid_until,
                    "terms_signature": job.terms.signature,
                },
            ).close()
            for batch in job.batches:
                self._cite(batch)
            return self._finish(None, {})

    def last_release(self, channel: bytes) -> Release | None:
        """The last header released in ``channel``, None before the first. Raises: IdentityUnknown."""
        fields = self._ask("release.last", {"channel": channel})
        header = fields.optional("header", lambda name: fields.octets(name, HEADER_BYTES))
        signature = fields.optional("signature", lambda name: fields.octets(name, 65))
        fields.close()
        return None if header is None or signature is None else Release(parse_header(header), signature)

    def erase(self, channel: bytes, sequence: int) -> bool:
        """Drop the sealed series keys of a final batch; False when the enclave holds none of that sequence."""
        fields = self._ask("batch.erase", {"channel": channel, "sequence": sequence})
        erased = fields.flag("erased")
        fields.close()
        return erased

    def unsafe_arm_fault(self, point: str) -> None:
        """Make a debug enclave stop dead at ``point``. Raises: DebugRefused by every other enclave."""
        self._ask("debug.arm", {"point": point}).close()

    def close(self) -> None:
        """Close the connection; the enclave keeps running."""
        if self._stream is not None:
            with contextlib.suppress(OSError):
                self._stream.close()
            self._stream = None

    def _cite(self, batch: CitedBatch) -> None:
        self._ask("statement.cite", {"header": batch.header.to_bytes(), "signature": batch.signature}).close()
        start = 0
        for step in _steps(batch.blocks, len):
            end = start + len(step)
            params: dict[str, object] = {
                "entries": b"".join(batch.entries[start:end]),
                "blocks": step,
                "wrapped": b"".join(batch.wrapped_keys[start:end]),
            }
            self._ask("statement.add", params).close()
            start = end

    def _sealed_step(self, method: str, params: dict[str, object], count: int) -> dict[int, bytes]:
        """One step of a job: the entries that its ``count`` parts became, with their ciphertexts."""
        sealed = self._ask(method, params)
        indices = _numbers(sealed.rows("indices", 4, count))
        ciphertexts = sealed.blobs("blocks", count, MAX_BLOCK_BYTES)
        sealed.close()
        if not len(indices) == len(ciphertexts) == count:
            raise EnclaveMisbehaved("a step has other blocks", expected=count, actual=len(ciphertexts))
        return dict(zip(indices, ciphertexts, strict=True))

    def _finish(self, order: Sequence[int] | None, blocks: dict[int, bytes]) -> SealedBatch:
        finished = self._ask("batch.finish", {})
        header = parse_header(finished.octets("header", HEADER_BYTES))
        signature = finished.octets("signature", 65)
        count = header.entry_count
        payouts: tuple[int, bytes, int, bytes] | None = None
        if order is None:
            order = _numbers(finished.rows("order", 4, count))
            payouts = (
                finished.uint("payout_entry", 32),
                finished.octets("payout_root", 32),
                int.from_bytes(finished.octets("payout_total", 32), "big"),
                finished.blob("payout_salts", _SALT_BYTES * 2**20),
            )
        finished.close()
        entries: list[bytes] = []
        salts: list[bytes] = []
        results: list[bytes] = []
        wrapped: list[dict[ReaderId, bytes]] = []
        for start in range(0, count, PAGE_ENTRIES):
            size = min(PAGE_ENTRIES, count - start)
            page = self._ask("batch.page", {"start": start, "count": size})
            entries += page.rows("entries", _ENTRY_BYTES, size)
            salts += page.rows("salts", _SALT_BYTES, size)
            _take_late_blocks(page.raw("blocks"), start, blocks)
            results += page.blobs("results", size, MAX_BLOCK_BYTES)
            readers = page.blobs("readers", size, 32 * 128)
            keys = page.blobs("wrapped", size, _WRAPPED_BYTES * 128)
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

    def _ask(self, method: str, params: dict[str, object]) -> Fields:
        """One question and its answer.

        Raises: the enclave's own error; EnclaveUnreachable.
        """
        with self._lock:
            self._id += 1
            identifier = self._id
            try:
                stream = self._connect()
                data = _exchange(stream, encode_request(identifier, method, params))
            except OSError as error:
                self.close()
                timed_out = isinstance(error, TimeoutError)
                raise EnclaveUnreachable(
                    f"the enclave did not answer in {self._request_timeout_s:.0f} s"
                    if timed_out
                    else f"the enclave cannot be reached: {error.strerror or error}",
                    retryable=True,
                    hint="restart the enclave; a job that was sealed gives the same header again",
                    method=method,
                ) from error
            except BaseException:
                self.close()  # interrupted in the middle: the answer must not be taken for the next question's
                raise
            if data is None:
                self.close()
                raise EnclaveUnreachable(
                    "the enclave closed the connection",
                    retryable=True,
                    hint="restart the enclave; a job that was sealed gives the same header again",
                    method=method,
                )
            reply = parse_reply(data)
        if reply.error is not None:
            if reply.id == 0:
                self.close()
            raise reply.error
        if reply.id != identifier:
            self.close()
            raise FrameMalformed("the enclave answered another question", expected=identifier, actual=reply.id)
        return Fields(reply.result, f"reply to {method}")

    def _connect(self) -> socket.socket:
        if self._stream is None:
            is_port = isinstance(self._place, int)
            stream = socket.socket(socket.AF_INET if is_port else socket.AF_UNIX, socket.SOCK_STREAM)
            stream.settimeout(self._request_timeout_s)
            try:
                stream.connect(("127.0.0.1", self._place) if is_port else str(self._place))
            except OSError:
                stream.close()
                raise
            self._stream = stream
        return self._stream


def _binding(binding: KeyBinding, channel: ChannelIdentity) -> dict[str, object]:
    return {
        "manager": channel.manager,
        "kind": int(channel.kind),
        "salt": channel.salt,
        "chain_id": binding.chain_id.to_bytes(32, "big"),
        "referee": binding.referee,
        "channel": binding.channel,
        "operator": binding.operator,
        "nonce": binding.nonce,
    }


def _exchange(stream: socket.socket, request: bytes) -> bytes | None:
    try:
        send_frame(stream, request)
    except (BrokenPipeError, ConnectionResetError):
        data = receive_frame(stream)  # an enclave that closes says why before it does
        if data is None:
            raise
        return data
    return receive_frame(stream)


def _job(channel: bytes, head: ChainHead, period_start: int, period_end: int) -> dict[str, object]:
    return {
        "channel": channel,
        "head_sequence": head.sequence,
        "head_digest": head.digest,
        "period_start": period_start,
        "period_end": period_end,
    }


def _identity(fields: Fields, evidence: bytes = b"") -> Identity:
    identity = Identity(
        channel=fields.octets("channel", 32),
        operator=fields.octets("operator", 20),
        address=fields.octets("address", 20),
        public_key=fields.octets("public_key", 64),
        storage_key=fields.octets("storage_key", 32),
        evidence=evidence,
        phase=fields.text("phase", 16),
    )
    fields.close()
    return identity


def _steps(parts: Iterable[Part], size_of: Callable[[Part], int]) -> Iterator[list[Part]]:
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


def _numbers(rows: list[bytes]) -> list[int]:
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
