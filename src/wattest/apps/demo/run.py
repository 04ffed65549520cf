"""The demo: an energy community taken through all of wattest, stage by stage, on one machine.

Decided here: the cast, the stages and their order, what counts as success, and what is left in the output folder. Not
decided here: how any part works, and how the output folder comes to be (``output``). Chain time moves through every
window; none is shortened.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from wattest.apps.demo.bills_csv import bills_csv
from wattest.apps.demo.cheats import Cheater, CheatUnpunished
from wattest.apps.demo.community import Community
from wattest.apps.demo.households import MAX_DAYS, MAX_HOUSEHOLDS, Households, load_households
from wattest.apps.demo.imports import DataFile, shipped_sessions
from wattest.apps.demo.receipts import Strangers, home_keys, receipt_issuer
from wattest.apps.demo.report import report_html
from wattest.apps.demo.result import Cheat, DemoResult, HouseholdBill, Outcome, QuarterHour, Slashing
from wattest.apps.demo.settling import TARIFF, Settling, household_bills, new_salt, quarter_hours
from wattest.apps.demo.site import OperatorSite
from wattest.apps.demo.watching import WatcherProcess
from wattest.apps.embedded import CHALLENGE_TERMS, OPEN_PARAMETERS, PARAMETERS, THRESHOLD, EmbeddedDeployment
from wattest.apps.interrupts import SteadyStack, hold_interrupts
from wattest.apps.receipt_words import bill_of
from wattest.chain.referee_events import SlashedBatch
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.receipt.deployment import Deployment
from wattest.receipt.link import Link
from wattest.settlement.bill import Bill
from wattest.settling.receipt_issue import ReceiptIssuer
from wattest.store.settlement import Settlement
from wattest.units import SECONDS_PER_DAY

CHEATED_HOUSEHOLDS = 3
LARGEST_DEMO = MAX_HOUSEHOLDS - CHEATED_HOUSEHOLDS
CHAIN_START_BEFORE_S = 3_600
CLOCK_MARGIN_S = 120
_WEEKS_BACK_S = 52 * 7 * SECONDS_PER_DAY
"""A whole year of weeks: the data set's weekdays and season stay what they are."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What a run is asked to do."""

    households: int
    days: int
    cheat: Cheat
    files: tuple[DataFile, ...] = ()


Report = Callable[[str, int, int], None]
"""Told (stage, steps done, steps in all) as a run goes on."""


def demo_readings(options_days: int, households: int, cheat: Cheat, wall_clock_s: int) -> Households:
    """The households' readings on days that lie far enough back for the chain to end before the wall clock."""
    days = max(options_days, 2) if cheat == "rollback" else options_days
    readings = load_households(households + CHEATED_HOUSEHOLDS, min(days, MAX_DAYS))
    span = (days + 14) * SECONDS_PER_DAY
    while readings.start + span > wall_clock_s:
        readings = replace(readings, start=readings.start - _WEEKS_BACK_S)
    return readings


