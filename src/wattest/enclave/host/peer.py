"""Carries one conversation between two enclaves: hello frames first, then ciphertext, host to host.

Decided here: what hosts tell each other before TLS (nonce, endorsements of the own platform), how bytes are moved and
bounded, and what is made of the results. Not decided here: anything that matters: both ends judge each other inside
(``measured.peer``), and a host that lies here makes its own conversation fail. Invariants: nothing is read without a
limit or a deadline; the stream is never left half used: whoever fails closes it.
Source: docs/spec/ra-tls.md, section "Between hosts".
"""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass

from wattest.attestation.formats.collateral import MAX_COLLATERAL_BYTES
from wattest.crypto.strict_fields import Fields
from wattest.enclave.host.client import EnclaveClient
from wattest.enclave.host.jobs import ChainHead, PeerSettings, WitnessJob, WitnessOutcome
from wattest.enclave.host.peer_calls import PeerStep
from wattest.enclave.measured import cbor
from wattest.enclave.measured.errors import PeerMisspoke
from wattest.enclave.measured.schema import read_map
from wattest.enclave.measured.wire import receive_frame, send_frame
from wattest.errors import InputError, ProtocolError, TransportError, WattestError
from wattest.messages.hand_over_permit import SignedPermit
from wattest.messages.witness_verdict import MAX_DRAWN, WitnessVerdict

HELLO_VERSION = 1
MAX_HELLO_BYTES = MAX_COLLATERAL_BYTES + 4_096
TIMEOUT_S = 60.0
_PIECE_BYTES = 1 << 18


class PeerLost(TransportError):
    """The other host closed the stream, or did not go on in time; its log says why."""


class PeerMismatch(ProtocolError):
    """The other host is there for another channel or another version."""


@dataclass(frozen=True, slots=True)
class HandOver:
    """A hand-over or replication that both ends sealed: the sequence of the last batch that the state is of."""

    sequence: int


def give(
    client: EnclaveClient,
    settings: PeerSettings,
    stream: socket.socket,
    permit: SignedPermit,
    head: ChainHead | None = None,
) -> HandOver:
    """Hand the channel's state to the enclave behind ``stream``, as the permit says; safe to repeat.

    ``head`` is the operator's head on chain; None for the last sealed batch. One behind it, the last batch is taken for
    one that can be committed no more, and the successor seals that sequence anew.
    Raises: PermitRefused, HandOverRefused, HeadMismatch, PeerRefused, TlsFailed, PeerLost.
    """
    return _hand_over(_converse(client, settings, "give", stream, permit, head))


def take(client: EnclaveClient, settings: PeerSettings, stream: socket.socket, permit: SignedPermit) -> HandOver:
    """Take the channel's state from the enclave behind ``stream`` under the prepared key; safe to repeat.

    Raises: as ``give``.
    """
    return _hand_over(_converse(client, settings, "take", stream, permit))


def ask_witness(
    client: EnclaveClient, settings: PeerSettings, stream: socket.socket, job: WitnessJob
) -> WitnessOutcome:
    """Show drawn entries to the enclave behind ``stream`` and get its signed verdict.

    Raises: WitnessRefused, PeerRefused, TlsFailed, PeerLost.
    """
    client.load_witness(job)
    return _outcome(_converse(client, settings, "ask", stream, None))


def serve_witness(client: EnclaveClient, settings: PeerSettings, stream: socket.socket) -> WitnessOutcome:
    """Let this enclave judge what the one behind ``stream`` shows, and sign.

    Raises: as ``ask_witness``.
    """
    return _outcome(_converse(client, settings, "witness", stream, None))


