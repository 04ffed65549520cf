"""Where a host waits for another host's enclave: one conversation at a time, each with an end.

Decided here: how an address is listened on and how long a conversation may take. Not decided here: what is said in it
(``enclave.host.peer``), who listens (``standby``, ``witness_service``). Invariant: whoever connects holds the listener
for ``CONVERSATION_S`` at most, whatever it sends and however slowly.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from wattest.errors import ProtocolError, TransportError, WattestError

CONVERSATION_S = 120.0


class ListenerNotStarted(TransportError):
    """The address cannot be listened on."""


class ConversationTooLong(ProtocolError):
    """A conversation that did not end in its time and was cut off."""


class PeerListener:
    """A listening address; port 0 is a free one."""

    def __init__(self, address: tuple[str, int]) -> None:
        """Raises: ListenerNotStarted."""
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        try:
            self._listener = socket.create_server((address[0].strip("[]"), address[1]), family=family, backlog=1)
        except OSError as error:
            raise ListenerNotStarted(
                "the address cannot be listened on",
                retryable=False,
                address=f"{address[0]}:{address[1]}",
                cause=str(error),
            ) from error
        self.address: tuple[str, int] = self._listener.getsockname()[:2]

    def accept(self, wait_s: float) -> socket.socket | None:
        """The next connection, None when nobody came in time. Raises: ListenerNotStarted, retryable, when it broke."""
        self._listener.settimeout(wait_s)
        try:
            return self._listener.accept()[0]
        except TimeoutError:
            return None
        except OSError as error:
            raise ListenerNotStarted(
                "the listener failed", retryable=True, address=f"{self.address[0]}:{self.address[1]}", cause=str(error)
            ) from error

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()


def connect(address: tuple[str, int], timeout_s: float) -> socket.socket:
    """A connection to another host, whose IPv6 address may stand in brackets; raises ``OSError``."""
    return socket.create_connection((address[0].strip("[]"), address[1]), timeout_s)


@contextmanager
def ending(stream: socket.socket) -> Iterator[None]:
    """Cut the stream off after ``CONVERSATION_S``: a timeout for each read alone would let a stranger drip bytes.

    Raises: ConversationTooLong in place of what followed from the cut.
    """
    cut = threading.Event()

    def end() -> None:
        cut.set()
        with contextlib.suppress(OSError):
            stream.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(CONVERSATION_S, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except WattestError as error:
        if cut.is_set():
            raise ConversationTooLong(
                "the conversation took too long and was cut off", limit_s=CONVERSATION_S
            ) from error
        raise
    finally:
        timer.cancel()
