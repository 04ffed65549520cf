"""The operator on real parts: seal, store, commit, answer; a chain that is down, slow or reorganised."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from chain_proxy import ChainProxy
from node_community import (
    COMMIT_DEADLINE_S,
    EPOCH_S,
    ETHER,
    FIRST_PERIOD,
    Community,
    Household,
    build_community,
    destroy,
)

from wattest.chain.local_signer import LocalSigner
from wattest.chain.referee_events import CommittedBatch
from wattest.chain.rpc import ChainUnreachable
from wattest.chain.view import RpcChainView
from wattest.metering.device_block import DeviceSignatureInvalid, MalformedDeviceBlock
from wattest.operator.ingest import PeriodMismatch
from wattest.operator.operator import Operator, OperatorSettings
from wattest.store.batch_state import StoredState
from wattest.store.bundle_store import BundleFolder
from wattest.store.duty import ForeignMeter
from wattest.store.inbox import InboxFolder
from wattest.store.operator_store import SqliteOperatorStore
from wattest.store.refusals import BlockConflict

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def community(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Community]:
    built = build_community(tmp_path_factory.mktemp("community"))
    yield built
    destroy(built)


@pytest.fixture(scope="module")
def operator(community: Community) -> Iterator[Operator]:
    store = SqliteOperatorStore(community.folder / "node" / "operator.sqlite")
    yield Operator(
        store,
        BundleFolder(community.folder / "node" / "bundles"),
        InboxFolder(community.folder / "node" / "inbox"),
        community.referee(community.client(journal=store.journal)),
        LocalSigner(community.operator_key),
        lambda: community.process.client,
        duties=[community.duty],
        settings=OperatorSettings(collect_grace_s=0),
    )
    store.close()


def test_two_periods_to_the_chain(community: Community, operator: Operator) -> None:
    channel = community.channel.id
    for day in range(2):
        period = FIRST_PERIOD + day * EPOCH_S
        for home in community.households[: 3 - day]:  # on the second day one meter is absent
            assert operator.ingest(channel, home.block(period))
            assert not operator.ingest(channel, home.block(period))
        report = operator.step()
        report.raise_first()
        assert report.is_idle
        community.anvil.advance_to(period + EPOCH_S)
        report = operator.step()
        report.raise_first()
        assert report.sealed == [day + 1]
        assert len(report.committed) == 1
    batches = operator.store.batches(channel)
    assert [batch.state for batch in batches] == [StoredState.COMMITTED] * 2
    assert community.referee().operator_head(channel, operator.address).sequence == 2
    assert batches[1].header is not None
    assert batches[1].header.previous == batches[0].header_digest
    with operator.bundles.open(batches[1].content_id or b"") as bundle:
        assert bundle.block_count == 3


def test_challenge_is_answered(community: Community, operator: Operator) -> None:
    channel = community.channel.id
    batch = operator.store.batch(channel, 1)
    challenger = LocalSigner(b"\x05" * 32)
    community.anvil.fund(challenger.address, ETHER)
    referee = community.referee()
    assert batch.header is not None
    bond = referee.bond_for(channel, operator.address, 1)
    referee.challenge(challenger, batch.header, batch.citation(operator.address), 2, bond)
    report = operator.step()
    report.raise_first()
    assert len(report.answered) == 1
    assert operator.step().is_idle


def test_final_after_the_window(community: Community, operator: Operator) -> None:
    community.anvil.advance_to(community.client().now() + 8 * 86_400)
    report = operator.step()
    report.raise_first()
    assert report.finalised == [1, 2]
    channel = community.channel.id
    reader = community.watcher_reader.public_key
    assert set(operator.store.wrapped_keys(channel, 1, reader)) == {0, 1, 2}
    assert operator.store.erase(channel, 1, 1) == 3
    assert set(operator.store.wrapped_keys(channel, 1, reader)) == {0, 2}


class Rig:
    """An operator behind a proxy that makes the chain slow, cuts it off, or loses its answers."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.community = build_community(folder)
        stack.callback(destroy, self.community)
        self.proxy = ChainProxy(self.community.anvil.port)
        stack.callback(self.proxy.close)
        store = SqliteOperatorStore(folder / "node" / "operator.sqlite")
        stack.callback(store.close)
        client = self.community.client(url=self.proxy.url, journal=store.journal)
        self.operator = Operator(
            store,
            BundleFolder(folder / "node" / "bundles"),
            InboxFolder(folder / "node" / "inbox"),
            self.community.referee(client),
            LocalSigner(self.community.operator_key),
            lambda: self.community.process.client,
            duties=[self.community.duty],
            settings=OperatorSettings(collect_grace_s=0),
        )

    def due(self, day: int) -> None:
        """A day is over and every block of it is there."""
        period = FIRST_PERIOD + day * EPOCH_S
        for home in self.community.households:
            self.operator.ingest(self.community.channel.id, home.block(period))
        self.community.anvil.advance_to(period + EPOCH_S)

    def commits(self) -> list[tuple[int, bytes]]:
        referee = self.community.referee()
        events = referee.events(0, referee.client.block().number)
        return [(e.sequence, e.header_digest) for e in events if isinstance(e, CommittedBatch)]

    def stored(self) -> list[tuple[int, bytes | None, StoredState]]:
        batches = self.operator.store.batches(self.community.channel.id)
        return [(batch.sequence, batch.header_digest, batch.state) for batch in batches]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with ExitStack() as stack:
        yield Rig(tmp_path, stack)


def test_chain_down_then_slow(rig: Rig) -> None:
    rig.due(0)
    rig.proxy.down = True
    rig.proxy.cut()
    report = rig.operator.step()
    assert [error.code for error in report.errors] == ["ChainUnreachable"]
    assert report.is_idle
    rig.proxy.down, rig.proxy.delay_s = False, 0.03
    rig.operator.step().raise_first()
    assert [(sequence, digest) for sequence, digest, _ in rig.stored()] == rig.commits()


