"""Enclave keys on real parts: renewed before they expire, rotated, revoked, followed after a missed deadline."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from node_community import COMMIT_DEADLINE_S, EPOCH_S, ETHER
from node_keys import DAY, KeyRig

from wattest.attestation.roots import parse_root
from wattest.chain.local_signer import LocalSigner
from wattest.chain.referee import CommittedHeader
from wattest.enclave.host.client import EnclaveClient, SealJob
from wattest.enclave.measured.errors import HeadMismatch
from wattest.errors import TransportError
from wattest.keys.carry_over import CarryOver
from wattest.keys.key_life import Urgency
from wattest.operator.server import OperatorServer
from wattest.store.back_ends import DataPlace
from wattest.store.batch_state import StoredBatch, StoredState
from wattest.store.enclave_key import Cause, KeyState
from wattest.store.remote_operator import OperatorRemote
from wattest.twin import errors as refusals
from wattest.watcher.registration_check import RegistrationAppraiser

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
    assert rig.registry.registration_of(rig.binding, old).revoked_at
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
        referee.prove_equivocation(catcher, shown, stands, committed.citation)
    with pytest.raises(refusals.SignersDiffer):
        referee.prove_equivocation(catcher, stands, shown, None)
    assert not referee.is_convicted(rig.channel, rig.operator.address, sequence)
    assert rig.registry.registration_of(rig.binding, old).revoked_at


def test_revoked_at_once_and_its_header_never_counts(rig: KeyRig) -> None:
    """The manager revokes the key while its header is on the way: the next key seals the same day again."""
    old, before = rig.active(), len(rig.commits())
    period = rig.due()
    with rig.no_commits():
        rig.operator.step()
    rig.registry.revoke(rig.community.manager, rig.binding, old)
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


def test_the_state_goes_along_when_the_manager_allows_it(rig: KeyRig) -> None:
    """The successor knows the meters' registers: one that runs backwards is refused, as under the key before."""
    rig.allow_hand_over()
    for cause in (Cause.PLANNED, Cause.MISSED):
        rig.day_committed()
        old = rig.store.keys.key_in(rig.channel, KeyState.ACTIVE)
        assert old is not None
        if cause is Cause.PLANNED:
            rig.store.keys.order(rig.channel, cause, rig.now)
            rig.operator.step().raise_first()
        else:
            rig.miss()
            rig.operator.step()
            rig.operator.step().raise_first()
        new = rig.store.keys.key_in(rig.channel, KeyState.ACTIVE)
        assert new is not None
        assert (new.cause, new.carried) == (cause, True)
        phases = [rig.slots.client(key.slot).describe().identities[0].phase for key in (old, new)]
        assert phases == ["handed_over", "active"]
        before = len(rig.commits())
        rig.due(backwards=1)
        rig.operator.step().raise_first()
        payloads, _ = rig.store.entries(rig.channel, before + 1)
        assert sorted(payload[1] for payload in payloads) == [1, 1, 4]


def test_state_from_an_older_copy_is_refused_and_followed(rig: KeyRig, tmp_path: Path) -> None:
    key = rig.store.keys.key_in(rig.channel, KeyState.ACTIVE)
    assert key is not None
    sealed = rig.slots.folder(key.slot) / f"{rig.channel.hex()}.sealed"
    older = shutil.copy(sealed, tmp_path)
    rig.day_committed()
    rig.slots.stop()
    shutil.copy(older, sealed)
    before = len(rig.commits())
    rig.due()
    (error,) = rig.operator.step().errors
    assert (error.code, error.fields["expected"][0], error.fields["actual"][0]) == ("HeadMismatch", before - 1, before)  # type: ignore[index]
    assert "rolled back" in error.message
    assert "new key" in (error.hint or "")
    assert len(rig.commits()) == before
    rig.store.keys.order(rig.channel, Cause.LOST, rig.now)
    rig.operator.step().raise_first()
    assert len(rig.commits()) == before + 1
    assert rig.active() != key.address


