"""Random lives of a channel: twin and contracts must accept and refuse alike, with one state after every call.

The sequences follow from seeds. Nothing is expected of a single step; ``ChainExecutor`` compares both sides after each.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from protocol_chain import ChainExecutor
from protocol_scenarios import DAY, PARAMETERS, Player
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
        committed = self.player.committed
        kinds = (
            ["commit"] * 16 + ["deposit"] * 4 + ["sign", "register", "revoke", "parameters", "exit", "owed", "roster"]
        )
        if committed:
            kinds += ["challenge", "answer", "answer"] * 4 + ["release"] * 6 + ["expire"] * 3
            kinds += ["refund", "evidence", "equivocate"]
            kinds += ["convict", "fine", "hold", "hold", "let_go", "set_stake"]
        return getattr(self, "_" + self.draw.choice(kinds))()  # type: ignore[no-any-return]

    def _label(self) -> str:
        return self.draw.choice(self.player.committed)

    def _fresh(self) -> dict[str, Any]:
        self.made += 1
        ended = (self.player.now - self.player.executor.start) // DAY
        period = max(0, ended - 1 + self.draw.choice((0, 0, 0, 0, 1, -1)))
        return {"label": f"batch {self.made}", "period": period}

    def _commit(self) -> dict[str, Any]:
        odd = (
            {"sequence": 1}, {"entry_count": 4}, {"fields": {"roster": F}}, {"key": "stranger"}, {"words": "high s"},
            {"key": "second enclave"}, {"shift_end": 1}, {"by": "second operator"}, {"peaks": "none"},
            {"peaks_of": -1}, {"peaks": "reversed"},
        )  # fmt: skip
        tweak = self.draw.choice(odd) if self.draw.random() < 0.2 else {}
        return {"do": "commit", **self._fresh(), **tweak}

    def _sign(self) -> dict[str, Any]:
        return {"do": "sign", **self._fresh(), "sequence": self.draw.randint(1, 4)}

    def _deposit(self) -> dict[str, Any]:
        amounts = (0, 1, PARAMETERS.exposure_wei, 3 * PARAMETERS.exposure_wei, (2**56 - 1) * 10**9)
        return {"do": "deposit", "value": self.draw.choice(amounts), "by": self.draw.choice(ACCOUNTS[:2])}

    def _register(self) -> dict[str, Any]:
        odd = ({"signers": ["appraiser 2"]}, {"again": True}, {"expires_after": 31 * DAY}, {"by": "anyone"}, {})
        return {"do": "register", "key": self.draw.choice(("enclave", "second enclave")), **self.draw.choice(odd)}

    def _revoke(self) -> dict[str, Any]:
        do = self.draw.choice(("revoke", "revoke_with_evidence"))
        return {"do": do, "key": "second enclave", "by": self.draw.choice(ACCOUNTS)}

    def _parameters(self) -> dict[str, Any]:
        do = self.draw.choice(("queue_parameters", "queue_parameters", "apply_parameters", "cancel_parameters"))
        odd: tuple[dict[str, Any], ...] = (
            {"terms": {"base_bond_wei": 2 * 10**15}},
            {"parameters": {"challenge_window_s": 3 * DAY}},
            {"parameters": {"stake_wei": 2 * 10**18}},
            {"parameters": {"stake_wei": 0}},
            {"terms": {"answer_window_s": 0}},
        )
        changed = self.draw.choice(odd) if do == "queue_parameters" else {}
        return {"do": do, **changed, "by": self.draw.choice(("manager", "manager", "anyone"))}

    def _exit(self) -> dict[str, Any]:
        return {"do": self.draw.choice(("request_exit", "withdraw", "withdraw")), "by": self.draw.choice(ACCOUNTS[:2])}

    def _owed(self) -> dict[str, Any]:
        do = self.draw.choice(("withdraw_owed", "withdraw_owed", "withdraw_burned"))
        return {"do": do, "by": self.draw.choice(ACCOUNTS), "of": self.draw.choice(("referee", "challenges"))}

    def _roster(self) -> dict[str, Any]:
        period = (self.player.now - self.player.executor.start) // DAY + self.draw.randint(-1, 3)
        return {"do": "roster", "period": period, "count": self.draw.choice((5, 5, 5, 5, 5, 6))}

    def _challenge(self) -> dict[str, Any]:
        bond, index = self.draw.choice((10**15 - 1, 10**15, 10**16)), self.draw.randint(0, 5)
        return self._named(do="challenge", batch=self._label(), index=index, value=bond)

    def _open(self) -> dict[str, Any]:
        """A challenge that is open, if there is one."""
        challenges = self.player.executor.twin.challenges.challenges
        by_key = {key for key, found in challenges.items() if found.state is ChallengeState.OPEN}
        committed = self.player.committed
        for label in self.draw.sample(committed, len(committed)):
            digest = self.player.batches[label].header.digest(self.player.executor.domain)
            for key in sorted(by_key):
                if key[0] == digest:
                    return {"batch": label, "index": key[1]}
        return {"batch": self._label(), "index": self.draw.randint(0, 4)}

    def _proof(self) -> dict[str, Any]:
        """Mostly a good proof, sometimes an old or a spoiled one."""
        odd: tuple[dict[str, Any], ...] = (
            {"size": 1}, {"proof": "one node more"}, {"proof": "one node less"}, {"proof": "another peak"},
            {"proof": "a size to come"}, {"proof": "no size"}, {"record": "another time"}, {"record": "another stake"},
        )  # fmt: skip
        return self.draw.choice(odd) if self.draw.random() < 0.2 else {}

    def _named(self, **step: Any) -> dict[str, Any]:
        """A step about a batch, with a proof of one of the sizes that have it."""
        proof = self._proof()
        header = self.player.batches[step["batch"]].header
        if proof.get("size", header.sequence) < header.sequence:
            proof = {"size": header.sequence}
        return {**step, **proof}

    def _convict(self) -> dict[str, Any]:
        bans, by = self.draw.random() < 0.2, self.draw.choice(("auditor", "auditor", "anyone"))
        return self._named(do="convict", batch=self._label(), bans=bans, by=by)

    def _fine(self) -> dict[str, Any]:
        amount = self.draw.choice((0, 1, 10**17, 10**30))
        matter, bans = self.draw.choice(("one", "two", "three")), self.draw.random() < 0.2
        operator = self.draw.choice(ACCOUNTS[:2])
        return {"do": "fine", "matter": matter, "amount": amount, "bans": bans, "operator": operator}

    def _hold(self) -> dict[str, Any]:
        until = self.player.now - self.player.executor.start + self.draw.choice((0, 60, DAY, 10 * DAY, 300 * DAY))
        return self._named(do="hold", batch=self._label(), until=until, by=self.draw.choice(("auditor", "anyone")))

    def _let_go(self) -> dict[str, Any]:
        return {"do": "let_go", "batch": self._label()}

    def _set_stake(self) -> dict[str, Any]:
        stakes = (10**18, 2 * 10**18, 3 * 10**18, 10**18 - 10**9, 10**18 + 1, 7 * 10**18)
        return {"do": "set_stake", "stake": self.draw.choice(stakes), "operator": self.draw.choice(ACCOUNTS[:2])}

    def _answer(self) -> dict[str, Any]:
        spoiled = self.draw.choice((None, None, None, "salt", "sibling", "length"))
        found = self._open()
        found["index"] = min(found["index"], 4)
        return {"do": "answer", **found, "spoiled": spoiled, "by": self.draw.choice(ACCOUNTS)}

    def _expire(self) -> dict[str, Any]:
        return self._named(do="expire", **self._open())

    def _refund(self) -> dict[str, Any]:
        return self._named(do="refund", **self._open())

    def _evidence(self) -> dict[str, Any]:
        index = self.draw.choice((0, 0, 0, 1, 2, 3, 4))
        return self._named(do="invalid_evidence", batch=self._label(), index=index)

    def _release(self) -> dict[str, Any]:
        header = self.player.batches[self._label()].header
        history = self.player.history(header.channel, header.operator)
        labels = {self.player.batches[one].header.sequence: one for one in self.player.committed
                  if self.player.batches[one].header.operator == header.operator}  # fmt: skip
        first = self.draw.randint(1, history.size)
        if self.draw.random() < 0.7:
            head = self.player.executor.twin.state.head_of(header.channel, header.operator)
            first = min(head.first_unreleased, history.size)
        last = min(history.size, first + self.draw.randint(0, 2))
        run = {"do": "release", "batches": [labels[sequence] for sequence in range(first, last + 1)]}
        proof = self._proof()
        return run | ({"size": last} if proof.get("size", last) < last else proof)

    def _equivocate(self) -> dict[str, Any]:
        first, second = (self.draw.choice(list(self.player.batches)) for _ in range(2))
        sequence = self.player.batches[first].header.sequence
        same = [label for label in self.player.committed if self.player.batches[label].header.sequence == sequence]
        return {"do": "equivocate", "first": first, "second": second, "batch": same[0] if same else None}


@pytest.mark.parametrize("seed", range(40))
def test_twin_conserves_value(seed: int) -> None:
    """No call takes a deposit below the open exposure, and only slashes and answers burn."""
    twin = TwinExecutor(Domain(31337, b"\x11" * 20), Domain(31337, b"\x22" * 20), START)
    life = RandomLife(Player(twin), seed)
    life.live(2 * STEPS)
    assert life.outcomes["accepted"] > 5
    conserves_value(twin)


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
