"""Keeps an operator's enclave keys alive: registers, renews before the expiry, hands over to a successor, revokes.

Decided here: the order of steps and what a restart continues with. Not decided here: when a renewal is due and which
state follows which (``key_life``), who judges evidence (``registrar``), where enclaves live (``enclave_slots``). A
rotation, an upgrade and going on after a missed deadline are one thing: a successor in a slot of its own, made at the
chain's head, registered (which retires the key before it in the same transaction), used, and the old key revoked.

Invariants: nothing is asked of a new enclave before the registry has its key, nothing of the old one afterwards; a
header is abandoned only when the chain can never take it; a registration is whole on disk before it is sent. Two keys
may hold headers of one sequence, one of them never committed: that is no equivocation (ADR 12).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from wattest.appraiser.appraiser import RegistrationRequest
from wattest.chain.ports import RefereePort, RegistryPort
from wattest.collateral.collateral_outlook import CollateralOutlook
from wattest.crypto.signer import Signer
from wattest.enclave.host.client import ChainHead, EnclaveClient
from wattest.errors import ProtocolError, TransportError, WattestError
from wattest.io.crash_points import CrashPoints
from wattest.keys.carry_over import AWAITING, CarryOver
from wattest.keys.commit_outlook import RELEASED, held_orders, is_dead
from wattest.keys.enclave_slots import EnclaveSlots
from wattest.keys.key_life import ExpiryWarning, KeySettings, halvings, urgency_of
from wattest.keys.key_place import first_slot, free_slot
from wattest.keys.key_report import KeyChange, KeyReport, OperatorStopped
from wattest.keys.key_standing import (
    EnclaveKeyExpiring,
    Standing,
    fetch_standing,
    held_back,
    registered_workload,
    workload_of,
)
from wattest.keys.orders import OrderBox, RegistrarMissing, nobody_judges
from wattest.keys.registrar import Registrar
from wattest.keys.upgrade import require_new_program
from wattest.messages.channel import ChannelIdentity
from wattest.messages.report_data import KeyBinding
from wattest.store.batch_state import StoredBatch, StoredState
from wattest.store.duty import Duty, OpenDuty, OpenUse
from wattest.store.enclave_key import REGISTERED, VOID, Cause, EnclaveKey, KeyState, PreparedRegistration
from wattest.store.operator_port import OperatorStore
from wattest.twin import errors as refusals
from wattest.twin.registry import Binding

_S, _K = StoredState, KeyState
_UNSIGNED = frozenset({_S.COLLECTED, _S.SEALING})
_NEVER = 2**63


class EnclaveKeyReplaced(ProtocolError):
    """The registry's active key is none of this operator's enclaves'."""


class CarryOverEnded(ProtocolError):
    """A successor was made to take state over, and the terms for it are gone."""


class StandbyOvertaken(ProtocolError):
    """The primary lives: it committed after its standby was activated."""


class RegistrationRefused(ProtocolError):
    """The registry did not take a prepared registration; the next try has fresh evidence."""


@dataclass(slots=True)
class _Retry:
    """When the next try of one thing may be, on this machine's clock, and how many failed."""

    failed: int = 0
    not_before: float = 0.0


