"""What cannot be billed: each rule beside a file that keeps it, and one verdict for reader and importer."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from meter_report import verify_report

from wattest.metering.billing_rules import BillingRule, NotImportable
from wattest.metering.imported import imported_series
from wattest.metering.readers.dsmr import crc16
from wattest.metering.readers.interval_csv import TableOptions
from wattest.metering.readers.public_key import parse_public_key_bytes
from wattest.metering.readers.recognise import read_meter_file
from wattest.metering.reading import ImportedFile, MalformedMeterFile
from wattest.metering.records import Quality

PRIVATE = ec.derive_private_key(7, ec.SECP256R1())
KEY = parse_public_key_bytes(PRIVATE.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
IMPORT, EXPORT, BASIC = "1-0:1.8.0", "1-0:2.8.0", "1-0:B0.8.0"
RULES = BillingRule


def row(code: str | None, value: object, minute: int = 0, **changes: object) -> dict[str, object]:
    fields = {"TM": f"2026-06-01T10:{minute:02d}:00,000+0200 S", "TX": code, "RV": value, "RI": IMPORT, "RU": "kWh"}
    return fields | {"EF": "", "ST": "G"} | changes


def signed(*rows: dict[str, object], **fields: object) -> bytes:
    payload = json.dumps({"FV": "1.0", "PG": "T1", "MS": "1", "IS": True, "RD": list(rows)} | fields).encode()
    return (
        b"OCMF|" + payload + b"|" + json.dumps({"SD": PRIVATE.sign(payload, ec.ECDSA(hashes.SHA256())).hex()}).encode()
    )


def session(begin: dict[str, object] | None = None, end: dict[str, object] | None = None, **fields: object) -> bytes:
    """Begin and end of one transaction, with whatever is changed in either."""
    return signed(row("B", 1, 0) | (begin or {}), row("E", 2, 30) | (end or {}), **fields)


def rules(imported: ImportedFile) -> set[BillingRule]:
    return {objection.rule for objection in imported.objections}


def judged(data: bytes, table: TableOptions | None = None) -> ImportedFile:
    """A file as read, after reader, verdict and importer were found to say the same of it."""
    imported = read_meter_file(data, KEY, table)
    verify_report(imported)
    return imported


@pytest.mark.parametrize(
    "data",
    [
        session(),
        session(FV="1.4", IS=False, IL="NONE"),
        session(FV="0.1", IS="VERIFIED"),
        session(FV=1.3),
        session({"CL": 0}, {"CL": "0.25"}),
        session({"TM": "2026-06-01T10:00:00,000+0200 U"}),
        signed(row(None, 1), row(None, 1, 15), row(None, 3, 30)),
        signed(row("B", 1), row("B", 5, RI=EXPORT), row("E", 2, 30), row("E", 5, 30, RI=EXPORT)),
        signed(row("B", 1), row("C", 9, 10, RI=BASIC), row("E", 2, 30)),
        signed(row("B", 1), row("E", 1)),
    ],
    ids=["plain", "newest version", "level before 1.0", "version as a number", "loss reset at begin", "unsynchronised",
         "fiscal", "both directions", "another register while charging", "nothing charged"],
)  # fmt: skip
def test_what_can_be_billed(data: bytes) -> None:
    imported = judged(data)
    assert imported.billable, imported.reasons
    assert imported.as_dict("x")["objections"] == []


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (session(end={"RV": 0.5}), RULES.REGISTER_BACKWARDS),
        (session({"RV": -1}), RULES.REGISTER_OUT_OF_RANGE),
        (session({"RV": "18446744073710"}), RULES.REGISTER_OUT_OF_RANGE),
        (session(end={"TM": "2026-06-01T09:59:59,000+0200 S"}), RULES.TIME_BACKWARDS),
        (session(end={"TM": "2026-06-01T10:00:00,999+0200 S"}), RULES.TIME_BACKWARDS),
        (session(end={"TM": None}), RULES.TIME_MISSING),
        (session({"TM": "2026-06-01T10:00:00,000 S"}), RULES.TIME_MISSING),
        (session({"TM": "1969-12-31T23:59:59,000Z S"}), RULES.TIME_OUT_OF_RANGE),
        (session(end={"RI": EXPORT}), RULES.REGISTERS_DIFFER),
        (session({"RV": 0}, {"RI": EXPORT}), RULES.REGISTERS_DIFFER),
        (session(end={"RI": BASIC}), RULES.REGISTERS_DIFFER),
        (session(end={"RI": "1-0:32.7.0", "RU": "V"}), RULES.REGISTERS_DIFFER),
        (session({"RU": "V"}), RULES.REGISTERS_DIFFER),
        (signed(row("B", 1), row("E", 2, 30), row("E", 1, 30, RI=EXPORT)), RULES.REGISTERS_DIFFER),
        (signed(row("B", 1), row("B", 2), row("E", 3, 30)), RULES.REGISTERS_DIFFER),
        (signed(row(None, 1), row(None, 2, 15, RI=BASIC)), RULES.REGISTERS_DIFFER),
        (signed(row("B", 1, RU="V"), row("E", 2, 30, RU="V")), RULES.NO_REGISTER),
        (b"\n".join(signed(row(None, 1), PG=f"F{page}") for page in "123"), RULES.READINGS_OVERLAP),
        (session() + b"\n" + signed(row("B", 2), row("E", 3, 30), PG="T2", MS="2"), RULES.SEVERAL_METERS),
        (session({"RV": "x"}), RULES.FORMAT_BROKEN),
        (session({"CL": [1]}), RULES.FORMAT_BROKEN),
        (session()[:-1] + b',"x":}', RULES.FORMAT_BROKEN),
        (session().replace(b'"RV": 2', b'"RV": 3'), RULES.SIGNATURE_INVALID),
    ],
)
def test_what_makes_no_series(data: bytes, rule: BillingRule) -> None:
    imported = judged(data)
    assert rule in rules(imported), imported.reasons
    assert rule.forbids_series
    with pytest.raises(NotImportable) as refused:
        imported_series(imported)
    assert refused.value.rule == rule
    assert refused.value.fields["rule"] == str(rule)


@pytest.mark.parametrize(
    ("data", "rule", "words"),
    [
        (session(FV="0.1", IS="MISMATCH"), RULES.USER_ASSIGNMENT, "MISMATCH"),
        (session(FV="1.0", IS="MISMATCH"), RULES.USER_ASSIGNMENT, "MISMATCH"),
        (session(IL="OUTDATED"), RULES.USER_ASSIGNMENT, "OUTDATED"),
        (session(IL="verified"), RULES.USER_ASSIGNMENT, "verified"),
        (session(FV="2.0"), RULES.FORMAT_VERSION, "2.0"),
        (session(FV="0.5"), RULES.FORMAT_VERSION, "0.5"),
        (session(FV=""), RULES.FORMAT_VERSION, "''"),
        (session(FV=None), RULES.FORMAT_VERSION, "''"),
        (session(FV=[1]), RULES.FORMAT_VERSION, "''"),
        (session({"CL": 0.001}), RULES.LOSS, "not zero"),
        (session(end={"CL": "-1"}), RULES.LOSS, "negative"),
        (session(end={"TM": "2026-06-01T10:30:00,000+0200 Q"}), RULES.CLOCK_MARK, "'Q'"),
        (session(end={"TM": "2026-06-01T10:30:00,000+0200 s"}), RULES.CLOCK_MARK, "'s'"),
        (session(end={"ST": "F"}), RULES.METER_STATUS, "status F"),
        (session(end={"EF": "E"}), RULES.ERROR_FLAG, "energy"),
        (signed(row("B", 1), row("X", 2, 10), row("E", 2, 30)), RULES.EXCEPTION, "exception"),
        (signed(row("B", 1), row("E", 2, 30), row("C", -1, 40, RI=BASIC)), RULES.NEGATIVE_ENERGY, "negative"),
        (session() + b"\n" + signed(row("B", 2, 40), row("E", 3, 50), PG="T3"), RULES.PAGES, "missing"),
    ],
)
def test_what_cannot_be_billed_and_still_makes_a_series(data: bytes, rule: BillingRule, words: str) -> None:
    imported = judged(data)
    assert (imported.signature, imported.exit_code) == ("valid", 0)
    assert rules(imported) == {rule}
    assert not rule.forbids_series
    (shown,) = json.loads(json.dumps(imported.as_dict("x")))["objections"]
    assert shown["rule"] == str(rule)
    assert words in shown["text"]
    assert any(shown["text"] in reason for reason in imported.reasons)
    assert len(imported_series(imported)) == 1


def test_an_unknown_clock_mark_marks_the_record() -> None:
    known, unknown = (session(end={"TM": f"2026-06-01T10:30:00,000+0200 {mark}"}) for mark in "SQ")
    quality = [int(imported_series(read_meter_file(data, KEY))[0].records["quality"][0]) for data in (known, unknown)]
    assert quality == [0, int(Quality.CLOCK_UNCERTAIN)]


def test_an_objection_names_its_record() -> None:
    file = session() + b"\n" + signed(row("B", 3, 40), row("E", 2, 50), PG="T2")
    (objection,) = judged(file).objections
    assert (objection.rule, objection.record) == (RULES.REGISTER_BACKWARDS, 2)
    assert "record 2: a register runs backwards between two readings" in judged(file).reasons


def telegram(stamp: str, *lines: str) -> bytes:
    body = ("/TST5\\2M\r\n\r\n" + "".join(f"{line}\r\n" for line in (f"0-0:1.0.0({stamp})", *lines)) + "!").encode()
    return body + f"{crc16(body):04X}\r\n".encode()


def p1(*lines: str) -> bytes:
    """Two telegrams, a quarter of an hour apart: the lines of the first, then of the second after a line of dashes."""
    at = lines.index("-")
    return telegram("260701120000S", *lines[:at]) + telegram("260701121500S", *lines[at + 1 :])


T1, T2, TOTAL, OUT = "1-0:1.8.1(1*kWh)", "1-0:1.8.2(1*kWh)", "1-0:1.8.0(2*kWh)", "1-0:2.8.1(1*kWh)"


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (p1(T1, OUT, "-", T1, OUT), None),
        (p1(T1, "1-0:1.8.1*255(1*kWh)", "-", T1), None),
        (p1(T1, T2, "-", T1), RULES.REGISTERS_DIFFER),
        (p1(T1, "-", T1, T2), RULES.REGISTERS_DIFFER),
        (p1(T1, "-", T1, OUT), RULES.REGISTERS_DIFFER),
        (p1(TOTAL, "-", T1, T2), RULES.REGISTERS_DIFFER),
        (p1(T1, "1-0:1.8.1(2*kWh)", "-", T1), RULES.REGISTERS_DIFFER),
        (p1(T1, "1-1:1.8.1(2*kWh)", "-", T1), RULES.REGISTERS_DIFFER),
        (p1(OUT, "-", OUT), RULES.NO_REGISTER),
        (p1(T1, "1-0:2.8.1(1,5*kWh)", "-", T1), RULES.ENERGY_UNKNOWN),
        (p1(T1, "1-0:1.8.2()", "-", T1), RULES.ENERGY_UNKNOWN),
        (p1(T1, "1-0:1.8.2(1*V)", "-", T1), RULES.ENERGY_UNKNOWN),
        (p1(T1, "-", "1-0:1.8.1(0.5*kWh)"), RULES.REGISTER_BACKWARDS),
        (telegram("260701120000S", T1) * 3, RULES.READINGS_OVERLAP),
        (telegram("260701120000S", T1) + telegram("260701115959S", T1), RULES.TIME_BACKWARDS),
        (telegram("632525252525S", T1), RULES.TIME_MISSING),
        (telegram("260701120000S", T1) + telegram("260701121500S", T1, "0-0:96.1.1(4B)"), RULES.SEVERAL_METERS),
        (telegram("260701120000S", T1).replace(b"(1*kWh)", b"(2*kWh)"), RULES.CHECKSUM_FAILED),
    ],
)
def test_telegrams_that_make_no_series(data: bytes, rule: BillingRule | None) -> None:
    imported = judged(data)
    assert rules(imported) == {RULES.SIGNATURE_ABSENT} | ({rule} if rule else set()), imported.reasons


@pytest.mark.parametrize(
    ("header", "rows_", "rule"),
    [
        ("start;import;import_register", ("10:00Z;1;5", "10:15Z;1;6"), None),
        ("start;import;import_register", ("10:00Z;1;5", "10:15Z;1;4"), RULES.REGISTER_BACKWARDS),
        ("start;import_register", ("10:00Z;5", "10:15Z;6"), RULES.ENERGY_UNKNOWN),
        ("start;import", ("10:00Z;1", "10:14Z;1"), RULES.READINGS_OVERLAP),
        ("start;import", ("10:00Z;18446744073709", "10:15Z;18446744073709"), RULES.REGISTER_OUT_OF_RANGE),
    ],
)
def test_tables_that_make_no_series(header: str, rows_: tuple[str, ...], rule: BillingRule | None) -> None:
    imported = judged("\n".join((header, *(f"2026-06-01T{line}" for line in rows_))).encode(), TableOptions())
    assert rules(imported) == {RULES.SIGNATURE_ABSENT} | ({rule} if rule else set()), imported.reasons


moments = st.sampled_from(["2026-06-01T10:00:00Z S", "2026-06-01T10:15:00Z S", "2026-06-01T10:30:00Z I", None])
readings = st.fixed_dictionaries(
    {},
    optional={
        "TM": moments,
        "TX": st.sampled_from(["B", "E", None, "C", "X", "L"]),
        "RV": st.one_of(st.integers(0, 4), st.sampled_from([None, -1, "", "1e20", "x"])),
        "RI": st.sampled_from([IMPORT, EXPORT, BASIC, "1-0:32.7.0"]),
        "RU": st.sampled_from(["kWh", "kWh", "kWh", "V"]),
        "CL": st.sampled_from([0, 0.5, None]),
    },
)
payloads = st.tuples(
    st.lists(readings, min_size=1, max_size=4),
    st.sampled_from(["1.0", "1.0", "0.1", "3.0"]),
    st.sampled_from([True, "VERIFIED", "MISMATCH"]),
    st.sampled_from(["1", "1", "1", "2"]),
)


@given(st.lists(payloads, min_size=1, max_size=3))
def test_reader_verdict_and_importer_agree(made: list[tuple[list[dict[str, object]], str, object, str]]) -> None:
    plain = row("B", 1)
    records = [
        signed(*(plain | changes for changes in rows_), FV=version, IS=status, MS=serial, PG=f"T{number}")
        for number, (rows_, version, status, serial) in enumerate(made, start=1)
    ]
    judged(b"\n".join(records))


def cut(data: bytes, place: int) -> bytes:
    return data[:place]


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :]


@given(
    st.sampled_from([session(), session() + b"\n" + session(PG="T2"), p1(T1, OUT, "-", T1, OUT)]),
    st.sampled_from([cut, flipped]),
    st.data(),
)
def test_they_agree_on_damaged_files(data: bytes, damage: Callable[[bytes, int], bytes], draw: st.DataObject) -> None:
    damaged = damage(data, draw.draw(st.integers(0, len(data) - 1)))
    try:
        read_meter_file(damaged, KEY)
    except MalformedMeterFile:
        return
    imported = judged(damaged)
    assert not imported.billable or damaged.rstrip() in (data, session())
