"""One HTTP request to one peer: bounded in size and in time, redirects not followed.

Decided here: how much of an answer is read, how long all of it may take, and which certificates TLS takes. Not decided
here: what is asked, whether it is tried again, and what an answer means (``remote``, ``pccs``).

Invariants: nothing longer than the caller's limit is kept; a peer that sends a byte now and then cannot stretch a
request beyond its deadline; a body that ends before its announced length is no answer.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from dataclasses import dataclass
from urllib.parse import urlsplit

from wattest.errors import ConfigError, InputError, TransportError
from wattest.url_text import show_target, show_url

_READ_STEP_BYTES = 1 << 16
_PORTS = {"http": 80, "https": 443}


class AnswerTooLarge(InputError):
    """An answer over its format's limit."""


class DeadlinePassed(TransportError):
    """A request that took longer than it may, however much was still coming."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A status, the header fields in order with lower-case names, and the whole body."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def field(self, name: str) -> str | None:
        """The value of a header field that came exactly once; None when it is missing or ambiguous."""
        found = [value for key, value in self.fields if key == name]
        return found[0] if len(found) == 1 else None


class HttpPeer:
    """One ``http`` or ``https`` address; seconds for connecting and for each read, seconds for a whole request."""

    def __init__(self, url: str, *, timeout_s: float, deadline_s: float, tls: ssl.SSLContext | None = None) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise _no_address(url) from error
        if parts.scheme not in _PORTS or not parts.hostname:
            raise _no_address(url)
        if parts.username is not None:
            raise ConfigError(
                "an address with user and password: none are sent here",
                actual=show_url(url),
                hint="give the address without them, such as https://localhost:8081",
            )
        self.secure = parts.scheme == "https"
        self.host, self.port = parts.hostname, port or _PORTS[parts.scheme]
        self.path = parts.path
        self.target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._tls = tls
        self._timeout_s, self._deadline_s = timeout_s, deadline_s

    def exchange(self, method: str, path: str, limit: int, body: bytes | None = None) -> HttpAnswer:
        """Send one request and read its whole answer of at most ``limit`` bytes; ``path`` as on the request line.

        Raises:
            AnswerTooLarge: a longer answer.
            DeadlinePassed: no whole answer in time.
            OSError, http.client.HTTPException: no connection, no TLS, or bytes that are no HTTP.
        """
        stream: socket.socket = socket.create_connection((self.host, self.port), self._timeout_s)
        late = threading.Event()

        def cut() -> None:
            late.set()
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)  # whatever read is waiting ends now

        # Each read may take timeout_s, and a line or a piece takes as many reads as the server likes.
        watchdog = threading.Timer(self._deadline_s, cut)
        watchdog.daemon = True
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self._timeout_s)
        try:
            if self.secure:
                context = self._tls or ssl.create_default_context()
                stream = context.wrap_socket(stream, server_hostname=self.host, do_handshake_on_connect=False)
            watchdog.start()
            if isinstance(stream, ssl.SSLSocket):
                stream.do_handshake()
            connection.sock = stream
            found = _answer(connection, method, path, limit, body, self._authority())
        except (OSError, http.client.HTTPException):
            if late.is_set():
                raise self._late() from None
            raise
        finally:
            watchdog.cancel()
            connection.close()
            stream.close()
        if late.is_set():  # an answer without a length looks whole when it is cut
            raise self._late()
        return found

    def _authority(self) -> str:
        """The ``Host`` field: the connection knows nothing of TLS, and would name its port as an odd one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS["https" if self.secure else "http"] else f"{host}:{self.port}"

    def _late(self) -> DeadlinePassed:
        return DeadlinePassed(
            f"no whole answer within {self._deadline_s:g} s", retryable=False, host=self.host, port=self.port
        )


def _answer(
    connection: http.client.HTTPConnection, method: str, path: str, limit: int, body: bytes | None, authority: str
) -> HttpAnswer:
    connection.request(method, path, body, {"Host": authority})
    response = connection.getresponse()
    pieces: list[bytes] = []
    total = 0
    while piece := response.read(_READ_STEP_BYTES):
        total += len(piece)
        if total > limit:
            raise AnswerTooLarge("the answer is too large", path=show_target(path), expected=limit)
        pieces.append(piece)
    if response.length:  # bytes that were announced and did not come
        raise http.client.IncompleteRead(b"", response.length)
    fields = tuple((name.lower(), value) for name, value in response.getheaders())
    return HttpAnswer(response.status, fields, b"".join(pieces))


def _no_address(url: str) -> ConfigError:
    return ConfigError("not an HTTP address", actual=show_url(url), hint="give one such as https://localhost:8081")
