from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from wattest.metering.billing_rules import NotImportable
from wattest.metering.entry import EntryKind, SeriesEntry
from wattest.metering.imported import ImportedSeries, imported_series
from wattest.metering.readers.ocmf import read_ocmf
from wattest.metering.readers.public_key import CURVES, MalformedPublicKey, parse_public_key, parse_public_key_bytes
from wattest.metering.readers.recognise import read_meter_file
from wattest.metering.reading import ImportedFile
from wattest.metering.records import Quality
from wattest.metering.series import build_series_tree
from wattest.metering.series_block import (
    SeriesBlock,
    SeriesMismatch,
    parse_series_block,
    telegrams_evidence,
    verify_series_block,
)

KEY = ec.derive_private_key(7, ec.SECP256R1())
OTHER = ec.derive_private_key(8, ec.SECP256R1())


def spki(key: ec.EllipticCurvePrivateKey = KEY) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def row(code: str | None, value: str, minute: int = 0, **changes: object) -> dict[str, object]:
    fields = {
        "TM": f"2026-06-01T10:{minute:02d}:00,000+0200 S",
        "TX": code,
        "RV": value,
        "RI": "1-b:1.8.0",
        "RU": "kWh",
    }
    return {name: item for name, item in (fields | {"EF": "", "ST": "G"} | changes).items() if item is not None}


def record(
    *rows: dict[str, object], page: str = "T1", key: ec.EllipticCurvePrivateKey = KEY, **fields: object
) -> bytes:
    payload = json.dumps({"FV": "1.0", "PG": page, "MS": "1", "RD": list(rows)}).encode()
    section: dict[str, object] = {"SD": key.sign(payload, ec.ECDSA(hashes.SHA256())).hex()}
    return b"OCMF|" + payload + b"|" + json.dumps(section | fields).encode()


def read(data: bytes, key: ec.EllipticCurvePrivateKey | None = KEY) -> ImportedFile:
    return read_ocmf(data, parse_public_key_bytes(spki(key)) if key else None)


def sealed(series: ImportedSeries) -> SeriesBlock:
    root = build_series_tree(series.records, bytes(32)).root
    entry = SeriesEntry(
        EntryKind.SIGNED_TELEGRAMS, bytes(32), series.period_start, series.period_end, len(series.records), root,
        telegrams_evidence(series.telegrams),
    )  # fmt: skip
    return SeriesBlock(entry, series.records, public_key=series.public_key, telegrams=series.telegrams)


def test_every_real_file_is_judged_as_its_manifest_says(real_data: Path) -> None:
    samples = json.loads((real_data / "ocmf/manifest.json").read_text())["samples"]
    assert samples
    for sample in samples:
        data = (real_data / "ocmf" / sample["file"]).read_bytes()
        expected = "invalid" if sample["expected"] == "invalid" else "valid"
        for ending in (b"", b"\n", b"\r\n"):
            imported = read_meter_file(data + ending, parse_public_key(sample["public_key"]))
            assert imported.signature == expected, sample["id"]
        assert read_meter_file(data, None).signature == "unchecked"
        assert imported.exit_code == (4 if expected == "invalid" else 0)
        if expected == "valid":
            series = imported_series(imported)[0]
            verify_series_block(parse_series_block(sealed(series).to_bytes()), bytes(32))


@pytest.mark.parametrize("curve", [curve for curve in CURVES if curve.implementation], ids=lambda curve: curve.name)
def test_every_curve_verifies_and_a_changed_byte_does_not(curve) -> None:  # type: ignore[no-untyped-def]
    key = ec.derive_private_key(12345, curve.implementation())
    data = record(row("B", "1.0"), key=key, SA=f"ECDSA-{curve.name}-SHA256")
    assert read(data, key).signature == "valid"
    assert read(data.replace(b"1.0", b"1.1", 1), key).signature == "invalid"
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    for text in (point.hex(), point[1:].hex()):
        assert read_ocmf(data, parse_public_key(text)).signature == "valid"
    compressed = key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert parse_public_key(pem).to_spki() == spki(key)
    assert len(compressed) == 1 + curve.coordinate_bytes


