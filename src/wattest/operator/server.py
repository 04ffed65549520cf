"""The operator's HTTP server: bundles, headers, wrapped keys and proofs out, device blocks in.

Decided here: routes, limits and error answers. Not decided here: what the bytes mean, who may open them (their keys
say so). Invariants: a path names only what the database knows, so no request reaches another file; the database is only
read; a device block is acknowledged once it is on disk, and signed for only while its period is open.
docs/spec/operator-http.md, acceptance.md
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from wattest.crypto.hashing import sha256
from wattest.crypto.signer import Signer
from wattest.errors import InputError, TransportError, VerificationError, WattestError
from wattest.io.server_thread import ServerThread
from wattest.messages.acceptance import BlockAcceptance, sign_acceptance
from wattest.messages.eip712 import Domain
from wattest.metering.meter import blinded_meter
from wattest.operator.ingest import MemberBlock, collected_until, verify_member_block
from wattest.store.batch_state import StoredBatch, StoredState
from wattest.store.batch_tree import BatchTrees
from wattest.store.duty import Duty
from wattest.store.operator_port import OperatorData, OperatorView
from wattest.store.ports import MAX_BLOCK_BYTES, BlockInbox, BlockIndexInvalid, BundleStore, InboxFull

FORMAT = "wattest/operator/1"
MAX_LISTED = 1_000
MAX_KEYS = 10_000
MAX_REQUESTS = 64
MAX_HEAVY_REQUESTS = 4
MAX_CONNECTIONS = 256
HEAD_TIMEOUT_S = 10.0
BODY_TIMEOUT_S = 30.0
ANSWER_TIMEOUT_S = 60.0
STREAM_BYTES = 1 << 16
DOCUMENTS = frozenset({"members", "evidence", "endorsements"})
_NOT_SERVED = frozenset({StoredState.COLLECTED, StoredState.SEALING, StoredState.SEALED})
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,9}")
_DOCUMENT_BY_DIGEST = re.compile(r"(?:evidence|endorsements)-[0-9a-f]{64}")
_HEX32 = re.compile(r"[0-9a-f]{64}")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class NotServed(InputError):
    """Nothing of that name is served here."""


class ServerNotStarted(TransportError):
    """The server could not listen."""


@dataclass(frozen=True, slots=True)
class UnsafeBehaviour:
    """What a cheating operator's server does in a demonstration; empty in earnest.

    ``withheld`` entry positions are not served; ``other_headers`` (channel, sequence) -> (header bytes, signature) are
    shown in the place of the stored ones.
    """

    withheld: frozenset[int] = frozenset()
    other_headers: Mapping[tuple[bytes, int], tuple[bytes, bytes]] = field(default_factory=dict)


class _Gate(asyncio.Protocol):
    """Lets a connection through to aiohttp, if there is room, and drops it when no request has come in time.

    aiohttp waits for the first request of a connection for ever: without this, a stranger that opens connections and
    says nothing takes every file descriptor of the operator.
    """

    def __init__(self, handler: asyncio.Protocol, gates: dict[asyncio.BaseTransport, _Gate]) -> None:
        self._handler = handler
        self._gates = gates
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if len(self._gates) >= MAX_CONNECTIONS:
            transport.abort()
            return
        self._transport = transport
        self._gates[transport] = self
        self._timer = asyncio.get_running_loop().call_later(HEAD_TIMEOUT_S, transport.abort)
        self._handler.connection_made(transport)

    def request_came(self) -> None:
        """The first request's head is whole; aiohttp's keep-alive timer watches over the next ones."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def connection_lost(self, exc: Exception | None) -> None:
        self.request_came()
        if self._transport is not None:
            self._gates.pop(self._transport, None)
            self._handler.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._transport is not None:
            self._handler.data_received(data)

    def eof_received(self) -> bool | None:
        return self._handler.eof_received() if self._transport is not None else None

    def pause_writing(self) -> None:
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        self._handler.resume_writing()


