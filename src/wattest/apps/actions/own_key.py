"""Whether a key is the operator's whose batches a data folder keeps.

Decided here: the newest sealed header of a channel names its operator; another operator's key would show its standing
beside this one's batches, and send what the contract refuses. A folder that has sealed nothing is anybody's.
"""

from __future__ import annotations

from collections.abc import Iterable

from wattest.errors import ConfigError
from wattest.store.operator_port import OperatorView


class KeyOfAnotherOperator(ConfigError):
    """The key's address is not the operator of the batches in the data folder."""


def require_own_key(store: OperatorView, channels: Iterable[bytes], operator: bytes) -> None:
    """Refuse a key with which nothing in ``store`` was sealed; ``operator`` is its address, 20 bytes.

    Raises: KeyOfAnotherOperator.
    """
    for channel in channels:
        batch = store.last_batch(channel)
        while batch is not None and batch.header is None:  # collected, and not sealed yet
            batch = store.find_batch(channel, batch.sequence - 1)
        if batch is not None and batch.header is not None and batch.header.operator != operator:
            raise KeyOfAnotherOperator(
                "the key is another operator's than the one whose batches this folder keeps",
                place="operator.key",
                channel=channel,
                expected="0x" + batch.header.operator.hex(),
                actual="0x" + operator.hex(),
                hint="name this operator's own key, or the other operator's data folder",
            )
