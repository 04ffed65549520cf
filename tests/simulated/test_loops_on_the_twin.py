"""Operator and watcher run against the contracts' twin: a real enclave, a real server, and no chain process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from machines import shared_machine
from memory_bundles import MemoryBundles
from memory_inbox import MemoryInbox
from memory_tables import MEMORY_TABLES
from node_community import EPOCH_S, ETHER, FIRST_PERIOD, GENESIS_S, PARAMETERS, TERMS, Household, seed

from wattest.appraiser.appraiser import Appraiser, RegistrationRequest, collect_verdict
from wattest.attestation.roots import parse_root
from wattest.chain import anvil
from wattest.chain.local_signer import LocalSigner
from wattest.chain.referee_events import ClosedChallenge, SlashedBatch
from wattest.chain.simulated import SimulatedChain
from wattest.chain.simulated_referee import SimulatedReferee
from wattest.chain.simulated_registry import SimulatedRegistry
from wattest.crypto.hpke import ReaderPrivateKey
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.enclave.host.process import EnclaveProcess
from wattest.messages.acceptance import AcceptanceUnsigned, SignedAcceptance
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.member_list import Member, MemberList, sign_member_list
from wattest.messages.report_data import KeyBinding
from wattest.metering.entry import EntryKind, SeriesEntry, parse_entry
from wattest.metering.meter import blinded_meter, meter_key_commitment
from wattest.operator.operator import Operator, OperatorSettings
from wattest.operator.server import OperatorServer, UnsafeBehaviour
from wattest.store.back_ends import OPERATOR_STORES, DataPlace
from wattest.store.batch_state import StoredState
from wattest.store.duty import Duty, MemberKeys
from wattest.store.remote_operator import BlockTaken, OperatorRemote, RemoteSettings
from wattest.twin.cause import SlashCause
from wattest.twin.challenge import ChallengeState, DirectedChallenge
from wattest.twin.registry import AppraiserQuorum
from wattest.watcher.watch_log import WatchLog
from wattest.watcher.watcher import Watcher

MANAGER, OPERATOR = LocalSigner(seed("manager")), LocalSigner(seed("operator"))
WATCHER = LocalSigner(b"\x77" * 32)


class Stage:
    """One community on a simulated chain; the operator keeps tables, bundles and inbox in memory."""

    def __init__(self, folder: Path, stack: ExitStack, unsafe: UnsafeBehaviour | None = None) -> None:
        appraiser_key = Secp256k1PrivateKey.from_seed(seed("appraiser"))
        self.chain = SimulatedChain(GENESIS_S, AppraiserQuorum((appraiser_key.address,), 1))
        self.referee, registry = SimulatedReferee(self.chain), SimulatedRegistry(self.chain)
        self.channel = ChannelIdentity(MANAGER.address, ChannelKind.SCHEDULED, seed("channel"))
        self.homes = [Household.make(str(index)) for index in range(3)]
        self.referee.create_standard_channel(MANAGER, self.channel.kind, self.channel.salt, PARAMETERS, TERMS)
        self.referee.set_roster_count(MANAGER, self.channel.id, len(self.homes), FIRST_PERIOD)
        self.referee.deposit(OPERATOR, self.channel.id, 20 * ETHER)
        reader = ReaderPrivateKey.from_seed(seed("watcher reader"))
        by_key = {home.meter.public_key: home for home in self.homes}
        members = tuple(
            Member(key, meter_key_commitment(home.meter_key), home.reader.public_key)
            for key, home in sorted(by_key.items())
        )
        signed = sign_member_list(
            Secp256k1PrivateKey.from_seed(seed("manager")),
            MemberList(self.channel.id, FIRST_PERIOD, members, (reader.public_key,)),
            self.channel,
            self.referee.domain,
        )
        keys = MemberKeys(signed, [by_key[member.public_key].meter_key for member in members])
        duty = Duty(self.channel, EPOCH_S, FIRST_PERIOD, (keys,))
        platform = shared_machine(folder / "platform", GENESIS_S)
        process = stack.enter_context(EnclaveProcess(platform, folder / "enclave"))
        nonce = registry.recent_nonce()
        binding = KeyBinding(self.chain.chain_id, self.referee.address, self.channel.id, OPERATOR.address, nonce.hash)
        identity, description = process.client.create_identity(binding, self.channel), process.client.describe()
        policy = f'version = 1\n[[enclave]]\nname = "wattest"\nmr_enclave = "{description.measurement.hex()}"\n'
        root = parse_root(platform.root_certificate)
        appraiser = Appraiser(appraiser_key, policy.encode(), [root], frozenset({description.vee_workload}))
        request = RegistrationRequest(
            binding, identity.address, identity.evidence, platform.collateral(GENESIS_S).to_json(), nonce.number,
            description.vee_workload,
        )  # fmt: skip
        verdict, signatures = collect_verdict([appraiser], request, registry.domain, self.chain.now())
        registry.register(OPERATOR, verdict, signatures)
        stack.enter_context(patch.dict(OPERATOR_STORES, memory=MEMORY_TABLES))
        data, bundles, inbox = DataPlace(folder / "node", tables="memory"), MemoryBundles(), MemoryInbox()
        store = data.write()
        stack.callback(store.close)
        self.operator = Operator(
            store, bundles, inbox, self.referee, OPERATOR, lambda: process.client, duties=[duty],
            settings=OperatorSettings(collect_grace_s=0),
        )  # fmt: skip
        server = OperatorServer(
            data, bundles, inbox, signer=OPERATOR, chain_id=self.chain.chain_id,
            referee=self.referee.address, duties=(duty,), unsafe_behaviour=unsafe,
        ).start()  # fmt: skip
        stack.callback(server.stop)
        self.remote = OperatorRemote(server.url, RemoteSettings(max_attempts=2))
        log = WatchLog(folder / "watcher.sqlite")
        stack.callback(log.close)
        self.watcher = Watcher(log, self.referee, registry, WATCHER, reader, {OPERATOR.address: self.remote})

    def commit_day(self, day: int = 0) -> None:
        period = FIRST_PERIOD + day * EPOCH_S
        for home in self.homes:
            self.remote.send_block(self.channel.id, home.block(period))
        self.chain.advance_to(period + EPOCH_S)
        report = self.operator.step()
        report.raise_first()
        assert len(report.committed) == 1

    def challenge_on(self, sequence: int, position: int) -> DirectedChallenge:
        digest = self.operator.store.batch(self.channel.id, sequence).header_digest
        assert digest is not None
        return self.referee.challenge_of(digest, position)

    def verified(
        self, taken: BlockTaken, home: Household, account: bytes = OPERATOR.address
    ) -> SignedAcceptance | None:
        """What the household says of the operator's answer."""
        return taken.verified(
            self.channel.id,
            account,
            self.referee.domain,
            lambda start, name: blinded_meter(home.meter_key, self.channel.id, start) == name,
        )

    def kinds(self, sequence: int = 1) -> dict[bytes, int]:
        """The kind of each entry, by blinded meter."""
        payloads, _ = self.operator.store.entries(self.channel.id, sequence)
        return {
            entry.blinded_meter: entry.kind for entry in map(parse_entry, payloads) if isinstance(entry, SeriesEntry)
        }

    def state(self, sequence: int) -> StoredState:
        return self.operator.store.batch(self.channel.id, sequence).state


