"""Carrying a channel's state from the enclave before to its successor, when the channel's manager allows it.

Decided here: from where the state comes (an enclave of this host, or an address where the program before gives it), and
what both enclaves are told. Not decided here: what crosses and who may (``enclave.host.peer``), when it is done
(``key_keeper``). Safe to repeat: the giver gives to one successor only, and gives it the same again.
Source: docs/spec/ra-tls.md.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from wattest.attestation.ra_tls import PeerRefused
from wattest.enclave.host.client import ChainHead, EnclaveClient
from wattest.enclave.host.jobs import PeerSettings
from wattest.enclave.host.peer import PeerLost, PeerMismatch, give, hand_over, take
from wattest.enclave.measured.errors import PeerMisspoke, TlsFailed
from wattest.errors import TransportError, WattestError
from wattest.io.peer_listener import connect
from wattest.messages.hand_over_permit import SignedPermit

CONNECT_TIMEOUT_S = 30.0
AWAITING = "awaiting"
_STRANGERS: tuple[type[WattestError], ...] = (PeerLost, PeerMismatch, PeerMisspoke, PeerRefused, TlsFailed)


class GiverNotReachable(TransportError):
    """The program before does not give its state at the address that was named."""


@dataclass(frozen=True, slots=True)
class CarryTerms:
    """What the channel's manager signed: the policy that both enclaves judge each other by, and the permit.

    ``giver`` is where the program before gives the state; None when its enclave runs on this host.
    """

    policy: bytes = field(repr=False)
    roots: tuple[bytes, ...] = field(repr=False)
    valid_until: int
    signature: bytes
    permit: SignedPermit
    giver: tuple[str, int] | None = None

    def settings(self, endorsements: bytes, now: int) -> PeerSettings:
        """What an enclave of this host is given; ``endorsements`` are its own platform's."""
        channel = self.permit.permit.channel
        return PeerSettings(channel, self.policy, self.roots, self.valid_until, self.signature, endorsements, now)


class CarryOver:
    """Hand-overs by channel id; ``endorsements`` gives this platform's collateral in JSON for a time."""

    def __init__(self, terms: Mapping[bytes, CarryTerms], endorsements: Callable[[int], bytes]) -> None:
        self._terms = dict(terms)
        self._endorsements = endorsements

    def allows(self, channel: bytes) -> bool:
        """Whether the manager signed terms for the channel."""
        return channel in self._terms

    def carry(
        self, channel: bytes, giver: Callable[[], EnclaveClient], taker: EnclaveClient, head: ChainHead, now: int
    ) -> None:
        """Let ``taker``, which prepared its key, take the channel's state at the chain's ``head``.

        Raises: GiverNotReachable and what ``enclave.host.peer`` raises.
        """
        terms = self._terms[channel]
        settings = terms.settings(self._endorsements(now), now)
        if terms.giver is None:
            hand_over(giver(), settings, taker, settings, terms.permit, head)
            return
        try:
            stream = connect(terms.giver, CONNECT_TIMEOUT_S)
        except OSError as error:
            raise GiverNotReachable(
                "the program before does not give its state",
                retryable=True,
                address=f"{terms.giver[0]}:{terms.giver[1]}",
                cause=str(error),
                hint="run there: wattest operator give-state",
            ) from error
        with stream:
            take(taker, settings, stream, terms.permit)


def give_once(
    client: EnclaveClient,
    permit: SignedPermit,
    settings: Callable[[], PeerSettings],
    head: ChainHead,
    listener: socket.socket,
    refused: Callable[[WattestError], None],
) -> int:
    """Give the state to whoever connects and may have it; the sequence of the last batch that it is of.

    A stranger, or a conversation that fails, costs nothing: ``refused`` hears why and the next connection is waited
    for, with ``settings`` of its time. Raises what the enclave raises when this side is at fault (``PermitRefused``,
    ``PeerPolicyUnsigned``, ``HeadMismatch``), or when a peer that the policy accepts asks for what it may not have.
    """
    while True:
        stream, _ = listener.accept()
        with stream:
            try:
                return give(client, settings(), stream, permit, head).sequence
            except _STRANGERS as error:
                refused(error)
