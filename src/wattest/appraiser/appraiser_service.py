"""An appraiser as a service: a request for a verdict comes over HTTP, the verdict and its signature go back.

Decided here: the one route, its limits, and what an appraiser checks of a request before it judges the evidence: that
it is for this deployment, that its nonce is a recent block of the chain that the appraiser itself reads, and that the
time it is to be judged at is the chain's, give or take ``TIME_TOLERANCE_S``. Not decided here: how evidence is judged
(``appraiser``). Nothing here is secret but the appraiser's key, which no answer shows; whoever asks may have any
registration judged, and only the operator it names can use it. docs/spec/verdict.md, section "Asking an appraiser"
"""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Awaitable, Callable

from aiohttp import web

from wattest.appraiser.appraiser import Appraiser, RegistrationRequest
from wattest.attestation.result import EvidenceRefused
from wattest.chain.client import ChainClient
from wattest.crypto.secp256k1 import recover_address
from wattest.crypto.strict_fields import Reader, Refusal
from wattest.errors import InputError, TransportError, VerificationError, WattestError
from wattest.io.http_exchange import AnswerTooLarge, DeadlinePassed, HttpPeer
from wattest.io.server_thread import ServerThread
from wattest.messages.eip712 import Domain
from wattest.messages.evidence_verdict import EvidenceVerdict, parse_verdict
from wattest.messages.report_data import KeyBinding

FORMAT = "wattest/appraiser/1"
PATH = "/v1/verdicts"
MAX_REQUEST_BYTES = 1024 * 1024
MAX_ANSWER_BYTES = 64 * 1024
MAX_REQUESTS = 4
NONCE_WINDOW_BLOCKS = 256
TIME_TOLERANCE_S = 300
BODY_TIMEOUT_S = 30.0
_NAMES = (
    "format", "chain_id", "referee", "channel", "operator", "nonce", "nonce_block", "enclave_key", "workload",
    "evidence", "endorsements", "issued_at",
)  # fmt: skip
_MAX_NUMBER = 2**63 - 1


class VerdictRequestInvalid(InputError):
    """A request for a verdict that cannot be read, or is for another deployment."""


def _refuse(refusal: Refusal) -> VerdictRequestInvalid:
    where = refusal.where or "the request"
    return VerdictRequestInvalid(
        f"{where}: {refusal.message}", hint="see docs/spec/verdict.md", field=where, **refusal.details
    )


_REQUEST = Reader(_refuse)


class NonceNotRecent(VerificationError):
    """The nonce is no block hash of the last 256 blocks, or the time is not the chain's."""


class AppraiserNotStarted(TransportError):
    """The appraiser's server could not listen."""


class AppraiserUnreachable(TransportError):
    """The appraiser did not answer."""


def request_body(request: RegistrationRequest, now: int) -> bytes:
    """A request as it goes over the wire."""
    binding = request.binding
    return json.dumps(
        {
            "format": FORMAT,
            "chain_id": str(binding.chain_id),
            "referee": binding.referee.hex(),
            "channel": binding.channel.hex(),
            "operator": binding.operator.hex(),
            "nonce": binding.nonce.hex(),
            "nonce_block": request.nonce_block,
            "enclave_key": request.enclave_key.hex(),
            "workload": request.workload.hex(),
            "evidence": request.evidence.hex(),
            "endorsements": request.endorsements.hex(),
            "issued_at": now,
        }
    ).encode()


def parse_request(body: bytes) -> tuple[RegistrationRequest, int]:
    """A request and the time that its verdict is to carry.

    Raises: VerdictRequestInvalid.
    """
    value = _REQUEST.json(body, MAX_REQUEST_BYTES).fields(*_NAMES)
    value["format"].one_of((FORMAT,))
    binding = KeyBinding(
        value["chain_id"].decimal(256),
        value["referee"].hex(20),
        value["channel"].hex(32),
        value["operator"].hex(20),
        value["nonce"].hex(32),
    )
    request = RegistrationRequest(
        binding,
        value["enclave_key"].hex(20),
        value["evidence"].hex_up_to(MAX_REQUEST_BYTES),
        value["endorsements"].hex_up_to(MAX_REQUEST_BYTES),
        value["nonce_block"].integer(0, _MAX_NUMBER),
        value["workload"].hex(32),
    )
    return request, value["issued_at"].integer(0, _MAX_NUMBER)


