"""``wattest deploy``: all contracts once, wherever it is killed, whatever the node forgets."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wattest.apps.cli import run
from wattest.attestation.roots import development_root
from wattest.chain.anvil import Anvil
from wattest.chain.client import ChainClient
from wattest.chain.deploy import Contracts, DeploymentPlan
from wattest.chain.local_signer import LocalSigner
from wattest.io.files import write_key_file
from wattest.receipt.deployment import parse_deployment

pytestmark = pytest.mark.e2e
START_S = 1_772_323_200
KEY = b"\x07" * 32
DEPLOYER = LocalSigner(KEY).address
CONTRACTS = len(DeploymentPlan(demo_token_supply=5).steps)
KILLED = """
import os, signal, sys
import wattest.io.files as files
import wattest.chain.sending as sending
place, number = sys.argv[1], int(sys.argv[2])
count = 0
def dying(function):
    def wrapped(*arguments, **named):
        global count
        result = function(*arguments, **named)
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return wrapped
if place == "written":
    files.write_atomically = dying(files.write_atomically)
else:
    sending.Sending._broadcast = dying(sending.Sending._broadcast)
from wattest.apps.cli import main
main(sys.argv[3:])
"""


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Anvil]:
    with Anvil.create(tmp_path / "chain", genesis_timestamp_s=START_S) as chain:
        chain.fund(DEPLOYER, 100 * 10**18)
        write_key_file(tmp_path / "own.key", KEY)
        yield chain


def words(chain: Anvil, folder: Path, *more: str) -> list[str]:
    out = str(folder / "deployment.json")
    key = str(folder / "own.key")
    return [
        "deploy",
        "--rpc",
        chain.url,
        "--key-file",
        key,
        "--root",
        "simulator",
        "--demo-token",
        "5",
        "--out",
        out,
        *more,
    ]


def spent(chain: Anvil) -> int:
    return int(chain.rpc.request("eth_getTransactionCount", "0x" + DEPLOYER.hex(), "latest"), 16)


def leftovers(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"chain", "own.key"}


def told(capsys: pytest.CaptureFixture[str], words: list[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert run([*words, "--json"]) == 0
    shown: dict[str, Any] = json.loads(capsys.readouterr().out)
    return shown


def test_every_contract_and_the_address_book(chain: Anvil, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = told(capsys, words(chain, tmp_path))
    book = parse_deployment((tmp_path / "deployment.json").read_bytes())
    assert book.is_judged_by_quote
    assert book.trust_roots == (development_root().certificate,)
    client = ChainClient.connect(chain.url, genesis_hash=book.genesis_hash)
    contracts = Contracts.at(client, book)
    assert contracts.token.balance_of(DEPLOYER) == 5
    assert shown["contracts"]["referee"] == "0x" + book.referee.hex()
    assert shown["deployed_at_block"] == book.deployed_at_block == 0
    assert spent(chain) == CONTRACTS == len(shown["contracts"])
    assert leftovers(tmp_path) == {"deployment.json"}
    before = (tmp_path / "deployment.json").read_bytes()
    assert run(words(chain, tmp_path)) == 7
    assert "wattest manager create-channel" in capsys.readouterr().err
    assert (tmp_path / "deployment.json").read_bytes() == before
    assert spent(chain) == CONTRACTS


def test_appraisers_in_place_of_a_contract(chain: Anvil, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words(chain, tmp_path, "--appraiser", "0x" + "ab" * 20)) == 2
    shown = told(capsys, words(chain, tmp_path, "--appraiser", "0x" + "ab" * 20, "--threshold", "1"))
    assert "collateral" not in shown["contracts"]
    book = parse_deployment((tmp_path / "deployment.json").read_bytes())
    assert (book.appraisers, book.threshold) == ((b"\xab" * 20,), 1)


@pytest.mark.parametrize(
    ("place", "number"),
    [("written", 1), ("written", 2), ("written", 5), ("written", 9), ("sent", 1), ("sent", 4), ("sent", 7)],
)
def test_killed_anywhere_it_goes_on_and_deploys_nothing_twice(
    chain: Anvil, tmp_path: Path, place: str, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    first = subprocess.run(
        [sys.executable, "-c", KILLED, place, str(number), *words(chain, tmp_path)], capture_output=True, check=False
    )
    assert first.returncode == -signal.SIGKILL, first.stderr
    assert (tmp_path / "deployment.json.journal").exists()
    capsys.readouterr()
    assert run(words(chain, tmp_path)) == 0
    assert "going on with the deployment that was interrupted" in capsys.readouterr().err
    assert spent(chain) == CONTRACTS
    assert leftovers(tmp_path) == {"deployment.json"}
    book = parse_deployment((tmp_path / "deployment.json").read_bytes())
    assert book.deployed_at_block == 0
    Contracts.at(ChainClient.connect(chain.url), book)


def test_a_node_that_forgets_gets_it_again(chain: Anvil, tmp_path: Path) -> None:
    before = chain.rpc.request("evm_snapshot")
    first = subprocess.run(
        [sys.executable, "-c", KILLED, "sent", "5", *words(chain, tmp_path)], capture_output=True, check=False
    )
    assert first.returncode == -signal.SIGKILL, first.stderr
    assert spent(chain) >= 4
    assert chain.rpc.request("evm_revert", before) is True
    assert spent(chain) == 0
    assert run(words(chain, tmp_path)) == 0
    assert spent(chain) == CONTRACTS


def test_another_s_interrupted_deployment_is_not_gone_on_with(
    chain: Anvil, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(
        [sys.executable, "-c", KILLED, "sent", "2", *words(chain, tmp_path)], capture_output=True, check=False
    )
    count = spent(chain)
    assert run(words(chain, tmp_path, "--registration-days", "7")) == 7
    assert "--registration-days" in capsys.readouterr().err
    write_key_file(tmp_path / "other.key", b"\x08" * 32)
    chain.fund(LocalSigner(b"\x08" * 32).address, 10**20)
    assert run(words(chain, tmp_path, "--key-file", str(tmp_path / "other.key"))) == 7
    assert "deployer" in capsys.readouterr().err
    with Anvil.create(tmp_path / "second", genesis_timestamp_s=START_S + 1) as second:
        second.fund(DEPLOYER, 10**20)
        assert run(words(second, tmp_path)) == 7
        assert "another chain" in capsys.readouterr().err
    assert spent(chain) == count
    assert not (tmp_path / "deployment.json").exists()


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        (["--chain-id", "1"], 7, "this is another chain"),
        (["--rpc", "http://127.0.0.1:1"], 6, "127.0.0.1:1"),
        (["--root", "nowhere.pem"], 3, "nowhere.pem"),
        (["--key-file", "nowhere.key"], 7, "new-key"),
        (["--out", "nowhere/deployment.json"], 7, "mkdir -p nowhere"),
        (["--appraiser", "0x12", "--threshold", "1"], 3, "--appraiser"),
    ],
)
def test_mistakes_leave_nothing(
    chain: Anvil, tmp_path: Path, more: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words(chain, tmp_path, *more)) == code
    assert says in capsys.readouterr().err
    assert leftovers(tmp_path) == set()
    assert spent(chain) == 0


def test_a_key_without_money(chain: Anvil, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chain.fund(DEPLOYER, 0)
    assert run(words(chain, tmp_path)) == 7
    assert f"wattest chain fund FOLDER 0x{DEPLOYER.hex()}" in capsys.readouterr().err
    chain.fund(DEPLOYER, 10**15)
    assert run(words(chain, tmp_path)) == 7
    chain.fund(DEPLOYER, 10**20)
    assert run(words(chain, tmp_path)) == 0
    assert spent(chain) == CONTRACTS
