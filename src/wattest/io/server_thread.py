"""An HTTP server in a thread of its own: starting, saying why it cannot listen, stopping.

Decided here: the thread's life, the same for operators, appraisers and collateral services. Not decided here: what is
served (each server's own ``_serve``). Invariants: ``start`` returns once it listens; ``stop`` may be called twice.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from typing import ClassVar, Self

from wattest.errors import TransportError

STOP_S = 10.0


class ServerThread(ABC):
    """Serves on ``host`` and ``port`` (0: any free one, known once it listens)."""

    WHAT: ClassVar[str]
    """How an error names it, as in "the operator's server"."""
    NOT_STARTED: ClassVar[type[TransportError]]
    """What ``start`` raises when the port is taken, or the address is not this machine's."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self.port = host, port
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    @property
    def url(self) -> str:
        """The server's address."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{self._scheme}://{host}:{self.port}"

    @property
    def _scheme(self) -> str:
        return "http"

    def start(self) -> Self:
        """Listen; raises ``NOT_STARTED``, with the address and the system's word as fields."""
        failed: list[OSError] = []
        listening = threading.Event()

        def serve() -> None:
            try:
                asyncio.run(self._run(listening))
            except OSError as error:
                failed.append(error)
            finally:
                listening.set()

        self._thread = threading.Thread(target=serve, name=type(self).__name__, daemon=True)
        self._thread.start()
        listening.wait()
        if failed:
            self._thread.join()
            raise self.NOT_STARTED(
                f"{self.WHAT} cannot listen",
                retryable=False,
                address=f"{self._host}:{self.port}",
                cause=str(failed[0]),
                hint="choose another port",
            )
        return self

    def stop(self) -> None:
        """Stop listening; safe to call twice."""
        if self._loop is not None and self._stopping is not None and self._thread is not None:
            if self._thread.is_alive():
                self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(STOP_S)
            self._loop = None

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    async def _run(self, listening: threading.Event) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        await self._serve(self._stopping, listening)

    @abstractmethod
    async def _serve(self, stopping: asyncio.Event, listening: threading.Event) -> None:
        """Listen, note ``port``, set ``listening``, serve until ``stopping`` is set, clean up."""