def hand_over(
    giver: EnclaveClient,
    giver_settings: PeerSettings,
    taker: EnclaveClient,
    taker_settings: PeerSettings,
    permit: SignedPermit,
    head: ChainHead | None = None,
) -> HandOver:
    """``give`` and ``take`` between two enclaves that this host runs; with a standby's permit, a replication.

    Raises: the reason of the end that refused.
    """
    left, right = socket.socketpair()
    failures: list[WattestError] = []

    def run_giver() -> None:
        with left:
            try:
                give(giver, giver_settings, left, permit, head)
            except WattestError as error:
                failures.append(error)

    thread = threading.Thread(target=run_giver, name="giver", daemon=True)
    thread.start()
    taken: HandOver | None = None
    with right:
        try:
            taken = take(taker, taker_settings, right, permit)
        except WattestError as error:
            failures.append(error)
    thread.join()
    if failures:
        raise min(failures, key=lambda failure: isinstance(failure, PeerLost))  # the cause, not its effect
    if taken is None:
        raise PeerLost("the hand-over ended without a result", retryable=True)
    return taken


def _converse(
    client: EnclaveClient,
    settings: PeerSettings,
    role: str,
    stream: socket.socket,
    permit: SignedPermit | None,
    head: ChainHead | None = None,
) -> Fields:
    try:
        stream.settimeout(TIMEOUT_S)
        nonce = client.open_peer(settings, role, permit, head)
        hello = {
            "v": HELLO_VERSION, "channel": settings.channel, "nonce": nonce, "endorsements": settings.endorsements,
        }  # fmt: skip
        send_frame(stream, cbor.encode(hello))
        step = client.start_peer(*_read_hello(stream, settings.channel))
        while True:
            step = _send(client, stream, step)
            if step.result is not None:
                return step.result
            data = stream.recv(_PIECE_BYTES)
            if not data:
                raise PeerLost("the other host closed the stream", retryable=True, hint="its log says why")
            step = client.relay_peer(data)
    except OSError as error:
        raise PeerLost(
            f"the stream to the other host failed: {error.strerror or type(error).__name__}",
            retryable=True,
            hint="see that the other host is up, then start again: nothing is lost or doubled",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            stream.shutdown(socket.SHUT_WR)
        with contextlib.suppress(WattestError):
            client.close_peer()


def _read_hello(stream: socket.socket, channel: bytes) -> tuple[bytes, bytes]:
    try:
        data = receive_frame(stream, MAX_HELLO_BYTES)
        if data is None:
            raise PeerLost("the other host closed the stream", retryable=True, hint="its log says why")
        fields = read_map(cbor.parse(data), "hello")
        version, theirs = fields["v"].uint(16), fields["channel"].octets(32)
        nonce, endorsements = fields["nonce"].octets(32), fields["endorsements"].blob(MAX_COLLATERAL_BYTES)
        fields.close()
    except InputError as error:
        raise PeerMisspoke(f"the other host's hello cannot be read: {error.message}", cause=error.code) from error
    if (version, theirs) != (HELLO_VERSION, channel):
        raise PeerMismatch(
            "the other host is there for another channel or version",
            expected=[HELLO_VERSION, channel],
            actual=[version, theirs],
        )
    return nonce, endorsements


def _send(client: EnclaveClient, stream: socket.socket, step: PeerStep) -> PeerStep:
    while True:
        if step.data:
            stream.sendall(step.data)
        if not step.more:
            return step
        step = client.relay_peer(b"")


def _hand_over(fields: Fields) -> HandOver:
    sequence = fields["sequence"].uint()
    fields.close()
    return HandOver(sequence)


def _outcome(fields: Fields) -> WitnessOutcome:
    verdict = WitnessVerdict(
        header=fields["header"].octets(32),
        seed=fields["seed"].octets(32),
        entries=tuple(int.from_bytes(row, "big") for row in fields["entries"].rows(4, MAX_DRAWN)),
        ok=fields["ok"].boolean(),
    )
    outcome = WitnessOutcome(
        verdict, fields["reason"].text(500), fields["witness"].octets(20), fields["signature"].octets(65)
    )
    fields.close()
    return outcome
