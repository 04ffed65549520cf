"""The chain client against anvil: intents are never doubled, whatever the chain or the connection does."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from chain_proxy import ChainProxy

from wattest.chain.abi import ContractAbi, ContractReverted, UnexpectedContractAnswer, load_abi
from wattest.chain.anvil import Anvil
from wattest.chain.client import AccountUnfunded, ChainClient, MemoryJournal, TransactionPending, WrongChain
from wattest.chain.deploy import ContractAddresses, Contracts, NoContractThere
from wattest.chain.local_signer import LocalSigner
from wattest.chain.registry import EnclaveRegistry
from wattest.chain.rpc import ChainUnreachable
from wattest.config import ChainConfig
from wattest.twin.errors import AppraiserSetInvalid, KeyNeverRegistered

pytestmark = pytest.mark.e2e
AT_ONCE = ChainConfig(confirmations=0)
TARGET = bytes(19) + b"\x42"
PLAIN = ContractAbi("Plain", [{"type": "function", "name": "f", "inputs": [], "outputs": []}])


@pytest.fixture
def anvil(tmp_path: Path) -> Iterator[Anvil]:
    with Anvil.create(tmp_path / "chain", genesis_timestamp_s=1_700_000_000) as chain:
        yield chain


@pytest.fixture
def signer(anvil: Anvil) -> LocalSigner:
    signer = LocalSigner(secrets.token_bytes(32))
    anvil.fund(signer.address, 10**20)
    return signer


def nonce_of(client: ChainClient, address: bytes) -> int:
    return int(client.rpc.request("eth_getTransactionCount", "0x" + address.hex(), "latest"), 16)


def pay(client: ChainClient, signer: LocalSigner, intent: str | None, wei: int = 1) -> bytes:
    return client.send(signer, PLAIN, TARGET, "f", value_wei=wei, intent=intent).transaction_hash


def test_same_intent_is_done_once_even_by_another_process(anvil: Anvil, signer: LocalSigner) -> None:
    journal = MemoryJournal()
    first = ChainClient.connect(anvil.url, config=AT_ONCE, journal=journal)
    done = pay(first, signer, "commit:1")
    second = ChainClient.connect(anvil.url, config=AT_ONCE, journal=journal)
    assert pay(second, signer, "commit:1") == done
    assert second.balance(TARGET) == 1
    assert pay(second, signer, "commit:2") != done
    assert (second.balance(TARGET), nonce_of(second, signer.address)) == (2, 2)


def test_lost_answer_does_not_double(anvil: Anvil, signer: LocalSigner) -> None:
    proxy = ChainProxy(anvil.port)
    client = ChainClient.connect(proxy.url, config=AT_ONCE)
    pay(client, signer, "warm-up")
    for position in range(7):  # whichever answer is lost, the transaction happens once
        before = client.balance(TARGET)
        proxy.answers_before_loss = position
        pay(client, signer, f"lossy:{position}")
        proxy.answers_before_loss = None
        assert client.balance(TARGET) == before + 1
    assert nonce_of(client, signer.address) == 8
    proxy.close()


def test_chain_down_then_up_and_slow(anvil: Anvil, signer: LocalSigner) -> None:
    proxy = ChainProxy(anvil.port)
    client = ChainClient.connect(proxy.url, config=ChainConfig(confirmations=0, max_attempts=3))
    proxy.down = True
    proxy.cut()
    with pytest.raises(ChainUnreachable) as caught:
        pay(client, signer, "down")
    assert caught.value.retryable
    assert caught.value.fields["attempts"] == 3
    proxy.down, proxy.delay_s = False, 0.05
    pay(client, signer, "down")
    assert client.balance(TARGET) == 1
    proxy.close()


def test_reorganised_commit_is_sent_again_unchanged(anvil: Anvil, signer: LocalSigner) -> None:
    client = ChainClient.connect(anvil.url, config=AT_ONCE)
    pay(client, signer, "before")
    snapshot = anvil.rpc.request("evm_snapshot")
    first = pay(client, signer, "commit:1")
    anvil.rpc.request("evm_revert", snapshot)
    assert client.balance(TARGET) == 1
    assert client.receipt(first) is None
    # a later intent brings the dropped one back first: nonces stay in order
    pay(client, signer, "commit:2")
    assert pay(client, signer, "commit:1") == first
    assert (client.balance(TARGET), nonce_of(client, signer.address)) == (3, 3)


def test_nonce_taken_by_another_transaction(anvil: Anvil, signer: LocalSigner) -> None:
    client = ChainClient.connect(anvil.url, config=AT_ONCE)
    snapshot = anvil.rpc.request("evm_snapshot")
    first = pay(client, signer, "commit:1")
    anvil.rpc.request("evm_revert", snapshot)
    stranger = ChainClient.connect(anvil.url, config=AT_ONCE)  # the same key, without the journal
    pay(stranger, signer, None, wei=10)
    again = pay(client, signer, "commit:1")
    assert again != first
    assert (client.balance(TARGET), nonce_of(client, signer.address)) == (11, 2)


def test_confirmations_and_raised_fee(anvil: Anvil, signer: LocalSigner) -> None:
    anvil.rpc.request("evm_setAutomine", False)
    client = ChainClient.connect(anvil.url, config=ChainConfig(confirmations=1), receipt_timeout_s=0.2)
    with pytest.raises(TransactionPending):
        pay(client, signer, "deep")
    anvil.rpc.request("anvil_setNextBlockBaseFeePerGas", hex(10**12))
    anvil.rpc.request("evm_mine")  # too dear: not mined
    anvil.rpc.request("anvil_setNextBlockBaseFeePerGas", hex(10**12))
    with pytest.raises(TransactionPending):
        pay(client, signer, "deep")
    anvil.rpc.request("evm_mine")
    with pytest.raises(TransactionPending):  # mined, not deep enough
        pay(client, signer, "deep")
    anvil.rpc.request("evm_mine")
    pay(client, signer, "deep")
    assert (client.balance(TARGET), nonce_of(client, signer.address)) == (1, 1)


def test_wrong_chain_is_refused(anvil: Anvil, signer: LocalSigner) -> None:
    with pytest.raises(WrongChain) as caught:
        ChainClient.connect(anvil.url, chain_id=1)
    assert (caught.value.fields["expected"], caught.value.fields["actual"]) == (1, anvil.chain_id)
    with pytest.raises(WrongChain):
        ChainClient.connect(anvil.url, genesis_hash=bytes(32))
    client = ChainClient.connect(anvil.url, genesis_hash=ChainClient.connect(anvil.url).block(0).hash, config=AT_ONCE)
    anvil.rpc.request("anvil_setChainId", 5)
    with pytest.raises(WrongChain):
        pay(client, signer, "late")
    assert client.balance(TARGET) == 0


def test_custom_errors_and_foreign_addresses(anvil: Anvil, signer: LocalSigner) -> None:
    client = ChainClient.connect(anvil.url, config=AT_ONCE)
    with pytest.raises(AppraiserSetInvalid):
        client.deploy(signer, load_abi("AppraiserQuorum"), [signer.address], 2)
    verifier = client.deploy(signer, load_abi("AppraiserQuorum"), [signer.address], 1).contract_address
    registry = client.deploy(signer, load_abi("EnclaveRegistry"), verifier, 3600).contract_address
    assert registry is not None
    with pytest.raises(KeyNeverRegistered) as caught:
        EnclaveRegistry(client, registry).revoke(signer, (TARGET, bytes(32), TARGET), TARGET)
    assert caught.value.fields["enclave_key"] == TARGET
    with pytest.raises(UnexpectedContractAnswer):
        client.call(load_abi("EnclaveRegistry"), TARGET, "registrationOf", TARGET, bytes(32), TARGET)
    with pytest.raises(ContractReverted):  # a contract without this function
        client.call(load_abi("EnclaveRegistry"), verifier or b"", "maxRegistrationS")
    nowhere = ContractAddresses(TARGET, TARGET, TARGET, TARGET, TARGET, TARGET, TARGET, TARGET, 0)
    with pytest.raises(NoContractThere):
        Contracts.at(client, nowhere)
    assert client.block(0).number == 0
    assert dataclasses.replace(nowhere, token=bytes(20)) != nowhere


def test_signer_hides_its_key(signer: LocalSigner, tmp_path: Path) -> None:
    assert signer.address.hex() in repr(signer)
    key = secrets.token_bytes(32)
    assert key.hex() not in repr(LocalSigner(key))


def test_an_empty_account_is_said(anvil: Anvil) -> None:
    client = ChainClient.connect(anvil.url, config=AT_ONCE)
    poor = LocalSigner(secrets.token_bytes(32))
    with pytest.raises(AccountUnfunded) as caught:
        pay(client, poor, "poor", wei=10**18)
    assert caught.value.fields["account"] == "0x" + poor.address.hex()
