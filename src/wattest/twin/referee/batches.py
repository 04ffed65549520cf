"""Committing batches, dropping final ones from the exposure, and finality.

Twin of ``contracts/src/referee/BatchBook.sol``; the checks stand in the contract's order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wattest.crypto.secp256k1 import recover_address
from wattest.errors import WattestError
from wattest.messages.channel import ChannelKind
from wattest.messages.fields import ZERO_WORD
from wattest.messages.header import MAX_ENTRIES, BatchHeader
from wattest.twin.batch import BatchRecord, BatchState, is_final
from wattest.twin.errors import (
    BatchNotFinal,
    CommitDeadlinePassed,
    EnclaveKeyNotActive,
    EntryCountOutOfRange,
    InsufficientDeposit,
    InvalidSignature,
    NotOperator,
    OpenChannelFieldSet,
    PeriodAlreadyCommitted,
    PeriodInvalid,
    PeriodNotOver,
    PreviousMismatch,
    ReservedFieldSet,
    RosterCountMismatch,
    ScheduledChannelFieldMissing,
    SequenceMismatch,
    UnknownBatch,
)
from wattest.twin.operator import OperatorEvent
from wattest.twin.referee.channels import require_channel, roster_count_at
from wattest.twin.referee.ledger import step
from wattest.twin.referee.state import BatchKey, Call, ChannelRecord, RefereeState, put, require_record
from wattest.twin.registry import RegistryState, active_key

_MAX_EXPOSURE_WEI = 2**88 - 1


def apply_commit(
    state: RefereeState,
    call: Call,
    registry: RegistryState,
    header: BatchHeader,
    signature: bytes,
    previous: BatchRecord,
) -> RefereeState:
    """Commit a batch; ``previous`` is the record of the one before, all zero at sequence 1.

    The new record is ``committed_record(state, call, header)`` of the state before.

    Raises: every error of the contract's ``commit``.
    """
    if header.operator != call.caller:
        raise NotOperator(header.operator, call.caller)
    channel = require_channel(state, header.channel)
    _require_header_rules(header, channel, previous.committed_at, call.now)

    head = state.head_of(header.channel, call.caller)
    after = step(head.state, OperatorEvent.COMMIT)
    sequence = head.sequence + 1
    if header.sequence != sequence:
        raise SequenceMismatch(sequence, header.sequence)
    if header.previous != previous.header_digest:
        raise PreviousMismatch(previous.header_digest, header.previous)
    if sequence > 1:
        require_record(state, header.channel, call.caller, sequence - 1, previous)
    elif previous.header_digest != ZERO_WORD or previous.committed_at != 0:
        raise UnknownBatch(header.channel, call.caller, 0)

    exposure = head.open_exposure_wei + channel.parameters.exposure_wei
    if head.deposit_wei < exposure or exposure > _MAX_EXPOSURE_WEI:
        raise InsufficientDeposit(exposure, head.deposit_wei)

    record = committed_record(state, call, header)
    signer = recover_signer(record.header_digest, signature)
    key, expires_at = active_key(registry, state.referee, header.channel, call.caller, header.workload)
    if key != signer or call.now >= expires_at:
        raise EnclaveKeyNotActive(signer, header.workload)

    changed = replace(head, state=after, sequence=sequence, open_exposure_wei=exposure)
    return replace(
        state,
        heads=put(state.heads, (header.channel, call.caller), changed),
        batches=put(state.batches, (header.channel, call.caller, sequence), record.digest),
    )


def committed_record(state: RefereeState, call: Call, header: BatchHeader) -> BatchRecord:
    """The record that a commit of ``header`` at ``call.now`` writes.

    Raises: UnknownChannel.
    """
    version = require_channel(state, header.channel).version
    return BatchRecord(header.digest(state.domain), call.now, version, BatchState.COMMITTED)


def apply_release(
    state: RefereeState, call: Call, channel: bytes, operator: bytes, records: Sequence[BatchRecord]
) -> RefereeState:
    """Drop consecutive batches from the exposure, from ``first_unreleased`` on.

    Raises: UnknownBatch, BatchNotFinal.
    """
    head = state.head_of(channel, operator)
    for record in records:
        require_record(state, channel, operator, head.first_unreleased, record)
        freed = 0
        if record.state is BatchState.COMMITTED:
            if not _is_final(state, (channel, operator, head.first_unreleased), record, call.now):
                raise BatchNotFinal(head.first_unreleased)
            freed = state.channels[channel].parameters_of(record.parameters_version).exposure_wei
        head = replace(
            head, first_unreleased=head.first_unreleased + 1, open_exposure_wei=head.open_exposure_wei - freed
        )
    return replace(state, heads=put(state.heads, (channel, operator), head))


def batch_is_final(
    state: RefereeState, channel: bytes, operator: bytes, sequence: int, record: BatchRecord, now: int
) -> bool:
    """Whether the batch is final at ``now``.

    Raises: UnknownBatch when ``record`` is not the batch's.
    """
    require_record(state, channel, operator, sequence, record)
    return _is_final(state, (channel, operator, sequence), record, now)


def recover_signer(digest: bytes, signature: bytes) -> bytes:
    """The address that signed, as the contract recovers it.

    Raises: InvalidSignature.
    """
    try:
        return recover_address(digest, signature)
    except WattestError as error:
        raise InvalidSignature from error


def _is_final(state: RefereeState, key: BatchKey, record: BatchRecord, now: int) -> bool:
    parameters = state.channels[key[0]].parameters_of(record.parameters_version)
    return is_final(record, parameters, state.open_on_batch.get(key, 0), now)


def _require_header_rules(header: BatchHeader, channel: ChannelRecord, previous_committed_at: int, now: int) -> None:
    """What can be said of a header without its operator's state."""
    if not 0 < header.entry_count <= MAX_ENTRIES:
        raise EntryCountOutOfRange(header.entry_count)
    if header.witnesses != ZERO_WORD or header.zk_root != ZERO_WORD:
        raise ReservedFieldSet
    start, end = header.period_start, header.period_end
    if channel.kind is ChannelKind.OPEN:
        if header.roster != ZERO_WORD or header.state != ZERO_WORD:
            raise OpenChannelFieldSet
        if start > end:
            raise PeriodInvalid(start, end)
        if now < end:
            raise PeriodNotOver(end, now)
        return
    if ZERO_WORD in (header.roster, header.state):
        raise ScheduledChannelFieldMissing
    epoch = channel.parameters.epoch_s
    if start % epoch != 0 or start + epoch != end:
        raise PeriodInvalid(start, end)
    if now < end:
        raise PeriodNotOver(end, now)
    deadline = end + channel.parameters.commit_deadline_s
    if now >= deadline:
        raise CommitDeadlinePassed(deadline, now)
    # The deadline is shorter than the epoch: a batch committed since this period's end was for this same period.
    if previous_committed_at >= end:
        raise PeriodAlreadyCommitted(end)
    expected = roster_count_at(channel, start)
    if header.entry_count != expected:
        raise RosterCountMismatch(expected, header.entry_count)
