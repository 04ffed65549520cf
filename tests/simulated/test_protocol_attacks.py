"""Attacks whose outcome is a sum or a count, played on the twin; each also runs side by side with the contracts.

Single refusals are in vectors/protocol/scenarios.json; what each rule is for: docs/threat-model.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from protocol_chain import ChainExecutor
from protocol_scenarios import DAY, ENTRY_COUNT, PARAMETERS, TERMS, Player, address_of
from protocol_twin import TwinExecutor

from wattest.chain.anvil import Anvil
from wattest.messages.eip712 import Domain
from wattest.twin.challenge import ChallengeState

START = 1_780_272_000
BATCHES = 20


def a_hundred_challenges(player: Player) -> None:
    """100 challenges at once on one operator. All can be answered in time; the attacker pays for each."""
    player.play([{"do": "world", "kind": "open", "value": (BATCHES + 1) * PARAMETERS.exposure_wei}])
    for number in range(BATCHES):
        player.play([{"do": "commit", "label": str(number)}])
    spent = 0
    for ordinal in range(1, BATCHES * ENTRY_COUNT + 1):
        bond = TERMS.base_bond_wei * (7 + ordinal) // 8
        batch, index = divmod(ordinal - 1, ENTRY_COUNT)
        step = {"do": "challenge", "batch": str(batch), "index": index}
        player.play([{**step, "value": bond - 1, "refused": "BondTooSmall"}, {**step, "value": bond}])
        spent += bond
    twin = player.executor.twin
    opened = list(twin.challenges.challenges.values())
    assert [challenge.ordinal for challenge in opened] == list(range(1, 101))
    # Four answers a day are enough for every deadline, whatever the number of challenges.
    first = player.now
    for position, challenge in enumerate(opened):
        assert challenge.deadline > first + position // 4 * DAY
        batch, index = divmod(position, ENTRY_COUNT)
        at = first + position // 4 * DAY + position % 4 + 1 - player.executor.start
        player.play([{"do": "answer", "batch": str(batch), "index": index, "at": at}])
    assert all(challenge.state is ChallengeState.ANSWERED for challenge in twin.challenges.challenges.values())
    assert twin.challenges.purse.of(address_of("challenger")) == 0
    reimbursed = 100 * TERMS.answer_gas_cap_wei
    assert twin.challenges.purse.of(address_of("operator")) == reimbursed
    assert twin.challenges.purse.burned_wei == spent - reimbursed
    # Linear up to the last: the hundredth costs 13 times the first, and the first is still cheap for a household.
    assert spent == sum(TERMS.base_bond_wei * (7 + j) // 8 for j in range(1, 101))


def catching_oneself(player: Player) -> None:
    """An operator that withholds from itself loses S, and gets back less than it gave up."""
    player.play([{"do": "world"}, {"do": "commit", "label": "one", "period": 0, "at": DAY + 1}])
    twin = player.executor.twin
    before = twin.state.head_of(player.channel, address_of("operator")).deposit_wei
    player.play([
        {"do": "challenge", "batch": "one", "index": 0, "by": "operator"},
        {"do": "expire", "batch": "one", "index": 0, "at": 3 * DAY},
    ])  # fmt: skip
    after = twin.state.head_of(player.channel, address_of("operator")).deposit_wei
    paid_back = twin.state.purse.of(address_of("operator"))
    assert twin.challenges.purse.of(address_of("operator")) == TERMS.base_bond_wei
    assert before - after - paid_back == PARAMETERS.stake_wei == twin.state.purse.burned_wei
    assert paid_back * 5 <= PARAMETERS.stake_wei


def silence_costs_what_forgery_costs(player: Player) -> None:
    """Withholding an entry and being proved a forger take the same sum."""
    player.play([
        {"do": "world"},
        {"do": "commit", "label": "silent", "period": 0, "at": DAY + 1},
        {"do": "commit", "label": "forged", "period": 1, "at": 2 * DAY + 1},
        {"do": "challenge", "batch": "silent", "index": 0},
    ])  # fmt: skip
    twin = player.executor.twin

    def deposit() -> int:
        return twin.state.head_of(player.channel, address_of("operator")).deposit_wei

    start = deposit()
    player.play([{"do": "expire", "batch": "silent", "index": 0, "at": 4 * DAY}])
    silent = start - deposit()
    player.play([{"do": "invalid_evidence", "batch": "forged", "index": 1}])
    assert start - silent - deposit() == silent == PARAMETERS.stake_wei + PARAMETERS.catcher_reward_wei


def a_manager_who_is_the_operator_s_friend(player: Player) -> None:
    """Bonds cannot be made a price that only the operator's side can pay, nor answers a way to take them."""
    ether = 10**18
    player.play([
        {"do": "create_channel", "parameters": {"stake_wei": 5 * 10**9, "catcher_reward_wei": 10**9},
         "terms": {"base_bond_wei": 9 * ether, "answer_gas_cap_wei": 9 * ether}, "refused": "TermOutOfRange"},
        {"do": "create_channel", "terms": {"base_bond_wei": 9 * ether, "answer_gas_cap_wei": 9 * ether,
                                           "max_gas_price_wei": 10**13}, "refused": "TermOutOfRange"},
        {"do": "create_channel", "terms": {"answer_gas_cap_wei": 10**15, "max_gas_price_wei": 10**9},
         "refused": "TermOutOfRange"},
    ])  # fmt: skip