def test_two_copies_of_one_enclave_cannot_both_commit(rig: KeyRig, tmp_path: Path) -> None:
    with ExitStack() as stack:
        other = rig.fork(tmp_path, stack)
        before = len(rig.commits())
        period = rig.due()
        with rig.no_commits(other):
            other.step()  # without the blocks: another header of the same key and sequence
        rig.operator.step().raise_first()
        assert len(rig.commits()) == before + 1
        errors = other.step().errors
        assert "SecondHeader" in {error.code for error in errors}
        assert len(rig.commits()) == before + 1
        assert other.keys is not None
        enclave, keys = other.keys.enclave(rig.channel), rig.community.duty.member_lists[0].meter_keys
        head, following = rig.operator.chain_head(rig.channel), (period + EPOCH_S, period + 2 * EPOCH_S)
        with pytest.raises(HeadMismatch, match="forked"):
            enclave.seal(SealJob(head, *following, rig.community.members, keys, []))
        mine, theirs = rig.store.batch(rig.channel, before + 1), other.store.batch(rig.channel, before + 1)
        assert mine.header_digest != theirs.header_digest
    _require_convicts(rig, theirs)


def _require_convicts(rig: KeyRig, uncommitted: StoredBatch) -> None:
    """What the copy signed is the proof that costs the deposit; the chain is put back afterwards."""
    assert uncommitted.header is not None
    assert uncommitted.signature is not None
    referee, batch = rig.community.referee(), rig.commits()[-1]
    catcher = LocalSigner(b"\x08" * 32)
    rig.community.anvil.fund(catcher.address, ETHER)
    snapshot = rig.community.anvil.rpc.request("evm_snapshot")
    shown = CommittedHeader(uncommitted.header, uncommitted.signature)
    referee.prove_equivocation(catcher, shown, referee.committed_header(batch), batch.citation)
    assert referee.is_convicted(rig.channel, rig.operator.address, batch.sequence)
    rig.community.anvil.rpc.request("evm_revert", snapshot)


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


def test_every_registration_can_be_appraised_again(rig: KeyRig) -> None:
    """Evidence is served by the digest that the verdict names, whichever registration is the newest by now."""
    server = OperatorServer(
        DataPlace(rig.folder / "node"), rig.operator.bundles, rig.operator.inbox,
        signer=rig.operator.signer, chain_id=rig.community.anvil.chain_id,
        referee=rig.community.contracts.referee, duties=tuple(rig.operator.duties),
    )  # fmt: skip
    with server:
        appraise = RegistrationAppraiser(
            rig.registry,
            rig.community.contracts.referee,
            {rig.operator.address: OperatorRemote(server.url)},
            policy=rig.community.extra["policy"].encode(),
            roots=[parse_root(rig.community.platform.root_certificate)],
        )
        signers = []
        for batch in rig.commits():
            header = rig.operator.referee.committed_header(batch).header
            if (signer := rig.signer_of(batch)) != rig.community.extra["identity"].address:  # the node did not make it
                appraise(header, signer)
                signers.append(signer)
        assert len(set(signers)) > 2


