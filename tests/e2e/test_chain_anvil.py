"""The embedded chain: start, stop, restart on the same state, its clock, its end with its parent."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import until_gone

from wattest.chain.anvil import (
    BLOCKS_ON_TOP,
    DUMP_FILE,
    Anvil,
    AnvilMissing,
    ChainFolderInUse,
    PortTaken,
    find_anvil,
)
from wattest.chain.chain_control import TimeRunsForward
from wattest.chain.chain_folder import NotAChainFolder
from wattest.chain.client import ChainClient
from wattest.chain.registry import EnclaveRegistry
from wattest.chain.rpc import ChainUnreachable

pytestmark = pytest.mark.e2e
GENESIS_S = 1_700_000_000
ADDRESS = bytes(19) + b"\x07"
PROBE = "0x" + "11" * 20
BLOCKHASH_OF_INPUT = "0x6000354060005260206000f3"


def blocks_of(chain: Anvil) -> int:
    return int(chain.rpc.request("eth_blockNumber"), 16)


def test_state_survives_restart_and_time_never_goes_back(tmp_path: Path) -> None:
    with Anvil.create(tmp_path / "chain", genesis_timestamp_s=GENESIS_S) as chain:
        chain.fund(ADDRESS, 5)
        chain.advance_to(GENESIS_S + 86_400)
        chain.mine(3)
        before = chain.rpc.request("eth_getBlockByNumber", "latest", False)
        assert chain.rpc.request("eth_accounts") == []
    with Anvil.open(tmp_path / "chain") as chain:
        after = chain.rpc.request("eth_getBlockByNumber", before["number"], False)
        assert after["hash"] == before["hash"]
        assert chain.rpc.request("eth_getBalance", "0x" + ADDRESS.hex(), "latest") == "0x5"
        following = chain.rpc.request("eth_getBlockByNumber", hex(int(before["number"], 16) + 1), False)
        assert int(following["timestamp"], 16) > int(before["timestamp"], 16)
        assert following["parentHash"] == before["hash"]


def test_many_restarts_keep_one_genesis(tmp_path: Path) -> None:
    with Anvil.create(tmp_path / "chain", genesis_timestamp_s=GENESIS_S) as chain:
        blocks = [chain.rpc.request("eth_getBlockByNumber", "0x0", False)["hash"]]
    for _ in range(4):
        with Anvil.open(tmp_path / "chain") as chain:
            chain.advance_to(chain.now() + 1_000)
            mined = range(len(blocks), len(blocks) + BLOCKS_ON_TOP + 1)
            blocks += [chain.rpc.request("eth_getBlockByNumber", hex(number), False)["hash"] for number in mined]
            numbered = chain.rpc.batch(
                [("eth_getBlockByNumber", [hex(number), False]) for number in range(len(blocks))]
            )
            assert [block["hash"] for block in numbered] == blocks
            times = [int(block["timestamp"], 16) for block in numbered]
            assert times == sorted(times)
            assert times[-1] == times[-2] + 1_000


def seen_by_contracts(chain: Anvil, number: int) -> str:
    """A block's hash as BLOCKHASH gives it in a call."""
    call = {"to": PROBE, "data": f"0x{number:064x}"}
    return str(chain.rpc.request("eth_call", call, "latest"))


def test_a_nonce_is_what_contracts_see_after_a_restart_too(tmp_path: Path) -> None:
    with Anvil.create(tmp_path / "chain", genesis_timestamp_s=GENESIS_S) as chain:
        chain.rpc.request("anvil_setCode", PROBE, BLOCKHASH_OF_INPUT)
        chain.mine(3)
        old = EnclaveRegistry(ChainClient.connect(chain.url), bytes(20)).recent_nonce()
        assert seen_by_contracts(chain, old.number) == f"0x{old.hash.hex()}"
    for _ in range(2):
        with Anvil.open(tmp_path / "chain") as chain:
            new = EnclaveRegistry(ChainClient.connect(chain.url), bytes(20)).recent_nonce()
            assert seen_by_contracts(chain, new.number) == f"0x{new.hash.hex()}"
            assert seen_by_contracts(chain, old.number) != f"0x{old.hash.hex()}"  # else no block on top is needed


