"""The referee and its two modules with protocol types: commits, finality, challenges, fraud proofs, and their log.

Decided here: how calls about batches map to protocol values, that their proofs are made here, and when a proof that
grew old is made again. Not decided here: the rules (``twin.referee`` is their twin), when to act (``operator``,
``watcher``), what is set up (``referee_core``). Invariants: a header is believed to be the one that was committed only
when its digest is the one in the log; a batch is told to stand only where the word that the chain keeps of its
operator's history says so; time is read before marks, so that nothing is told final that a hold came before.

Source: contracts/src/interfaces/IReferee.sol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattest.chain.abi import UnexpectedContractAnswer
from wattest.chain.challenges import DirectedChallenges
from wattest.chain.errors import Reorganised
from wattest.chain.fraud_proofs import FraudProofs
from wattest.chain.histories import Histories, with_fresh_proofs
from wattest.chain.referee_core import ChannelHead, RefereeCore
from wattest.chain.referee_events import CommittedBatch, RefereeEvent, committed_batch, core_event
from wattest.chain.transactions import Log, Receipt, TransactionRequest
from wattest.crypto.signer import Signer
from wattest.errors import InputError, WattestError
from wattest.messages.channel import ChannelKind
from wattest.messages.header import HEADER_BYTES, BatchHeader, parse_header
from wattest.twin import errors as refusals
from wattest.twin.batch import BatchCitation, BatchMark, BatchReference, BatchState, EntryInclusion, state_at
from wattest.twin.challenge import ChallengeTerms, DirectedChallenge, EvidenceOpening
from wattest.twin.modules import CHALLENGE_POWERS, FRAUD_PROOF_POWERS, ModuleGrant
from wattest.twin.parameters import ChannelParameters
from wattest.twin.signature_words import signature_of_words, signature_words

if TYPE_CHECKING:
    from wattest.chain.client import ChainClient

COMMIT_GAS_LIMIT = 100_000
"""A commit takes less than 75,000 (docs/figures.md), whatever it holds."""
_EVENTS = ("BatchCommitted", "Slashed", "Fined")


@dataclass(frozen=True, slots=True)
class CommittedHeader:
    """What a commit transaction carried: the header and the enclave's 65-byte signature."""

    header: BatchHeader
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedCommit:
    """A header to be committed, with the enclave's 65-byte signature r||s||v, and the intent of its transaction."""

    header: BatchHeader
    signature: bytes
    intent: str | None = None


@dataclass(frozen=True, slots=True)
class ReleasedRun:
    """Consecutive batches, at least one, to be dropped from their operator's exposure."""

    batches: tuple[BatchCitation, ...]
    intent: str | None = None