def test_nothing_is_asked_of_the_old_enclave_once_its_successor_is_registered(
    rig: KeyRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped between the note of the registration and the switch, then the chain does not answer at once."""
    old, before = rig.active(), len(rig.commits())
    keeper = rig.operator.keys
    assert keeper is not None

    def unanswered(*_: object) -> None:
        raise TransportError("the chain does not answer", retryable=True)

    rig.store.keys.order(rig.channel, Cause.PLANNED, rig.now)
    rig.due()
    with monkeypatch.context() as patch:
        patch.setattr(keeper, "_switch", unanswered)
        for _ in range(2):
            report = rig.operator.step()
            assert [error.code for error in report.errors] == ["TransportError"]
            assert (report.sealed, len(rig.commits())) == ([], before)
        assert rig.registry.registration_of(rig.binding, old).revoked_at == 0
    rig.operator.step().raise_first()
    assert rig.active() != old
    assert rig.signer_of(rig.commits()[-1]) == rig.active()
    rig.operator.step().raise_first()
    assert rig.registry.registration_of(rig.binding, old).revoked_at


def install_new_program(patch: pytest.MonkeyPatch) -> None:
    """Let enclaves say that they are of another program than the registered one."""
    describe = EnclaveClient.describe
    patch.setattr(EnclaveClient, "describe", lambda self: replace(describe(self), measurement=b"\x01" * 32))


def test_an_enclave_that_is_found_lost_is_not_asked_for_its_state_any_more(
    rig: KeyRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = rig.active()
    rig.allow_hand_over()

    def broken(*_: object) -> None:
        raise TransportError("the enclave before does not start", retryable=True)

    rig.store.keys.order(rig.channel, Cause.UPGRADE, rig.now)
    with monkeypatch.context() as patch:
        patch.setattr(CarryOver, "carry", broken)
        install_new_program(patch)
        for _ in range(2):
            assert [error.code for error in rig.operator.step().errors] == ["TransportError"]
        rig.store.keys.order(rig.channel, Cause.LOST, rig.now)
        report = rig.operator.step()
        report.raise_first()
    assert [(change.change, change.cause) for change in report.keys] == [("active", "lost")]
    assert rig.active() != old
    rig.operator.step().raise_first()
    assert rig.registry.registration_of(rig.binding, old).revoked_at


def test_an_order_that_nobody_can_judge_is_taken_back(rig: KeyRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rotation that can wait is, and said once; one whose enclave is lost stands, and is said at each step."""
    keeper, active, before = rig.operator.keys, rig.active(), len(rig.commits())
    assert keeper is not None
    with monkeypatch.context() as alone:
        alone.setattr(keeper, "_registrar", None)
        rig.store.keys.order(rig.channel, Cause.PLANNED, rig.now)
        rig.due()
        report = rig.operator.step()
        assert [error.code for error in report.errors] == ["RegistrarMissing"]
        assert (rig.store.keys.ordered(rig.channel), rig.active()) == (None, active)
        assert len(rig.commits()) == before + 1  # the old key goes on
        rig.operator.step().raise_first()
        rig.store.keys.order(rig.channel, Cause.LOST, rig.now)
        for _ in range(2):
            assert [error.code for error in rig.operator.step().errors] == ["RegistrarMissing"]
            assert rig.store.keys.ordered(rig.channel) is Cause.LOST
    report = rig.operator.step()
    report.raise_first()
    assert ([change.change for change in report.keys], rig.active() != active) == (["active"], True)


def test_an_upgrade_waits_for_the_new_program(rig: KeyRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old program says so and goes on with its key; what counts is the measurement of what would start."""
    registered = rig.store.keys.registered(rig.channel)
    assert registered is not None
    rig.store.keys.order(rig.channel, Cause.UPGRADE, rig.now)
    active, before = rig.active(), len(rig.commits())
    slots = set((rig.folder / "enclave").glob("slot-*"))
    rig.due()
    for _ in range(2):
        report = rig.operator.step()
        assert [error.code for error in report.errors] == ["UpgradeNotInstalled"]
        assert report.errors[0].fields["actual"] == registered.verdict.measurement
        assert (rig.store.keys.ordered(rig.channel), rig.active()) == (Cause.UPGRADE, active)
    assert len(rig.commits()) == before + 1
    assert set((rig.folder / "enclave").glob("slot-*")) == slots  # what was started to ask it is gone
    with monkeypatch.context() as new:
        install_new_program(new)
        report = rig.operator.step()
    report.raise_first()
    assert [change.cause for change in report.keys if change.change == "active"] == ["upgrade"]
    assert (rig.store.keys.ordered(rig.channel), rig.active() != active) == (None, True)
