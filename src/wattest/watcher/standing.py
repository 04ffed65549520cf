"""Where a watched batch stands on chain, before anything is done about it.

Decided here: what is a reorganisation to a watcher. Not decided here: what is done then (``watcher``).
"""

from __future__ import annotations

from wattest.chain.errors import Reorganised
from wattest.chain.ports import RefereePort
from wattest.chain.referee_events import CommittedBatch
from wattest.twin.batch import BatchCitation, BatchState


def committed_there(referee: RefereePort, key: tuple[bytes, bytes, int]) -> BatchCitation | None:
    """The batch that is committed at (channel, operator, sequence); None where the operator is not there yet."""
    channel, operator, sequence = key
    if referee.operator_head(channel, operator).sequence < sequence:
        return None
    committed = referee.committed_batch(*key)
    if committed is None:
        raise Reorganised("the chain's log lacks a batch that its state has", retryable=True, sequence=sequence)
    return committed.citation


def standing_state(referee: RefereePort, batch: CommittedBatch) -> BatchState:
    """Where a batch that was seen stands now; raises ``Reorganised`` where the chain no longer holds it."""
    state = referee.state_of(batch.citation)
    if state is BatchState.NONE:
        raise Reorganised("the chain no longer holds this batch", retryable=True, sequence=batch.sequence)
    return state
