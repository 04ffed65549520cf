"""A caching collateral service (PCCS) of our own: serves collateral that it is given, simulator's or fetched.

Decided here: which of the collateral at hand answers a request, and how. Not decided here: where collateral comes from
(the caller's source), what is said on the wire (``pccs_wire``), whether it holds (whoever fetches checks).

Invariants: it only reads; it keeps no secret and asks nobody. It bounds what a request may be and not how many come: it
is for one's own network, or behind a proxy. docs/spec/collateral-service.md
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Callable, Sequence

from aiohttp import web

from wattest.attestation.collateral_check import model_named_by
from wattest.attestation.endorsements import Endorsements
from wattest.attestation.formats.collateral import Collateral
from wattest.attestation.platform_model import PckAuthority, PlatformModel, PlatformModelUnknown, Tee, parse_fmspc
from wattest.collateral.pccs_wire import (
    CHAIN_FIELDS,
    JSON_TYPE,
    Item,
    SignedStatement,
    encode_chain_field,
    encode_signed_statement,
)
from wattest.errors import TransportError
from wattest.io.server_thread import ServerThread

Source = Callable[[int], Sequence[Endorsements]]


class ServiceNotStarted(TransportError):
    """The service could not listen."""


class PccsServer(ServerThread):
    """Serves from a thread of its own; ``source`` gives all collateral at hand at a time (unix seconds)."""

    WHAT = "the collateral service"
    NOT_STARTED = ServiceNotStarted

    def __init__(
        self,
        source: Source,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(host, port)
        self._source = source
        self._tls, self._clock = tls, clock

    @property
    def _scheme(self) -> str:
        return "https" if self._tls else "http"

    async def _serve(self, stopping: asyncio.Event, listening: threading.Event) -> None:
        application = web.Application()
        application.add_routes(
            [
                web.get("/{tee:sgx|tdx}/certification/v4/tcb", self._tcb_info),
                web.get("/{tee:sgx|tdx}/certification/v4/qe/identity", self._qe_identity),
                web.get("/sgx/certification/v4/pckcrl", self._pck_list),
                web.get("/sgx/certification/v4/rootcacrl", self._root_list),
            ]
        )
        runner = web.AppRunner(application, access_log=None, keepalive_timeout=5)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._host, self.port, ssl_context=self._tls, reuse_address=True)
            await site.start()
            self.port = runner.addresses[0][1]
            listening.set()
            await stopping.wait()
        finally:
            await runner.cleanup()

    async def _tcb_info(self, request: web.Request) -> web.Response:
        try:
            fmspc = parse_fmspc(request.query.get("fmspc", ""))
        except PlatformModelUnknown as error:
            raise web.HTTPBadRequest(text=error.message) from error
        tee = Tee(request.match_info["tee"])
        found = self._newest(lambda model: model.tee is tee and model.fmspc == fmspc)
        return _statement(
            Item.TCB_INFO, SignedStatement(found.tcb_info, found.tcb_info_signature), found.tcb_info_issuer_chain
        )

    async def _qe_identity(self, request: web.Request) -> web.Response:
        tee = Tee(request.match_info["tee"])
        found = self._newest(lambda model: model.tee is tee)
        return _statement(
            Item.QE_IDENTITY,
            SignedStatement(found.qe_identity, found.qe_identity_signature),
            found.qe_identity_issuer_chain,
        )

    async def _pck_list(self, request: web.Request) -> web.Response:
        named = request.query.get("ca", "").lower()
        if named not in set(PckAuthority):
            raise web.HTTPBadRequest(text="ca is processor or platform")
        found = self._newest(lambda model: model.authority == named)
        fields = {CHAIN_FIELDS[Item.PCK_LIST][0]: encode_chain_field(found.pck_crl_issuer_chain)}
        if request.query.get("encoding", "").lower() == "der":
            return web.Response(body=found.pck_crl, content_type="application/pkix-crl", headers=fields)
        return web.Response(text=found.pck_crl.hex(), headers=fields)

    async def _root_list(self, _: web.Request) -> web.Response:
        return web.Response(text=self._newest(lambda _: True).root_ca_crl.hex())

    def _newest(self, wanted: Callable[[PlatformModel], bool]) -> Collateral:
        at_hand = [each for each in self._source(int(self._clock())) if wanted(model_named_by(each))]
        if not at_hand:
            raise web.HTTPNotFound(text="no collateral for this platform is at hand here")
        return max(at_hand, key=lambda each: each.platform_statement().issued_at).collateral


def _statement(item: Item, statement: SignedStatement, chain: str) -> web.Response:
    return web.Response(
        body=encode_signed_statement(statement, item),
        content_type=JSON_TYPE,
        headers={CHAIN_FIELDS[item][0]: encode_chain_field(chain)},
    )
