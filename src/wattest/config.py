"""How a chain is reached: the settings that every room from the chain upward shares, frozen, without I/O.

Decided here: what can be set and what holds when nothing is set. Not decided here: where values come from
(``apps.settings_reader`` reads an operator's or a watcher's file, commands their options).
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ChainConfig:
    """How a chain is reached.

    ``rpc_url`` None means the embedded chain; ``confirmations`` counts blocks on top of the one that holds a
    transaction before it is believed.
    """

    rpc_url: str | None = field(default=None, repr=False)  # it may hold a key
    chain_id: int | None = None
    confirmations: int = 1
    request_timeout_s: float = 10.0
    max_attempts: int = 8
