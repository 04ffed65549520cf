"""A watcher over HTTP: an honest batch is clean; withholding, forging and two headers cost the deposit."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from node_community import EPOCH_S, ETHER, FIRST_PERIOD, Community, build_community, destroy, seed
from node_forger import Forger

from wattest.chain.abi import ContractAbi
from wattest.chain.local_signer import LocalSigner
from wattest.chain.referee_events import SlashedBatch
from wattest.chain.registry import EnclaveRegistry
from wattest.crypto.hpke import ReaderPrivateKey
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.io.crash_points import WATCHER_CRASH_POINTS, CrashPoints
from wattest.messages.member_list import sign_member_list
from wattest.operator.operator import Operator, OperatorSettings
from wattest.operator.server import OperatorServer, UnsafeBehaviour
from wattest.store.back_ends import DataPlace
from wattest.store.bundle_store import BundleFolder
from wattest.store.inbox import InboxFolder
from wattest.store.operator_store import SqliteOperatorStore
from wattest.store.remote_operator import OperatorRemote, RemoteSettings, Withheld
from wattest.twin.cause import SlashCause
from wattest.watcher.watch_log import WatchLog
from wattest.watcher.watcher import Watcher

pytestmark = pytest.mark.e2e
ONE_TRY = RemoteSettings(max_attempts=1)


class Stage:
    """One community, operators with servers, and a watcher, put together as a test needs them."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack, self.process_id = folder, stack, os.getpid()
        self.community: Community = build_community(folder)
        stack.callback(destroy, self.community)
        self.remotes: dict[bytes, OperatorRemote] = {}

    def operator(
        self, label: str, signer: LocalSigner, unsafe: UnsafeBehaviour | None = None, **settings: Any
    ) -> Operator:
        node = self.folder / label
        store = SqliteOperatorStore(node / "operator.sqlite")
        self.stack.callback(store.close)
        bundles, inbox = BundleFolder(node / "bundles"), InboxFolder(node / "inbox")
        operator = Operator(
            store, bundles, inbox, self.community.referee(self.community.client(journal=store.journal)), signer,
            lambda: self.community.process.client, duties=[self.community.duty],
            settings=OperatorSettings(collect_grace_s=0, **settings),
        )  # fmt: skip
        server = OperatorServer(
            DataPlace(node), bundles, inbox, signer=signer, chain_id=31_337,
            referee=self.community.contracts.referee, duties=(self.community.duty,), unsafe_behaviour=unsafe,
        ).start()  # fmt: skip
        self.stack.callback(server.stop)
        self.remotes[signer.address] = OperatorRemote(server.url, RemoteSettings(max_attempts=2))
        return operator

    def watcher(self, faults: CrashPoints | None = None, remotes: dict[bytes, OperatorRemote] | None = None) -> Watcher:
        signer = LocalSigner(b"\x77" * 32)
        if os.getpid() == self.process_id:  # a forked child's Popen believes that anvil ended
            self.community.anvil.fund(signer.address, ETHER)
        log = WatchLog(self.folder / "watcher.sqlite", faults=faults)
        self.stack.callback(log.close)
        client = self.community.client(journal=log.journal)
        return Watcher(
            log,
            self.community.referee(client),
            EnclaveRegistry(client, self.community.contracts.registry),
            signer,
            self.community.watcher_reader,
            self.remotes if remotes is None else remotes,
            faults=faults,
        )

    def commit_day(self, operator: Operator, day: int = 0) -> None:
        period = FIRST_PERIOD + day * EPOCH_S
        for home in self.community.households:
            self.remotes[operator.address].send_block(self.community.channel.id, home.block(period))
        self.community.anvil.advance_to(period + EPOCH_S)
        report = operator.step()
        report.raise_first()
        assert len(report.committed) == 1

    def slashes(self) -> list[SlashedBatch]:
        referee = self.community.referee()
        events = referee.events(0, referee.client.block().number)
        return [event for event in events if isinstance(event, SlashedBatch)]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(tmp_path, stack)


