"""The host's one way to ask an enclave for something.

Decided here: the connection, and the methods beside those of jobs. Not decided here: what a job asks for (a file for
each kind, over ``job_calls``), the process behind the socket (``process``), the frame format (``measured.wire``,
docs/spec/enclave-socket.md) and what is checked inside. Invariant: every failure is a ``WattestError``; one that the
enclave raised keeps its code, branch, message and fields.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path

from wattest.crypto.strict_fields import Fields
from wattest.enclave.host.import_job import ImportItem, ImportJob
from wattest.enclave.host.job_calls import EnclaveMisbehaved, Job, JobCalls
from wattest.enclave.host.jobs import (
    ChainHead,
    Description,
    FirstLight,
    Identity,
    PayoutResult,
    ReaderId,
    Release,
    SealedBatch,
)
from wattest.enclave.host.peer_calls import PeerCalls
from wattest.enclave.host.series_job import SealJob
from wattest.enclave.host.statement_job import CitedBatch, StatementJob
from wattest.enclave.measured.device import MAX_QUOTE_BYTES
from wattest.enclave.measured.errors import FrameMalformed
from wattest.enclave.measured.schema import read_map
from wattest.enclave.measured.wire import encode_request, parse_reply, receive_frame, send_frame
from wattest.errors import TransportError
from wattest.messages.channel import ChannelIdentity
from wattest.messages.header import HEADER_BYTES, parse_header
from wattest.messages.report_data import KeyBinding

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
    "Job",
    "PayoutResult",
    "ReaderId",
    "Release",
    "SealJob",
    "SealedBatch",
    "StatementJob",
]


class EnclaveUnreachable(TransportError):
    """The enclave's socket cannot be reached, closed in the middle, or did not answer in time."""


class EnclaveClient(PeerCalls, JobCalls):
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
            backend=fields["backend"].text(32),
            debug=fields["debug"].boolean(),
            measurement=fields["measurement"].octets(32),
            engine_version=fields["engine_version"].text(64),
            vee_workload=fields["vee_workload"].octets(32),
            settle_workload=fields["settle_workload"].octets(32),
            identities=tuple(_identity(inner.fields()) for inner in fields["identities"].items(65_536)),
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
        evidence = fields["evidence"].blob(MAX_QUOTE_BYTES)
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
        light = FirstLight(fields["digest"].octets(32), fields["signature"].octets(65), fields["address"].octets(20))
        fields.close()
        return light

    def seal(self, job: Job) -> SealedBatch:
        """Have a job of any kind sealed; the identical job again gives the identical header and signature.

        Raises: HeadMismatch, JobConflict, PeriodOverlaps, what the kind of job raises, EnclaveUnreachable.
        """
        with self._lock:
            return job.ask(self)

    def last_release(self, channel: bytes) -> Release | None:
        """The last header released in ``channel``, None before the first. Raises: IdentityUnknown."""
        fields = self._ask("release.last", {"channel": channel})
        header = fields["header"].or_none(lambda field: field.octets(HEADER_BYTES))
        signature = fields["signature"].or_none(lambda field: field.octets(65))
        fields.close()
        return None if header is None or signature is None else Release(parse_header(header), signature)

    def erase(self, channel: bytes, sequence: int) -> bool:
        """Drop the sealed series keys of a final batch; False when the enclave holds none of that sequence."""
        fields = self._ask("batch.erase", {"channel": channel, "sequence": sequence})
        erased = fields["erased"].boolean()
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
        return read_map(reply.result, f"reply to {method}")

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


def _identity(fields: Fields, evidence: bytes = b"") -> Identity:
    identity = Identity(
        channel=fields["channel"].octets(32),
        operator=fields["operator"].octets(20),
        address=fields["address"].octets(20),
        public_key=fields["public_key"].octets(64),
        storage_key=fields["storage_key"].octets(32),
        evidence=evidence,
        phase=fields["phase"].text(16),
    )
    fields.close()
    return identity
