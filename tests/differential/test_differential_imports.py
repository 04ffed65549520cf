"""Imports in columns against the same rules one reading at a time: verdicts, reasons, readings, records and errors.

The twin is ``tests/support/imports_twin.py``. Files are real ones, made ones whose every field goes wrong now and then,
and either with bytes changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import imports_twin
import numpy as np
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from wattest.apps.demo.charging import charging_sessions
from wattest.errors import WattestError
from wattest.metering.imported import ImportedSeries, imported_series, signed_telegram_records
from wattest.metering.readers import ocmf_envelope, recognise
from wattest.metering.readers.dsmr import crc16
from wattest.metering.readers.interval_csv import TableOptions
from wattest.metering.readers.public_key import MeterPublicKey, parse_public_key, parse_public_key_bytes
from wattest.metering.readers.recognise import read_meter_file
from wattest.metering.readers.signature import DecodedSignature, verify_signature
from wattest.metering.readers.signature_batch import hold_together
from wattest.metering.reading import ImportedFile
from wattest.metering.records import Quality
from wattest.metering.verdicts import SignatureVerdict

CURVES = (ec.SECP256R1(), ec.SECP256K1(), ec.BrainpoolP256R1(), ec.SECP384R1())
NAMES = ("secp256r1", "secp256k1", "brainpool256r1", "secp384r1")
ORDERS = {"secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
          "secp256k1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141}  # fmt: skip
PRIVATE = {(curve.name, n): ec.derive_private_key(n, curve) for curve in CURVES for n in (7, 8)}
SESSIONS = charging_sessions(2, 1_780_272_000, 1_780_444_800)
few = settings(max_examples=max(60, settings().max_examples // 8))


def outcome(action: Callable[[], Any]) -> object:
    """What a call gives, or its error with everything that a caller can see of it."""
    try:
        return action()
    except WattestError as error:
        return type(error), error.message, error.hint, error.fields


def shown(imported: ImportedFile | object) -> object:
    if not isinstance(imported, ImportedFile):
        return imported
    rest = {field.name: getattr(imported, field.name) for field in fields(imported)}
    del rest["columns"]
    rest["readings"] = tuple(imported.readings)
    rest["records"] = None if imported.records is None else imported.records.tobytes()
    return rest


def whole(found: list[ImportedSeries] | object) -> object:
    if not isinstance(found, list):
        return found
    return [
        {field.name: getattr(series, field.name) for field in fields(series)} | {"records": series.records.tobytes()}
        for series in found
    ]


def same(data: bytes, key: MeterPublicKey | None = None, options: TableOptions | None = None) -> object:
    """Both ways over one file say the same; the series, or why there is none."""
    read = outcome(partial(read_meter_file, data, key, options))
    twin = outcome(partial(imports_twin.read_meter_file, data, key, options))
    assert shown(read) == shown(twin)
    if not isinstance(read, ImportedFile) or not isinstance(twin, ImportedFile):
        return read
    series = outcome(partial(imported_series, read))
    assert whole(series) == whole(outcome(partial(imports_twin.imported_series, twin)))
    bare = outcome(partial(imported_series, replace(read, columns=None)))
    assert whole(bare) == whole(series)  # columns save work and change nothing
    if read.telegrams and read.public_key:
        derived = outcome(partial(signed_telegram_records, read.telegrams, read.public_key))
        expected = outcome(partial(imports_twin.signed_telegram_records, read.telegrams, read.public_key))
        if isinstance(derived, np.ndarray) and isinstance(expected, np.ndarray):
            derived, expected = derived.tobytes(), expected.tobytes()
        assert derived == expected
    return series


def spki(key: ec.EllipticCurvePrivateKey) -> MeterPublicKey:
    return parse_public_key_bytes(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def bare_point(key: ec.EllipticCurvePrivateKey) -> MeterPublicKey:
    return parse_public_key_bytes(key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


def test_every_real_file(real_data: Path) -> None:
    samples = json.loads((real_data / "ocmf/manifest.json").read_text())["samples"]
    made = 0
    for sample in samples:
        data = (real_data / "ocmf" / sample["file"]).read_bytes()
        for key in (parse_public_key(sample["public_key"]), None, spki(PRIVATE["secp256r1", 7])):
            for file in (data, data + b"\r\n" + data, data[:-3], data.replace(b"0", b"1", 1)):
                made += isinstance(same(file, key), list)
    telegrams = sorted((real_data / "telegrams").glob("dsmr_*.txt"))
    assert len(telegrams) == 4
    for path in telegrams:
        data = path.read_bytes()
        for file in (data, data + data, data.replace(b"\r\n", b"\n"), data.replace(b"1", b"2", 1), data[:-7]):
            made += isinstance(same(file), list)
    assert made > 20


times = st.sampled_from(
    ["2026-06-01T10:00:00,000+0200 S", "2026-06-01T10:15:00,000+0200 S", "2026-06-01T08:15:00.000Z",
     "2026-06-01T10:30:00,999999+0200 U", "2026-06-01T11:00:00,000+0200 R", "2026-06-01T09:00:00Z I"]
)  # fmt: skip
odd_times = st.sampled_from(
    [None, "2026-06-01T10:00:00,000", "1969-12-31T23:59:59,900Z", "0001-01-01T00:00:00+0100", "9999-12-31T23:59:59Z",
     "9999-12-31T23:59:59,999999Z", "9999-12-31T23:59:59-0100", "2026-02-30T00:00:00Z", "2026-06-01T10:00:00+2400",
     "2026-06-01T10:00:00-9999", "yesterday", "", 5, True]
)  # fmt: skip
values = st.one_of(
    st.decimals(0, 100, places=4).map(str),
    st.sampled_from(["1.0", "2.5", "2.5", "3", "0", "1e1", ".5", "7."]),
    st.integers(0, 50),
    st.decimals(0, 50, places=3).map(float),
)
odd_values = st.sampled_from(
    [None, "", "-1", "-0.0000001", "-0", "18446744073709.551615", "18446744073709.5516159", "18446744073709.551616",
     "1e30", "1e31", "9" * 61, "abc", True, [], "0.0000009999999", 18446744073.709551616]
)  # fmt: skip
registers = st.sampled_from(["1-b:1.8.0", "1-b:1.8.0", "1-0:2.8.0", "01-00:98.08.00.FF", "1-0:B0.8.0*00", "1-0:32.7.0"])
codes = st.sampled_from(["B", "E", None, "B", "E", "L", "R", "A", "P", "C", "X", "S", "T", ""])


@st.composite
def rows(draw: st.DrawFn) -> dict[str, object]:
    """A reading; about one in five says something odd, and any field may be left to the reading before."""
    odd = draw(st.integers(0, 4)) == 0
    fields_: dict[str, object] = {
        "TM": draw(odd_times if odd and draw(st.booleans()) else times),
        "TX": draw(codes),
        "RV": draw(odd_values if odd and draw(st.booleans()) else values),
        "RI": draw(
            st.sampled_from(["1-b:1.8.0", "1-b:1.8.0", "1-0:2.8.0", "01-00:98.08.00.FF", "1-0:B0.8.0*00", "7.0"])
        ),
        "RU": draw(st.sampled_from(["kWh", "kWh", "kWh", "Wh", "MWh", "mWh", "KWH", "mOhm", None])),
        "EF": draw(st.sampled_from(["", "", "", "E", "t", "Et", "?"])) if odd else "",
        "ST": draw(st.sampled_from(["G", "M", "E", "", None, "?"])) if odd else "G",
    }
    return {name: item for name, item in fields_.items() if draw(st.integers(0, 9)) > 0}


@st.composite
def records(draw: st.DrawFn) -> tuple[bytes, str]:
    """A signed record and its curve; now and then the signature is another's, in another form, or not there."""
    curve = draw(st.sampled_from(["secp256r1", "secp256k1", "secp256r1", "secp256k1", "brainpool256r1", "secp384r1"]))
    readings = draw(st.lists(rows(), min_size=0 if draw(st.integers(0, 9)) == 0 else 1, max_size=5))
    payload = {"FV": "1.0", "PG": draw(st.sampled_from(["T1", "T2", "F3", "?"])), "RD": readings}
    payload["MS"] = draw(st.sampled_from(["1", "1", "1", "2"]))
    payload["IL"] = draw(st.sampled_from(["NONE", "NONE", "MISMATCH"]))
    signed = json.dumps(payload).encode()
    private = PRIVATE[PRIVATE_NAMES[curve], 8 if draw(st.integers(0, 9)) == 0 else 7]
    bits = draw(st.sampled_from(["256", "256", "256", "384"]))
    der = private.sign(signed, ec.ECDSA(hashes.SHA384() if bits == "384" else hashes.SHA256()))
    form = draw(st.integers(0, 9))
    if form == 1 and curve in ORDERS:
        r, s = utils.decode_dss_signature(der)
        der = utils.encode_dss_signature(r, ORDERS[curve] - s)
    elif form == 2 and curve in ORDERS:
        r, s = utils.decode_dss_signature(der)
        der = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    elif form == 3:
        der = der + b"\0\0"
    elif form == 4:
        der = der[:-1]
    section: dict[str, object] = {"SD": der.hex()}
    if curve != "secp256r1" or bits != "256" or draw(st.booleans()):
        section["SA"] = f"ECDSA-{curve}-SHA{bits}"
    if form == 5:
        section |= {"SE": "base64"}
    elif form == 6:
        section |= {"SM": "text/plain"}
    elif form == 7:
        section["SD"] = draw(st.sampled_from(["", " ", None, "zz", "30", "0" * 3000]))
    return b"OCMF|" + signed + b"|" + json.dumps(section).encode(), curve


