"""Scenario vectors against the pure twin, and against twin and contracts side by side on anvil."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from protocol_chain import ChainExecutor
from protocol_scenarios import Player
from protocol_twin import TwinExecutor

from wattest.chain.anvil import Anvil
from wattest.messages.eip712 import Domain
from wattest.twin.errors import REVERTS

SCENARIOS = json.loads((Path(__file__).parents[2] / "vectors/protocol/scenarios.json").read_text())
START = 1_780_272_000


def by_name(scenario: dict[str, Any]) -> str:
    return str(scenario["name"])


@pytest.mark.parametrize("scenario", SCENARIOS, ids=by_name)
def test_twin(scenario: dict[str, Any]) -> None:
    twin = TwinExecutor(Domain(31337, b"\x11" * 20), Domain(31337, b"\x22" * 20), START)
    Player(twin).play(scenario["steps"])


def test_every_refusal_of_registry_and_referee_is_reached() -> None:
    reached = {step.get("refused") for scenario in SCENARIOS for step in scenario["steps"]}
    payouts = {"Distribution", "Poster", "Disabler", "Root", "Statement", "Citation", "Escrow", "Claim", "Total"}
    elsewhere = {name for name in REVERTS if any(part in name for part in payouts)}
    elsewhere |= {"TermsInvalid", "NothingReceived", "ActivationDelayRunning", "JobMismatch", "ResultMismatch"}
    # Constructors, a chain without the precompile, and a receiver that refuses: Foundry tests reach these.
    elsewhere |= {"RegistryMisconfigured", "AppraiserSetInvalid", "PrecompileMissing", "TransferFailed"}
    # Two commits in one block; every step here is a block of its own (tests/unit/twin/test_twin_history.py).
    elsewhere |= {"CommitTooSoon"}
    assert set(REVERTS) - elsewhere - reached == set()


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Anvil]:
    with Anvil.create(tmp_path_factory.mktemp("scenarios") / "chain", genesis_timestamp_s=START) as running:
        yield running


@pytest.mark.e2e
@pytest.mark.parametrize("scenario", SCENARIOS, ids=by_name)
def test_twin_and_contracts_agree(chain: Anvil, scenario: dict[str, Any]) -> None:
    Player(ChainExecutor(chain)).play(scenario["steps"])