class AppraiserServer(ServerThread):
    """One appraiser's server, in a thread of its own; ``start`` returns once it listens."""

    WHAT = "the appraiser's server"
    NOT_STARTED = AppraiserNotStarted

    def __init__(
        self,
        appraiser: Appraiser,
        client: ChainClient,
        registry: Domain,
        referee: bytes,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(host, port)
        self._appraiser = appraiser
        self._client = client
        self._registry = registry
        self._referee = referee
        self._slots = asyncio.Semaphore(MAX_REQUESTS)

    def judge(self, body: bytes) -> dict[str, str]:
        """The answer to one request.

        Raises: VerdictRequestInvalid, NonceNotRecent, EvidenceRefused, TransportError when the chain does not answer.
        """
        request, issued_at = parse_request(body)
        binding = request.binding
        if (binding.chain_id, binding.referee) != (self._client.chain_id, self._referee):
            raise VerdictRequestInvalid(
                "this appraiser judges for another deployment",
                expected=[self._client.chain_id, self._referee],
                actual=[binding.chain_id, binding.referee],
            )
        latest = self._client.block()
        if abs(issued_at - latest.timestamp_s) > TIME_TOLERANCE_S:
            raise NonceNotRecent("the verdict's time is not the chain's", expected=latest.timestamp_s, actual=issued_at)
        recent = latest.number - NONCE_WINDOW_BLOCKS < request.nonce_block <= latest.number
        if not recent or not self._client.is_canonical(request.nonce_block, binding.nonce):
            raise NonceNotRecent(
                "the nonce is not the hash of a recent block",
                expected=latest.number,
                actual=request.nonce_block,
                hint="make fresh evidence over a recent block's hash",
            )
        verdict, signer, signature = self._appraiser.ask(request, self._registry, issued_at)
        return {"verdict": verdict.to_bytes().hex(), "appraiser": signer.hex(), "signature": signature.hex()}

    async def _serve(self, stopping: asyncio.Event, listening: threading.Event) -> None:
        application = web.Application(client_max_size=MAX_REQUEST_BYTES, middlewares=[self._guard])
        application.add_routes([web.post(PATH, self._verdict)])
        runner = web.AppRunner(application, access_log=None, keepalive_timeout=15, max_line_size=8190)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._host, self.port, backlog=64, reuse_address=True)
            await site.start()
            self.port = runner.addresses[0][1]
            listening.set()
            await stopping.wait()
        finally:
            await runner.cleanup()

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if self._slots.locked():
            return _failed(429, "TooManyRequests", "too many requests at once")
        async with self._slots:
            try:
                return await handler(request)
            except InputError as error:
                return _failed(400, error.code, error.message)
            except VerificationError as error:
                return _failed(422, error.code, error.message)
            except web.HTTPRequestEntityTooLarge:
                return _failed(413, "BodyTooLarge", "the body is over the limit")
            except web.HTTPException as error:
                return _failed(error.status, type(error).__name__, error.reason)
            except TimeoutError:
                return _failed(408, "TooSlow", "the request took too long")
            except WattestError as error:
                return _failed(503, error.code, error.message)

    async def _verdict(self, request: web.Request) -> web.Response:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            body = await request.read()
        return web.json_response(await asyncio.to_thread(self.judge, body))


class RemoteAppraiser:
    """An appraiser at an address; whether its key counts is the registry's to say."""

    def __init__(self, url: str, *, timeout_s: float = 10.0, deadline_s: float = 60.0) -> None:
        self.url = url
        self._peer = HttpPeer(url, timeout_s=timeout_s, deadline_s=deadline_s)

    def ask(self, request: RegistrationRequest, registry: Domain, now: int) -> tuple[EvidenceVerdict, bytes, bytes]:
        """The verdict with its signer and signature, which is checked here.

        Raises: EvidenceRefused with the appraiser's words; AppraiserUnreachable.
        """
        try:
            answer = self._peer.exchange(
                "POST", self._peer.path.rstrip("/") + PATH, MAX_ANSWER_BYTES, request_body(request, now)
            )
        except (OSError, http.client.HTTPException, DeadlinePassed, AnswerTooLarge) as error:
            raise self._unreachable(str(error)) from error
        reader = Reader(lambda refusal: self._unreachable(f"status {answer.status}: {refusal.where} {refusal.message}"))
        value = reader.json(answer.body, MAX_ANSWER_BYTES).fields()
        if answer.status in {400, 413, 422}:
            raise EvidenceRefused(
                f"the appraiser refuses: {value.get('message', '').text(MAX_ANSWER_BYTES)[:500]}",
                appraiser=self.url,
                reason=value.get("error", "").text(MAX_ANSWER_BYTES)[:64],
            )
        if answer.status != 200:
            raise self._unreachable(f"status {answer.status}: {value.get('error', '').text(MAX_ANSWER_BYTES)[:64]}")
        try:
            verdict, signature = parse_verdict(value["verdict"].hex(448)), value["signature"].hex(65)
            signer = recover_address(verdict.digest(registry), signature)
        except WattestError as error:
            raise self._unreachable(f"its verdict does not hold: {error.message}") from error
        return verdict, signer, signature

    def _unreachable(self, cause: str) -> AppraiserUnreachable:
        return AppraiserUnreachable(
            "an appraiser does not answer as it must", retryable=True, appraiser=self.url, cause=cause
        )


def _failed(status: int, name: str, message: str) -> web.Response:
    return web.json_response({"error": name, "message": message}, status=status)