def test_every_lost_answer_leaves_one_commit(rig: Rig) -> None:
    for day in range(4):
        rig.due(day)
        for lost in (9 + day, 14 + 2 * day):
            rig.proxy.answers_before_loss = lost
            rig.operator.step()
        rig.proxy.answers_before_loss = None
        rig.operator.step().raise_first()
        assert [sequence for sequence, _ in rig.commits()] == list(range(1, day + 2))
    assert [(sequence, digest) for sequence, digest, _ in rig.stored()] == rig.commits()


def test_reorganised_commits_come_back_as_they_were(rig: Rig) -> None:
    rig.due(0)
    rig.operator.step().raise_first()
    snapshot = rig.community.anvil.rpc.request("evm_snapshot")
    rig.due(1)
    rig.operator.step().raise_first()
    before = rig.commits()
    rig.community.anvil.rpc.request("evm_revert", snapshot)
    assert rig.commits() == before[:1]
    rig.community.anvil.advance_to(FIRST_PERIOD + 2 * EPOCH_S + 60)
    rig.operator.step().raise_first()
    rig.operator.step().raise_first()
    assert rig.commits() == before
    assert [state for _, _, state in rig.stored()] == [StoredState.COMMITTED] * 2


def test_one_bad_block_costs_one_household_only(rig: Rig) -> None:
    """A register that runs backwards is signed and well formed; the enclave's guest refuses it."""
    channel = rig.community.channel.id
    rig.due(0)
    rig.operator.step().raise_first()
    first, *others = rig.community.households
    period = FIRST_PERIOD + EPOCH_S
    rig.operator.ingest(channel, first.block(period, watt_hours=1))  # below yesterday's register
    for home in others:
        rig.operator.ingest(channel, home.block(period))
    rig.community.anvil.advance_to(period + EPOCH_S)
    rig.operator.step().raise_first()
    payloads, _ = rig.operator.store.entries(channel, 2)
    assert sorted(payload[1] for payload in payloads) == [1, 1, 4]


def test_a_missed_deadline_leaves_the_period_out(rig: Rig) -> None:
    rig.due(0)
    rig.community.anvil.advance_to(FIRST_PERIOD + EPOCH_S + COMMIT_DEADLINE_S + 1)
    report = rig.operator.step()
    report.raise_first()
    assert report.is_idle
    rig.due(1)
    rig.operator.step().raise_first()
    (batch,) = rig.operator.store.batches(rig.community.channel.id)
    assert batch.period_start == FIRST_PERIOD + EPOCH_S


def test_a_sealed_batch_past_its_deadline_stops_the_channel(rig: Rig) -> None:
    rig.due(0)
    rig.operator.referee.commit_requests = lambda *_, **__: (_ for _ in ()).throw(  # type: ignore[method-assign,assignment]
        ChainUnreachable("down", retryable=True)
    )
    rig.operator.step()
    del rig.operator.referee.commit_requests  # type: ignore[attr-defined]
    rig.community.anvil.advance_to(FIRST_PERIOD + EPOCH_S + COMMIT_DEADLINE_S + 1)
    codes = {error.code for error in rig.operator.step().errors}
    assert "CommitDeadlinePassed" in codes
    assert [state for _, _, state in rig.stored()] == [StoredState.MISSED]
    rig.due(1)
    assert [error.code for error in rig.operator.step().errors] == ["OperatorStopped"]
    assert rig.commits() == []


def test_blocks_that_are_not_taken(community: Community, operator: Operator) -> None:
    channel = community.channel.id
    later = FIRST_PERIOD + 100 * EPOCH_S
    home, stranger = community.households[0], Household.make("stranger")
    with pytest.raises(ForeignMeter):
        operator.ingest(channel, stranger.block(later))
    block = home.block(later)
    with pytest.raises(DeviceSignatureInvalid):
        operator.ingest(channel, block[:-1] + bytes([block[-1] ^ 1]))
    with pytest.raises(MalformedDeviceBlock):
        operator.ingest(channel, block[:-1])
    assert operator.ingest(channel, block)
    with pytest.raises(BlockConflict):
        operator.ingest(channel, home.block(later, watt_hours=101))
    with pytest.raises(PeriodMismatch):
        operator.ingest(channel, home.block(FIRST_PERIOD, watt_hours=99))
    name = operator.inbox.put(channel, stranger.block(later))
    report = operator.step()
    assert [error.code for error in report.errors] == ["ForeignMeter"]
    assert name not in operator.inbox.waiting(channel)
    assert len(list((community.folder / "node" / "inbox" / "refused").glob("*/*"))) == 2


def test_what_a_receipt_s_verifier_sees(community: Community, operator: Operator) -> None:
    view = RpcChainView.connect(community.anvil.url, community.contracts)
    client = community.client()
    assert (view.chain_id(), view.genesis_hash()) == (community.anvil.chain_id, client.block(0).hash)
    channel = community.channel.id
    batch = view.batch(channel, operator.address, 1)
    stored = operator.store.batch(channel, 1)
    assert batch is not None
    assert (batch.header_digest, batch.is_final) == (stored.header_digest, stored.state is StoredState.FINAL)
    assert view.batch(channel, operator.address, 99) is None
    (registration,) = view.registrations(community.extra["identity"].address)
    verdict = community.extra["verdict"]
    assert registration.expires_at == verdict.expires_at
    assert registration.revoked_at is None
    assert verdict.issued_at <= registration.registered_at < verdict.expires_at
    assert view.registrations(b"\x01" * 20) == []
    assert view.payout_root(bytes(32), bytes(32), 0) is None