def test_values_are_exact_decimals() -> None:
    payload = (
        b'{"PG":"T1","RD":[{"TM":"2026-06-01T10:00:00,000Z","RV":0.1234567890123,"RI":"1-b:1.8.0","RU":"kWh","ST":"G"},'
        b'{"RV":0.3,"RU":"mOhm"}]}'
    )
    data = b"OCMF|" + payload + b'|{"SD":"' + KEY.sign(payload, ec.ECDSA(hashes.SHA256())).hex().encode() + b'"}'
    first, second = (reading.as_dict() for reading in read(data).readings)
    assert first["value_milliwatt_hours"] == "123456.7890123"
    assert (second["value"], second["unit"], second["time"]) == ("0.3", "mOhm", "2026-06-01T10:00:00+00:00")


def test_several_records_and_the_worst_verdict() -> None:
    begin, end = record(row("B", "1.0")), record(row("E", "2.5", 30), page="T2")
    good = read(begin + b"\r\n" + end + b"\n")
    assert (good.signature, good.billable, len(good.telegrams)) == ("valid", True, 2)
    series = imported_series(good)[0]
    assert series.records["import_milliwatt_hours"].tolist() == [1_500_000]
    assert series.records["source_digest"][0].tobytes() == hashlib.sha256(end).digest()
    verify_series_block(parse_series_block(sealed(series).to_bytes()), bytes(32))

    forged = read(begin + b"\n" + record(row("E", "2.5", 30), page="T2", key=OTHER))
    assert (forged.signature, forged.exit_code, forged.billable) == ("invalid", 4, False)
    with pytest.raises(NotImportable):
        imported_series(forged)
    missing = read(begin + b"\n" + record(row("E", "2.5", 30), page="T3"))
    assert (missing.signature, missing.billable) == ("valid", False)
    assert any("pages are missing" in reason for reason in missing.reasons)


def test_a_block_of_telegrams_with_changed_records_is_refused() -> None:
    series = imported_series(read(record(row("B", "1.0"), row("E", "2.0", 30))))[0]
    records = series.records.copy()
    records["import_milliwatt_hours"] += 1
    changed = ImportedSeries(
        **{name: getattr(series, name) for name in series.__dataclass_fields__} | {"records": records}
    )
    with pytest.raises(SeriesMismatch, match="do not follow"):
        verify_series_block(sealed(changed), bytes(32))


def test_a_status_changes_the_bill_and_not_the_signature() -> None:
    for changes in ({"ST": "E"}, {"ST": None}, {"EF": "t"}, {"EF": "E"}):
        imported = read(record(row("B", "1.0"), row("E", "2.0", 30, **changes)))
        expected = changes == {"ST": None}  # omitted: inherited from the reading before
        assert (imported.signature, imported.billable) == ("valid", expected), changes
    flagged = imported_series(read(record(row("B", "1.0"), row("E", "2.0", 30, ST="M"))))[0]
    assert Quality(int(flagged.records["quality"][0])) == Quality.METER_ERROR | Quality.TAMPER_DETECTED


def test_a_lone_reading_is_a_snapshot() -> None:
    series = imported_series(read(record(row("B", "12.5"))))[0]
    assert series.records["duration_s"].tolist() == [0]
    assert series.records["import_register"].tolist() == [12_500_000]
    assert series.period_end == series.period_start + 1
    assert Quality(int(series.records["quality"][0])) is Quality.SNAPSHOT


def test_without_a_key_it_is_unchecked_and_imports_as_unsigned() -> None:
    imported = read(record(row("B", "1.0"), row("E", "2.0", 30)), None)
    assert (imported.signature, imported.billable, imported.exit_code) == ("unchecked", False, 0)
    assert imported_series(imported)[0].kind is EntryKind.UNSIGNED_SOURCE


