"""Two enclaves that may talk: platforms, the manager's peer policy and permits, and a wire that a test may hold.

Everything is at ``NOW``; keys and folders are the test's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from enclave_community import MEASUREMENT, OPERATOR, Community

from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.crypto.strict_fields import Fields
from wattest.enclave.host.client import EnclaveClient
from wattest.enclave.host.jobs import PeerSettings
from wattest.enclave.host.peer_calls import PeerStep
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.messages.channel import ChannelIdentity
from wattest.messages.hand_over_permit import HandOverPermit, PermitKind, SignedPermit, sign_permit
from wattest.messages.peer_policy import PeerPolicy, sign_peer_policy

NOW = 1_750_000_000
UNTIL = NOW + 7 * 86_400
Change = Callable[[bytes], bytes]


class Unended(Exception):
    """A conversation in which both ends wait for bytes that do not come."""


def policy_toml(measurements: Sequence[bytes], extra: str = "") -> bytes:
    """An appraisal policy that names these measurements."""
    named = "".join(f'[[enclave]]\nname = "e{i}"\nmr_enclave = "{m.hex()}"\n' for i, m in enumerate(measurements))
    return f"version = 1\n{extra}\n{named}".encode()


def peer_settings(
    community: Community,
    platform: SimulatedPlatform,
    roots: Sequence[SimulatedPlatform],
    *,
    measurements: Sequence[bytes] = (MEASUREMENT,),
    extra: str = "",
    channel: ChannelIdentity | None = None,
    signer: Secp256k1PrivateKey | None = None,
    until: int = UNTIL,
    collateral_at: int = NOW,
) -> PeerSettings:
    """What the host of an enclave on ``platform`` gives it; signed by the manager unless ``signer`` is another."""
    policy = policy_toml(measurements, extra)
    ders = tuple(root.root_certificate for root in roots)
    channel = channel or community.channel
    message = PeerPolicy.over(channel.id, policy, ders, until)
    signature = sign_peer_policy(signer or community.manager, message, community.domain)
    return PeerSettings(channel.id, policy, ders, until, signature, platform.collateral(collateral_at).to_json(), NOW)


def permit(
    community: Community,
    to: SimulatedPlatform,
    kind: PermitKind = PermitKind.HAND_OVER,
    *,
    signer: Secp256k1PrivateKey | None = None,
    **changed: object,
) -> SignedPermit:
    """The manager's permit for a hand-over to ``to``; one field may be another."""
    plain = HandOverPermit(community.channel.id, OPERATOR, kind, MEASUREMENT, MEASUREMENT, to.platform_id, UNTIL)
    return sign_permit(signer or community.manager, replace(plain, **changed), community.domain)  # type: ignore[arg-type]


def meet(
    client: EnclaveClient,
    client_settings: PeerSettings,
    client_role: str,
    server: EnclaveClient,
    server_settings: PeerSettings,
    server_role: str,
    *,
    signed: SignedPermit | None = None,
    server_permit: SignedPermit | None = None,
    to_server: Change = bytes,
    to_client: Change = bytes,
    after_step: Callable[[int], None] = lambda _: None,
) -> tuple[Fields, Fields]:
    """Carry a conversation in this thread, step by step; ``to_server`` and ``to_client`` may change what passes.

    ``after_step`` is called with a counter after each call into an enclave, and may stop everything by raising.
    """
    step = 0

    def passed(found: PeerStep, of: EnclaveClient) -> tuple[bytes, Fields | None]:
        nonlocal step
        data, result = found.data, found.result
        while found.more:
            found = of.relay_peer(b"")
            data, result = data + found.data, found.result
        step += 1
        after_step(step)
        return data, result

    client_nonce = client.open_peer(client_settings, client_role, signed)
    server_nonce = server.open_peer(server_settings, server_role, server_permit or signed)
    passed(server.start_peer(client_nonce, client_settings.endorsements), server)
    data, client_result = passed(client.start_peer(server_nonce, server_settings.endorsements), client)
    server_result: Fields | None = None
    for _ in range(64):
        if data:
            data, server_result = passed(server.relay_peer(to_server(data)), server)
        if server_result is not None and client_result is not None:
            return client_result, server_result
        if data:
            data, client_result = passed(client.relay_peer(to_client(data)), client)
    raise Unended("both ends wait")
