from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattest.metering.entry import EntryKind
from wattest.metering.imported import imported_series
from wattest.metering.points import NotImportable
from wattest.metering.readers.dsmr import MalformedTelegram, crc16, read_dsmr
from wattest.metering.readers.recognise import read_meter_file

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