class KeyKeeper:
    """The keys of one operator; the operator's loop calls ``tend`` for each channel before it advances it.

    ``registrar`` None: nothing is registered by this program, expiries are only warned of. ``endorsements`` gives
    collateral in JSON for a time (unix seconds). ``clock`` paces retries, nothing else.
    """

    def __init__(
        self,
        store: OperatorStore,
        referee: RefereePort,
        registry: RegistryPort,
        signer: Signer,
        slots: EnclaveSlots,
        *,
        registrar: Registrar | None = None,
        endorsements: Callable[[int], bytes] | None = None,
        settings: KeySettings | None = None,
        orders: OrderBox | None = None,
        carry_over: CarryOver | None = None,
        outlook: CollateralOutlook | None = None,
        open_duties: Sequence[OpenDuty] = (),
        faults: CrashPoints | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings or KeySettings()
        self._store = store
        self._keys = store.keys
        self._referee = referee
        self._registry = registry
        self._signer = signer
        self._slots = slots
        self._registrar = registrar
        self._endorsements = endorsements
        self._orders = orders
        self._carry_over = carry_over
        self._outlook = outlook
        self._open = {duty.channel.id: duty for duty in open_duties}
        self._faults = faults or CrashPoints()
        self._clock = clock
        self._retries: dict[bytes, _Retry] = {}
        self._warned: dict[bytes, int] = {}

    # what the operator's loop asks

    def enclave(self, channel: bytes) -> EnclaveClient:
        """The enclave whose key is active in a channel; raises ``OperatorStopped`` when none is."""
        active = self._keys.key_in(channel, _K.ACTIVE)
        if active is None:
            raise OperatorStopped("no enclave key is active", channel=channel, hint="see why: wattest operator status")
        return self._slots.client(active.slot)

    def keeps(self, channel: bytes) -> bool:
        """Whether the channel's key is this keeper's."""
        return channel in self._open or bool(self._keys.keys(channel))

    def is_switching(self, channel: bytes) -> bool:
        """Whether a successor's registration may be under way, or is mined: nothing new is sealed until it is used."""
        created = self._keys.key_in(channel, _K.CREATED)
        return created is not None and (created.cause is Cause.TAKE_OVER or self._keys.is_registering(created))

    def hold_back(self, batches: Sequence[StoredBatch], now: int) -> dict[bytes, EnclaveKeyExpiring]:
        """The channels of those whose commit could be mined after its key expired, and the refusal for each."""
        return held_back(self._registry, self._referee, self.settings, self._signer.address, batches, now)

    def tend(self, duty: Duty | OpenDuty, head: Callable[[bytes], ChainHead], report: KeyReport, now: int) -> None:
        """Do what the channel's keys need now; what fails and can be tried again is in the report.

        Raises: WattestError for what keeps the channel from going on.
        """
        channel = duty.channel.id
        if self._orders is not None:
            self._orders.take(channel, self._keys, now)
        if self._outlook is not None:
            report.collateral += self._outlook.look(channel, self._keys.registered(channel), now)
        active = self._active(channel)
        standing = None if active is None else self._standing(active)
        if active is not None and standing is not None and standing.is_revoked:
            self._keys.mark(active, _K.REVOKED)
            report.keys.append(KeyChange("revoked", channel, active.address))
            if self.settings.goes_on_after_revocation:
                self._keys.order(channel, Cause.REVOKED, now)
            active = None
        self._revoke_retired(channel, report)
        cause = self._cause(channel, active, now)
        if cause is Cause.PLANNED and self._registrar is None and self._keys.ordered(channel) is cause:
            self._keys.withdraw_order(channel)
            report.errors.append(nobody_judges(channel, cause))
            cause = None
        if cause is Cause.UPGRADE:
            check = partial(require_new_program, self._keys, self._registry, self._bound(channel), self._slots)
            cause = cause if self._trying(channel + b"upgrade", report, check) is None else None
        if cause is not None and self._may_succeed(channel, cause):
            self._trying(channel, report, lambda: self._succeed(duty.channel, cause, head(channel), report, now))
        elif active is not None and standing is not None:
            if cause is not None:
                operator = self._signer.address
                report.errors += held_orders(self._store, self._referee, self._registry, channel, operator, cause)
            self._require_own(channel, active, standing)
            if not self.is_switching(channel):  # renewed, it would take the registry back from its successor
                self._renew(duty.channel, active, standing, report, now)
        elif cause is None:
            raise OperatorStopped(
                "the enclave key was revoked",
                channel=channel,
                hint="if a new one may take its place: wattest operator rotate-key",
            )

    # which key, and why another

    def _active(self, channel: bytes) -> EnclaveKey | None:
        """The active key; one that was registered before this program kept keys is taken over from the chain."""
        if self._keys.keys(channel):
            return self._keys.key_in(channel, _K.ACTIVE)
        workload = workload_of(self._use_of(channel))
        address, _ = self._registry.active_key(self._referee.address, channel, self._signer.address, workload)
        if not any(address):
            return None
        made_at = self._registry.registration_of(self._bound(channel), address).issued_at
        key = EnclaveKey(channel, 0, address, _K.ACTIVE, Cause.FIRST, (0, bytes(32)), made_at)
        self._keys.add(key)
        return key

    def _cause(self, channel: bytes, active: EnclaveKey | None, now: int) -> Cause | None:
        created = self._keys.key_in(channel, _K.CREATED)
        if created is not None:
            return self._keys.ordered(channel) or created.cause
        if active is None and not self._keys.keys(channel):
            return Cause.FIRST
        if channel in self._open:  # what it sealed last is in its enclave alone: another key could not go on from there
            return None
        if active is not None:
            last = self._store.last_batch(channel)
            if last is not None and last.state is _S.MISSED and self.settings.goes_on_after_miss:
                self._keys.order(channel, Cause.MISSED, now)
            elif (
                self._registrar is not None
                and self.settings.rotate_every_s
                and now >= active.created_at + self.settings.rotate_every_s
            ):
                self._keys.order(channel, Cause.PLANNED, now)
        return self._keys.ordered(channel)

    def _may_succeed(self, channel: bytes, cause: Cause) -> bool:
        """Whether the batch in flight lets a successor take over: a header that may yet be committed is waited for."""
        if cause in {Cause.PLANNED, Cause.MISSED} and self._registrar is None:
            return False
        last = self._store.last_batch(channel)
        if last is None or last.state in {_S.COMMITTED, _S.FINAL, _S.SLASHED}:
            return True
        if last.state in _UNSIGNED:
            return not cause.waits
        return is_dead(self._store, self._referee, self._registry, last, self._signer.address)

    def _deadline_of(self, batch: StoredBatch) -> int:
        if batch.channel in self._open:
            return _NEVER
        return batch.period_end + self._referee.channel_head(batch.channel).commit_deadline_s

    def _standing(self, key: EnclaveKey) -> Standing:
        workload = registered_workload(self._keys, key.channel, self._use_of(key.channel))
        operator = self._signer.address
        return fetch_standing(self._registry, self._referee.address, key.channel, operator, workload, key.address)

    def _require_own(self, channel: bytes, active: EnclaveKey, standing: Standing) -> None:
        """Two nodes that renew against each other would pay for ever and commit nothing."""
        if any(standing.active_key) and standing.active_key not in {key.address for key in self._keys.keys(channel)}:
            raise EnclaveKeyReplaced(
                "another enclave key was registered for this operator",
                expected=active.address,
                actual=standing.active_key,
                hint="the same operator runs twice: stop the other one, then rotate the key here",
            )

    # a successor

    def _succeed(self, channel: ChannelIdentity, cause: Cause, head: ChainHead, report: KeyReport, now: int) -> None:
        if self._registrar is None:
            raise nobody_judges(channel.id, cause)
        created = self._keys.key_in(channel.id, _K.CREATED)
        if created is not None and self._is_overtaken(created, cause, head):
            self._discard(created)
            if created.cause is Cause.TAKE_OVER:
                raise StandbyOvertaken(
                    "the primary committed after this standby was activated",
                    expected=created.start[0],
                    actual=head.sequence,
                    hint="stop the primary; then go on without its state: wattest operator rotate-key --lost",
                )
            created = None
        if created is None:
            created = self._create(channel, cause, head, now)
        self._carry(created, head, now)
        noted = self._keys.prepared(created) is None and self._is_known(created)
        if not noted:
            self._register(channel, created, now)
        self._switch(created, report, now)

    def _create(self, channel: ChannelIdentity, cause: Cause, head: ChainHead, now: int) -> EnclaveKey:
        is_first = cause is Cause.FIRST
        slot = first_slot(self._keys, self._open.get(channel.id)) if is_first else free_slot(self._keys)
        if not is_first:
            self._slots.discard(slot)  # what a crash between making a key and noting it left behind
        nonce = self._registry.recent_nonce()
        enclave, binding = self._slots.client(slot), self._binding(channel, nonce.hash)
        giver = self._keys.key_in(channel.id, _K.ACTIVE) if cause.carries else None
        carried = giver is not None and self._carry_over is not None and self._carry_over.allows(channel.id)
        if carried:
            identity = enclave.prepare_successor(binding, channel)
        else:
            identity = enclave.create_identity(binding, channel, head)
        self._faults.reach("key.created")
        start = (head.sequence, head.digest)
        key = EnclaveKey(channel.id, slot, identity.address, _K.CREATED, cause, start, now, carried)
        self._keys.add(key)
        self._faults.reach("key.noted")
        return key

    def _enclave_workload(self, enclave: EnclaveClient, channel: bytes) -> bytes:
        said = enclave.describe()
        return said.settle_workload if self._use_of(channel) is OpenUse.STATEMENTS else said.vee_workload

    def _use_of(self, channel: bytes) -> OpenUse | None:
        duty = self._open.get(channel)
        return None if duty is None else duty.use

    def _is_overtaken(self, created: EnclaveKey, cause: Cause, head: ChainHead) -> bool:
        """Whether the key before it went on meanwhile: a successor that starts behind the head can seal nothing.

        Once it took the state over the key before it cannot go on, and the state is nowhere else; only a standby's
        primary still can. One that waits for the state of an enclave that was found lost meanwhile waits in vain.
        """
        if created.carried and not cause.carries and self._awaits(created):
            return True
        return (
            created.start != (head.sequence, head.digest)
            and self._keys.prepared(created) is None
            and not self._is_known(created)
            and (not created.carried or created.cause is Cause.TAKE_OVER or self._awaits(created))
        )

    def _awaits(self, key: EnclaveKey) -> bool:
        """Whether the successor's enclave still waits for the state of the one before."""
        identities = self._slots.client(key.slot).describe().identities
        return any(one.channel == key.channel and one.phase == AWAITING for one in identities)

    def _carry(self, created: EnclaveKey, head: ChainHead, now: int) -> None:
        if not created.carried or not self._awaits(created):
            return
        before = self._keys.key_in(created.channel, _K.ACTIVE)
        if self._carry_over is None or not self._carry_over.allows(created.channel) or before is None:
            self._discard(created)
            raise CarryOverEnded(
                "the state cannot be carried over any more",
                channel=created.channel,
                hint="the next try starts at the chain's head, without the meters' last state",
            )
        slot, taker = before.slot, self._slots.client(created.slot)
        self._carry_over.carry(created.channel, lambda: self._slots.client(slot), taker, head, now)
        self._faults.reach("key.carried")

    def _discard(self, key: EnclaveKey) -> None:
        if key.slot:
            self._slots.discard(key.slot)
        self._keys.forget(key)

    def _switch(self, key: EnclaveKey, report: KeyReport, now: int) -> None:
        last = self._store.last_batch(key.channel)
        with self._store.transaction():
            if last is not None and last.state in RELEASED | {_S.MISSED, _S.GIVEN_UP}:
                self._keys.abandon(last, key.cause, past_deadline=now >= self._deadline_of(last))
            elif last is not None and last.state in _UNSIGNED and now >= self._deadline_of(last):
                self._keys.leave_out(last)
            self._keys.switch(key)
        self._faults.reach("key.switched")
        report.keys.append(KeyChange("active", key.channel, key.address, cause=key.cause.value))
        used = (self._keys.key_in(channel, _K.ACTIVE) for channel in self._keys.channels())
        self._slots.rest(frozenset(one.slot for one in used if one is not None))

    def _revoke_retired(self, channel: bytes, report: KeyReport) -> None:
        for key in self._keys.retired(channel):
            if not self._registry.registration_of(self._bound(channel), key.address).revoked_at:
                with contextlib.suppress(refusals.KeyRevoked):  # by the channel's manager, meanwhile
                    intent = f"revoke:{key.address.hex()}"
                    self._registry.revoke(self._signer, self._bound(channel), key.address, intent=intent)
                self._faults.reach("revocation.mined")
            self._keys.mark(key, _K.REVOKED)
            self._faults.reach("key.revoked")
            report.keys.append(KeyChange("revoked", channel, key.address))

    # registering

    def _renew(
        self, channel: ChannelIdentity, active: EnclaveKey, standing: Standing, report: KeyReport, now: int
    ) -> None:
        prepared = self._keys.prepared(active)
        if prepared is None and not self.settings.is_renewal_due(standing.issued_at, standing.expires_at, now):
            self._warned.pop(active.address, None)
            return
        because = "nobody who judges evidence is configured"
        if self._registrar is not None:

            def renew() -> None:
                self._register(channel, active, now)
                report.keys.append(KeyChange("renewed", channel.id, active.address))

            failure = self._trying(channel.id, report, renew, left_s=standing.expires_at - now)
            if failure is None:
                return
            because = failure
        margin = self.settings.renewal_margin_s(standing.issued_at, standing.expires_at)
        count = halvings(margin, standing.expires_at, now)
        if count is not None and count > self._warned.get(active.address, -1):
            self._warned[active.address] = count
            left = standing.expires_at - now
            report.warnings.append(
                ExpiryWarning(channel.id, active.address, urgency_of(count), standing.expires_at, left, because)
            )

    def _register(self, channel: ChannelIdentity, key: EnclaveKey, now: int) -> None:
        """Register or renew a key: prepared on disk, then sent; an earlier try that is under way is continued."""
        prepared = self._keys.prepared(key)
        if prepared is not None and self._is_registered(prepared):
            self._note_registered(prepared)  # mined before a crash
            return
        if prepared is None:
            prepared = self._prepare(channel, key, now)
        try:
            self._registry.register(self._signer, prepared.verdict, [prepared.proof], intent=prepared.intent)
        except ProtocolError as error:
            if not self._is_registered(prepared):
                self._keys.conclude(prepared, VOID)
                raise RegistrationRefused(
                    f"the registry refuses the registration: {error.message}",
                    enclave_key=key.address,
                    reason=error.code,
                    hint=error.hint,
                ) from error
        self._faults.reach("registration.mined")
        self._note_registered(prepared)

    def _prepare(self, channel: ChannelIdentity, key: EnclaveKey, now: int) -> PreparedRegistration:
        assert self._registrar is not None  # callers saw to it
        if self._endorsements is None:
            raise RegistrarMissing("evidence is not judged without endorsements", channel=channel.id)
        nonce = self._registry.recent_nonce()
        enclave, binding = self._slots.client(key.slot), self._binding(channel, nonce.hash)
        identity = enclave.create_identity(binding, channel, ChainHead(*key.start))
        if identity.address != key.address:
            raise EnclaveKeyReplaced(
                "the enclave has another key than the one that is registered",
                expected=key.address,
                actual=identity.address,
                hint="restore the enclave's state folder, or: wattest operator rotate-key --lost",
            )
        request = RegistrationRequest(
            binding,
            key.address,
            identity.evidence,
            self._endorsements(now),
            nonce.number,
            self._enclave_workload(enclave, channel.id),
        )
        proven = self._registrar.prove(request, now)
        self._faults.reach("registration.proven")
        prepared = self._keys.prepare(key, proven.verdict, proven.proof, request.evidence, request.endorsements)
        self._store.keep_evidence(key.channel, request.evidence, request.endorsements)
        self._faults.reach("registration.prepared")
        return prepared

    def _is_registered(self, prepared: PreparedRegistration) -> bool:
        known = self._registry.registration_of(self._bound(prepared.channel), prepared.enclave_key)
        return known.verdict_digest == prepared.verdict.digest(self._registry.domain)

    def _note_registered(self, prepared: PreparedRegistration) -> None:
        with self._store.transaction():
            self._keys.conclude(prepared, REGISTERED)
            self._store.put_document(prepared.channel, "evidence", prepared.evidence)
            self._store.put_document(prepared.channel, "endorsements", prepared.endorsements)
        self._faults.reach("registration.noted")

    def _is_known(self, key: EnclaveKey) -> bool:
        return self._registry.registration_of(self._bound(key.channel), key.address).is_known

    def _bound(self, channel: bytes) -> Binding:
        return self._referee.address, channel, self._signer.address

    def _binding(self, channel: ChannelIdentity, nonce: bytes) -> KeyBinding:
        return KeyBinding(
            self._registry.client.chain_id, self._referee.address, channel.id, self._signer.address, nonce
        )

    def _trying(
        self, what: bytes, report: KeyReport, work: Callable[[], None], *, left_s: int | None = None
    ) -> str | None:
        """Do it unless the last failure is too recent; why it is not done, None when it is.

        A failure is in the report, and the next try waits twice as long, at most an eighth of the time that is left.
        """
        retry = self._retries.setdefault(what, _Retry())
        if self._clock() < retry.not_before:
            return "the last try failed and the next one waits"
        try:
            work()
        except WattestError as error:
            if isinstance(error, TransportError) and not error.retryable:
                raise
            pause = min(self.settings.first_backoff_s * 2**retry.failed, self.settings.longest_backoff_s)
            if left_s is not None:
                pause = min(pause, max(left_s / 8, self.settings.first_backoff_s))
            retry.failed = min(retry.failed + 1, 30)
            retry.not_before = self._clock() + pause
            report.errors.append(error)
            return error.message
        del self._retries[what]
        return None
