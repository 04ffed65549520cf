"""A chain whose registry judges quotes by itself, with one channel, one operator and a simulated platform."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from wattest.appraiser.appraiser import RegistrationRequest
from wattest.attestation.appraisal_policy import parse_policy
from wattest.attestation.chain_evidence import ChainEvidence, chain_evidence
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.policy_for_chain import channel_policy
from wattest.attestation.roots import TrustRoot, parse_root
from wattest.chain.anvil import Anvil
from wattest.chain.client import ChainClient, Receipt
from wattest.chain.collateral_registry import CollateralRegistry
from wattest.chain.dcap_verifier import DcapVerifier
from wattest.chain.deploy import Contracts, deploy_all
from wattest.chain.local_signer import LocalSigner
from wattest.config import ChainConfig
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.enclave.simulator.collateral import CollateralOptions
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.keys.quote_registrar import QuoteRegistrar
from wattest.keys.registrar import Proven
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.channel_policy import ChannelPolicy
from wattest.messages.report_data import KeyBinding, report_data
from wattest.twin.challenge import ChallengeTerms
from wattest.twin.parameters import ChannelParameters

ETHER = 10**18
DAY = 86_400
MEASUREMENT, SIGNER = sha256(b"program").digest(), sha256(b"vendor").digest()
WORKLOAD = sha256(b"workload").digest()
PLAIN_ATTRIBUTES = bytes.fromhex("05000000000000000300000000000000")
PARAMETERS = ChannelParameters(
    epoch_s=DAY,
    commit_deadline_s=7_200,
    challenge_window_s=7 * DAY,
    exit_delay_s=21 * DAY,
    stake_wei=ETHER,
    catcher_reward_wei=ETHER // 5,
    gas_reserve_wei=ETHER // 20,
)
TERMS = ChallengeTerms(
    answer_window_s=DAY, base_bond_wei=ETHER // 50, answer_gas_cap_wei=ETHER // 100, max_gas_price_wei=10**11
)


def policy_text(measurement: bytes = MEASUREMENT, more: str = "") -> bytes:
    return f'version = 1\n{more}\n[[enclave]]\nname = "program"\nmr_enclave = "{measurement.hex()}"\n'.encode()


def secret(name: str) -> bytes:
    return sha256(b"quote world " + name.encode()).digest()


@dataclass
class QuoteWorld:
    """Contracts, people and a platform; ``collateral_now`` is what is on chain."""

    anvil: Anvil
    client: ChainClient
    contracts: Contracts
    manager: LocalSigner
    operator: LocalSigner
    stranger: LocalSigner
    channel: ChannelIdentity
    platform: SimulatedPlatform
    number: int = 0

    @property
    def verifier(self) -> DcapVerifier:
        assert self.contracts.quotes is not None
        return self.contracts.quotes

    @property
    def collateral(self) -> CollateralRegistry:
        return self.verifier.collateral

    @property
    def root(self) -> TrustRoot:
        return parse_root(self.platform.root_certificate)

    @property
    def referee(self) -> bytes:
        return self.contracts.referee.address

    def publish(self, options: CollateralOptions | None = None, *, at: int | None = None) -> dict[str, int]:
        """Bring the platform's collateral, issued now; gas by part."""
        issued = self.client.now() if at is None else at
        brought = self.collateral.publish(self.stranger, self.root, self.platform.collateral(issued, options))
        return {one.part: one.gas_used for one in brought}

    def policy(
        self,
        more: str = "",
        *,
        measurement: bytes = MEASUREMENT,
        workloads: Iterable[bytes] = (WORKLOAD,),
        options: CollateralOptions | None = None,
        until: dict[str, int] | None = None,
    ) -> ChannelPolicy:
        return channel_policy(
            parse_policy(policy_text(measurement, more)),
            roots=[self.root],
            workloads=list(workloads),
            collateral=[self.platform.collateral(self.client.now(), options)],
            until=until,
        )

    def set_policy(self, policy: ChannelPolicy | None = None, channel: ChannelIdentity | None = None) -> Receipt:
        wanted = self.policy() if policy is None else policy
        return self.verifier.set_policy(self.manager, self.referee, (channel or self.channel).id, wanted)

    def new_channel(self, name: str) -> ChannelIdentity:
        channel = ChannelIdentity(self.manager.address, ChannelKind.SCHEDULED, secret(name))
        self.contracts.referee.create_standard_channel(self.manager, channel.kind, channel.salt, PARAMETERS, TERMS)
        return channel

    def request(
        self,
        *,
        key: bytes | None = None,
        channel: ChannelIdentity | None = None,
        operator: LocalSigner | None = None,
        platform: SimulatedPlatform | None = None,
        attributes: bytes = PLAIN_ATTRIBUTES,
        misc_select: int = 0,
        measurement: bytes = MEASUREMENT,
        bound: dict[str, object] | None = None,
        workload: bytes = WORKLOAD,
    ) -> RegistrationRequest:
        """Evidence for a new key; ``bound`` replaces what the report data is made over."""
        self.number += 1
        key = key or Secp256k1PrivateKey.from_seed(secret(f"key {self.number}")).address
        nonce = self.contracts.registry.recent_nonce()
        account = (operator or self.operator).address
        binding = KeyBinding(self.client.chain_id, self.referee, (channel or self.channel).id, account, nonce.hash)
        other = {"enclave_key": key, **(bound or {})}
        other_key = other.pop("enclave_key")
        assert isinstance(other_key, bytes)
        machine = platform or self.platform
        quote = machine.quote(
            measurement=measurement,
            signer=SIGNER,
            product=7,
            svn=3,
            report_data=report_data(replace(binding, **other), other_key),  # type: ignore[arg-type]
            attributes=attributes,
            misc_select=misc_select,
        )
        endorsements = machine.collateral(self.client.now()).to_json()
        return RegistrationRequest(binding, key, quote, endorsements, nonce.number, workload)

    def prove(self, request: RegistrationRequest) -> Proven:
        return QuoteRegistrar(self.verifier).write(request, self.client.now())

    def register(self, request: RegistrationRequest, operator: LocalSigner | None = None) -> Receipt:
        return self.register_proven(self.prove(request), operator)

    def register_proven(self, proven: Proven, operator: LocalSigner | None = None) -> Receipt:
        return self.contracts.registry.register(operator or self.operator, proven.verdict, [proven.proof])

    def is_active(self, key: bytes, channel: ChannelIdentity | None = None, workload: bytes = WORKLOAD) -> bool:
        return (
            self.contracts.registry.active_key(
                self.referee, (channel or self.channel).id, self.operator.address, workload
            )[0]
            == key
        )

    def evidence(self, request: RegistrationRequest) -> ChainEvidence:
        return chain_evidence(parse_evidence(request.evidence))

    def revoke(self, request: RegistrationRequest) -> Receipt:
        """As a stranger, by the quote that registered the key."""
        shown = self.evidence(request).revocation(request.binding.nonce, request.workload)
        bound = request.binding
        binding = bound.referee, bound.channel, bound.operator
        return self.contracts.registry.revoke_with_evidence(self.stranger, binding, request.enclave_key, shown)


def build_world(anvil: Anvil, folder: Path, *, platform: SimulatedPlatform | None = None) -> QuoteWorld:
    """Deploy on a running chain; nothing is published and no policy set."""
    people = [LocalSigner(secret(name)) for name in ("manager", "operator", "stranger")]
    for one in people:
        anvil.fund(one.address, 10_000 * ETHER)
    manager, operator, stranger = people
    client = ChainClient.connect(anvil.url, config=ChainConfig(confirmations=0))
    contracts = Contracts.at(client, deploy_all(client, manager))
    channel = ChannelIdentity(manager.address, ChannelKind.SCHEDULED, secret("channel"))
    contracts.referee.create_standard_channel(manager, channel.kind, channel.salt, PARAMETERS, TERMS)
    machine = platform or SimulatedPlatform.create(folder / "platform", client.now() - DAY)
    return QuoteWorld(anvil, client, contracts, manager, operator, stranger, channel, machine)
