"""Every parser of the room, over arbitrary bytes and over valid bytes that were changed: a value or a typed error."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattest.apps.demo.charging import charging_sessions
from wattest.crypto.p256 import P256PrivateKey
from wattest.errors import InputError, VerificationError
from wattest.metering.device_block import parse_device_block, sign_device_block, verify_device_block
from wattest.metering.entry import parse_entry
from wattest.metering.imported import imported_series
from wattest.metering.meter import pseudonym
from wattest.metering.readers.dsmr import crc16
from wattest.metering.readers.interval_csv import TableOptions
from wattest.metering.readers.public_key import MalformedPublicKey, parse_public_key, parse_public_key_bytes
from wattest.metering.readers.recognise import read_meter_file
from wattest.metering.reading import MalformedMeterFile, parse_decimal, plain, to_milliwatt_hours
from wattest.metering.records import make_device_records, parse_device_records, parse_interval_records
from wattest.metering.series import MalformedSeries, state_payload, state_payloads
from wattest.metering.series_block import parse_series_block, verify_series_block
from wattest.metering.series_key import MalformedSeriesKey, entry_salt, entry_salts, state_salt, state_salts

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "metering"
SESSION = charging_sessions(1, 1_780_272_000, 1_780_444_800)[0]
SESSION_KEY = parse_public_key(SESSION.public_key)
BODY = (
    b"/TST5\\2M\r\n\r\n0-0:1.0.0(260701120000S)\r\n1-0:1.8.1(000001.500*kWh)\r\n0-1:24.2.1(260701120000S)(1.1*m3)\r\n!"
)
TELEGRAM = BODY + f"{crc16(BODY):04X}\r\n".encode()
TABLE = b"start,duration,import_kwh\n2026-06-01T00:00Z,900,0.25\n2026-06-01T00:15Z,900,0.5\n"
XML = b"<values><value><signedData format='OCMF'><![CDATA[" + SESSION.telegram + b"]]></signedData></value></values>"
FILES = [SESSION.telegram, TELEGRAM, TABLE, XML, TELEGRAM * 2, SESSION.telegram + b"\n" + SESSION.telegram]
KEY = P256PrivateKey.from_seed(bytes(range(1, 33)))
START_S = 1_780_272_000


def accepted(family: str) -> list[bytes]:
    cases = json.loads((VECTORS / f"{family}.json").read_text())["cases"]
    return [bytes.fromhex(case["bytes"]) for case in cases if case["outcome"] == "accepted"]


@st.composite
def mutated(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        kind = draw(st.integers(0, 3))
        if kind == 0 and data:
            data[at] = draw(st.integers(0, 255))
        elif kind == 1:
            del data[at : at + draw(st.integers(1, 40))]
        elif kind == 2:
            data[at:at] = draw(st.binary(max_size=20))
        else:
            data[at:at] = data[at : at + draw(st.integers(1, 60))]
    return bytes(data)


@given(st.one_of(st.binary(max_size=600), mutated(accepted("device_blocks")), mutated(accepted("entries")),
                 mutated(accepted("series_blocks"))))  # fmt: skip
def test_binary_parsers_give_a_value_or_a_typed_error(data: bytes) -> None:
    for parse in (parse_device_records, parse_interval_records, parse_entry):
        with contextlib.suppress(InputError):
            parse(data)
    with contextlib.suppress(InputError):
        block = parse_device_block(data)
        assert block.to_bytes() == data
        with contextlib.suppress(VerificationError):
            verify_device_block(block)
    with contextlib.suppress(InputError):
        series = parse_series_block(data)
        assert series.to_bytes() == data
        with contextlib.suppress(VerificationError):
            verify_series_block(series, bytes(32))


@given(st.one_of(st.binary(max_size=400), st.text(max_size=300).map(str.encode),
                 mutated(FILES)),
       st.booleans())  # fmt: skip
def test_meter_files_give_a_report_or_a_typed_error(data: bytes, with_key: bool) -> None:
    for options in (None, TableOptions({"start": "1", "import": "2"})):
        try:
            imported = read_meter_file(data, SESSION_KEY if with_key else None, options)
        except MalformedMeterFile:
            continue
        assert imported.reasons
        assert json.loads(json.dumps(imported.as_dict("x")))
        assert not imported.billable or imported.signature == "valid"
        with contextlib.suppress(VerificationError):
            imported_series(imported)


@given(st.integers(0, len(SESSION.telegram) - 1), st.integers(1, 255))
def test_no_changed_byte_of_the_signed_part_stays_valid(at: int, change: int) -> None:
    data = bytearray(SESSION.telegram)
    data[at] ^= change
    signed_end = SESSION.telegram.rindex(b"|")
    try:
        imported = read_meter_file(bytes(data), SESSION_KEY)
    except MalformedMeterFile:
        return
    assert imported.signature != "valid" or at > signed_end


@given(st.integers(0, len(TELEGRAM) - 1), st.integers(1, 255))
def test_no_changed_byte_of_a_telegram_passes_the_checksum(at: int, change: int) -> None:
    data = bytearray(TELEGRAM)
    data[at] ^= change
    try:
        imported = read_meter_file(bytes(data))
    except MalformedMeterFile:
        return
    end = TELEGRAM.index(b"!")
    # outside: the end mark itself, the digits' letter case, the last line's end
    assert imported.crc != "ok" or at > end or data[at] in b"\r\n" or TELEGRAM[at] in b"\r\n"


@given(st.one_of(st.binary(max_size=200), mutated([SESSION_KEY.to_spki()])))
def test_keys_give_a_value_or_a_typed_error(data: bytes) -> None:
    for parse, given_ in ((parse_public_key_bytes, data), (parse_public_key, data.decode("latin-1"))):
        with contextlib.suppress(MalformedPublicKey):
            parse(given_)  # type: ignore[operator]


@given(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=Decimal("-1e15"), max_value=Decimal("1e15"), places=9)
)
def test_decimals_are_exact(value: Decimal) -> None:
    text = format(value, "f")
    assert Decimal(plain(parse_decimal(text))) == value
    energy = to_milliwatt_hours(value, "kWh")
    assert energy is not None
    assert Decimal(plain(energy, trim=True)) == value.scaleb(6)


@given(st.text(max_size=60))
def test_text_is_a_decimal_or_a_typed_error(text: str) -> None:
    with contextlib.suppress(MalformedMeterFile):
        assert parse_decimal(text).is_finite()


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 2**40)), min_size=1, max_size=30), st.data())
def test_a_signed_block_holds_and_any_changed_byte_breaks_it(steps: list[tuple[int, int]], data: st.DataObject) -> None:
    gaps, energies = (np.array(column) for column in zip(*steps, strict=True))
    start = 900 * np.cumsum(gaps)
    records = make_device_records(
        pseudonym(KEY.public_key), start=start, duration_s=900, import_register=np.cumsum(energies), export_register=0,
        import_milliwatt_hours=energies, export_milliwatt_hours=0,
    )  # fmt: skip
    block = sign_device_block(KEY, 0, int(start[-1]) + 900, records)
    encoded = bytearray(block.to_bytes())
    verify_device_block(parse_device_block(bytes(encoded)))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        verify_device_block(parse_device_block(bytes(encoded)))
    except (InputError, VerificationError):
        return
    raise AssertionError("a changed byte went unnoticed")


@given(st.lists(st.tuples(*[st.integers(0, 2**40)] * 2, st.integers(0, 255)), min_size=1, max_size=30),
       st.integers(1, 7_200), st.data())  # fmt: skip
def test_a_signed_grid_holds_and_any_changed_byte_breaks_it(
    rows: list[tuple[int, int, int]], duration_s: int, data: st.DataObject
) -> None:
    imported, exported, quality = (np.array(column) for column in zip(*rows, strict=True))
    records = make_device_records(
        pseudonym(KEY.public_key), start=START_S + duration_s * np.arange(len(rows)), duration_s=duration_s,
        import_register=5 + np.cumsum(imported), export_register=np.cumsum(exported), import_milliwatt_hours=imported,
        export_milliwatt_hours=exported, quality=quality,
    )  # fmt: skip
    block = sign_device_block(KEY, START_S, START_S + duration_s * len(rows), records, version=2)
    encoded = bytearray(block.to_bytes())
    again = parse_device_block(bytes(encoded))
    verify_device_block(again)
    assert (again.period_start, again.period_end) == (block.period_start, block.period_end)
    assert again.records.tobytes() == records.tobytes()
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises((InputError, VerificationError)):
        verify_device_block(parse_device_block(bytes(encoded)))


@given(st.lists(st.tuples(st.binary(min_size=32, max_size=32), *[st.integers(0, 2**64 - 1)] * 3), max_size=20))
def test_salts_and_states_of_many_are_those_of_each(meters: list[tuple[bytes, int, int, int]]) -> None:
    keys = [key for key, *_ in meters]
    assert entry_salts(keys) == b"".join(entry_salt(key) for key in keys)
    assert state_salts(keys) == b"".join(state_salt(key) for key in keys)
    assert state_payloads(keys, [tuple(numbers) for _, *numbers in meters]) == b"".join(
        state_payload(*meter) for meter in meters
    )


def test_many_refuse_what_one_refuses() -> None:
    for refused in (
        lambda: entry_salts([bytes(32), bytes(31)]),
        lambda: state_salts([bytes(33)]),
        lambda: state_payloads([bytes(31)], [(0, 0, 0)]),
        lambda: state_payloads([bytes(31), bytes(33)], [(0, 0, 0)] * 2),
        lambda: state_payloads([bytes(32)], [(0, -1, 0)]),
        lambda: state_payloads([bytes(32)], [(0, 0, 2**64)]),
        lambda: state_payloads([bytes(32)], [(0, 0, 0), (0, 0, 0)]),
        lambda: state_payloads([bytes(32), bytes(32)], [(7, 7, 7)]),
    ):
        with pytest.raises((MalformedSeries, MalformedSeriesKey)):
            refused()
