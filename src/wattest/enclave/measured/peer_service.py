"""The methods by which a host lets its enclave talk to another, and prepares or activates a successor.

Decided here: their fields and limits, and that one conversation is open at a time. Not decided here: the conversation
(``peer``) and what it is about (``hand_over``, ``witness``). Invariant: a failed step ends the conversation.
Source: docs/spec/enclave-socket.md, methods ``peer.*``, ``witness.load``, ``successor.prepare``, ``standby.activate``.
"""

from __future__ import annotations

from collections.abc import Callable

from wattest.attestation.appraisal_policy import MAX_POLICY_BYTES
from wattest.attestation.formats.collateral import MAX_COLLATERAL_BYTES
from wattest.attestation.roots import MAX_ROOT_BYTES
from wattest.crypto.strict_fields import Fields
from wattest.enclave.measured.device import AttestationDevice
from wattest.enclave.measured.errors import PeerSessionInvalid, RequestInvalid
from wattest.enclave.measured.hand_over import Giver, Taker
from wattest.enclave.measured.identity import Identities
from wattest.enclave.measured.peer import NONCE_BYTES, Conversation, PeerSession, read_terms
from wattest.enclave.measured.release import Head
from wattest.enclave.measured.sealed_state import SealedState
from wattest.enclave.measured.witness import Asker, Witness, Work, open_work
from wattest.errors import WattestError
from wattest.messages.channel import ChannelIdentity, parse_channel_kind
from wattest.messages.hand_over_permit import HandOverPermit, SignedPermit, parse_permit_kind
from wattest.messages.report_data import KeyBinding
from wattest.workload.engine import Guest

MAX_ROOTS = 8
MAX_RELAY_BYTES = 1 << 20
ROLES = ("give", "take", "ask", "witness")
_SPEAKS_FIRST = {"take", "ask"}


