"""Deploying wattest's contracts and handing out their faces.

Decided here: the order of deployment, what each constructor gets, and who judges evidence: appraisers, or the quote
itself. Not decided here: the address book's file format
(``receipt.deployment``), channels and operators (whoever manages them creates them).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from wattest.chain.abi import load_abi
from wattest.chain.client import ChainClient
from wattest.chain.first_light import FirstLightContract
from wattest.chain.payouts import Payouts
from wattest.chain.referee import Referee
from wattest.chain.registry import EnclaveRegistry
from wattest.chain.token import DemoToken
from wattest.crypto.signer import Signer
from wattest.errors import ConfigError, TransportError
from wattest.units import SECONDS_PER_DAY

if TYPE_CHECKING:
    from wattest.chain.dcap_verifier import DcapVerifier

DEFAULT_REGISTRATION_S = 30 * SECONDS_PER_DAY


class NoContractThere(ConfigError):
    """An address of the deployment holds no code on this chain."""


class ContractsUnrelated(ConfigError):
    """The contracts of the deployment do not belong together: another one judges than is named."""


class AddressBook(Protocol):
    """Where a deployment's contracts lie; ``ContractAddresses`` and ``receipt.deployment.Deployment`` are such."""

    @property
    def registry(self) -> bytes:
        """The EnclaveRegistry's address."""

    @property
    def referee(self) -> bytes:
        """The Referee's address."""

    @property
    def challenges(self) -> bytes:
        """The DirectedChallenges' address."""

    @property
    def fraud_proofs(self) -> bytes:
        """The FraudProofs' address."""

    @property
    def payouts(self) -> bytes:
        """The Payouts' address."""

    @property
    def first_light(self) -> bytes:
        """FirstLight's address."""

    @property
    def token(self) -> bytes:
        """The token's address, zero when there is none."""

    @property
    def verifier(self) -> bytes:
        """The evidence verifier's address: AppraiserQuorum or DcapVerifier."""

    @property
    def collateral(self) -> bytes:
        """The CollateralRegistry's address, zero when appraisers judge."""

    @property
    def deployed_at_block(self) -> int:
        """The first block whose logs matter."""


@dataclass(frozen=True, slots=True)
class ContractAddresses:
    """Where the contracts of one deployment lie (20 bytes each); zero: no demo token, no collateral registry."""

    verifier: bytes
    registry: bytes
    referee: bytes
    challenges: bytes
    fraud_proofs: bytes
    payouts: bytes
    first_light: bytes
    token: bytes
    deployed_at_block: int
    gas_used: dict[str, int] = field(default_factory=dict, compare=False)
    collateral: bytes = bytes(20)


