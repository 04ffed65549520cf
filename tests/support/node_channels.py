"""Many channels of one operator on one chain: the same households, enclave process and appraiser for all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from node_community import EPOCH_S, ETHER, FIRST_PERIOD, GENESIS_S, PARAMETERS, TERMS, Community, seed
from waiting import HANG_S

from wattest.appraiser.appraiser import Appraiser, RegistrationRequest, collect_verdict
from wattest.attestation.roots import parse_root
from wattest.chain.client import ChainClient
from wattest.chain.local_signer import LocalSigner
from wattest.chain.many_sent import IN_FLIGHT
from wattest.chain.referee_events import CommittedBatch
from wattest.chain.registry import EnclaveRegistry
from wattest.chain.rpc import JsonRpc
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.member_list import MemberList, sign_member_list
from wattest.messages.report_data import KeyBinding
from wattest.operator.operator import Operator, OperatorSettings
from wattest.store.batch_state import StoredState
from wattest.store.bundle_store import BundleFolder
from wattest.store.duty import Duty, MemberKeys
from wattest.store.inbox import InboxFolder
from wattest.store.operator_store import SqliteOperatorStore
from wattest.twin.parameters import ChannelParameters


def add_channels(
    community: Community, count: int, *, deposit_wei: int = 20 * ETHER, first_period: int = FIRST_PERIOD
) -> list[Duty]:
    """So many more channels with the community's households, each registered and with a deposit."""
    return [_scheduled(community, deposit_wei, first_period) for _ in range(count)]


def add_open_channel(community: Community) -> ChannelIdentity:
    """A channel without periods, for imports."""
    parameters = replace(PARAMETERS, epoch_s=0, commit_deadline_s=0)
    channel = _channel(community, ChannelKind.OPEN, parameters)
    _register(community, channel, 20 * ETHER)
    return channel


def _scheduled(community: Community, deposit_wei: int, first_period: int) -> Duty:
    channel = _channel(community, ChannelKind.SCHEDULED, PARAMETERS)
    first = community.members.member_list
    referee = community.referee()
    referee.set_roster_count(community.manager, channel.id, len(first.members), first_period)
    signed = sign_member_list(
        Secp256k1PrivateKey.from_seed(seed("manager")),
        MemberList(channel.id, first_period, first.members, first.watcher_reader_keys),
        channel,
        referee.domain,
    )
    _register(community, channel, deposit_wei)
    keys = [community.extra["meter_keys"][member.public_key] for member in first.members]
    return Duty(channel, EPOCH_S, first_period, (MemberKeys(signed, keys),))


def _channel(community: Community, kind: ChannelKind, parameters: ChannelParameters) -> ChannelIdentity:
    number = community.extra["channels"] = community.extra.get("channels", 0) + 1
    channel = ChannelIdentity(community.manager.address, kind, seed(f"channel {number}"))
    community.referee().create_standard_channel(community.manager, kind, channel.salt, parameters, TERMS)
    return channel


def _register(community: Community, channel: ChannelIdentity, deposit_wei: int) -> None:
    client = community.client()
    registry = EnclaveRegistry(client, community.contracts.registry)
    operator, enclave = LocalSigner(community.operator_key), community.process.client
    nonce = registry.recent_nonce()
    binding = KeyBinding(client.chain_id, community.contracts.referee, channel.id, operator.address, nonce.hash)
    identity = enclave.create_identity(binding, channel)
    workload = enclave.describe().vee_workload
    appraiser = Appraiser(
        Secp256k1PrivateKey.from_seed(community.extra["appraiser_seed"]),
        community.extra["policy"].encode(),
        [parse_root(community.platform.root_certificate)],
        frozenset({workload}),
    )
    request = RegistrationRequest(
        binding, identity.address, identity.evidence, community.platform.collateral(GENESIS_S).to_json(),
        nonce.number, workload,
    )  # fmt: skip
    verdict, signatures = collect_verdict([appraiser], request, registry.domain, client.now())
    registry.register(operator, verdict, signatures)
    community.referee(client).deposit(operator, channel.id, deposit_wei)


def name_channels(config: Path, duties: Sequence[Duty]) -> None:
    """Add channels to the file that ``write_operator_files`` wrote."""
    with config.open("a") as file:
        for number, duty in enumerate(duties):
            members = f"members-{number}.bin"
            (config.parent / members).write_bytes(duty.member_lists[0].members.to_bytes())
            file.write(
                f'\n[[channel]]\nmembers = "{members}"\nmeter_keys = "meter-keys.txt"\n'
                f"epoch_s = {EPOCH_S}\nfirst_period_start = {FIRST_PERIOD}\n"
            )


class Fleet:
    """An operator of many channels."""

    def __init__(
        self,
        community: Community,
        duties: Sequence[Duty],
        folder: Path,
        stack: ExitStack,
        *,
        in_flight: int = IN_FLIGHT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.community = community
        self.store = SqliteOperatorStore(folder / "operator.sqlite")
        stack.callback(self.store.close)
        self.waiting: list[int] | None = None
        client = ChainClient(
            JsonRpc(community.anvil.url, max_attempts=3), chain_id=community.client().chain_id, confirmations=0,
            receipt_timeout_s=HANG_S, journal=self.store.journal, sleep=self._wait,
        )  # fmt: skip
        self.operator = Operator(
            self.store,
            BundleFolder(folder / "bundles"),
            InboxFolder(folder / "inbox"),
            community.referee(client),
            LocalSigner(community.operator_key),
            lambda: community.process.client,
            duties=duties,
            settings=OperatorSettings(collect_grace_s=0, in_flight=in_flight),
            clock=clock,
        )

    @contextmanager
    def slow_chain(self) -> Iterator[list[int]]:
        """Inside, a block is mined whenever the operator waits and never before; how many transactions each finds."""
        rpc = self.community.anvil.rpc
        rpc.request("evm_setAutomine", False)
        self.waiting = []
        try:
            yield self.waiting
        finally:
            self.waiting = None
            rpc.request("evm_setAutomine", True)

    def _wait(self, seconds: float) -> None:
        if self.waiting is None:
            time.sleep(seconds)
            return
        pool = self.community.anvil.rpc.request("txpool_status")
        self.waiting.append(int(pool["pending"], 16) + int(pool["queued"], 16))
        self.community.anvil.mine()

    @property
    def channels(self) -> list[bytes]:
        return [duty.channel.id for duty in self.operator.duties]

    def hand_in(self, day: int, channels: Sequence[bytes] | None = None) -> None:
        """Every household's block of a day for each channel."""
        blocks = [home.block(FIRST_PERIOD + day * EPOCH_S) for home in self.community.households]
        for channel in self.channels if channels is None else channels:
            self.operator.ingest_many(channel, blocks)

    def end_day(self, day: int) -> None:
        """The chain's clock passes the end of a day."""
        self.community.anvil.advance_to(FIRST_PERIOD + (day + 1) * EPOCH_S)

    def commits(self) -> list[CommittedBatch]:
        """This operator's commits in these channels, as the chain's log tells them."""
        referee = self.community.referee()
        events = referee.events(0, referee.client.block().number)
        own = set(self.channels)
        return [event for event in events if isinstance(event, CommittedBatch) and event.channel in own]

    def states(self, sequence: int) -> list[StoredState | None]:
        """Each channel's batch of a sequence."""
        found = (self.store.find_batch(channel, sequence) for channel in self.channels)
        return [None if batch is None else batch.state for batch in found]
