"""The Referee contract with protocol types: channels, deposits, commits, challenges, fraud proofs, and its log.

Decided here: how each function and event maps to protocol values. Not decided here: the rules (``twin.referee`` is
their twin), when to act (``operator``). Invariant: a header is believed to be the one that was committed only when its
digest is the one in the log.

Source: contracts/src/interfaces/IReferee.sol.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from wattest.chain.abi import UnexpectedContractAnswer, load_abi
from wattest.chain.client import ChainClient, Log, Receipt, Reorganised, TransactionRequest
from wattest.crypto.signer import Signer
from wattest.errors import InputError
from wattest.messages.channel import ChannelKind
from wattest.messages.eip712 import Domain
from wattest.messages.header import HEADER_BYTES, BatchHeader, parse_header
from wattest.twin.batch import BatchRecord, BatchState, EntryInclusion
from wattest.twin.challenge import ChallengeState, DirectedChallenge, EvidenceOpening, SlashCause
from wattest.twin.operator import OperatorExtra, OperatorHead, OperatorState
from wattest.twin.parameters import ChannelParameters

SIGNATURE_BYTES = 65
COMMIT_GAS_LIMIT = 100_000
"""A commit takes less than 75,000 (docs/figures.md), whatever it holds."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where on the chain something happened: block number and hash, transaction hash, index of the log."""

    block_number: int
    block_hash: bytes
    transaction_hash: bytes
    log_index: int


@dataclass(frozen=True, slots=True)
class CommittedBatch:
    """A ``BatchCommitted`` log."""

    channel: bytes
    operator: bytes
    sequence: int
    header_digest: bytes
    committed_at: int
    parameters_version: int
    place: Place

    @property
    def record(self) -> BatchRecord:
        """The record whose hash the contract stored at the commit."""
        return BatchRecord(self.header_digest, self.committed_at, self.parameters_version, BatchState.COMMITTED)


@dataclass(frozen=True, slots=True)
class OpenedChallenge:
    """A ``ChallengeOpened`` log; ``deadline`` in unix seconds, ``bond_wei`` what the challenger paid."""

    channel: bytes
    operator: bytes
    sequence: int
    entry_index: int
    challenger: bytes
    ordinal: int
    deadline: int
    bond_wei: int
    place: Place


@dataclass(frozen=True, slots=True)
class ClosedChallenge:
    """A challenge's end: answered, expired or refunded; ``account`` is who answered or challenged."""

    channel: bytes
    operator: bytes
    sequence: int
    entry_index: int
    state: ChallengeState
    account: bytes
    place: Place


@dataclass(frozen=True, slots=True)
class SlashedBatch:
    """A ``Slashed`` log: what was burned and what the catcher is owed, wei."""

    channel: bytes
    operator: bytes
    sequence: int
    cause: SlashCause
    catcher: bytes
    burned_wei: int
    reward_wei: int
    place: Place


RefereeEvent = CommittedBatch | OpenedChallenge | ClosedChallenge | SlashedBatch


@dataclass(frozen=True, slots=True)
class CommittedHeader:
    """What a commit transaction carried: the header and the enclave's 65-byte signature."""

    header: BatchHeader
    signature: bytes


@dataclass(frozen=True, slots=True)
class ChannelHead:
    """The channel's slot: kind, version of the parameters in force (zero: no such channel), roster counts, exposure."""

    kind: ChannelKind
    parameters_version: int
    roster_count: int
    next_roster_count: int
    next_roster_from: int
    epoch_s: int
    commit_deadline_s: int
    exposure_wei: int

    def roster_count_at(self, period_start: int) -> int:
        """Entries due in a batch for the period that starts then; zero in an open channel."""
        if self.next_roster_from and period_start >= self.next_roster_from:
            return self.next_roster_count
        return self.roster_count