def test_time_moves_only_forward(tmp_path: Path) -> None:
    with Anvil.create(tmp_path / "chain", genesis_timestamp_s=GENESIS_S) as chain:
        chain.advance_to(GENESIS_S + 100)
        assert chain.now() == GENESIS_S + 100
        with pytest.raises(TimeRunsForward):
            chain.advance_to(GENESIS_S + 100)


def test_used_folder_second_server_and_taken_port(tmp_path: Path) -> None:
    folder = tmp_path / "chain"
    with Anvil.create(folder, genesis_timestamp_s=GENESIS_S) as chain:
        with pytest.raises(ChainFolderInUse):
            Anvil.create(folder, genesis_timestamp_s=GENESIS_S)
        with pytest.raises(ChainFolderInUse):
            Anvil.open(folder).start()
        with pytest.raises(PortTaken):
            Anvil.create(tmp_path / "other", genesis_timestamp_s=GENESIS_S, port=chain.port).start()
        assert chain.now() >= GENESIS_S
    with pytest.raises(ChainUnreachable):
        chain.now()


@pytest.mark.parametrize("content", [None, b"{}", b"[1", b"x" * 5000, b'{"format":"wattest/embedded-chain/1"}'])
def test_not_a_chain_folder(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "chain.json").write_bytes(content)
    with pytest.raises(NotAChainFolder):
        Anvil.open(tmp_path)


def test_a_damaged_chain_folder_says_where(tmp_path: Path) -> None:
    text = {"format": "wattest/embedded-chain/1", "chain_id": -1, "genesis_timestamp_s": 1}
    (tmp_path / "chain.json").write_text(json.dumps(text))
    with pytest.raises(NotAChainFolder) as caught:
        Anvil.open(tmp_path)
    assert caught.value.message.startswith("chain.json, chain_id: an integer from 0 to ")
    assert caught.value.message.endswith(" belongs here, not -1")


def test_missing_executable_is_said(tmp_path: Path) -> None:
    with pytest.raises(AnvilMissing) as caught:
        find_anvil(tmp_path / "nothing")
    assert caught.value.hint


def test_a_wrapper_script_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrapper = tmp_path / "anvil"
    wrapper.write_text("#!/bin/sh\nexec false\n")
    wrapper.chmod(0o755)
    monkeypatch.delenv("WATTEST_ANVIL", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_anvil() != wrapper


def test_ends_with_its_killed_parent_and_keeps_the_state(tmp_path: Path) -> None:
    program = (
        "import signal, sys; from pathlib import Path; from wattest.chain.anvil import Anvil\n"
        f"a = Anvil.create(Path(sys.argv[1]), genesis_timestamp_s={GENESIS_S}).start()\n"
        "a.mine(4); print(a._process.pid, flush=True); signal.pause()\n"
    )
    folder = tmp_path / "chain"
    parent = subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until_gone(child)
    with Anvil.open(folder) as chain:
        assert blocks_of(chain) == 4 + BLOCKS_ON_TOP


@pytest.mark.parametrize(("dump", "blocks"), [(b'{"block":', 2), (None, 2)])
def test_a_torn_dump_costs_nothing_but_itself(tmp_path: Path, dump: bytes | None, blocks: int) -> None:
    folder = tmp_path / "chain"
    with Anvil.create(folder, genesis_timestamp_s=GENESIS_S) as chain:
        chain.mine(blocks)
    if dump is not None:
        (folder / DUMP_FILE).write_bytes(dump)
    with Anvil.open(folder) as chain:
        assert blocks_of(chain) == blocks + BLOCKS_ON_TOP
    assert not (folder / DUMP_FILE).exists()


def test_port_is_released_after_stop(tmp_path: Path) -> None:
    with Anvil.create(tmp_path / "chain", genesis_timestamp_s=GENESIS_S) as chain:
        port = chain.port
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
