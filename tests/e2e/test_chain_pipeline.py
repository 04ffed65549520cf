"""Many transactions in flight against anvil: each is done once, whatever is dropped, dies, reorganises or refuses."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from waiting import HANG_S, until

from wattest.chain.abi import ContractAbi, load_abi
from wattest.chain.anvil import Anvil
from wattest.chain.client import (
    AccountUnfunded,
    ChainClient,
    Delivery,
    IntentRepeated,
    MemoryJournal,
    TransactionJournal,
    TransactionPending,
    TransactionRequest,
)
from wattest.chain.local_signer import LocalSigner
from wattest.chain.rpc import ChainUnreachable
from wattest.config import ChainConfig
from wattest.errors import InputError
from wattest.messages.evidence_verdict import Revocation
from wattest.store.database import JOURNAL_TABLE, Database, SqliteJournal
from wattest.twin.errors import KeyNeverRegistered

pytestmark = pytest.mark.e2e
AT_ONCE = ChainConfig(confirmations=0)
TARGET = bytes(19) + b"\x42"
PLAIN = ContractAbi("Plain", ())
GAS = 21_000


@pytest.fixture
def anvil(tmp_path: Path) -> Iterator[Anvil]:
    with Anvil.create(tmp_path / "chain", genesis_timestamp_s=1_700_000_000) as chain:
        yield chain


def funded(anvil: Anvil, count: int = 1) -> list[LocalSigner]:
    signers = [LocalSigner(secrets.token_bytes(32)) for _ in range(count)]
    for signer in signers:
        anvil.fund(signer.address, 10**20)
    return signers


def pay(signer: LocalSigner, number: int, wei: int = 1, gas: int | None = GAS) -> TransactionRequest:
    return TransactionRequest(signer, PLAIN, TARGET, b"", wei, f"pay:{number}", gas)


def connected(anvil: Anvil, journal: TransactionJournal | None = None, timeout_s: float = HANG_S) -> ChainClient:
    return ChainClient.connect(anvil.url, config=AT_ONCE, journal=journal, receipt_timeout_s=timeout_s)


def nonce_of(client: ChainClient, signer: LocalSigner) -> int:
    return int(client.rpc.request("eth_getTransactionCount", "0x" + signer.address.hex(), "latest"), 16)


@contextmanager
def mining(anvil: Anvil) -> Iterator[None]:
    """Inside, a block is mined now and then, whoever waits for what."""
    stop = threading.Event()

    def mine() -> None:
        while not stop.wait(0.2):
            anvil.rpc.request("evm_mine")

    miner = threading.Thread(target=mine)
    miner.start()
    try:
        yield
    finally:
        stop.set()
        miner.join()


def test_many_accounts_each_in_order_and_bounded(anvil: Anvil) -> None:
    client, signers = connected(anvil), funded(anvil, 3)
    pulled, delivered, most = 0, 0, 0

    def requests() -> Iterator[TransactionRequest]:
        nonlocal pulled, most
        for number in range(120):
            pulled += 1
            most = max(most, pulled - delivered)
            yield pay(signers[number % 3], number)

    got: list[Delivery] = []
    for delivery in client.send_many(requests(), in_flight=16):
        delivered += 1
        got.append(delivery)
    assert client.balance(TARGET) == 120
    assert most <= 32  # what was handed in and not yet handed out: the bound, and what landed meanwhile
    for signer in signers:
        blocks = [d.unwrap().block_number for d in got if d.request.signer is signer]
        assert len(blocks) == nonce_of(client, signer) == 40
        assert blocks == sorted(blocks)
    again = list(client.send_many((pay(signers[number % 3], number) for number in range(120)), in_flight=16))
    assert {d.unwrap().transaction_hash for d in again} == {d.unwrap().transaction_hash for d in got}
    assert client.balance(TARGET) == 120


def test_a_refusal_stops_nobody_else(anvil: Anvil) -> None:
    client, (signer, poor) = connected(anvil), funded(anvil, 2)
    anvil.fund(poor.address, 10)
    quorum = client.deploy(signer, load_abi("AppraiserQuorum"), [signer.address], 1).contract_address
    registry = client.deploy(signer, load_abi("EnclaveRegistry"), quorum, 3_600).contract_address
    abi, revocation = load_abi("EnclaveRegistry"), Revocation(TARGET, bytes(20), bytes(32), bytes(20))
    assert registry is not None
    requests = [
        pay(signer, 1),
        client.request(signer, abi, registry, "revoke", revocation, intent="asked first"),  # found out by estimating
        client.request(signer, abi, registry, "revoke", revocation, intent="mined", gas=100_000),  # found out by mining
        pay(poor, 2, wei=10**18, gas=None),
        pay(signer, 3),
    ]
    by_intent = {d.request.intent: d for d in client.send_many(requests)}
    failures = {intent: type(d.failure) for intent, d in by_intent.items() if d.failure is not None}
    assert failures == {"asked first": KeyNeverRegistered, "mined": KeyNeverRegistered, "pay:2": AccountUnfunded}
    assert client.balance(TARGET) == 2
    assert nonce_of(client, signer) == 5


def test_dropped_from_the_pool_comes_back(anvil: Anvil) -> None:
    client, (signer,) = connected(anvil), funded(anvil)
    anvil.rpc.request("evm_setAutomine", False)
    pipeline = client.pipeline()
    pipeline.submit([pay(signer, number) for number in range(10)])
    anvil.rpc.request("anvil_dropAllTransactions")
    anvil.rpc.request("evm_setAutomine", True)
    assert sum(delivery.receipt is not None for delivery in pipeline.drain()) == 10
    assert (client.balance(TARGET), nonce_of(client, signer)) == (10, 10)


def test_a_gap_is_filled(anvil: Anvil) -> None:
    client, (signer,) = connected(anvil, journal := MemoryJournal()), funded(anvil)
    anvil.rpc.request("evm_setAutomine", False)
    pipeline = client.pipeline()
    pipeline.submit([pay(signer, number) for number in range(3)])
    anvil.rpc.request("anvil_dropAllTransactions")
    journal.forget(signer.address, "pay:1")  # as if it had reverted in a block that is gone
    anvil.rpc.request("evm_setAutomine", True)
    assert sum(delivery.receipt is not None for delivery in pipeline.drain()) == 3  # the one that lost its nonce too
    assert (client.balance(TARGET), nonce_of(client, signer)) == (3, 4)


def test_raised_base_fee_raises_what_waits(anvil: Anvil) -> None:
    client, (signer,) = connected(anvil), funded(anvil)
    anvil.rpc.request("evm_setAutomine", False)
    pipeline = client.pipeline()
    pipeline.submit([pay(signer, number) for number in range(4)])
    anvil.rpc.request("anvil_setNextBlockBaseFeePerGas", hex(10**11))
    anvil.rpc.request("evm_mine")  # too dear for all of them
    with mining(anvil):
        assert sum(delivery.receipt is not None for delivery in pipeline.drain()) == 4
    assert (client.balance(TARGET), nonce_of(client, signer)) == (4, 4)


def test_reorganised_while_waiting_for_depth(anvil: Anvil) -> None:
    (signer,) = funded(anvil)
    client = ChainClient.connect(anvil.url, config=ChainConfig(confirmations=2), receipt_timeout_s=HANG_S)
    snapshot = anvil.rpc.request("evm_snapshot")
    pipeline = client.pipeline()
    pipeline.submit([pay(signer, number) for number in range(6)])
    until(lambda: nonce_of(client, signer) == 6, "six transactions")
    anvil.rpc.request("evm_revert", snapshot)
    assert nonce_of(client, signer) == 0
    with mining(anvil):
        assert sum(delivery.receipt is not None for delivery in pipeline.drain()) == 6
    assert (client.balance(TARGET), nonce_of(client, signer)) == (6, 6)


def test_a_stranger_with_the_same_key_costs_no_intent(anvil: Anvil) -> None:
    client, (signer,) = connected(anvil), funded(anvil)
    anvil.rpc.request("evm_setAutomine", False)
    pipeline = client.pipeline()
    pipeline.submit([pay(signer, number) for number in range(3)])
    anvil.rpc.request("anvil_dropAllTransactions")
    anvil.rpc.request("evm_setAutomine", True)
    stranger = connected(anvil)
    stranger.send_many([])
    list(stranger.send_many([pay(signer, number, wei=100) for number in range(2)]))
    assert sum(delivery.receipt is not None for delivery in pipeline.drain()) == 3
    assert (client.balance(TARGET), nonce_of(client, signer)) == (203, 5)


def test_node_restarts_under_way(anvil: Anvil, tmp_path: Path) -> None:
    (signer,) = funded(anvil)
    journal, port = MemoryJournal(), anvil.port
    client = connected(anvil, journal)
    anvil.rpc.request("evm_setAutomine", False)
    pipeline = client.pipeline()
    pipeline.submit([pay(signer, number) for number in range(8)])
    anvil.stop()  # its pool is gone
    with Anvil.open(tmp_path / "chain", port=port):
        assert sum(delivery.receipt is not None for delivery in pipeline.drain()) == 8
        assert (client.balance(TARGET), nonce_of(client, signer)) == (8, 8)
    with pytest.raises(ChainUnreachable):
        ChainClient(client.rpc, chain_id=1, receipt_timeout_s=0.1).send_many([pay(signer, 9)]).__next__()


def test_limits_are_typed(anvil: Anvil) -> None:
    client, (signer,) = connected(anvil, timeout_s=0.2), funded(anvil)
    for wrong in (0, -1, 1_025):
        with pytest.raises(InputError):
            client.pipeline(in_flight=wrong)
    anvil.rpc.request("evm_setAutomine", False)
    pipeline = client.pipeline()
    pipeline.submit([pay(signer, 1)])
    with pytest.raises(IntentRepeated):
        pipeline.submit([pay(signer, 1)])
    with pytest.raises(IntentRepeated):
        client.pipeline().submit([pay(signer, 2), pay(signer, 2)])
    (late,) = pipeline.collect()
    assert isinstance(late.failure, TransactionPending)
    assert pipeline.collect() == []
    with pytest.raises(TransactionPending):
        late.unwrap()
    anvil.rpc.request("evm_mine")
    assert [d.unwrap().block_number for d in client.send_many([pay(signer, 1)])] == [1]


KILLED = """
import os, signal, sys
from pathlib import Path
from wattest.chain import sending
from wattest.store.database import JOURNAL_TABLE, Database, SqliteJournal
from test_chain_pipeline import ChainClient, AT_ONCE, LocalSigner, pay
url, folder, key, step, at = sys.argv[1:]
journal = SqliteJournal(Database(Path(folder) / "journal.sqlite", [JOURNAL_TABLE]))
client, left = ChainClient.connect(url, config=AT_ONCE, journal=journal), int(at)
request, record = client.rpc.settle, journal.record
def die():
    os.kill(os.getpid(), signal.SIGKILL)
