from __future__ import annotations

from datetime import timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from wattest.metering.billing_rules import NotImportable
from wattest.metering.entry import EntryKind
from wattest.metering.imported import imported_series
from wattest.metering.readers.interval_csv import MalformedTable, TableOptions, parse_column_map, read_interval_csv
from wattest.metering.readers.recognise import UnknownFormat, format_name, read_meter_file
from wattest.metering.reading import MalformedMeterFile

OWN = b"start,duration,import_kwh,export_kwh\n2026-06-01T00:00Z,900,0.25,0\n2026-06-01T00:15Z,900,0.5,0.125\n"


def table(*rows: str, header: str = "Zeit;Bezug", **options: object) -> bytes:
    return "\n".join((header, *rows)).encode()


def test_our_own_header_needs_no_map() -> None:
    imported = read_meter_file(OWN)
    assert (imported.format, imported.signature, imported.exit_code) == ("csv", "absent", 0)
    first = imported.readings[0].as_dict()
    assert first == {
        "obis": "1-0:1.29.0", "value_milliwatt_hours": "250000", "time": "2026-06-01T00:00:00+00:00", "status": None,
    }  # fmt: skip
    series = imported_series(imported)[0]
    assert series.kind is EntryKind.UNSIGNED_SOURCE
    assert series.records["import_milliwatt_hours"].tolist() == [250_000, 500_000]
    assert series.records["import_register"].tolist() == [250_000, 750_000]
    assert series.records["export_register"].tolist() == [0, 125_000]


def test_a_column_map_with_comma_decimals_local_time_and_watt_hours() -> None:
    columns = parse_column_map("start=Zeit,import=Bezug\\, gesamt")
    assert columns == {"start": "Zeit", "import": "Bezug, gesamt"}
    data = table("01.06.2026 02:00;1.250,5", "01.06.2026 02:15;0,25", header="Zeit;Bezug, gesamt")
    options = TableOptions(columns, "Wh", True, ZoneInfo("Europe/Berlin"), "%d.%m.%Y %H:%M")
    records = read_interval_csv(data, options).records
    assert records is not None
    assert records["start"].tolist() == [1_780_272_000, 1_780_272_900]
    assert records["import_milliwatt_hours"].tolist() == [1_250_500, 250]


@pytest.mark.parametrize(
    ("cell", "milliwatt_hours"),
    [
        ("0,25", 250), ("1.250", 1_250_000), ("1.250,5", 1_250_500), ("12.345.678,001", 12_345_678_001), ("7", 7_000),
        ("1.25", None), ("0.250,5,1", None), ("1250.500", None), ("1.2500", None), ("1,250.5", None),
    ],
)  # fmt: skip
def test_with_a_decimal_comma_points_group_thousands(cell: str, milliwatt_hours: int | None) -> None:
    options = TableOptions({"start": "Zeit", "import": "Bezug"}, "Wh", True)
    data = table(f"2026-06-01T00:00Z;{cell}")
    if milliwatt_hours is None:
        with pytest.raises(MalformedTable, match="no decimal number") as refused:
            read_interval_csv(data, options)
        assert "group thousands" in str(refused.value.hint)
        return
    records = read_interval_csv(data, options).records
    assert records is not None
    assert records["import_milliwatt_hours"].tolist() == [milliwatt_hours]


@pytest.mark.parametrize("header", ["start;import;import", "start;import_kwh;import_wh", "start;import;import_kwh"])
def test_of_two_columns_for_one_role_none_is_picked(header: str) -> None:
    row = "2026-06-01T00:00Z;1;2"
    with pytest.raises(MalformedTable, match="more than one column"):
        read_interval_csv(table(row, header=header), TableOptions())
    with pytest.raises(MalformedTable, match="more than one column 'Bezug'"):
        read_interval_csv(table(row, header="start;Bezug;Bezug"), TableOptions({"start": "start", "import": "Bezug"}))
    by_number = read_interval_csv(table(row, header=header), TableOptions({"start": "1", "import": "3"}))
    assert [reading.as_dict()["value_milliwatt_hours"] for reading in by_number.readings] == ["2000000"]


def test_columns_by_number_without_a_header() -> None:
    options = TableOptions(parse_column_map("start=1,end=2,import=3"))
    records = read_interval_csv(
        b"2026-06-01T00:00Z,2026-06-01T01:00Z,1\n2026-06-01T01:00Z,2026-06-01T03:00Z,2", options
    ).records
    assert records is not None
    assert records["duration_s"].tolist() == [3600, 7200]


