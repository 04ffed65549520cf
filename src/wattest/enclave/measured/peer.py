"""A conversation with another enclave: attested TLS first, then messages of one purpose.

Decided here: nonces, the certificate of this session, when the peer is appraised, framing inside TLS and its bounds.
Not decided here: what is said (``hand_over``, ``witness``) and how bytes travel (the host). Invariants: the key lives
for one session; nothing is said to, and nothing heard from, a peer that was not appraised under the policy that the
channel's manager signed; time and endorsements are the host's word, and no more fresh than it is honest.
Source: docs/spec/ra-tls.md.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from wattest.attestation.appraisal_policy import AppraisalPolicy, parse_policy
from wattest.attestation.endorsements import parse_endorsements
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.formats.tagged_evidence import Claims, claims_report_data
from wattest.attestation.ra_tls import (
    PeerRefused,
    issue_certificate,
    parse_attested_certificate,
    public_key_info,
    verify_peer,
)
from wattest.attestation.result import measurement_id
from wattest.attestation.roots import TrustRoot, parse_root
from wattest.crypto.strict_fields import Fields
from wattest.enclave.measured import cbor
from wattest.enclave.measured.device import AttestationDevice
from wattest.enclave.measured.errors import FrameMalformed, PeerMisspoke, PeerSessionInvalid, RequestInvalid
from wattest.enclave.measured.schema import read_map
from wattest.enclave.measured.sealed_state import SealedState
from wattest.enclave.measured.tls import TlsEndpoint
from wattest.enclave.measured.wire import LENGTH_BYTES, MAX_FRAME_BYTES
from wattest.errors import InputError
from wattest.messages.peer_policy import PeerPolicy, verify_peer_policy

NONCE_BYTES = 32
MAX_TIME = 253_402_300_799  # 9999-12-31T23:59:59Z
CLOCK_MARGIN_S = 86_400


@dataclass(frozen=True, slots=True)
class PeerTerms:
    """The policy and roots under which peers of a channel are believed, signed by its manager, and the host's time."""

    policy: AppraisalPolicy
    roots: tuple[TrustRoot, ...]
    now: int


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end: measurement and platform id (32 bytes each), and this enclave's own measurement."""

    measurement: bytes
    platform: bytes
    own_measurement: bytes


class Conversation(Protocol):
    """What is said once the peer is believed; each message is one map."""

    @property
    def result(self) -> dict[str, object] | None:
        """What the host is told at the end; None before."""

    def open(self, peer: Peer) -> dict[str, object] | None:
        """The first message, of the side that speaks first; None of the other."""

    def answer(self, message: Fields, peer: Peer) -> dict[str, object] | None:
        """The reply to a message, or None when nothing is left to say.

        Raises: WattestError when the message does not fit; the session then ends.
        """


def read_terms(
    state: SealedState, policy: bytes, roots: list[bytes], valid_until: int, signature: bytes, now: int
) -> PeerTerms:
    """Check that the manager signed policy and roots, and read them.

    Raises: PeerPolicyUnsigned, PolicyMalformed, RootMalformed; RequestInvalid for a time outside the calendar, or no
    root at all.
    """
    if not roots:
        raise RequestInvalid("a peer is judged under at least one root", field="roots")
    if not CLOCK_MARGIN_S <= now <= MAX_TIME - CLOCK_MARGIN_S:
        raise RequestInvalid("the time lies outside the calendar", field="now", actual=now)
    agreed = PeerPolicy.over(state.channel.id, policy, roots, valid_until)
    verify_peer_policy(agreed, signature, state.channel, state.domain, now)
    return PeerTerms(parse_policy(policy), tuple(parse_root(root) for root in roots), now)