def test_honest_operator_is_clean(stage: Stage) -> None:
    operator = stage.operator("honest", LocalSigner(stage.community.operator_key))
    watcher = stage.watcher()
    for day in range(2):
        stage.commit_day(operator, day)
        report = watcher.step()
        report.raise_first()
        assert [verdict["verdict"] for verdict in report.verdicts] == ["clean"], report.verdicts
        assert not report.sent
    assert watcher.step().verdicts == []
    assert len(watcher.log.verdicts()) == 2


def test_withheld_entry_expires(stage: Stage) -> None:
    operator = stage.operator(
        "withholding",
        LocalSigner(stage.community.operator_key),
        UnsafeBehaviour(withheld=frozenset({1})),
        unsafe_withheld=frozenset({1}),
    )
    watcher = stage.watcher()
    stage.commit_day(operator)
    report = watcher.step()
    report.raise_first()
    assert [finding["position"] for finding in report.verdicts[0]["findings"]] == [1]
    assert report.verdicts[0]["verdict"] == "withheld"
    assert [kind for kind, _ in report.sent] == ["challenge"]
    operator.step().raise_first()
    assert watcher.step().sent == []
    stage.community.anvil.advance_to(watcher.referee.client.now() + 86_400)
    report = watcher.step()
    report.raise_first()
    assert [kind for kind, _ in report.sent] == ["expire"]
    (slash,) = stage.slashes()
    assert (slash.cause, slash.catcher) == (SlashCause.EXPIRED_CHALLENGE, watcher.signer.address)
    assert slash.burned_wei == ETHER
    assert watcher.withdraw()
    assert watcher.step().sent == []


def test_answered_challenge_costs_nothing(stage: Stage) -> None:
    operator = stage.operator(
        "slow", LocalSigner(stage.community.operator_key), UnsafeBehaviour(withheld=frozenset({0}))
    )
    watcher = stage.watcher()
    stage.commit_day(operator)
    watcher.step().raise_first()
    report = operator.step()
    report.raise_first()
    assert len(report.answered) == 1
    stage.community.anvil.advance_to(watcher.referee.client.now() + 2 * 86_400)
    report = watcher.step()
    report.raise_first()
    assert (report.sent, stage.slashes()) == ([], [])


