"""A channel with one registered enclave key, on a real chain and on the simulated one: the same accounts and keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from protocol_scenarios import DAY, ENTRY_COUNT, PARAMETERS, TERMS, WORKLOAD, Batch, bytes_of, entries, key_of

from wattest.chain.anvil import Anvil
from wattest.chain.client import ChainClient
from wattest.chain.deploy import deploy_all
from wattest.chain.local_signer import LocalSigner
from wattest.chain.ports import RefereePort, RegistryPort
from wattest.chain.referee import Referee
from wattest.chain.registry import EnclaveRegistry
from wattest.chain.simulated import SimulatedChain
from wattest.chain.simulated_referee import SimulatedReferee
from wattest.chain.simulated_registry import SimulatedRegistry
from wattest.chain.transactions import Receipt
from wattest.config import ChainConfig
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.evidence_verdict import EvidenceVerdict, sign_verdict
from wattest.messages.header import BatchHeader, sign_header
from wattest.twin.registry import AppraiserQuorum

START_S = 1_780_272_000  # a day's start
ETHER = 10**18
APPRAISER = key_of("appraiser")
ENCLAVE = key_of("enclave")
MANAGER, OPERATOR, WATCHER = (LocalSigner(bytes_of("key " + name)) for name in ("manager", "operator", "challenger"))


@dataclass(frozen=True)
class RefereeWorld:
    """The two ports, and how time is moved; ``channel`` is open for commits of ``OPERATOR``."""

    referee: RefereePort
    registry: RegistryPort
    channel: ChannelIdentity
    advance_to: Callable[[int], None]

    def make(self, label: str, sequence: int, previous: bytes = bytes(32), day: int = 0) -> Batch:
        """A batch of five entries (one good, one forged, one high s, two unsigned), signed by the enclave's key."""
        period = (START_S + day * DAY, START_S + (day + 1) * DAY)
        tree, payloads, salts = entries(label, period)
        header = BatchHeader(
            self.channel.id, OPERATOR.address, sequence, previous, *period, tree.root, ENTRY_COUNT,
            bytes_of("roster"), bytes(32), bytes_of("state"), WORKLOAD, bytes_of("content " + label), bytes(32),
            bytes(32),
        )  # fmt: skip
        return Batch(header, sign_header(ENCLAVE, header, self.referee.domain), tree, payloads, salts)


def _opened(
    referee: Referee | SimulatedReferee, registry: RegistryPort, advance_to: Callable[[int], None]
) -> RefereeWorld:
    channel = ChannelIdentity(MANAGER.address, ChannelKind.SCHEDULED, bytes_of("salt"))
    referee.create_standard_channel(MANAGER, channel.kind, channel.salt, PARAMETERS, TERMS)
    referee.set_roster_count(MANAGER, channel.id, ENTRY_COUNT, START_S)
    referee.deposit(OPERATOR, channel.id, 20 * ETHER)
    world = RefereeWorld(referee, registry, channel, advance_to)
    register(world)
    return world


def register(world: RefereeWorld) -> Receipt:
    nonce, now = world.registry.recent_nonce(), world.referee.client.now()
    verdict = EvidenceVerdict(
        enclave_key=ENCLAVE.address, referee=world.referee.address, channel=world.channel.id,
        operator=OPERATOR.address, measurement=bytes_of("measurement"), workload=WORKLOAD,
        platform=bytes_of("platform"), issued_at=now, expires_at=now + 20 * DAY, nonce_block=nonce.number,
        nonce=nonce.hash, evidence_digest=bytes_of("quote"), endorsements_digest=bytes_of("collateral"),
        policy_digest=bytes_of("policy"),
    )  # fmt: skip
    signature = sign_verdict(APPRAISER, verdict, world.registry.domain)
    return world.registry.register(OPERATOR, verdict, [signature], intent=f"register:{now}")


@contextmanager
def on_a_chain(folder: Path) -> Iterator[RefereeWorld]:
    with Anvil.create(folder / "chain", genesis_timestamp_s=START_S - DAY) as anvil:
        for signer in (MANAGER, OPERATOR, WATCHER):
            anvil.fund(signer.address, 1_000 * ETHER)
        client = ChainClient.connect(anvil.url, config=ChainConfig(confirmations=0))
        at = deploy_all(client, MANAGER, appraisers=[APPRAISER.address], threshold=1)
        referee = Referee(client, at.referee, at.challenges, at.fraud_proofs)
        yield _opened(referee, EnclaveRegistry(client, at.registry), anvil.advance_to)


@contextmanager
def on_the_twin(_: Path) -> Iterator[RefereeWorld]:
    chain = SimulatedChain(START_S - DAY, AppraiserQuorum((APPRAISER.address,), 1))
    chain.advance_to(START_S - DAY + 60)
    yield _opened(SimulatedReferee(chain), SimulatedRegistry(chain), chain.advance_to)


REFEREES = {"chain": on_a_chain, "twin": on_the_twin}
