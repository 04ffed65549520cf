"""A settlement from plan to payout on the contracts' twin: a real enclave, keeper and loop, and no chain process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from node_community import EPOCH_S, FIRST_PERIOD, seed
from settling_stage import DELAY_S, FIRST_DATE, MANAGER, OPERATOR, TARIFF, SettlingStage

from wattest.chain import anvil
from wattest.chain.local_signer import LocalSigner
from wattest.enclave.host.client import EnclaveClient
from wattest.errors import TransportError, WattestError
from wattest.messages.settlement_terms import TermsUnsigned
from wattest.settlement.bill import parse_bill
from wattest.settling.billing_period import days_from
from wattest.settling.coverage import PeriodHasGap, PeriodNotFinal, PeriodNotOver
from wattest.settling.settlement_plan import (
    CurrencyMismatch,
    DistributionForeign,
    DistributionMissing,
    MembersChanged,
    MembersUnknown,
    StatementChannelSpoiled,
    StatementInFlight,
    plan_settlement,
)
from wattest.settling.settler import EscrowShort, payout_tree
from wattest.store.batch_state import StoredState
from wattest.store.duty import Duty, MemberKeys
from wattest.store.enclave_key import KeyState
from wattest.store.refusals import SettledAlready
from wattest.store.settlement import Settlement, SettlementState
from wattest.twin.payouts import distribution_id

_S = SettlementState


@pytest.fixture(autouse=True)
def _no_chain_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a chain process is started")

    monkeypatch.setattr(anvil.Anvil, "start", refuse)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[SettlingStage]:
    with ExitStack() as stack:
        yield SettlingStage(tmp_path, stack)


def two_days_final(stage: SettlingStage, *, more: int = 0) -> None:
    for day in range(2 + more):
        stage.commit_day(day)
    stage.pass_windows()


def only(stage: SettlingStage) -> Settlement:
    (one,) = stage.store.settlements.all()
    return one


def test_two_days_from_plan_to_payout(stage: SettlingStage) -> None:
    two_days_final(stage)
    plan = stage.plan()
    assert (plan.settlement.cited, plan.households, plan.escrow) == ((1, 2), 3, 0)
    stage.settler.begin(plan.settlement)
    report = stage.step()
    assert [step.state for step in report.settling.steps] == [_S.SEALED, _S.COMMITTED, _S.POSTED]
    assert [wait.until for wait in report.settling.waits] == [stage.chain.now() + DELAY_S - 0]
    settlement = only(stage)
    tree = payout_tree(settlement)
    assert tree is not None
    assert [payout.address for payout in tree.payouts] == [stage.payees()[0]]
    assert len(settlement.bills) == len(stage.homes)
    assert stage.payouts.pending_root_of(stage.distribution).total == tree.total
    stage.payouts.fund(MANAGER, stage.distribution, tree.total)
    stage.pass_windows()
    assert stage.states() == [_S.ACTIVATED]
    payout, salt, proof = tree.prove(stage.payees()[0])
    stage.payouts.claim(
        OPERATOR, stage.distribution, account=payout.address, cumulative_amount=payout.cumulative_amount,
        salt=salt, leaf_index=proof.index, leaf_count=proof.size, path=proof.path,
    )  # fmt: skip
    assert stage.payouts.paid_to(stage.distribution, payout.address) == tree.total
    again = stage.plan().settlement
    assert (again.state, again.sequence) == (_S.ACTIVATED, 1)
    assert stage.step().settling.steps == []


def test_the_keeper_registers_the_statements_key(stage: SettlingStage) -> None:
    stage.step()
    key = stage.store.keys.key_in(stage.statements.id, KeyState.ACTIVE)
    metering = stage.store.keys.key_in(stage.channel.id, KeyState.ACTIVE)
    assert key is not None
    assert metering is not None
    assert key.slot == metering.slot == 0
    known = stage.store.keys.registered(stage.statements.id)
    assert known is not None
    assert known.verdict.workload == stage.slots.client(0).describe().settle_workload
    stage.chain.advance_to(known.verdict.expires_at - 1000)
    stage.step()
    renewed = stage.store.keys.registered(stage.statements.id)
    assert renewed is not None
    assert renewed.ordinal == known.ordinal + 1
    assert stage.store.keys.key_in(stage.statements.id, KeyState.ACTIVE) == key


def test_an_open_channel_whose_key_was_revoked_makes_no_other(stage: SettlingStage) -> None:
    stage.step()
    key = stage.store.keys.key_in(stage.statements.id, KeyState.ACTIVE)
    assert key is not None
    stage.registry.revoke(MANAGER, (stage.referee.address, stage.statements.id, OPERATOR.address), key.address)
    report = stage.operator.step()
    assert [error.code for error in report.errors] == ["OperatorStopped"]
    assert len(stage.store.keys.keys(stage.statements.id)) == 1


def test_the_next_period_continues_the_list(stage: SettlingStage) -> None:
    two_days_final(stage)
    stage.settler.begin(stage.plan(days=1).settlement)
    stage.step()
    stage.payouts.fund(MANAGER, stage.distribution, 10**9)
    stage.pass_windows()
    first = only(stage)
    stage.settler.begin(stage.plan(days_from("2023-11-15", 1, "UTC")).settlement)
    stage.step()
    second = stage.store.settlements.all()[1]
    assert second.sequence == 2
    assert first.payouts is not None
    assert second.payouts is not None
    assert second.previous_payouts == first.payouts.listed
    assert second.payouts.total == 2 * first.payouts.total
    stage.pass_windows()
    assert stage.states() == [_S.ACTIVATED, _S.ACTIVATED]


def test_a_second_root_waits_for_the_first(stage: SettlingStage) -> None:
    two_days_final(stage)
    for number, date in enumerate((FIRST_DATE, "2023-11-15")):
        stage.settler.begin(stage.plan(days_from(date, 1, "UTC")).settlement)
        report = stage.step()
        assert len(report.settling.waits) == number + 1
    assert stage.states() == [_S.POSTED, _S.COMMITTED]
    assert "only one does at a time" in report.settling.waits[1].reason
    stage.payouts.fund(MANAGER, stage.distribution, 10**9)
    stage.pass_windows()
    assert stage.states() == [_S.ACTIVATED, _S.POSTED]


def test_nobody_is_owed(stage: SettlingStage) -> None:
    two_days_final(stage)
    free = replace(TARIFF, feed_in=0, community=0, fixed_per_day=0)
    stage.settler.begin(stage.plan(agreement=stage.agreement(tariff=free)).settlement)
    stage.step()
    assert stage.states() == [_S.NOTHING_OWED]
    assert payout_tree(only(stage)) is None


def test_too_little_escrow_is_told_until_it_is_there(stage: SettlingStage) -> None:
    two_days_final(stage)
    stage.settler.begin(stage.plan().settlement)
    stage.step()
    owed = only(stage).payouts
    assert owed is not None
    stage.payouts.fund(MANAGER, stage.distribution, owed.total - 1)
    stage.chain.advance_to(stage.chain.now() + 8 * EPOCH_S)
    (error,) = stage.operator.step().errors
    assert isinstance(error, EscrowShort)
    assert (error.fields["expected"], error.fields["missing"]) == (owed.total, 1)
    assert stage.states() == [_S.POSTED]
    stage.payouts.fund(MANAGER, stage.distribution, 1)
    stage.step()
    assert stage.states() == [_S.ACTIVATED]


def test_a_root_that_the_manager_disabled_is_not_posted_again(stage: SettlingStage) -> None:
    two_days_final(stage, more=1)
    stage.settler.begin(stage.plan().settlement)
    stage.step()
    stage.payouts.disable_root(MANAGER, stage.distribution)
    stage.step()
    stage.step()
    assert stage.states() == [_S.DISABLED]
    with pytest.raises(StatementChannelSpoiled):
        stage.plan(days_from("2023-11-16", 1, "UTC"))


def test_a_root_that_a_reorganisation_dropped_is_posted_again(stage: SettlingStage) -> None:
    two_days_final(stage)
    stage.settler.begin(stage.plan().settlement)
    stage.step()
    before = stage.payouts.pending_root_of(stage.distribution)
    stage.chain.drop_blocks(1)
    assert not any(stage.payouts.pending_root_of(stage.distribution).root)
    report = stage.step()
    assert [step.state for step in report.settling.steps] == [_S.COMMITTED, _S.POSTED]
    assert stage.payouts.pending_root_of(stage.distribution).root == before.root


def test_before_final_only_when_asked_for_and_void_if_a_batch_falls(stage: SettlingStage) -> None:
    stage.commit_day(0)
    stage.commit_day(1)
    with pytest.raises(PeriodNotFinal):
        stage.plan()
    stage.settler.begin(stage.plan(before_final=True).settlement)
    stage.step()
    assert stage.states() == [_S.POSTED]
    stage.store.mark(stage.channel.id, 2, StoredState.SLASHED)
    stage.settler.follow(report := stage.operator.step().settling, stage.chain.now())
    assert stage.states() == [_S.VOID]
    assert report.errors == []
    assert stage.payouts.account_of(stage.distribution).active_sequence == 0


def test_what_the_enclave_refuses_leaves_nothing_behind(stage: SettlingStage) -> None:
    two_days_final(stage)
    planned = stage.plan().settlement
    stage.settler.begin(replace(planned, terms=stage.agreement(key=LocalSigner(seed("x"))).terms))
    (error,) = stage.operator.step().errors
    assert error.code == "TermsRefused"
    assert stage.store.settlements.all() == []
    assert stage.store.find_batch(stage.statements.id, 1) is None
    stage.settler.begin(stage.plan().settlement)
    stage.step()
    assert stage.states() == [_S.POSTED]


def test_an_enclave_that_does_not_answer_is_asked_again(stage: SettlingStage, monkeypatch: pytest.MonkeyPatch) -> None:
    two_days_final(stage, more=1)
    stage.settler.begin(stage.plan().settlement)
    with monkeypatch.context() as patched:

        def silent(*_: object) -> None:
            raise TransportError("the enclave does not answer", retryable=True)

        patched.setattr(EnclaveClient, "seal", silent)
        assert [error.code for error in stage.operator.step().errors][:1] == ["TransportError"]
    assert stage.states() == [_S.PLANNED]
    with pytest.raises(StatementInFlight):
        stage.plan(days_from("2023-11-16", 1, "UTC"))
    stage.operator = stage.open_operator()
    stage.step()
    assert stage.states() == [_S.POSTED]


def test_a_key_that_is_not_registered_yet_is_waited_for(stage: SettlingStage) -> None:
    stage.operator.open_duties.clear()  # nobody keeps the statements' key
    two_days_final(stage)
    stage.settler.begin(stage.plan().settlement)
    assert "OperatorStopped" in [error.code for error in stage.operator.step().errors]
    assert stage.states() == [_S.PLANNED]
    stage.operator.open_duties.append(stage.open_duty)
    stage.step()
    assert stage.states() == [_S.POSTED]


def test_one_period_is_settled_once(stage: SettlingStage) -> None:
    two_days_final(stage, more=1)
    first = stage.settler.begin(stage.plan().settlement)
    assert stage.settler.begin(stage.plan().settlement) == first
    for days in (1, 3):
        with pytest.raises(SettledAlready) as caught:
            stage.plan(days=days)
        assert caught.value.fields["sequence"] == 1
    stage.step()
    with pytest.raises(SettledAlready):
        stage.plan(agreement=stage.agreement(tariff=replace(TARIFF, energy=1)))
    assert len(stage.store.settlements.all()) == 1


def test_out_of_order(stage: SettlingStage) -> None:
    with pytest.raises(PeriodNotOver):
        stage.plan()
    stage.commit_day(0)
    with pytest.raises(PeriodNotOver):
        stage.plan()
    stage.chain.advance_to(FIRST_PERIOD + 3 * EPOCH_S)
    with pytest.raises(PeriodHasGap):
        stage.plan()


def test_terms_of_others(stage: SettlingStage) -> None:
    two_days_final(stage)
    with pytest.raises(TermsUnsigned, match="not signed by") as stranger:
        stage.plan(agreement=stage.agreement(key=LocalSigner(seed("stranger"))))
    assert stranger.value.fields["expected"] == MANAGER.address
    with pytest.raises(TermsUnsigned, match="do not cover") as short:
        stage.plan(agreement=stage.agreement(days=(0, 1)))
    assert "2023-11-14 to 2023-11-14" in (short.value.hint or "")
    with pytest.raises(TermsUnsigned, match="not signed by"):
        stage.plan(agreement=replace(stage.agreement(), payees=(bytes(20),) * 3))
    with pytest.raises(TermsUnsigned, match="another metering channel"):
        stage.plan(agreement=replace(stage.agreement(), metering_channel=stage.statements.id))
    with pytest.raises(MembersUnknown):
        stage.plan(agreement=stage.agreement(members=stage.signed_members(FIRST_PERIOD + EPOCH_S)))
    with pytest.raises(CurrencyMismatch):
        stage.plan(agreement=stage.agreement(tariff=replace(TARIFF, currency_decimals=6)))
    assert stage.plan().settlement.sequence == 1


def test_members_that_changed_within_the_period(stage: SettlingStage) -> None:
    two_days_final(stage)
    newer = stage.signed_members(FIRST_PERIOD + EPOCH_S)
    keys = [home.meter_key for home in stage.homes]
    lists = (MemberKeys(stage.members, keys), MemberKeys(newer, keys))
    stage.duty = Duty(stage.channel, EPOCH_S, FIRST_PERIOD, lists)
    with pytest.raises(MembersChanged) as caught:
        stage.plan()
    assert (caught.value.fields["sequence"], caught.value.fields["batches"]) == (2, 1)
    assert "from 2023-11-15 on the members are others" in (caught.value.hint or "")
    assert stage.plan(days=1).settlement.cited == (1, 1)
    later = stage.agreement(members=newer)
    assert stage.plan(days_from("2023-11-15", 1, "UTC"), later).settlement.cited == (2, 2)
    with pytest.raises(MembersChanged):
        stage.plan(days_from(FIRST_DATE, 1, "UTC"), later)


def test_distributions_of_others(stage: SettlingStage) -> None:
    two_days_final(stage)
    entry = stage.deployment.distributions[0]

    def planned(**changed: object) -> Settlement:
        place = replace(stage.place(), **changed)  # type: ignore[arg-type]
        now = stage.chain.now()
        return plan_settlement(place, stage.agreement(), days_from(FIRST_DATE, 2, "UTC"), now=now).settlement

    with pytest.raises(DistributionMissing):
        planned(deployment=replace(stage.deployment, distributions=()))
    with pytest.raises(DistributionMissing, match="not on this chain"):
        planned(deployment=replace(stage.deployment, distributions=(replace(entry, id=b"\x01" * 32),)))
    stage.payouts.create_distribution(
        MANAGER, b"\x01" * 32, replace(stage.payouts.terms_of(entry.id), poster=MANAGER.address)
    )
    foreign = replace(entry, id=distribution_id(MANAGER.address, b"\x01" * 32))
    with pytest.raises(DistributionForeign):
        planned(deployment=replace(stage.deployment, distributions=(foreign,)))
    assert planned().distribution == entry.id


def test_bills_are_kept_without_their_intervals(stage: SettlingStage) -> None:
    two_days_final(stage)
    stage.settler.begin(stage.plan().settlement)
    stage.step()
    settlement = only(stage)
    assert {len(bill) for bill in settlement.bills} == {353}
    owed = [int.from_bytes(bill[345:353], "big", signed=True) for bill in settlement.bills]
    assert owed[0] < 0 < owed[1] == owed[2]
    with pytest.raises(WattestError):
        parse_bill(settlement.bills[0])
