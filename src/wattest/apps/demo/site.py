"""One operator's site in the demo: a simulated platform, an enclave process, a store, a server, and its loop.

Decided here: how the parts of an operator are put together on one machine. Not decided here: what each does
(``operator``, ``enclave``) and how one cheats (``cheats``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from wattest.apps.embedded import (
    EMBEDDED_CONFIG,
    Account,
    EmbeddedDeployment,
    RegisteredEnclave,
)
from wattest.apps.measurement_policy import measurement_policy
from wattest.chain.client import ChainClient
from wattest.chain.deploy import referee_at
from wattest.chain.payouts import Payouts
from wattest.enclave.host.client import Description, EnclaveClient
from wattest.enclave.host.process import EnclaveProcess
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.messages.channel import ChannelIdentity
from wattest.operator.operator import Operator, OperatorSettings
from wattest.operator.server import OperatorServer, UnsafeBehaviour
from wattest.settling.settler import Settler
from wattest.store.back_ends import DataPlace
from wattest.store.duty import Duty
from wattest.store.remote_operator import OperatorRemote

DEPOSIT_ETHER = 40


class OperatorSite:
    """Everything one operator runs; a context manager that stops all of it."""

    def __init__(self, folder: Path, name: str, deployment: EmbeddedDeployment) -> None:
        self.folder = folder
        self.name = name
        self.deployment = deployment
        self.account = Account.create()
        deployment.fund(self.account)
        self.platform = SimulatedPlatform.create(folder / "platform", deployment.client.now())
        deployment.trust_platform(self.platform)
        self.enclave_folder = folder / "enclave"
        self.process = EnclaveProcess(self.platform, self.enclave_folder)
        self.data = DataPlace(folder)
        self.store, self.bundles, self.inbox = self.data.write(), self.data.open_bundles(), self.data.open_inbox()
        self.registered: dict[bytes, RegisteredEnclave] = {}
        self._operator: Operator | None = None
        self._settler: Settler | None = None
        self._server: OperatorServer | None = None
        self._description: Description | None = None

    def __enter__(self) -> Self:
        self.process.start()
        self._description = self.process.client.describe()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop server, enclave and store; safe to repeat."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        self.process.stop()
        self.store.close()

    @property
    def description(self) -> Description:
        """What the enclave says of itself."""
        if self._description is None:
            raise RuntimeError("the site was not started")
        return self._description

    @property
    def operator(self) -> Operator:
        """The operator's loop."""
        if self._operator is None:
            raise RuntimeError("the operator was not opened")
        return self._operator

    @property
    def settler(self) -> Settler:
        """What settles, a step of the loop."""
        if self._settler is None:
            raise RuntimeError("the operator was not opened")
        return self._settler

    @property
    def url(self) -> str:
        """Where the site's bundles are served."""
        if self._server is None:
            raise RuntimeError("the operator was not opened")
        return self._server.url

    @property
    def remote(self) -> OperatorRemote:
        """The site as a meter or a watcher sees it."""
        return OperatorRemote(self.url)

    def register(self, channel: ChannelIdentity, workload: bytes) -> RegisteredEnclave:
        """Register an enclave key for the channel, under a policy that names this site's measurement, and deposit."""
        registered = self.deployment.register_enclave(
            self.process.client,
            self.platform,
            channel,
            self.account,
            workload,
            measurement_policy(self.description.measurement),
        )
        self.registered[channel.id] = registered
        self.store.keep_evidence(channel.id, registered.identity.evidence, registered.endorsements)
        self.deployment.contracts.referee.deposit(self.account.signer, channel.id, DEPOSIT_ETHER * 10**18)
        return registered

    def open(
        self,
        duties: Sequence[Duty],
        *,
        settings: OperatorSettings | None = None,
        unsafe_behaviour: UnsafeBehaviour | None = None,
        enclave: EnclaveClient | None = None,
    ) -> None:
        """Open the operator's loop and its server; ``enclave`` stands in for the site's own, as a forger's does."""
        contracts = self.deployment.addresses
        client = ChainClient.connect(self.deployment.anvil.url, config=EMBEDDED_CONFIG, journal=self.store.journal)
        referee = referee_at(client, contracts)
        payouts = Payouts(client, contracts.payouts, referee.histories, deployed_at_block=contracts.deployed_at_block)
        self._settler = Settler(self.store, self.bundles, payouts, self.account.signer, duties)
        self._operator = Operator(
            self.store,
            self.bundles,
            self.inbox,
            referee,
            self.account.signer,
            lambda: enclave or self.process.client,
            duties=duties,
            settler=self._settler,
            settings=settings or OperatorSettings(),
        )
        self._server = OperatorServer(
            self.data,
            self.bundles,
            self.inbox,
            signer=self.account.signer,
            chain_id=client.chain_id,
            referee=contracts.referee,
            duties=tuple(duties),
            unsafe_behaviour=unsafe_behaviour,
        ).start()

    def show(self, unsafe_behaviour: UnsafeBehaviour, duties: Sequence[Duty]) -> None:
        """Serve again, on the same port, as a cheat that shows something else than before."""
        if self._server is None:
            raise RuntimeError("the operator was not opened")
        port = self._server.port
        self._server.stop()
        self._server = OperatorServer(
            self.data,
            self.bundles,
            self.inbox,
            signer=self.account.signer,
            chain_id=self.deployment.client.chain_id,
            referee=self.deployment.addresses.referee,
            duties=tuple(duties),
            port=port,
            unsafe_behaviour=unsafe_behaviour,
        ).start()
