"""What a host gets back from an enclave, and what it shows one of another: plain values, no I/O.

Decided here: the values of ``EnclaveClient``. Not decided here: the kinds of jobs (``series_job``, ``import_job``,
``statement_job``), how values cross the socket (``client``, docs/spec/enclave-socket.md) and what the enclave checks
(``measured``). Invariant: no private key is among them; a meter key is a secret between a household and its enclave and
is kept out of ``repr``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from wattest.messages.header import BatchHeader
from wattest.messages.witness_verdict import WitnessVerdict

ZERO_DIGEST = bytes(32)

ReaderId = bytes
"""A reader's X25519 public key, 32 bytes: under it the wrapped key of a series is found."""


@dataclass(frozen=True, slots=True)
class Description:
    """What an enclave says of itself: back end, measurement (32 bytes) and the identities it holds."""

    backend: str
    debug: bool
    measurement: bytes
    engine_version: str
    vee_workload: bytes
    settle_workload: bytes
    identities: tuple[Identity, ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """One enclave key: born inside, bound to (chain id, referee, channel, operator).

    ``address`` 20 bytes, ``public_key`` X||Y 64, ``storage_key`` the X25519 public key (32) under which this enclave
    finds the series keys of its own batches, ``evidence`` the quote whose report data binds the key (empty where an
    identity is only listed). ``phase`` is ``active``, ``awaiting`` (a successor without its state), ``standby`` or
    ``handed_over``; only an active key signs the next batch.
    """

    channel: bytes
    operator: bytes
    address: bytes
    public_key: bytes
    storage_key: bytes
    evidence: bytes = b""
    phase: str = "active"


@dataclass(frozen=True, slots=True)
class FirstLight:
    """keccak256 of a text (32 bytes), a 65-byte signature over the tagged digest, and the 20-byte signer."""

    digest: bytes
    signature: bytes
    address: bytes


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The operator's head in a channel as the host reads it from the chain: (0, zero digest) before the first
    commit."""

    sequence: int = 0
    digest: bytes = ZERO_DIGEST


@dataclass(frozen=True, slots=True)
class PayoutResult:
    """The payout entry of a statement: its index among the entries, the tree's root, sum and salts (16 bytes each).

    ``listed`` is the cumulative list, 52 bytes each (address, amount), in the order of the tree's leaves; it is the
    next statement's ``previous_payouts``. ``root`` is zero for an empty list.
    """

    entry: int
    root: bytes
    total: int
    listed: bytes = field(repr=False)
    salts: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SealedBatch:
    """One signed batch with everything its bundle needs; all sequences are in the order of entries.

    ``entries`` are 118-byte payloads, ``entry_salts`` 16 bytes, ``blocks`` AES-256-GCM ciphertexts, ``manifest`` the
    canonical JSON block whose SHA-256 is ``content_id``, ``wrapped_keys`` per entry reader -> wrapped series key.
    ``member_of`` gives each entry's index in the member list (or in the items of an import; -1 for the payout entry).
    Of a statement ``results`` holds each entry's bill (the payout list for the payout entry) and ``payouts`` the rest.
    """

    header: BatchHeader
    signature: bytes
    entries: Sequence[bytes] = field(repr=False)
    entry_salts: Sequence[bytes] = field(repr=False)
    blocks: Sequence[bytes] = field(repr=False)
    manifest: bytes = field(repr=False)
    content_id: bytes
    wrapped_keys: Sequence[dict[ReaderId, bytes]] = field(repr=False)
    member_of: Sequence[int] = field(repr=False)
    results: Sequence[bytes] = field(default=(), repr=False)
    payouts: PayoutResult | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """The last header that an identity released, and its 65-byte signature."""

    header: BatchHeader
    signature: bytes


@dataclass(frozen=True, slots=True)
class PeerSettings:
    """What an enclave needs from its host to believe another one of its channel.

    ``policy`` is the appraisal policy's bytes and ``roots`` certificates (DER), both as the channel's manager signed
    them until ``valid_until`` (``messages.peer_policy``); ``endorsements`` is the collateral (dcap-qvl's JSON) of this
    enclave's own platform, which the other end appraises it by; ``now`` is the time in unix seconds.
    """

    channel: bytes
    policy: bytes
    roots: tuple[bytes, ...]
    valid_until: int
    signature: bytes
    endorsements: bytes = field(repr=False)
    now: int


@dataclass(frozen=True, slots=True)
class WitnessJob:
    """Drawn entries of one of the enclave's own batches, as the bundle has them, for another operator's enclave.

    ``seed`` is the audit's (32 bytes), ``indices`` ascend strictly, ``nodes`` is their multiproof; ``wrapped`` are the
    series keys wrapped for this enclave's storage key, 80 bytes each.
    """

    header: BatchHeader
    signature: bytes
    seed: bytes
    indices: Sequence[int]
    nodes: Sequence[bytes]
    entries: Sequence[bytes]
    blocks: Sequence[bytes] = field(repr=False)
    wrapped: Sequence[bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class WitnessOutcome:
    """A witness enclave's word: the verdict, why when it is bad, the 20-byte key that signed, its 65-byte signature."""

    verdict: WitnessVerdict
    reason: str
    witness: bytes
    signature: bytes
