"""An operator that keeps its own enclave keys, over a community of real parts."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from chain_proxy import ChainProxy
from node_community import COMMIT_DEADLINE_S, EPOCH_S, FIRST_PERIOD, Community, build_community, destroy, seed

from wattest.appraiser.appraiser import Appraiser, RegistrationRequest
from wattest.appraiser.appraiser_service import AppraiserServer, RemoteAppraiser
from wattest.attestation.roots import parse_root
from wattest.chain.client import ChainClient, Receipt
from wattest.chain.dcap_verifier import DcapVerifier
from wattest.chain.local_signer import LocalSigner
from wattest.chain.referee_events import CommittedBatch
from wattest.chain.registry import EnclaveRegistry
from wattest.collateral.chain_collateral import StoredLife, registered_life
from wattest.collateral.collateral_outlook import CollateralOutlook
from wattest.crypto.secp256k1 import Secp256k1PrivateKey, recover_address
from wattest.enclave.host.simulator_platform import SimulatorPlatform
from wattest.errors import TransportError
from wattest.keys.carry_over import CarryOver, CarryTerms
from wattest.keys.enclave_slots import ProcessSlots
from wattest.keys.key_keeper import KeyKeeper
from wattest.keys.key_life import KeySettings
from wattest.keys.key_standing import sealing_workload
from wattest.keys.quote_registrar import QuoteRegistrar
from wattest.keys.registrar import QuorumRegistrar, Registrar, VerdictSource
from wattest.messages.eip712 import Domain
from wattest.messages.evidence_verdict import EvidenceVerdict
from wattest.messages.hand_over_permit import HandOverPermit, PermitKind, sign_permit
from wattest.messages.peer_policy import PeerPolicy, sign_peer_policy
from wattest.operator.operator import Operator, OperatorSettings
from wattest.operator.step_report import StepReport
from wattest.store.bundle_store import BundleFolder
from wattest.store.enclave_key import KeyState, PreparedRegistration
from wattest.store.inbox import InboxFolder
from wattest.store.operator_store import SqliteOperatorStore

DAY = 86_400
UNTIL = 2_000_000_000
NOT_PACED = KeySettings(first_backoff_s=0.0)


class Switchable:
    """An appraiser that can be taken off the net."""

    def __init__(self, appraiser: Appraiser) -> None:
        self.appraiser = appraiser
        self.down = False
        self.asked = 0

    def ask(self, request: RegistrationRequest, registry: Domain, now: int) -> tuple[EvidenceVerdict, bytes, bytes]:
        self.asked += 1
        if self.down:
            raise TransportError("the appraiser does not answer", retryable=True)
        return self.appraiser.ask(request, registry, now)


class KeyRig:
    """An operator with a keeper, behind a proxy that can cut the chain off."""

    def __init__(
        self,
        folder: Path,
        stack: ExitStack,
        settings: KeySettings = NOT_PACED,
        *,
        is_remote: bool = False,
        by_quote: bool = False,
    ) -> None:
        """``by_quote``: the contract judges quotes, the keeper registers the first key and brings no collateral."""
        self.by_quote = by_quote
        self.community = community = build_community(
            folder, deposit_ether=60, by_quote=by_quote, is_registered=not by_quote
        )
        stack.callback(destroy, community)
        community.process.stop()  # the slots start their own over the same sealed state
        self.proxy = ChainProxy(community.anvil.port)
        stack.callback(self.proxy.close)
        self.slots = ProcessSlots(SimulatorPlatform(community.platform), folder / "enclave")
        stack.callback(self.slots.stop)
        self.folder, self.settings = folder, settings
        description = self.slots.client(0).describe()
        self.appraiser = Switchable(
            Appraiser(
                Secp256k1PrivateKey.from_seed(community.extra["appraiser_seed"]),
                community.extra["policy"].encode(),
                [parse_root(community.platform.root_certificate)],
                frozenset({description.vee_workload}),
            )
        )
        self.terms: dict[bytes, CarryTerms] = {}
        self.source: VerdictSource = self.appraiser
        if is_remote:
            client = community.client()
            domain = EnclaveRegistry(client, community.contracts.registry).domain
            server = AppraiserServer(self.appraiser.appraiser, client, domain, community.contracts.referee)
            self.source = RemoteAppraiser(stack.enter_context(server).url)
        self.store = SqliteOperatorStore(folder / "node" / "operator.sqlite")
        stack.callback(self.store.close)
        self.operator = self._operator(self.store, self.slots, folder / "node")

    @property
    def binding(self) -> tuple[bytes, bytes, bytes]:
        return self.community.contracts.referee, self.channel, self.operator.address

    def fork(self, folder: Path, stack: ExitStack) -> Operator:
        """A second operator over a copy of the enclaves' state and of the database, as a careless restore makes it."""
        self.slots.stop()
        shutil.copytree(self.folder / "enclave", folder / "enclave")
        (folder / "node").mkdir()
        self.store.database.run("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(self.folder / "node" / "operator.sqlite", folder / "node")
        slots = ProcessSlots(SimulatorPlatform(self.community.platform), folder / "enclave")
        stack.callback(slots.stop)
        store = SqliteOperatorStore(folder / "node" / "operator.sqlite")
        stack.callback(store.close)
        return self._operator(store, slots, folder / "node")

    def _operator(self, store: SqliteOperatorStore, slots: ProcessSlots, folder: Path) -> Operator:
        community = self.community
        client = community.client(url=self.proxy.url, journal=store.journal)
        referee = community.referee(client)
        registry = EnclaveRegistry(
            client, community.contracts.registry, deployed_at_block=community.contracts.deployed_at_block
        )
        signer = LocalSigner(community.operator_key)
        self.registry = registry
        registrar: Registrar = QuorumRegistrar([self.source], 1, registry.domain)
        if self.by_quote:
            registrar = QuoteRegistrar(self.verifier(client))
        keeper = KeyKeeper(
            store,
            referee,
            registry,
            signer,
            slots,
            registrar=registrar,
            endorsements=self.endorsements,
            settings=self.settings,
            carry_over=CarryOver(self.terms, self.endorsements),
            outlook=CollateralOutlook(self.endorsements, self._chain_life if self.by_quote else None),
        )
        return Operator(
            store,
            BundleFolder(folder / "bundles"),
            InboxFolder(folder / "inbox"),
            referee,
            signer,
            lambda: slots.client(0),
            duties=[community.duty],
            settings=OperatorSettings(collect_grace_s=0),
            keys=keeper,
        )

    def endorsements(self, now: int) -> bytes:
        """This platform's collateral for a time."""
        return self.community.platform.collateral(now).to_json()

    def verifier(self, client: ChainClient | None = None) -> DcapVerifier:
        """The contract that judges quotes."""
        return DcapVerifier(client or self.community.client(), self.community.contracts.verifier)

    def _chain_life(self, registered: PreparedRegistration) -> StoredLife:
        referee = self.community.contracts.referee
        return registered_life(self.verifier(), referee, self.channel, registered.evidence, registered.endorsements)

    def allow_hand_over(self) -> None:
        """Let the manager sign that successors may take the state over."""
        self.terms[self.channel] = carry_terms(self.community)
        self.operator = self._operator(self.store, self.slots, self.folder / "node")

    @property
    def channel(self) -> bytes:
        return self.community.channel.id

    @property
    def now(self) -> int:
        return self.community.client().now()

    def due(self, *, backwards: int = 0) -> int:
        """The period that runs now is over and every block of it is there; its start.

        So many meters' registers lie below what they showed before.
        """
        period = max(FIRST_PERIOD, self.now - self.now % EPOCH_S)
        self._hand_in(period, backwards)
        self.community.anvil.advance_to(period + EPOCH_S)
        return period

    def advance_into_period(self, timestamp_s: int) -> None:
        """Go to a moment; the period that ended last before it has every block."""
        self._hand_in(timestamp_s - timestamp_s % EPOCH_S - EPOCH_S)
        self.community.anvil.advance_to(timestamp_s)

    def _hand_in(self, period: int, backwards: int = 0) -> None:
        for at, home in enumerate(self.community.households):
            block = home.block(period, watt_hours=1 if at < backwards else 100)
            self.operator.ingest(self.channel, block)

    def day_committed(self) -> None:
        """A day goes all the way."""
        self.due()
        self.operator.step().raise_first()

    @contextmanager
    def no_commits(self, operator: Operator | None = None) -> Iterator[None]:
        """Inside, no commit reaches the chain."""
        referee = (operator or self.operator).referee
        referee.commit_requests = _down  # type: ignore[method-assign,assignment]
        try:
            yield
        finally:
            del referee.commit_requests

    def miss(self) -> int:
        """A day is sealed, the chain goes away, and comes back when the deadline is over; the period's start."""
        period = self.due()
        with self.no_commits():
            self.operator.step()
        self.community.anvil.advance_to(period + EPOCH_S + COMMIT_DEADLINE_S + 1)
        return period

    def timed_key_change(self, change: str) -> float:
        """Seconds on the wall of one step of the keeper that makes this change."""
        assert self.operator.keys is not None
        report = StepReport()
        begun = time.perf_counter()
        self.operator.keys.tend(self.operator.duties[0], self.operator.chain_head, report, self.now)
        taken = time.perf_counter() - begun
        report.raise_first()
        assert change in {one.change for one in report.keys}
        self.operator.step()  # the key before it is revoked outside of the time
        return taken

    @contextmanager
    def registrations(self, gas: list[float]) -> Iterator[None]:
        """Inside, the gas of each registration is kept."""
        register = self.registry.register

        def registered(*arguments: Any, **options: Any) -> Receipt:
            receipt = register(*arguments, **options)
            gas.append(float(receipt.gas_used))
            return receipt

        self.registry.register = registered  # type: ignore[method-assign]
        try:
            yield
        finally:
            del self.registry.register

    def signer_of(self, batch: CommittedBatch) -> bytes:
        """Whose signature a commit carried."""
        carried = self.operator.referee.committed_header(batch)
        return recover_address(carried.header.digest(self.operator.referee.domain), carried.signature)

    def commits(self) -> list[CommittedBatch]:
        referee = self.community.referee()
        events = referee.events(0, referee.client.block().number)
        return [event for event in events if isinstance(event, CommittedBatch)]

    def states(self) -> list[KeyState]:
        return [key.state for key in self.store.keys.keys(self.channel)]

    def active(self) -> bytes:
        key = self.store.keys.key_in(self.channel, KeyState.ACTIVE)
        assert key is not None
        return key.address

    def registered_until(self) -> int:
        return self.registry.active_key(
            self.community.contracts.referee, self.channel, self.operator.address, sealing_workload()
        )[1]


def carry_terms(community: Community, *, to_measurement: bytes | None = None) -> CarryTerms:
    """What the channel's manager signs for a hand-over on the community's one platform."""
    measurement = community.extra["verdict"].measurement
    to = to_measurement or measurement
    manager, domain = Secp256k1PrivateKey.from_seed(seed("manager")), community.referee().domain
    names = dict.fromkeys((measurement, to))
    enclaves = "".join(f'[[enclave]]\nname = "e{i}"\nmr_enclave = "{one.hex()}"\n' for i, one in enumerate(names))
    policy, roots = f"version = 1\n{enclaves}".encode(), (community.platform.root_certificate,)
    signature = sign_peer_policy(manager, PeerPolicy.over(community.channel.id, policy, roots, UNTIL), domain)
    operator = LocalSigner(community.operator_key).address
    permit = HandOverPermit(
        community.channel.id, operator, PermitKind.HAND_OVER, measurement, to, community.platform.platform_id, UNTIL
    )
    return CarryTerms(policy, roots, UNTIL, signature, sign_permit(manager, permit, domain))


def hand_over_table(community: Community, folder: Path, *, to_measurement: bytes | None = None, giver: str = "") -> str:
    """The same terms as an operator's file has them, below its last channel; writes the policy beside it."""
    terms = carry_terms(community, to_measurement=to_measurement)
    permit = terms.permit.permit
    (folder / "peer-policy.toml").write_bytes(terms.policy)
    values = {
        "policy": "peer-policy.toml",
        "policy_signature": terms.signature.hex(),
        "operator": permit.operator.hex(),
        "from_measurement": permit.from_measurement.hex(),
        "to_measurement": permit.to_measurement.hex(),
        "to_platform": permit.to_platform.hex(),
        "permit_signature": terms.permit.signature.hex(),
        "giver": giver,
    }
    lines = "".join(f'{name} = "{value}"\n' for name, value in values.items())
    return f"\n[channel.hand_over]\npolicy_until = {UNTIL}\npermit_until = {UNTIL}\n{lines}"


def _down(*_: object, **__: object) -> None:
    raise TransportError("down", retryable=True)


__all__ = ["DAY", "NOT_PACED", "KeyRig", "Switchable", "seed"]
