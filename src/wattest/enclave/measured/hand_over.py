"""Hands a channel's state over to a successor, or keeps a standby's replica current.

Decided here: who may ask for what, what crosses, and in which order both ends seal. Not decided here: who the peer is
(``peer``) and whether it may (``messages.hand_over_permit``). Invariants: no signing key ever crosses; a giver seals
that it signs no next batch, and for whom, before the first byte leaves, and later gives the same state to the same
successor only; a taker signs nothing before it has sealed what it took.
Source: docs/spec/ra-tls.md, sections "Hand-over" and "Standby".
"""

from __future__ import annotations

from dataclasses import replace

from wattest.crypto.strict_fields import Fields
from wattest.enclave.measured import cbor
from wattest.enclave.measured.errors import HandOverRefused, HeadMismatch, PeerMisspoke
from wattest.enclave.measured.identity import Identities
from wattest.enclave.measured.peer import Peer
from wattest.enclave.measured.release import Head
from wattest.enclave.measured.sealed_state import (
    MAX_PREDECESSORS,
    Heritage,
    Phase,
    SealedState,
    Standing,
    parse_standing,
    standing_map,
)
from wattest.enclave.measured.wire import MAX_FRAME_BYTES
from wattest.messages.hand_over_permit import PermitKind, SignedPermit, verify_ends, verify_permit

ADDRESS_BYTES = 20


class Giver:
    """The end that has the state; it answers."""

    def __init__(
        self, identities: Identities, channel: bytes, signed: SignedPermit, now: int, head: Head | None
    ) -> None:
        state = identities.get(channel)
        verify_permit(signed, state.channel, state.operator, signed.permit.kind, state.domain, now)
        self._head = head or Head(state.sequence, state.digest)
        _left_at(state, self._head)
        self._identities = identities
        self._channel = channel
        self._permit = signed.permit
        self.result: dict[str, object] | None = None

    def open(self, peer: Peer) -> None:
        """Nothing: the taker speaks first. Raises: PermitRefused when the permit is for other ends."""
        verify_ends(self._permit, peer.own_measurement, peer.measurement, peer.platform)

    def answer(self, message: Fields, peer: Peer) -> dict[str, object] | None:
        """The state for ``take``, sealed as handed over first; the end for ``taken``.

        Raises: HandOverRefused, PeerMisspoke, PermitRefused, StateWriteFailed.
        """
        method = message["method"].text(32)
        if method == "taken":
            sequence = message["sequence"].uint()
            message.close()
            self.result = {"sequence": sequence}
            return None
        if method != "take":
            raise PeerMisspoke("a taker takes", expected="take", actual=method)
        verify_ends(self._permit, peer.own_measurement, peer.measurement, peer.platform)
        channel, kind = message["channel"].octets(32), message["kind"].uint(8)
        successor = message["successor"].octets(ADDRESS_BYTES)
        message.close()
        if (channel, kind) != (self._channel, self._permit.kind):
            raise HandOverRefused(
                "the taker asks for something else than the permit is for",
                expected=[self._channel, int(self._permit.kind)],
                actual=[channel, kind],
            )
        state = self._given_to(successor)
        package = self._package(state)  # what cannot be sent must not cost this key its turn
        if state is not self._identities.get(self._channel):
            self._identities.save(state)
        return package

    def _given_to(self, successor: bytes) -> SealedState:
        """The state as it is once it went to the successor; not sealed yet."""
        state = self._identities.get(self._channel)
        if self._permit.kind is PermitKind.STANDBY:
            if state.phase is not Phase.ACTIVE:
                raise HandOverRefused("only an active key keeps a standby", phase=state.phase.name.lower())
            return state
        if state.phase is Phase.HANDED_OVER and state.successor == successor:
            return state
        if state.phase is not Phase.ACTIVE:
            raise HandOverRefused(
                "the state was handed over to another key, or never was here",
                hint="go on with the successor that has it",
                phase=state.phase.name.lower(),
                expected=state.successor,
                actual=successor,
            )
        return replace(state, phase=Phase.HANDED_OVER, successor=successor)

    def _package(self, state: SealedState) -> dict[str, object]:
        if len(state.signers) > MAX_PREDECESSORS:
            raise HandOverRefused("too many keys came before this one", limit=MAX_PREDECESSORS)
        standing, covered_until = _left_at(state, self._head)
        message: dict[str, object] = {
            "method": "state",
            "channel": state.channel.id,
            "operator": state.operator,
            "chain_id": state.domain.chain_id.to_bytes(32, "big"),
            "referee": state.domain.verifying_contract,
            "sequence": self._head.sequence,
            "digest": self._head.digest,
            "standing": standing_map(standing),
            "storage_seed": self._identities.storage_seed(state),
            "signers": b"".join(state.signers),
            "covered_until": covered_until,
        }
        size = len(cbor.encode(message))
        if size > MAX_FRAME_BYTES:
            raise HandOverRefused(
                "the state is too large for one message: too many meters were ever members",
                hint="make a new key that starts at the chain's head",
                limit_bytes=MAX_FRAME_BYTES,
                actual=size,
            )
        return message


