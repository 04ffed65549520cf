"""The vee guest against the plain twin: the same bytes for honest, odd and hostile series, refusals included."""

from __future__ import annotations

import itertools
import struct
from typing import Any

import pytest
import vee_twin as twin
from hypothesis import given, settings
from hypothesis import strategies as st

from wattest.workload.engine import EngineConfiguration
from wattest.workload.guests import load_guest

GUEST = load_guest("vee", EngineConfiguration.for_enclave())
U64 = 2**64 - 1


def both(data: bytes) -> bytes:
    output = GUEST.run(data).output
    assert output == twin.vee(data)
    return output


@st.composite
def series(draw: st.DrawFn) -> bytes:
    """A meter that counts, loses intervals, rolls over, lies now and then; any edge of the period may be missing."""
    interval = draw(st.sampled_from([0, 1, 7, 900, 900, 900, 3600]))
    grid = interval or 60
    start = draw(st.sampled_from([0, 1, 900 * 7, 2**47]))
    slots = draw(st.integers(1, 14))
    end = start + slots * grid + draw(st.sampled_from([0, 0, 0, 1, 5]))
    modulus = draw(st.sampled_from([0, 0, 10, 1000, 10**9, U64]))
    most = draw(st.sampled_from([0, 0, 5, 100, 10**6, U64]))
    size = modulus or 2**64
    energies = st.one_of(st.integers(0, min(9, size - 1)), st.integers(0, min(150, size - 1)), st.integers(0, size - 1))
    registers = [draw(st.integers(0, min(size - 1, draw(st.sampled_from([5, 10**4, size]))))) for _ in (0, 1)]
    previous = None
    if draw(st.booleans()):
        previous = (max(0, start - draw(st.sampled_from([0, 0, 1, grid, 5 * grid + 3]))), *registers)
    records = []
    at = start
    while at < end:
        duration = min(draw(st.sampled_from([grid, grid, grid, grid, 1, 2 * grid + 1])), end - at)
        spent = [draw(energies), draw(energies)]
        registers = [(registers[side] + spent[side]) % size for side in (0, 1)]
        if draw(st.integers(0, 4)):
            lie = draw(st.sampled_from([0] * 12 + [1, -1, 50]))
            shown = [(registers[0] + lie) % size, registers[1]]
            quality = draw(st.sampled_from([0, 0, 0, 3, 0xFF]))
            records.append(twin.RECORD.pack(1, b"p" * 16, at, duration, *shown, *spent, quality))
        at += duration
    header = twin.HEADER.pack(
        1, previous is not None, start, end, interval, modulus, most, *(previous or (0, 0, 0)), len(records)
    )
    return header + b"".join(records)


@settings(max_examples=max(400, settings().max_examples))
@given(series())
def test_the_guest_is_its_twin(data: bytes) -> None:
    output = both(data)
    if output[0] == 0:
        check_laws(data, output)


@settings(max_examples=max(300, settings().max_examples))
@given(series(), st.data())
def test_the_guest_is_its_twin_on_damaged_jobs(data: bytes, draw: st.DataObject) -> None:
    damaged = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 3))):
        at = draw.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = draw.draw(st.integers(0, 255))
    cut = draw.draw(st.sampled_from([0, 0, 0, 1, 63]))
    both(bytes(damaged[: len(damaged) - cut]))


@settings(max_examples=max(150, settings().max_examples))
@given(
    st.lists(series(), min_size=1, max_size=5), st.sampled_from([0, 0, 0, 0, 1, -1]), st.sampled_from([b"", b"", b"x"])
)
def test_the_guest_is_its_twin_on_many_jobs(jobs: list[bytes], miscount: int, after: bytes) -> None:
    framed = b"".join(len(job).to_bytes(4, "big") + job for job in jobs)
    output = both(b"\2" + (len(jobs) + miscount).to_bytes(4, "big") + framed + after)
    if not miscount and not after and output[0] == 0:
        assert output[5:] == b"".join(GUEST.run(job).output[1:] for job in jobs)


@given(st.binary(max_size=200))
def test_the_guest_is_its_twin_on_noise(data: bytes) -> None:
    assert both(data) == struct.pack(">BBI", 1, 1, twin.NOWHERE)