class Referee:
    """The referee at one address of one chain."""

    def __init__(self, client: ChainClient, address: bytes, *, deployed_at_block: int = 0) -> None:
        self.client = client
        self.address = address
        self.deployed_at_block = deployed_at_block
        self.abi = load_abi("Referee")

    @cached_property
    def domain(self) -> Domain:
        """The EIP-712 domain that headers are signed for."""
        return Domain(self.client.chain_id, self.address)

    # channels

    def create_channel(self, signer: Signer, kind: ChannelKind, salt: bytes, parameters: ChannelParameters) -> Receipt:
        """Create the channel whose manager is the signer; its id is ``messages.channel.channel_id``."""
        return self._send(signer, "createChannel", kind, salt, parameters)

    def queue_parameters(self, signer: Signer, channel: bytes, parameters: ChannelParameters) -> Receipt:
        """Queue new parameters behind the timelock."""
        return self._send(signer, "queueParameters", channel, parameters)

    def apply_parameters(self, signer: Signer, channel: bytes) -> Receipt:
        """Make queued parameters current once the timelock is over."""
        return self._send(signer, "applyParameters", channel)

    def set_roster_count(self, signer: Signer, channel: bytes, count: int, from_period_start: int) -> Receipt:
        """Set how many entries batches have from a period on."""
        return self._send(signer, "setRosterCount", channel, count, from_period_start)

    def manager_of(self, channel: bytes) -> bytes:
        """The manager's address, zero when there is no such channel."""
        return self._one("managerOf", channel)  # type: ignore[no-any-return]

    def channel_head(self, channel: bytes) -> ChannelHead:
        """The channel's current values."""
        return _channel_head(self._one("channelHead", channel))

    def parameters_of(self, channel: bytes, version: int) -> ChannelParameters:
        """One version of a channel's parameters, from 1."""
        return ChannelParameters(*self._one("parametersOf", channel, version))

    def roster_count_at(self, channel: bytes, period_start: int) -> int:
        """Entries due in a batch for the period that starts then; zero in an open channel."""
        return int(self._one("rosterCountAt", channel, period_start))

    # operators

    def deposit(self, signer: Signer, channel: bytes, amount_wei: int) -> Receipt:
        """Add to the signer's deposit."""
        return self._send(signer, "deposit", channel, value_wei=amount_wei)

    def request_exit(self, signer: Signer, channel: bytes) -> Receipt:
        """End committing; the deposit stays slashable until it is withdrawn."""
        return self._send(signer, "requestExit", channel)

    def withdraw(self, signer: Signer, channel: bytes, to: bytes) -> Receipt:
        """Take the deposit back after the exit delay."""
        return self._send(signer, "withdraw", channel, to)

    def withdraw_owed(self, signer: Signer, to: bytes) -> Receipt:
        """Take what the contract owes the signer."""
        return self._send(signer, "withdrawOwed", to)

    def operator_head(self, channel: bytes, operator: bytes) -> OperatorHead:
        """State, last sequence, exposure and deposit of an operator."""
        return _operator_head(self._one("operatorHead", channel, operator))

    def heads_of(self, channels: Sequence[bytes], operator: bytes) -> dict[bytes, tuple[ChannelHead, OperatorHead]]:
        """``channel_head`` and ``operator_head`` of many channels, in one round trip for each fifty."""
        calls = [(one, of) for at in channels for one, of in (("channelHead", (at,)), ("operatorHead", (at, operator)))]
        answers = [value for (value,) in self.client.call_many(self.abi, self.address, calls)]
        heads = zip(map(_channel_head, answers[::2]), map(_operator_head, answers[1::2]), strict=True)
        return dict(zip(channels, heads, strict=True))

    def record_digests(self, batches: Sequence[tuple[bytes, int]], operator: bytes) -> list[bytes]:
        """``record_digest`` of many batches, given as (channel, sequence), in one round trip for each hundred."""
        calls = [("recordDigestOf", (channel, operator, sequence)) for channel, sequence in batches]
        return [value for (value,) in self.client.call_many(self.abi, self.address, calls)]

    def operator_extra(self, channel: bytes, operator: bytes) -> OperatorExtra:
        """Earliest withdrawal and number of open challenges."""
        return OperatorExtra(*self._one("operatorExtra", channel, operator))

    def owed(self, account: bytes) -> int:
        """Wei that the account can withdraw."""
        return int(self._one("owed", account))

    def burned(self) -> int:
        """Sum of all burns, wei."""
        return int(self._one("burned"))

    # batches

    def commit(
        self,
        signer: Signer,
        header: BatchHeader,
        signature: bytes,
        previous: BatchRecord,
        *,
        intent: str | None = None,
    ) -> Receipt:
        """Commit a batch; ``previous`` is the record of the operator's batch before, ``EMPTY_RECORD`` at sequence 1."""
        return self._send(signer, "commit", header, signature, previous, intent=intent)

    def commit_request(
        self,
        signer: Signer,
        header: BatchHeader,
        signature: bytes,
        previous: BatchRecord,
        *,
        intent: str | None = None,
        gas: int | None = COMMIT_GAS_LIMIT,
    ) -> TransactionRequest:
        """The same as a request for ``ChainClient.send_many``: commits of many channels in flight at once.

        With a stated gas limit nothing is asked of the node before; with ``gas`` None it tries first, and a refusal is
        free. Commits of *one* channel follow one another: each needs the record of the one before, with its time.
        """
        return self._request(signer, "commit", header, signature, previous, intent=intent, gas=gas)

    def release_request(
        self,
        signer: Signer,
        channel: bytes,
        operator: bytes,
        records: Sequence[BatchRecord],
        *,
        intent: str | None = None,
    ) -> TransactionRequest:
        """Drop final or slashed batches from the operator's exposure; for ``ChainClient.deliver`` or ``send_many``."""
        return self._request(signer, "release", channel, operator, list(records), intent=intent)

    def is_final(self, channel: bytes, operator: bytes, sequence: int, record: BatchRecord) -> bool:
        """Whether the batch is final now; raises ``UnknownBatch`` when the record is not the batch's."""
        return bool(self._one("isFinal", channel, operator, sequence, record))

    def record_digest(self, channel: bytes, operator: bytes, sequence: int) -> bytes:
        """The batch's storage slot, zero when there is none."""
        return self._one("recordDigestOf", channel, operator, sequence)  # type: ignore[no-any-return]

    def header_digest(self, header: BatchHeader) -> bytes:
        """The contract's own EIP-712 digest of a header."""
        return self._one("headerDigest", header)  # type: ignore[no-any-return]

    def committed_batch(self, channel: bytes, operator: bytes, sequence: int) -> CommittedBatch | None:
        """The commit of one sequence as the log tells it, None when there is none."""
        topics = [self.abi.event_topic("BatchCommitted"), channel, bytes(12) + operator, sequence.to_bytes(32, "big")]
        head = self.client.block().number
        logs = self.client.logs(self.address, topics, self.deployed_at_block, head)
        found = [event for log in logs if isinstance(event := self._event(log), CommittedBatch)]
        return found[-1] if found else None

    def current_record(self, batch: CommittedBatch) -> BatchRecord:
        """The batch's record as it stands now: as committed, or slashed; raises ``Reorganised`` when it is neither."""
        stored = self.record_digest(batch.channel, batch.operator, batch.sequence)
        for record in (batch.record, batch.record.slashed()):
            if record.digest == stored:
                return record
        raise Reorganised(
            "the chain no longer holds this batch", retryable=True, channel=batch.channel, sequence=batch.sequence
        )

    def committed_header(self, batch: CommittedBatch) -> CommittedHeader:
        """The header and signature that a commit transaction carried, checked against the log's digest.

        Read as the contract reads them, not as strictly as an answer: bytes that the contract does not look at, such as
        the signature's padding, are the committing operator's to choose, and must not hide a header.
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
        return int(self._one("bondFor", channel, operator, parameters_version))

    def challenge(
        self,
        signer: Signer,
        header: BatchHeader,
        record: BatchRecord,
        entry_index: int,
        bond_wei: int,
        *,
        intent: str | None = None,
    ) -> Receipt:
        """Demand one entry of a batch."""
        return self._send(signer, "challenge", header, record, entry_index, value_wei=bond_wei, intent=intent)

    def answer_request(
        self,
        signer: Signer,
        header: BatchHeader,
        record: BatchRecord,
        entry: EntryInclusion,
        *,
        intent: str | None = None,
    ) -> TransactionRequest:
        """Show a demanded entry; for ``ChainClient.deliver`` or ``send_many``."""
        return self._request(signer, "answer", header, record, entry, intent=intent)

    def expire(self, signer: Signer, batch: CommittedBatch, entry_index: int, *, intent: str | None = None) -> Receipt:
        """Slash a batch for a challenge that was not answered in time."""
        return self._send(
            signer, "expire", batch.channel, batch.operator, batch.sequence, batch.record, entry_index, intent=intent
        )

    def refund(self, signer: Signer, batch: CommittedBatch, entry_index: int, *, intent: str | None = None) -> Receipt:
        """Return the bond of a challenge whose batch was slashed for something else."""
        record = batch.record.slashed()
        return self._send(
            signer, "refund", batch.channel, batch.operator, batch.sequence, record, entry_index, intent=intent
        )

    def challenge_of(self, channel: bytes, operator: bytes, sequence: int, entry_index: int) -> DirectedChallenge:
        """A challenge as stored; state NONE when there is none."""
        challenger, deadline, ordinal, state = self._one("challengeOf", channel, operator, sequence, entry_index)
        return DirectedChallenge(challenger, deadline, ordinal, ChallengeState(state))

    def open_challenges_of(self, channel: bytes, operator: bytes, sequence: int) -> int:
        """Challenges open now on one batch."""
        return int(self._one("openChallengesOf", channel, operator, sequence))

    # fraud proofs

    def prove_equivocation(
        self,
        signer: Signer,
        first: CommittedHeader,
        second: CommittedHeader,
        record: BatchRecord,
        *,
        intent: str | None = None,
    ) -> Receipt:
        """Show two headers of one key for one sequence; ``record`` is that of the committed one, or empty."""
        shown = (first.header, first.signature, second.header, second.signature)
        return self._send(signer, "proveEquivocation", *shown, record, intent=intent)

    def prove_invalid_evidence(
        self,
        signer: Signer,
        header: BatchHeader,
        record: BatchRecord,
        entry: EntryInclusion,
        opening: EvidenceOpening,
        *,
        intent: str | None = None,
    ) -> Receipt:
        """Show that an entry's meter signature does not verify."""
        words = (
            opening.message_digest,
            opening.signature[:32],
            opening.signature[32:],
            opening.public_key[:32],
            opening.public_key[32:],
        )
        return self._send(signer, "proveInvalidEvidence", header, record, entry, words, intent=intent)

    def is_convicted(self, channel: bytes, operator: bytes, sequence: int) -> bool:
        """Whether equivocation at this sequence was proved."""
        return bool(self._one("isConvicted", channel, operator, sequence))

    # the log

    def events(self, from_block: int, to_block: int, channel: bytes | None = None) -> list[RefereeEvent]:
        """What happened to batches in a closed range of blocks, in order."""
        logs = self.client.logs(self.address, [None, channel] if channel is not None else [], from_block, to_block)
        return [event for log in logs if (event := self._event(log)) is not None]

    def events_of(self, receipt: Receipt) -> list[RefereeEvent]:
        """What one transaction made happen to batches."""
        own = (log for log in receipt.logs if log.address == self.address)
        return [event for log in own if (event := self._event(log)) is not None]

    def _event(self, log: Log) -> RefereeEvent | None:
        event = self.abi.decode_log(log.topics, log.data)
        if event is None or "sequence" not in event.arguments:
            return None
        at = Place(log.block_number, log.block_hash, log.transaction_hash, log.log_index)
        value = event.arguments
        batch = (value["channel"], value["operator"], value["sequence"])
        match event.name:
            case "BatchCommitted":
                committed_at, version = divmod(value["stamp"], 1 << 16)
                return CommittedBatch(*batch, value["headerDigest"], committed_at, version, at)
            case "ChallengeOpened":
                return OpenedChallenge(
                    *batch,
                    value["entryIndex"],
                    value["challenger"],
                    value["ordinal"],
                    value["deadline"],
                    value["bondWei"],
                    at,
                )
            case "ChallengeAnswered":
                return ClosedChallenge(*batch, value["entryIndex"], ChallengeState.ANSWERED, value["answerer"], at)
            case "ChallengeExpired":
                return ClosedChallenge(*batch, value["entryIndex"], ChallengeState.EXPIRED, value["challenger"], at)
            case "ChallengeRefunded":
                return ClosedChallenge(*batch, value["entryIndex"], ChallengeState.REFUNDED, value["challenger"], at)
            case "Slashed":
                return SlashedBatch(
                    *batch, SlashCause(value["cause"]), value["catcher"], value["burnedWei"], value["rewardWei"], at
                )
        return None

    def _one(self, function: str, *arguments: object) -> Any:
        return self.client.call(self.abi, self.address, function, *arguments)[0]

    def _send(self, signer: Signer, function: str, *arguments: object, **options: Any) -> Receipt:
        return self.client.deliver(self._request(signer, function, *arguments, **options))

    def _request(
        self,
        signer: Signer,
        function: str,
        *arguments: object,
        value_wei: int = 0,
        intent: str | None = None,
        gas: int | None = None,
    ) -> TransactionRequest:
        return self.client.request(
            signer, self.abi, self.address, function, *arguments, value_wei=value_wei, intent=intent, gas=gas
        )


def _channel_head(values: Sequence[Any]) -> ChannelHead:
    return ChannelHead(ChannelKind(values[0]), *values[1:])


def _operator_head(values: Sequence[Any]) -> OperatorHead:
    return OperatorHead(OperatorState(values[0]), *values[1:])


def _carried(arguments: bytes) -> tuple[BatchHeader, bytes]:
    """Header and signature out of ``commit``'s arguments: fifteen words, and one that says where the signature is."""
    try:
        header = parse_header(arguments[:HEADER_BYTES])
    except InputError as error:
        raise UnexpectedContractAnswer(
            f"the transaction carries no header: {error.message}", retryable=False, function="commit"
        ) from error
    at = int.from_bytes(arguments[HEADER_BYTES : HEADER_BYTES + 32], "big")
    length = int.from_bytes(arguments[at : at + 32], "big")
    signature = arguments[at + 32 : at + 32 + SIGNATURE_BYTES]
    if length != SIGNATURE_BYTES or len(signature) != SIGNATURE_BYTES:
        raise UnexpectedContractAnswer(
            "the transaction carries no signature", retryable=False, expected=SIGNATURE_BYTES, actual=len(signature)
        )
    return header, signature
