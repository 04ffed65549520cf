"""The operator on real parts: seal, store, commit, answer; a chain that is down, slow or reorganised."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from node_community import EPOCH_S, ETHER, FIRST_PERIOD, Community, build_community, destroy

from wattest.chain.signer import LocalSigner
from wattest.node.bundle import BundleStore
from wattest.node.ingest import Inbox
from wattest.node.operator import Operator, OperatorSettings
from wattest.node.store import OperatorStore, StoredState

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def community(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Community]:
    built = build_community(tmp_path_factory.mktemp("community"))
    yield built
    destroy(built)


@pytest.fixture(scope="module")
def operator(community: Community) -> Iterator[Operator]:
    store = OperatorStore(community.folder / "node" / "operator.sqlite")
    yield Operator(
        store,
        BundleStore(community.folder / "node" / "bundles"),
        Inbox(community.folder / "node" / "inbox"),
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
    assert batch.record is not None
    bond = referee.bond_for(channel, operator.address, 1)
    referee.challenge(challenger, batch.header, batch.record, 2, bond)
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
