"""A small TCP proxy in front of a node, to make a chain slow, cut it off or lose its answers."""

from __future__ import annotations

import contextlib
import socket
import threading
import time


class ChainProxy:
    """Forwards to a port; ``answers_before_loss`` = n loses answer n + 1 and cuts the connection."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self.delay_s = 0.0
        self.down = False
        self.answers_before_loss: int | None = None
        self.requests = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Close every connection that is open now."""
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.down:
                client.close()
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            node = socket.create_connection(("127.0.0.1", self._target_port))
        except OSError:
            client.close()
            return
        self._open |= {client, node}
        threading.Thread(target=self._copy, args=(client, node, False), daemon=True).start()
        self._copy(node, client, True)

    def _copy(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        try:
            while data := source.recv(1 << 16):
                if self.down:
                    break
                if is_answer:
                    if self.answers_before_loss == 0:
                        self.answers_before_loss = None
                        break
                    if self.answers_before_loss is not None:
                        self.answers_before_loss -= 1
                    time.sleep(self.delay_s)
                else:
                    self.requests += 1
                target.sendall(data)
        except OSError:
            pass
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
