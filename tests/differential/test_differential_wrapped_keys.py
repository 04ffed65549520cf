"""Series keys wrapped by the core against the plain rule: what either wraps opens alike, and as nothing else."""

from __future__ import annotations

import copy
import hashlib
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattest.crypto import native
from wattest.crypto.errors import AuthenticationFailed, BufferRefused, PublicKeyInvalid
from wattest.crypto.hpke import ReaderPrivateKey
from wattest.errors import InputError
from wattest.sealing import wrapped_keys
from wattest.sealing.wrapped_keys import (
    MAX_CONTEXTS,
    WRAPPED_BYTES,
    ReaderContexts,
    SeriesKeyOpener,
    unwrap_series_key,
    wrap_series_key,
    wrapping_context,
)

CHANNEL, OTHER_CHANNEL = (hashlib.sha256(text).digest() for text in (b"channel", b"other channel"))
READERS = [ReaderPrivateKey.from_seed(hashlib.sha256(bytes([9, n])).digest()) for n in range(4)]


def digests(label: str, count: int) -> list[bytes]:
    return [hashlib.sha256(f"{label} {at}".encode()).digest() for at in range(count)]


def keys_of(groups: list[list[int]]) -> list[list[bytes]]:
    return [[READERS[reader].public_key for reader in group] for group in groups]


def cut(wrapped: bytes) -> list[bytes]:
    return [wrapped[at : at + WRAPPED_BYTES] for at in range(0, len(wrapped), WRAPPED_BYTES)]


groups = st.lists(st.lists(st.integers(0, 3), max_size=4, unique=True), min_size=1, max_size=40)
sequences = st.lists(st.integers(1, 6) | st.integers(0, 2**64 - 1), min_size=1, max_size=5)


