"""An embedded chain of one's own by commands: made, given money and time, served or not, and no other chain touched."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from waiting import HANG_S

from wattest.apps.cli import run
from wattest.chain.anvil import Anvil
from wattest.chain.chain_folder import ChainMetadata, served_url, write_served
from wattest.chain.client import ChainClient
from wattest.io.files import write_key_file

pytestmark = pytest.mark.e2e
START_S = 1_772_323_200
ACCOUNT = "0x" + "ab" * 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert run(["chain", "new", str(tmp_path / "chain"), "--start", "2026-03-01", "--advance"]) == 0
    return tmp_path / "chain"


def told(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run([*words, "--json"]) == 0
    shown: dict[str, Any] = json.loads(capsys.readouterr().out)
    return shown


def test_money_and_time_of_a_chain_that_is_not_served(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    funded = told(capsys, "chain", "fund", str(folder), ACCOUNT, "--ether", "1.5")
    assert funded == {"account": ACCOUNT, "given_wei": 15 * 10**17, "balance_wei": 15 * 10**17}
    assert told(capsys, "chain", "fund", str(folder), ACCOUNT, "--ether", "1.5")["given_wei"] == 0
    moved = told(capsys, "chain", "advance", str(folder), "--to", "2026-03-02T00:10")
    assert moved["now"] == START_S + 86_400 + 600
    again = told(capsys, "chain", "advance", str(folder), "--to", "2026-03-02T00:10")
    assert again["now"] == again["before"] > moved["now"]
    by = told(capsys, "chain", "advance", str(folder), "--days", "1", "--hours", "1")
    assert by["now"] == by["before"] + 90_000


def test_money_and_time_of_a_chain_that_is_served(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_key_file(tmp_path / "own.key", b"\x07" * 32)
    process = subprocess.Popen(
        [sys.executable, "-m", "wattest.apps.cli", "chain", "serve", str(folder), "--json"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        served = json.loads(process.stdout.readline())
        assert served["may_advance"] is True
        assert served_url(folder) == served["url"]
        account = told(capsys, "chain", "fund", str(folder), "--key-file", str(tmp_path / "own.key"))["account"]
        assert told(capsys, "chain", "advance", str(folder), "--days", "3")["now"] >= START_S + 3 * 86_400
        client = ChainClient.connect(served["url"])
        assert client.balance(bytes.fromhex(account[2:])) == 100 * 10**18
        assert client.now() >= START_S + 3 * 86_400
        assert run(["chain", "serve", str(folder)]) == 7
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(HANG_S)
    assert served_url(folder) is None
    with Anvil.open(folder) as chain:
        assert chain.now() >= START_S + 3 * 86_400


def test_time_stands_where_the_folder_was_not_made_for_moving_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "chain"
    assert told(capsys, "chain", "new", str(folder))["may_advance"] is False
    assert "may_advance" not in (folder / "chain.json").read_text()
    assert run(["chain", "advance", str(folder), "--days", "1"]) == 7
    assert "wattest chain new FOLDER --advance" in capsys.readouterr().err
    assert told(capsys, "chain", "fund", str(folder), ACCOUNT)["balance_wei"] == 100 * 10**18


def test_a_chain_that_is_there_stays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "state.json").read_bytes()
    made = ChainMetadata.read(folder)
    assert run(["chain", "new", str(folder)]) == 7
    assert f"wattest chain serve {folder}" in capsys.readouterr().err
    assert ChainMetadata.read(folder) == made
    assert (folder / "state.json").read_bytes() == before


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    assert run(["chain", "new", str(tmp_path)]) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["letter"]


def test_no_other_chain_can_be_named(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["chain", "fund", str(tmp_path), ACCOUNT]) == 3
    assert run(["chain", "advance", "http://127.0.0.1:1", "--days", "1"]) == 3
    assert run(["chain", "fund", str(folder), ACCOUNT, "--rpc", "http://127.0.0.1:1"]) == 2
    assert run(["chain", "fund", str(folder)]) == 2
    assert run(["chain", "advance", str(folder)]) == 2
    assert run(["chain", "advance", str(folder), "--to", "2026-13-01"]) == 3
    with Anvil.create(tmp_path / "other", genesis_timestamp_s=START_S + 1) as other:
        with Anvil.open(folder):
            (folder / "served").write_text(other.url)
            capsys.readouterr()
            assert run(["chain", "fund", str(folder), ACCOUNT]) == 7
            assert "this chain has another genesis" in capsys.readouterr().err
        assert ChainClient.connect(other.url).balance(bytes.fromhex(ACCOUNT[2:])) == 0


@pytest.mark.parametrize(
    "words", [["chain", "new", "X"], ["chain", "fund", "X", ACCOUNT], ["enclave", "new-platform", "X"]]
)
def test_production_has_none_of_it(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = [str(tmp_path / "new") if word == "X" else word for word in words]
    assert run([*at, "--production", "--json"]) == 7
    assert "ProductionRefused" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_platform_and_the_policy_for_its_enclave(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = told(capsys, "enclave", "new-platform", str(tmp_path / "platform"), "--at", "2026-03-01")
    assert shown["development"] is True
    assert Path(shown["root"]).is_file()
    assert run(["enclave", "new-platform", str(tmp_path / "platform")]) == 7
    policy = tmp_path / "policy.toml"
    measured = told(capsys, "enclave", "measure", "--write-policy", str(policy))
    assert measured["measurement"] in policy.read_text()
    assert run(["attest", "policy", "check", str(policy)]) == 0
    assert run(["enclave", "measure", "--write-policy", str(policy)]) == 0
    policy.write_text("version = 1\n")
    assert run(["enclave", "measure", "--write-policy", str(policy)]) == 7
    assert policy.read_text() == "version = 1\n"


def test_a_chain_that_is_starting_is_waited_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Anvil.open(folder) as chain:
        (folder / "served").unlink()
        late = threading.Timer(0.3, write_served, (folder, chain.url))
        late.start()
        assert told(capsys, "chain", "fund", str(folder), ACCOUNT)["given_wei"] == 100 * 10**18
        late.join()
        assert ChainClient.connect(chain.url).balance(bytes.fromhex(ACCOUNT[2:])) == 100 * 10**18
    (folder / "served").write_text("http://127.0.0.1:1")  # as a process that was killed leaves it
    assert told(capsys, "chain", "fund", str(folder), ACCOUNT)["given_wei"] == 0