@pytest.fixture(autouse=True)
def _no_chain_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a chain process is started")

    monkeypatch.setattr(anvil.Anvil, "start", refuse)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def test_honest_days_are_clean_final_and_released(tmp_path: Path, stack: ExitStack) -> None:
    stage = Stage(tmp_path, stack)
    stage.commit_day(0)
    stage.commit_day(1)
    report = stage.watcher.step()
    report.raise_first()
    assert [(one["sequence"], one["findings"]) for one in report.verdicts] == [(1, []), (2, [])]
    assert not report.sent
    stage.chain.advance_to(FIRST_PERIOD + 10 * EPOCH_S)
    final = stage.operator.step()
    assert [final.finalised, [stage.state(1), stage.state(2)]] == [[1, 2], [StoredState.FINAL, StoredState.FINAL]]
    assert stage.watcher.withdraw() == []


def test_a_dropped_commit_goes_out_again(tmp_path: Path, stack: ExitStack) -> None:
    stage = Stage(tmp_path, stack)
    stage.commit_day()
    before = stage.referee.committed_batch(stage.channel.id, OPERATOR.address, 1)
    stage.chain.drop_blocks(1)
    assert stage.referee.committed_batch(stage.channel.id, OPERATOR.address, 1) is None
    stage.operator.step().raise_first()
    stage.operator.step().raise_first()
    after = stage.referee.committed_batch(stage.channel.id, OPERATOR.address, 1)
    assert before is not None
    assert after is not None
    assert (after.header_digest, stage.state(1)) == (before.header_digest, StoredState.COMMITTED)
    assert after.place.block_hash != before.place.block_hash


