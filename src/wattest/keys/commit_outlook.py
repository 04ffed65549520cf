"""Whether the chain may still take a sealed batch's header, and if it never will, why.

Decided here: the reasons that are for ever, each on the chain's word in a block as deep as the node believes. Not
decided here: what follows (``key_keeper`` goes on after a missed deadline and a revoked key by itself; everything else
is given up by its operator: ``wattest operator abandon``). Source: the checks of a commit in docs/spec/referee.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wattest.chain.ports import RefereePort, RegistryPort
from wattest.crypto.secp256k1 import recover_address
from wattest.keys.orders import OrderHeld, order_held
from wattest.store.batch_state import StoredBatch, StoredState
from wattest.store.enclave_key import Cause
from wattest.store.operator_port import OperatorStore
from wattest.twin.operator import OperatorState


@dataclass(frozen=True, slots=True)
class Hopeless:
    """Why a header can never be committed, in words; ``goes_on``: the operator's next steps follow it by themselves."""

    reason: str
    goes_on: bool = False


RELEASED = frozenset({StoredState.SEALED, StoredState.STORED, StoredState.COMMITTING})
_ENDED = frozenset({OperatorState.EXITING, OperatorState.WITHDRAWN, OperatorState.BANNED})


def settled_time_s(referee: RefereePort) -> int:
    """The time (unix seconds) of the newest block that the node believes."""
    chain = referee.client
    return chain.block(max(0, chain.block().number - chain.confirmations)).timestamp_s


def is_past_deadline(referee: RefereePort, batch: StoredBatch, settled_s: int) -> bool:
    """Whether no block from now on can hold the batch's commit for its time alone."""
    return settled_s >= batch.period_end + referee.channel_head(batch.channel).commit_deadline_s


def is_revoked(
    referee: RefereePort, registry: RegistryPort, batch: StoredBatch, operator: bytes, settled_s: int
) -> bool:
    """Whether the key that signed the batch was revoked, deep enough."""
    header, signature = batch.signed
    signer = recover_address(header.digest(referee.domain), signature)
    revoked_at = registry.registration_of((referee.address, batch.channel, operator), signer).revoked_at
    return 0 < revoked_at <= settled_s


def is_commit_sent(store: OperatorStore, batch: StoredBatch, operator: bytes) -> bool:
    """Whether a transaction of the batch's commit was sent, whatever became of it."""
    return bool(store.journal.find(operator, store.keys.commit_intent(batch.channel, batch.sequence)))


def why_never(
    referee: RefereePort,
    registry: RegistryPort,
    batch: StoredBatch,
    operator: bytes,
    *,
    is_sent: Callable[[StoredBatch], bool],
) -> Hopeless | None:
    """Why a released batch's header can never be committed; None while it may be, or is.

    ``is_sent``: whether a transaction of its commit may be under way; what it could have done before is then waited
    for. Raises ``TransportError`` when the chain does not answer.
    """
    header = batch.header
    assert header is not None  # only released batches are asked about
    head, own = referee.heads_of([batch.channel], operator)[batch.channel]
    settled_s = settled_time_s(referee)
    if own.sequence >= batch.sequence:
        committed = referee.committed_batch(batch.channel, operator, batch.sequence)
        if committed is None or committed.header_digest == batch.header_digest:
            return None
        block = referee.client.block().number - referee.client.confirmations
        is_deep = committed.place.block_number <= block
        return Hopeless("the chain has another header for its sequence") if is_deep else None
    start, end = header.period_start, header.period_end
    if head.epoch_s and (start % head.epoch_s or end - start != head.epoch_s):
        return Hopeless(f"its period has {end - start} s, and the channel's periods have {head.epoch_s} s")
    if head.epoch_s and settled_s >= end and header.entry_count != head.roster_count_at(start):
        count = head.roster_count_at(start)
        return Hopeless(f"it has {header.entry_count} entries, and the channel's roster count is {count}")
    if head.epoch_s and is_past_deadline(referee, batch, settled_s):
        return Hopeless("its commit deadline is over", goes_on=True)
    if is_sent(batch):
        return None
    if is_revoked(referee, registry, batch, operator, settled_s):
        return Hopeless("the enclave key that signed it was revoked", goes_on=True)
    if own.state in _ENDED:
        return Hopeless(f"the operator is {own.state.name.lower()}: it commits no more")
    return None


def is_dead(
    store: OperatorStore, referee: RefereePort, registry: RegistryPort, batch: StoredBatch, operator: bytes
) -> bool:
    """Whether a successor may take over although the batch is not on chain: it was given up, missed, or revoked."""
    if batch.state is StoredState.GIVEN_UP:
        return True
    settled_s = settled_time_s(referee)
    if batch.state is StoredState.MISSED:
        return is_past_deadline(referee, batch, settled_s)
    if batch.state not in RELEASED:
        return False
    return is_revoked(referee, registry, batch, operator, settled_s) and not is_commit_sent(store, batch, operator)


def held_orders(
    store: OperatorStore, referee: RefereePort, registry: RegistryPort, channel: bytes, operator: bytes, cause: Cause
) -> list[OrderHeld]:
    """An order that waits for a batch which can never be committed would wait for ever: it is said at each step."""
    last = store.last_batch(channel)
    if last is None or last.state not in RELEASED:
        return []
    found = why_never(referee, registry, last, operator, is_sent=lambda batch: is_commit_sent(store, batch, operator))
    return [] if found is None or found.goes_on else [order_held(cause, last.sequence, found.reason)]