@settings(max_examples=max(60, settings().max_examples // 2))
@given(groups, sequences, st.data())
def test_what_the_core_wraps_the_plain_rule_opens(
    groups: list[list[int]], sequences: list[int], data: st.DataObject
) -> None:
    """Any batches in any order, pages in any order and as often as asked: every key opens, no number comes twice."""
    contexts = ReaderContexts(CHANNEL)
    openers = [SeriesKeyOpener(reader, CHANNEL) for reader in READERS]
    seen: dict[tuple[bytes, int, int], bytes] = {}
    batches = []
    for turn, sequence in enumerate(sequences):
        names, keys = digests(f"name {turn}", len(groups)), digests(f"key {turn}", len(groups))
        batches.append((sequence, names, keys, contexts.check_out(sequence, names, keys, keys_of(groups))))
    assert len(contexts) == len({reader for group in groups for reader in group})
    for _ in range(data.draw(st.integers(1, 12))):
        sequence, names, keys, wrapping = data.draw(st.sampled_from(batches))
        start = data.draw(st.integers(0, len(groups) - 1))
        count = data.draw(st.integers(0, len(groups) - start))
        page = wrapping.page(start, count, threads=data.draw(st.integers(1, 3)))
        for index, wrapped in enumerate(page, start):
            for reader, key in zip(groups[index], cut(wrapped), strict=True):
                assert openers[reader].unwrap(key, sequence, index, names[index]) == keys[index]
                assert seen.setdefault((key[:32], sequence, index), key) == key


@settings(max_examples=max(60, settings().max_examples // 2))
@given(st.integers(1, 2**64 - 1), st.integers(0, 2**20 - 1), st.data())
def test_a_wrapped_key_opens_as_the_entry_it_is_and_as_nothing_else(
    sequence: int, index: int, data: st.DataObject
) -> None:
    name, key = digests("name", 1)[0], digests("key", 1)[0]
    wrapped = wrap_series_key(wrapping_context(READERS[0].public_key, CHANNEL), key, sequence, index, name)
    assert unwrap_series_key(READERS[0], wrapped, CHANNEL, sequence, index, name) == key
    other_sequence = data.draw(st.integers(0, 2**64 - 1).filter(lambda other: other != sequence))
    other_index = data.draw(st.integers(0, 2**20 - 1).filter(lambda other: other != index))
    flipped = bytearray(wrapped)
    flipped[data.draw(st.integers(0, WRAPPED_BYTES - 1).filter(lambda at: at != 31))] ^= 1
    for reader, bytes_, channel, *place in (
        (READERS[1], wrapped, CHANNEL, sequence, index, name),
        (READERS[0], wrapped, OTHER_CHANNEL, sequence, index, name),
        (READERS[0], wrapped, CHANNEL, other_sequence, index, name),
        (READERS[0], wrapped, CHANNEL, sequence, other_index, name),
        (READERS[0], wrapped, CHANNEL, sequence, index, key),
        (READERS[0], bytes(flipped), CHANNEL, sequence, index, name),
    ):
        with pytest.raises(AuthenticationFailed):
            unwrap_series_key(reader, bytes_, channel, *place)
    for wrong in (wrapped[:-1], wrapped + b"\0", b""):
        with pytest.raises(BufferRefused):
            unwrap_series_key(READERS[0], wrong, CHANNEL, sequence, index, name)


def test_numbers_out_of_range_are_refused() -> None:
    context, name = wrapping_context(READERS[0].public_key, CHANNEL), digests("name", 1)[0]
    wrapped = wrap_series_key(context, bytes(32), 1, 2**20 - 1, name)
    for sequence, index in ((2**64, 0), (-1, 0), (1, 2**20), (1, -1)):
        with pytest.raises(InputError):
            wrap_series_key(context, bytes(32), sequence, index, name)
        with pytest.raises(InputError):
            unwrap_series_key(READERS[0], wrapped, CHANNEL, sequence, index, name)
    with pytest.raises(BufferRefused):
        wrap_series_key(context, bytes(32), 1, 2**20 - 1, name)
    wrap_series_key(context, bytes(32), 2, 0, name)


def test_the_plain_rule_reuses_a_context_as_the_core_does() -> None:
    names, keys = digests("name", 3), digests("key", 3)
    page = ReaderContexts(CHANNEL).check_out(7, names, keys, keys_of([[0]] * 3)).page(0, 3)
    context = wrapping_context(READERS[0].public_key, CHANNEL)
    plain = [wrap_series_key(context, key, 7, at, name) for at, (name, key) in enumerate(zip(names, keys, strict=True))]
    for wrapped in (page, plain):
        assert len({each[:32] for each in wrapped}) == 1
        opener = SeriesKeyOpener(READERS[0], CHANNEL)
        assert [opener.unwrap(each, 7, at, names[at]) for at, each in enumerate(wrapped)] == keys
    assert page[0][:32] != plain[0][:32]


def test_an_opener_sets_up_each_enc_once_and_keeps_a_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    set_up, asked = wrapped_keys.hpke.set_up_receiver, []

    def counted(reader: ReaderPrivateKey, enc: bytes, info: bytes) -> object:
        asked.append(enc)
        return set_up(reader, enc, info)

    monkeypatch.setattr(wrapped_keys.hpke, "set_up_receiver", counted)
    name = digests("name", 1)[0]
    contexts = [wrapping_context(READERS[0].public_key, CHANNEL) for _ in range(3 * MAX_CONTEXTS)]
    wrapped = [wrap_series_key(context, bytes(32), 1, 5, name) for context in contexts]
    opener = SeriesKeyOpener(READERS[0], CHANNEL)
    for each in wrapped[:3] * 4:
        opener.unwrap(each, 1, 5, name)
    assert len(asked) == 3
    for each in wrapped:
        opener.unwrap(each, 1, 5, name)
        assert len(opener._contexts) <= MAX_CONTEXTS
    opener.unwrap(wrapped[0], 1, 5, name)
    assert asked.count(wrapped[0][:32]) == 2


@pytest.mark.parametrize("low", [bytes(32), b"\1" + bytes(31)])
def test_a_reader_key_of_small_order_is_named(low: bytes) -> None:
    good = READERS[0].public_key
    wrapping = ReaderContexts(CHANNEL).check_out(1, digests("name", 4), digests("key", 4), [[good]] * 3 + [[good, low]])
    assert len(wrapping.page(0, 3)) == 3
    with pytest.raises(PublicKeyInvalid) as caught:
        wrapping.page(2, 2)
    assert caught.value.fields["index"] == 3
    assert caught.value.fields["public_key"] == low


def test_rows_and_pages_that_do_not_fit_are_refused() -> None:
    contexts, (one, two) = ReaderContexts(CHANNEL), digests("x", 2)
    for names, keys, readers in (
        ([one], [one, two], [[one]]), ([one, two], [one, two], [[one]]), ([one[1:]], [one], [[one]]),
        ([one], [one[1:]], [[one]]), ([one], [one], [[one[1:]]]),
    ):  # fmt: skip
        with pytest.raises(BufferRefused):
            contexts.check_out(1, names, keys, readers)
    wrapping = contexts.check_out(1, [one, two], [two, one], [[one], []])
    assert [len(each) for each in wrapping.page(0, 2)] == [80, 0]
    for start, count in ((0, 3), (2, 1), (2**63, 1)):
        with pytest.raises(BufferRefused):
            wrapping.page(start, count)
    for channel in (b"", CHANNEL[1:]):
        with pytest.raises(InputError):
            ReaderContexts(channel)
        with pytest.raises(native.Fault):
            native.ReaderContexts(channel)


def test_contexts_of_the_core_are_not_copied() -> None:
    contexts = ReaderContexts(CHANNEL)
    wrapping = contexts.check_out(1, digests("n", 1), digests("k", 1), keys_of([[0]]))
    for held in (contexts, wrapping):
        for double in (copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError):
                double(held)
