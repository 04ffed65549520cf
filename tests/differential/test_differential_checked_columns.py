"""Series checked in columns against the plain rules: the same is accepted, with the same records, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sealed_series import (
    CHANNEL,
    GUEST,
    PERIOD_SLOTS,
    SEQUENCE,
    START,
    Meter,
    Sealed,
    in_columns,
    plain_fault,
    raw_bytes,
)

from wattest.crypto import native
from wattest.crypto.p256 import ORDER
from wattest.metering.entry import EntryKind, SeriesEntry, StatementEntry, evidence_digest
from wattest.metering.meter import meter_key_id
from wattest.metering.records import INTERVAL_RECORD, MAX_RECORDS, is_estimated
from wattest.metering.series_block import PreviousState, SeriesBlock, device_block_of
from wattest.sealing import checked_columns
from wattest.sealing.checked_columns import (
    CHECKED,
    MAX_RUN_SERIES,
    MAX_SIGNED_CIPHERTEXT_BYTES,
    CheckedRun,
    check_blocks,
    check_plaintexts,
    edited_again,
    runs_of_blocks,
)
from wattest.sealing.edited_series import last_measured
from wattest.workload.engine import Limits

METERS = [Meter(number) for number in range(6)]
BEFORE = PreviousState(START - 900, 9_990, 3)
SLOTS = [0, 1, 3, 4, 6]
HONEST = METERS[0].sealed(METERS[0].block(SLOTS, BEFORE).to_bytes())

slots = st.lists(st.integers(0, PERIOD_SLOTS - 1), min_size=1, max_size=PERIOD_SLOTS, unique=True).map(sorted)
standing = st.one_of(
    st.none(), st.builds(PreviousState, st.sampled_from([START, START - 900]), st.just(9_990), st.integers(0, 3))
)


@settings(max_examples=max(40, settings().max_examples // 4))
@given(st.lists(st.tuples(slots, standing), min_size=1, max_size=len(METERS)), st.integers(1, 3))
def test_what_was_sealed_holds_in_both_ways(meters: list[tuple[list[int], PreviousState | None]], threads: int) -> None:
    blocks = [meter.block(held, state) for meter, (held, state) in zip(METERS, meters, strict=False)]
    sealed = [meter.sealed(block.to_bytes()) for meter, block in zip(METERS, blocks, strict=False)]
    assert [plain_fault(one) for one in sealed] == [None] * len(sealed)
    run = in_columns(sealed, threads=threads)
    assert run.held == list(range(len(sealed)))
    assert run.plaintexts == b"".join(block.to_bytes() for block in blocks)
    assert run.rows["meter"].tolist() == [meter_key_id(block.public_key) for block in blocks]
    assert run.rows["measured"].tolist() == [len(held) for held, _ in meters]
    for place, block in enumerate(blocks):
        assert run.records(place).tobytes() == block.records.tobytes()
        assert run.standing(place) == (block.previous, last_measured(block.records))
    by_plaintext = check_plaintexts(
        [one.entry for one in sealed], [one.key for one in sealed], [block.to_bytes() for block in blocks]
    )
    assert edited_again(GUEST, by_plaintext).rows.tolist() == run.rows.tolist()


@settings(max_examples=max(40, settings().max_examples // 4))
@given(st.lists(st.tuples(st.integers(1, PERIOD_SLOTS), standing), min_size=1, max_size=len(METERS)), st.integers(1, 3))
def test_grids_hold_in_both_ways_and_nothing_else_does(
    meters: list[tuple[int, PreviousState | None]], threads: int
) -> None:
    blocks = [meter.grid(count, state) for meter, (count, state) in zip(METERS, meters, strict=False)]
    plaintexts = [block.to_bytes() for block in blocks]
    sealed = [meter.sealed(plaintext) for meter, plaintext in zip(METERS, plaintexts, strict=False)]
    assert [plain_fault(one) for one in sealed] == [None] * len(sealed)
    run = in_columns(sealed, threads=threads)
    assert (run.held, run.plaintexts) == (list(range(len(sealed))), b"".join(plaintexts))
    other = [
        meter.sealed(plaintext[:1] + bytes([plaintext[1] ^ 2]) + plaintext[2:])
        for meter, plaintext in zip(METERS, plaintexts, strict=False)
    ]
    assert {plain_fault(one) for one in other} == {"SeriesMismatch"}
    assert not in_columns(other, threads=threads).held


@pytest.mark.parametrize(
    ("name", "value"),
    [("start", START + 901), ("duration_s", 899), ("import_register", 10_015), ("import_register", 10_013),
     ("import_milliwatt_hours", 6), ("export_milliwatt_hours", 1), ("export_register", 2)],
)  # fmt: skip
@pytest.mark.parametrize("index", [0, 1, 3])
def test_a_grid_with_one_field_changed_holds_in_neither_way(name: str, value: int, index: int) -> None:
    meter, block = METERS[0], METERS[0].grid(4)
    changed = records_with(block, index, **{name: value})
    sealed = meter.sealed(raw_bytes(meter.rooted(changed)))
    assert plain_fault(sealed) in {"GridInvalid", "RecordsOutOfOrder", "SeriesMismatch"}
    assert not in_columns([HONEST, sealed]).held_of("ab").get("b")
    assert in_columns([HONEST, sealed]).held == [0]


def test_the_longest_series_holds_in_both_ways() -> None:
    meter = METERS[0]
    block = meter.block_of(meter.records(range(MAX_RECORDS), duration_s=1), START + MAX_RECORDS, PreviousState(0, 0, 0))
    sealed = meter.sealed(block.to_bytes())
    assert len(sealed.ciphertext) == MAX_SIGNED_CIPHERTEXT_BYTES
    assert plain_fault(sealed) is None
    assert in_columns([sealed]).held == [0]
    # More records than one call of the guest takes: what has no room there goes the plain way.
    assert in_columns([HONEST, sealed, HONEST]).held == [0, 2]
    assert in_columns([HONEST, sealed, HONEST]).held_of("abc") == {"a": 0, "c": 2}


def entry_with(block: SeriesBlock, **changes: Any) -> SeriesBlock:
    assert isinstance(block.entry, SeriesEntry)
    return replace(block, entry=replace(block.entry, **changes))


def records_with(block: SeriesBlock, index: int, **changes: Any) -> SeriesBlock:
    records = block.records.copy()
    for name, value in changes.items():
        records[name][index] = value
    return replace(block, records=records)


def without(block: SeriesBlock, index: int) -> SeriesBlock:
    return replace(block, records=np.delete(block.records, index))


def with_one_more(block: SeriesBlock) -> SeriesBlock:
    extra = block.records[2:3].copy()  # an estimated one
    extra["start"] += 450
    extra["duration_s"] = 450
    records = np.insert(block.records.copy(), 3, extra)
    records["duration_s"][2] = 450
    return replace(block, records=records)


def of_kind(block: SeriesBlock, kind: EntryKind) -> bytes:
    entry = block.entry
    assert isinstance(entry, SeriesEntry)
    zero = bytes(32)
    if kind == EntryKind.ABSENT:
        empty = replace(entry, kind=kind, interval_count=0, series_root=zero, evidence=zero)
        return SeriesBlock(empty, np.zeros(0, dtype=INTERVAL_RECORD), block.previous).to_bytes()
    if kind == EntryKind.UNSIGNED_SOURCE:
        return replace(block, entry=replace(entry, kind=kind, evidence=zero), source=b"file").to_bytes()
    if kind == EntryKind.SIGNED_TELEGRAMS:
        return replace(block, entry=replace(entry, kind=kind), public_key=b"key", telegrams=(b"one",)).to_bytes()
    result = StatementEntry(kind, entry.blinded_meter, entry.period_start, entry.period_end, 1, zero, zero)
    return SeriesBlock(result, np.zeros(0, dtype=INTERVAL_RECORD), source=b"s", result=b"r").to_bytes()


def signed_otherwise(meter: Meter, block: SeriesBlock, signature: bytes) -> bytes:
    """The signature changed, and the evidence with it."""
    evidence = evidence_digest(device_block_of(block).digest, signature, block.public_key)
    return entry_with(replace(block, signature=signature), evidence=evidence).to_bytes()


def high_s(meter: Meter, block: SeriesBlock) -> bytes:
    s = ORDER - int.from_bytes(block.signature[32:], "big")
    return signed_otherwise(meter, block, block.signature[:32] + s.to_bytes(32, "big"))


def of_another_key(meter: Meter, block: SeriesBlock) -> bytes:
    return raw_bytes(meter.resigned(replace(block, public_key=METERS[5].signer.public_key)))


Falsified = tuple[str | None, Callable[[Meter, SeriesBlock], bytes]]

PLAINTEXTS: dict[str, Falsified] = {
    "nothing": (None, lambda _, b: b.to_bytes()),
    "resigned": (None, lambda m, b: m.resigned(b).to_bytes()),
    "version": ("MalformedSeriesBlock", lambda _, b: b"\2" + b.to_bytes()[1:]),
    "flags": ("MalformedSeriesBlock", lambda _, b: b"\1\5" + b.to_bytes()[2:]),
    "another version of block": ("GridInvalid", lambda _, b: b"\1\3" + b.to_bytes()[2:]),
    "entry version": ("MalformedEntry", lambda _, b: b"\1\1\2" + b.to_bytes()[3:]),
    "one byte less": ("MalformedSeriesBlock", lambda _, b: b.to_bytes()[:-1]),
    "half": ("MalformedSeriesBlock", lambda _, b: b.to_bytes()[:500]),
    "head alone": ("MalformedSeriesBlock", lambda _, b: b.to_bytes()[:120]),
    "one byte more": ("MalformedSeriesBlock", lambda _, b: b.to_bytes() + b"\0"),
    "count that takes the key for a record": ("MalformedRecords", lambda _, b: at_count(b, 9)),
    "count over what is there": ("MalformedSeriesBlock", lambda _, b: at_count(b, 10)),
    "count below": ("MalformedSeriesBlock", lambda _, b: at_count(b, 7)),
    "count of zero": ("MalformedSeriesBlock", lambda _, b: at_count(b, 0)),
    "count over the limit": ("MalformedSeriesBlock", lambda _, b: at_count(b, 100_001)),
    "largest count": ("MalformedSeriesBlock", lambda _, b: at_count(b, 2**32 - 1)),
    "absent": (None, lambda _, b: of_kind(b, EntryKind.ABSENT)),
    "telegrams": ("SeriesMismatch", lambda _, b: of_kind(b, EntryKind.SIGNED_TELEGRAMS)),
    "unsigned": ("SeriesMismatch", lambda _, b: of_kind(b, EntryKind.UNSIGNED_SOURCE)),
    "statement": ("SeriesMismatch", lambda _, b: of_kind(b, EntryKind.STATEMENT)),
    "root": ("SeriesMismatch", lambda _, b: entry_with(b, series_root=bytes([1]) * 32).to_bytes()),
    "evidence": ("SeriesMismatch", lambda _, b: entry_with(b, evidence=bytes([1]) * 32).to_bytes()),
    "claimed count": ("SeriesMismatch", lambda _, b: entry_with(b, interval_count=7).to_bytes()),
    "period that starts later": (
        "RecordOutsidePeriod", lambda _, b: entry_with(b, period_start=START + 1).to_bytes(),
    ),
    "period that starts before": ("SeriesMismatch", lambda _, b: entry_with(b, period_start=START - 1).to_bytes()),
    "longer period": ("SeriesMismatch", lambda _, b: entry_with(b, period_end=START + 9_000).to_bytes()),
    "longer period, signed": (
        "EditingMismatch", lambda m, b: m.resigned(entry_with(b, period_end=START + 9_000)).to_bytes(),
    ),
    "period beyond 2**48": ("MalformedDeviceBlock", lambda _, b: entry_with(b, period_end=2**48).to_bytes()),
    "period beyond 2**63": ("MalformedDeviceBlock", lambda _, b: entry_with(b, period_end=2**64 - 1).to_bytes()),
    "empty period": (
        "MalformedEntry", lambda _, b: b.to_bytes()[:36] + b.to_bytes()[44:52] * 2 + b.to_bytes()[52:],
    ),
    "signature of another digest": (
        "DeviceSignatureInvalid", lambda m, b: signed_otherwise(m, b, m.signer.sign_digest(bytes(32))),
    ),
    "signature of another digest, evidence as before": (
        "SeriesMismatch", lambda m, b: replace(b, signature=m.signer.sign_digest(bytes(32))).to_bytes(),
    ),
    "signature of zeros": ("DeviceSignatureInvalid", lambda m, b: signed_otherwise(m, b, bytes(64))),
    "high s": ("DeviceSignatureInvalid", high_s),
    "another meter's key": ("ForeignRecord", of_another_key),
    "record": ("SeriesMismatch", lambda _, b: records_with(b, 0, import_milliwatt_hours=8).to_bytes()),
    "record, with the root": (
        "SeriesMismatch", lambda m, b: m.rooted(records_with(b, 0, import_milliwatt_hours=8)).to_bytes(),
    ),
    "estimated record, with the root": (
        "EditingMismatch", lambda m, b: m.rooted(records_with(b, 2, import_milliwatt_hours=8)).to_bytes(),
    ),
    "record, signed anew": (
        "EditingMismatch", lambda m, b: m.resigned(records_with(b, 0, import_register=10_006)).to_bytes(),
    ),
    "register that runs backwards, signed": (
        "JobDeclined", lambda m, b: m.resigned(records_with(b, 1, import_register=0)).to_bytes(),
    ),
    "measured record dropped": ("SeriesMismatch", lambda m, b: m.rooted(without(b, 1)).to_bytes()),
    "measured record dropped, signed": ("EditingMismatch", lambda m, b: m.resigned(without(b, 1)).to_bytes()),
    "estimated record dropped": ("EditingMismatch", lambda m, b: m.rooted(without(b, 2)).to_bytes()),
    "estimated record cut in two": ("EditingMismatch", lambda m, b: m.rooted(with_one_more(b)).to_bytes()),
    "flag of vee on a measured record": (
        "EditingMismatch", lambda m, b: m.rooted(records_with(b, 0, quality=0x0401)).to_bytes(),
    ),
    "flag of vee on an estimated record": (
        "EditingMismatch", lambda m, b: m.rooted(records_with(b, 2, quality=0x0500)).to_bytes(),
    ),
    "measured record said to be estimated": (
        "SeriesMismatch", lambda m, b: m.rooted(records_with(b, 0, quality=0x0101)).to_bytes(),
    ),
    "measured record made an estimated one": (
        "EditingMismatch",
        lambda m, b: m.resigned(records_with(b, 0, quality=0x0101, source_digest=0)).to_bytes(),
    ),
    "estimated record said to be measured": (
        "SeriesMismatch", lambda m, b: m.rooted(records_with(b, 2, quality=1)).to_bytes(),
    ),
    "estimated record made a measured one": (
        "EditingMismatch",
        lambda m, b: m.resigned(
            records_with(b, 2, import_milliwatt_hours=8, quality=1, source_digest=1)
        ).to_bytes(),
    ),
    "every record estimated": (
        "SeriesMismatch",
        lambda m, b: m.rooted(records_with(b, slice(None), quality=0x0100, source_digest=0)).to_bytes(),  # type: ignore[arg-type]
    ),
    "another source": ("SeriesMismatch", lambda m, b: m.rooted(records_with(b, 0, source_digest=7)).to_bytes()),
    "another state before": (
        "EditingMismatch", lambda _, b: replace(b, previous=PreviousState(START, 10_005, 3)).to_bytes(),
    ),
    "a state before, after the period's start": (
        "JobDeclined", lambda _, b: replace(b, previous=PreviousState(START + 1, 9_990, 3)).to_bytes(),
    ),
    "no state before": ("EditingMismatch", lambda m, _: replace(m.block([1, 3], BEFORE), previous=None).to_bytes()),
    "foreign record, signed": ("SeriesMismatch", lambda m, b: m.resigned(records_with(b, 0, pseudonym=9)).to_bytes()),
    "record version": (
        "MalformedRecords", lambda m, b: raw_bytes(m.resigned(records_with(b, 0, version=2))),
    ),
    "record beyond 2**48": (
        "MalformedRecords", lambda m, b: raw_bytes(m.resigned(records_with(b, 7, start=2**48))),
    ),
    "record without duration, signed": (
        "DeviceRecordInvalid", lambda m, b: m.resigned(records_with(b, 0, duration_s=0)).to_bytes(),
    ),
    "estimated record without duration": (
        "EditingMismatch", lambda m, b: m.rooted(records_with(b, 2, duration_s=0)).to_bytes(),
    ),
    "overlapping records, signed": (
        "RecordsOutOfOrder", lambda m, b: m.resigned(records_with(b, 0, duration_s=901)).to_bytes(),
    ),
    "record outside the period, signed": (
        "RecordOutsidePeriod", lambda m, b: m.resigned(records_with(b, 7, duration_s=901)).to_bytes(),
    ),
}  # fmt: skip


def at_count(block: SeriesBlock, count: int) -> bytes:
    data = block.to_bytes()
    at = 120 + 24
    return data[:at] + count.to_bytes(4, "big") + data[at + 4 :]


def judged(sealed: Sealed) -> tuple[str | None, bool]:
    """The plain fault, and whether the entry holds in columns; its honest neighbours do, whatever it is."""
    run = in_columns([HONEST, sealed, HONEST])
    assert run.rows["verdict"][[0, 2]].tolist() == [0, 0]
    return plain_fault(sealed), run.held == [0, 1, 2]


@pytest.mark.parametrize("name", PLAINTEXTS)
def test_plaintexts_are_judged_alike(name: str) -> None:
    fault, change = PLAINTEXTS[name]
    meter = METERS[1]
    sealed = meter.sealed(change(meter, meter.block(SLOTS, BEFORE)))
    holds = fault is None and name != "absent"  # an absent meter is accepted, by the plain way alone
    assert judged(sealed) == (fault, holds)


def test_ciphertexts_are_judged_alike() -> None:
    entry, key, block = HONEST.entry, HONEST.key, HONEST.ciphertext
    other = METERS[1].sealed(METERS[1].block(SLOTS).to_bytes())
    for sealed in (
        Sealed(entry, key, block[:-1] + bytes([block[-1] ^ 1])),
        Sealed(entry, key, bytes([block[0] ^ 0x80]) + block[1:]),
        Sealed(entry, key, block[:-1]),
        Sealed(entry, key, block + b"\0"),
        Sealed(entry, key, block[:15]),
        Sealed(entry, key, b""),
        Sealed(entry, other.key, block),
        Sealed(entry, bytes(32), block),
        Sealed(entry[:2] + other.entry[2:34] + entry[34:], key, block),
        Sealed(other.entry, key, block),
        Sealed(entry, key, other.ciphertext),
    ):
        assert judged(sealed) in (("AuthenticationFailed", False), ("BufferRefused", False))
    for payload in (
        entry[:1] + b"\3" + entry[2:],
        entry[:-1] + b"\0",
        entry[:34] + bytes(84),
        entry[:53] + b"\7" + entry[54:],
    ):
        assert judged(Sealed(payload, key, block)) == ("EntryForeign", False)
    for place in ((CHANNEL, SEQUENCE + 1), (bytes(32), SEQUENCE)):
        assert plain_fault(HONEST, *place) == "AuthenticationFailed"
        assert in_columns([HONEST], *place).held == []


@settings(max_examples=max(300, settings().max_examples))
@given(st.data())
def test_changed_plaintexts_are_judged_alike(data: st.DataObject) -> None:
    meter = METERS[2]
    block = meter.block(data.draw(slots), data.draw(standing))
    for _ in range(data.draw(st.integers(0, 2))):
        name = data.draw(st.sampled_from([each for each in INTERVAL_RECORD.names or () if each != "version"]))
        index = data.draw(st.integers(0, block.records.shape[0] - 1))
        value = data.draw(st.sampled_from([0, 1, 2, 0x0100, 0x0101, 0x0401, 900, START, START + 900, 10_007]))
        size = INTERVAL_RECORD[name].base.itemsize
        block = records_with(block, index, **{name: value % 256**size})
    repair = data.draw(st.sampled_from(["none", "root", "signature"]))
    if repair == "root":
        block = meter.rooted(block)
    elif repair == "signature" and not is_estimated(block.records).all():
        block = meter.resigned(block)
    plaintext = bytearray(raw_bytes(block))
    for _ in range(data.draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = data.draw(st.integers(0, 150) | st.integers(0, len(plaintext) - 1))
        plaintext[at] = data.draw(st.sampled_from([0, 1, plaintext[at] ^ 1, plaintext[at] ^ 0x80, 255]))
    cut = data.draw(st.sampled_from([0, 0, 0, 0, 1, 95, 128]))
    sealed = meter.sealed(bytes(plaintext[: len(plaintext) - cut]))
    fault, holds = judged(sealed)
    assert holds == (fault is None and sealed.entry[1] == EntryKind.SIGNED_DEVICE_BLOCK)


@given(st.binary(max_size=700), st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 700), max_size=5))
def test_any_bytes_and_ends_give_verdicts(data: bytes, ends: list[int]) -> None:
    places = b"".join(end.to_bytes(8, "big") for end in ends)
    opened, opened_ends = native.open_series(CHANNEL, 1, bytes(32 * len(ends)), bytes(32 * len(ends)), data, places, 2)
    assert opened == b""
    assert opened_ends == bytes(8 * len(ends))
    rows = native.check_series(bytes(118 * len(ends)), bytes(32 * len(ends)), data, places, 2)
    assert np.frombuffer(rows, dtype=CHECKED)["verdict"].tolist() == [1] * len(ends)


@settings(max_examples=max(100, settings().max_examples))
@given(st.data())
def test_told_rows_and_outputs_are_refused_or_judged(data: st.DataObject) -> None:
    run = check_blocks(CHANNEL, SEQUENCE, [HONEST.entry] * 2, [HONEST.key] * 2, [HONEST.ciphertext] * 2)
    good = native.checked_vee_input(run.plaintexts, run.ends, run.rows.tobytes(), 900, 25_000_000)
    output = bytearray(GUEST.run(good, Limits()).output)
    rows = bytearray(run.rows.tobytes())
    for changed in (output, rows):
        for _ in range(data.draw(st.integers(0, 2))):
            changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([0, 0, 0, 1, 8]))
    plaintexts = run.plaintexts[: len(run.plaintexts) - cut]
    for call in (
        lambda: native.checked_vee_input(plaintexts, run.ends, bytes(rows), 900, 25_000_000),
        lambda: native.compare_edited(plaintexts, run.ends, bytes(rows), bytes(output)),
    ):
        try:
            found = call()
        except native.Fault:
            continue
        assert isinstance(found, bytes)


def test_rows_and_buffers_that_do_not_belong_together_are_refused() -> None:
    run = in_columns([HONEST, HONEST])
    rows = run.rows.tobytes()
    with pytest.raises(native.Fault):
        native.check_series(HONEST.entry, HONEST.key * 2, run.plaintexts, run.ends)
    with pytest.raises(native.Fault):
        native.open_series(CHANNEL, 1, bytes(64), bytes(32), run.plaintexts, run.ends)
    with pytest.raises(native.Fault):
        native.checked_vee_input(run.plaintexts, run.ends, rows[:-1], 900, 1)
    with pytest.raises(native.Fault):
        native.checked_vee_input(run.plaintexts[:-1], run.ends, rows, 900, 1)
    with pytest.raises(native.Fault):
        native.compare_edited(run.plaintexts, run.ends, rows, b"\0\0\0\0\0")


def backwards(meter: Meter) -> Sealed:
    """A series that the guest refuses, though the meter signed it."""
    return meter.sealed(meter.resigned(records_with(meter.block(SLOTS), 1, import_register=0)).to_bytes())


@pytest.mark.parametrize("bad", [{0}, {5}, {0, 1}, {2, 3}, {0, 2, 4}, {0, 1, 2, 3, 4, 5}, set()])
def test_jobs_that_the_guest_refuses_stop_no_other(bad: set[int]) -> None:
    batch = [
        backwards(meter) if place in bad else meter.sealed(meter.block(SLOTS).to_bytes())
        for place, meter in enumerate(METERS)
    ]
    assert in_columns(batch).held == [place for place in range(len(METERS)) if place not in bad]


def test_a_guest_that_does_not_finish_leaves_all_to_the_plain_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checked_columns, "VEE_LIMITS", Limits(fuel=1_000))
    assert in_columns([HONEST, HONEST]).held == []


def test_an_empty_run_holds_nothing() -> None:
    run = in_columns([])
    assert run.held == []
    assert isinstance(run, CheckedRun)


def test_runs_are_bounded_and_whole() -> None:
    day, large = 9_500, 95 * 60_000
    assert [len(run) for run in runs_of_blocks([day] * 300)] == [MAX_RUN_SERIES, MAX_RUN_SERIES, 44]
    assert [len(run) for run in runs_of_blocks([day] * 50, 16)] == [16, 16, 16, 2]
    assert list(runs_of_blocks([large, large, day])) == [range(1), range(1, 3)]
    assert list(runs_of_blocks([2**26, 0, 2**26])) == [range(1), range(1, 2), range(2, 3)]
    assert list(runs_of_blocks([])) == []
