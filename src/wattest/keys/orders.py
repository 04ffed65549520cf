"""What people ask a running operator for: one small file per channel that the loop takes in at its next step.

Decided here: the file's form and that it is gone once the database has the order. Not decided here: what an order leads
to (``key_keeper``). The database has one writer, the running node; a command beside it leaves its wish here.
"""

from __future__ import annotations

from pathlib import Path

from wattest.errors import ConfigError, InputError, ProtocolError, TransportError
from wattest.io.files import write_atomically
from wattest.store.enclave_key import Cause
from wattest.store.operator_port import KeyStore

MAX_ORDER_BYTES = 64
ORDERED: frozenset[Cause] = frozenset({Cause.PLANNED, Cause.LOST, Cause.REVOKED, Cause.UPGRADE})


class OrderUnreadable(InputError):
    """An order that is none: it is put aside."""


class RegistrarMissing(ConfigError):
    """A key has to be registered and the configuration names nobody who judges its evidence."""


class OrderHeld(ProtocolError):
    """An order that cannot be carried out as things stand: the operator commits no more, or a batch is in its way."""


def nobody_judges(channel: bytes, cause: Cause) -> RegistrarMissing:
    """Why no new key can be registered."""
    return RegistrarMissing(
        "a new enclave key needs somebody who judges its evidence",
        channel=channel,
        cause=cause.value,
        hint="name appraisers under [registration], and order it again if the order is not kept",
    )


def order_held(cause: Cause, sequence: int, reason: str) -> OrderHeld:
    """Why an order would wait for ever: a batch that can never be committed."""
    return OrderHeld(
        f"the new key waits for batch {sequence}, which can never be committed: {reason}",
        sequence=sequence,
        cause=cause.value,
        hint="give the batch up: wattest operator abandon; the new key then follows",
    )


class OrderBox:
    """A folder of orders: ``<channel in hex>.order``, which holds the cause of a succession."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def leave(self, channel: bytes, cause: Cause) -> Path:
        """Ask for a successor; durable when it returns, and asked twice it is asked once."""
        path = self._path(channel)
        self._folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, cause.value.encode(), mode=0o600)
        return path

    def waits(self, channel: bytes) -> bool:
        """Whether an order was left that no step took in yet."""
        return self._path(channel).exists()

    def take(self, channel: bytes, keys: KeyStore, now: int) -> None:
        """Move a waiting order into the database.

        Raises: OrderUnreadable, once.
        """
        path = self._path(channel)
        try:
            with path.open("rb") as file:
                data = file.read(MAX_ORDER_BYTES)
        except FileNotFoundError:
            return
        except OSError as error:
            raise TransportError(
                f"an order cannot be read: {error.strerror}", retryable=True, path=str(path)
            ) from error
        cause = next((cause for cause in ORDERED if cause.value.encode() == data), None)
        if cause is None:
            path.replace(path.with_suffix(".refused"))
            raise OrderUnreadable("an order that says nothing known", path=str(path), actual=data.decode("latin-1"))
        keys.order(channel, cause, now)
        path.unlink(missing_ok=True)

    def _path(self, channel: bytes) -> Path:
        return self._folder / f"{channel.hex()}.order"