def test_what_is_withheld_is_challenged_and_answered(tmp_path: Path, stack: ExitStack) -> None:
    stage = Stage(tmp_path, stack, UnsafeBehaviour(withheld=frozenset({1})))
    stage.commit_day()
    stage.watcher.step().raise_first()
    opened = stage.challenge_on(1, 1)
    assert (opened.challenger, opened.state) == (WATCHER.address, ChallengeState.OPEN)
    report = stage.operator.step()
    report.raise_first()
    assert len(report.answered) == 1
    events = stage.referee.events(0, stage.chain.block().number)
    assert [one.state for one in events if isinstance(one, ClosedChallenge)] == [ChallengeState.ANSWERED]
    assert stage.state(1) is StoredState.COMMITTED


def test_what_stays_withheld_costs_the_deposit(tmp_path: Path, stack: ExitStack) -> None:
    stage = Stage(tmp_path, stack, UnsafeBehaviour(withheld=frozenset({1})))
    stage.commit_day()
    stage.watcher.step().raise_first()
    opened = stage.challenge_on(1, 1)
    stage.chain.advance_to(opened.deadline)  # the operator sleeps
    report = stage.watcher.step()
    report.raise_first()
    assert [kind for kind, _ in report.sent] == ["expire"]
    events = stage.referee.events(0, stage.chain.block().number)
    (slashed,) = [one for one in events if isinstance(one, SlashedBatch)]
    assert (slashed.cause, slashed.catcher) == (SlashCause.EXPIRED_CHALLENGE, WATCHER.address)
    stage.operator.step()
    assert stage.state(1) is StoredState.SLASHED
    assert stage.watcher.withdraw()
    assert stage.referee.owed(WATCHER.address) == 0


def test_an_operator_s_word_for_a_block_is_its_account_s(tmp_path: Path, stack: ExitStack) -> None:
    stage = Stage(tmp_path, stack)
    mine, other, _ = stage.homes
    taken = stage.remote.send_block(stage.channel.id, mine.block(FIRST_PERIOD))
    signed = stage.verified(taken, mine)
    assert signed is not None
    assert (signed.acceptance.period_start, signed.acceptance.block_digest) == (FIRST_PERIOD, taken.digest)
    with pytest.raises(AcceptanceUnsigned, match="not signed by the operator's account"):
        stage.verified(taken, mine, WATCHER.address)
    with pytest.raises(AcceptanceUnsigned, match="another meter or period"):
        stage.verified(taken, other)
    with pytest.raises(AcceptanceUnsigned):
        stage.verified(replace(taken, period_start=FIRST_PERIOD + EPOCH_S), mine)
    stage.commit_day()
    late = stage.remote.send_block(stage.channel.id, other.block(FIRST_PERIOD, watt_hours=7))
    assert (late.unsigned, stage.verified(late, other)) == ("PeriodCollected", None)
    assert stage.verified(stage.remote.send_block(stage.channel.id, other.block(FIRST_PERIOD + EPOCH_S)), other)


@pytest.mark.parametrize("is_before", [True, False])
def test_no_entry_is_absent_beside_an_operator_s_word(
    tmp_path: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch, is_before: bool
) -> None:
    """A block that comes between taking in and collecting, and one that comes when the period is collected."""
    stage = Stage(tmp_path, stack)
    home, name = stage.homes[0], blinded_meter(stage.homes[0].meter_key, stage.channel.id, FIRST_PERIOD)
    found: list[SignedAcceptance | None] = []

    def send() -> None:
        if found:
            return
        found.append(stage.verified(stage.remote.send_block(stage.channel.id, home.block(FIRST_PERIOD)), home))

    operator = stage.operator
    decide, take_last = operator._due.next, operator._take_last

    def deciding(*given: Any) -> Any:  # what waited was taken in, and nothing is collected yet
        send()
        return decide(*given)

    def taking(*given: Any) -> None:
        take_last(*given)
        send()

    if is_before:
        monkeypatch.setattr(operator._due, "next", deciding)
    else:
        monkeypatch.setattr(operator, "_take_last", taking)
    stage.chain.advance_to(FIRST_PERIOD + EPOCH_S)
    stage.operator.step().raise_first()
    (signed,) = found
    assert (signed is not None) == is_before
    kinds = stage.kinds()
    assert kinds.pop(name) == (EntryKind.SIGNED_DEVICE_BLOCK if is_before else EntryKind.ABSENT)
    assert set(kinds.values()) == {EntryKind.ABSENT}
