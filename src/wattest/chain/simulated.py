"""A chain in memory that carries the contracts' twins: blocks, a clock, transactions by intent, and what undoes them.

Decided here: one block for each transaction, when its time is, what dropping blocks takes back. Not decided here: any
rule of the contracts (``twin``), how calls and the log look to whoever asks (``simulated_referee``). There is no gas,
and there are no balances: whoever sends can pay. Invariants: a transaction that is refused leaves no block and no
trace; what a dropped block did is undone, log and all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from wattest.chain.client import Reorganised
from wattest.chain.simulated_histories import Records, SimulatedHistories
from wattest.chain.transactions import Block, Delivery, Receipt, TransactionRequest
from wattest.crypto.hashing import sha256
from wattest.errors import ConfigError, WattestError
from wattest.messages.eip712 import Domain
from wattest.twin.batch import BatchCitation
from wattest.twin.directed_challenges import ChallengesState, challenge_terms_rule
from wattest.twin.fraud_proofs import FraudProofsState, fraud_proofs_terms_rule
from wattest.twin.payouts import PayoutsState
from wattest.twin.referee.state import Call, RefereeState
from wattest.twin.registry import AppraiserQuorum, RegistryState

CHAIN_ID = 31_337
REFEREE, REGISTRY = b"\xfe" * 20, b"\xfa" * 20
CHALLENGES, FRAUD_PROOFS = b"\xfc" * 20, b"\xfd" * 20
REMEMBERED_BLOCKS = 256


class RequestOfAnotherChain(ConfigError):
    """A transaction that was made for a node is sent to the simulated chain."""


@dataclass(frozen=True, slots=True)
class World:
    """What the contracts store, and beside it the records that make up the histories."""

    referee: RefereeState
    registry: RegistryState
    challenges: ChallengesState = field(default_factory=lambda: ChallengesState(CHALLENGES))
    fraud_proofs: FraudProofsState = field(default_factory=lambda: FraudProofsState(FRAUD_PROOFS))
    payouts: PayoutsState = field(default_factory=PayoutsState)
    records: Records = field(default_factory=dict)

    def committed(self, referee: RefereeState, batch: BatchCitation) -> World:
        """The world after a commit."""
        key = (batch.channel, batch.operator)
        records = {**self.records, key: (*self.records.get(key, ()), batch.record)}
        return replace(self, referee=referee, records=records)


@dataclass(frozen=True, slots=True)
class Mined:
    """Where a transaction landed: its block's number and hash, its own hash."""

    block: Block
    transaction_hash: bytes


Noted: TypeAlias = "list[Callable[[Mined, int], object]]"
"""What a transaction writes to the log: each made from its place and its index in the log."""
Change: TypeAlias = "Callable[[World, Call, SimulatedChain], tuple[World, Noted]]"


@dataclass(frozen=True, slots=True)
class SimulatedRequest(TransactionRequest):
    """A transaction whose effect is a function of the twin."""

    change: Change = field(default=lambda world, _call, _chain: (world, []), repr=False)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A block with what the world was after it, what it noted, and whose intent it served."""

    block: Block
    world: World
    log: tuple[object, ...]
    receipt: Receipt | None = None
    intent: tuple[bytes, str] | None = None


class SimulatedChain:
    """One chain with a referee and a registry on it; ``chain.ports.ChainPort`` for one thread."""

    confirmations = 0

    def __init__(self, genesis_s: int, quorum: AppraiserQuorum, *, chain_id: int = CHAIN_ID) -> None:
        self.chain_id = chain_id
        deployed = {CHALLENGES: challenge_terms_rule, FRAUD_PROOFS: fraud_proofs_terms_rule}
        core = RefereeState(Domain(chain_id, REFEREE), deployed)
        world = World(core, RegistryState(Domain(chain_id, REGISTRY), quorum))
        self.histories = SimulatedHistories(lambda: self.world.records)
        genesis = Block(0, sha256(b"wattest simulated chain"), bytes(32), genesis_s)
        self._entries = [_Entry(genesis, world, ())]
        self._forks = 0

    # blocks

    @property
    def world(self) -> World:
        """What the contracts store now."""
        return self._entries[-1].world

    def block(self, number: int | str = "latest") -> Block:
        """A block by number, or the latest by any tag; raises ``Reorganised`` when there is none."""
        if isinstance(number, str):
            return self._entries[-1].block
        if not 0 <= number < len(self._entries):
            raise Reorganised("the chain has no such block", retryable=True, block=number)
        return self._entries[number].block

    def is_canonical(self, block_number: int, block_hash: bytes) -> bool:
        """Whether the chain still holds this block."""
        return block_number < len(self._entries) and self._entries[block_number].block.hash == block_hash

    def now(self) -> int:
        """The latest block's timestamp."""
        return self._entries[-1].block.timestamp_s

    def recent_blocks(self) -> dict[int, bytes]:
        """Hashes of the blocks that a contract can ask for, by number."""
        return {entry.block.number: entry.block.hash for entry in self._entries[-REMEMBERED_BLOCKS:]}

    def advance_to(self, timestamp_s: int) -> None:
        """An empty block at this time, which must lie ahead."""
        if timestamp_s <= self.now():
            raise ValueError(f"time goes forward: {timestamp_s} is not after {self.now()}")
        self._entries.append(_Entry(self._next(timestamp_s, b""), self.world, ()))

    def drop_blocks(self, count: int) -> None:
        """Take the last blocks back, as a reorganisation does; what comes then has other hashes."""
        if not 0 < count < len(self._entries):
            raise ValueError(f"{count} of {len(self._entries)} blocks cannot be dropped")
        del self._entries[-count:]
        self._forks += 1

    def log(self, from_block: int, to_block: int) -> list[object]:
        """What the transactions of a closed range of blocks noted, in order."""
        return [noted for entry in self._entries[max(0, from_block) : to_block + 1] for noted in entry.log]

    # transactions

    def deliver(self, request: TransactionRequest) -> Receipt:
        """Mine one transaction; raises what refuses it, and then nothing happened."""
        if not isinstance(request, SimulatedRequest):
            raise RequestOfAnotherChain("the request was made for a node", hint="ask the simulated referee for it")
        name = None if request.intent is None else (request.signer.address, request.intent)
        for entry in self._entries:
            if entry.receipt is not None and name is not None and entry.intent == name:
                return entry.receipt
        time_s = self.now() + 1
        world, noted = request.change(self.world, Call(request.signer.address, time_s, request.value_wei), self)
        block = self._next(time_s, request.signer.address)
        mined = Mined(block, sha256(b"transaction" + block.hash))
        receipt = Receipt(mined.transaction_hash, block.number, block.hash, 0, 0, None, ())
        log = tuple(note(mined, at) for at, note in enumerate(noted))
        self._entries.append(_Entry(block, world, log, receipt, name))
        return receipt

    def send_many(self, requests: Iterable[TransactionRequest], *, in_flight: int = 1) -> Iterator[Delivery]:
        """Mine these one after the other; one that fails does not stop the others."""
        del in_flight
        for request in requests:
            try:
                yield Delivery(request, self.deliver(request))
            except WattestError as error:
                yield Delivery(request, failure=error)

    def _next(self, timestamp_s: int, content: bytes) -> Block:
        before = self._entries[-1].block
        mark = self._forks.to_bytes(8, "big") + timestamp_s.to_bytes(8, "big") + content
        return Block(before.number + 1, sha256(before.hash + mark), before.hash, timestamp_s)