def test_forged_reading_is_proved(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    forger, operator, watcher = forged(stage, monkeypatch, tamper=True)
    report = watcher.step()
    report.raise_first()
    assert report.verdicts[0]["verdict"] == "invalid evidence"
    assert [kind for kind, _ in report.sent] == ["invalid-evidence"]
    (slash,) = stage.slashes()
    assert (slash.cause, slash.operator) == (SlashCause.INVALID_EVIDENCE, forger.signer.address)
    report = operator.step()
    assert [error.code for error in report.errors] in ([], ["OperatorStopped"])


def test_the_same_batch_untampered_is_clean(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, watcher = forged(stage, monkeypatch, tamper=False)
    report = watcher.step()
    report.raise_first()
    assert report.verdicts[0]["verdict"] == "clean", report.verdicts


def forged(stage: Stage, monkeypatch: pytest.MonkeyPatch, *, tamper: bool) -> tuple[Forger, Operator, Watcher]:
    forger = Forger(stage.community, "forger")
    operator = stage.operator("forger", forger.signer)

    class StolenEnclave:
        def seal(self, job: Any) -> Any:
            return forger.seal(job.period_start, tamper=tamper)

    monkeypatch.setattr(operator, "_enclave", StolenEnclave)
    watcher = stage.watcher()
    stage.commit_day(operator)
    return forger, operator, watcher


@pytest.mark.parametrize("shown", ["by http", "in another period only"])
def test_second_header_is_proved(stage: Stage, monkeypatch: pytest.MonkeyPatch, shown: str) -> None:
    forger = Forger(stage.community, "equivocator")
    sealed = forger.seal(FIRST_PERIOD, tamper=False)
    sequence = 1 if shown == "by http" else 2
    other = replace(sealed.header, state=b"\x09" * 32, sequence=sequence)
    unsafe = UnsafeBehaviour(other_headers={(stage.community.channel.id, 1): (other.to_bytes(), forger.sign(other))})
    operator = stage.operator("equivocator", forger.signer, unsafe)
    seal: Callable[[Any], Any] = lambda job: sealed  # noqa: E731
    monkeypatch.setattr(operator, "_enclave", lambda: type("Stolen", (), {"seal": staticmethod(seal)}))
    watcher = stage.watcher()
    stage.commit_day(operator)
    report = watcher.step()
    report.raise_first()
    kinds = [kind for kind, _ in report.sent]
    if shown == "by http":
        assert kinds == ["equivocation"]
        (slash,) = stage.slashes()
        assert (slash.cause, slash.sequence) == (SlashCause.EQUIVOCATION, 1)
    else:  # a header of another sequence is no second header
        assert (kinds, stage.slashes()) == ([], [])
    assert watcher.step().sent == []


def test_a_stranger_checks_retention_only(stage: Stage) -> None:
    operator = stage.operator("honest", LocalSigner(stage.community.operator_key))
    stage.community.watcher_reader = ReaderPrivateKey.from_seed(b"\x31" * 32)  # granted by nobody
    watcher = stage.watcher()
    stage.commit_day(operator)
    report = watcher.step()
    report.raise_first()
    assert (report.verdicts[0]["verdict"], report.verdicts[0]["opened"], report.sent) == ("kept", 0, [])


class Silencer(OperatorRemote):
    """An operator that shows a watcher's keys and rosters to nobody, and of the member list what it likes."""

    members: bytes | None = None
    silent = True

    def fetch_wrapped_keys(self, channel: bytes, sequence: int, reader: bytes, entry_count: int) -> dict[int, bytes]:
        return {} if self.silent else super().fetch_wrapped_keys(channel, sequence, reader, entry_count)

    def fetch_roster(self, channel: bytes, sequence: int) -> bytes:
        if self.silent:
            raise Withheld("no roster", retryable=False)
        return super().fetch_roster(channel, sequence)

    def fetch_document(self, channel: bytes, name: str) -> bytes:
        if not self.silent:
            return super().fetch_document(channel, name)
        if self.members is None:
            raise Withheld("no list", retryable=False)
        return self.members


def test_an_operator_cannot_blind_a_watcher(stage: Stage) -> None:
    community = stage.community
    operator = stage.operator("silencer", LocalSigner(community.operator_key))
    remote = Silencer(stage.remotes[operator.address].url, RemoteSettings(max_attempts=1))
    watcher_remotes = stage.remotes | {operator.address: remote}
    watcher = stage.watcher(remotes=watcher_remotes)
    stage.commit_day(operator)
    (verdict,) = watcher.step().verdicts  # no list was ever seen: nobody can say whom it owes keys, and that is a fault
    assert (verdict["verdict"], [one["code"] for one in verdict["findings"]]) == ("withheld", ["MembersMissing"])

    remote.silent = False
    stage.commit_day(operator, 1)
    (verdict,) = watcher.step().verdicts
    assert (verdict["verdict"], verdict["opened"]) == ("clean", 3)

    remote.silent = True
    listed = community.duty.member_lists[0].members.member_list
    older = replace(listed, valid_from=listed.valid_from - 1, watcher_reader_keys=())  # signed once, before the grant
    signed = sign_member_list(
        Secp256k1PrivateKey.from_seed(seed("manager")), older, community.channel, community.referee().domain
    )
    remote.members = signed.to_bytes()
    stage.commit_day(operator, 2)
    report = watcher.step()
    (verdict,) = report.verdicts
    assert verdict["verdict"] == "withheld"
    assert {one["code"] for one in verdict["findings"]} == {"KeyMissing", "RosterMissing"}
    assert [kind for kind, _ in report.sent] == ["challenge"]


def test_odd_calldata_hides_no_header(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    encode = ContractAbi.encode_call

    def with_more_behind(abi: ContractAbi, function: str, *arguments: object) -> bytes:
        data = encode(abi, function, *arguments)
        return data + b"\xff" * 3 if function == "commit" else data  # which the contract does not look at

    monkeypatch.setattr(ContractAbi, "encode_call", with_more_behind)
    operator = stage.operator("odd", LocalSigner(stage.community.operator_key))
    watcher = stage.watcher()
    stage.commit_day(operator)
    report = watcher.step()
    report.raise_first()
    assert [verdict["verdict"] for verdict in report.verdicts] == ["clean"], report.verdicts


def test_one_hidden_header_does_not_stop_a_watcher(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    operator = stage.operator("hiding", LocalSigner(stage.community.operator_key))
    watcher = stage.watcher()
    read = watcher.referee.client.transaction_input
    monkeypatch.setattr(watcher.referee.client, "transaction_input", lambda _: b"\x00" * 200)
    stage.commit_day(operator)
    (verdict,) = watcher.step().verdicts  # the operator's server shows it all the same; the registration nobody does
    assert (verdict["opened"], [one["code"] for one in verdict["findings"]]) == (3, ["RegistrationUnreadable"])

    remote = stage.remotes[operator.address]
    monkeypatch.setattr(watcher, "_remotes", {operator.address: OperatorRemote("http://127.0.0.1:9", ONE_TRY)})
    stage.commit_day(operator, 1)
    watcher.step()
    assert [line["findings"][0]["code"] for line in watcher.log.verdicts()[1:]] == ["HeaderHidden"]

    monkeypatch.setattr(watcher.referee.client, "transaction_input", read)
    monkeypatch.setattr(watcher, "_remotes", {operator.address: remote})
    stage.commit_day(operator, 2)
    (verdict,) = watcher.step().verdicts
    assert (verdict["sequence"], verdict["opened"]) == (3, 3)


def test_an_unreachable_operator_has_an_hour(stage: Stage) -> None:
    operator = stage.operator("gone", LocalSigner(stage.community.operator_key))
    stage.commit_day(operator)
    stage.remotes[operator.address] = OperatorRemote("http://127.0.0.1:9", RemoteSettings(max_attempts=1))
    watcher = stage.watcher()
    report = watcher.step()
    assert [error.code for error in report.errors] == ["OperatorUnreachable"]
    assert (report.verdicts, report.sent) == ([], [])
    stage.community.anvil.advance_to(watcher.referee.client.now() + 3_700)
    report = watcher.step()
    report.raise_first()
    assert report.verdicts[0]["verdict"] == "withheld"
    assert [kind for kind, _ in report.sent] == ["challenge"]


POINTS = ("commit.noted", "batch.judged", "transaction.recorded", "action.mined", "action.noted")


@pytest.mark.parametrize("point", POINTS)
def test_killed_watcher_acts_once(stage: Stage, point: str) -> None:
    """The watcher is killed in a forked process; another takes over its database."""
    assert set(POINTS) == set(WATCHER_CRASH_POINTS)
    hidden = frozenset({1})
    operator = stage.operator(
        "withholding", LocalSigner(stage.community.operator_key), UnsafeBehaviour(withheld=hidden),
        unsafe_withheld=hidden,
    )  # fmt: skip
    stage.commit_day(operator)
    stage.watcher().log.close()  # funds its account
    for wait_s in (0, 86_400):  # first the challenge, then its expiry
        if wait_s:
            stage.community.anvil.advance_to(stage.community.client().now() + wait_s)
        child = os.fork()
        if child == 0:
            try:
                watcher = stage.watcher(CrashPoints(point))
                watcher.step().raise_first()
            except BaseException:  # noqa: BLE001 - the child must not go on as a test
                traceback.print_exc()
            os._exit(7)
        _, status = os.waitpid(child, 0)
        if wait_s == 0 or point in {"transaction.recorded", "action.mined", "action.noted"}:
            assert os.WIFSIGNALED(status)
            assert os.WTERMSIG(status) == signal.SIGKILL
        watcher = stage.watcher()
        watcher.step().raise_first()
        watcher.step().raise_first()
        watcher.log.close()
    referee = stage.community.referee()
    events = referee.events(0, referee.client.block().number)
    kinds = [type(event).__name__ for event in events]
    assert kinds.count("OpenedChallenge") == kinds.count("SlashedBatch") == 1
    assert len(stage.slashes()) == 1
