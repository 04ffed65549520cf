"""``wattest chain serve``: the folder's chain again, until Ctrl-C, with every mistake said."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from wattest.chain.anvil import Anvil
from wattest.chain.client import ChainClient

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
    assert shown["block"] == 1
    assert ChainClient.connect(shown["url"], chain_id=shown["chain_id"]).block(1).timestamp_s == GENESIS_S + 50
    process.send_signal(number)
    assert process.wait(20) == 130
    with Anvil.open(folder) as chain:  # the folder is free again and whole
        assert int(chain.rpc.request("eth_blockNumber"), 16) == 1


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
        _, errors = process.communicate(timeout=30)
        if other is not None:
            other.stop()
    assert process.returncode == code
    assert text in errors
    assert "what to do" in errors
    assert "Traceback" not in errors