def test_the_hour_that_happens_twice_and_the_one_that_does_not() -> None:
    zone = ZoneInfo("Europe/Berlin")
    options = TableOptions({"start": "Zeit", "import": "Bezug"}, timezone=zone, duration_s=3600)
    autumn = table(*(f"2026-10-25T{hour};1" for hour in ("01:00", "02:00", "02:00", "03:00")))
    imported = read_interval_csv(autumn, options)
    assert imported.records is not None
    start = imported.records["start"].tolist()
    assert [later - earlier for earlier, later in pairwise(start)] == [3600] * 3
    with pytest.raises(MalformedTable, match="does not exist"):
        read_interval_csv(table("2026-03-29T02:30;1"), options)


def test_gaps_and_repetitions_are_said() -> None:
    zone = timezone(timedelta(0))
    options = TableOptions({"start": "Zeit", "import": "Bezug"}, timezone=zone)
    gap = read_interval_csv(table("2026-06-01T00:00;1", "2026-06-01T01:00;1"), options)
    assert any("a gap at 2026-06-01T00:15:00+00:00" in reason for reason in gap.reasons)
    assert gap.records is not None
    twice = read_interval_csv(table("2026-06-01T00:00;1", "2026-06-01T00:00;1"), options)
    assert any("overlap or repetition" in reason for reason in twice.reasons)
    assert twice.records is None
    with pytest.raises(NotImportable):
        imported_series(twice)
    unsorted = read_interval_csv(table("2026-06-01T00:15;1", "2026-06-01T00:00;2"), options)
    assert unsorted.records is not None
    assert unsorted.records["import_milliwatt_hours"].tolist() == [2_000_000, 1_000_000]


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        (table("2026-06-01T00:00;1"), TableOptions({"start": "Zeit", "import": "Bezug"}), "no time zone"),
        (table("2026-06-01T00:00Z;1,5"), TableOptions({"start": "Zeit", "import": "Bezug"}), "no decimal number"),
        (table("2026-06-01T00:00Z;-1"), TableOptions({"start": "Zeit", "import": "Bezug"}), "negative"),
        (table("2026-06-01T00:00Z;"), TableOptions({"start": "Zeit", "import": "Bezug"}), "no decimal number"),
        (table("2026-06-01T00:00Z"), TableOptions({"start": "Zeit", "import": "Bezug"}), "too few columns"),
        (table("soon;1"), TableOptions({"start": "Zeit", "import": "Bezug"}), "no time"),
        (table("2026-06-01T00:00Z;1"), TableOptions({"start": "Time", "import": "Bezug"}), "no column"),
        (table("2026-06-01T00:00Z;1"), TableOptions({"import": "Bezug"}), "no start"),
        (table("2026-06-01T00:00Z;1"), TableOptions({"start": "Zeit"}), "no column of energy"),
        (table("2026-06-01T00:00Z;1"), TableOptions(), "columns are not known"),
        (table("2026-06-01T00:00Z;1"), TableOptions({"start": "Zeit", "import": "Bezug"}, "kW"), "not one of energy"),
        (table(), TableOptions({"start": "Zeit", "import": "Bezug"}), "no row"),
        (b"\xff\xfe;\n1;2", TableOptions({"start": "Zeit"}), "UTF-8"),
        (table("999999999999;1"), TableOptions({"start": "Zeit", "import": "Bezug"}), "out of range"),
        (table("0001-01-01T00:00+05:00;1"), TableOptions({"start": "Zeit", "import": "Bezug"}), "before 1970|range"),
        (table("9999-12-31T23:59:59Z;1"), TableOptions({"start": "Zeit", "import": "Bezug"}), "out of range"),
        (table("1969-01-01T00:00Z;1"), TableOptions({"start": "Zeit", "import": "Bezug"}), "before 1970"),
    ],
)
def test_what_cannot_be_read_says_where_and_why(data: bytes, options: TableOptions, words: str) -> None:
    with pytest.raises(MalformedTable, match=words):
        read_interval_csv(data, options)


def test_unknown_columns_are_named_in_the_words_of_the_table() -> None:
    with pytest.raises(MalformedTable) as refused:
        read_interval_csv(table("2026-06-01T00:00Z;1"), TableOptions())
    assert refused.value.hint is not None
    assert "--columns 'start=Zeit,import=Bezug'" in refused.value.hint


@pytest.mark.parametrize("text", ["", "start", "begin=1", "start=1,start=2", "start="])
def test_column_maps_that_are_none(text: str) -> None:
    with pytest.raises(MalformedTable):
        parse_column_map(text)


@pytest.mark.parametrize("data", [b"", b"   \n", b"hello", b'{"a": 1}', b"\x00\x01;\x02"])
def test_unknown_bytes_are_refused(data: bytes) -> None:
    assert format_name(data) == "unknown"
    with pytest.raises(UnknownFormat):
        read_meter_file(data)


def test_an_oversized_file_is_refused() -> None:
    with pytest.raises(MalformedMeterFile, match="larger than 16 MiB"):
        read_meter_file(b"OCMF|" + bytes(16 * 2**20))
