"""One operator's enclave checks drawn entries of another operator's again, when that one asks.

Decided here: how an operator serves as a witness beside its own work, and what it shows of a batch of its own. Not
decided here: what is checked and signed (``enclave.measured.witness``), who is drawn (the audit), between whom (the
policy that the channel's manager signed). Invariants: a stranger delays no sealing and no commit; only committed
batches are shown.
Source: docs/spec/ra-tls.md, section "Witness".
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from wattest.crypto.errors import PublicKeyInvalid, SignatureInvalid
from wattest.enclave.host.client import EnclaveClient
from wattest.enclave.host.jobs import PeerSettings, WitnessJob, WitnessOutcome
from wattest.enclave.host.peer import ask_witness, serve_witness
from wattest.errors import ProtocolError, TransportError, VerificationError, WattestError
from wattest.io.peer_listener import PeerListener, connect, ending
from wattest.merkle import MerkleTree
from wattest.messages.eip712 import Domain
from wattest.messages.witness_verdict import recover_witness
from wattest.store.batch_state import StoredState
from wattest.store.operator_port import OperatorView
from wattest.store.ports import BundleStore

CONNECT_TIMEOUT_S = 30.0
_PAUSE_S = 0.2
_SHOWN = frozenset({StoredState.COMMITTED, StoredState.FINAL})


class WitnessUnreachable(TransportError):
    """The witness's host does not answer at its address."""


class EntryNotShown(ProtocolError):
    """An entry that cannot be shown: not there, erased, or of a batch that is not on chain."""


class VerdictUnsigned(VerificationError):
    """A verdict that the key which it names did not sign."""


@dataclass(frozen=True, slots=True)
class WitnessTerms:
    """The policy under which enclaves of a channel meet, as its manager signed it; ``listen`` where this one serves."""

    channel: bytes
    policy: bytes = field(repr=False)
    roots: tuple[bytes, ...] = field(repr=False)
    valid_until: int
    signature: bytes
    listen: tuple[str, int] | None = None

    def settings(self, endorsements: bytes, now: int) -> PeerSettings:
        """What an enclave of this host is given; ``endorsements`` are its own platform's."""
        return PeerSettings(self.channel, self.policy, self.roots, self.valid_until, self.signature, endorsements, now)


class WitnessServer:
    """Serves from a thread of its own; the operator's loop offers it enclave and settings at each step.

    ``turn`` is held during a conversation; ``report`` gets each outcome and each failure, from that thread.
    """

    def __init__(
        self, address: tuple[str, int], turn: threading.Lock, report: Callable[[WitnessOutcome | WattestError], None]
    ) -> None:
        """Raises: ListenerNotStarted."""
        self._listener = PeerListener(address)
        self.address = self._listener.address
        self._turn, self._report = turn, report
        self._offer: tuple[EnclaveClient, PeerSettings] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="witness", daemon=True)
        self._thread.start()

    def offer(self, client: EnclaveClient, settings: PeerSettings) -> None:
        """Use these from the next conversation on."""
        self._offer = client, settings

    def stop(self) -> None:
        """Serve no more; a conversation that runs is left to end by itself."""
        self._stopping.set()
        self._thread.join(2 * _PAUSE_S)
        self._listener.close()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                stream = self._listener.accept(_PAUSE_S)
                if stream is None:
                    continue
                with stream:
                    self._converse(stream)
            except WattestError as error:
                if self._stopping.is_set():
                    return
                self._report(error)
            self._stopping.wait(_PAUSE_S)  # whoever else wants the enclave's turn gets it in between

    def _converse(self, stream: socket.socket) -> None:
        with self._turn, ending(stream):
            if self._offer is None:
                return  # no enclave key is active yet: the asker hears that the stream closed
            client, settings = self._offer
            self._report(serve_witness(client, settings, stream))


def ask(
    client: EnclaveClient, settings: PeerSettings, job: WitnessJob, address: tuple[str, int], domain: Domain
) -> WitnessOutcome:
    """Have the witness at ``address`` check what ``job`` shows; its verdict's signature is checked here.

    Raises: WitnessUnreachable, VerdictUnsigned, and what ``enclave.host.peer.ask_witness`` raises.
    """
    try:
        stream = connect(address, CONNECT_TIMEOUT_S)
    except OSError as error:
        raise WitnessUnreachable(
            "the witness does not answer", retryable=True, address=f"{address[0]}:{address[1]}", cause=str(error)
        ) from error
    with stream, ending(stream):
        outcome = ask_witness(client, settings, stream, job)
    try:
        signer = recover_witness(outcome.verdict, outcome.signature, domain)
    except (SignatureInvalid, PublicKeyInvalid) as error:
        raise VerdictUnsigned("the verdict's signature is none", witness=outcome.witness) from error
    said, asked = outcome.verdict, (job.header.digest(domain), job.seed, tuple(job.indices))
    if signer != outcome.witness or (said.header, said.seed, said.entries) != asked:
        raise VerdictUnsigned(
            "the verdict is of another key, or on something else", expected=outcome.witness, actual=signer
        )
    return outcome


def witness_job(
    store: OperatorView, bundles: BundleStore, storage_key: bytes, channel: bytes, sequence: int,
    indices: Sequence[int], seed: bytes,
) -> WitnessJob:  # fmt: skip
    """What is shown of a committed batch: these entries (ascending), their blocks and the enclave's keys to them.

    Raises: EntryNotShown.
    """
    batch = store.find_batch(channel, sequence)
    if batch is None or batch.state not in _SHOWN or batch.header is None or batch.signature is None:
        raise EntryNotShown("the batch is not here, or not committed", sequence=sequence)
    payloads, salts = store.entries(channel, sequence)
    wrapped = store.wrapped_keys(channel, sequence, storage_key)
    missing = [index for index in indices if index >= len(payloads) or index not in wrapped]
    if missing:
        raise EntryNotShown(
            "entries that are not in the batch, or whose keys were erased", entries=missing, count=len(payloads)
        )
    nodes = MerkleTree.from_payloads(payloads, salts).prove_many(list(indices)).nodes
    with bundles.open(batch.header.content_id) as bundle:
        blocks = [bundle.block(index) for index in indices]
    return WitnessJob(
        batch.header, batch.signature, seed, tuple(indices), nodes, [payloads[index] for index in indices], blocks,
        [wrapped[index] for index in indices],
    )  # fmt: skip
