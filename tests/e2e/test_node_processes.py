"""Operator and watcher as processes of their own, with nothing between them but HTTP and the chain."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from node_community import EPOCH_S, ETHER, FIRST_PERIOD, Community, build_community, destroy, write_operator_files
from waiting import HANG_S, until_gone

from wattest.chain.local_signer import LocalSigner
from wattest.io.files import write_key_file
from wattest.store.remote_operator import OperatorRemote

pytestmark = pytest.mark.e2e
CLI = [sys.executable, "-m", "wattest.apps.cli"]


@pytest.fixture
def community(tmp_path: Path) -> Iterator[Community]:
    built = build_community(tmp_path / "site")
    built.process.stop()
    yield built
    destroy(built)


def write_watcher_files(community: Community, folder: Path, url: str, policy: str) -> Path:
    folder.mkdir()
    write_key_file(folder / "watcher.key", b"\x66" * 32)
    write_key_file(folder / "reader.key", community.extra["watcher_reader_seed"])
    community.anvil.fund(LocalSigner(b"\x66" * 32).address, ETHER)
    (folder / "policy.toml").write_text(policy)
    path = folder / "watcher.toml"
    path.write_text(
        f"""
[chain]
rpc_url = "{community.anvil.url}"
confirmations = 0

[watcher]
deployment = "../operator/deployment.json"
data = "data"
key = "watcher.key"
reader_key = "reader.key"
policy = "policy.toml"

[[operator]]
address = "0x{LocalSigner(community.operator_key).address.hex()}"
url = "{url}"
"""
    )
    return path


def watch(config: Path) -> tuple[int, list[dict[str, Any]], str]:
    done = subprocess.run(
        [*CLI, "watcher", "run", "--config", str(config), "--once"],
        capture_output=True, text=True, timeout=HANG_S, check=False,
    )  # fmt: skip
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_from_post_to_verdict_and_a_clean_end(community: Community, tmp_path: Path) -> None:
    config = write_operator_files(community, tmp_path / "operator")
    config.write_text(config.read_text().replace("collect_grace_s = 0", "collect_grace_s = 0\ninterval_s = 0.1"))
    operator = subprocess.Popen(
        [*CLI, "operator", "run", "--config", str(config)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert operator.stderr is not None
    assert operator.stdout is not None
    try:
        url = operator.stderr.readline().split()[-1]
        remote = OperatorRemote(url)
        for home in community.households:
            remote.send_block(community.channel.id, home.block(FIRST_PERIOD))
            remote.send_block(community.channel.id, home.block(FIRST_PERIOD))
        community.anvil.advance_to(FIRST_PERIOD + EPOCH_S)
        assert json.loads(operator.stdout.readline()) == {
            "event": "sealed", "channel": community.channel.id.hex(), "sequence": 1,
        }  # fmt: skip
        assert json.loads(operator.stdout.readline())["event"] == "committed"
        watcher = write_watcher_files(community, tmp_path / "watcher", url, community.extra["policy"])
        code, lines, errors = watch(watcher)
        assert (code, [line["verdict"] for line in lines]) == (0, ["clean"]), errors
        assert lines[0]["opened"] == 3
        assert watch(watcher)[:2] == (0, [])
        stricter = community.extra["policy"].replace(community.extra["verdict"].measurement.hex(), "00" * 32)
        other = write_watcher_files(community, tmp_path / "stricter", url, stricter)
        code, lines, errors = watch(other)
        assert [finding["code"] for finding in lines[0]["findings"]] == ["EvidenceRefused"], errors
        children = set(children_of(operator.pid))
        assert children
        operator.send_signal(signal.SIGINT)
        assert operator.wait(HANG_S) == 130
    finally:
        operator.kill()
        operator.wait()
    until_gone(*children)
    assert watch(tmp_path / "watcher" / "watcher.toml")[0] in {0, 6}  # the operator is gone: nothing new to judge


def children_of(pid: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(status.parent.name))
    return found