def _left_at(state: SealedState, head: Head) -> tuple[Standing, int]:
    """What the batch at the chain's head left, and the end of what was sealed then.

    The head may be one behind: then the last sealed batch was never committed, and the successor seals that sequence
    anew. Raises: HeadMismatch for any other head.
    """
    if (head.sequence, head.digest) == (state.sequence, state.digest):
        return state.after, state.covered_until
    last = state.last
    if last is not None and (head.sequence, head.digest) == (state.sequence - 1, last.header.previous):
        return state.before, last.header.period_start
    raise HeadMismatch(
        "the state here is not of the chain's head",
        hint="hand over from the enclave that made the last committed batch",
        expected=[state.sequence, state.digest],
        actual=[head.sequence, head.digest],
    )


class Taker:
    """The end that gets the state, under the key that it prepared; it speaks first."""

    def __init__(self, identities: Identities, channel: bytes, signed: SignedPermit, now: int) -> None:
        state = identities.get(channel)
        verify_permit(signed, state.channel, state.operator, signed.permit.kind, state.domain, now)
        self._may_take(state)
        self._identities = identities
        self._channel = channel
        self._permit = signed.permit
        self.result: dict[str, object] | None = None

    def open(self, peer: Peer) -> dict[str, object]:
        """The request. Raises: PermitRefused when the permit is for other ends."""
        # Which platform this is, the giver sees in this end's evidence; from inside it is not visible.
        verify_ends(self._permit, peer.measurement, peer.own_measurement, self._permit.to_platform)
        return {
            "method": "take",
            "channel": self._channel,
            "kind": int(self._permit.kind),
            "successor": self._identities.get(self._channel).private_key.address,
        }

    def answer(self, message: Fields, peer: Peer) -> dict[str, object]:  # noqa: ARG002 - it was judged at the opening
        """Seal the state that came, then say so.

        Raises: PeerMisspoke, HandOverRefused, StateWriteFailed.
        """
        method = message["method"].text(32)
        if method != "state":
            raise PeerMisspoke("a giver gives", expected="state", actual=method)
        own = self._identities.get(self._channel)
        self._may_take(own)
        expected: tuple[object, ...] = (
            own.channel.id,
            own.operator,
            own.domain.chain_id,
            own.domain.verifying_contract,
        )
        actual = (
            message["channel"].octets(32),
            message["operator"].octets(ADDRESS_BYTES),
            int.from_bytes(message["chain_id"].octets(32), "big"),
            message["referee"].octets(20),
        )
        if expected != actual:
            raise HandOverRefused(
                "the state is of another channel, operator, chain or referee", expected=expected, actual=actual
            )
        start = message["sequence"].uint(32), message["digest"].octets(32)
        standing = parse_standing(message["standing"].fields())
        heritage = Heritage(
            message["storage_seed"].octets(32),
            tuple(message["signers"].rows(ADDRESS_BYTES, MAX_PREDECESSORS)),
            message["covered_until"].uint(),
        )
        message.close()
        if start[0] < own.start[0] or not heritage.predecessors:
            raise HandOverRefused(
                "the state is older than the replica here", expected=list(own.start), actual=list(start)
            )
        phase = Phase.ACTIVE if self._permit.kind is PermitKind.HAND_OVER else Phase.STANDBY
        self._identities.save(
            replace(own, start=start, before=standing, after=standing, phase=phase, heritage=heritage)
        )
        self.result = {"sequence": start[0]}
        return {"method": "taken", "sequence": start[0]}

    @staticmethod
    def _may_take(state: SealedState) -> None:
        if state.phase not in (Phase.AWAITING, Phase.STANDBY):
            raise HandOverRefused(
                "the key here does not wait for a state",
                hint="prepare a successor first; one that is active has what it was given",
                expected=["awaiting", "standby"],
                actual=state.phase.name.lower(),
            )
