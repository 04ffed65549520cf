"""Enclave keys on real parts: renewed before they expire, rotated, revoked, followed after a missed deadline."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from node_community import COMMIT_DEADLINE_S, EPOCH_S, ETHER
from node_keys import DAY, KeyRig

from wattest.chain.referee import CommittedHeader
from wattest.chain.signer import LocalSigner
from wattest.node.key_life import Cause, KeyState, Urgency
from wattest.node.store import StoredState
from wattest.protocol import errors as refusals
from wattest.protocol.batch import EMPTY_RECORD

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyRig]:
    """One operator whose life the tests go through in order: each leaves it committing."""
    with ExitStack() as stack:
        built = KeyRig(tmp_path_factory.mktemp("keys"), stack)
        built.day_committed()
        yield built


@pytest.fixture(autouse=True)
def still_committing(rig: KeyRig) -> Iterator[None]:
    yield
    before = len(rig.commits())
    rig.day_committed()
    assert len(rig.commits()) == before + 1


def test_rotation_settles_the_flight_and_revokes_the_old_key(rig: KeyRig) -> None:
    old, before = rig.active(), len(rig.commits())
    rig.store.keys.order(rig.channel, Cause.PLANNED, rig.now)
    rig.due()
    rig.appraiser.down = True  # nobody judges the new key: the old one goes on
    report = rig.operator.step()
    assert [error.code for error in report.errors] == ["QuorumUnreachable"]
    assert len(rig.commits()) == before + 1
    rig.appraiser.down = False
    rig.due()
    report = rig.operator.step()
    report.raise_first()
    assert [change.change for change in report.keys] == ["active"]
    new = rig.active()
    assert new != old
    assert len(rig.commits()) == before + 2
    report = rig.operator.step()
    assert [(change.change, change.enclave_key) for change in report.keys] == [("revoked", old)]
    assert rig.registry.registration_of(old).revoked_at
    assert rig.states() == [KeyState.REVOKED, KeyState.ACTIVE]
    rig.day_committed()
    assert [rig.signer_of(batch) for batch in rig.commits()[-4:]] == [old, old, new, new]


def test_goes_on_after_a_missed_deadline(rig: KeyRig) -> None:
    """The header that missed is known to everyone and convicts nobody: another key signed the one that counts."""
    old, sequence = rig.active(), len(rig.commits()) + 1
    period = rig.miss()
    report = rig.operator.step()
    assert report.missed == [sequence]
    leaked = rig.store.batch(rig.channel, sequence)
    assert leaked.state is StoredState.MISSED
    report = rig.operator.step()
    report.raise_first()
    assert [(change.change, change.cause) for change in report.keys] == [("active", "missed")]
    rig.day_committed()
    assert [batch.sequence for batch in rig.commits()] == list(range(1, sequence + 1))
    (abandoned,) = rig.store.keys.abandoned(rig.channel)
    assert (abandoned.sequence, abandoned.header_digest) == (sequence, leaked.header_digest)
    assert abandoned.period_start == period < rig.store.batch(rig.channel, sequence).period_start
    referee = rig.community.referee()
    committed = rig.commits()[-1]
    catcher = LocalSigner(b"\x07" * 32)
    rig.community.anvil.fund(catcher.address, ETHER)
    assert leaked.header is not None
    assert leaked.signature is not None
    shown = CommittedHeader(leaked.header, leaked.signature)
    stands = referee.committed_header(committed)
    with pytest.raises(refusals.SignersDiffer):
        referee.prove_equivocation(catcher, shown, stands, committed.record)
    with pytest.raises(refusals.SignersDiffer):
        referee.prove_equivocation(catcher, stands, shown, EMPTY_RECORD)
    assert not referee.is_convicted(rig.channel, rig.operator.address, sequence)
    assert rig.registry.registration_of(old).revoked_at


def test_revoked_at_once_and_its_header_never_counts(rig: KeyRig) -> None:
    """The manager revokes the key while its header is on the way: the next key seals the same day again."""
    old, before = rig.active(), len(rig.commits())
    period = rig.due()
    with rig.no_commits():
        rig.operator.step()
    rig.registry.revoke(rig.community.manager, old)
    report = rig.operator.step()
    assert [error.code for error in report.errors] == ["OperatorStopped"]
    assert len(rig.commits()) == before
    rig.store.keys.order(rig.channel, Cause.REVOKED, rig.now)
    report = rig.operator.step()
    report.raise_first()
    assert [change.cause for change in report.keys] == ["revoked"]
    assert len(rig.commits()) == before + 1
    batch = rig.store.batch(rig.channel, before + 1)
    assert batch.period_start == period
    payloads, _ = rig.store.entries(rig.channel, batch.sequence)
    assert [payload[1] for payload in payloads] == [1, 1, 1]  # every household's block is in it again


def test_an_unsealed_period_past_its_deadline_needs_no_new_key(rig: KeyRig) -> None:
    key, before = rig.active(), len(rig.commits())
    period = rig.due()
    rig.store.collect(rig.channel, before + 1, (period, period + EPOCH_S))
    rig.store.mark(rig.channel, before + 1, StoredState.SEALING)
    rig.community.anvil.advance_to(period + EPOCH_S + COMMIT_DEADLINE_S)
    rig.operator.step().raise_first()
    assert rig.store.find_batch(rig.channel, before + 1) is None
    rig.day_committed()
    assert len(rig.commits()) == before + 1
    assert rig.active() == key


def test_renewed_early_warned_louder_and_never_late(rig: KeyRig) -> None:
    rig.community.anvil.advance_to(rig.now - rig.now % EPOCH_S + COMMIT_DEADLINE_S // 2)
    rig.store.keys.order(rig.channel, Cause.PLANNED, rig.now)
    rig.operator.step().raise_first()  # the registration ends between a period's end and its deadline
    first, key, asked = rig.registered_until(), rig.active(), rig.appraiser.asked
    rig.community.anvil.advance_to(first - 11 * DAY)
    rig.operator.step()
    assert rig.appraiser.asked == asked  # not due yet
    rig.appraiser.down = True
    heard = []
    for left in (9, 8, 4, 2, 1):
        rig.community.anvil.advance_to(first - left * DAY)
        heard.append([warning.urgency for warning in rig.operator.step().warnings])
    assert heard == [[Urgency.NOTICE], [], [Urgency.WARNING], [Urgency.WARNING], [Urgency.URGENT]]
    rig.advance_into_period(first - 60)
    committed = len(rig.commits())
    report = rig.operator.step()
    assert {"EnclaveKeyExpiring", "QuorumUnreachable"} <= {error.code for error in report.errors}
    assert len(rig.commits()) == committed
    rig.appraiser.down = False
    report = rig.operator.step()
    report.raise_first()
    assert [change.change for change in report.keys] == ["renewed"]
    assert len(rig.commits()) == committed + 1
    assert rig.active() == key
    assert rig.registered_until() > first + 20 * DAY
    assert not rig.operator.step().keys  # done: not again
