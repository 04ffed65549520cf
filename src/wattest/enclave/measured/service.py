"""The methods of the socket, each with its strict parameters.

Decided here: which methods exist, their fields and limits, and that one job is open at a time. Not decided here:
framing (``wire``), what a job does (``seal``, ``imports``, ``statement``), conversations with other enclaves
(``peer_service``). Invariants: a failed step ends its job; no method returns a private key, a series key or a meter
key.
Source: docs/spec/enclave-socket.md.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from wattest.crypto import hpke
from wattest.enclave.measured.cbor import Value
from wattest.enclave.measured.device import AttestationDevice
from wattest.enclave.measured.errors import MethodUnknown, SessionInvalid
from wattest.enclave.measured.identity import MAX_TEXT, Identities
from wattest.enclave.measured.peer_service import PeerService, read_binding
from wattest.enclave.measured.release import Head
from wattest.enclave.measured.schema import Fields
from wattest.enclave.measured.seal_import import ImportedItem, ImportSession
from wattest.enclave.measured.seal_series import SealSession
from wattest.enclave.measured.seal_statement import StatementSession
from wattest.enclave.measured.sealed_state import STATE_PURPOSE, SealedState, StateStore
from wattest.enclave.measured.stop_points import StopPoints
from wattest.errors import WattestError
from wattest.messages.header import HEADER_BYTES, MAX_ENTRIES, parse_header
from wattest.metering.series_block import MAX_SERIES_BLOCK_BYTES
from wattest.sealing.wrapped_keys import WRAPPED_BYTES
from wattest.workload.engine import ENGINE_VERSION, EngineConfiguration
from wattest.workload.guests import load_guest
from wattest.workload.settle import MAX_PREVIOUS_PAYOUTS, PAYOUT_BYTES

MAX_BLOCKS_PER_STEP = 4_096
MAX_PAGE = 4_096
MAX_MEMBER_LIST_BYTES = 40 * 1024 * 1024
MAX_PARAMETER_BYTES = 1024 * 1024
MAX_IMPORT_BYTES = 16 * 1024 * 1024
MAX_KEY_BYTES = 4_096

Session = SealSession | ImportSession | StatementSession
SessionKind = TypeVar("SessionKind", SealSession, ImportSession, StatementSession)


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
        self._session: Session | None = None
        self._after: Callable[[], None] | None = None
        self._methods: dict[str, Callable[[Fields], dict[str, object]]] = {
            "describe": self._describe,
            "identity.create": self._create_identity,
            "first_light": self._first_light,
            "seal.begin": self._seal_begin,
            "seal.add": self._seal_add,
            "import.begin": self._import_begin,
            "import.add": self._import_add,
            "statement.begin": self._statement_begin,
            "statement.cite": self._statement_cite,
            "statement.add": self._statement_add,
            "batch.finish": self._batch_finish,
            "batch.page": self._batch_page,
            "release.last": self._last_release,
            "batch.erase": self._erase,
            "debug.arm": self._arm,
            "successor.prepare": lambda fields: self._identity(self._peers.prepare(fields)),
            "standby.activate": lambda fields: self._identity(self._peers.activate(fields)),
            **self._peers.methods(),
        }

    def call(self, method: str, params: Value) -> dict[str, object]:
        """Run one method.

        Raises: WattestError; the open job, if the method belonged to one, is then over.
        """
        handler = self._methods.get(method)
        if handler is None:
            raise MethodUnknown("the enclave has no such method", method=method, hint="use the host's version")
        fields = Fields(params, method)
        try:
            return handler(fields)
        except WattestError:
            if method.startswith(("seal.", "import.", "statement.", "batch.")):
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
        start = fields.uint("start_sequence", 32), fields.octets("start_digest", 32)
        fields.close()
        state, evidence = self._identities.create(binding, channel, start)
        return {**self._identity(state), "evidence": evidence}

    def _first_light(self, fields: Fields) -> dict[str, object]:
        text = fields.text("text", MAX_TEXT)
        channel = fields.optional("channel", lambda name: fields.octets(name, 32))
        fields.close()
        state, digest, signature = self._identities.first_light(text, channel)
        return {"digest": digest, "signature": signature, "address": state.private_key.address}

    def _seal_begin(self, fields: Fields) -> dict[str, object]:
        channel, head, period = _job(fields)
        members = fields.blob("members", MAX_MEMBER_LIST_BYTES * 4)
        meter_keys = fields.rows("meter_keys", 32, MAX_ENTRIES)
        fields.close()
        session = SealSession(self._identities, self._faults, self._vee, channel, head, period, members, meter_keys)
        self._session = session
        return {"order": session.order()}

    def _seal_add(self, fields: Fields) -> dict[str, object]:
        blocks = fields.blobs("blocks", MAX_BLOCKS_PER_STEP, MAX_SERIES_BLOCK_BYTES)
        fields.close()
        return self._open(SealSession).add(blocks)

    def _import_begin(self, fields: Fields) -> dict[str, object]:
        channel, head, period = _job(fields)
        meter_keys = fields.rows("meter_keys", 32, MAX_BLOCKS_PER_STEP)
        readers = fields.rows("readers", hpke.PUBLIC_KEY_BYTES, MAX_BLOCKS_PER_STEP)
        watchers = fields.rows("watchers", hpke.PUBLIC_KEY_BYTES, 64)
        fields.close()
        session = ImportSession(
            self._identities, self._faults, self._vee, channel, head, period, meter_keys, readers, watchers
        )
        self._session = session
        return {"order": session.order()}

    def _import_add(self, fields: Fields) -> dict[str, object]:
        items = [_imported_item(inner) for inner in fields.maps("items", MAX_BLOCKS_PER_STEP)]
        fields.close()
        return self._open(ImportSession).add(items)

    def _statement_begin(self, fields: Fields) -> dict[str, object]:
        channel, head, period = _job(fields)
        session = StatementSession(
            self._identities,
            self._faults,
            self._settle,
            channel,
            head,
            period,
            members=fields.blob("members", MAX_MEMBER_LIST_BYTES * 4),
            meter_keys=fields.rows("meter_keys", 32, MAX_ENTRIES),
            payees=fields.rows("payees", 20, MAX_ENTRIES),
            tariff=fields.blob("tariff", MAX_PARAMETER_BYTES),
            allocation=fields.blob("allocation", MAX_PARAMETER_BYTES),
            previous_payouts=fields.blob("previous_payouts", MAX_PREVIOUS_PAYOUTS * PAYOUT_BYTES),
            terms=(fields.uint("terms_from"), fields.uint("terms_until"), fields.octets("terms_signature", 65)),
        )
        fields.close()
        self._session = session
        return {}

    def _statement_cite(self, fields: Fields) -> dict[str, object]:
        header = parse_header(fields.octets("header", HEADER_BYTES))
        signature = fields.octets("signature", 65)
        fields.close()
        self._open(StatementSession).cite(header, signature)
        return {}

    def _statement_add(self, fields: Fields) -> dict[str, object]:
        entries = fields.rows("entries", 118, MAX_BLOCKS_PER_STEP)
        blocks = fields.blobs("blocks", MAX_BLOCKS_PER_STEP, MAX_SERIES_BLOCK_BYTES + 16)
        wrapped = fields.rows("wrapped", WRAPPED_BYTES, MAX_BLOCKS_PER_STEP)
        fields.close()
        self._open(StatementSession).add(entries, blocks, wrapped)
        return {}

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
        start, count = fields.uint("start", 32), fields.uint("count", 16)
        fields.close()
        if self._session is None or count > MAX_PAGE:
            raise SessionInvalid("no job is open, or the page is too large", limit=MAX_PAGE)
        self._after = lambda: self._faults.reach("after_page")
        return self._session.page(start, count)

    def _last_release(self, fields: Fields) -> dict[str, object]:
        channel = fields.octets("channel", 32)
        fields.close()
        last = self._identities.get(channel).last
        if last is None:
            return {"header": None, "signature": None}
        return {"header": last.header.to_bytes(), "signature": last.signature}

    def _erase(self, fields: Fields) -> dict[str, object]:
        channel, sequence = fields.octets("channel", 32), fields.uint("sequence")
        fields.close()
        state = self._identities.get(channel)
        held = state.sequence == sequence and state.last is not None and bool(state.last.series_keys)
        if held:
            self._identities.save(state.with_erased_keys())
        return {"erased": held}

    def _arm(self, fields: Fields) -> dict[str, object]:
        point = fields.text("point", 64)
        fields.close()
        self._faults.arm(point)
        return {}

    def _open(self, kind: type[SessionKind]) -> SessionKind:
        if not isinstance(self._session, kind):
            raise SessionInvalid("no such job is open", hint="begin one first")
        return self._session


def _imported_item(fields: Fields) -> ImportedItem:
    item = fields.uint("item", 32)
    data = fields.blob("file", MAX_IMPORT_BYTES)
    key = fields.optional("public_key", lambda name: fields.text(name, MAX_KEY_BYTES))
    fields.close()
    return ImportedItem(item, data, key)


def _job(fields: Fields) -> tuple[bytes, Head, tuple[int, int]]:
    channel = fields.octets("channel", 32)
    head = Head(fields.uint("head_sequence"), fields.octets("head_digest", 32))
    return channel, head, (fields.uint("period_start"), fields.uint("period_end"))
