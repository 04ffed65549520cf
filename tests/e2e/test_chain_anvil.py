"""The embedded chain: start, stop, restart on the same state, its clock, its end with its parent."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wattest.chain.anvil import (
    DUMP_FILE,
    Anvil,
    AnvilMissing,
    ChainFolderInUse,
    NotAChainFolder,
    PortTaken,
    TimeRunsForward,
    find_anvil,
)
from wattest.chain.rpc import ChainUnreachable

pytestmark = pytest.mark.e2e
GENESIS_S = 1_700_000_000
ADDRESS = bytes(19) + b"\x07"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_state_survives_restart_and_time_never_goes_back(tmp_path: Path) -> None:
    with Anvil.create(tmp_path / "chain", genesis_timestamp_s=GENESIS_S) as chain:
        chain.fund(ADDRESS, 5)
        chain.advance_to(GENESIS_S + 86_400)
        chain.mine(3)
        before = chain.rpc.request("eth_getBlockByNumber", "latest", False)
        assert chain.rpc.request("eth_accounts") == []
    with Anvil.open(tmp_path / "chain") as chain:
        after = chain.rpc.request("eth_getBlockByNumber", "latest", False)
        assert after["hash"] == before["hash"]
        assert chain.rpc.request("eth_getBalance", "0x" + ADDRESS.hex(), "latest") == "0x5"
        chain.mine()
        following = chain.rpc.request("eth_getBlockByNumber", "latest", False)
        assert int(following["timestamp"], 16) > int(before["timestamp"], 16)
        assert following["parentHash"] == before["hash"]


def test_many_restarts_keep_one_genesis(tmp_path: Path) -> None:
    with Anvil.create(tmp_path / "chain", genesis_timestamp_s=GENESIS_S) as chain:
        blocks = [chain.rpc.request("eth_getBlockByNumber", "0x0", False)["hash"]]
    for _ in range(4):
        with Anvil.open(tmp_path / "chain") as chain:
            chain.advance_to(chain.now() + 1_000)
            blocks.append(chain.rpc.request("eth_getBlockByNumber", "latest", False)["hash"])
            numbered = chain.rpc.batch(
                [("eth_getBlockByNumber", [hex(number), False]) for number in range(len(blocks))]
            )
            assert [block["hash"] for block in numbered] == blocks
            times = [int(block["timestamp"], 16) for block in numbered]
            assert times == sorted(set(times))


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
        "import sys, time; from pathlib import Path; from wattest.chain.anvil import Anvil\n"
        f"a = Anvil.create(Path(sys.argv[1]), genesis_timestamp_s={GENESIS_S}).start()\n"
        "a.mine(4); print(a._process.pid, flush=True); time.sleep(60)\n"
    )
    folder = tmp_path / "chain"
    parent = subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 10
    while _is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _is_alive(child)
    with Anvil.open(folder) as chain:
        assert int(chain.rpc.request("eth_blockNumber"), 16) == 4


@pytest.mark.parametrize(("dump", "blocks"), [(b'{"block":', 2), (None, 2)])
def test_a_torn_dump_costs_nothing_but_itself(tmp_path: Path, dump: bytes | None, blocks: int) -> None:
    folder = tmp_path / "chain"
    with Anvil.create(folder, genesis_timestamp_s=GENESIS_S) as chain:
        chain.mine(blocks)
    if dump is not None:
        (folder / DUMP_FILE).write_bytes(dump)
    with Anvil.open(folder) as chain:
        assert int(chain.rpc.request("eth_blockNumber"), 16) == blocks
    assert not (folder / DUMP_FILE).exists()


def test_port_is_released_after_stop(tmp_path: Path) -> None:
    with Anvil.create(tmp_path / "chain", genesis_timestamp_s=GENESIS_S) as chain:
        port = chain.port
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
