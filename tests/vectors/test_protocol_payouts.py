"""Payout roots and claims: the pure twin alone, and twin and contract side by side on anvil."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from protocol_chain import ChainExecutor
from protocol_scenarios import DAY, PARAMETERS, Player, address_of, bytes_of, key_of
from protocol_twin import TwinExecutor

from wattest.chain.abi import load_abi
from wattest.chain.anvil import Anvil
from wattest.errors import WattestError
from wattest.merkle import InclusionProof, MerkleTree
from wattest.messages.channel import ChannelKind
from wattest.messages.eip712 import Domain
from wattest.messages.fields import uint_word
from wattest.messages.header import BatchHeader, sign_header
from wattest.metering.entry import EntryKind, StatementEntry
from wattest.sealing.statement_block import citations_root, payout_job_id, payout_result
from wattest.twin.batch import BatchRecord, BatchReference, BatchRun, EntryInclusion
from wattest.twin.history import History
from wattest.twin.payouts import (
    Distribution,
    DistributionTerms,
    PayoutsState,
    apply_activate_root,
    apply_claim,
    apply_create_distribution,
    apply_disable_root,
    apply_fund,
    apply_post_root,
    apply_reclaim,
    distribution_id,
)
from wattest.twin.referee import Call
from wattest.twin.signature_words import signature_words

START = 1_780_272_000
DELAY = 3_600
POSTER, DISABLER = "poster", "disabler"
SALT = bytes_of("distribution")
ACCOUNTS = ("alice", "bob", "carol")
FUNDS = 1_000


class Payments:
    """The twin's payouts on top of one executor, and the contract's when that executor is a chain."""

    def __init__(self, executor: TwinExecutor | ChainExecutor) -> None:
        self.executor = executor
        self.chain = executor if isinstance(executor, ChainExecutor) else None
        self.twin = executor.twin if isinstance(executor, ChainExecutor) else executor
        self.state = PayoutsState()
        self.token = bytes_of("token", 20)
        if self.chain is not None:
            self.chain.abis |= {"Payouts": load_abi("Payouts"), "DemoToken": load_abi("DemoToken")}
            self.payouts = self.chain.deploy("Payouts")
            self.token = self.chain.deploy("DemoToken", 10**9)
            for name in (POSTER, "anyone"):
                self._token("deployer", "transfer", address_of(name), 10**6)
                self._token(name, "approve", self.payouts, 2**200)
        self.id = distribution_id(address_of(POSTER), SALT)

    def call(self, name: str, by: str, now: int, *arguments: Any, refused: str | None = None) -> None:
        call = Call(address_of(by), now)
        found = None
        try:
            self.state = self._apply(name, call, arguments)
        except WattestError as error:
            found = error.code
        assert found == refused, f"{name}: the twin says {found}, expected {refused}"
        if self.chain is None:
            return
        data = self.chain.abis["Payouts"].encode_call(name, *self._sent(name, arguments))
        output = self.chain.send(call.caller, now, 0, self.payouts, data)
        of_chain = None if output is None else self.chain.name_of(output)
        assert of_chain == refused, f"{name}: the contract says {of_chain}, expected {refused}"
        self._compare()

    def _apply(self, name: str, call: Call, arguments: tuple[Any, ...]) -> PayoutsState:
        match name:
            case "createDistribution":
                return apply_create_distribution(self.state, call, *arguments)
            case "fund":
                return apply_fund(self.state, *arguments)
            case "postRoot":
                return apply_post_root(self.state, call, self.twin.state, *arguments)
            case "activateRoot":
                return apply_activate_root(self.state, call, self.twin.state, *arguments)
            case "disableRoot":
                return apply_disable_root(self.state, call, *arguments)
            case "claim":
                return apply_claim(self.state, *arguments)
        assert name == "reclaim"
        return apply_reclaim(self.state, call, *arguments)

    def _sent(self, name: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        if name == "claim":
            distribution, account, amount, salt, proof = arguments
            return distribution, account, amount, salt, proof.index, proof.size, list(proof.path)
        return (*arguments, address_of(POSTER)) if name == "reclaim" else arguments

    def _compare(self) -> None:
        twin = self.state.distributions.get(self.id, Distribution(terms(self.twin.domain, self.token, b"", b"")))
        view = self._view("accountOf", self.id)
        assert view == (
            twin.funded, twin.reclaimed, twin.paid, twin.active_total, twin.active_root, twin.active_sequence
        )  # fmt: skip
        waiting = self._view("pendingRootOf", self.id)
        pending = twin.pending
        assert waiting == (
            (bytes(32), 0, 0, 0, bytes(32))
            if pending is None
            else (
                pending.root,
                pending.total,
                pending.sequence,
                pending.activatable_at,
                pending.citations_digest,
            )
        )
        for name in ACCOUNTS:
            paid = self._view("paidTo", self.id, address_of(name))
            assert paid == twin.paid_to.get(address_of(name), 0)

    def _view(self, function: str, *arguments: Any) -> Any:
        assert self.chain is not None
        abi = self.chain.abis["Payouts"]
        request = {"to": "0x" + self.payouts.hex(), "data": "0x" + abi.encode_call(function, *arguments).hex()}
        values = abi.decode_result(
            function, bytes.fromhex(self.chain.chain.rpc.request("eth_call", request, "latest")[2:])
        )
        return values[0] if len(values) == 1 else values

    def _token(self, by: str, function: str, *arguments: Any) -> None:
        assert self.chain is not None
        data = self.chain.abis["DemoToken"].encode_call(function, *arguments)
        assert self.chain.send(address_of(by), self.chain.chain.now() + 1, 0, self.token, data) is None


def terms(domain: Domain, token: bytes, statements: bytes, metering: bytes) -> DistributionTerms:
    return DistributionTerms(
        address_of(POSTER),
        address_of(DISABLER),
        token,
        domain.verifying_contract,
        statements or bytes(32),
        address_of("operator"),
        DELAY,
        (metering or b"\x01" * 32,),
    )


class Statement:
    """A committed statement batch whose payout entry names a root over ``amounts``."""

    def __init__(
        self, executor: Any, channel: bytes, sequence: int, previous: bytes, inputs: bytes, amounts: dict[str, int]
    ) -> None:
        self.amounts = amounts
        self.names = sorted(amounts, key=address_of)
        payloads = [b"\x01" + address_of(name) + uint_word(amounts[name]) for name in self.names]
        self.salts = [bytes_of(f"leaf {sequence} {name}", 16) for name in self.names]
        self.tree = MerkleTree.from_payloads(payloads, self.salts)
        self.total = sum(amounts.values())
        period = executor.start, executor.start + DAY
        job = payout_job_id(channel, period[0])
        entry = StatementEntry(
            EntryKind.STATEMENT,
            job,
            *period,
            len(payloads),
            payout_result(self.tree.root, self.total),
            bytes_of("input"),
        )
        other = StatementEntry(
            EntryKind.STATEMENT, bytes_of("bill"), *period, 96, bytes_of("result"), bytes_of("input")
        )
        self.payloads = [entry.pack(), other.pack(), b"\x01\x04" + entry.pack()[2:]]
        self.entry_salts = [bytes_of(f"entry {n}", 16) for n in range(3)]
        self.batch_tree = MerkleTree.from_payloads(self.payloads, self.entry_salts)
        zero = bytes(32)
        self.header = BatchHeader(
            channel, address_of("operator"), sequence, previous, *period, self.batch_tree.root, 3, zero, inputs, zero,
            bytes_of("workload"), bytes_of("content"), zero, zero,
        )  # fmt: skip
        self.digest = self.header.digest(executor.domain)

    def commit(self, executor: Any, now: int, history: History) -> None:
        signature = sign_header(key_of("statement enclave"), self.header, executor.domain)
        arguments = (self.header, *signature_words(signature), history.peaks())
        assert executor.run("commit", address_of("operator"), now, 0, arguments) is None
        history.append(BatchRecord(self.digest, now, 1, PARAMETERS.stake_gwei))
        self.history = history

    def entry(self, index: int = 0) -> EntryInclusion:
        path = tuple(self.batch_tree.prove(index).path)
        return EntryInclusion(index, self.entry_salts[index], self.payloads[index], path)

    def claim(self, name: str) -> tuple[bytes, int, bytes, InclusionProof]:
        index = self.names.index(name)
        return address_of(name), self.amounts[name], self.salts[index], self.tree.prove(index)

    @property
    def reference(self) -> BatchReference:
        return self.history.reference(self.header.sequence)


def play(executor: TwinExecutor | ChainExecutor) -> None:
    """Two statements over two metering batches, with every refusal on the way."""
    pay = Payments(executor)
    metering = Player(executor)
    if pay.chain is not None:
        executor.start = (pay.chain.chain.now() // DAY + 1) * DAY
        pay.twin.start = executor.start
        metering.now = executor.start
    metering.play([
        {"do": "world"},
        {"do": "commit", "label": "one", "period": 0, "at": DAY + 10},
        {"do": "commit", "label": "two", "period": 1, "at": 2 * DAY + 10},
    ])  # fmt: skip
    statements = Player(executor)
    statements.now, statements.kind = metering.now, ChannelKind.OPEN
    statements.play([
        {"do": "create_channel", "salt": "statements"},
        {"do": "deposit", "value": 3 * PARAMETERS.exposure_wei},
        {"do": "register", "key": "statement enclave"},
    ])  # fmt: skip
    now = statements.now
    history = metering.history(metering.channel, address_of("operator"))
    both: list[BatchRun] = [history.run(1, 2)]
    cited = [history.run(1, 1), history.run(2, 1)]  # the same, cut otherwise
    inputs = citations_root([record.header_digest for record in both[0].records])
    amounts = {"alice": 300, "bob": 150, "carol": 50}
    own_history = History(statements.channel, address_of("operator"))
    first = Statement(executor, statements.channel, 1, bytes(32), inputs, amounts)
    first.commit(executor, now + 1, own_history)
    second = Statement(executor, statements.channel, 2, first.digest, inputs, {**amounts, "alice": 500, "carol": 300})
    second.commit(executor, now + 2, own_history)
    smaller = Statement(executor, statements.channel, 3, second.digest, inputs, {"alice": 1})
    smaller.commit(executor, now + 3, own_history)

    own = terms(executor.domain, pay.token, statements.channel, metering.channel)
    at = iter(range(now + 10, now + 10_000))
    make = ("createDistribution", POSTER)
    for broken in (
        {"poster": bytes(20)}, {"disabler": bytes(20)}, {"token": bytes(20)}, {"referee": bytes(20)},
        {"statement_operator": bytes(20)}, {"activation_delay_s": 3_599}, {"activation_delay_s": 90 * DAY + 1},
        {"metering_channels": ()}, {"metering_channels": (statements.channel,)},
        {"import_channels": (statements.channel,)}, {"import_channels": (metering.channel,)},
        {"metering_channels": (b"\x02" * 32, b"\x01" * 32)}, {"metering_channels": (b"\x01" * 32,) * 2},
        {"metering_channels": tuple(bytes([n]) * 32 for n in range(1, 10))},
        {"import_channels": (b"\x02" * 32, b"\x01" * 32)},
        {"import_channels": tuple(bytes([n]) * 32 for n in range(1, 10))},
    ):  # fmt: skip
        pay.call(*make, next(at), SALT, replace(own, **broken), refused="TermsInvalid")
    widest = replace(
        own,
        metering_channels=tuple(bytes([n]) * 32 for n in range(1, 9)),
        import_channels=tuple(bytes([n]) * 32 for n in range(11, 19)),
    )
    pay.call(*make, next(at), bytes_of("widest"), widest)
    pay.call("fund", POSTER, next(at), pay.id, 1, refused="UnknownDistribution")
    pay.call(*make, next(at), SALT, own)
    pay.call(*make, next(at), SALT, own, refused="DistributionExists")
    pay.call("fund", POSTER, next(at), pay.id, 0, refused="NothingReceived")
    pay.call("fund", "anyone", next(at), pay.id, 400)

    def post(statement: Statement, refused: str | None = None, by: str = POSTER, **changed: Any) -> None:
        values = {
            "distribution": pay.id, "root": statement.tree.root, "total": statement.total, "header": statement.header,
            "named": statement.reference, "entry": statement.entry(), "cited": both, **changed,
        }  # fmt: skip
        pay.call("postRoot", by, next(at), *values.values(), refused=refused)

    post(first, "NotPoster", by="anyone")
    post(first, "UnknownDistribution", distribution=bytes_of("none"))
    post(first, "StatementForeign", header=replace(first.header, channel=metering.channel))
    post(first, "StatementForeign", header=replace(first.header, operator=address_of("anyone")))
    other = replace(first.reference.record, committed_at=1)
    post(first, "UnknownBatch", named=replace(first.reference, record=other))
    post(first, "HeaderMismatch", named=second.reference)
    post(first, "HistoryStale", named=replace(first.reference, history=replace(both[0].history, size=9)))
    post(first, "HistoryMismatch", named=replace(first.reference, history=both[0].history))
    post(first, "HeaderMismatch", header=replace(first.header, root=bytes_of("other")))
    post(first, "JobMismatch", entry=first.entry(1))
    post(first, "EntryKindMismatch", entry=first.entry(2))
    post(first, "RootMismatch", entry=replace(first.entry(), salt=bytes(16)))
    post(first, "EntryLengthInvalid", entry=replace(first.entry(), payload=b"\x01" * 117))
    post(first, "ResultMismatch", total=first.total + 1)
    post(first, "ResultMismatch", root=bytes_of("other"))
    post(first, "CitationCountOutOfRange", cited=[])
    post(first, "CitationsMismatch", cited=cited[::-1])
    post(first, "CitationsMismatch", cited=cited[:1])
    post(first, "CitationForeign", cited=[replace(cited[0], channel=statements.channel), cited[1]])
    post(first, "UnknownBatch", cited=[replace(cited[0], first_sequence=7), cited[1]])
    post(first, "NodeCountWrong", cited=[replace(both[0], history=cited[0].history)])
    post(first, "UnknownBatch", cited=[*both, replace(both[0], records=())])
    post(first, "CitationsMismatch", cited=[*both, *both])
    post(first, "CitationCountOutOfRange", cited=both * 201)
    pay.call("activateRoot", "anyone", next(at), pay.id, first.reference, cited, refused="NoRootPending")
    pay.call("disableRoot", DISABLER, next(at), pay.id, refused="NoRootPending")
    post(first, cited=cited)
    post(second, "RootPending")
    pay.call("disableRoot", "anyone", next(at), pay.id, refused="NotDisabler")
    pay.call("disableRoot", DISABLER, next(at), pay.id)
    post(first)
    pay.call("activateRoot", "anyone", next(at), pay.id, first.reference, cited, refused="ActivationDelayRunning")
    soon = now + 20_000
    pay.call("activateRoot", "anyone", soon, pay.id, first.reference, cited[::-1], refused="CitationsMismatch")
    pay.call("activateRoot", "anyone", soon + 1, pay.id, first.reference, cited, refused="BatchNotFinal")
    pay.call("claim", "anyone", soon + 2, pay.id, *first.claim("alice"), refused="RootMismatch")
    final = now + 8 * DAY
    pay.call("activateRoot", "anyone", final, pay.id, first.reference, cited, refused="EscrowTooSmall")
    pay.call("fund", POSTER, final + 1, pay.id, 600)
    pay.call("activateRoot", "anyone", final + 2, pay.id, first.reference, both)
    at = iter(range(final + 3, final + 3_000))
    pay.call("claim", "anyone", next(at), pay.id, *first.claim("alice"))
    pay.call("claim", "anyone", next(at), pay.id, *first.claim("alice"), refused="NothingToClaim")
    account, amount, salt, proof = first.claim("bob")
    for wrong in ((account, amount + 1, salt, proof), (address_of("anyone"), amount, salt, proof)):
        pay.call("claim", "bob", next(at), pay.id, *wrong, refused="RootMismatch")
    pay.call(
        "claim", "bob", next(at), pay.id, account, amount, salt, replace(proof, index=9), refused="IndexOutOfRange"
    )
    pay.call("reclaim", "anyone", next(at), pay.id, 1, refused="NotPoster")
    pay.call("reclaim", POSTER, next(at), pay.id, 501, refused="EscrowTooSmall")
    pay.call("reclaim", POSTER, next(at), pay.id, 20)
    post(first, "StatementStale")
    post(smaller, "TotalDecreased")
    post(second)
    pay.call("reclaim", POSTER, next(at), pay.id, 31, refused="EscrowTooSmall")
    pay.call("activateRoot", "anyone", next(at) + DELAY, pay.id, second.reference, cited)
    at = iter(range(final + 9_000, final + 10_000))
    for name, paid in (("alice", 200), ("bob", 150), ("carol", 300)):
        before = pay.state.distributions[pay.id].paid
        pay.call("claim", "anyone", next(at), pay.id, *second.claim(name))
        assert pay.state.distributions[pay.id].paid == before + paid


def test_twin() -> None:
    play(TwinExecutor(Domain(31337, b"\x11" * 20), Domain(31337, b"\x22" * 20), START))


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Anvil]:
    with Anvil.create(tmp_path / "chain", genesis_timestamp_s=START) as running:
        yield running


@pytest.mark.e2e
def test_twin_and_contract_agree(chain: Anvil) -> None:
    play(ChainExecutor(chain))