PRIVATE_NAMES = dict(zip(NAMES, (curve.name for curve in CURVES), strict=True))


@few
@given(st.lists(records(), min_size=1, max_size=5), st.integers(0, 9), st.booleans())
def test_made_ocmf(made: list[tuple[bytes, str]], which: int, mixed: bool) -> None:
    curve = made[0][1]
    chosen = [record for record, own in made if mixed or own == curve]
    private = PRIVATE[PRIVATE_NAMES[curve], 7]
    key = None if which == 0 else bare_point(private) if which == 1 else spki(private)
    same(b"\n".join(chosen), key)
    text = "".join(f"<signedData><![CDATA[{record.decode()}]]></signedData>" for record in chosen)
    for own in ("", private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex(), "zz"):
        same(f"<values>{text}<publicKey>{own}</publicKey></values>".encode(), key)


plain_rows = st.lists(
    st.builds(
        lambda moment, code, value, register: {
            "TM": f"2026-06-01T{8 + moment // 60:02d}:{moment % 60:02d}:00,000Z S", "TX": code, "RV": str(value),
            "RI": register, "RU": "kWh", "EF": "", "ST": "G",
        },
        st.integers(0, 12), st.sampled_from(["B", "E", "L", "C", "X", None]), st.integers(0, 12),
        st.sampled_from(["1-b:1.8.0", "1-b:2.8.0"]),
    ),
    min_size=1, max_size=12,
)  # fmt: skip


