"""A person's own deployment, made by the commands that a person types: chain, contracts, keys with money, channels."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from wattest.apps.cli import run
from wattest.chain.anvil import Anvil

START_S = 1_772_323_200
"""2026-03-01, where the world's chain time begins."""


@dataclass
class OwnWorld:
    """A folder as a person has it, and the running chain."""

    folder: Path
    chain: Anvil

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def keyed(self, key: str) -> list[str]:
        """``--deployment``, ``--rpc`` and ``--key-file``."""
        return ["--deployment", self.path("deployment.json"), "--rpc", self.chain.url, "--key-file", self.path(key)]

    def do(self, *words: str) -> None:
        assert run([*words]) == 0, words

    def spent(self, address: str) -> int:
        """Transactions of an account."""
        return int(self.chain.rpc.request("eth_getTransactionCount", address, "latest"), 16)

    def households(self, *names: str) -> list[str]:
        """Make these households and return their cards."""
        for name in names:
            self.do("meter", "new-key", self.path(name))
        return [self.path(f"{name}/member.toml") for name in names]


def told(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """What a command that goes well says with ``--json``."""
    capsys.readouterr()
    assert run([*words, "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> dict[str, Any]:
    """What a command says with ``--json`` that is refused with this exit code."""
    capsys.readouterr()
    assert run([*words, "--json"]) == code, capsys.readouterr().err
    captured = capsys.readouterr()
    assert captured.out == ""
    value: dict[str, Any] = json.loads(captured.err.splitlines()[-1])
    return value


def build(folder: Path, chain: Anvil) -> OwnWorld:
    """Manager and operator with money, a platform, contracts and two channels."""
    world = OwnWorld(folder, chain)
    for who in ("manager", "operator"):
        world.do(who, "new-key", world.path(f"{who}.key"))
        world.do("chain", "fund", str(chain.folder), "--key-file", world.path(f"{who}.key"))
    world.do("enclave", "new-platform", world.path("platform"), "--at", "2026-03-01")
    world.do(
        "deploy", "--rpc", chain.url, "--key-file", world.path("manager.key"), "--root",
        world.path("platform/root.pem"), "--out", world.path("deployment.json"), "--demo-token", "100000000",
    )  # fmt: skip
    world.do("manager", "create-channel", "village", *world.keyed("manager.key"))
    world.do("manager", "create-channel", "village-bills", "--kind", "open", *world.keyed("manager.key"))
    return world
