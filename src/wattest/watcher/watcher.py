"""The watcher's loop: follow the chain, fetch what operators serve, check it again, challenge or prove what fails.

Decided here: which finding leads to which transaction, and when. Not decided here: the checks (``check``), the rules of
challenges (the contract). A watcher has its own key and reader key and never sees the operator's disk. All windows use
the chain's time.

What it does: a withheld entry is challenged, and the challenge expired after its deadline if nobody answered; a meter
signature that does not hold is proved; two headers of one enclave key for one sequence are proved, wherever the second
was seen. Anything else that is wrong is in the verdict, for people. Invariants: an action is planned in the same
transaction as the verdict it follows from, and bound to one intent, so that ``kill -9`` anywhere neither loses nor
doubles it; a batch is judged once per header.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wattest.chain.abi import UnexpectedContractAnswer
from wattest.chain.client import Receipt, Reorganised
from wattest.chain.ports import RefereePort, RegistryPort
from wattest.chain.referee import CommittedHeader
from wattest.chain.referee_events import ClosedChallenge, CommittedBatch, FinedOperator, SlashedBatch
from wattest.crypto.hpke import ReaderPrivateKey
from wattest.crypto.secp256k1 import recover_address
from wattest.crypto.signer import Signer
from wattest.errors import InputError, TransportError, VerificationError, WattestError
from wattest.io.crash_points import CrashPoints
from wattest.messages.header import BatchHeader, parse_header
from wattest.messages.member_list import SignedMemberList, parse_signed_member_list, verify_member_list
from wattest.store.car import BlockDigestMismatch
from wattest.store.event_log import EventFollower
from wattest.store.remote_operator import OperatorRemote, OperatorUnreachable
from wattest.twin import errors as refusals
from wattest.twin.batch import BatchState, EntryInclusion, verify_entry_inclusion
from wattest.twin.challenge import ChallengeState
from wattest.watcher.check_batch import Judgement, check_batch
from wattest.watcher.check_entries import ServedBatch
from wattest.watcher.finding import Finding, FindingKind
from wattest.watcher.standing import committed_there, standing_state
from wattest.watcher.watch_lines import entry_detail, entry_of, opening_detail, opening_of, verdict_line
from wattest.watcher.watch_log import Action, WatchLog, commit_of
from wattest.workload.configuration import EngineConfiguration
from wattest.workload.guests import load_guest

PLANNED, OPENED, DONE, MOOT = "planned", "open", "done", "moot"
CHALLENGE, EVIDENCE, EQUIVOCATION = "challenge", "invalid-evidence", "equivocation"
_ENDS = (refusals.BatchAlreadySlashed, refusals.BatchAlreadyFinal, refusals.AlreadyConvicted, refusals.MatterFined)

Key = tuple[bytes, bytes, int]


@dataclass(frozen=True, slots=True)
class WatcherSettings:
    """How a watcher behaves.

    ``max_challenges_per_batch`` bounds the bonds at stake; ``unreachable_grace_s`` is how long after a commit (chain
    time) a server that does not answer at all is waited for before that counts as withholding; ``fetch_budget_s`` how
    long fetching one batch may take (this machine's clock), after which the rest counts as not served: a slow operator
    must not keep a watcher from the others; ``reviewed_batches`` how many of an operator's last headers are fetched
    again at every step, to see a second one.
    """

    max_challenges_per_batch: int = 1
    unreachable_grace_s: int = 3_600
    fetch_budget_s: float = 900.0
    reviewed_batches: int = 4


@dataclass(slots=True)
class WatchReport:
    """What one step found and did, and what it will try again."""

    verdicts: list[dict[str, Any]] = field(default_factory=list)
    sent: list[tuple[str, Receipt]] = field(default_factory=list)
    errors: list[WattestError] = field(default_factory=list)

    def raise_first(self) -> None:
        """Raise the first error, if there is one."""
        if self.errors:
            raise self.errors[0]


class Watcher:
    """One watcher; drive it with ``step``. ``remotes`` maps an operator's address to its server."""

    def __init__(
        self,
        log: WatchLog,
        referee: RefereePort,
        registry: RegistryPort,
        signer: Signer,
        reader: ReaderPrivateKey,
        remotes: Mapping[bytes, OperatorRemote],
        *,
        settings: WatcherSettings | None = None,
        faults: CrashPoints | None = None,
        accept_registration: Callable[[BatchHeader, bytes], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.log = log
        self.referee = referee
        self.registry = registry
        self.signer = signer
        self.settings = settings or WatcherSettings()
        self._reader = reader
        self._remotes = dict(remotes)
        self._faults = faults or CrashPoints()
        self._accept_registration = accept_registration
        self._clock = clock
        self._follower = EventFollower(referee, log.cursors, "referee")
        configuration = EngineConfiguration.for_enclave()
        self._vee = load_guest("vee", configuration)
        self._workloads = frozenset({self._vee.workload, load_guest("settle", configuration).workload})

    def step(self, now: int | None = None) -> WatchReport:
        """Follow, judge and act once; expected failures are in the report and are tried again by the next step."""
        report = WatchReport()
        try:
            time_s = self.referee.client.now() if now is None else now
            self._follow()
        except WattestError as error:
            report.errors.append(error)
            return report
        for row in self.log.commits("seen"):
            self._trying(report, lambda row=row: self._judge(row, time_s, report))  # type: ignore[misc]
        for operator in self._remotes:
            self._trying(report, lambda operator=operator: self._review(operator))  # type: ignore[misc]
        for action in self.log.actions(PLANNED, OPENED):
            self._trying(report, lambda action=action: self._act(action, time_s, report))  # type: ignore[misc]
        return report

    def withdraw(self) -> list[Receipt]:
        """Take what the referee and its modules owe this watcher; nothing is sent when they owe nothing."""
        if self.referee.owed(self.signer.address) == 0:
            return []
        return self.referee.withdraw_owed(self.signer, self.signer.address)

    @staticmethod
    def _trying(report: WatchReport, work: Callable[[], None]) -> None:
        try:
            work()
        except WattestError as error:
            report.errors.append(error)

    # following

    def _follow(self) -> None:
        for event in self._follower.read():
            if event.operator not in self._remotes:
                continue
            if isinstance(event, FinedOperator):
                continue  # of an equivocation it is the end, which ``is_convicted`` tells
            key = (event.channel, event.operator, event.sequence)
            if isinstance(event, CommittedBatch):
                self._note(event)
                self._faults.reach("commit.noted")
            elif isinstance(event, ClosedChallenge):
                self.log.close_challenge(key, event.entry_index, DONE)
            elif isinstance(event, SlashedBatch):
                for action in self.log.actions(PLANNED, OPENED):
                    if (action.channel, action.operator, action.sequence) == key and action.kind != CHALLENGE:
                        self.log.set_action(action.intent, DONE)
        self._follower.keep()

    def _note(self, batch: CommittedBatch) -> None:
        key, at = (batch.channel, batch.operator, batch.sequence), batch.place
        row = (
            *key, batch.header_digest, batch.committed_at, batch.parameters_version, at.block_number, at.block_hash,
            at.transaction_hash, at.log_index, batch.stake_gwei,
        )  # fmt: skip
        try:
            carried = self.referee.committed_header(batch)
        except UnexpectedContractAnswer as error:
            # Not this watcher's to wait for: one operator's odd transaction must not hide every later event.
            shown = self._shown_header(batch)
            if shown is None:
                finding = Finding(FindingKind.WITHHELD, None, "HeaderHidden", error.message)
                self.log.note_commit(row)
                self.log.save_judgement(
                    row, verdict_line(batch, [finding], batch.committed_at, was_granted=False), None, []
                )
                return
            carried = shown
        self._note_header(key, carried)
        self.log.note_commit(row)

    def _shown_header(self, batch: CommittedBatch) -> CommittedHeader | None:
        """The committed header as the operator's server shows it, if it does."""
        try:
            header, signature = self._remotes[batch.operator].fetch_header(batch.channel, batch.sequence)
            if header.digest(self.referee.domain) != batch.header_digest:
                return None
            recover_address(batch.header_digest, signature)
        except (TransportError, InputError, VerificationError):
            return None
        return CommittedHeader(header, signature)

    def _note_header(self, key: Key, carried: CommittedHeader) -> None:
        """Keep a header; two of one registered key for one sequence are an equivocation."""
        digest = carried.header.digest(self.referee.domain)
        self.log.note_header(key, digest, carried.header.to_bytes(), carried.signature)
        signer = recover_address(digest, carried.signature)
        for other_digest, _, signature in self.log.headers(key):
            if other_digest != digest and recover_address(other_digest, signature) == signer:
                pair = sorted((digest, other_digest))
                self.log.add_action(
                    Action(
                        intent=f"{EQUIVOCATION}:{key[0].hex()}:{key[1].hex()}:{key[2]}",
                        kind=EQUIVOCATION,
                        channel=key[0],
                        operator=key[1],
                        sequence=key[2],
                        position=None,
                        detail={"headers": [one.hex() for one in pair]},
                        state=PLANNED,
                        deadline=None,
                    )
                )
                return

    def _review(self, operator: bytes) -> None:
        """Fetch the last headers once more: an operator that shows another one than it committed convicts itself."""
        for state in ("seen", "judged"):
            rows = [row for row in self.log.commits(state) if row[1] == operator]
            for row in rows[-self.settings.reviewed_batches :]:
                try:
                    header, signature = self._remotes[operator].fetch_header(row[0], row[2])
                except (TransportError, InputError):
                    continue  # not showing a header is no crime: the chain has it
                if (header.channel, header.operator, header.sequence) != (row[0], operator, row[2]):
                    continue
                try:
                    signer = recover_address(header.digest(self.referee.domain), signature)
                except (InputError, VerificationError):
                    continue
                if self.registry.was_registered(self.referee.address, row[0], operator, signer):
                    self._note_header((row[0], operator, row[2]), CommittedHeader(header, signature))

    # judging

    def _judge(self, row: tuple[Any, ...], now: int, report: WatchReport) -> None:
        batch = commit_of(row)
        header, signature = self._stored_header(batch)
        served = self._fetch(header, now, batch.committed_at)
        before = self.log.meters(batch.channel, batch.operator, batch.sequence - 1)
        judgement = check_batch(
            header, served, self._reader, self._vee, workloads=self._workloads, meters_before=before
        )
        findings = [*judgement.findings, *self._judge_registration(header, signature)]
        actions = self._plan(batch, header, judgement)
        verdict = {
            **verdict_line(batch, findings, now, judgement.was_granted),
            "opened": len(judgement.opened),
        }
        clean = judgement.meters if judgement.is_clean else None
        if self.log.save_judgement(row, verdict, clean, actions):
            report.verdicts.append(verdict)
        self._faults.reach("batch.judged")

    def _judge_registration(self, header: BatchHeader, signature: bytes) -> list[Finding]:
        try:
            signer = recover_address(header.digest(self.referee.domain), signature)
            if not self.registry.was_registered(self.referee.address, header.channel, header.operator, signer):
                raise RegistrationMissing("the header's signer was never registered for its channel", signer=signer)
            binding = self.referee.address, header.channel, header.operator
            verdicts = self.registry.registered_verdicts(binding, signer)
            if all(one.verdict.workload != header.workload for one in verdicts):
                raise RegistrationMissing("the signer is registered for another workload", signer=signer)
            if self._accept_registration is not None:
                self._accept_registration(header, signer)
        except UnexpectedContractAnswer as error:
            # Whoever registers in an odd transaction must not keep its batches from being judged and challenged.
            return [Finding(FindingKind.INCONSISTENT, None, "RegistrationUnreadable", error.message)]
        except (InputError, VerificationError) as error:
            return [Finding(FindingKind.INCONSISTENT, None, error.code, error.message)]
        return []

    def _fetch(self, header: BatchHeader, now: int, committed_at: int) -> ServedBatch:
        remote, place = self._remotes[header.operator], (header.channel, header.sequence)
        waits = now < committed_at + self.settings.unreachable_grace_s
        give_up_at = self._clock() + self.settings.fetch_budget_s

        def optional(fetch: Callable[[], Any]) -> Any:
            nonlocal give_up_at
            if self._clock() >= give_up_at:
                return None
            try:
                return fetch()
            except OperatorUnreachable:
                if waits:
                    raise
                give_up_at = 0.0  # it was silent, with every try: the rest of the batch is not asked for
                return None
            except (TransportError, InputError, BlockDigestMismatch):
                return None

        blocks: dict[int, bytes] = {}
        bundle = optional(lambda: remote.fetch_bundle(*place))
        manifest = bundle.manifest if bundle is not None else optional(lambda: remote.fetch_manifest(*place))
        if bundle is not None:
            blocks = dict(enumerate(bundle.blocks))
        elif manifest is not None:
            for position in range(header.entry_count):
                block = optional(lambda position=position: remote.fetch_block(*place, position))  # type: ignore[misc]
                if block is not None:
                    blocks[position] = block
        keys = optional(lambda: remote.fetch_wrapped_keys(*place, self._reader.public_key, header.entry_count))
        return ServedBatch(
            manifest=manifest,
            blocks=blocks,
            entries=optional(lambda: remote.fetch_entries(*place)),
            wrapped_keys=keys or {},
            roster=optional(lambda: remote.fetch_roster(*place)) if any(header.roster) else None,
            members=self._newest_members(header, optional(lambda: self._members(remote, header)))
            if any(header.roster)
            else None,
        )

    def _members(self, remote: OperatorRemote, header: BatchHeader) -> SignedMemberList | None:
        signed = parse_signed_member_list(remote.fetch_document(header.channel, "members"))
        try:
            verify_member_list(signed, self.referee.domain)
        except VerificationError:
            return None
        return signed if signed.member_list.channel == header.channel else None

    def _newest_members(self, header: BatchHeader, shown: SignedMemberList | None) -> SignedMemberList | None:
        """The newest list of the manager for the header's period that was ever seen here.

        An operator that shows an older one, or none, must not make a watcher forget that it was granted keys.
        """
        if shown is not None:
            self.log.note_members(header.channel, shown.member_list.valid_from, shown.to_bytes())
        known = self.log.members(header.channel, header.period_start)
        if known is None:
            return shown
        kept = parse_signed_member_list(known)
        if shown is not None and kept.member_list.valid_from <= shown.member_list.valid_from <= header.period_start:
            return shown
        return kept

    def _plan(self, batch: CommittedBatch, header: BatchHeader, judgement: Judgement) -> list[Action]:
        actions: list[Action] = []
        challenged = 0
        for finding in judgement.findings:
            position = finding.position
            if position is None:
                continue
            detail: dict[str, Any] = {}
            if finding.kind is FindingKind.WITHHELD:
                if challenged == self.settings.max_challenges_per_batch:
                    continue
                challenged += 1
                kind = CHALLENGE
            elif finding.kind is FindingKind.INVALID_EVIDENCE and finding.opening is not None:
                inclusion = judgement.inclusion(header, position) or self._fetched_inclusion(header, position)
                if inclusion is None:
                    kind = CHALLENGE  # the proof needs the path; being asked for it on chain, the operator must show it
                else:
                    kind = EVIDENCE
                    detail = {"entry": entry_detail(inclusion), "opening": opening_detail(finding.opening)}
            else:
                continue
            actions.append(
                Action(
                    intent=f"{kind}:{batch.channel.hex()}:{batch.operator.hex()}:{batch.sequence}:{position}",
                    kind=kind,
                    channel=batch.channel,
                    operator=batch.operator,
                    sequence=batch.sequence,
                    position=position,
                    detail=detail,
                    state=PLANNED,
                    deadline=None,
                )
            )
        return actions

    def _fetched_inclusion(self, header: BatchHeader, position: int) -> EntryInclusion | None:
        try:
            entry = self._remotes[header.operator].fetch_entry(header.channel, header.sequence, position)
            verify_entry_inclusion(header.root, header.entry_count, entry)
        except (TransportError, InputError, VerificationError):
            return None
        return entry

    # acting

    def _act(self, action: Action, now: int, report: WatchReport) -> None:
        try:
            match action.kind, action.state:
                case (kind, state) if kind == CHALLENGE and state == PLANNED:
                    self._challenge(action, report)
                case (kind, _) if kind == CHALLENGE:
                    self._expire(action, now, report)
                case (kind, _) if kind == EVIDENCE:
                    self._prove_evidence(action, report)
                case _:
                    self._prove_equivocation(action, report)
        except (*_ENDS, refusals.ChallengeWindowClosed):
            self.log.set_action(action.intent, MOOT)

    def _challenge(self, action: Action, report: WatchReport) -> None:
        batch, position = self._commit_for(action), action.position or 0
        stands = self.referee.challenge_of(batch.header_digest, position)
        if stands.state is ChallengeState.NONE:
            if standing_state(self.referee, batch) is not BatchState.COMMITTED:
                self.log.set_action(action.intent, MOOT)
                return
            bond = self.referee.bond_for(batch.channel, batch.operator, batch.parameters_version)
            header, _ = self._stored_header(batch)
            receipt = self.referee.challenge(self.signer, header, batch.citation, position, bond, intent=action.intent)
            self._faults.reach("action.mined")
            report.sent.append((CHALLENGE, receipt))
            stands = self.referee.challenge_of(batch.header_digest, position)
        # Somebody else's challenge serves as well: it is followed to its end all the same.
        state = OPENED if stands.state is ChallengeState.OPEN else DONE
        self.log.set_action(action.intent, state, stands.deadline)
        self._faults.reach("action.noted")

    def _expire(self, action: Action, now: int, report: WatchReport) -> None:
        if action.deadline is None or now < action.deadline:
            return
        batch, position = self._commit_for(action), action.position or 0
        stands = self.referee.challenge_of(batch.header_digest, position)
        if stands.state is ChallengeState.NONE:  # a reorganisation took it away: challenge again
            self.log.set_action(action.intent, PLANNED)
            return
        if stands.state is ChallengeState.OPEN:
            # While the batch is held, which is a while after every deadline, it can be slashed; nobody did where it is
            # final, and then the bond is all that is left to get.
            if standing_state(self.referee, batch) is BatchState.COMMITTED:
                receipt = self.referee.expire(self.signer, batch.citation, position, intent=f"expire:{action.intent}")
                report.sent.append(("expire", receipt))
            else:
                receipt = self.referee.refund(self.signer, batch.citation, position, intent=f"refund:{action.intent}")
                report.sent.append(("refund", receipt))
            self._faults.reach("action.mined")
        self.log.set_action(action.intent, DONE)
        self._faults.reach("action.noted")

    def _prove_evidence(self, action: Action, report: WatchReport) -> None:
        batch = self._commit_for(action)
        header, _ = self._stored_header(batch)
        receipt = self.referee.prove_invalid_evidence(
            self.signer,
            header,
            batch.citation,
            entry_of(action.detail["entry"]),
            opening_of(action.detail["opening"]),
            intent=action.intent,
        )
        self._finish(EVIDENCE, action, receipt, report)

    def _prove_equivocation(self, action: Action, report: WatchReport) -> None:
        key = (action.channel, action.operator, action.sequence)
        if self.referee.is_convicted(*key):
            self.log.set_action(action.intent, MOOT)
            return
        wanted = [bytes.fromhex(one) for one in action.detail["headers"]]
        carried = {row[0]: CommittedHeader(parse_header(row[1]), row[2]) for row in self.log.headers(key)}
        receipt = self.referee.prove_equivocation(
            self.signer,
            carried[wanted[0]],
            carried[wanted[1]],
            committed_there(self.referee, key),
            intent=action.intent,
        )
        self._finish(EQUIVOCATION, action, receipt, report)

    def _finish(self, kind: str, action: Action, receipt: Receipt, report: WatchReport) -> None:
        self._faults.reach("action.mined")
        report.sent.append((kind, receipt))
        self.log.set_action(action.intent, DONE)
        self._faults.reach("action.noted")

    def _commit_for(self, action: Action) -> CommittedBatch:
        row = self.log.commit(action.channel, action.operator, action.sequence)
        if row is None:
            raise Reorganised("the batch is no longer known", retryable=True, sequence=action.sequence)
        return commit_of(row)

    def _stored_header(self, batch: CommittedBatch) -> tuple[BatchHeader, bytes]:
        for digest, header, signature in self.log.headers((batch.channel, batch.operator, batch.sequence)):
            if digest == batch.header_digest:
                return parse_header(header), signature
        raise Reorganised("the header is no longer known", retryable=True, sequence=batch.sequence)


class RegistrationMissing(VerificationError):
    """A header whose signer the registry does not know for its channel, operator and workload."""


__all__ = ["RegistrationMissing", "WatchReport", "Watcher", "WatcherSettings"]
