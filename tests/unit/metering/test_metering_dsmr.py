from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattest.metering.billing_rules import NotImportable
from wattest.metering.entry import EntryKind
from wattest.metering.imported import imported_series
from wattest.metering.readers.dsmr import MalformedTelegram, crc16, read_dsmr
from wattest.metering.readers.recognise import read_meter_file
from wattest.metering.records import Quality

CODES = {
    "ELECTRICITY_USED_TARIFF_1": "1-0:1.8.1",
    "ELECTRICITY_USED_TARIFF_2": "1-0:1.8.2",
    "ELECTRICITY_DELIVERED_TARIFF_1": "1-0:2.8.1",
    "ELECTRICITY_DELIVERED_TARIFF_2": "1-0:2.8.2",
    "CURRENT_ELECTRICITY_USAGE": "1-0:1.7.0",
    "CURRENT_ELECTRICITY_DELIVERY": "1-0:2.7.0",
}


def telegram(*lines: str, crc: bool = True) -> bytes:
    body = ("/TST5\\2METER\r\n\r\n" + "".join(f"{line}\r\n" for line in lines) + "!").encode()
    return body + (f"{crc16(body):04X}\r\n".encode() if crc else b"\r\n")


def at(stamp: str, value: str) -> bytes:
    return telegram(f"0-0:1.0.0({stamp})", f"1-0:1.8.1({value}*kWh)", "1-0:2.8.1(000001.000*kWh)")


def test_crc_check_value() -> None:
    assert crc16(b"123456789") == 0xBB3D  # the catalogue's check value of CRC-16/ARC


@given(st.binary(max_size=300))
def test_crc_is_the_polynomials_remainder(data: bytes) -> None:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xA001 if crc & 1 else 0)
    assert crc16(data) == crc


def test_real_telegrams_say_what_their_manifest_says(real_data: Path) -> None:
    manifest = json.loads((real_data / "telegrams/manifest.json").read_text())
    seen = 0
    for sample in manifest:
        if not sample["file"].startswith("dsmr_"):
            continue
        seen += 1
        imported = read_meter_file((real_data / "telegrams" / sample["file"]).read_bytes())
        if "result" in sample["expected"]:
            assert (imported.crc, imported.exit_code) == ("failed", 4)
            continue
        assert (imported.crc, imported.signature, imported.exit_code) == ("ok", "absent", 0)
        shown = {reading.obis: reading.as_dict() for reading in imported.readings}
        for name, code in CODES.items():
            value, unit = sample["expected"][name]["value"], sample["expected"][name]["unit"]
            assert shown[code]["time"] == sample["expected"]["P1_MESSAGE_TIMESTAMP"]["value"]
            if unit == "kWh":
                assert Decimal(str(shown[code]["value_milliwatt_hours"])) == Decimal(str(value)) * 1_000_000
            else:
                assert (Decimal(str(shown[code]["value"])), shown[code]["unit"]) == (Decimal(str(value)), unit)
    assert seen == 4


def test_summer_and_winter_letters_are_offsets() -> None:
    cases = {
        "260701120000S": "2026-07-01T10:00:00+00:00",
        "260101120000W": "2026-01-01T11:00:00+00:00",
        "261025023000S": "2026-10-25T00:30:00+00:00",
        "261025023000W": "2026-10-25T01:30:00+00:00",
        "260701120000": "2026-07-01T10:00:00+00:00",
        "260101120000": "2026-01-01T11:00:00+00:00",
        "632525252525S": None,
    }
    for stamp, expected in cases.items():
        assert read_dsmr(at(stamp, "1.0")).readings[0].as_dict()["time"] == expected, stamp


@pytest.mark.parametrize(
    ("stamp", "words", "uncertain"),
    [
        ("260701120000S", None, False),
        ("260101120000W", None, False),
        ("260101120000S", "marked S (summer time) in winter", True),
        ("260701120000W", "marked W (winter time) in summer", False),
        ("260329015959W", None, False),
        ("260329015959S", "marked S (summer time) in winter", True),
        ("260329030000S", None, False),
        ("260329030000W", "marked W (winter time) in summer", False),
        ("261025025959S", None, False),
        ("261025030000S", "marked S (summer time) in winter", True),
        ("261025020000W", None, False),
        ("261025015959W", "marked W (winter time) in summer", False),
        ("260701120000", "without the letter S or W was taken", False),
        ("261025023000", "happens twice", True),
        ("260329023000", "does not exist in that night", True),
    ],
)
def test_a_clock_mark_that_the_season_contradicts_is_said(stamp: str, words: str | None, uncertain: bool) -> None:
    imported = read_dsmr(at(stamp, "1.0"))
    said = [reason for reason in imported.reasons if "marked" in reason or "letter" in reason]
    assert (words is None and not said) or (words is not None and len(said) == 1 and words in said[0])
    quality = Quality(int(imported_series(imported)[0].records["quality"][0]))
    assert quality == Quality.SNAPSHOT | (Quality.CLOCK_UNCERTAIN if uncertain else Quality(0))


