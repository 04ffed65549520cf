"""The pure twin as an executor of scenarios, and what both sides can be asked after each step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocol_scenarios import APPRAISERS, IDLE_MODULES, MODULES, THRESHOLD, WORKLOAD, address_of, bytes_of

from wattest.errors import WattestError
from wattest.messages.channel import ChannelKind
from wattest.messages.eip712 import Domain
from wattest.twin import directed_challenges as challenges
from wattest.twin import fraud_proofs
from wattest.twin import referee as core
from wattest.twin.batch import NO_MARK
from wattest.twin.challenge import ChallengeState
from wattest.twin.directed_challenges import ChallengesState, challenge_terms_rule
from wattest.twin.fraud_proofs import FraudProofsState, fraud_proofs_terms_rule
from wattest.twin.parameters import ChannelParameters
from wattest.twin.purse import BURN_ADDRESS
from wattest.twin.referee import Call, RefereeState
from wattest.twin.registry import (
    AppraiserQuorum,
    RegistryState,
    active_key,
    apply_register,
    apply_revoke,
    apply_revoke_with_evidence,
)


def any_terms(_kind: ChannelKind, _parameters: ChannelParameters, _terms: bytes) -> None:
    """What the auditor asks of its terms: nothing."""


class TwinExecutor:
    """The pure twin."""

    def __init__(
        self, domain: Domain, registry_domain: Domain, start: int, modules: dict[str, bytes] | None = None
    ) -> None:
        self.domain, self.registry_domain, self.start = domain, registry_domain, start
        self.modules = modules or {name: bytes_of("module " + name, 20) for name in (*MODULES, *IDLE_MODULES)}
        appraisers = tuple(sorted(address_of(f"appraiser {n}") for n in range(APPRAISERS)))
        rules = {"challenges": challenge_terms_rule, "fraud proofs": fraud_proofs_terms_rule}
        deployed = {address: rules.get(name, any_terms) for name, address in self.modules.items()}
        self.state = RefereeState(domain, deployed)
        self.challenges = ChallengesState(self.modules["challenges"])
        self.fraud_proofs = FraudProofsState(self.modules["fraud proofs"])
        self.registry = RegistryState(registry_domain, AppraiserQuorum(appraisers, THRESHOLD))
        self.blocks: Mapping[int, bytes] = {7: bytes_of("block 7")}
        # Without a chain to say it: the scenarios' gas price makes every answer cost more than the cap.
        self.gas_cost_wei = 10**18

    @property
    def twin(self) -> TwinExecutor:
        return self

    def recent_block(self) -> tuple[int, bytes]:
        return max(self.blocks.items())

    def run(self, call: str, caller: bytes, now: int, value: int, arguments: tuple[Any, ...]) -> str | None:
        try:
            self._apply(call, Call(caller, now, value), arguments)
        except WattestError as error:
            return error.code
        return None

    def _apply(self, call: str, by: Call, arguments: tuple[Any, ...]) -> None:
        match call:
            case "register":
                self.registry = apply_register(self.registry, by.caller, by.now, self.blocks, *arguments)
            case "revoke":
                self.registry = apply_revoke(self.registry, by.caller, *arguments)
            case "revokeWithEvidence":
                self.registry = apply_revoke_with_evidence(self.registry, *arguments)
            case "commit":
                self.state = core.apply_commit(self.state, by, self.registry, *arguments)
            case "withdraw":
                self.state = core.apply_withdraw(self.state, by, arguments[0])
            case "withdrawOwed":
                if arguments[0] == "referee":
                    self.state = core.apply_withdraw_owed(self.state, by)
                else:
                    self.challenges = challenges.apply_challenges_withdraw_owed(self.challenges, by)
            case "withdrawBurned":
                if arguments[0] == "referee":
                    self.state = core.apply_withdraw_burned(self.state, by)
                else:
                    self.challenges = challenges.apply_challenges_withdraw_burned(self.challenges, by)
            case "convict":
                batch, _, bans, catcher = arguments
                self.state = core.apply_convict(self.state, by, batch, catcher, bans=bans)
            case "fine":
                channel, operator, matter, amount, _, bans, catcher = arguments
                self.state = core.apply_fine(self.state, by, channel, operator, matter, amount, catcher, bans=bans)
            case "hold":
                self.state, _, _ = core.apply_hold(self.state, by, *arguments)
            case "answer":
                self.challenges, self.state = challenges.apply_answer(
                    self.challenges, self.state, by, *arguments, gas_cost_wei=self.gas_cost_wei
                )
            case "challenge" | "expire" | "refund":
                apply = getattr(challenges, "apply_" + call)
                self.challenges, self.state = apply(self.challenges, self.state, by, *arguments)
            case "proveEquivocation":
                self.fraud_proofs, self.state = fraud_proofs.apply_equivocation(
                    self.fraud_proofs, self.state, by, self.registry, *arguments
                )
            case "proveInvalidEvidence":
                self.state = fraud_proofs.apply_invalid_evidence(self.fraud_proofs, self.state, by, *arguments)
            case _:
                self.state = _PLAIN[call](self.state, by, *arguments)


_PLAIN: dict[str, Any] = {
    "createChannel": core.apply_create_channel,
    "queueParameters": core.apply_queue_parameters,
    "cancelParameters": core.apply_cancel_parameters,
    "applyParameters": core.apply_apply_parameters,
    "setRosterCount": core.apply_set_roster_count,
    "deposit": core.apply_deposit,
    "requestExit": core.apply_request_exit,
    "release": core.apply_release,
    "letGo": core.apply_let_go,
    "setStake": core.apply_set_stake,
}

ACCOUNTS = ("operator", "second operator", "challenger", "watcher", "anyone", "manager")
Question = tuple[str, str, tuple[Any, ...]]
"""A contract's name, its view, and the arguments."""


