"""``wattest settle``: settle a billing period of an operator's channel, go on with what was begun, show what there is.

Decided here: that the plan is shown and agreed to before anything is done, and that a running operator is asked to do
it. Not decided here: what is planned (``settling.settlement_plan``), the steps (``settling.settler``).
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from wattest.apps.actions.bounded_file import read_bounded
from wattest.apps.actions.operator_keys import connect_contracts
from wattest.apps.interrupts import SteadyStack
from wattest.apps.operator_file import OperatorFile
from wattest.apps.operator_node import OperatorNode, open_node, settling_place
from wattest.apps.production_files import open_operator_file
from wattest.apps.settings_agreement import owner_of
from wattest.apps.settlement_orders import SettlementOrder, SettlementOrders, duty_of_terms, statement_channels
from wattest.apps.settlement_words import plan_lines, settlement_json, settlement_line
from wattest.apps.terminal import Progress
from wattest.chain.client import MemoryJournal
from wattest.errors import EXIT_DONE, ConfigError, InputError, ProtocolError, WattestError
from wattest.io.crash_points import CrashPoints
from wattest.settlement.terms_file import MAX_TERMS_FILE_BYTES
from wattest.settling.billing_period import BillingPeriod, days_from, month_of
from wattest.settling.settlement_plan import SettlementPlan
from wattest.settling.settler import SettlementWait
from wattest.store.database import DatabaseInUse
from wattest.store.duty import Duty
from wattest.store.settlement import ENDED, Settlement, SettlementState

LOOK_AGAIN_S = 0.5
MOST_STEPS = 8
"""Of the operator's loop, for one settlement: more are needed by nobody."""


class SettlingNotConfirmed(ConfigError):
    """Nobody said that the plan is to be done."""


class OrderRefused(ProtocolError):
    """The running operator refused what was ordered."""


class NothingSettledHere(ConfigError):
    """An operator's folder in which nothing was run yet."""


def period_of(month: str | None, first: str | None, days: int | None, zone: str) -> BillingPeriod:
    """The period that options name. Raises: UsageError; BillingPeriodInvalid, ZoneUnknown."""
    if (month is None) == (first is None) or (first is None) != (days is None):
        raise click.UsageError("name a period: --month YYYY-MM, or --from YYYY-MM-DD --days N")
    if month is not None:
        return month_of(month, zone)
    assert first is not None  # seen above
    assert days is not None
    return days_from(first, days, zone)


def settle(
    config_path: Path,
    *,
    terms: Path,
    period: BillingPeriod,
    is_rounded: bool,
    before_final: bool,
    dry_run: bool,
    is_confirmed: bool,
    waits: bool,
    faulty: bool,
    as_json: bool,
) -> int:
    """What ``wattest settle`` does for a period."""
    settings, _ = open_operator_file(config_path, faulty=faulty)
    order = SettlementOrder(_terms_text(terms), period, is_rounded, before_final)
    plan = _planned(settings, order)
    if not as_json:
        for line in plan_lines(plan):
            click.echo(line, err=True)
    if dry_run:
        if as_json:
            shown = settlement_json(plan.settlement) | {"escrow": plan.escrow, "promised": plan.promised_before}
            click.echo(json.dumps({"plan": shown}))
        return EXIT_DONE
    if not is_confirmed:
        _confirm(as_json=as_json)
    try:
        with SteadyStack() as stack:
            node = open_node(settings, stack, _faults(faulty=faulty))
            with Progress() as progress:
                progress.say("the operator's enclave and keys")
                node.operator.step()  # registers the statements' key, notes what is final
                place = settling_place(
                    settings, node.contracts, node.store, _duty(settings, order), node.signer.address
                )
                kept = node.settler.begin(order.plan(place, node.contracts.client.now()).settlement)
                return _go_on(node, [kept], progress, as_json=as_json)
    except DatabaseInUse:
        path = SettlementOrders(settings.data_dir / "orders").leave(order)
        click.echo(f"ordered: the running operator settles at its next step ({path})", err=True)
        if waits:
            _await_order(settings, path, plan)
            return status(config_path, waits=False, as_json=as_json)
        if as_json:
            click.echo(json.dumps({"ordered": str(path)}))
        else:
            click.echo("see how far it is: wattest settle --status", err=True)
        return EXIT_DONE


def go_on(config_path: Path, *, faulty: bool, as_json: bool) -> int:
    """What ``wattest settle --continue`` does."""
    settings, _ = open_operator_file(config_path, faulty=faulty)
    with SteadyStack() as stack:
        node = open_node(settings, stack, _faults(faulty=faulty))
        with Progress() as progress:
            return _go_on(node, node.store.settlements.unfinished(), progress, as_json=as_json)