class OperatorServer(ServerThread):
    """Serves one operator's store from a thread of its own; ``start`` returns once it listens."""

    WHAT = "the operator's server"
    NOT_STARTED = ServerNotStarted

    def __init__(
        self,
        data: OperatorData,
        bundles: BundleStore,
        inbox: BlockInbox,
        *,
        signer: Signer,
        chain_id: int,
        referee: bytes,
        duties: tuple[Duty, ...] = (),
        host: str = "127.0.0.1",
        port: int = 0,
        unsafe_behaviour: UnsafeBehaviour | None = None,
    ) -> None:
        super().__init__(host, port)
        self._unsafe = unsafe_behaviour or UnsafeBehaviour()
        self._data = data
        self._trees = BatchTrees.in_cache(data.folder)
        self._bundles = bundles
        self._inbox = inbox
        self._signer = signer
        self._domain = Domain(chain_id, referee)
        self._identity = {"operator": signer.address.hex(), "chain_id": str(chain_id), "referee": referee.hex()}
        self._duties = {duty.channel.id: duty for duty in duties}
        self._slots = asyncio.Semaphore(MAX_REQUESTS)
        self._heavy = asyncio.Semaphore(MAX_HEAVY_REQUESTS)
        self._gates: dict[asyncio.BaseTransport, _Gate] = {}
        self._reader = threading.local()

    async def _serve(self, stopping: asyncio.Event, listening: threading.Event) -> None:
        application = web.Application(client_max_size=MAX_BLOCK_BYTES, middlewares=[self._guard])
        batch = "/v1/channels/{channel}/batches/{sequence}"
        application.add_routes(
            [
                web.get("/v1/status", self._status),
                web.get("/v1/channels/{channel}/batches", self._batches),
                web.get(batch + "/header", self._header),
                web.get(batch + "/manifest", self._manifest),
                web.get(batch + "/bundle", self._bundle),
                web.get(batch + "/blocks/{position}", self._block),
                web.get(batch + "/roster", self._roster),
                web.get(batch + "/keys/{reader}", self._keys),
                web.get(batch + "/entries", self._entries),
                web.get(batch + "/entries/{position}", self._entry),
                web.get("/v1/channels/{channel}/documents/{name}", self._document),
                web.post("/v1/channels/{channel}/blocks", self._take),
            ]
        )
        runner = web.AppRunner(application, access_log=None, keepalive_timeout=15, max_line_size=8190)
        await runner.setup()
        handlers = runner.server
        assert handlers is not None
        listener: asyncio.Server | None = None
        try:
            listener = await asyncio.get_running_loop().create_server(
                lambda: _Gate(handlers(), self._gates), self._host, self.port, backlog=128, reuse_address=True
            )
            self.port = listener.sockets[0].getsockname()[1]
            listening.set()
            await stopping.wait()
        finally:
            if listener is not None:
                listener.close()
            await runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        gate = self._gates.get(request.transport) if request.transport is not None else None
        if gate is not None:
            gate.request_came()
        if self._slots.locked():
            return _error(429, "TooManyRequests", "too many requests at once")
        async with self._slots:
            try:
                return await handler(request)
            except NotServed as error:
                return _error(404, error.code, error.message)
            except InboxFull as error:
                return _error(503, error.code, error.message)
            except InputError as error:
                return _error(400, error.code, error.message)
            except VerificationError as error:
                return _error(422, error.code, error.message)
            except web.HTTPRequestEntityTooLarge:
                return _error(413, "BodyTooLarge", "the body is over the limit")
            except web.HTTPException as error:
                return _error(error.status, type(error).__name__, error.reason)
            except TimeoutError:
                return _error(408, "TooSlow", "the request took too long")
            except WattestError as error:
                return _error(503, error.code, error.message)

    # answers

    async def _status(self, _: web.Request) -> web.Response:
        def read() -> list[dict[str, object]]:
            store = self._store()
            last = ((channel, store.last_batch(channel)) for channel in store.channels())
            return [{"channel": channel.hex(), "last_sequence": batch.sequence} for channel, batch in last if batch]

        return web.json_response({"format": FORMAT, **self._identity, "channels": await asyncio.to_thread(read)})

    async def _batches(self, request: web.Request) -> web.Response:
        channel, first = _channel(request), _number(request.query.get("from", "1"))

        def read() -> list[dict[str, object]]:
            served = [state for state in StoredState if state not in _NOT_SERVED]
            found = self._store().batches(channel, states=served, from_sequence=first, limit=MAX_LISTED)
            return [
                {
                    "sequence": batch.sequence,
                    "header_digest": (batch.header_digest or b"").hex(),
                    "content_id": (batch.content_id or b"").hex(),
                    "state": batch.state.value,
                }
                for batch in found
            ]

        return web.json_response(await asyncio.to_thread(read))

    async def _header(self, request: web.Request) -> web.Response:
        batch = await self._served(request)
        sealed, signed = batch.signed
        stored = (sealed.to_bytes(), signed)
        header, signature = self._unsafe.other_headers.get((batch.channel, batch.sequence), stored)
        return web.json_response({"header": header.hex(), "signature": signature.hex()})

    async def _manifest(self, request: web.Request) -> web.Response:
        batch = await self._served(request)

        def read() -> bytes:
            with self._bundles.open(batch.content_id or b"") as bundle:
                return bundle.manifest()

        return web.Response(body=await asyncio.to_thread(read), content_type="application/json")

    async def _bundle(self, request: web.Request) -> web.StreamResponse:
        batch = await self._served(request)
        if self._unsafe.withheld:
            raise NotServed("the bundle is not served")
        size, file = self._bundles.open_car(batch.content_id or b"")
        response = web.StreamResponse(headers={"Content-Type": "application/vnd.ipld.car", "Content-Length": str(size)})
        with file:
            await response.prepare(request)
            while piece := await asyncio.to_thread(file.read, STREAM_BYTES):
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    await response.write(piece)
        await response.write_eof()
        return response

    async def _block(self, request: web.Request) -> web.Response:
        batch, position = await self._served(request), _position(request)
        self._require_served(position)

        def read() -> bytes:
            try:
                return self._bundles.block(batch.content_id or b"", position)
            except BlockIndexInvalid as error:
                raise NotServed("no such block") from error

        return web.Response(body=await asyncio.to_thread(read))

    async def _roster(self, request: web.Request) -> web.Response:
        batch = await self._served(request)
        rows = await asyncio.to_thread(lambda: self._store().roster_rows(batch.channel, batch.sequence))
        if not rows and batch.header is not None and any(batch.header.roster):
            raise NotServed("this batch's roster is of an earlier version, which no client of this one reads")
        return web.Response(body=rows)

    async def _keys(self, request: web.Request) -> web.Response:
        batch, reader = await self._served(request), request.match_info["reader"]
        first = _number(request.query.get("from", "0"))
        if _HEX32.fullmatch(reader) is None:
            raise NotServed("a reader is 64 lower-case hex digits")

        def read() -> dict[int, bytes]:
            store = self._store()
            return store.wrapped_keys(batch.channel, batch.sequence, bytes.fromhex(reader), first=first, limit=MAX_KEYS)

        keys = await asyncio.to_thread(read)
        shown = {str(at): key.hex() for at, key in keys.items() if at not in self._unsafe.withheld}
        return web.json_response({"keys": shown})

    async def _entries(self, request: web.Request) -> web.StreamResponse:
        batch = await self._served(request)

        def read() -> bytes:
            payloads, _ = self._store().entries(batch.channel, batch.sequence)
            hidden = self._unsafe.withheld
            return b"".join(bytes(118) if at in hidden else payload for at, payload in enumerate(payloads))

        async with self._heavy:  # every entry at once, up to 118 MiB, held until the client has taken them
            body = await asyncio.to_thread(read)
            response = web.StreamResponse(
                headers={"Content-Type": "application/octet-stream", "Content-Length": str(len(body))}
            )
            await response.prepare(request)
            for at in range(0, len(body), STREAM_BYTES):
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    await response.write(body[at : at + STREAM_BYTES])
            await response.write_eof()
            return response

    async def _entry(self, request: web.Request) -> web.Response:
        batch, position = await self._served(request), _position(request)
        self._require_served(position)

        def read() -> dict[str, object]:
            entry = self._trees.inclusion(self._store(), batch, position)
            if entry is None:
                raise NotServed("no such entry")
            return {
                "payload": entry.payload.hex(),
                "salt": entry.salt.hex(),
                "path": [sibling.hex() for sibling in entry.path],
            }

        if self._trees.is_made(batch):
            return web.json_response(await asyncio.to_thread(read))
        async with self._heavy:  # the first proof of a batch builds its tree over every entry
            return web.json_response(await asyncio.to_thread(read))

    async def _document(self, request: web.Request) -> web.Response:
        channel, name = _channel(request), request.match_info["name"]
        body = None
        if name in DOCUMENTS or _DOCUMENT_BY_DIGEST.fullmatch(name):
            body = await asyncio.to_thread(lambda: self._store().document(channel, name))
        if body is None:
            raise NotServed("no such document")
        return web.Response(body=body)

    async def _take(self, request: web.Request) -> web.Response:
        channel = _channel(request)
        duty = self._duties.get(channel)
        if duty is None:
            raise NotServed("this operator takes no blocks for that channel")
        async with asyncio.timeout(BODY_TIMEOUT_S):
            body = await request.read()

        def keep() -> dict[str, object]:
            block = verify_member_block(duty, body)
            self._inbox.put(channel, body)
            return self._accept(duty, block, sha256(body))

        return web.json_response(await asyncio.to_thread(keep), status=202)

    def _accept(self, duty: Duty, block: MemberBlock, digest: bytes) -> dict[str, object]:
        """The answer for a block that is on disk: signed, unless its period may be closed already."""
        channel, start = duty.channel.id, block.period[0]
        collected = collected_until(self._store(), channel)  # looked at when the block is in the inbox, not before
        if collected is not None and start <= collected:
            return {"accepted": digest.hex(), "unsigned": "PeriodCollected"}
        meter = blinded_meter(duty.members_at(start).meter_key_of(block.public_key), channel, start)
        acceptance = BlockAcceptance(channel, self._signer.address, meter, start, digest)
        signed = sign_acceptance(self._signer, acceptance, self._domain)
        return {
            "accepted": digest.hex(),
            "blinded_meter": meter.hex(),
            "period_start": str(start),
            "signature": signed.signature.hex(),
        }

    async def _served(self, request: web.Request) -> StoredBatch:
        channel, sequence = _channel(request), _number(request.match_info["sequence"])
        batch = await asyncio.to_thread(lambda: self._store().find_batch(channel, sequence))
        if batch is None or batch.state in _NOT_SERVED:
            raise NotServed("no such batch")
        return batch

    def _require_served(self, position: int) -> None:
        if position in self._unsafe.withheld:
            raise NotServed("not served")

    def _store(self) -> OperatorView:
        """This thread's own view of the tables."""
        store: OperatorView | None = getattr(self._reader, "store", None)
        if store is None:
            store = self._reader.store = self._data.view()
        return store


def _channel(request: web.Request) -> bytes:
    text = request.match_info["channel"]
    if _HEX32.fullmatch(text) is None:
        raise NotServed("a channel is 64 lower-case hex digits")
    return bytes.fromhex(text)


def _position(request: web.Request) -> int:
    return _number(request.match_info["position"])


def _number(text: str) -> int:
    if _DECIMAL.fullmatch(text) is None:
        raise NotServed("a number is decimal, without leading zeros")
    return int(text)


def _error(status: int, name: str, message: str) -> web.Response:
    return web.json_response(text=json.dumps({"error": name, "message": message}), status=status)
