"""Reading the referee's log from where one stopped, across restarts and reorganisations.

Decided here: how the cursor moves. Not decided here: what the events mean to a node. Invariant: every event of the
canonical chain is read at least once; after a reorganisation the last blocks are read again, so whoever uses the events
must take the same one twice.
"""

from __future__ import annotations

from wattest.chain.client import Block
from wattest.chain.ports import RefereePort
from wattest.chain.referee_events import RefereeEvent
from wattest.store.ports import Cursors

REWIND_BLOCKS = 256
MAX_BLOCKS_AT_ONCE = 50_000


class EventFollower:
    """Reads new events; ``keep`` remembers how far, once they are dealt with."""

    def __init__(self, referee: RefereePort, cursors: Cursors, name: str) -> None:
        self._referee = referee
        self._cursors = cursors
        self._name = name
        self._reached: Block | None = None

    def read(self, channel: bytes | None = None) -> list[RefereeEvent]:
        """Events since the last ``keep``, in order; blocks that are not deep enough are left for later."""
        chain = self._referee.client
        head = chain.block().number - chain.confirmations
        first = self._first_block()
        last = min(head, first + MAX_BLOCKS_AT_ONCE - 1)
        if last < first:
            self._reached = None
            return []
        self._reached = chain.block(last)
        return self._referee.events(first, last, channel)

    def keep(self) -> None:
        """Remember what ``read`` gave as dealt with."""
        if self._reached is not None:
            self._cursors.set(self._name, self._reached.number, self._reached.hash)

    def _first_block(self) -> int:
        kept = self._cursors.get(self._name)
        if kept is None:
            return self._referee.deployed_at_block
        number, block_hash = kept
        if self._referee.client.is_canonical(number, block_hash):
            return number + 1
        return max(self._referee.deployed_at_block, number - REWIND_BLOCKS)