def test_registers_listed_one_after_the_other_share_an_interval() -> None:
    out = {"RI": "1-0:2.8.0.FF"}
    old = {"RI": "1-0:98.8.0.FF"}
    rows = (row("B", "0.0", **old), row("E", "1.0", 30, **old), row("B", "1.0", **out), row("E", "3.0", 30, **out))
    records = imported_series(read(record(*rows)))[0].records
    assert records["import_milliwatt_hours"].tolist() == [1_000_000]
    assert records["export_milliwatt_hours"].tolist() == [2_000_000]
    assert records["duration_s"].tolist() == [1800]


def test_a_register_that_runs_backwards_makes_no_series() -> None:
    with pytest.raises(NotImportable, match="backwards"):
        imported_series(read(record(row("B", "2.0"), row("E", "1.0", 30))))


@pytest.mark.parametrize(
    ("data", "signature", "code"),
    [
        (b'OCMF|{"RD":[]}', "absent", 3),
        (b'OCMF|{"RD":[]}|{"SD":"30', "unchecked", 3),
        (record(row("B", "1.0")) + b"x", "unchecked", 3),
        (record(row("B", "1.0"))[:-1], "unchecked", 3),
        (record(row("B", "1.0"))[:60], "absent", 3),
        (record(row("B", "1.0"), SD=""), "absent", 3),
        (record(row("B", "1.0"), SD="30 06 02"), "invalid", 4),
        (record(row("B", "1e99")), "valid", 3),
        (record(row("B", "abc")), "valid", 3),
        (record({"TM": "yesterday", "RV": "1"}), "valid", 3),
        (record(), "valid", 3),
        (record(row("B", "1.0")).replace(b'"PG": "T1"', b'"PG": "T1", "PG": "T1"'), "invalid", 4),
    ],
)
def test_bad_input_is_a_verdict_with_a_reason(data: bytes, signature: str, code: int) -> None:
    imported = read(data)
    assert (imported.signature, imported.exit_code) == (signature, code), imported.reasons
    assert imported.reasons
    assert not imported.billable


def test_deep_nesting_is_refused_and_not_a_crash() -> None:
    assert read(b"OCMF|" + b"[" * 200_000 + b'|{"SD":"00"}').exit_code == 4


def test_a_container_does_not_vouch_for_itself() -> None:
    text = record(row("B", "1.0")).decode().replace('"', "&quot;")
    own = f"<publicKey encoding='hex'>{spki().hex()}</publicKey>"
    signed = f"<signedData format='OCMF' encoding='plain'>{text}</signedData>"
    xml = f"<?xml version='1.0'?><values><value>{signed}{own}</value></values>"
    assert read_meter_file(xml.encode(), None).signature == "unchecked"
    assert read_meter_file(xml.encode(), parse_public_key_bytes(spki())).signature == "valid"
    assert read_meter_file(xml.replace("1.0&quot;", "1.1&quot;").encode(), None).signature == "invalid"
    assert read_meter_file(xml.encode(), parse_public_key_bytes(spki(OTHER))).signature == "invalid"
    with pytest.raises(Exception, match="document type"):
        read_meter_file(xml.replace("<values>", "<!DOCTYPE a [<!ENTITY b 'c'>]><values>").encode(), None)


@pytest.mark.parametrize("text", ["", "zz", "00" * 64 + "00", "3059", "04" + "00" * 10, "A" * 5000])
def test_keys_that_are_none(text: str) -> None:
    with pytest.raises(MalformedPublicKey):
        parse_public_key(text)


def test_a_point_off_the_curve_is_invalid_and_not_a_crash() -> None:
    assert read_ocmf(record(row("B", "1.0")), parse_public_key("04" + "01" * 64)).signature == "invalid"
