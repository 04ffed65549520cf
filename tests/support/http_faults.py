"""A proxy that spoils answers on their way: each fault takes the whole answer and gives the pieces that are sent."""

from __future__ import annotations

import contextlib
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from waiting import HANG_S

from wattest.io.http_exchange import HttpAnswer, HttpPeer

Fault = Callable[[HttpAnswer], Iterator[bytes]]


def sent(answer: HttpAnswer) -> bytes:
    """An answer as bytes on the wire, its length announced as it is."""
    kept = [f"{name}: {value}" for name, value in answer.fields if name not in {"content-length", "connection"}]
    head = [f"HTTP/1.1 {answer.status} Said", *kept, f"content-length: {len(answer.body)}", "connection: close"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + answer.body


def whole(answer: HttpAnswer) -> Iterator[bytes]:
    yield sent(answer)


def changed(**fields: str | None) -> Fault:
    """With header fields put in the place of the answer's (None: left out); underscores stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in fields.items()}

    def fault(answer: HttpAnswer) -> Iterator[bytes]:
        kept = [(name, value) for name, value in answer.fields if name not in named]
        added = [(name, value) for name, value in named.items() if value is not None]
        yield sent(replace(answer, fields=(*kept, *added)))

    return fault


def status(code: int, **fields: str) -> Fault:
    named = tuple((name.replace("_", "-"), value) for name, value in fields.items())

    def fault(_: HttpAnswer) -> Iterator[bytes]:
        yield sent(HttpAnswer(code, (("content-type", "text/plain"), *named), b"no"))

    return fault


def body(change: Callable[[bytes], bytes]) -> Fault:
    def fault(answer: HttpAnswer) -> Iterator[bytes]:
        yield sent(replace(answer, body=change(answer.body)))

    return fault


def cut_short(answer: HttpAnswer) -> Iterator[bytes]:
    yield sent(answer)[:-40]


def hang_up(_: HttpAnswer) -> Iterator[bytes]:
    yield b""


def garbage(_: HttpAnswer) -> Iterator[bytes]:
    yield b"\x16\x03\x01\x00\x00 this is no HTTP\r\n\r\n"


def endless(answer: HttpAnswer) -> Iterator[bytes]:
    """A body without length or end."""
    yield sent(answer).split(b"content-length")[0] + b"connection: close\r\n\r\n"
    while True:
        yield b"A" * 65_536


def slow_drip(answer: HttpAnswer) -> Iterator[bytes]:
    for octet in sent(answer):
        yield bytes([octet])
        time.sleep(0.05)


class FaultyProxy:
    """Stands before a server; ``faults`` maps a part of the path to what happens to its answers, one after another.

    The last fault of a list stays; ``requests`` lists the paths that were asked for.
    """

    def __init__(self, upstream: str, faults: dict[str, list[Fault]]) -> None:
        self.requests: list[str] = []
        self._faults = {part: list(found) for part, found in faults.items()}
        peer = HttpPeer(upstream, timeout_s=HANG_S, deadline_s=HANG_S)
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            timeout = HANG_S

            def handle(self) -> None:
                path = self.rfile.readline().split(b" ")[1].decode()
                while self.rfile.readline().strip():
                    pass
                outer.requests.append(path)
                answer = peer.exchange("GET", path, 1 << 24)
                with contextlib.suppress(OSError):
                    for piece in outer._next(path)(answer):
                        self.wfile.write(piece)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False
            allow_reuse_address = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def _next(self, path: str) -> Fault:
        for part, faults in self._faults.items():
            if part in path:
                return faults.pop(0) if len(faults) > 1 else faults[0]
        return whole

    def __enter__(self) -> FaultyProxy:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