@few
@given(st.lists(plain_rows, min_size=1, max_size=4))
def test_begins_and_ends_in_any_order(payloads: list[list[dict[str, object]]]) -> None:
    """Readings that rise with time, so that pairing alone decides what comes out."""
    lines = []
    for payload in payloads:
        for row in payload:
            row["RV"] = str(60 * int(str(row["TM"])[11:13]) + int(str(row["TM"])[14:16]))
        lines.append(b"OCMF|" + json.dumps({"PG": "T1", "MS": "1", "RD": payload}).encode() + b'|{"SD":"00"}')
    same(b"\n".join(lines))
    same(b"\n".join(sorted(lines)))


@few
@given(st.data())
def test_made_dsmr(data: st.DataObject) -> None:
    most = "18446744073709.551615"
    stamps = st.sampled_from(["260701120000S", "260701121500S", "260701123000", "261025023000W", "632525252525S", "x"])
    numbers = st.sampled_from(["000001.500", "1", "2.0000001", ".5", "7.", "-1.0", most, "1.2.3", "9" * 40])
    near = st.sampled_from(["000001.500", "000001.500", "000002", "000003.25"])
    file = b""
    for at in range(data.draw(st.integers(1, 4))):
        odd = data.draw(st.integers(0, 9)) == 0
        rising = f"{at + 1:06d}.{data.draw(st.integers(0, 999)):03d}"
        lines = [f"0-0:1.0.0({data.draw(stamps) if odd else f'2607011{at}0000S'})", f"1-0:1.8.1({rising}*kWh)"]
        for code in data.draw(st.lists(st.sampled_from(["1.8.0", "1.8.2", "2.8.1", "2.8.2", "2.8.0", "32.7.0"]))):
            unit = data.draw(st.sampled_from(["kWh", "kWh", "Wh", "V"]))
            lines.append(f"1-0:{code}({data.draw(numbers if odd else near)}*{unit})")
        if odd:
            lines = data.draw(st.permutations([*lines, "0-0:96.1.1(4B)", "0-1:24.2.1(260701120000S)(1.1*m3)", "hello"]))
        body = ("/TST5\\2M\r\n\r\n" + "".join(f"{line}\r\n" for line in lines) + "!").encode()
        file += body + (b"\r\n" if data.draw(st.integers(0, 9)) == 0 else f"{crc16(body):04X}\r\n".encode())
    same(file)


