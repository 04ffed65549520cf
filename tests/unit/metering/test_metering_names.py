from __future__ import annotations

import pytest

from wattest.metering.entry import EntryKind, MalformedEntry, SeriesEntry, StatementEntry, evidence_digest
from wattest.metering.meter import MalformedMeterName, blinded_meter, meter_key_commitment, pseudonym
from wattest.metering.records import INTERVAL_RECORD, Records, parse_interval_records
from wattest.metering.series import MalformedSeries, build_series_tree, state_payload
from wattest.metering.series_block import MalformedSeriesBlock, SeriesBlock, telegrams_evidence
from wattest.metering.series_key import MalformedSeriesKey, entry_salt, record_salts, state_salt

KEY, CHANNEL = bytes(range(32)), bytes(32)
NONE: Records = parse_interval_records(b"")


def test_blinded_names_differ_by_period_channel_and_key() -> None:
    names = {
        blinded_meter(KEY, CHANNEL, 0),
        blinded_meter(KEY, CHANNEL, 1),
        blinded_meter(KEY, bytes([1]) * 32, 0),
        blinded_meter(CHANNEL, CHANNEL, 0),
    }
    assert len(names) == 4


@pytest.mark.parametrize("call", [
    lambda: blinded_meter(KEY[:-1], CHANNEL, 0),
    lambda: blinded_meter(KEY, CHANNEL[:-1], 0),
    lambda: blinded_meter(KEY, CHANNEL, 2**64),
    lambda: blinded_meter(KEY, CHANNEL, -1),
    lambda: meter_key_commitment(b""),
    lambda: pseudonym(b""),
    lambda: pseudonym(bytes(65)),
])  # fmt: skip
def test_names_of_wrong_sizes_are_refused_without_showing_the_key(call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(MalformedMeterName) as caught:
        call()
    assert KEY[:-1].hex() not in str(caught.value.as_dict())


def test_salts_differ_by_use() -> None:
    salts = record_salts(KEY, 3)
    assert len({salts[:16], salts[16:32], salts[32:], entry_salt(KEY), state_salt(KEY)}) == 5
    for call in (
        lambda: record_salts(KEY[:-1], 1),
        lambda: record_salts(KEY, -1),
        lambda: record_salts(KEY, 2**20 + 1),
    ):
        with pytest.raises(MalformedSeriesKey):
            call()
    with pytest.raises(MalformedSeries):
        build_series_tree(NONE, KEY)


def test_state_payload_is_56_bytes_of_unsigned_numbers() -> None:
    assert state_payload(KEY, 1, 2, 3) == KEY + (1).to_bytes(8, "big") + (2).to_bytes(8, "big") + (3).to_bytes(8, "big")
    for call in (
        lambda: state_payload(KEY[:-1], 1, 2, 3),
        lambda: state_payload(KEY, -1, 2, 3),
        lambda: state_payload(KEY, 1, 2**64, 3),
    ):
        with pytest.raises(MalformedSeries):
            call()


def test_entries_refuse_the_other_family_and_odd_sizes() -> None:
    with pytest.raises(MalformedEntry):
        SeriesEntry(EntryKind.STATEMENT, KEY, 0, 1, 1, KEY, KEY)
    with pytest.raises(MalformedEntry):
        StatementEntry(EntryKind.ABSENT, KEY, 0, 1, 1, KEY, KEY)
    with pytest.raises(MalformedEntry):
        StatementEntry(EntryKind.STATEMENT, KEY, 0, 1, 2**32, KEY, KEY)
    with pytest.raises(MalformedEntry):
        evidence_digest(KEY, KEY, KEY)


def test_a_block_that_does_not_fit_its_kind_is_not_written() -> None:
    entry = SeriesEntry(EntryKind.SIGNED_DEVICE_BLOCK, KEY, 0, 1, 1, KEY, KEY)
    with pytest.raises(MalformedSeriesBlock):
        SeriesBlock(entry, NONE, public_key=bytes(64), signature=bytes(64)).to_bytes()
    with pytest.raises(MalformedSeriesBlock):
        telegrams_evidence(())
    assert NONE.dtype == INTERVAL_RECORD
