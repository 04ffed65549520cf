"""The embedded default: a chain, its contracts and an appraisers' quorum, made for one run on one machine.

Decided here: who deploys, how many appraisers there are (three, two of whom must sign), the development parameters of
channels, and how an enclave's key gets registered. Not decided here: what an enclave or an operator does afterwards.
Keys are fresh for every run and live in memory; the money is the embedded chain's own.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from wattest.appraiser.appraiser import Appraiser, RegistrationRequest, collect_verdict
from wattest.apps.amounts import WEI_PER_ETHER
from wattest.attestation.roots import TrustRoot, parse_root
from wattest.chain.anvil import Anvil
from wattest.chain.client import ChainClient
from wattest.chain.deploy import ContractAddresses, Contracts, deploy_all
from wattest.chain.local_signer import LocalSigner
from wattest.config import ChainConfig
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.crypto.signer import Signer
from wattest.enclave.host.client import EnclaveClient, Identity
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.messages.channel import ChannelIdentity
from wattest.messages.evidence_verdict import EvidenceVerdict
from wattest.messages.report_data import KeyBinding
from wattest.twin.challenge import ChallengeTerms
from wattest.twin.gwei import WEI_PER_GWEI
from wattest.twin.parameters import ChannelParameters
from wattest.units import SECONDS_PER_DAY

APPRAISERS = 3
THRESHOLD = 2
DEMO_TOKEN_SUPPLY = 10**9
"""In cents, the demo token's smallest unit."""
EMBEDDED_CONFIG = ChainConfig(confirmations=0)
"""Anvil mines a block for each transaction and never reorganises by itself: its first word is its last."""

PARAMETERS = ChannelParameters(
    epoch_s=SECONDS_PER_DAY,
    commit_deadline_s=2 * 3_600,
    challenge_window_s=7 * SECONDS_PER_DAY,
    exit_delay_s=21 * SECONDS_PER_DAY,
    stake_wei=WEI_PER_ETHER,
    catcher_reward_wei=WEI_PER_ETHER // 5,
    gas_reserve_wei=WEI_PER_ETHER // 100,
)
"""The protocol's default windows of a scheduled channel. The stake is a round number: a real one follows from what a
channel's entries can gain (``twin.stake``)."""
OPEN_PARAMETERS = replace(PARAMETERS, epoch_s=0, commit_deadline_s=0)
"""The same for an open channel, which has no schedule."""
CHALLENGE_TERMS = ChallengeTerms(
    answer_window_s=SECONDS_PER_DAY,
    base_bond_wei=WEI_PER_ETHER // 100,
    answer_gas_cap_wei=WEI_PER_ETHER // 200,
    max_gas_price_wei=100 * WEI_PER_GWEI,
)
"""What goes with these parameters: a bond that the catcher's reward outweighs, and answers paid back up to 100 gwei."""


@dataclass(frozen=True, slots=True)
class Account:
    """A key on chain in both of its uses: signing typed data, and signing transactions."""

    key: Secp256k1PrivateKey
    signer: Signer
    secret: bytes = field(repr=False)

    @classmethod
    def create(cls) -> Account:
        """A fresh account."""
        secret = secrets.token_bytes(32)
        return cls(Secp256k1PrivateKey.from_seed(secret), LocalSigner(secret), secret)

    @property
    def address(self) -> bytes:
        """The 20-byte address."""
        return self.signer.address


@dataclass(frozen=True, slots=True)
class RegisteredEnclave:
    """An enclave key on chain, with everything that its verdict was made from."""

    identity: Identity
    verdict: EvidenceVerdict
    signatures: tuple[bytes, ...]
    endorsements: bytes
    policy: bytes
    gas_used: int


class EmbeddedDeployment:
    """Anvil with wattest's contracts on it; a context manager that stops the chain."""

    def __init__(self, folder: Path, genesis_timestamp_s: int, *, port: int | None = None) -> None:
        self.anvil = Anvil.create(folder, genesis_timestamp_s=genesis_timestamp_s, port=port)
        self.appraiser_keys = sorted((Account.create() for _ in range(APPRAISERS)), key=lambda one: one.address)
        self.manager = Account.create()
        self._roots: dict[bytes, TrustRoot] = {}
        self._client: ChainClient | None = None
        self._contracts: Contracts | None = None
        self._addresses: ContractAddresses | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the chain and deploy; raises what the chain room raises, and leaves no process behind."""
        self.anvil.start()
        try:
            self._client = ChainClient.connect(self.anvil.url, config=EMBEDDED_CONFIG)
            self.fund(self.manager)
            self._addresses = deploy_all(
                self._client,
                self.manager.signer,
                appraisers=[one.address for one in self.appraiser_keys],
                threshold=THRESHOLD,
                demo_token_supply=DEMO_TOKEN_SUPPLY,
            )
            self._contracts = Contracts.at(self._client, self._addresses)
        except BaseException:
            self.anvil.stop()
            raise

    def stop(self) -> None:
        """Write the chain's state and end its process."""
        self.anvil.stop()

    @property
    def client(self) -> ChainClient:
        """The connection to the running chain."""
        if self._client is None:
            raise RuntimeError("the deployment was not started")
        return self._client

    @property
    def contracts(self) -> Contracts:
        """The typed faces of the contracts."""
        if self._contracts is None:
            raise RuntimeError("the deployment was not started")
        return self._contracts

    @property
    def addresses(self) -> ContractAddresses:
        """Where the contracts lie."""
        if self._addresses is None:
            raise RuntimeError("the deployment was not started")
        return self._addresses

    @property
    def trust_roots(self) -> Sequence[TrustRoot]:
        """The roots under which this deployment's appraisers take evidence."""
        return list(self._roots.values())

    def fund(self, account: Account, ether: int = 1_000) -> None:
        """Give an account money of the embedded chain."""
        self.anvil.fund(account.address, ether * WEI_PER_ETHER)

    def trust_platform(self, platform: SimulatedPlatform) -> None:
        """Let the appraisers take evidence under this platform's root."""
        root = parse_root(platform.root_certificate)
        self._roots[root.fingerprint] = root

    def register_enclave(
        self,
        enclave: EnclaveClient,
        platform: SimulatedPlatform,
        channel: ChannelIdentity,
        operator: Account,
        workload: bytes,
        policy: bytes,
    ) -> RegisteredEnclave:
        """Make an enclave key for (channel, operator), have its evidence appraised, and register it on chain.

        Raises: EvidenceRefused with the appraisers' reasons; the registry's errors.
        """
        contracts, now = self.contracts, self.client.now()
        nonce = contracts.registry.recent_nonce()
        binding = KeyBinding(self.client.chain_id, contracts.referee.address, channel.id, operator.address, nonce.hash)
        identity = enclave.create_identity(binding, channel)
        endorsements = platform.collateral(now).to_json()
        request = RegistrationRequest(
            binding, identity.address, identity.evidence, endorsements, nonce.number, workload
        )
        appraisers = [
            Appraiser(one.key, policy, self.trust_roots, frozenset({workload})) for one in self.appraiser_keys
        ]
        verdict, signatures = collect_verdict(appraisers, request, contracts.registry.domain, now)
        receipt = contracts.registry.register(operator.signer, verdict, signatures)
        return RegisteredEnclave(identity, verdict, tuple(signatures), endorsements, policy, receipt.gas_used)
