"""Commits reaching a chain: prepared transactions poured into it, our pipeline, and one commit after the other.

All three meet the same anvil (a block for each transaction, old states pruned, so that its pace stays the same), the
same contracts and the same kind of commit: every lane is a channel of its own, since each commit of a lane carries the
record of the one before. *Prepared* transactions are encoded and signed before the clock starts, and nobody asks for
their receipts: this is what the chain takes. Ours starts from a header and its signature: encoding, journal on disk,
signing, sending, receipt, event.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from gas_world import ETHER, GasWorld, Operator, octets
from measure import process_cpu_seconds, process_peak_mebibytes

from compare.progress import Progress
from compare.rows import Energy, Row
from wattest.chain.client import ChainClient
from wattest.chain.local_signer import LocalSigner
from wattest.chain.pipeline import DEFAULT_IN_FLIGHT
from wattest.chain.referee import COMMIT_GAS_LIMIT, Referee, SignedCommit
from wattest.chain.referee_events import CommittedBatch
from wattest.chain.rpc import RpcFailed
from wattest.chain.sending import PRIORITY_FEE_WEI
from wattest.chain.signed_transaction import UnsignedTransaction, sign_transaction
from wattest.chain.transactions import TransactionRequest
from wattest.config import ChainConfig
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.errors import TransportError, WattestError
from wattest.messages.channel import ChannelKind
from wattest.messages.header import BatchHeader, sign_header
from wattest.store.database import JOURNAL_TABLE, Database, SqliteJournal

ACCOUNTS = 8
IN_FLIGHT = DEFAULT_IN_FLIGHT
ONE_BY_ONE_SHARE = 4
WINDOWS = (16, 64)
TARGET_SHARE = 0.8
ONE_BY_ONE = "wattest, one after the other"
_PRUNED = "--prune-history"
_POLL_S = 0.002
_STANDSTILL_S = 30.0
_LATE_EVENTS_S = 5.0


class ChainStoodStill(TransportError):
    """The chain took prepared transactions and did not mine them."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What an operator has in hand when it may commit."""

    lane: Operator
    header: BatchHeader
    signature: bytes


