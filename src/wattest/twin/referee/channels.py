"""Channels: creation, parameters behind a timelock, roster count by period.

Twin of ``contracts/src/referee/ChannelBook.sol``.
"""

from __future__ import annotations

from dataclasses import replace

from wattest.messages.channel import ChannelKind, channel_id
from wattest.messages.header import MAX_ENTRIES
from wattest.twin.errors import (
    ChannelExists,
    NoParametersQueued,
    NotManager,
    ParameterOutOfRange,
    RosterChangePending,
    RosterCountOutOfRange,
    RosterNotApplicable,
    RosterPeriodInvalid,
    TimelockRunning,
    UnknownChannel,
)
from wattest.twin.parameters import PARAMETER_TIMELOCK_S, ChannelParameters, require_in_range
from wattest.twin.referee.state import Call, ChannelRecord, RefereeState, put

_MAX_ROSTER_FROM = 2**40 - 1


def apply_create_channel(
    state: RefereeState, call: Call, kind: ChannelKind, salt: bytes, parameters: ChannelParameters
) -> RefereeState:
    """Create the channel whose id names the caller as manager.

    Raises: ChannelExists, ParameterOutOfRange.
    """
    channel = channel_id(call.caller, kind, salt)
    if channel in state.channels:
        raise ChannelExists(channel)
    require_in_range(kind, parameters)
    return replace(state, channels=put(state.channels, channel, ChannelRecord(call.caller, kind, (parameters,))))


def apply_queue_parameters(
    state: RefereeState, call: Call, channel: bytes, parameters: ChannelParameters
) -> RefereeState:
    """Queue new parameters, to be applied after the timelock.

    Raises: UnknownChannel, NotManager, ParameterOutOfRange.
    """
    record = _managed(state, call, channel)
    require_in_range(record.kind, parameters)
    # Periods are multiples of the epoch: another epoch would make them overlap.
    if parameters.epoch_s != record.parameters.epoch_s:
        raise ParameterOutOfRange("epochS")
    return _put(state, channel, replace(record, queued=(call.now + PARAMETER_TIMELOCK_S, parameters)))


def apply_cancel_parameters(state: RefereeState, call: Call, channel: bytes) -> RefereeState:
    """Drop the queued parameters.

    Raises: UnknownChannel, NotManager, NoParametersQueued.
    """
    record = _managed(state, call, channel)
    if record.queued is None:
        raise NoParametersQueued(channel)
    return _put(state, channel, replace(record, queued=None))


def apply_apply_parameters(state: RefereeState, call: Call, channel: bytes) -> RefereeState:
    """Make the queued parameters current; batches committed before keep theirs.

    Raises: NoParametersQueued, TimelockRunning.
    """
    record = state.channels.get(channel)
    if record is None or record.queued is None:
        raise NoParametersQueued(channel)
    applies_at, parameters = record.queued
    if call.now < applies_at:
        raise TimelockRunning(applies_at, call.now)
    return _put(state, channel, replace(record, versions=(*record.versions, parameters), queued=None))


def apply_set_roster_count(
    state: RefereeState, call: Call, channel: bytes, count: int, from_period_start: int
) -> RefereeState:
    """Set how many entries a batch has for periods from ``from_period_start`` (unix seconds) on.

    Raises: UnknownChannel, NotManager, RosterNotApplicable, RosterCountOutOfRange, RosterPeriodInvalid,
    RosterChangePending.
    """
    record = _managed(state, call, channel)
    if record.kind is not ChannelKind.SCHEDULED:
        raise RosterNotApplicable(channel)
    if not 0 < count <= MAX_ENTRIES:
        raise RosterCountOutOfRange(count)
    epoch = record.parameters.epoch_s
    if from_period_start % epoch != 0 or from_period_start > _MAX_ROSTER_FROM or from_period_start + epoch <= call.now:
        raise RosterPeriodInvalid(from_period_start)
    current = record.roster_count
    if record.next_roster_from != 0 and call.now >= record.next_roster_from:
        # The period before the last change can be committed until its deadline, under the count before.
        if call.now < record.next_roster_from + record.parameters.commit_deadline_s:
            raise RosterChangePending(record.next_roster_from)
        current = record.next_roster_count
    changed = replace(record, roster_count=current, next_roster_count=count, next_roster_from=from_period_start)
    return _put(state, channel, changed)


def roster_count_at(record: ChannelRecord, period_start: int) -> int:
    """Entries due in a batch for the period that starts then; zero in an open channel."""
    if record.next_roster_from != 0 and period_start >= record.next_roster_from:
        return record.next_roster_count
    return record.roster_count


def require_channel(state: RefereeState, channel: bytes) -> ChannelRecord:
    """The channel's record.

    Raises: UnknownChannel.
    """
    record = state.channels.get(channel)
    if record is None:
        raise UnknownChannel(channel)
    return record


def _managed(state: RefereeState, call: Call, channel: bytes) -> ChannelRecord:
    record = require_channel(state, channel)
    if record.manager != call.caller:
        raise NotManager(record.manager, call.caller)
    return record


def _put(state: RefereeState, channel: bytes, record: ChannelRecord) -> RefereeState:
    return replace(state, channels=put(state.channels, channel, record))
