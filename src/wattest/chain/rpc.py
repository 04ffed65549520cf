"""JSON-RPC over one kept-alive HTTP connection, bounded, with retries and back-off.

Decided here: framing of single and batched requests, size and time limits, which failures are tried again. Not decided
here: what a method means, nonces, confirmations (``client``). Every retried request is safe to repeat: reads, and raw
transactions, which a node knows by their hash. Plain JSON-RPC instead of a client library because a library call costs
a few milliseconds each and cannot put fifty reads into one round trip.

Source: JSON-RPC 2.0; execution-apis for the ``eth_`` methods.
"""

from __future__ import annotations

import http.client
import itertools
import json
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from wattest.crypto.json_text import load_json
from wattest.errors import ConfigError, TransportError
from wattest.url_text import hider, show_url

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
MAX_BATCH_CALLS = 100
"""Calls in one round trip: nodes bound a batch's calls and its bytes."""
FIRST_BACKOFF_S = 0.05
LONGEST_BACKOFF_S = 5.0
_BUSY_STATUS = frozenset({429, 500, 502, 503, 504})
_READ_STEP_BYTES = 1 << 16


class ChainUnreachable(TransportError):
    """The RPC endpoint refused, dropped or timed out every attempt."""


class RpcFailed(TransportError):
    """The node answered with a JSON-RPC error; ``rpc_code``, ``rpc_message`` and ``data`` are the node's own."""

    def __init__(self, method: str, rpc_code: int, rpc_message: str, data: object) -> None:
        super().__init__(
            f"the node refused {method}: {rpc_message}",
            retryable=False,
            method=method,
            rpc_code=rpc_code,
            rpc_message=rpc_message,
            data=data,
        )
        self.rpc_code = rpc_code
        self.rpc_message = rpc_message
        self.data = data


class MalformedRpcResponse(TransportError):
    """The endpoint answered something that is not JSON-RPC, or more than the size limit."""


class JsonRpc:
    """A connection to one RPC endpoint; safe to share between threads, one request at a time.

    ``max_attempts`` counts tries of one request over transport failures; the waits between them double from 50 ms and
    stop growing at 5 s. ``sleep`` is replaced by tests only.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 10.0,
        max_attempts: int = 8,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:  # half an IPv6 address, a port beyond 65535
            parts, port = urlsplit(""), None
        odd = any(character <= " " or character == "\x7f" for character in url)  # http.client refuses them late
        if parts.scheme not in {"http", "https"} or not parts.hostname or odd:
            raise ConfigError(
                "not an RPC address", actual=show_url(url), hint="give an address such as http://127.0.0.1:8545"
            )
        self.url = url
        self.shown_url = show_url(url)
        self._hide = hider(url)
        self._headers = {"Content-Type": "application/json"}
        if parts.username is not None:  # as a browser would: https://user:password@host
            credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = "Basic " + b64encode(credentials.encode()).decode()
        self._secure = parts.scheme == "https"
        self._host = parts.hostname
        self._port = port or (443 if self._secure else 80)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._timeout_s = timeout_s
        self._max_attempts = max(1, max_attempts)
        self._max_response_bytes = max_response_bytes
        self._sleep = sleep
        self._lock = threading.Lock()
        self._connection: http.client.HTTPConnection | None = None
        self._ids = itertools.count(1)

    def request(self, method: str, *params: object) -> Any:
        """Call one method and return its result.

        Raises ``RpcFailed`` for an error the node reports, ``ChainUnreachable`` after the last attempt.
        """
        return self.batch([(method, params)])[0]

    def batch(self, calls: Sequence[tuple[str, Sequence[object]]]) -> list[Any]:
        """Call several methods; results in the order of ``calls``; the first error is raised.

        One round trip for each 100 calls. Raises ``RpcFailed`` for an error the node reports, ``ChainUnreachable``.
        """
        results = self.settle(calls)
        for result in results:
            if isinstance(result, RpcFailed):
                raise result
        return results

    def settle(self, calls: Sequence[tuple[str, Sequence[object]]]) -> list[Any]:
        """The same with each error the node reports in its call's place, as an ``RpcFailed``."""
        results: list[Any] = []
        for start in range(0, len(calls), MAX_BATCH_CALLS):
            results += self._settle(calls[start : start + MAX_BATCH_CALLS])
        return results

    def _settle(self, calls: Sequence[tuple[str, Sequence[object]]]) -> list[Any]:
        numbered = [
            {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(params)}
            for method, params in calls
        ]
        answer = self._exchange(json.dumps(numbered if len(numbered) > 1 else numbered[0]).encode())
        answers = answer if isinstance(answer, list) else [answer]
        by_id = {item["id"]: item for item in answers if isinstance(item, dict) and isinstance(item.get("id"), int)}
        results: list[Any] = []
        for sent in numbered:
            item = by_id.get(sent["id"])
            if item is None:
                raise MalformedRpcResponse("the node left a call unanswered", retryable=True, method=sent["method"])
            error = item.get("error")
            if isinstance(error, dict):
                code = error.get("code")
                results.append(
                    RpcFailed(
                        str(sent["method"]),
                        code if isinstance(code, int) else 0,
                        self._hide(str(error.get("message"))),
                        self._hide(data) if isinstance(data := error.get("data"), str) else data,
                    )
                )
            else:
                results.append(item.get("result"))
        return results

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        with self._lock:
            self._drop()

    def _exchange(self, body: bytes) -> Any:
        wait_s = FIRST_BACKOFF_S
        for attempt in range(1, self._max_attempts + 1):
            try:
                return self._exchange_once(body)
            except (OSError, http.client.HTTPException) as error:
                if attempt == self._max_attempts:
                    raise ChainUnreachable(
                        "the chain does not answer",
                        retryable=True,
                        hint="check that the node runs and that the address is right",
                        url=self.shown_url,
                        attempts=attempt,
                        cause=self._hide(f"{type(error).__name__}: {error}"),
                    ) from error
            self._sleep(wait_s)
            wait_s = min(wait_s * 2, LONGEST_BACKOFF_S)
        raise AssertionError("unreachable: the loop returns or raises")

    def _exchange_once(self, body: bytes) -> Any:
        with self._lock:
            connection = self._connection or self._open()
            try:
                connection.request("POST", self._target, body, self._headers)
                response = connection.getresponse()
                raw = self._read_bounded(response)
            except BaseException:
                self._drop()
                raise
            if response.will_close:
                self._drop()
        if response.status in _BUSY_STATUS:
            raise http.client.HTTPException(f"HTTP status {response.status}")
        try:
            return load_json(raw)
        except ValueError as error:
            raise MalformedRpcResponse(
                "the endpoint does not speak JSON-RPC",
                retryable=False,
                hint="check the RPC address",
                url=self.shown_url,
                status=response.status,
            ) from error

    def _read_bounded(self, response: http.client.HTTPResponse) -> bytes:
        pieces: list[bytes] = []
        total = 0
        while piece := response.read(_READ_STEP_BYTES):
            total += len(piece)
            if total > self._max_response_bytes:
                raise MalformedRpcResponse(
                    "the node's answer is too large", retryable=False, limit_bytes=self._max_response_bytes
                )
            pieces.append(piece)
        if response.length:  # bytes that were announced and did not come
            raise http.client.IncompleteRead(b"", response.length)
        return b"".join(pieces)

    def _open(self) -> http.client.HTTPConnection:
        if self._secure:
            self._connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout_s, context=ssl.create_default_context()
            )
        else:
            self._connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