@few
@given(st.data())
def test_made_tables(data: st.DataObject) -> None:
    draw = data.draw
    forms = [
        "2026-06-01T{:02d}:{:02d}Z",
        "2026-06-01 {:02d}:{:02d}:00+02:00",
        "2026-10-25T{:02d}:{:02d}",
        "{}{:02d}000000",
    ]
    form = draw(st.sampled_from(forms))
    odd_moments = st.sampled_from(
        ["1969-06-01T00:00Z", "0000-06-01T00:00Z", "2026-02-29T00:00Z", "2026-06-31T00:00Z", "2026-06-01T24:00Z",
         "2026-06-01T00:60Z", "2026-06-01T00:00+24:00", "999999999999", "12345678.1", " ", "9999-12-31T23:59Z",
         "2026-06-01x00:00Z", "\u0662\u0660\u0662\u0666-06-01T00:00Z", "2026-13-01T00:00Z"]
    )  # fmt: skip
    odd_cells = st.sampled_from(
        ["", "-1", "-0", "+2", "1e3", ".5", "5.", ".", "1.2.3", "1.250,5", "0,25", "18446744073709551615",
         "18446744073709.551615", "18446744073709.5516159", "18446744073709.551616", "1\0", "\u0663", "9" * 30, " 7 ",
         "0." + "0" * 20 + "1", "1." + "0" * 45, "12345678901234567890"]
    )  # fmt: skip
    cells = st.decimals(0, 1_000, places=4).map(str)
    odd = draw(st.booleans())
    roles = draw(st.lists(st.sampled_from(["import", "export", "import_register", "export_register"]), unique=True))
    length = draw(st.sampled_from(["", "duration", "end"]))
    header = ["start", *([length] if length else []), *roles]
    lines = []
    slots = draw(st.lists(st.integers(0, 30), min_size=1, max_size=12, unique=not odd))
    for slot in slots if odd else sorted(slots):
        moment = form.format(slot // 4 + 10, 15 * (slot % 4))
        line = [draw(odd_moments) if odd and draw(st.integers(0, 9)) == 0 else moment]
        if length == "duration":
            line.append(draw(st.sampled_from(["900", "900", "900", "0", "4294967296", "1.5", "x"])) if odd else "900")
        elif length == "end":
            line.append(form.format((slot + 1) // 4 + 10, 15 * ((slot + 1) % 4)))
        line += [draw(odd_cells) if odd and draw(st.integers(0, 5)) == 0 else draw(cells) for _ in roles]
        lines.append(";".join(line))
    options = TableOptions(
        columns=draw(st.sampled_from([{}, {name: str(at + 1) for at, name in enumerate(header)}])),
        unit=draw(st.sampled_from(["kWh", "Wh", "mWh", "MWh"])),
        decimal_comma=draw(st.booleans()),
        timezone=draw(st.sampled_from([None, ZoneInfo("Europe/Berlin"), timezone(timedelta(hours=1))])),
        duration_s=draw(st.sampled_from([900, 1, 0, 2**32])) if odd else 900,
    )
    same("\n".join([";".join(header), *lines]).encode(), None, options)


def unsigned(*payloads: list[dict[str, object]]) -> bytes:
    """Records whose signatures nobody checks."""
    lines = (json.dumps({"PG": "T1", "MS": "1", "RD": payload}).encode() for payload in payloads)
    return b"\n".join(b"OCMF|" + line + b'|{"SD":"00"}' for line in lines)


def reading(code: str | None, minute: int, value: str = "1", **changes: object) -> dict[str, object]:
    whole = {"TM": f"2026-06-01T08:{minute:02d}:00,000Z S", "TX": code, "RV": value, "RI": "1-b:1.8.0", "RU": "kWh"}
    return {**whole, "EF": "", "ST": "G", **changes}


BEYOND, LATER = "18446744073709.551616", "18446744073709.551617"


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (unsigned([reading("B", 0, BEYOND, TM=None), reading("E", 5)]), "beyond 64 bits"),
        (unsigned([reading("B", 0, TM=None), reading("E", 5, BEYOND)]), "no usable time"),
        (unsigned([reading("B", 0), reading("E", 5, LATER), reading("B", 0, BEYOND)]), "beyond 64 bits"),
        (unsigned([reading("B", 0, TM="1969-12-31T23:59:59,500Z"), reading("E", 5)]), "before 1970"),
        (unsigned([reading("B", 9), reading("E", 5, "0")]), "time runs backwards"),
        (unsigned([reading("B", 0, "2"), reading("E", 5)]), "a register runs backwards"),
        (unsigned([reading("C", 0, "", RV=None)]), "no register"),
    ],
    ids=["register before time", "time of an earlier moment", "first moment", "before 1970", "time before register",
         "register", "none"],
)  # fmt: skip
def test_of_several_faults_the_same_is_named(file: bytes, words: str) -> None:
    error = same(file)
    assert isinstance(error, tuple)
    assert words in error[1]


def test_what_is_seen_between_begin_and_end_marks_the_interval() -> None:
    by_itself = reading(None, 6, "2", EF="t")
    file = unsigned(
        [reading("B", 0), reading("C", 1, ST="M"), reading(None, 2, ST="M", RI="1-b:2.8.0", RU="V"), reading("E", 3)],
        [reading("B", 4), by_itself, reading("E", 6, "2"), reading("E", 7, "2"), reading("C", 8, EF="t")],
        [reading("B", 9, "3")],
    )
    series = same(file)
    assert isinstance(series, list)
    quality = [Quality(flags) for flags in series[0].records["quality"].tolist()]
    assert quality == [
        Quality.METER_ERROR | Quality.TAMPER_DETECTED,  # seen by an update between begin and end
        Quality(0),  # a reading of no transaction, and an update of another one, say nothing about this one
        Quality.CLOCK_UNCERTAIN | Quality.SNAPSHOT,
        Quality.SNAPSHOT,
        Quality.SNAPSHOT,
    ]


def test_a_payload_that_breaks_off_leaves_no_trace() -> None:
    broken = unsigned([reading("B", 0), reading("B", 1, "not a number")], [reading("E", 2)])
    read = read_meter_file(broken, None)
    assert "the transaction's end is here, its begin is not" in read.reasons
    same(broken)


@pytest.mark.parametrize("last", ["0.000000", "0.000001"])
def test_a_running_total_beyond_64_bits_makes_no_records(last: str) -> None:
    half, other = "9223372036854.775807", "9223372036854.775808"
    rows_ = (f"2026-06-01T0{hour}:00Z;{value}" for hour, value in enumerate((half, other, last, "0.000000")))
    file = "\n".join(("start;import", *rows_)).encode()
    same(file, None, TableOptions(duration_s=3600))
    assert (read_meter_file(file, None, TableOptions(duration_s=3600)).records is None) == (last != "0.000000")


BODY = b"/TST5\\2M\r\n\r\n0-0:1.0.0(260701120000S)\r\n1-0:1.8.1(000001.500*kWh)\r\n!"
TELEGRAM = BODY + f"{crc16(BODY):04X}\r\n".encode()
TABLE = b"start,duration,import_kwh\n2026-06-01T00:00Z,900,0.25\n2026-06-01T00:15Z,900,0.5\n"
SEEDS = [SESSIONS[0].telegram, SESSIONS[0].telegram + b"\n" + SESSIONS[0].telegram, TELEGRAM * 2, TABLE]


changes_of_bytes = st.tuples(st.integers(0, 2000), st.integers(0, 3), st.binary(min_size=1, max_size=9))


@few
@given(st.sampled_from(SEEDS), st.lists(changes_of_bytes, max_size=4))
def test_changed_files(seed: bytes, changes: list[tuple[int, int, bytes]]) -> None:
    data = bytearray(seed)
    for place, kind, piece in changes:
        at = place % (len(data) or 1)
        if kind == 0:
            data[at : at + 1] = piece[:1]
        elif kind == 1:
            del data[at : at + len(piece)]
        elif kind == 2:
            data[at:at] = piece
        else:
            data[at:at] = data[at : at + 4 * len(piece)]
    for key in (parse_public_key(SESSIONS[0].public_key), None):
        same(bytes(data), key)


@pytest.mark.parametrize("curve", ["secp256r1", "secp256k1"])
def test_what_holds_together_holds_alone(curve: str) -> None:
    """Pairs (r, s) of any range, under keys on and off the curve: together never says yes where alone says no."""
    private, order = PRIVATE[PRIVATE_NAMES[curve], 7], ORDERS[curve]
    message = b"what was signed"
    r, s = utils.decode_dss_signature(private.sign(message, ec.ECDSA(hashes.SHA256())))
    key = spki(private)
    off = MeterPublicKey(key.point[:63] + bytes([key.point[63] ^ 1]), key.curve)
    numbers = [0, 1, r, s, order - s, order - 1, order, order + 1, 2**256 - 1]
    checks = [
        (held, bits, message, DecodedSignature(one, other))
        for held in (key, off, spki(PRIVATE[PRIVATE_NAMES[curve], 8]), MeterPublicKey(key.point, None))
        for bits in ("256", "384")
        for one in numbers
        for other in numbers
    ]
    together = hold_together([*checks, None])
    assert together.pop() is False
    assert together == [outcome(partial(verify_signature, *check)) is None for check in checks]
    assert sum(together) == 2  # s and n - s


def test_a_signature_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """From file to series no telegram whose signature holds is judged a second time or by the plain rule."""
    judged: list[int] = []
    original = recognise.hold_together

    def counted(checks: Any) -> list[bool]:
        judged.append(len(checks))
        return original(checks)

    monkeypatch.setattr(recognise, "hold_together", counted)
    monkeypatch.setattr(ocmf_envelope, "hold_together", None)
    monkeypatch.setattr(ocmf_envelope, "verify_signature", None)
    key = parse_public_key(SESSIONS[0].public_key)
    file = SESSIONS[0].telegram + b"\n" + SESSIONS[0].telegram.replace(b"OCMF|", b"  OCMF|")
    read = read_meter_file(file, key)
    assert read.signature is SignatureVerdict.VALID
    outcome(partial(imported_series, read))
    assert judged == [2]


def test_columns_vouch_for_their_own_telegrams_and_key_alone() -> None:
    """A result that somebody put together is verified again, whatever columns it carries."""
    keys = [parse_public_key(session.public_key) for session in SESSIONS]
    first, second = (read_meter_file(session.telegram, key) for session, key in zip(SESSIONS, keys, strict=True))
    (good,) = imported_series(first)
    changed = (SESSIONS[0].telegram.replace(b"DEMO0000", b"DEMO0001"),)
    for forged in (
        replace(first, telegrams=changed),
        replace(first, public_key=second.public_key),
        replace(first, telegrams=second.telegrams),
        replace(first, telegrams=changed, columns=None),
    ):
        error = outcome(partial(imported_series, forged))
        assert isinstance(error, tuple)
        assert error[0].__name__ == "MeterSignatureInvalid"
    unchecked = read_meter_file(SESSIONS[0].telegram, None)
    promoted = replace(unchecked, signature=SignatureVerdict.VALID, public_key=first.public_key)
    (series,) = imported_series(promoted)  # columns without a verdict are verified, and hold
    assert series.records.tobytes() == good.records.tobytes()
