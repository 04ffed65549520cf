"""Histories of any length: every proof holds where it should, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from merkle_reference import root

from wattest.errors import WattestError
from wattest.merkle import node_hash
from wattest.twin.batch import BatchRecord, BatchRun, verify_reference, verify_run
from wattest.twin.history import History

LONGEST = 300
RECORDS = [BatchRecord(number.to_bytes(32, "big"), 1_000 + number, 1, 7) for number in range(1, LONGEST + 1)]
HISTORY = History(b"\x01" * 32, b"\x02" * 20, RECORDS)


@st.composite
def runs(draw: st.DrawFn) -> BatchRun:
    size = draw(st.integers(1, LONGEST))
    first = draw(st.integers(1, size))
    return HISTORY.run(first, draw(st.integers(1, size - first + 1)), size=size)


def kept(run: BatchRun) -> bytes:
    return HISTORY.word(run.history.size)


@given(runs())
def test_every_run_is_proved(run: BatchRun) -> None:
    verify_run(run, kept(run))
    assert len(run.history.peaks) == run.history.size.bit_count()
    assert len(run.history.nodes) <= 2 * run.history.size.bit_length()


@given(st.integers(1, LONGEST), st.data())
def test_a_run_of_one_is_the_single_form(size: int, data: st.DataObject) -> None:
    batch = HISTORY.reference(data.draw(st.integers(1, size)), size=size)
    verify_reference(batch, HISTORY.word(size))
    assert batch.history == HISTORY.run(batch.sequence, 1, size=size).history


@settings(max_examples=40)
@given(st.integers(1, LONGEST))
def test_the_peaks_fold_to_the_root_of_rfc_9162(size: int) -> None:
    leaves = [record.leaf(sequence) for sequence, record in enumerate(RECORDS[:size], 1)]
    *left, last = HISTORY.peaks(size)
    assert reduce(lambda right, peak: node_hash(peak, right), reversed(left), last) == root(leaves)


@settings(max_examples=300)
@given(runs(), st.data())
def test_any_change_is_refused(run: BatchRun, data: st.DataObject) -> None:
    proof = run.history
    hashes = [*proof.peaks, *proof.nodes, proof.last_header_digest]
    at = data.draw(st.integers(0, len(hashes) + len(run.records) + 1))
    if at < len(hashes):
        position, bit = data.draw(st.integers(0, 31)), data.draw(st.integers(0, 7))
        changed = bytearray(hashes[at])
        changed[position] ^= 1 << bit
        hashes[at] = bytes(changed)
        peaks = tuple(hashes[: len(proof.peaks)])
        wrong = replace(
            run,
            history=replace(proof, peaks=peaks, nodes=tuple(hashes[len(peaks) : -1]), last_header_digest=hashes[-1]),
        )
    elif at < len(hashes) + len(run.records):
        place = at - len(hashes)
        field = data.draw(st.sampled_from(("committed_at", "parameters_version", "stake_gwei")))
        other = replace(
            run.records[place], **{field: data.draw(st.integers(0, 2**16 - 1).filter(_is_other(run, place, field)))}
        )
        wrong = replace(run, records=(*run.records[:place], other, *run.records[place + 1 :]))
    elif at == len(hashes) + len(run.records):
        wrong = replace(
            run, first_sequence=data.draw(st.integers(0, LONGEST + 1).filter(lambda n: n != run.first_sequence))
        )
    else:
        wrong = replace(
            run, history=replace(proof, size=data.draw(st.integers(0, 2**64 - 1).filter(lambda n: n != proof.size)))
        )
    with pytest.raises(WattestError):
        verify_run(wrong, kept(run))


def _is_other(run: BatchRun, place: int, field: str) -> object:
    return lambda value: value != getattr(run.records[place], field)


@given(st.lists(st.one_of(st.integers(0, LONGEST), st.none()), max_size=12))
def test_a_history_that_is_cut_and_grows_is_that_of_its_records(cuts: list[int | None]) -> None:
    history = History(HISTORY.channel, HISTORY.operator)
    for cut in cuts:
        if cut is None:
            history.truncate(history.size // 2)
        for record in RECORDS[history.size : cut]:
            history.append(record)
        assert history.word() == HISTORY.word(history.size)