def test_a_time_of_a_gas_meter_is_judged_too() -> None:
    imported = read_dsmr(telegram("0-0:1.0.0(260701120000S)", "1-0:1.8.1(1*kWh)", "0-1:24.2.1(260101120000S)(1*m3)"))
    assert any("marked S (summer time) in winter" in reason for reason in imported.reasons)
    assert imported_series(imported)[0].records["quality"].tolist() == [int(Quality.SNAPSHOT)]


def short(data: bytes, digits: int) -> bytes:
    """The file with fewer digits in its checksum."""
    body = data[: data.index(b"!") + 1]
    return body + data[len(body) : len(body) + digits] + b"\r\n"


def with_leading_zeros(count: int) -> bytes:
    """A telegram whose checksum starts with that many zeros."""
    candidates = (at("260701120000S", f"{number:06d}.000") for number in range(100_000))
    return next(data for data in candidates if data[data.index(b"!") + 1 :].startswith(b"0" * count))


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_a_checksum_that_lost_digits_does_not_hold(digits: int) -> None:
    data = at("260701120000S", "000001.500")
    imported = read_dsmr(short(data, digits) + data)
    assert (imported.crc, imported.exit_code) == ("failed", 4)
    assert any(f"in {digits} of four digits" in reason for reason in imported.reasons)
    assert len(imported.readings) == 4
    assert read_dsmr(data + data).crc == "ok"


@pytest.mark.parametrize("zeros", [1, 2])
def test_a_checksum_without_its_leading_zeros_is_the_same_number(zeros: int) -> None:
    data = with_leading_zeros(zeros)
    bare = data.replace(b"!" + b"0" * zeros, b"!")
    imported = read_dsmr(bare)
    assert (imported.crc, imported.exit_code) == ("ok", 0)
    assert any("without its leading zeros" in reason for reason in imported.reasons)
    assert read_dsmr(bare.replace(b"*kWh", b"*KWH", 1)).crc == "failed"


def test_a_telegram_whose_version_has_a_checksum_is_truncated_without() -> None:
    for version in ("1-3:0.2.8(50)", "0-0:96.1.4(50217)", "1-3:0.2.8*255(42)"):
        imported = read_dsmr(telegram(version, "0-0:1.0.0(260701120000S)", "1-0:1.8.1(1*kWh)", crc=False))
        assert (imported.crc, imported.exit_code) == ("none", 3)
        assert any("truncated" in reason for reason in imported.reasons)
        with pytest.raises(NotImportable):
            imported_series(imported)
    assert read_dsmr(telegram("0-0:1.0.0(260701120000S)", "1-0:1.8.1(1*kWh)", crc=False)).exit_code == 0


def test_the_value_group_255_means_as_it_stands_now() -> None:
    bare = telegram("0-0:1.0.0(260701120000S)", "0-0:96.1.1(4B)", "1-0:1.8.1(1.5*kWh)", "1-0:2.8.0(2*kWh)")
    grouped = telegram(
        "0-0:1.0.0*255(260701120000S)", "0-0:96.1.1*255(4B)", "1-0:1.8.1*255(1.5*kWh)", "1-0:2.8.0*255(2*kWh)",
        "1-0:1.8.1*01(1.0*kWh)",
    )  # fmt: skip
    first, second = (imported_series(read_dsmr(data))[0].records for data in (bare, grouped))
    for name in ("pseudonym", "start", "import_register", "export_register"):
        assert first[name].tolist() == second[name].tolist()
    reasons = read_dsmr(grouped).reasons
    assert any("1-0:1.8.1*01" in reason and "not counted" in reason for reason in reasons)
    assert [reading.obis for reading in read_dsmr(grouped).readings][-1] == "1-0:1.8.1*01"


def test_what_is_in_no_telegram_is_said() -> None:
    first, second = at("260701120000S", "000001.500"), at("260701121500S", "000001.750")
    torn = second[20:]
    for glue in (b"\xef\xbb\xbf", b"\x00 "):
        assert imported_series(read_dsmr(glue + first + glue + second))[0].records["duration_s"].tolist() == [900]
    before = read_dsmr(torn + first)
    assert any(f"{len(torn.strip())} bytes before the first telegram" in reason for reason in before.reasons)
    assert (before.exit_code, len(before.readings)) == (0, 2)
    for lost in (b"/T\r\n" + torn, b"x" + second, torn):
        after = read_dsmr(first + lost)
        assert any("after telegram 1 are no telegram" in reason for reason in after.reasons), lost
        assert (after.exit_code, len(after.readings)) == (3, 2)
        with pytest.raises(NotImportable):
            imported_series(after)
    noise = read_dsmr(first + b"bye\r\n" + second)
    assert any("3 bytes after telegram 1" in reason for reason in noise.reasons)
    assert noise.exit_code == 0