def recording(transactions):
    global left
    left -= "record" in step
    if step == "before record" and not left: die()
    record(transactions)
    if step == "after record" and not left: die()
def settling(calls):
    global left
    if calls and calls[0][0] == "eth_sendRawTransaction":
        if step == "half broadcast" and left == 1: request(calls[: len(calls) // 2]); die()
        answer = request(calls)
        left -= step == "broadcast" or step == "half broadcast"
        if step == "broadcast" and not left: die()
        return answer
    return request(calls)
journal.record, client.rpc.settle = recording, settling
for _ in client.send_many((pay(LocalSigner(bytes.fromhex(key)), n) for n in range(40)), in_flight=8):
    left -= step == "delivery"
    if step == "delivery" and not left: die()
"""


@pytest.mark.parametrize("step", ["before record", "after record", "half broadcast", "broadcast", "delivery"])
def test_killed_between_any_two_steps(anvil: Anvil, tmp_path: Path, step: str) -> None:
    key = secrets.token_bytes(32)
    signer = LocalSigner(key)
    anvil.fund(signer.address, 10**20)
    for at in ("1", "3"):
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, anvil.url, str(tmp_path), key.hex(), step, at],
            cwd=Path(__file__).parent, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    with Database(tmp_path / "journal.sqlite", [JOURNAL_TABLE]) as database:
        client = connected(anvil, SqliteJournal(database))
        got = list(client.send_many((pay(signer, number) for number in range(40)), in_flight=8))
    assert all(delivery.receipt for delivery in got)
    assert (client.balance(TARGET), nonce_of(client, signer)) == (40, 40)


def test_threads_share_an_account(anvil: Anvil) -> None:
    client, (signer,) = connected(anvil), funded(anvil)

    def some(first: int) -> None:
        assert all(d.receipt for d in client.send_many((pay(signer, first + n) for n in range(20)), in_flight=4))

    threads = [threading.Thread(target=some, args=(100 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (client.balance(TARGET), nonce_of(client, signer)) == (80, 80)
