"""The methods of the socket, each with its strict parameters.

Decided here: which methods exist beside those of jobs, their fields and limits, and that one job is open at a time. Not
decided here: framing (``wire``), what jobs there are and what they take (``job_kinds``), conversations with other
enclaves (``peer_service``). Invariants: a failed step ends its job; no method returns a private key, a series key or a
meter key.
Source: docs/spec/enclave-socket.md.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from wattest.crypto.strict_fields import Fields
from wattest.enclave.measured.cbor import Value
from wattest.enclave.measured.device import AttestationDevice
from wattest.enclave.measured.errors import MethodUnknown, SessionInvalid
from wattest.enclave.measured.identity import MAX_TEXT, Identities
from wattest.enclave.measured.job_kind import JobKind, JobSession, JobTools
from wattest.enclave.measured.job_kinds import JOB_KINDS
from wattest.enclave.measured.peer_service import PeerService, read_binding
from wattest.enclave.measured.schema import read_map
from wattest.enclave.measured.sealed_state import STATE_PURPOSE, SealedState, StateStore
from wattest.enclave.measured.stop_points import StopPoints
from wattest.errors import WattestError
from wattest.workload.engine import ENGINE_VERSION, EngineConfiguration
from wattest.workload.guests import load_guest

MAX_PAGE = 4_096

_OF_A_JOB = ("batch.", *(f"{kind.name}." for kind in JOB_KINDS))
JobStep = Callable[[Any, Fields], dict[str, object]]


class Service:
    """One enclave's state and the methods on it."""

    def __init__(
        self,
        *,
        device: AttestationDevice,
        backend: str,
        measurement: bytes,
        state_dir: Path,
        faults: StopPoints,
        debug: bool,
    ) -> None:
        self._identities = Identities(device, StateStore(state_dir, device.sealing_key(STATE_PURPOSE), faults))
        self._backend = backend
        self._measurement = measurement
        self._faults = faults
        self._debug = debug
        configuration = EngineConfiguration.for_enclave()
        self._vee = load_guest("vee", configuration)
        self._settle = load_guest("settle", configuration)
        self._peers = PeerService(device, self._identities, self._vee)
        guests = {"vee": self._vee, "settle": self._settle}
        self._tools = JobTools(self._identities, faults, guests)
        self._kind = ""
        self._session: JobSession | None = None
        self._after: Callable[[], None] | None = None
        self._methods: dict[str, Callable[[Fields], dict[str, object]]] = {
            "describe": self._describe,
            "identity.create": self._create_identity,
            "first_light": self._first_light,
            **self._job_methods(),
            "batch.finish": self._batch_finish,
            "batch.page": self._batch_page,
            "release.last": self._last_release,
            "batch.erase": self._erase,
            "debug.arm": self._arm,
            "successor.prepare": lambda fields: self._identity(self._peers.prepare(fields)),
            "standby.activate": lambda fields: self._identity(self._peers.activate(fields)),
            **self._peers.methods(),
        }

    def _job_methods(self) -> dict[str, Callable[[Fields], dict[str, object]]]:
        """The methods of every kind of job: ``NAME.begin`` and ``NAME.STEP``."""
        methods: dict[str, Callable[[Fields], dict[str, object]]] = {}
        for kind in JOB_KINDS:
            methods[f"{kind.name}.begin"] = partial(self._begin, kind)
            for name, step in kind.steps.items():
                methods[f"{kind.name}.{name}"] = partial(self._step, kind, step)
        return methods

    def call(self, method: str, params: Value) -> dict[str, object]:
        """Run one method.

        Raises: WattestError; the open job, if the method belonged to one, is then over.
        """
        handler = self._methods.get(method)
        if handler is None:
            raise MethodUnknown("the enclave has no such method", method=method, hint="use the host's version")
        fields = read_map(params, method)
        try:
            return handler(fields)
        except WattestError:
            if method.startswith(_OF_A_JOB):
                self._session = None
            raise

    def drop_session(self) -> None:
        """Forget the open job and conversation; what was sealed stays."""
        self._session = None
        self._peers.drop()

    def after_reply(self) -> None:
        """Called when a reply is on its way: the last places where a test may stop the process."""
        after, self._after = self._after, None
        if after is not None:
            after()

    def _describe(self, fields: Fields) -> dict[str, object]:
        fields.close()
        return {
            "backend": self._backend,
            "debug": self._debug,
            "measurement": self._measurement,
            "engine_version": ENGINE_VERSION,
            "vee_workload": self._vee.workload,
            "settle_workload": self._settle.workload,
            "identities": [self._identity(state) for state in self._identities.all()],
        }

    def _identity(self, state: SealedState) -> dict[str, object]:
        return {
            "channel": state.channel.id,
            "operator": state.operator,
            "address": state.private_key.address,
            "public_key": state.private_key.public_key,
            "storage_key": self._identities.storage_key(state).public_key,
            "phase": state.phase.name.lower(),
        }

    def _create_identity(self, fields: Fields) -> dict[str, object]:
        binding, channel = read_binding(fields)
        start = fields["start_sequence"].uint(32), fields["start_digest"].octets(32)
        fields.close()
        state, evidence = self._identities.create(binding, channel, start)
        return {**self._identity(state), "evidence": evidence}

    def _first_light(self, fields: Fields) -> dict[str, object]:
        text = fields["text"].text(MAX_TEXT)
        channel = fields["channel"].or_none(lambda field: field.octets(32))
        fields.close()
        state, digest, signature = self._identities.first_light(text, channel)
        return {"digest": digest, "signature": signature, "address": state.private_key.address}

    def _begin(self, kind: JobKind[Any], fields: Fields) -> dict[str, object]:
        session, reply = kind.begin(self._tools, fields)
        self._kind, self._session = kind.name, session
        return reply

    def _step(self, kind: JobKind[Any], step: JobStep, fields: Fields) -> dict[str, object]:
        if self._session is None or self._kind != kind.name:
            raise SessionInvalid("no such job is open", hint="begin one first")
        return step(self._session, fields)

    def _batch_finish(self, fields: Fields) -> dict[str, object]:
        fields.close()
        if self._session is None:
            raise SessionInvalid("no job is open", hint="begin one first")
        released = self._session.finish()
        self._after = lambda: self._faults.reach("after_release")
        return {
            "header": released.header.to_bytes(),
            "signature": released.signature,
            **self._session.results(),
        }

    def _batch_page(self, fields: Fields) -> dict[str, object]:
        start, count = fields["start"].uint(32), fields["count"].uint(16)
        fields.close()
        if self._session is None or count > MAX_PAGE:
            raise SessionInvalid("no job is open, or the page is too large", limit=MAX_PAGE)
        self._after = lambda: self._faults.reach("after_page")
        return self._session.page(start, count)

    def _last_release(self, fields: Fields) -> dict[str, object]:
        channel = fields["channel"].octets(32)
        fields.close()
        last = self._identities.get(channel).last
        if last is None:
            return {"header": None, "signature": None}
        return {"header": last.header.to_bytes(), "signature": last.signature}

    def _erase(self, fields: Fields) -> dict[str, object]:
        channel, sequence = fields["channel"].octets(32), fields["sequence"].uint()
        fields.close()
        state = self._identities.get(channel)
        held = state.sequence == sequence and state.last is not None and bool(state.last.series_keys)
        if held:
            self._identities.save(state.with_erased_keys())
        return {"erased": held}

    def _arm(self, fields: Fields) -> dict[str, object]:
        point = fields["point"].text(64)
        fields.close()
        self._faults.arm(point)
        return {}
