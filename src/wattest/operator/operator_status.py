"""Where an operator stands: its keys, what is on the way, what comes next, and what to worry about.

Decided here: what is shown and what counts as a warning. Not decided here: the steps themselves. Nothing is changed:
the database is only read, while the node runs or not, and the chain is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wattest.chain.ports import RefereePort, RegistryPort
from wattest.keys.key_life import KeySettings, halvings, urgency_of
from wattest.keys.key_standing import fetch_standing, registered_workload
from wattest.keys.orders import OrderBox
from wattest.keys.standby import Replica
from wattest.operator.due import next_period
from wattest.store.batch_state import StoredState
from wattest.store.duty import Duty
from wattest.store.enclave_key import AbandonedBatch, KeyState
from wattest.store.operator_port import OperatorView
from wattest.twin.operator import OperatorState
from wattest.units import SECONDS_PER_DAY

_ENDED = frozenset({StoredState.COMMITTED, StoredState.FINAL, StoredState.SLASHED})


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """The active key; times are chain times, ``renews_from`` when a renewal starts."""

    address: bytes
    slot: int
    cause: str
    measurement: bytes | None
    issued_at: int
    expires_at: int
    is_revoked: bool
    renews_from: int


@dataclass(frozen=True, slots=True)
class FlightStatus:
    """A batch that is on its way to the chain."""

    sequence: int
    state: str
    period_start: int
    deadline: int


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """One channel of an operator; ``ordered`` is the cause of a succession that was asked for.

    ``standby`` is the replica as this host last heard of it, None without a standby, ``behind`` the batches it lacks.
    """

    channel: bytes
    operator_state: str
    head_sequence: int
    deposit_wei: int
    exposure_wei: int
    key: KeyStatus | None
    standby: Replica | None
    behind: int
    ordered: str | None
    in_flight: tuple[FlightStatus, ...]
    next_period_end: int
    next_deadline: int
    open_challenges: tuple[tuple[int, int, int], ...]
    left_out: tuple[AbandonedBatch, ...]
    warnings: tuple[str, ...]


def channel_status(
    store: OperatorView,
    orders: OrderBox,
    referee: RefereePort,
    registry: RegistryPort,
    operator: bytes,
    duty: Duty,
    settings: KeySettings,
    now: int,
    *,
    has_registrar: bool,
    standby: Replica | None = None,
    obstacles: Sequence[str] = (),
) -> ChannelStatus:
    """What stands in one channel at ``now`` (chain time); raises ``TransportError`` when the chain does not answer.

    ``obstacles`` are what else keeps the channel from going on, or will, in words.
    """
    channel = duty.channel.id
    head = referee.operator_head(channel, operator)
    deadline_s = referee.channel_head(channel).commit_deadline_s
    last = store.last_batch(channel)
    start = duty.first_period_start if last is None else last.period_end
    _, next_end = next_period(start, duty.epoch_s, deadline_s, now)
    flight = tuple(
        FlightStatus(batch.sequence, batch.state.value, batch.period_start, batch.period_end + deadline_s)
        for batch in store.batches(channel, states=[state for state in StoredState if state not in _ENDED])
    )
    key = _key_status(store, registry, referee.address, operator, channel, settings)
    behind = 0 if standby is None else max(0, head.sequence - standby.sequence)
    ordered = store.keys.ordered(channel)
    challenges = tuple(store.challenges(channel, "open"))
    status = ChannelStatus(
        channel=channel,
        operator_state=head.state.name.lower(),
        head_sequence=head.sequence,
        deposit_wei=head.deposit_wei,
        exposure_wei=head.open_exposure_wei,
        key=key,
        standby=standby,
        behind=behind,
        ordered="waiting" if ordered is None and orders.waits(channel) else None if ordered is None else ordered.value,
        in_flight=flight,
        next_period_end=next_end,
        next_deadline=next_end + deadline_s,
        open_challenges=challenges,
        left_out=tuple(store.keys.abandoned(channel)),
        warnings=(),
    )
    warnings = [
        *_key_warnings(key, settings, now, has_registrar=has_registrar, has_standby=standby is not None),
        *obstacles,
        *([f"the standby lacks {behind} batches: it could not take over"] if behind else []),
        *_flight_warnings(flight, now),
        *[f"challenge on batch {at[0]}, entry {at[1]}: {_span(at[2] - now)} left" for at in challenges],
    ]
    if head.state not in {OperatorState.REGISTERED, OperatorState.ACTIVE}:
        warnings.append(f"the operator is {status.operator_state}: it cannot commit")
    return replace(status, warnings=tuple(warnings))


def _key_status(
    store: OperatorView,
    registry: RegistryPort,
    referee: bytes,
    operator: bytes,
    channel: bytes,
    settings: KeySettings,
) -> KeyStatus | None:
    key = store.keys.key_in(channel, KeyState.ACTIVE)
    if key is None:
        return None
    workload = registered_workload(store.keys, channel)
    stands = fetch_standing(registry, referee, channel, operator, workload, key.address)
    mined = store.keys.registered(channel)
    measurement = mined.verdict.measurement if mined is not None and mined.enclave_key == key.address else None
    if measurement is None and stands.is_known:
        measurement = registry.registered_verdicts((referee, channel, operator), key.address)[-1].verdict.measurement
    return KeyStatus(
        key.address,
        key.slot,
        key.cause.value,
        measurement,
        stands.issued_at,
        stands.expires_at,
        stands.is_revoked,
        stands.expires_at - settings.renewal_margin_s(stands.issued_at, stands.expires_at),
    )


def _key_warnings(
    key: KeyStatus | None, settings: KeySettings, now: int, *, has_registrar: bool, has_standby: bool
) -> list[str]:
    if key is None and has_standby:
        return ["no enclave key is active on this host: a standby that waits has none"]
    if key is None:
        return ["no enclave key is active: run the operator, it registers one"]
    if key.is_revoked:
        return ["the enclave key was revoked: wattest operator rotate-key"]
    margin = settings.renewal_margin_s(key.issued_at, key.expires_at)
    count = halvings(margin, key.expires_at, now)
    warnings = []
    if count is not None:
        left = "expired" if now >= key.expires_at else f"expires in {_span(key.expires_at - now)}"
        warnings.append(f"{urgency_of(count).value}: the registration {left} and is not renewed")
    if not has_registrar:
        warnings.append("nobody who judges evidence is configured: nothing is renewed by itself")
    return warnings


def _flight_warnings(flight: tuple[FlightStatus, ...], now: int) -> list[str]:
    said = {StoredState.MISSED.value: "missed its deadline", StoredState.GIVEN_UP.value: "was given up"}
    return [
        f"batch {batch.sequence} {said[batch.state]}: a new enclave key goes on"
        if batch.state in said
        else f"batch {batch.sequence} is {batch.state}: {_span(batch.deadline - now)} left to commit it"
        for batch in flight
    ]


def _span(seconds: int) -> str:
    if abs(seconds) >= 2 * SECONDS_PER_DAY:
        return f"{seconds / SECONDS_PER_DAY:.1f} days"
    return f"{seconds / 3_600:.1f} h" if abs(seconds) >= 7_200 else f"{seconds / 60:.0f} min"