@dataclass(frozen=True, slots=True)
class DeploymentStep:
    """One contract: its artefact, which address of the deployment it becomes, and what its constructor gets.

    ``arguments`` is given the addresses of the steps before, by the names of ``ContractAddresses``.
    """

    contract: str
    name: str
    arguments: Callable[[Mapping[str, bytes]], tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class DeploymentPlan:
    """What a deployment is made of, in the order of its transactions.

    ``appraisers`` are 20-byte addresses, ``threshold`` of which must sign a verdict; without appraisers the verifier is
    a DcapVerifier over a CollateralRegistry of its own, and quotes speak for themselves. ``demo_token_supply`` is in
    cents, all of it the deployer's; zero deploys no token.
    """

    appraisers: tuple[bytes, ...] = ()
    threshold: int = 0
    max_registration_s: int = DEFAULT_REGISTRATION_S
    demo_token_supply: int = 0

    @property
    def steps(self) -> tuple[DeploymentStep, ...]:
        """Every contract of the deployment: the one list of them."""
        if self.appraisers or self.threshold:
            judges = [
                DeploymentStep("AppraiserQuorum", "verifier", lambda _: (sorted(self.appraisers), self.threshold))
            ]
        else:
            judges = [
                DeploymentStep("CollateralRegistry", "collateral", lambda _: ()),
                DeploymentStep("DcapVerifier", "verifier", lambda at: (at["collateral"],)),
            ]
        token = [DeploymentStep("DemoToken", "token", lambda _: (self.demo_token_supply,))]
        return (
            *judges,
            DeploymentStep("EnclaveRegistry", "registry", lambda at: (at["verifier"], self.max_registration_s)),
            DeploymentStep("Referee", "referee", lambda at: (at["registry"],)),
            DeploymentStep("DirectedChallenges", "challenges", lambda at: (at["referee"],)),
            DeploymentStep("FraudProofs", "fraud_proofs", lambda at: (at["referee"],)),
            DeploymentStep("Payouts", "payouts", lambda _: ()),
            DeploymentStep("FirstLight", "first_light", lambda at: (at["registry"],)),
            *(token if self.demo_token_supply else []),
        )


def deploy_planned(
    client: ChainClient,
    signer: Signer,
    plan: DeploymentPlan,
    *,
    first_block: int,
    intents: str | None = None,
    tell: Callable[[str, int, int], None] = lambda _, __, ___: None,
) -> ContractAddresses:
    """Deploy every contract of the plan with one signer; ``first_block`` is a block before any of it.

    With ``intents``, a name of this deployment among all of the signer's, each contract is deployed once however often
    this is called, as long as the client's journal remembers. ``tell`` gets a contract, how many are there, and of how
    many. Raises the contracts' own errors for a quorum or a registration length that they refuse.
    """
    addresses: dict[str, bytes] = {}
    gas: dict[str, int] = {}
    for done, step in enumerate(plan.steps):
        tell(step.contract, done, len(plan.steps))
        intent = None if intents is None else f"{intents}:{step.contract}"
        receipt = client.deploy(signer, load_abi(step.contract), *step.arguments(addresses), intent=intent)
        if receipt.contract_address is None:
            raise TransportError(
                "the node reported no address for a deployment", retryable=False, contract=step.contract
            )
        addresses[step.name], gas[step.contract] = receipt.contract_address, receipt.gas_used
    none = dict.fromkeys(("collateral", "token"), bytes(20))
    return ContractAddresses(**(none | addresses), deployed_at_block=first_block, gas_used=gas)


def deploy_all(
    client: ChainClient,
    signer: Signer,
    *,
    appraisers: Collection[bytes] = (),
    threshold: int = 0,
    max_registration_s: int = DEFAULT_REGISTRATION_S,
    demo_token_supply: int = 0,
) -> ContractAddresses:
    """``deploy_planned`` of a plan with these values, for whoever never has to go on with it."""
    plan = DeploymentPlan(tuple(appraisers), threshold, max_registration_s, demo_token_supply)
    return deploy_planned(client, signer, plan, first_block=client.block().number)


@dataclass(frozen=True, slots=True)
class Contracts:
    """The typed faces of one deployment."""

    client: ChainClient
    registry: EnclaveRegistry
    referee: Referee
    payouts: Payouts
    first_light: FirstLightContract
    token: DemoToken
    quotes: DcapVerifier | None
    """The verifier, where quotes speak for themselves; None where appraisers judge."""

    @classmethod
    def at(cls, client: ChainClient, addresses: AddressBook) -> Contracts:
        """The faces of contracts that are there: each address is checked for code.

        Where quotes are judged on chain, verifier and collateral registry must be those that the registry asks. Raises:
        NoContractThere, ContractsUnrelated.
        """
        named = {
            "registry": addresses.registry,
            "referee": addresses.referee,
            "directed challenges": addresses.challenges,
            "fraud proofs": addresses.fraud_proofs,
            "payouts": addresses.payouts,
            "first light": addresses.first_light,
        }
        if addresses.collateral != bytes(20):
            named |= {"quote verifier": addresses.verifier, "collateral registry": addresses.collateral}
        codes = client.rpc.batch([("eth_getCode", ["0x" + a.hex(), "latest"]) for a in named.values()])
        for (name, address), code in zip(named.items(), codes, strict=True):
            if code in {"0x", None}:
                raise NoContractThere(
                    f"the {name} contract is not on this chain",
                    address=address,
                    url=client.rpc.shown_url,
                    hint="check that the deployment file and the RPC address belong together",
                )
        block = addresses.deployed_at_block
        by_quote = addresses.collateral != bytes(20)
        _require_named(client, "DirectedChallenges", addresses.challenges, "referee", addresses.referee)
        _require_named(client, "FraudProofs", addresses.fraud_proofs, "referee", addresses.referee)
        if by_quote:
            _require_named(client, "EnclaveRegistry", addresses.registry, "verifier", addresses.verifier)
            _require_named(client, "DcapVerifier", addresses.verifier, "collateral", addresses.collateral)
        quotes: DcapVerifier | None = None
        if by_quote:
            from wattest.chain.dcap_verifier import DcapVerifier  # many deployments have none, and it takes a while

            quotes = DcapVerifier(client, addresses.verifier, deployed_at_block=block)
        referee = referee_at(client, addresses)
        return cls(
            client,
            EnclaveRegistry(client, addresses.registry, deployed_at_block=block),
            referee,
            Payouts(client, addresses.payouts, referee.histories, deployed_at_block=block),
            FirstLightContract(client, addresses.first_light),
            DemoToken(client, addresses.token),
            quotes,
        )


def referee_at(client: ChainClient, addresses: AddressBook) -> Referee:
    """The referee and its modules, unchecked: for whoever deployed them, or looked at their code before."""
    return Referee(
        client,
        addresses.referee,
        addresses.challenges,
        addresses.fraud_proofs,
        deployed_at_block=addresses.deployed_at_block,
    )


def _require_named(client: ChainClient, contract: str, address: bytes, getter: str, named: bytes) -> None:
    actual = client.call(load_abi(contract), address, getter)[0]
    if actual != named:
        raise ContractsUnrelated(
            f"the {getter} of the deployment is not the one that {contract} asks",
            expected=actual,
            actual=named,
            hint="get the deployment file again, from somebody you trust",
        )