class Lanes:
    """Operators with a channel each, a few accounts between them, and their next commits."""

    def __init__(self, folder: Path, stack: ExitStack, count: int) -> None:
        self.world = GasWorld(folder, stack, _PRUNED)
        database = stack.enter_context(Database(folder / "journal.sqlite", [JOURNAL_TABLE]))
        config = ChainConfig(confirmations=0)
        self.client = ChainClient.connect(self.world.anvil.url, config=config, journal=SqliteJournal(database))
        self.world.contracts.referee.client = self.client
        accounts = [self.world.account(f"lanes {number}") for number in range(min(ACCOUNTS, count))]
        self.lanes = [self._lane(number, accounts[number % len(accounts)]) for number in range(count)]
        self.rounds = 0
        self.seen_block = self.client.block().number

    def _lane(self, number: int, signer: LocalSigner) -> Operator:
        channel = self.world.channel(f"lane {number}", 1, kind=ChannelKind.OPEN)
        enclave = Secp256k1PrivateKey.from_seed(octets("lane enclave", number))
        lane = Operator(signer, enclave, channel, 20, octets("workload"))
        self.world.register(lane)
        self.world.contracts.referee.deposit(signer, channel.id, 100 * ETHER)
        return lane

    def next_commits(self) -> list[Commit]:
        """One commit for each lane, sealed."""
        self.rounds += 1
        # blocks of one second take one commit of a channel
        self.world.anvil.advance_to(self.world.client.now() + 1)
        now = self.world.client.now()
        commits = []
        for number, lane in enumerate(self.lanes):
            header = self.world.header(lane, (now - 900, now), octets("root", number, self.rounds))
            signature = sign_header(lane.enclave, header, self.world.domain)
            commits.append(Commit(lane, header, signature))
        return commits

    def settle(self, commits: Sequence[Commit]) -> None:
        """Read from the chain what each commit became; raises where one is missing."""
        deadline = time.monotonic() + _LATE_EVENTS_S
        while True:  # anvil tells a nonce before the block that spent it
            head = self.client.block().number
            events = self.world.contracts.referee.events(self.seen_block + 1, head)
            records = {(one.channel, one.sequence): one.record for one in events if isinstance(one, CommittedBatch)}
            if len(records) == len(commits) or time.monotonic() > deadline:
                break
            time.sleep(_POLL_S)
        for commit in commits:
            place = commit.header.channel, commit.header.sequence
            if place not in records:
                raise ChainStoodStill(
                    "a commit is not on the chain", retryable=False, sequence=place[1], found=len(records)
                )
            commit.lane.headers.append(commit.header)
            commit.lane.records.append(records[place])
        self.seen_block = head

    def prepared(self, commits: Sequence[Commit]) -> list[bytes]:
        """The same commits as signed transactions."""
        referee, client = self.world.contracts.referee, self.world.client
        base_fee_wei = int(client.rpc.request("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)
        nonces: dict[bytes, int] = {}
        raws = []
        for request in requests_of(referee, commits):
            sender = request.signer.address
            nonces.setdefault(sender, nonce_of(client, sender))
            assert request.gas is not None
            unsigned = UnsignedTransaction(
                client.chain_id, nonces[sender], request.to, request.data, 0, request.gas,
                2 * base_fee_wei + PRIORITY_FEE_WEI, PRIORITY_FEE_WEI,
            )  # fmt: skip
            nonces[sender] += 1
            raws.append(sign_transaction(request.signer, unsigned).raw)
        return raws


def nonce_of(client: ChainClient, sender: bytes) -> int:
    """Transactions of an account that are mined."""
    return int(client.rpc.request("eth_getTransactionCount", "0x" + sender.hex(), "latest"), 16)


def pour(lanes: Lanes, raws: Sequence[bytes], window: int) -> None:
    """Put signed transactions into the chain as fast as it mines them: a full pool slows anvil down."""
    rpc = lanes.world.client.rpc
    asked = [
        ("eth_getTransactionCount", ["0x" + address.hex(), "latest"])
        for address in {lane.signer.address for lane in lanes.lanes}
    ]

    def mined() -> int:
        return sum(int(count, 16) for count in rpc.batch(asked))

    first, sent, standstill_at = mined(), 0, time.monotonic() + _STANDSTILL_S
    while (done := mined() - first) < len(raws):
        room = min(window - (sent - done), len(raws) - sent)
        if room > window // 4 or 0 < room == len(raws) - sent:
            batch = [("eth_sendRawTransaction", ["0x" + raw.hex()]) for raw in raws[sent : sent + room]]
            for answer in rpc.settle(batch):
                if isinstance(answer, RpcFailed):
                    raise answer
            sent += room
        else:
            time.sleep(_POLL_S)
        if time.monotonic() > standstill_at:
            raise ChainStoodStill("prepared transactions are not mined", retryable=False, mined=done, sent=sent)


def requests_of(referee: Referee, commits: Sequence[Commit]) -> list[TransactionRequest]:
    """The commits as transactions, each sender's made together."""
    made: list[TransactionRequest] = []
    for signer in dict.fromkeys(commit.lane.signer for commit in commits):
        own = [
            SignedCommit(one.header, one.signature, f"commit:{one.header.channel.hex()}:{one.header.sequence}")
            for one in commits
            if one.lane.signer is signer
        ]
        for request in referee.commit_requests(signer, own, gas=COMMIT_GAS_LIMIT):
            if isinstance(request, WattestError):
                raise request
            made.append(request)
    return made


def through_pipeline(lanes: Lanes, commits: Sequence[Commit]) -> None:
    """Ours: many in flight, each until its event is read."""
    referee = lanes.world.contracts.referee
    for delivery in lanes.client.send_many(requests_of(referee, commits), in_flight=IN_FLIGHT):
        (_,) = referee.events_of(delivery.unwrap())


def one_by_one(lanes: Lanes, commits: Sequence[Commit]) -> None:
    """Ours, each commit waited for before the next is sent."""
    referee = lanes.world.contracts.referee
    for commit in commits:
        intent = f"commit:{commit.header.channel.hex()}:{commit.header.sequence}"
        receipt = referee.commit(commit.lane.signer, commit.header, commit.signature, intent=intent)
        (_,) = referee.events_of(receipt)


def commit_rows(folder: Path, lanes_count: int, rounds: int) -> list[Row]:
    """Rates of all contenders, in turn on one chain."""
    work = f"commits reaching the chain, {lanes_count} channels of {min(ACCOUNTS, lanes_count)} accounts"
    with ExitStack() as stack:
        lanes = Lanes(folder, stack, lanes_count)
        contenders: dict[str, Callable[[list[Commit], list[bytes]], None]] = {
            f"prepared transactions, {window} in the pool": _pourer(lanes, window) for window in WINDOWS
        }
        contenders["wattest"] = lambda commits, _: through_pipeline(lanes, commits)
        contenders[ONE_BY_ONE] = lambda commits, _: one_by_one(lanes, commits)
        order = {who: place for place, who in enumerate(contenders)}
        energy = Energy()
        rates: dict[str, list[float]] = {who: [] for who in contenders}
        cpu: dict[str, list[float]] = {who: [] for who in contenders}
        chain_cpu: dict[str, list[float]] = {who: [] for who in contenders}
        progress = stack.enter_context(Progress(work, (rounds + 1) * len(contenders)))
        for number in range(rounds + 1):
            # Every other round the other way round, so that nobody always follows the same neighbour.
            for who, run in sorted(contenders.items(), key=lambda one: order[one[0]], reverse=bool(number % 2)):
                commits = lanes.next_commits()
                if who == ONE_BY_ONE:
                    commits = commits[::ONE_BY_ONE_SHARE]
                raws = lanes.prepared(commits) if who.startswith("prepared") else []
                process_id = lanes.world.anvil.process_id
                before = time.process_time(), process_cpu_seconds(process_id), time.perf_counter()
                run(commits, raws)
                taken = time.perf_counter() - before[2]
                if number:  # the first round warms up
                    rates[who].append(len(commits) / taken)
                    cpu[who].append(time.process_time() - before[0])
                    chain_cpu[who].append(process_cpu_seconds(process_id) - before[1])
                lanes.settle(commits)
                progress.advance()
        rows = [
            Row(
                work, who, "commits/s", tuple(rates[who]), sum(cpu[who]) / rounds, process_peak_mebibytes(),
                lanes_count,
                clock="wall", more_is_better=True, note=_note(who),
                energy_uj=energy.of(None, sum(cpu[who]) / rounds) / lanes_count,
                energy_from="the client's processor seconds x stated power",
                extra={"chain_cpu_s": sum(chain_cpu[who]) / rounds},
            )
            for who in contenders
        ]  # fmt: skip
        ours = next(row for row in rows if row.who == "wattest")
        rows = [row.compared(ours) for row in rows]
        return [*rows, share_row(rows, rates, work, lanes_count)]


def share_row(rows: Sequence[Row], rates: dict[str, list[float]], work: str, lanes_count: int) -> Row:
    """Our rate over that of the prepared contender whose median is the higher one.

    Round by round: what else the machine does changes within one run, but little between neighbours. The contender is
    chosen by its median and not anew in each round, which would compare us with its luck.
    """
    fastest = max((row for row in rows if row.who.startswith("prepared")), key=lambda row: row.median)
    shares = tuple(mine / raw for mine, raw in zip(rates["wattest"], rates[fastest.who], strict=True))
    met = "met" if statistics.median(shares) >= TARGET_SHARE else "missed"
    return Row(
        work, "wattest, share of the faster prepared rate", "", shares, 0.0, 0.0, lanes_count, clock="wall",
        note=f"round by round over {fastest.who!r}", target=f"at least {TARGET_SHARE}: {met}",
    )  # fmt: skip


def _pourer(lanes: Lanes, window: int) -> Callable[[list[Commit], list[bytes]], None]:
    return lambda _, raws: pour(lanes, raws, window)


def _note(who: str) -> str:
    if who.startswith("prepared"):
        return "encoded and signed beforehand, no receipts asked for; its memory is the same process's"
    return "from header and signature to the event in the receipt, journal on disk"
