"""``wattest chain serve``: the folder's chain again, until Ctrl-C, with every mistake said."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from quote_world import build_world
from waiting import HANG_S, until

from wattest.apps.cli.chain import BLOCK_TIME_S
from wattest.apps.cli.chain import serve as serve_command
from wattest.chain.anvil import BLOCKS_ON_TOP, Anvil
from wattest.chain.client import ChainClient, TransactionPending
from wattest.chain.local_signer import LocalSigner
from wattest.config import ChainConfig
from wattest.twin.errors import NonceStale

pytestmark = pytest.mark.e2e
GENESIS_S = 1_700_000_000


def serve(folder: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "wattest.apps.cli", "chain", "serve", str(folder), *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Anvil.create(tmp_path / "chain", genesis_timestamp_s=GENESIS_S) as chain:
        chain.advance_to(GENESIS_S + 50)
    return tmp_path / "chain"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serves_until_told_to_stop(folder: Path, number: signal.Signals) -> None:
    process = serve(folder, "--json")
    assert process.stdout is not None
    shown = json.loads(process.stdout.readline())
    assert shown["block"] == 1 + BLOCKS_ON_TOP
    assert ChainClient.connect(shown["url"], chain_id=shown["chain_id"]).block(1).timestamp_s == GENESIS_S + 50
    process.send_signal(number)
    assert process.wait(HANG_S) == 130
    with Anvil.open(folder) as chain:  # the folder is free again and whole
        assert int(chain.rpc.request("eth_blockNumber"), 16) >= 1 + 2 * BLOCKS_ON_TOP


def served_at(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return str(json.loads(process.stdout.readline())["url"])


def ended(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGINT)
    return process.wait(HANG_S)


def test_time_runs_on_and_a_transaction_gets_its_confirmation(folder: Path) -> None:
    process = serve(folder, "--json", "--block-time", "1")
    client = ChainClient.connect(served_at(process), config=ChainConfig(confirmations=1), receipt_timeout_s=HANG_S)
    signer, before = LocalSigner(b"\x07" * 32), client.block()
    client.rpc.request("anvil_setBalance", "0x" + signer.address.hex(), hex(10**18))
    receipt = client.transfer(signer, bytes(19) + b"\x01", 1)
    assert client.block().number > receipt.block_number > before.number
    # Blocks within one second have one time: the transaction's and the next may, later ones do not.
    until(lambda: client.now() > before.timestamp_s, "a block of a later second")
    assert ended(process) == 130


def test_blocks_come_by_themselves_unless_told_otherwise() -> None:
    (option,) = [one for one in serve_command.params if one.name == "block_time_s"]
    assert option.default == BLOCK_TIME_S > 0


def test_without_a_block_time_a_transaction_says_what_it_waits_for(folder: Path) -> None:
    process = serve(folder, "--json", "--block-time", "0")
    client = ChainClient.connect(served_at(process), config=ChainConfig(confirmations=1), receipt_timeout_s=0.0)
    signer = LocalSigner(b"\x07" * 32)
    client.rpc.request("anvil_setBalance", "0x" + signer.address.hex(), hex(10**18))
    with pytest.raises(TransactionPending, match="deep enough") as caught:
        client.transfer(signer, bytes(19) + b"\x01", 1)
    assert "block time" in str(caught.value.hint)
    assert ended(process) == 130


def test_an_enclave_is_registered_on_a_served_chain_at_once(tmp_path: Path) -> None:
    """Its nonce is the hash of a recent block, which only blocks of this serving have."""
    with Anvil.create(tmp_path / "chain", genesis_timestamp_s=1_800_000_000) as anvil:
        world = build_world(anvil, tmp_path)
        world.publish()
        world.set_policy()
        stale = world.request()
    process = serve(tmp_path / "chain", "--json", "--block-time", "0", "--port", str(anvil.port))
    served_at(process)
    with pytest.raises(NonceStale):
        world.register(stale)
    request = world.request()
    world.register(request)
    assert world.is_active(request.enclave_key)
    assert ended(process) == 130


@pytest.mark.parametrize("what", ["port", "folder", "busy", "anvil"])
def test_mistakes_are_said(folder: Path, what: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        options, code, text = {
            "port": (["--port", str(taken.getsockname()[1])], 7, "port"),
            "folder": ([], 3, "chain"),
            "busy": ([], 7, "another process"),
            "anvil": (["--anvil", "/nowhere/anvil"], 7, "anvil"),
        }[what]
        other = Anvil.open(folder).start() if what == "busy" else None
        process = serve(folder.parent if what == "folder" else folder, *options)
        _, errors = process.communicate(timeout=HANG_S)
        if other is not None:
            other.stop()
    assert process.returncode == code
    assert text in errors
    assert "what to do" in errors
    assert "Traceback" not in errors
