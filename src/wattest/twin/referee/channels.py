"""Channels: creation with their modules, parameters and terms behind a timelock, roster count by period.

Twin of ``contracts/src/referee/ChannelBook.sol``; the checks stand in the contract's order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wattest.messages.channel import ChannelKind, channel_id
from wattest.messages.header import MAX_ENTRIES
from wattest.twin.errors import (
    ChannelExists,
    ModuleInvalid,
    NoParametersQueued,
    NotManager,
    ParameterOutOfRange,
    ParametersMismatch,
    RosterChangePending,
    RosterCountOutOfRange,
    RosterNotApplicable,
    RosterPeriodInvalid,
    TermsCountMismatch,
    TimelockRunning,
    TooManyHolders,
    TooManyModules,
)
from wattest.twin.modules import ALL_POWERS, MAX_HOLDERS, MAX_MODULES, ModuleGrant, Power
from wattest.twin.parameters import PARAMETER_TIMELOCK_S, ChannelParameters, queued_digest, require_in_range
from wattest.twin.referee.state import Call, ChannelRecord, RefereeState, Version, put, require_channel

_MAX_ROSTER_FROM = 2**40 - 1


def apply_create_channel(
    state: RefereeState,
    call: Call,
    kind: ChannelKind,
    salt: bytes,
    parameters: ChannelParameters,
    modules: Sequence[ModuleGrant] = (),
    terms: Sequence[bytes] = (),
) -> RefereeState:
    """Create the channel whose id names the caller as manager, with its modules and one word of terms for each.

    Raises: ChannelExists, ParameterOutOfRange, TooManyModules, ModuleInvalid, TooManyHolders, TermsCountMismatch, and
    the modules' own reasons.
    """
    channel = channel_id(call.caller, kind, salt)
    if channel in state.channels:
        raise ChannelExists(channel)
    require_in_range(kind, parameters)
    _require_modules(state, modules)
    _require_terms(state, modules, kind, parameters, terms)
    record = ChannelRecord(call.caller, kind, tuple(modules), (Version(parameters, tuple(terms)),))
    return _put(state, channel, record)


def apply_queue_parameters(
    state: RefereeState, call: Call, channel: bytes, parameters: ChannelParameters, terms: Sequence[bytes] = ()
) -> RefereeState:
    """Queue new parameters and terms, to be applied after the timelock.

    Raises: UnknownChannel, NotManager, ParameterOutOfRange, TermsCountMismatch, and the modules' own reasons.
    """
    record = _managed(state, call, channel)
    require_in_range(record.kind, parameters)
    # Periods are multiples of the epoch: another epoch would make them overlap.
    if parameters.epoch_s != record.parameters.epoch_s:
        raise ParameterOutOfRange("epochS")
    _require_terms(state, record.modules, record.kind, parameters, terms)
    queued = call.now + PARAMETER_TIMELOCK_S, queued_digest(parameters, terms)
    return _put(state, channel, replace(record, queued=queued))


def apply_cancel_parameters(state: RefereeState, call: Call, channel: bytes) -> RefereeState:
    """Drop the queued parameters.

    Raises: UnknownChannel, NotManager, NoParametersQueued.
    """
    record = _managed(state, call, channel)
    if record.queued is None:
        raise NoParametersQueued(channel)
    return _put(state, channel, replace(record, queued=None))


def apply_apply_parameters(
    state: RefereeState, call: Call, channel: bytes, parameters: ChannelParameters, terms: Sequence[bytes] = ()
) -> RefereeState:
    """Make the queued parameters current, brought again as they were queued; batches committed before keep theirs.

    Raises: NoParametersQueued, TimelockRunning, ParametersMismatch.
    """
    record = state.channels.get(channel)
    if record is None or record.queued is None:
        raise NoParametersQueued(channel)
    applies_at, expected = record.queued
    if call.now < applies_at:
        raise TimelockRunning(applies_at, call.now)
    digest = queued_digest(parameters, terms)
    if digest != expected:
        raise ParametersMismatch(expected, digest)
    versions = (*record.versions, Version(parameters, tuple(terms)))
    return _put(state, channel, replace(record, versions=versions, queued=None))


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


def _require_modules(state: RefereeState, modules: Sequence[ModuleGrant]) -> None:
    if len(modules) > MAX_MODULES:
        raise TooManyModules(len(modules))
    named: set[bytes] = set()
    for grant in modules:
        if not 0 < grant.powers <= ALL_POWERS or grant.module not in state.deployed or grant.module in named:
            raise ModuleInvalid(grant.module, grant.powers)
        named.add(grant.module)
    holders = sum(grant.has(Power.HOLD) for grant in modules)
    if holders > MAX_HOLDERS:
        raise TooManyHolders(holders)


def _require_terms(
    state: RefereeState,
    modules: Sequence[ModuleGrant],
    kind: ChannelKind,
    parameters: ChannelParameters,
    terms: Sequence[bytes],
) -> None:
    """Every module is content with its terms."""
    if len(terms) != len(modules):
        raise TermsCountMismatch(len(modules), len(terms))
    for grant, word in zip(modules, terms, strict=True):
        state.deployed[grant.module](kind, parameters, word)


def _managed(state: RefereeState, call: Call, channel: bytes) -> ChannelRecord:
    record = require_channel(state, channel)
    if record.manager != call.caller:
        raise NotManager(record.manager, call.caller)
    return record


def _put(state: RefereeState, channel: bytes, record: ChannelRecord) -> RefereeState:
    return replace(state, channels=put(state.channels, channel, record))