class PeerService:
    """At most one conversation with another enclave, and the work loaded for it."""

    def __init__(self, device: AttestationDevice, identities: Identities, guest: Guest) -> None:
        self._device = device
        self._identities = identities
        self._guest = guest
        self._session: PeerSession | None = None
        self._work: Work | None = None
        self._pending = b""

    def methods(self) -> dict[str, Callable[[Fields], dict[str, object]]]:
        """By their names on the socket."""
        return {
            "peer.open": self._open,
            "peer.start": self._step(self._start),
            "peer.relay": self._step(self._relay),
            "peer.close": self._close,
            "witness.load": self._load,
        }

    def drop(self) -> None:
        """Forget the open conversation and its work."""
        self._session = None
        self._work = None
        self._pending = b""

    def prepare(self, fields: Fields) -> SealedState:
        """``successor.prepare``: a key that waits for another enclave's state."""
        binding, channel = read_binding(fields)
        fields.close()
        return self._identities.prepare(binding, channel)

    def activate(self, fields: Fields) -> SealedState:
        """``standby.activate``: the replica's key signs from the chain's head on."""
        channel = fields["channel"].octets(32)
        head = fields["head_sequence"].uint(), fields["head_digest"].octets(32)
        fields.close()
        return self._identities.activate(channel, head)

    def _open(self, fields: Fields) -> dict[str, object]:
        work, self._work = self._work, None
        self.drop()
        channel = fields["channel"].octets(32)
        role = fields["role"].text(16)
        now = fields["now"].uint()
        state = self._identities.get(channel)
        terms = read_terms(
            state,
            fields["policy"].blob(MAX_POLICY_BYTES),
            fields["roots"].blobs(MAX_ROOTS, MAX_ROOT_BYTES),
            fields["policy_until"].uint(),
            fields["policy_signature"].octets(65),
            now,
        )
        permit = fields["permit"].or_none(lambda inner: _permit(inner.fields(), state))
        head = fields["head"].or_none(lambda inner: _head(inner.fields()))
        fields.close()
        conversation = self._conversation(role, channel, permit, work, now, head)
        self._session = PeerSession(self._device, terms, conversation, is_server=role not in _SPEAKS_FIRST)
        return {"nonce": self._session.nonce}

    def _conversation(
        self,
        role: str,
        channel: bytes,
        permit: SignedPermit | None,
        work: Work | None,
        now: int,
        head: Head | None,
    ) -> Conversation:
        if head is not None and role != "give":
            raise RequestInvalid("the chain's head is for a giver", field="head")
        if role in ("give", "take"):
            if permit is None:
                raise RequestInvalid("a hand-over needs the manager's permit", field="permit")
            if role == "give":
                return Giver(self._identities, channel, permit, now, head)
            return Taker(self._identities, channel, permit, now)
        if role == "ask":
            if work is None or work.header.channel != channel:
                raise PeerSessionInvalid("no work of this channel is loaded", hint="load it first")
            return Asker(self._identities, work)
        if role == "witness":
            return Witness(self._identities, self._guest, channel)
        raise RequestInvalid("unknown role", field="role", expected=list(ROLES), actual=role)

    def _start(self, session: PeerSession, fields: Fields) -> dict[str, object]:
        nonce = fields["nonce"].octets(NONCE_BYTES)
        endorsements = fields["endorsements"].blob(MAX_COLLATERAL_BYTES)
        fields.close()
        return self._reply(session, session.start(nonce, endorsements))

    def _relay(self, session: PeerSession, fields: Fields) -> dict[str, object]:
        data = fields["data"].blob(MAX_RELAY_BYTES)
        fields.close()
        return self._reply(session, session.relay(data) if data or not self._pending else b"")

    def _reply(self, session: PeerSession, data: bytes) -> dict[str, object]:
        waiting = self._pending + data
        self._pending = waiting[MAX_RELAY_BYTES:]
        return {
            "data": waiting[:MAX_RELAY_BYTES],
            "more": bool(self._pending),
            "result": None if self._pending else session.result,
        }

    def _close(self, fields: Fields) -> dict[str, object]:
        fields.close()
        self.drop()
        return {}

    def _load(self, fields: Fields) -> dict[str, object]:
        self.drop()
        self._work = open_work(self._identities, fields)
        return {}

    def _step(self, step: Callable[[PeerSession, Fields], dict[str, object]]) -> Callable[[Fields], dict[str, object]]:
        def run(fields: Fields) -> dict[str, object]:
            if self._session is None:
                raise PeerSessionInvalid("no conversation is open", hint="open one first")
            try:
                return step(self._session, fields)
            except WattestError:
                self.drop()
                raise

        return run


def read_binding(fields: Fields) -> tuple[KeyBinding, ChannelIdentity]:
    """What a key is bound to, and the preimage of its channel's id."""
    channel = ChannelIdentity(
        fields["manager"].octets(20), parse_channel_kind(fields["kind"].uint(8)), fields["salt"].octets(32)
    )
    binding = KeyBinding(
        chain_id=int.from_bytes(fields["chain_id"].octets(32), "big"),
        referee=fields["referee"].octets(20),
        channel=fields["channel"].octets(32),
        operator=fields["operator"].octets(20),
        nonce=fields["nonce"].octets(32),
    )
    return binding, channel


def _head(fields: Fields) -> Head:
    head = Head(fields["sequence"].uint(), fields["digest"].octets(32))
    fields.close()
    return head


def _permit(fields: Fields, state: SealedState) -> SignedPermit:
    signed = SignedPermit(
        HandOverPermit(
            state.channel.id,
            state.operator,
            parse_permit_kind(fields["kind"].uint(8)),
            fields["from_measurement"].octets(32),
            fields["to_measurement"].octets(32),
            fields["to_platform"].octets(32),
            fields["valid_until"].uint(),
        ),
        fields["signature"].octets(65),
    )
    fields.close()
    return signed