def observed(twin: TwinExecutor, channel: bytes) -> dict[Question, Any]:
    """What the contracts must answer, were they asked now about one channel."""
    state, sued = twin.state, twin.challenges
    record = state.channels[channel]
    answers: dict[Question, Any] = {
        ("Referee", "parametersOf", (channel, record.version)): _values(record.parameters),
        ("Referee", "queuedParameters", (channel,)): record.queued or (0, bytes(32)),
        ("Referee", "owed", (BURN_ADDRESS,)): state.purse.burned_wei,
        ("DirectedChallenges", "owed", (BURN_ADDRESS,)): sued.purse.burned_wei,
    }
    for grant in record.modules:
        terms = state.terms_of(channel, record.version, grant.module)
        answers["Referee", "termsOf", (channel, record.version, grant.module)] = terms
    for name in ACCOUNTS:
        address = address_of(name)
        book = state.book_of(channel, address)
        stake = book.head.next_stake_gwei(record.parameters.stake_gwei) * 10**9
        key = active_key(twin.registry, state.referee, channel, address, WORKLOAD)
        answers |= {
            ("Referee", "operatorHead", (channel, address)): _values(book.head),
            ("Referee", "stakeOf", (channel, address)): stake,
            ("Referee", "withdrawableAt", (channel, address)): book.withdrawable_at,
            ("Referee", "owed", (address,)): state.purse.of(address),
            ("DirectedChallenges", "owed", (address,)): sued.purse.of(address),
            ("DirectedChallenges", "openChallengesOn", (channel, address)): sued.open_on(channel, address),
            ("EnclaveRegistry", "activeKey", (state.referee, channel, address, WORKLOAD)): key,
        }
        for size in range(max(0, book.head.sequence - 8), book.head.sequence + 2):
            answers["Referee", "historyOf", (channel, address, size)] = book.word_of(size)
        for sequence in range(1, book.head.sequence + 1):
            mark = book.marks.get(sequence, NO_MARK)
            answers["Referee", "markOf", (channel, address, sequence)] = _values(mark)
            convicted = (channel, address, sequence) in twin.fraud_proofs.convicted
            answers["FraudProofs", "isConvicted", (channel, address, sequence)] = convicted
        for matter in book.fined:
            answers["Referee", "isFined", (channel, address, matter)] = True
    for (digest, index), found in sued.challenges.items():
        answers["DirectedChallenges", "challengeOf", (digest, index)] = _values(found)
        answers["DirectedChallenges", "openChallengesOf", (digest,)] = _values(sued.on_batch[digest])
    return answers


def conserves_value(twin: TwinExecutor) -> None:
    """What holds after every step: no deposit below its exposure, bonds of open challenges alone."""
    for book in twin.state.books.values():
        assert 0 <= book.head.exposure_gwei <= book.head.deposit_gwei
        assert 0 <= book.head.open_batches <= book.head.sequence
    still_open = {key for key, one in twin.challenges.challenges.items() if one.state is ChallengeState.OPEN}
    assert set(twin.challenges.bonds) == still_open
    assert sum(on.open for on in twin.challenges.on_batch.values()) == len(still_open)
    assert sum(twin.challenges.on_operator.values()) == len(still_open)


def _values(struct: Any) -> tuple[Any, ...]:
    values = (getattr(struct, name) for name in struct.__slots__)
    return tuple(int(value) if isinstance(value, int) and not isinstance(value, bool) else value for value in values)
