from __future__ import annotations

import numpy as np
import pytest

from wattest.metering.records import (
    DEVICE_RECORD,
    INTERVAL_RECORD,
    MAX_RECORDS,
    MalformedRecords,
    Quality,
    RecordOutsidePeriod,
    RecordsOutOfOrder,
    device_part,
    is_estimated,
    make_device_records,
    make_interval_records,
    parse_device_records,
    parse_interval_records,
    verify_order,
)

NAME = bytes(range(16))


def day(count: int = 96, **changes: object) -> np.ndarray:
    columns: dict[str, object] = {
        "start": 900 * np.arange(count),
        "duration_s": 900,
        "import_register": np.arange(count),
        "export_register": 0,
        "import_milliwatt_hours": 1,
        "export_milliwatt_hours": 0,
    }
    return make_device_records(NAME, **(columns | changes))  # type: ignore[arg-type]


def test_widths_are_the_wire_widths() -> None:
    assert (DEVICE_RECORD.itemsize, INTERVAL_RECORD.itemsize) == (63, 95)


def test_bytes_round_trip_without_a_copy_that_can_be_written() -> None:
    records = parse_device_records(day().tobytes())
    assert records.tobytes() == day().tobytes()
    assert not records.flags.writeable


def test_device_part_drops_what_vee_wrote() -> None:
    device = day(quality=int(Quality.CLOCK_UNCERTAIN))
    interval = make_interval_records(device, bytes(range(32)))
    interval["quality"] |= int(Quality.ROLLOVER)
    interval["quality"][3] |= int(Quality.ESTIMATED)
    assert device_part(interval).tobytes() == device.tobytes()
    assert is_estimated(interval).nonzero()[0].tolist() == [3]
    assert parse_interval_records(interval.tobytes()).tobytes() == interval.tobytes()


@pytest.mark.parametrize(
    "data",
    [
        day().tobytes()[:-1],
        b"\x02" + day().tobytes()[1:],
        bytes(63 * (MAX_RECORDS + 1)),
        day(1, start=np.array([0])).tobytes()[:17] + (2**48).to_bytes(8, "big") + bytes(38),
    ],
    ids=["truncated", "version", "too many", "too late"],
)
def test_malformed_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedRecords):
        parse_device_records(data)


@pytest.mark.parametrize(
    "changes",
    [{"import_milliwatt_hours": -1}, {"duration_s": 2**32}, {"import_register": [1, 2]}, {"start": [0.5]}],
    ids=["negative", "too wide", "another length", "not an integer"],
)
def test_values_outside_their_field_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(MalformedRecords):
        day(**changes)


def test_largest_values_fit() -> None:
    records = day(1, import_register=np.array([2**64 - 1], dtype=np.uint64), import_milliwatt_hours=2**64 - 1)
    assert int(records["import_register"][0]) == int(records["import_milliwatt_hours"][0]) == 2**64 - 1


def test_order_allows_gaps_and_nothing_else() -> None:
    records = day(4)
    verify_order(records, 0, 3600)
    verify_order(records[[0, 2, 3]], 0, 3600)
    with pytest.raises(RecordsOutOfOrder) as caught:
        verify_order(records[[0, 2, 1, 3]], 0, 3600)
    assert caught.value.fields["index"] == 2
    with pytest.raises(RecordsOutOfOrder):
        verify_order(records[[0, 0]], 0, 3600)
    with pytest.raises(RecordOutsidePeriod):
        verify_order(records, 0, 3599)
    with pytest.raises(RecordOutsidePeriod):
        verify_order(records, 1, 3600)
    twice = day(2, start=np.array([5, 5]), duration_s=0)
    with pytest.raises(RecordsOutOfOrder):
        verify_order(twice, 0, 3600)