def status(config_path: Path, *, waits: bool, as_json: bool) -> int:
    """What ``wattest settle --status`` does; ``waits``: once nothing is left to be done."""
    settings, _ = open_operator_file(config_path)
    if not settings.data.has_tables:
        raise _nothing_here(settings)
    while True:
        found = _kept(settings)
        waiting = sorted((settings.data_dir / "orders").glob("*.settle"))
        if not waits or (not waiting and all(one.state in ENDED for one in found)):
            break
        time.sleep(LOOK_AGAIN_S)
    if as_json:
        shown = {"settlements": [settlement_json(one) for one in found], "ordered": [str(path) for path in waiting]}
        click.echo(json.dumps(shown))
        return EXIT_DONE
    for one in found:
        click.echo(settlement_line(one))
    for path in waiting:
        click.echo(f"ordered, and not taken by the operator yet: {path}")
    if not found and not waiting:
        click.echo("nothing is settled yet")
    return EXIT_DONE


def _kept(settings: OperatorFile) -> list[Settlement]:
    store = settings.data.view()
    try:
        return store.settlements.all()
    finally:
        store.close()


def _await_order(settings: OperatorFile, path: Path, plan: SettlementPlan) -> None:
    """Until the running operator posted what is owed, or refused. Raises: OrderRefused."""
    reason = path.with_suffix(".refused.json")
    while True:
        is_waiting = path.exists()  # asked first: the operator keeps the settlement before it takes the order away
        known = [one for one in _kept(settings) if one.is_same_work(plan.settlement)]
        if known and known[0].state in {SettlementState.POSTED, *ENDED}:
            return
        if not is_waiting and not known:
            said = reason.read_text("utf-8") if reason.exists() else "it was taken away"
            raise OrderRefused("the running operator did not settle", reason=said, hint="see the operator's own lines")
        time.sleep(LOOK_AGAIN_S)


def _go_on(node: OperatorNode, begun: Sequence[Settlement], progress: Progress, *, as_json: bool) -> int:
    """Step until nothing more can be done now; the exit code of what keeps a settlement from going on."""
    waits: list[SettlementWait] = []
    errors: list[WattestError] = []
    for _ in range(MOST_STEPS):
        if not node.store.settlements.unfinished():
            break
        progress.say(_doing(node, begun))
        report = node.operator.step()
        waits, errors = report.settling.waits, report.errors
        if not report.settling.steps and not report.committed:
            break
    shown = [one for one in node.store.settlements.all() if any(one.is_same_work(kept) for kept in begun)]
    wait_of = {(wait.settlement.statement_channel, wait.settlement.sequence): wait for wait in waits}
    waiting = [wait_of.get((one.statement_channel, one.sequence)) for one in shown]
    pairs = list(zip(shown, waiting, strict=True))
    if as_json:
        click.echo(json.dumps({"settlements": [settlement_json(one, wait) for one, wait in pairs]}))
    else:
        for one, wait in pairs:
            click.echo(settlement_line(one, wait))
    for error in errors[1:]:
        click.echo(json.dumps(error.as_dict(), sort_keys=True), err=True)
    if errors:
        raise errors[0]
    return EXIT_DONE


def _doing(node: OperatorNode, begun: Sequence[Settlement]) -> str:
    known = [one.state.value for one in node.store.settlements.all() if any(one.is_same_work(kept) for kept in begun)]
    return f"settling ({known[0]})" if known else "settling"


def _planned(settings: OperatorFile, order: SettlementOrder) -> SettlementPlan:
    """The plan as things stand, from what an operator left, running or not."""
    if not settings.data.has_tables:
        raise _nothing_here(settings)
    duty, operator = _duty(settings, order), settings.signer.open().address
    contracts = connect_contracts(settings, MemoryJournal())
    store = settings.data.view()
    try:
        store.belonging.require(owner_of(settings.deployment, operator))
        place = settling_place(settings, contracts, store, duty, operator)
        return order.plan(place, contracts.client.now())
    finally:
        store.close()


def _duty(settings: OperatorFile, order: SettlementOrder) -> Duty:
    return duty_of_terms(order.file, settings.duties, statement_channels(settings.open_duties))


def _terms_text(path: Path) -> str:
    try:
        return read_bounded(path, MAX_TERMS_FILE_BYTES).decode()
    except UnicodeDecodeError as error:
        raise InputError("the terms file is not UTF-8 text", path=str(path)) from error


def _confirm(*, as_json: bool) -> None:
    interactive = not as_json and sys.stdin.isatty()
    question = "A period is settled once, by the terms that the manager signed. Settle it?"
    if not interactive or not click.confirm(question, err=True):
        raise SettlingNotConfirmed("nothing was settled", hint="say so with --yes; see the plan alone with --dry-run")


def _faults(*, faulty: bool) -> CrashPoints:
    return CrashPoints.unsafe_from_environment(os.environ) if faulty else CrashPoints()


def _nothing_here(settings: OperatorFile) -> NothingSettledHere:
    return NothingSettledHere(
        "no operator has run here yet", path=settings.data_dir, hint="run it first: wattest operator run"
    )
