"""Histories rebuilt from a node's log: what is believed, what is read again, and when a node is not believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from wattest.chain.abi import load_abi
from wattest.chain.errors import Reorganised
from wattest.chain.histories import Histories, with_fresh_proofs
from wattest.chain.payouts import runs_of
from wattest.chain.transactions import Block, Log, Receipt
from wattest.twin.batch import BatchCitation, BatchRecord, verify_reference, verify_run
from wattest.twin.errors import HistoryStale, MatterFined
from wattest.twin.history import History

ADDRESS, OPERATOR = b"\x0a" * 20, b"\x0b" * 20
ONE, TWO = b"\x01" * 32, b"\x02" * 32
RING = 8


def record(label: int, at: int = 1_000) -> BatchRecord:
    return BatchRecord(label.to_bytes(32, "big"), at + label, 1, 10**9)


@dataclass
class FakeNode:
    """What a node says of commits: a log, and the state that follows from it unless it was told otherwise."""

    commits: list[tuple[int, bytes, BatchRecord]] = field(default_factory=list)
    head: int = 0
    hidden: set[int] = field(default_factory=set)
    asked: list[tuple[int, int]] = field(default_factory=list)

    def commit(self, channel: bytes, one: BatchRecord) -> None:
        self.head += 1
        self.commits.append((self.head, channel, one))

    def history(self, channel: bytes) -> History:
        return History(channel, OPERATOR, [one for _, at, one in self.commits if at == channel])

    def block(self) -> Block:
        return Block(self.head, bytes(32), bytes(32), 0)

    def call_many(
        self, _abi: object, _to: bytes, calls: Sequence[tuple[str, Sequence[object]]]
    ) -> list[tuple[object, ...]]:
        answers: list[tuple[object, ...]] = []
        for name, (channel, _, *size) in calls:
            assert isinstance(channel, bytes)
            history = self.history(channel)
            if name == "operatorHead":
                answers.append(((2, 0, history.size, 0, 0, 0, 0),))
            else:
                (at,) = size
                assert isinstance(at, int)
                kept = max(0, history.size - RING + 1) <= at <= history.size
                answers.append((history.word(at) if kept else bytes(32),))
        return answers

    def logs(self, _address: bytes, topics: Sequence[bytes | None], first: int, last: int) -> list[Log]:
        self.asked.append((first, last))
        found = []
        for number, channel, one in self.commits:
            if first <= number <= last and topics[1] in {None, channel} and number not in self.hidden:
                sequence = 1 + sum(at == channel for earlier, at, _ in self.commits if earlier < number)
                named = [topics[0] or b"", channel, bytes(12) + OPERATOR, sequence.to_bytes(32, "big")]
                data = one.header_digest + one.stamp.to_bytes(32, "big")
                found.append(Log(ADDRESS, tuple(named), data, number, bytes(32), bytes(32), 0))
        return found


@pytest.fixture
def node() -> FakeNode:
    return FakeNode()


def histories(node: FakeNode) -> Histories:
    return Histories(node, load_abi("Referee"), ADDRESS, 0)  # type: ignore[arg-type]


def cited(channel: bytes, sequence: int, one: BatchRecord) -> BatchCitation:
    return BatchCitation(channel, OPERATOR, sequence, one)


def test_grows_with_the_log_and_asks_for_what_is_new_alone(node: FakeNode) -> None:
    known = histories(node)
    assert known.of(ONE, OPERATOR).size == 0
    assert node.asked == []
    for at in range(3):
        node.commit(ONE, record(at))
    assert known.of(ONE, OPERATOR).history.word() == node.history(ONE).word()
    node.commit(TWO, record(9))
    node.commit(ONE, record(3))
    assert known.of(ONE, OPERATOR).size == 4
    assert node.asked == [(0, 3), (4, 5)]
    known.of(ONE, OPERATOR)
    assert len(node.asked) == 2


def test_many_channels_of_an_operator_are_read_together(node: FakeNode) -> None:
    for at in range(4):
        node.commit((ONE, TWO)[at % 2], record(at))
    found = histories(node).follow_all([(ONE, OPERATOR), (TWO, OPERATOR)])
    assert [one.size for one in found.values()] == [2, 2]
    assert len(node.asked) == 1


def test_what_is_made_of_it_proves(node: FakeNode) -> None:
    for at in range(11):
        node.commit(ONE, record(at))
    known = histories(node).of(ONE, OPERATOR)
    kept = node.history(ONE).word()
    verify_reference(known.reference(cited(ONE, 4, record(3))), kept)
    verify_run(known.run([cited(ONE, at, record(at - 1)) for at in range(3, 9)]), kept)
    with pytest.raises(Reorganised):
        known.reference(cited(ONE, 4, record(4)))
    with pytest.raises(Reorganised):
        known.run([cited(ONE, 11, record(10)), cited(ONE, 12, record(11))])


@pytest.mark.parametrize("depth", [1, 5, 12])
def test_another_history_in_the_place_of_the_old_one(node: FakeNode, depth: int) -> None:
    for at in range(12):
        node.commit(ONE, record(at))
    known = histories(node)
    old = known.of(ONE, OPERATOR).history.word()
    node.commits = node.commits[: 12 - depth]
    node.head = 12 - depth
    for at in range(depth + 1):
        node.commit(ONE, record(at, at=5_000))
    again = known.of(ONE, OPERATOR)
    assert (again.size, again.history.word()) == (13, node.history(ONE).word())
    assert again.history.word() != old


def test_batches_that_were_taken_back(node: FakeNode) -> None:
    for at in range(3):
        node.commit(ONE, record(at))
    known = histories(node)
    known.of(ONE, OPERATOR)
    node.commits.pop()
    again = known.of(ONE, OPERATOR)
    assert again.size == 2
    assert again.has(cited(ONE, 2, record(1)))
    assert not again.has(cited(ONE, 3, record(2)))


def test_a_reorganisation_older_than_the_blocks_that_are_read_again(node: FakeNode) -> None:
    for at in range(3):
        node.commit(ONE, record(at))
    node.head += 1_000
    known = histories(node)
    known.of(ONE, OPERATOR)
    node.commits[0] = (node.commits[0][0], ONE, record(0, at=9_000))
    assert known.of(ONE, OPERATOR).history.word() == node.history(ONE).word()


@pytest.mark.parametrize("hidden", [1, 2, 3])
def test_a_node_that_hides_logs_is_not_believed(node: FakeNode, hidden: int) -> None:
    for at in range(3):
        node.commit(ONE, record(at))
    node.commit(TWO, record(7))
    node.hidden.add(hidden)
    known = histories(node)
    found = known.follow([(ONE, OPERATOR), (TWO, OPERATOR)])
    assert isinstance(found[ONE, OPERATOR], Reorganised)
    assert not isinstance(found[TWO, OPERATOR], Reorganised)  # the other one's history is in order
    with pytest.raises(Reorganised, match="log of commits"):
        known.of(ONE, OPERATOR)
    node.hidden.clear()
    assert known.of(ONE, OPERATOR).size == 3


def test_old_proofs_are_made_again_and_other_refusals_told() -> None:
    receipt = Receipt.__new__(Receipt)
    tries: list[int] = []

    def aged(times: int) -> Receipt:
        tries.append(1)
        if len(tries) <= times:
            raise HistoryStale(1, 9)
        return receipt

    assert with_fresh_proofs(lambda: aged(2)) is receipt
    assert len(tries) == 3
    tries.clear()
    with pytest.raises(HistoryStale):
        with_fresh_proofs(lambda: aged(3))
    assert len(tries) == 3
    tries.clear()

    def fined() -> Receipt:
        tries.append(1)
        raise MatterFined(bytes(32))

    with pytest.raises(MatterFined):
        with_fresh_proofs(fined)
    assert len(tries) == 1


def test_citations_are_cut_where_they_do_not_follow() -> None:
    listed = [cited(ONE, 1, record(1)), cited(ONE, 2, record(2)), cited(ONE, 4, record(4)), cited(TWO, 5, record(5))]
    assert [[one.sequence for one in run] for run in runs_of(listed)] == [[1, 2], [4], [5]]
    assert runs_of([]) == []