def a_stake_that_was_raised_stays_with_its_batch(player: Player) -> None:
    """What a module sets holds for later batches; each batch loses what it staked."""
    player.play([
        {"do": "world", "value": 10 * PARAMETERS.exposure_wei},
        {"do": "commit", "label": "once", "period": 0, "at": DAY + 1},
        {"do": "set_stake", "stake": 3 * PARAMETERS.stake_wei},
        {"do": "commit", "label": "thrice", "period": 1, "at": 2 * DAY + 1},
        {"do": "set_stake", "stake": PARAMETERS.stake_wei},
    ])  # fmt: skip
    twin = player.executor.twin
    taken = []
    for label in ("once", "thrice"):
        before = twin.state.purse.burned_wei
        player.play([{"do": "convict", "batch": label}])
        taken.append(twin.state.purse.burned_wei - before)
    assert taken == [PARAMETERS.stake_wei, 3 * PARAMETERS.stake_wei]
    assert twin.state.head_of(player.channel, address_of("operator")).exposure_gwei == 0


def replay_in_another_channel(player: Player) -> None:
    """A key registered for one channel signs nothing in another, and is not convicted there."""
    player.play([{"do": "world"}])
    other = Player(player.executor)
    other.now = player.now
    other.play([
        {"do": "create_channel", "salt": "other channel"},
        {"do": "roster", "period": 0, "count": ENTRY_COUNT},
        {"do": "deposit", "value": 3 * PARAMETERS.exposure_wei},
        {"do": "commit", "label": "x", "period": 0, "at": DAY + 1, "refused": "EnclaveKeyNotActive"},
        {"do": "sign", "label": "a", "period": 0},
        {"do": "sign", "label": "b", "period": 0},
        {"do": "equivocate", "first": "a", "second": "b", "refused": "KeyNeverRegistered"},
    ])  # fmt: skip


ATTACKS: list[Callable[[Player], None]] = [
    a_hundred_challenges,
    catching_oneself,
    silence_costs_what_forgery_costs,
    a_manager_who_is_the_operator_s_friend,
    a_stake_that_was_raised_stays_with_its_batch,
    replay_in_another_channel,
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_on_the_twin(attack: Callable[[Player], None]) -> None:
    attack(Player(TwinExecutor(Domain(31337, b"\x11" * 20), Domain(31337, b"\x22" * 20), START)))


@pytest.fixture
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Anvil]:
    with Anvil.create(tmp_path_factory.mktemp("attacks") / "chain", genesis_timestamp_s=START) as running:
        yield running


@pytest.mark.e2e
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_with_the_contracts(attack: Callable[[Player], None], chain: Anvil) -> None:
    attack(Player(ChainExecutor(chain)))