def test_values_that_cannot_be_read_are_said() -> None:
    data = telegram("0-0:1.0.0(260701120000S)", "1-0:1.8.1( 1.5 * kWh )", "1-0:2.8.1(1,5*kWh)", "1-0:1.8.2()")
    imported = read_dsmr(data)
    assert [reading.as_dict()["value_milliwatt_hours"] for reading in imported.readings] == ["1500000"]
    assert any("2 values cannot be read" in reason and "1-0:2.8.1(1,5*kWh)" in reason for reason in imported.reasons)


def test_line_endings_changed_on_the_way_are_restored_and_said() -> None:
    data = at("260701120000S", "000001.500")
    endings = (b"\n", b"\r\r\n")
    for changed in (data.replace(b"\r\n", ending) for ending in endings):
        imported = read_dsmr(changed)
        assert imported.crc == "ok"
        assert any("line endings" in reason for reason in imported.reasons)
    tampered = data.replace(b"\r\n", b"\n").replace(b"1.500", b"1.600")
    assert read_dsmr(tampered).crc == "failed"


def test_legacy_telegram_without_checksum_and_gas_on_two_lines() -> None:
    data = telegram(
        "1-0:1.8.1(00001.001*kWh)", "0-1:24.3.0(121030140000)(00)(60)(1)(0-1:24.2.1)(m3)", "(00024.123)", crc=False
    )
    imported = read_dsmr(data)
    assert (imported.crc, imported.exit_code) == ("none", 0)
    gas = imported.readings[1].as_dict()
    assert (gas["obis"], gas["value"], gas["unit"], gas["time"]) == (
        "0-1:24.2.1",
        "24.123",
        "m3",
        "2012-10-30T13:00:00+00:00",
    )
    with pytest.raises(NotImportable):
        imported_series(imported)


def test_several_telegrams_become_intervals() -> None:
    data = at("260701120000S", "000001.500") + at("260701121500S", "000001.750") + at("260701123000S", "000002.000")
    series = imported_series(read_dsmr(data))[0]
    assert series.kind is EntryKind.UNSIGNED_SOURCE
    assert series.records["import_milliwatt_hours"].tolist() == [250_000, 250_000]
    assert series.records["import_register"].tolist() == [1_750_000, 2_000_000]
    assert series.records["duration_s"].tolist() == [900, 900]
    one = imported_series(read_dsmr(at("260701120000S", "1.5")))[0].records
    assert (one["duration_s"].tolist(), one["import_register"].tolist()) == ([0], [1_500_000])


def test_one_failed_telegram_spoils_the_file() -> None:
    data = at("260701120000S", "000001.500") + at("260701121500S", "000001.750").replace(b"1.750", b"1.850")
    imported = read_dsmr(data)
    assert (imported.crc, imported.exit_code) == ("failed", 4)
    with pytest.raises(NotImportable):
        imported_series(imported)


def test_registers_beyond_64_bits_leave_no_records() -> None:
    most = "18446744073709.551615"
    data = telegram("0-0:1.0.0(260701120000S)", f"1-0:1.8.1({most}*kWh)", f"1-0:1.8.2({most}*kWh)")
    imported = read_dsmr(data)
    assert (imported.crc, imported.records) == ("ok", None)


def test_a_register_that_runs_backwards_leaves_no_records() -> None:
    imported = read_dsmr(at("260701120000S", "2.0") + at("260701121500S", "1.0"))
    assert imported.records is None
    assert any("backwards" in reason for reason in imported.reasons)


@pytest.mark.parametrize(
    "data",
    [
        at("260701120000S", "1.0")[:-7],
        at("260701120000S", "1.0").split(b"!")[0],
        at("260701120000S", "1.0") + at("260701120000S", "1.0")[:40],
        telegram("hello"),
        telegram("1-0:1.8.1(1.2.3*kWh)"),
        b"/TST5\r\n" + b"1-0:1.8.1(1*kWh)\r\n" * 5000 + b"!\r\n",
    ],
    ids=["cut in its checksum", "no end", "second one cut", "no object", "no number", "too long"],
)
def test_broken_telegrams_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedTelegram):
        read_dsmr(data)
