"""A history as it grows and shrinks, the ring of words that a chain keeps, and commits in one block."""

from __future__ import annotations

from dataclasses import replace

import pytest
from protocol_scenarios import Player, address_of
from protocol_twin import TwinExecutor

from wattest.messages.eip712 import Domain
from wattest.messages.fields import FieldInvalid
from wattest.twin.batch import BatchRecord, record_of_stamp
from wattest.twin.errors import CommitTooSoon, HistoryMismatch, HistoryStale, InvalidSignature, UnknownBatch
from wattest.twin.history import History
from wattest.twin.history_proof import RING
from wattest.twin.referee import Call, apply_commit, require_batch
from wattest.twin.signature_words import signature_of_words, signature_words

CHANNEL, OPERATOR = b"\x01" * 32, b"\x02" * 20
START = 1_780_272_000


def record(number: int) -> BatchRecord:
    return BatchRecord(bytes([number]) * 32, 1_000 + number, 1, 7)


def history_of(count: int) -> History:
    return History(CHANNEL, OPERATOR, map(record, range(1, count + 1)))


@pytest.mark.parametrize("kept", range(20))
def test_what_was_taken_back_leaves_no_trace(kept: int) -> None:
    history = history_of(19)
    history.truncate(kept)
    assert (history.size, history.word()) == (kept, history_of(kept).word())
    for number in range(kept + 1, 23):
        history.append(record(number))
    assert history.word() == history_of(22).word()
    assert [history.word(size) for size in range(23)] == [history_of(size).word() for size in range(23)]


@pytest.mark.parametrize(("first", "count"), [(0, 1), (1, 0), (6, 1), (5, 2), (-1, 3)])
def test_no_proof_of_what_is_not_there(first: int, count: int) -> None:
    with pytest.raises(UnknownBatch):
        history_of(5).proof(first, count)
    with pytest.raises(UnknownBatch):
        history_of(5).record(0)


@pytest.mark.parametrize("size", [-1, 6])
def test_no_size_that_was_never_reached(size: int) -> None:
    history = history_of(5)
    for ask in (history.peaks, history.word, history.last_header_digest, history.truncate):
        with pytest.raises(FieldInvalid):
            ask(size)
    assert history.size == 5


def test_a_stamp_wider_than_a_record_is_refused() -> None:
    assert record_of_stamp(bytes(32), (1 << 144) - 1) == BatchRecord(bytes(32), 2**64 - 1, 2**16 - 1, 2**64 - 1)
    with pytest.raises(FieldInvalid):
        record_of_stamp(bytes(32), 1 << 144)


def open_channel(batches: int) -> Player:
    player = Player(TwinExecutor(Domain(31337, b"\x11" * 20), Domain(31337, b"\x22" * 20), START))
    player.play([{"do": "world", "kind": "open", "value": 30 * 10**18}])
    player.play([{"do": "commit", "label": str(number)} for number in range(1, batches + 1)])
    return player


def test_the_last_eight_sizes_are_kept() -> None:
    player = open_channel(19)
    state = player.executor.twin.state
    history = player.history(player.channel, address_of("operator"))
    book = state.book_of(player.channel, address_of("operator"))
    for size in range(25):
        kept = 19 - RING < size <= 19
        assert book.word_of(size) == (history.word(size) if kept else bytes(32))
        if kept:
            require_batch(state, history.reference(1, size=size))
        elif 0 < size <= 19:
            with pytest.raises(HistoryStale) as stale:
                require_batch(state, history.reference(1, size=size))
            assert stale.value.fields == {"size": size, "sequence": 19}


def test_of_an_operator_who_never_committed_nothing_is_known() -> None:
    state = open_channel(0).executor.twin.state
    shown = history_of(1).reference(1)
    with pytest.raises(HistoryStale):
        require_batch(state, shown)
    with pytest.raises(HistoryMismatch):
        require_batch(state, replace(shown, history=replace(shown.history, size=0)))


def test_one_commit_a_block_in_an_open_channel() -> None:
    player = open_channel(1)
    twin = player.executor.twin
    assert isinstance(twin, TwinExecutor)
    history = player.history(player.channel, address_of("operator"))
    batch = player.make({"label": "again"})
    arguments = (twin.registry, batch.header, *signature_words(batch.signature), history.peaks())
    call = Call(address_of("operator"), player.now)
    with pytest.raises(CommitTooSoon) as soon:
        apply_commit(twin.state, call, *arguments)
    assert soon.value.fields == {"committed_at": player.now}
    after = apply_commit(twin.state, replace(call, now=player.now + 1), *arguments)
    assert after.head_of(player.channel, address_of("operator")).sequence == 2


def test_a_signature_in_two_words_and_back() -> None:
    player = open_channel(1)
    for label in ("a", "b", "c", "d"):
        signature = player.make({"label": label}).signature
        assert signature_of_words(*signature_words(signature)) == signature


@pytest.mark.parametrize(
    "spoil",
    [
        lambda signature: signature[:64],
        lambda signature: signature + b"\x00",
        lambda signature: signature[:64] + b"\x00",
        lambda signature: signature[:64] + b"\x1d",
        lambda signature: signature[:32] + b"\xff" + signature[33:],
    ],
)
def test_what_two_words_cannot_say_is_no_signature(spoil: object) -> None:
    assert callable(spoil)
    with pytest.raises(InvalidSignature):
        signature_words(spoil(open_channel(1).make({"label": "a"}).signature))