class PeerSession:
    """One connection: make it, tell ``nonce`` to the peer, ``start`` with the peer's, then ``relay`` until done."""

    def __init__(
        self, device: AttestationDevice, terms: PeerTerms, conversation: Conversation, *, is_server: bool
    ) -> None:
        self.nonce = secrets.token_bytes(NONCE_BYTES)
        self._device = device
        self._terms = terms
        self._conversation = conversation
        self._is_server = is_server
        self._endorsements: bytes = b""
        self._tls: TlsEndpoint | None = None
        self._own_measurement = b""
        self._own_key_info = b""
        self._peer: Peer | None = None
        self._heard = bytearray()

    @property
    def result(self) -> dict[str, object] | None:
        """What the conversation came to; None while it goes on."""
        return self._conversation.result

    def start(self, nonce: bytes, endorsements: bytes) -> bytes:
        """Attest a fresh key over the peer's nonce (32 bytes); the first bytes for the peer (none of a server).

        ``endorsements`` are for the peer's platform; they are judged when its evidence is. Raises: PeerSessionInvalid,
        DeviceFailed.
        """
        if self._tls is not None:
            raise PeerSessionInvalid("the conversation was started before")
        private_key = ec.generate_private_key(ec.SECP256R1())
        self._own_key_info = public_key_info(private_key)
        claims = Claims.over(self._own_key_info, nonce).to_bytes()
        quote = self._device.quote(claims_report_data(claims))
        self._own_measurement = measurement_id(parse_evidence(quote).report)
        self._endorsements = endorsements
        certificate = issue_certificate(private_key, quote, claims, self._terms.now)
        self._tls = TlsEndpoint(private_key, certificate, is_server=self._is_server)
        self._tls.feed(b"")
        return self._tls.outgoing()

    def relay(self, data: bytes) -> bytes:
        """Take bytes from the peer; the bytes for it.

        Raises: TlsFailed, PeerRefused, PeerMisspoke, or what the conversation raises. The session is then over.
        """
        if self._tls is None:
            raise PeerSessionInvalid("the conversation was not started")
        self._tls.feed(data)
        if self._tls.is_open:
            if self._peer is None:
                self._peer = self._appraise(self._tls)
                self._say(self._conversation.open(self._peer))
            self._hear(self._tls, self._peer)
        return self._tls.outgoing()

    def _appraise(self, tls: TlsEndpoint) -> Peer:
        try:
            certificate = parse_attested_certificate(tls.peer_certificate())
            if certificate.public_key_info == self._own_key_info:
                raise PeerRefused("the peer is this enclave's own reflection", codes=["certificate_key"], genuine=False)
            endorsements = parse_endorsements(self._endorsements)
            result = verify_peer(
                certificate, endorsements, self._terms.policy, self._terms.roots, self._terms.now, self.nonce
            )
        except InputError as error:
            raise PeerRefused(
                f"the peer's evidence cannot be read: {error.message}",
                hint=error.hint,
                codes=["malformed"],
                genuine=False,
                cause=error.code,
            ) from error
        if result.platform_id is None:
            raise PeerRefused("the peer's platform is unknown", codes=["platform"], genuine=True)
        return Peer(result.measurement_id, result.platform_id, self._own_measurement)

    def _say(self, message: dict[str, object] | None) -> None:
        if message is not None and self._tls is not None:
            data = cbor.encode(message)
            if len(data) > MAX_FRAME_BYTES:
                raise PeerSessionInvalid("a message is too large", limit_bytes=MAX_FRAME_BYTES, actual=len(data))
            self._tls.write(len(data).to_bytes(LENGTH_BYTES, "big") + data)

    def _hear(self, tls: TlsEndpoint, peer: Peer) -> None:
        if self.result is not None:
            return
        self._heard += tls.read()
        while len(self._heard) >= LENGTH_BYTES and self.result is None:
            length = int.from_bytes(self._heard[:LENGTH_BYTES], "big")
            if length > MAX_FRAME_BYTES:
                raise PeerMisspoke("a message is too large", limit_bytes=MAX_FRAME_BYTES, actual=length)
            if len(self._heard) < LENGTH_BYTES + length:
                return
            data = bytes(self._heard[LENGTH_BYTES : LENGTH_BYTES + length])
            del self._heard[: LENGTH_BYTES + length]
            self._say(self._answer(data, peer))

    def _answer(self, data: bytes, peer: Peer) -> dict[str, object] | None:
        try:
            message = read_map(cbor.parse(data), "message")
            return self._conversation.answer(message, peer)
        except (FrameMalformed, RequestInvalid) as error:
            raise PeerMisspoke(f"a message of the peer cannot be read: {error.message}", cause=error.code) from error
