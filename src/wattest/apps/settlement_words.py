"""How commands and a running operator tell of settlements: for people, and as JSON.

Decided here: words and fields. Not decided here: what is told of (``settling``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from wattest.settlement.bill import bill_head
from wattest.settling.billing_period import local_date, local_moment
from wattest.settling.settlement_plan import SettlementPlan
from wattest.settling.settler import SettlementWait, SettlingReport
from wattest.store.settlement import Settlement, SettlementState

_S = SettlementState
WORDS: Mapping[SettlementState, str] = {
    _S.PLANNED: "planned",
    _S.SEALED: "computed and signed inside the enclave",
    _S.COMMITTED: "on chain",
    _S.POSTED: "on chain, its payouts posted",
    _S.ACTIVATED: "done: what is owed can be claimed",
    _S.NOTHING_OWED: "done: nobody is owed anything",
    _S.DISABLED: "stopped: its payouts were taken back before they were active",
    _S.VOID: "void: a batch that it rests on was slashed, and nothing is paid over it",
}


def settling_lines(report: SettlingReport) -> Iterator[dict[str, object]]:
    """A running operator's lines: one for each step that a settlement took."""
    for step in report.steps:
        yield {
            "event": f"settlement {step.state.value}",
            "channel": step.settlement.statement_channel.hex(),
            "sequence": step.settlement.sequence,
        } | ({} if step.gas_used is None else {"gas": step.gas_used})


def settlement_json(settlement: Settlement, wait: SettlementWait | None = None) -> dict[str, object]:
    """A settlement as JSON; hex without prefix but for addresses."""
    owed = settlement.payouts
    return {
        "statement_channel": settlement.statement_channel.hex(),
        "sequence": settlement.sequence,
        "metering_channel": settlement.metering_channel.hex(),
        "period_start": settlement.period_start,
        "period_end": settlement.period_end,
        "zone": settlement.zone,
        "batches": list(settlement.cited),
        "households": len(settlement.members.member_list.members),
        "state": settlement.state.value,
        "waits_for": None if wait is None else wait.reason,
        "waits_until": None if wait is None else wait.until,
        "payout_root": None if owed is None else owed.root.hex(),
        "payout_total": None if owed is None else owed.total,
        "total_cents": sum(bill_head(bill).total_cents for bill in settlement.bills) if settlement.bills else None,
    }


def settlement_line(settlement: Settlement, wait: SettlementWait | None = None) -> str:
    """A settlement on one line."""
    zone = settlement.zone
    days = f"{local_date(settlement.period_start, zone)} to {local_date(settlement.period_end - 1, zone)}"
    said = f"{days} ({zone}), statement {settlement.sequence}: {WORDS[settlement.state]}"
    if wait is None:
        return said
    until = "" if wait.until is None else f", until {local_moment(wait.until, zone)}"
    return f"{said}; {wait.reason}{until}"


def plan_lines(plan: SettlementPlan) -> Iterator[str]:
    """A plan, before anything is done."""
    settlement, zone = plan.settlement, plan.settlement.zone
    count = len(plan.coverage.batches)
    yield f"from {local_moment(settlement.period_start, zone)}"
    yield f"to   {local_moment(settlement.period_end, zone)}"
    yield f"{plan.households} households over {count} batches, {settlement.cited[0]} to {settlement.cited[1]}"
    not_final = sum(batch.state.value != "final" for batch in plan.coverage.batches)
    if not_final:
        yield f"{not_final} of them are not final yet: if one falls, nothing is paid over this period"
    yield f"statement {settlement.sequence} of channel {settlement.statement_channel.hex()}"
    promised = f"of which {plan.promised_before} are promised" if plan.promised_before else "nothing of it promised"
    yield f"escrow {plan.escrow} of the token's smallest units, {promised}"
