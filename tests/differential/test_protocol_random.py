"""Random lives of a channel: twin and contracts must accept and refuse alike, with one state after every call.

The sequences follow from seeds. Nothing is expected of a single step; ``ChainExecutor`` compares both sides after each.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from protocol_chain import ChainExecutor
from protocol_scenarios import DAY, PARAMETERS, TERMS, Player
from protocol_twin import TwinExecutor, conserves_value

from wattest.chain.anvil import Anvil
from wattest.messages.eip712 import Domain
from wattest.twin.challenge import ChallengeState

START = 1_780_272_000
STEPS = 60
SHORT_SEEDS, DEEP_SEEDS = range(4), range(100, 160)
ACCOUNTS = ("operator", "second operator", "challenger", "watcher", "anyone", "manager")
F = "f" * 64


class RandomLife:
    """Draws steps that a player can carry out; most make sense, some do not."""

    def __init__(self, player: Player, seed: int) -> None:
        self.player = player
        self.draw = random.Random(seed)
        self.made = 0
        self.outcomes: dict[str, int] = {}

    def live(self, steps: int) -> None:
        kind = self.draw.choice(("scheduled", "scheduled", "open"))
        deposit = self.draw.choice((3, 10)) * PARAMETERS.exposure_wei
        self.player.play([{"do": "world", "kind": kind, "value": deposit}])
        for _ in range(steps):
            step = self.step()
            elapsed = self.player.now - self.player.executor.start
            step["at"] = elapsed + self.draw.choice((1, 1, 60, 600, 3_600, DAY // 4))
            if step["do"] == "commit" and self.draw.random() < 0.6:
                # Around the next period's end: mostly in time, sometimes at or beyond an edge.
                due = (elapsed // DAY + 1) * DAY + self.draw.choice((-1, 0, 1, 60, 7_199, 7_200))
                step["at"], step["period"] = max(due, elapsed + 1), elapsed // DAY
            refused = getattr(self.player, "do_" + step["do"])(step)
            self.outcomes[refused or "accepted"] = self.outcomes.get(refused or "accepted", 0) + 1

    def step(self) -> dict[str, Any]:
        committed = list(self.player.records)
        kinds = (
            ["commit"] * 16 + ["deposit"] * 4 + ["sign", "register", "revoke", "parameters", "exit", "owed", "roster"]
        )
        if committed:
            kinds += ["challenge", "answer", "answer"] * 4 + ["release"] * 6 + ["expire"] * 3
            kinds += ["refund", "evidence", "equivocate"]
        return getattr(self, "_" + self.draw.choice(kinds))()  # type: ignore[no-any-return]

    def _label(self) -> str:
        return self.draw.choice(list(self.player.records))

    def _fresh(self) -> dict[str, Any]:
        self.made += 1
        ended = (self.player.now - self.player.executor.start) // DAY
        period = max(0, ended - 1 + self.draw.choice((0, 0, 0, 0, 1, -1)))
        return {"label": f"batch {self.made}", "period": period}

    def _commit(self) -> dict[str, Any]:
        odd = (
            {"sequence": 1}, {"entry_count": 4}, {"fields": {"roster": F}}, {"key": "stranger"}, {"signature": "v"},
            {"key": "second enclave"}, {"shift_end": 1}, {"by": "second operator"}, {"previous_record": "empty"},
        )  # fmt: skip
        tweak = self.draw.choice(odd) if self.draw.random() < 0.2 else {}
        return {"do": "commit", **self._fresh(), **tweak}

    def _sign(self) -> dict[str, Any]:
        return {"do": "sign", **self._fresh(), "sequence": self.draw.randint(1, 4)}

    def _deposit(self) -> dict[str, Any]:
        amounts = (0, 1, PARAMETERS.exposure_wei, 3 * PARAMETERS.exposure_wei, 2**96 - 1)
        return {"do": "deposit", "value": self.draw.choice(amounts), "by": self.draw.choice(ACCOUNTS[:2])}

    def _register(self) -> dict[str, Any]:
        odd = ({"signers": ["appraiser 2"]}, {"again": True}, {"expires_after": 31 * DAY}, {"by": "anyone"}, {})
        return {"do": "register", "key": self.draw.choice(("enclave", "second enclave")), **self.draw.choice(odd)}

    def _revoke(self) -> dict[str, Any]:
        do = self.draw.choice(("revoke", "revoke_with_evidence"))
        return {"do": do, "key": "second enclave", "by": self.draw.choice(ACCOUNTS)}

    def _parameters(self) -> dict[str, Any]:
        do = self.draw.choice(("queue_parameters", "queue_parameters", "apply_parameters", "cancel_parameters"))
        changed = self.draw.choice(({"base_bond_wei": 2 * 10**15}, {"challenge_window_s": 3 * DAY}, {"stake_wei": 0}))
        return {"do": do, "parameters": changed, "by": self.draw.choice(("manager", "manager", "anyone"))}

    def _exit(self) -> dict[str, Any]:
        return {"do": self.draw.choice(("request_exit", "withdraw", "withdraw")), "by": self.draw.choice(ACCOUNTS[:2])}

    def _owed(self) -> dict[str, Any]:
        return {"do": "withdraw_owed", "by": self.draw.choice(ACCOUNTS)}

    def _roster(self) -> dict[str, Any]:
        period = (self.player.now - self.player.executor.start) // DAY + self.draw.randint(-1, 3)
        return {"do": "roster", "period": period, "count": self.draw.choice((5, 5, 5, 5, 5, 6))}

    def _challenge(self) -> dict[str, Any]:
        bond = self.draw.choice((10**15 - 1, 10**15, 10**16))
        return {"do": "challenge", "batch": self._label(), "index": self.draw.randint(0, 5), "value": bond}

    def _open(self) -> dict[str, Any]:
        """A challenge that is open, if there is one."""
        challenges = self.player.executor.twin.state.challenges
        by_key = {key: found for key, found in challenges.items() if found.state is ChallengeState.OPEN}
        for label in self.draw.sample(list(self.player.records), len(self.player.records)):
            header = self.player.batches[label].header
            for key in by_key:
                if key[:3] == (header.channel, header.operator, header.sequence):
                    return {"batch": label, "index": key[3]}
        return {"batch": self._label(), "index": self.draw.randint(0, 4)}

    def _answer(self) -> dict[str, Any]:
        spoiled = self.draw.choice((None, None, None, "salt", "sibling", "length"))
        found = self._open()
        found["index"] = min(found["index"], 4)
        return {"do": "answer", **found, "spoiled": spoiled, "by": self.draw.choice(ACCOUNTS)}

    def _expire(self) -> dict[str, Any]:
        return {"do": "expire", **self._open()}

    def _refund(self) -> dict[str, Any]:
        return {"do": "refund", **self._open()}

    def _evidence(self) -> dict[str, Any]:
        return {"do": "invalid_evidence", "batch": self._label(), "index": self.draw.choice((0, 0, 0, 1, 2, 3, 4))}

    def _release(self) -> dict[str, Any]:
        in_order = sorted(self.player.records, key=lambda label: self.player.batches[label].header.sequence)
        first = self.draw.randrange(len(in_order))
        return {"do": "release", "batches": in_order[first : first + self.draw.randint(1, 3)]}

    def _equivocate(self) -> dict[str, Any]:
        first, second = (self.draw.choice(list(self.player.batches)) for _ in range(2))
        sequence = self.player.batches[first].header.sequence
        same = [label for label in self.player.records if self.player.batches[label].header.sequence == sequence]
        return {"do": "equivocate", "first": first, "second": second, "batch": same[0] if same else None}


@pytest.mark.parametrize("seed", range(40))
def test_twin_conserves_value(seed: int) -> None:
    """No call takes a deposit below the open exposure, and only slashes and answers burn."""
    twin = TwinExecutor(Domain(31337, b"\x11" * 20), Domain(31337, b"\x22" * 20), START)
    life = RandomLife(Player(twin), seed)
    life.live(2 * STEPS)
    assert life.outcomes["accepted"] > 5
    for head in twin.state.heads.values():
        assert 0 <= head.open_exposure_wei <= head.deposit_wei
    assert twin.state.held_wei >= 0


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Anvil]:
    with Anvil.create(tmp_path_factory.mktemp("random") / "chain", genesis_timestamp_s=START) as running:
        yield running


@pytest.mark.e2e
@pytest.mark.parametrize("seed", SHORT_SEEDS)
def test_twin_and_contracts_agree(seed: int, chain: Anvil) -> None:
    RandomLife(Player(ChainExecutor(chain)), seed).live(STEPS)


@pytest.mark.e2e
@pytest.mark.deep
@pytest.mark.parametrize("seed", DEEP_SEEDS)
def test_twin_and_contracts_agree_for_long(seed: int, chain: Anvil) -> None:
    RandomLife(Player(ChainExecutor(chain)), seed).live(5 * STEPS)