def check_laws(data: bytes, output: bytes) -> None:
    """What the page promises, whatever the rules inside."""
    header = twin.HEADER.unpack_from(data)
    start, end, interval = header[2], header[3], header[4]
    inputs = [data[at : at + 63] for at in range(66, len(data), 63)]
    records = [twin.unpack(output[at : at + 63]) for at in range(5, len(output), 63)]
    measured = [record for record in records if not record.quality & twin.ESTIMATED]
    assert [record.pack()[:61] + record.pack()[62:] for record in measured] == [
        record[:61] + record[62:] for record in inputs
    ]
    assert all(record.quality & 0xFF == 0 for record in records if record.quality & twin.ESTIMATED)
    if interval:
        assert records[0].start == start
        assert records[-1].end == end
        assert all(a.end == b.start for a, b in itertools.pairwise(records))
    else:
        assert len(records) == len(inputs)


def refused(code: int, index: int = twin.NOWHERE) -> bytes:
    return struct.pack(">BBI", 1, code, index)


def job(records: list[dict[str, Any]], **header: Any) -> bytes:
    h = {"version": 1, "flags": 0, "start": 0, "end": 3600, "interval": 900, "modulus": 0, "most": 0,
         "prev_end": 0, "prev_i": 0, "prev_e": 0, "count": len(records)} | header  # fmt: skip
    packed = b""
    for record in records:
        r = {"version": 1, "pseudonym": b"p" * 16, "start": 0, "duration": 900, "ir": 100, "er": 0, "i": 10, "e": 0,
             "quality": 0} | record  # fmt: skip
        packed += twin.RECORD.pack(*r.values())
    return twin.HEADER.pack(*h.values()) + packed


FOUR = [{"start": 900 * k, "ir": 100 + 10 * k} for k in range(4)]

REFUSALS: list[tuple[str, bytes, bytes]] = [
    ("version", job(FOUR, version=2), refused(1)),
    ("flags", job(FOUR, flags=2), refused(1)),
    ("previous without its flag", job(FOUR, prev_i=1), refused(1)),
    ("empty period", job(FOUR, end=0), refused(1)),
    ("late period", job(FOUR, start=0, end=2**48), refused(1)),
    ("no records", job([]), refused(1)),
    ("too many records", job(FOUR, count=100_001), refused(1)),
    ("count too small", job(FOUR, count=3), refused(1)),
    ("count too large", job(FOUR, count=5), refused(1)),
    ("previous after the start", job(FOUR, flags=1, prev_end=1, prev_i=90), refused(1)),
    ("previous over the modulus", job(FOUR, flags=1, modulus=500, prev_i=500), refused(1)),
    ("record version", job([*FOUR[:3], FOUR[3] | {"version": 0}]), refused(2, 3)),
    ("pseudonym", job([*FOUR[:3], FOUR[3] | {"pseudonym": b"q" * 16}]), refused(3, 3)),
    ("quality", job([FOUR[0] | {"quality": 0x0100}, *FOUR[1:]]), refused(4, 0)),
    ("duration", job([FOUR[0], FOUR[1] | {"duration": 0}, *FOUR[2:]]), refused(5, 1)),
    ("after the period", job([*FOUR[:3], FOUR[3] | {"duration": 901}]), refused(6, 3)),
    ("before the period", job(FOUR, start=1), refused(6, 0)),
    ("time overflows", job([*FOUR[:3], FOUR[3] | {"start": U64}]), refused(6, 3)),
    ("unsorted", job([FOUR[1], FOUR[0], *FOUR[2:]]), refused(7, 1)),
    ("repeated", job([FOUR[0], *FOUR]), refused(7, 1)),
    ("overlap", job([FOUR[0] | {"duration": 901}, *FOUR[1:]]), refused(7, 1)),
    ("register over the modulus", job(FOUR, modulus=130), refused(8, 3)),
    ("energy over the modulus", job([*FOUR[:3], FOUR[3] | {"e": 500}], modulus=500), refused(8, 3)),
    ("backwards", job([*FOUR[:3], FOUR[3] | {"ir": 119}]), refused(9, 3)),
    ("backwards against the previous", job(FOUR, flags=1, prev_i=101), refused(9, 0)),
    ("backwards with a limit", job([*FOUR[:3], FOUR[3] | {"ir": 119}], most=1000, modulus=10**6), refused(9, 3)),
    ("overflow", job([FOUR[0] | {"ir": U64, "i": U64}, FOUR[1] | {"ir": 0, "i": 1}]), refused(10, 1)),
    ("filled beyond the limit", job([{"start": 0}], end=100_900, interval=1), refused(11)),
    ("filled far beyond the limit", job([{"start": 2**47}], end=2**48 - 1, interval=1), refused(11, 0)),
]


@pytest.mark.parametrize(("data", "expected"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS])
def test_refusals(data: bytes, expected: bytes) -> None:
    assert both(data) == expected


def test_the_untouched_series_is_accepted() -> None:
    assert both(job(FOUR))[:5] == b"\0\0\0\0\4"