class Referee(RefereeCore):
    """The referee at one address of one chain, with the modules that come with it."""

    def __init__(
        self,
        client: ChainClient,
        address: bytes,
        challenges: bytes,
        fraud_proofs: bytes,
        *,
        deployed_at_block: int = 0,
    ) -> None:
        super().__init__(client, address)
        self.deployed_at_block = deployed_at_block
        self.challenges = DirectedChallenges(client, challenges)
        self.fraud_proofs = FraudProofs(client, fraud_proofs)
        self.histories = Histories(client, self.abi, address, deployed_at_block)
        self._topics = frozenset(self.abi.event_topic(name) for name in _EVENTS)
        self._parameters: dict[tuple[bytes, int], ChannelParameters] = {}

    @property
    def standard_modules(self) -> tuple[ModuleGrant, ...]:
        """What a channel grants to the modules that come with the referee."""
        return (
            ModuleGrant(self.challenges.address, CHALLENGE_POWERS),
            ModuleGrant(self.fraud_proofs.address, FRAUD_PROOF_POWERS),
        )

    def create_standard_channel(
        self, signer: Signer, kind: ChannelKind, salt: bytes, parameters: ChannelParameters, terms: ChallengeTerms
    ) -> Receipt:
        """Create a channel with the modules that come with the referee."""
        return self.create_channel(signer, kind, salt, parameters, self.standard_modules, standard_terms(terms))

    # what is owed

    def owed(self, account: bytes) -> int:
        """Wei that the account can withdraw, from the referee and from the module of directed challenges."""
        return self.owed_here(account) + self.challenges.owed_here(account)

    def withdraw_owed(self, signer: Signer, to: bytes) -> list[Receipt]:
        """Take what each of them owes the signer; raises ``NothingOwed`` where none does."""
        receipts = []
        if self.challenges.owed_here(signer.address):
            receipts.append(self.challenges.withdraw_owed(signer, to))
        if not receipts or self.owed_here(signer.address):
            receipts.append(self._send(signer, "withdrawOwed", to))
        return receipts

    # batches

    def commit(self, signer: Signer, header: BatchHeader, signature: bytes, *, intent: str | None = None) -> Receipt:
        """Commit a batch; raises what the contract refuses."""
        return self.client.deliver(self.commit_request(signer, header, signature, intent=intent))

    def commit_request(
        self,
        signer: Signer,
        header: BatchHeader,
        signature: bytes,
        *,
        intent: str | None = None,
        gas: int | None = COMMIT_GAS_LIMIT,
    ) -> TransactionRequest:
        """One of ``commit_requests``, or what failed."""
        (request,) = self.commit_requests(signer, [SignedCommit(header, signature, intent)], gas=gas)
        return _made(request)

    def commit_requests(
        self, signer: Signer, commits: Sequence[SignedCommit], *, gas: int | None = None
    ) -> list[TransactionRequest | WattestError]:
        """Commits of many channels as requests for ``ChainClient.send_many``, in flight at once.

        What keeps one of them alone stands in its place. With a stated gas limit nothing is asked of the node before
        they are sent; with ``gas`` None it tries first, and a refusal is free. Commits of *one* channel follow one
        another: each needs the peaks of the history before, with the time of the batch before.
        """
        keys = [(one.header.channel, one.header.operator) for one in commits]
        found = self.histories.follow(keys)
        requests: list[TransactionRequest | WattestError] = []
        for key, one in zip(keys, commits, strict=True):
            known = found[key]
            if isinstance(known, Reorganised):
                requests.append(known)
                continue
            peaks = list(known.history.peaks(min(max(one.header.sequence - 1, 0), known.size)))
            try:
                signature = signature_words(one.signature)
            except refusals.InvalidSignature as error:
                requests.append(error)
                continue
            arguments = (one.header, *signature, peaks)
            requests.append(self._request(signer, "commit", *arguments, intent=one.intent, gas=gas))
        return requests

    def release_request(
        self, signer: Signer, batches: Sequence[BatchCitation], *, intent: str | None = None
    ) -> TransactionRequest:
        """One of ``release_requests``, or what failed."""
        (request,) = self.release_requests(signer, [ReleasedRun(tuple(batches), intent)])
        return _made(request)

    def release_requests(self, signer: Signer, runs: Sequence[ReleasedRun]) -> list[TransactionRequest | WattestError]:
        """Drop final or slashed batches from their operators' exposure; what keeps one alone stands in its place."""
        keys = [(run.batches[0].channel, run.batches[0].operator) for run in runs]
        found = self.histories.follow(keys)
        requests: list[TransactionRequest | WattestError] = []
        for key, run in zip(keys, runs, strict=True):
            known = found[key]
            try:
                if isinstance(known, Reorganised):
                    raise known
                requests.append(self._request(signer, "release", known.run(run.batches), intent=run.intent))
            except Reorganised as error:
                requests.append(error)
        return requests

    def state_of(self, batch: BatchCitation) -> BatchState:
        """Where a batch stands now; NONE where the chain does not hold this record."""
        return self.states_of([batch])[0]

    def states_of(self, batches: Sequence[BatchCitation]) -> list[BatchState]:
        """``state_of`` many batches, in few round trips."""
        if not batches:
            return []
        now = self.client.now()
        found = self.histories.follow_all((batch.channel, batch.operator) for batch in batches)
        stands = [found[batch.channel, batch.operator].has(batch) for batch in batches]
        there = [batch for batch, is_there in zip(batches, stands, strict=True) if is_there]
        marks = iter(self._marks_of(there))
        parameters = self._parameters_of(there)
        return [
            state_at(batch.record, parameters[batch.channel, batch.record.parameters_version], next(marks), now)
            if is_there
            else BatchState.NONE
            for batch, is_there in zip(batches, stands, strict=True)
        ]

    def header_digest(self, header: BatchHeader) -> bytes:
        """The contract's own EIP-712 digest of a header."""
        return self._one("headerDigest", header)  # type: ignore[no-any-return]

    def committed_batch(self, channel: bytes, operator: bytes, sequence: int) -> CommittedBatch | None:
        """The commit of one sequence as the log tells it, None when there is none."""
        topics = [self.abi.event_topic("BatchCommitted"), channel, bytes(12) + operator, sequence.to_bytes(32, "big")]
        head = self.client.block().number
        logs = self.client.logs(self.address, topics, self.deployed_at_block, head)
        decoded = ((log, self.abi.decode_log(log.topics, log.data)) for log in logs)
        found = [committed_batch(event, log) for log, event in decoded if event is not None]
        return found[-1] if found else None

    def committed_header(self, batch: CommittedBatch) -> CommittedHeader:
        """The header and signature that a commit transaction carried, checked against the log's digest.

        Read as the contract reads them, not as strictly as an answer: bytes that the contract does not look at are the
        committing operator's to choose, and must not hide a header.
        """
        data = self.client.transaction_input(batch.place.transaction_hash)
        header, signature = _carried(self.abi.arguments_of("commit", data))
        if header.digest(self.domain) != batch.header_digest:
            raise UnexpectedContractAnswer(
                "the transaction does not carry the header that was committed",
                retryable=False,
                expected=batch.header_digest,
                actual=header.digest(self.domain),
                transaction=batch.place.transaction_hash,
            )
        return CommittedHeader(header, signature)

    # challenges

    def bond_for(self, channel: bytes, operator: bytes, parameters_version: int) -> int:
        """The bond of the next challenge on an operator, wei."""
        return self.challenges.bond_for(channel, operator, parameters_version)

    def challenge(
        self,
        signer: Signer,
        header: BatchHeader,
        batch: BatchCitation,
        entry_index: int,
        bond_wei: int,
        *,
        intent: str | None = None,
    ) -> Receipt:
        """Demand one entry of a batch."""
        return self._proving(
            batch,
            lambda proved: self.challenges.challenge(signer, header, proved, entry_index, bond_wei, intent=intent),
        )

    def answer_request(
        self, signer: Signer, header: BatchHeader, entry: EntryInclusion, *, intent: str | None = None
    ) -> TransactionRequest:
        """Show a demanded entry; for ``ChainClient.deliver`` or ``send_many``."""
        return self.challenges.answer_request(signer, header, entry, intent=intent)

    def expire(self, signer: Signer, batch: BatchCitation, entry_index: int, *, intent: str | None = None) -> Receipt:
        """Slash a batch for a challenge that was not answered in time."""
        return self._proving(batch, lambda proved: self.challenges.expire(signer, proved, entry_index, intent=intent))

    def refund(self, signer: Signer, batch: BatchCitation, entry_index: int, *, intent: str | None = None) -> Receipt:
        """Return the bond of a challenge whose batch was slashed for something else, or became final."""
        return self._proving(batch, lambda proved: self.challenges.refund(signer, proved, entry_index, intent=intent))

    def challenge_of(self, header_digest: bytes, entry_index: int) -> DirectedChallenge:
        """A challenge as stored, by the digest of the batch's header; state NONE when there is none."""
        return self.challenges.challenge_of(header_digest, entry_index)

    # fraud proofs

    def prove_equivocation(
        self,
        signer: Signer,
        first: CommittedHeader,
        second: CommittedHeader,
        batch: BatchCitation | None,
        *,
        intent: str | None = None,
    ) -> Receipt:
        """Show two headers of one key for one sequence; ``batch`` is the committed one, None where there is none."""

        def send(proved: BatchReference | None) -> Receipt:
            shown = ((first.header, first.signature), (second.header, second.signature))
            return self.fraud_proofs.prove_equivocation(signer, *shown, proved, intent=intent)

        return send(None) if batch is None else self._proving(batch, send)

    def prove_invalid_evidence(
        self,
        signer: Signer,
        header: BatchHeader,
        batch: BatchCitation,
        entry: EntryInclusion,
        opening: EvidenceOpening,
        *,
        intent: str | None = None,
    ) -> Receipt:
        """Show that an entry's meter signature does not verify."""
        return self._proving(
            batch,
            lambda proved: self.fraud_proofs.prove_invalid_evidence(
                signer, header, proved, entry, opening, intent=intent
            ),
        )

    def is_convicted(self, channel: bytes, operator: bytes, sequence: int) -> bool:
        """Whether equivocation at this sequence was proved."""
        return self.fraud_proofs.is_convicted(channel, operator, sequence)

    # the log

    def events(self, from_block: int, to_block: int, channel: bytes | None = None) -> list[RefereeEvent]:
        """What happened to batches and for them in a closed range of blocks, in order."""
        topics = [None, channel] if channel is not None else []
        where = [self.address, self.challenges.address]
        return self._events(self.client.logs(where, topics, from_block, to_block))

    def events_of(self, receipt: Receipt) -> list[RefereeEvent]:
        """What one transaction made happen to batches."""
        return self._events(receipt.logs)

    def _events(self, logs: Iterable[Log]) -> list[RefereeEvent]:
        return [event for log in logs if (event := self._event(log)) is not None]

    def _event(self, log: Log) -> RefereeEvent | None:
        if log.address == self.challenges.address:
            return self.challenges.event(log)
        if log.address != self.address or not log.topics or log.topics[0] not in self._topics:
            return None
        decoded = self.abi.decode_log(log.topics, log.data)
        return None if decoded is None else core_event(decoded, log)

    def _proving(self, batch: BatchCitation, send: Callable[[BatchReference], Receipt]) -> Receipt:
        """Send with a proof of this moment."""
        return with_fresh_proofs(lambda: send(self.histories.of(batch.channel, batch.operator).reference(batch)))

    def _marks_of(self, batches: Sequence[BatchCitation]) -> list[BatchMark]:
        calls = [("markOf", (batch.channel, batch.operator, batch.sequence)) for batch in batches]
        answers = self.client.call_many(self.abi, self.address, calls) if calls else []
        return [BatchMark(is_slashed, tuple(held_until)) for ((is_slashed, held_until),) in answers]

    def _parameters_of(self, batches: Iterable[BatchCitation]) -> dict[tuple[bytes, int], ChannelParameters]:
        """The versions of parameters that these batches are judged by; a version never changes."""
        wanted = dict.fromkeys((batch.channel, batch.record.parameters_version) for batch in batches)
        missing = [key for key in wanted if key not in self._parameters]
        if missing:
            answers = self.client.call_many(self.abi, self.address, [("parametersOf", key) for key in missing])
            for key, (values,) in zip(missing, answers, strict=True):
                self._parameters[key] = ChannelParameters(*values)
        return self._parameters


def standard_terms(terms: ChallengeTerms) -> tuple[bytes, ...]:
    """The words of terms for ``Referee.standard_modules``: fraud proofs have none."""
    return terms.word, bytes(32)


def _made(request: TransactionRequest | WattestError) -> TransactionRequest:
    if isinstance(request, WattestError):
        raise request
    return request


def _carried(arguments: bytes) -> tuple[BatchHeader, bytes]:
    """Header and signature out of ``commit``'s arguments: fifteen words, and two of the signature (EIP-2098)."""
    try:
        header = parse_header(arguments[:HEADER_BYTES])
    except InputError as error:
        raise UnexpectedContractAnswer(
            f"the transaction carries no header: {error.message}", retryable=False, function="commit"
        ) from error
    words = arguments[HEADER_BYTES : HEADER_BYTES + 64]
    if len(words) != 64:
        raise UnexpectedContractAnswer(
            "the transaction carries no signature", retryable=False, expected=64, actual=len(words)
        )
    return header, signature_of_words(words[:32], words[32:])


__all__ = [
    "COMMIT_GAS_LIMIT",
    "ChannelHead",
    "CommittedHeader",
    "Referee",
    "ReleasedRun",
    "SignedCommit",
    "standard_terms",
]