class Demo:
    """One run; ``run`` it once."""

    def __init__(self, options: DemoOptions, readings: Households, folder: Path, work: Path, report: Report) -> None:
        self._options = options
        self._readings = readings
        self._folder = folder
        self._work = work
        self._tell = report
        self._stages: dict[str, float] = {}
        self._gas: dict[str, int] = {}
        self._judged_clean = 0

    def run(self) -> DemoResult:
        """Run every stage; whatever happens, no process is left."""
        with SteadyStack() as stack:
            with self._stage("chain and contracts", 1) as done:
                deployment = EmbeddedDeployment(self._folder / "chain", self._readings.start - CHAIN_START_BEFORE_S)
                stack.enter_context(deployment)
                done()
            return self._with_chain(deployment, stack)

    def _with_chain(self, deployment: EmbeddedDeployment, stack: SteadyStack) -> DemoResult:
        options, contracts, manager = self._options, deployment.contracts, deployment.manager
        watcher = WatcherProcess(self._work / "watcher")
        stack.callback(watcher.stop)
        deployment.fund(watcher.account)

        with self._stage("channels and enclaves", 6) as done:
            metering = ChannelIdentity(manager.address, ChannelKind.SCHEDULED, new_salt())
            statements = ChannelIdentity(manager.address, ChannelKind.OPEN, new_salt())
            imports = ChannelIdentity(manager.address, ChannelKind.OPEN, new_salt())
            cheated = ChannelIdentity(manager.address, ChannelKind.SCHEDULED, new_salt())
            channels = (metering, statements, imports, cheated)
            for channel in channels:
                parameters = PARAMETERS if channel.kind is ChannelKind.SCHEDULED else OPEN_PARAMETERS
                contracts.referee.create_standard_channel(
                    manager.signer, channel.kind, channel.salt, parameters, CHALLENGE_TERMS
                )
            community = self._community(deployment, metering, range(options.households), watcher)
            rows = range(options.households, options.households + CHEATED_HOUSEHOLDS)
            neighbours = self._community(deployment, cheated, rows, watcher)
            done()
            honest = stack.enter_context(OperatorSite(self._work / "honest", "honest operator", deployment))
            description = honest.description
            done()
            registered = honest.register(metering, description.vee_workload)
            honest.register(statements, description.settle_workload)
            honest.register(imports, description.vee_workload)
            self._gas["register"] = registered.gas_used
            done()
            honest.open([community.duty])
            cheater = None
            if options.cheat != "none":
                site = stack.enter_context(OperatorSite(self._work / "cheater", "second operator", deployment))
                done()
                site.register(cheated, site.description.vee_workload)
                done()
                cheater = Cheater(site, neighbours, options.cheat)
                cheater.open()
            settling = Settling(deployment, honest, community, statements)
            settling.open_distribution()
            address_book = self._deployment(deployment, channels, settling)
            (self._folder / "deployment.json").write_bytes(address_book.to_bytes())
            operators = {honest.account.address: honest.url}
            if cheater is not None:
                operators[cheater.site.account.address] = cheater.site.url
            with hold_interrupts():
                watcher.start(deployment.anvil.url, self._folder / "deployment.json", operators)
            done()

        refusal = self._meter(deployment, honest, community, cheater, watcher)
        import_count, imported = self._import(deployment, honest, imports, community, watcher)
        settlement = self._settle(settling, watcher, honest, address_book)
        self._await_punishment_begun(cheater, watcher)
        self._finish_windows(deployment, honest, cheater, watcher)
        paid = self._pay(settling, community)
        issuer = receipt_issuer(honest, deployment, community, settlement)
        files, bill_of_home = self._receipts(issuer, community)
        checks = self._verified(files, deployment.anvil.url)
        slashed = self._slashings(deployment, cheater, watcher)
        bills = household_bills(bill_of_home, paid, checks)
        hours = quarter_hours(community, bill_of_home, self._options.days)
        return self._result(community, hours, honest, bills, slashed, refusal, import_count, imported)

    def _require_clean(self, verdict: dict[str, object]) -> None:
        if verdict["verdict"] != "clean":
            raise RuntimeError(f"the watcher finds an honest batch {verdict['verdict']}: {verdict['findings']}")
        self._judged_clean += 1

    # stages

    def _community(
        self, deployment: EmbeddedDeployment, channel: ChannelIdentity, rows: Sequence[int], watcher: WatcherProcess
    ) -> Community:
        referee, manager = deployment.contracts.referee, deployment.manager
        community = Community.create(
            channel, rows, self._readings, (watcher.reader_public_key,), manager, referee.domain
        )
        referee.set_roster_count(manager.signer, channel.id, len(rows), self._readings.start)
        return community

    def _deployment(
        self, deployment: EmbeddedDeployment, channels: Sequence[ChannelIdentity], settling: Settling
    ) -> Deployment:
        addresses = deployment.addresses
        return Deployment(
            chain_id=deployment.client.chain_id,
            genesis_hash=deployment.client.block(0).hash,
            deployed_at_block=addresses.deployed_at_block,
            referee=addresses.referee,
            challenges=addresses.challenges,
            fraud_proofs=addresses.fraud_proofs,
            registry=addresses.registry,
            verifier=addresses.verifier,
            payouts=addresses.payouts,
            first_light=addresses.first_light,
            token=addresses.token,
            appraisers=tuple(one.address for one in deployment.appraiser_keys),
            threshold=THRESHOLD,
            trust_roots=tuple(root.certificate for root in deployment.trust_roots),
            channels=tuple(channels),
            distributions=(settling.distribution,),
        )

    def _meter(
        self,
        deployment: EmbeddedDeployment,
        honest: OperatorSite,
        community: Community,
        cheater: Cheater | None,
        watcher: WatcherProcess,
    ) -> str | None:
        """The days pass: meters report over HTTP, operators seal and commit, the watcher judges."""
        refusal = None
        cheater_days = {"none": 0, "rollback": 2}.get(self._options.cheat, 1)
        days = max(self._options.days, cheater_days)
        with self._stage("readings, seals, commits", days * (len(community.households) + 3)) as done:
            for day in range(days):
                is_ours = day < self._options.days
                if is_ours:
                    for home in community.households:
                        honest.remote.send_block(community.channel.id, community.device_block(home, day))
                        done()
                if cheater is not None and day < cheater_days:
                    refusal = cheater.commit_day(day, lambda until: _advance_past(deployment, until)) or refusal
                done()
                if is_ours:
                    _advance_past(deployment, self._readings.period(day)[1])
                    honest.operator.step().raise_first()
                done()
                if is_ours:
                    self._require_clean(watcher.await_verdict(community.channel.id, honest.account.address, day + 1))
                done()
        return refusal

    def _import(
        self,
        deployment: EmbeddedDeployment,
        honest: OperatorSite,
        channel: ChannelIdentity,
        community: Community,
        watcher: WatcherProcess,
    ) -> tuple[int, int]:
        """Seal meter files as batches of their own periods: how many batches, how many records."""
        start, end = self._readings.period(0)[0], self._readings.period(self._options.days - 1)[1]
        files = self._options.files or tuple(shipped_sessions(start, end))
        with self._stage("imported meter files", len(files)) as done:
            for file in files:
                job = file.job(channel.id, honest.operator.chain_head(channel.id), community.watcher_reader_keys)
                _advance_past(deployment, deployment.client.now())  # blocks of one second take one commit of a channel
                stored, _ = honest.operator.seal(job)
                self._require_clean(watcher.await_verdict(channel.id, honest.account.address, stored.sequence))
                done()
        return len(files), sum(file.records for file in files)

    def _settle(
        self, settling: Settling, watcher: WatcherProcess, honest: OperatorSite, address_book: Deployment
    ) -> Settlement:
        with self._stage("allocation and bills", 2) as done:
            settlement = settling.settle(self._options.days, address_book)
            done()
            channel = settlement.statement_channel
            self._require_clean(watcher.await_verdict(channel, honest.account.address, settlement.sequence))
            done()
        return settlement

    def _await_punishment_begun(self, cheater: Cheater | None, watcher: WatcherProcess) -> None:
        first = {"withhold": "challenge", "forge": "invalid-evidence", "equivocate": "equivocation"}
        kind = first.get(self._options.cheat)
        if cheater is None or kind is None:
            return
        with self._stage("catching the cheat", 1) as done:
            self._gas[kind] = watcher.await_transaction(kind)["gas"]
            done()

    def _finish_windows(
        self, deployment: EmbeddedDeployment, honest: OperatorSite, cheater: Cheater | None, watcher: WatcherProcess
    ) -> None:
        """The challenge window passes, on the chain's clock."""
        with self._stage("challenge windows", 2) as done:
            _advance_past(deployment, deployment.client.now() + PARAMETERS.challenge_window_s)
            honest.operator.step().raise_first()
            done()
            if cheater is not None and self._options.cheat == "withhold":
                self._gas["expire"] = watcher.await_transaction("expire")["gas"]
            done()

    def _pay(self, settling: Settling, community: Community) -> dict[str, int]:
        with self._stage("payouts", len(community.households)) as done:
            paid = {}
            for home in community.households:
                claimed = settling.claim(home)
                paid[home.name] = claimed.amount
                self._gas["claim"] = max(self._gas.get("claim", 0), claimed.gas_used)
                done()
        return paid

    def _receipts(self, issuer: ReceiptIssuer, community: Community) -> tuple[list[Path], dict[str, Bill]]:
        """Write each household's receipt; the files, and the bills by the households' names."""
        folder = self._folder / "receipts"
        folder.mkdir()
        files, bills = [], {}
        with self._stage("receipts", len(community.households)) as done:
            for home in community.by_name:
                receipt = issuer.issue(home_keys(home))
                files.append(folder / f"{home.name}.json")
                files[-1].write_bytes(receipt.to_bytes())
                bills[home.name] = bill_of(receipt)
                done()
        return files, bills

    def _verified(self, files: Sequence[Path], rpc_url: str) -> dict[str, list[Link]]:
        """What strangers find of each household's receipt, by the household's name."""
        with self._stage("receipts verified", len(files)) as done:
            judged = Strangers(self._folder / "deployment.json", rpc_url).judge(files, done)
        return {file.stem: judged[file.name] for file in files}

    def _slashings(
        self, deployment: EmbeddedDeployment, cheater: Cheater | None, watcher: WatcherProcess
    ) -> list[Slashing]:
        referee = deployment.contracts.referee
        names = {watcher.account.address: "the watcher"}
        slashings = []
        for event in referee.events(deployment.addresses.deployed_at_block, deployment.client.block().number):
            if not isinstance(event, SlashedBatch):
                continue
            if cheater is None or event.operator != cheater.site.account.address:
                raise CheatUnpunished("an honest operator was slashed")
            catcher = names.get(event.catcher, "0x" + event.catcher.hex())
            lost = event.burned_wei + event.reward_wei
            slashings.append(
                Slashing(cheater.site.name, event.operator, self._options.cheat, lost, catcher, event.catcher)
            )
        return slashings

    def _result(
        self,
        community: Community,
        hours: list[QuarterHour],
        honest: OperatorSite,
        bills: list[HouseholdBill],
        slashed: list[Slashing],
        refusal: str | None,
        import_count: int,
        imported: int,
    ) -> DemoResult:
        outcome: Outcome = "slashed" if slashed else "refused" if refusal else "honest"
        expected = {"none": "honest", "rollback": "refused"}.get(self._options.cheat, "slashed")
        if outcome != expected:
            raise CheatUnpunished(f"{self._options.cheat} ended as {outcome}, not as {expected}")
        days = self._options.days
        commit_gas = [
            batch.gas_used or 0 for batch in honest.store.batches(community.channel.id) if batch.sequence <= days
        ]
        self._gas["commit"] = max(commit_gas)
        return DemoResult(
            households=len(community.households),
            days=days,
            readings=len(community.households) * days * 96 + imported,
            batches=days + import_count + 1,
            commit_gas=commit_gas,
            cheat=self._options.cheat,
            outcome=outcome,
            slashed=slashed,
            bills=bills,
            tariff=TARIFF,
            paid_out=sum(bill.paid_out_token for bill in bills),
            receipts_verified=len(bills),  # anything else was refused
            judged_clean=self._judged_clean,
            stages=dict(self._stages),
            refusal=refusal,
            quarter_hours=hours,
            gas=dict(sorted(self._gas.items())),
        )

    @contextmanager
    def _stage(self, name: str, steps: int) -> Iterator[Callable[..., None]]:
        taken = 0

        def done(count: int = 1) -> None:
            nonlocal taken
            taken += count
            self._tell(name, min(taken, steps), steps)

        self._tell(name, 0, steps)
        begun = time.monotonic()
        yield done
        self._stages[name] = time.monotonic() - begun
        self._tell(name, steps, steps)


def write_results(result: DemoResult, folder: Path) -> None:
    """Write what people look at: ``bills.csv`` and ``report.html``."""
    (folder / "bills.csv").write_text(bills_csv(list(result.bills)), encoding="utf-8")
    (folder / "report.html").write_text(report_html(result), encoding="utf-8")


def _advance_past(deployment: EmbeddedDeployment, time_s: int) -> None:
    """Move the chain's clock a little past a time, if it is not there yet."""
    target = time_s + CLOCK_MARGIN_S
    if deployment.client.now() < target:
        deployment.anvil.advance_to(target)
