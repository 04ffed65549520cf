"""Write vectors/metering/ocmf_transactions.json: signed OCMF records, how begins and ends pair, what goes wrong.

Records that must follow are computed from the moments that were put in, signatures by ``crypto_reference``. ``--check``
writes nothing and exits 1 if the file differs. ``check_ocmf_transactions.py`` reads the files again without wattest and
without this. Rules: docs/spec/meter-files.md.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import crypto_reference as reference
from signature_encodings import pair, tlv

OUT = Path(__file__).parent / "metering" / "ocmf_transactions.json"
START = 1_780_272_000  # 2026-06-01T00:00Z
SEED = hashlib.sha256(b"wattest vectors ocmf transactions").digest()
OTHER_SEED = hashlib.sha256(b"wattest vectors ocmf transactions, another meter").digest()
SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
CLOCK_UNCERTAIN, METER_ERROR, POWER_LOST, TAMPER, SNAPSHOT = 0x01, 0x02, 0x04, 0x08, 0x10
BASE = 100_000  # watt-hours that the register shows at the first minute
Case = dict[str, Any]
Row = list[int]


def time(minute: float, mark: str | None = "S", hours: int = 2) -> str:
    """A time as OCMF writes it, at an offset from UTC."""
    local = datetime.fromtimestamp(START + 60 * minute, timezone(timedelta(hours=hours)))
    text = f"{local:%Y-%m-%dT%H:%M:%S},{local.microsecond // 1000:03d}{local:%z}"
    return text if mark is None else f"{text} {mark}"


def reading(minute: float, code: str | None, wh: int, **more: Any) -> dict[str, Any]:
    """An element of RD, complete; a field given as ``...`` is left out."""
    fields = {
        "TM": time(minute), "TX": code, "RV": f"{wh / 1000:.3f}", "RI": "1-b:1.8.0", "RU": "kWh", "RT": "AC",
        "EF": "", "ST": "G",
    } | more  # fmt: skip
    return {name: value for name, value in fields.items() if value is not ... and not (name == "TX" and value is None)}


def begin(minute: float = 0, wh: int = BASE, **more: Any) -> dict[str, Any]:
    """The beginning of a transaction."""
    return reading(minute, "B", wh, **more)


def end(minute: float = 60, wh: int = BASE + 2300, code: str = "E", **more: Any) -> dict[str, Any]:
    """The end of one."""
    return reading(minute, code, wh, **more)


def record(*readings: dict[str, Any], seed: bytes = SEED, signed: bytes | None = None, **more: Any) -> bytes:
    """A signed record; ``signed`` is what the signature is made over where it is not the payload."""
    fields = {"FV": "1.0", "GI": "vector", "GS": "7", "PG": "T1", "MS": "4711", "IS": False, "IL": "NONE", "IF": [],
              "IT": "NONE"} | more | {"RD": list(readings)}  # fmt: skip
    payload = json.dumps(fields, separators=(",", ":")).encode()
    r, s, _ = reference.P256.sign(seed, hashlib.sha256(payload if signed is None else signed).digest())
    return b"OCMF|" + payload + b"|" + json.dumps({"SD": tlv(0x30, pair(r, s)).hex()}).encode()


def span(first: float, last: float, before: int, after: int, flags: int = 0, export: tuple[int, int] = (0, 0)) -> Row:
    """A record from minute to minute, registers in watt-hours."""
    return [int(START + 60 * first), int(START + 60 * last) - int(START + 60 * first), after * 1000, export[1] * 1000,
            (after - before) * 1000, (export[1] - export[0]) * 1000, flags]  # fmt: skip


def alone(minute: float, wh: int, flags: int = 0) -> Row:
    """What has no partner."""
    return span(minute, minute, wh, wh, SNAPSHOT | flags)


def case(
    name: str, records: list[bytes], rows: list[Row] | None, *objections: str, sources: tuple[int, ...] | None = None,
    signature: str = "valid", exit_code: int = 0, key: bool = True, lone: tuple[int, int] = (0, 0),
) -> Case:  # fmt: skip
    """A file; ``sources`` number the record that each row's end comes from, ``lone`` counts begins and ends."""
    places = sources if sources is not None else (0,) * len(rows or [])
    return {
        "name": name, "file": b"\n".join(records).decode("latin-1"), "key": key, "signature": signature,
        "exit_code": exit_code, "objections": sorted(set(objections)), "records": rows,
        "sources": list(places) if signature == "valid" and rows is not None else None,
        "lone": None if rows is None else list(lone),
    }  # fmt: skip


USUAL = span(0, 60, BASE, BASE + 2300)


def pairing() -> Iterator[Case]:
    """Which moments belong together."""
    yield case("begin and end", [record(begin(), end())], [USUAL])
    for code, what in (("L", "local"), ("R", "remote"), ("A", "abort"), ("P", "power failure")):
        flags = POWER_LOST if code == "P" else 0
        row = span(0, 60, BASE, BASE + 2300, flags)
        yield case(f"ended by {what} ({code})", [record(begin(), end(code=code))], [row])
    for code in ("C", "S", "T", "Z"):
        middle = reading(30, code, BASE + 1000)
        yield case(f"{code} between", [record(begin(), middle, end())], [USUAL])
        yield case(f"{code} alone", [record(middle)], None, "no-register")
    yield case("a small letter is another code", [record(begin(), end(code="e"))], [alone(0, BASE)],
               lone=(1, 0))  # fmt: skip
    yield case("a begin alone", [record(begin())], [alone(0, BASE)], lone=(1, 0))
    yield case("an end alone", [record(end())], [alone(60, BASE + 2300)], lone=(0, 1))
    yield case("two begins and an end", [record(begin(), begin(20, BASE + 500), end())],
               [alone(0, BASE), span(20, 60, BASE + 500, BASE + 2300)], lone=(1, 0))  # fmt: skip
    yield case("a begin and two ends", [record(begin(), end(40, BASE + 2000), end())],
               [span(0, 40, BASE, BASE + 2000), alone(60, BASE + 2300)], lone=(0, 1))  # fmt: skip
    yield case("an end and a begin", [record(end(0, BASE), begin(60, BASE))], [alone(0, BASE), alone(60, BASE)],
               lone=(1, 1))  # fmt: skip
    yield case("an end before begin and end", [record(end(-9, BASE), begin(), end())], [alone(-9, BASE), USUAL],
               lone=(0, 1))  # fmt: skip
    yield case("a begin after begin and end", [record(begin(), end(), begin(70, BASE + 2300))],
               [USUAL, alone(70, BASE + 2300)], lone=(1, 0))  # fmt: skip
    second = begin(70, BASE + 2300), end(90, BASE + 2500)
    rows = [USUAL, span(70, 90, BASE + 2300, BASE + 2500)]
    yield case("two transactions in a record", [record(begin(), end(), *second)], rows)
    yield case("two transactions in two records", [record(begin(), end()), record(*second, PG="T2")], rows,
               sources=(0, 1))  # fmt: skip
    yield case("the next begins as one ends", [record(begin(), end(), begin(60, BASE + 2300), second[1])],
               [USUAL, span(60, 90, BASE + 2300, BASE + 2500)])  # fmt: skip
    yield case("two, interleaved", [record(begin(), begin(30, BASE + 100), end(), end(90, BASE + 2500))],
               [alone(0, BASE), span(30, 60, BASE + 100, BASE + 2300), alone(90, BASE + 2500)],
               lone=(1, 1))  # fmt: skip
    apart = [record(begin()), record(end(), PG="T2")]
    yield case("begin and end in two records", apart, [USUAL], sources=(1,))
    between = [apart[0], record(reading(30, "C", BASE + 1000), PG="T2"), record(end(), PG="T3")]
    yield case("begin, charging and end in three records", between, [USUAL], sources=(2,))
    yield case("the end's record first", apart[::-1], [alone(0, BASE), alone(60, BASE + 2300)], "pages", sources=(1, 0),
               lone=(1, 1))  # fmt: skip
    fiscal = [reading(at, None, BASE + wh) for at, wh in ((0, 0), (15, 100), (30, 100))]
    yield case("one reading without a code", [record(fiscal[0], PG="F1")], [alone(0, BASE)])
    chained = [span(0, 15, BASE, BASE + 100), span(15, 30, BASE + 100, BASE + 100)]
    yield case("readings without a code", [record(*fiscal, PG="F1")], chained)
    yield case("readings without a code in three records",
               [record(each, PG=f"F{at}") for at, each in enumerate(fiscal)], chained, sources=(1, 2))  # fmt: skip
    late = record(begin(40, BASE + 100), end(50, BASE + 200))
    yield case("and a transaction after them", [record(*fiscal, PG="F1"), late],
               [*chained, span(40, 50, BASE + 100, BASE + 200)], sources=(0, 0, 1))  # fmt: skip
    yield case("and a transaction among them", [record(*fiscal, PG="F1"), record(begin(5), end(10, BASE + 50))], None,
               "readings-overlap")  # fmt: skip
    yield case("begin and end at one time, alike", [record(begin(), end(0, BASE))], [span(0, 0, BASE, BASE)])


def writing() -> Iterator[Case]:
    """One transaction written in other ways."""
    bare = {"TX": "E", "TM": time(60), "RV": "102.300"}
    yield case("the end inherits the rest", [record(begin(), bare)], [USUAL])
    yield case("the end in Wh", [record(begin(), end(RV="102300", RU="Wh"))], [USUAL])
    yield case("the end in MWh", [record(begin(), end(RV="0.1023", RU="MWh"))], [USUAL])
    yield case("a number for a text", [record(begin(RV=100.0), end(RV=102.3))], [USUAL])
    yield case("blanks around a value", [record(begin(), end(RV="  102.3000 "))], [USUAL])
    yield case("the end at another offset", [record(begin(), end(TM=time(60, hours=0)))], [USUAL])
    yield case("the end in Z", [record(begin(), end(TM=time(60, hours=0).replace("+0000", "Z")))], [USUAL])
    yield case("an offset with a colon", [record(begin(), end(TM=time(60).replace("+0200", "+02:00")))], [USUAL])
    yield case("a point for the comma", [record(begin(), end(TM=time(60).replace(",", ".")))], [USUAL])
    split = [record(begin(TM=time(0.015)), end(TM=time(60.015)))]
    yield case("a fraction of a second is dropped", split, [USUAL])
    yield case("without a clock mark", [record(begin(TM=time(0, None)), end(TM=time(60, None)))], [USUAL])
    for mark, flags in (("I", 0), ("R", 0), ("U", CLOCK_UNCERTAIN)):
        row = span(0, 60, BASE, BASE + 2300, flags)
        yield case(f"clock mark {mark} at the end", [record(begin(), end(TM=time(60, mark)))], [row])
    export = {"RI": "1-b:2.8.0"}
    both = span(0, 60, BASE, BASE + 2300, export=(500, 700))
    exports = begin(0, 500, **export), end(60, 700, **export)
    yield case("both directions", [record(begin(), exports[0], end(), exports[1])], [both])
    yield case("one direction after the other", [record(begin(), end(), *exports)], [both])
    only = [[START, 3600, 0, 700_000, 0, 200_000, 0]]
    yield case("export alone", [record(*exports)], only)
    beside = {"RI": "1-b:B0.8.0"}
    yield case("another register beside, at both",
               [record(begin(), begin(0, 0, **beside), end(), end(60, 2300, **beside))], [USUAL])  # fmt: skip
    beside_first = record(begin(0, 0, **beside), begin(), end(60, 2300, **beside), end())
    yield case("another register beside, first", [beside_first], [span(0, 60, 0, 2300)])
    power = reading(30, "C", 0, RI="1-b:1.7.0", RU="kW", RV="3.7")
    yield case("power between", [record(begin(), power, end())], [USUAL])
    most = 2**64 - 1
    largest = f"{most // 10**6}.{most % 10**6:06d}"
    yield case("the largest register", [record(begin(0, 0), end(RV=largest))], [[START, 3600, most, 0, most, 0, 0]])
    yield case("loss at the end", [record(begin(CL=0), end(CL="0.100"))], [USUAL])
    yield case("no key", [record(begin(), end())], [USUAL], "signature-unchecked", signature="unchecked", key=False)
    summer = [record(begin(TM="2026-10-25T02:30:00,000+0200 S"), end(TM="2026-10-25T02:30:00,000+0100 S"))]
    yield case("over the end of summer time", summer, [[1_792_888_200, 3600, 102_300_000, 0, 2_300_000, 0, 0]])


def faults() -> Iterator[Case]:
    """What makes no series, or one that cannot be billed."""
    yield case("end below begin", [record(begin(), end(60, BASE - 1))], None, "register-backwards")
    yield case("end before begin", [record(begin(), end(-1))], None, "time-backwards")
    yield case("end at the begin's time", [record(begin(), end(0))], None, "time-backwards")
    yield case("end without time", [record(begin(), end(TM=None))], None, "time-missing")
    yield case("begin without offset", [record(begin(TM=time(0)[:-7]), end())], None, "time-missing")
    yield case("before 1970", [record(begin(TM="1969-12-31T23:00:00,000+0000 S"), end())], None, "time-out-of-range")
    yield case("begin without value", [record(begin(RV=...), end())], None, "registers-differ")
    yield case("end without value", [record(begin(), end(RV=...))], None, "registers-differ")
    yield case("end on the other register", [record(begin(), end(RI="1-b:2.8.0"))], None, "registers-differ")
    yield case("end on another register", [record(begin(), end(RI="1-b:B0.8.0"))], None, "registers-differ")
    more = end(60, 700, RI="1-b:2.8.0")
    yield case("export at the end alone", [record(begin(), end(), more)], None, "registers-differ")
    yield case("two values at one time", [record(begin(), end(), end(60, BASE + 2301))], None, "registers-differ")
    yield case("one value twice", [record(begin(), end(), end())], [USUAL])
    yield case("end in another quantity", [record(begin(), end(RU="kW"))], None, "registers-differ")
    yield case("no energy at all", [record(begin(RU="kW"), end(RU="kW"))], None, "no-register")
    yield case("no unit", [record(begin(RU=...), end(RU=...))], None, "no-register")
    yield case("no register named", [record(begin(RI=...), end(RI=...))], None, "no-register")
    yield case("no value at all", [record(begin(RV=...), end(RV=...))], None, "no-register", "no-value")
    yield case("negative", [record(begin(0, -1), end())], None, "negative-energy", "register-out-of-range")
    beyond = f"{2**64 // 10**6}.{2**64 % 10**6:06d}"
    yield case("beyond 64 bits", [record(begin(0, 0), end(RV=beyond))], None, "register-out-of-range")
    twice = record(begin(), end())
    yield case("one record twice", [twice, twice], None, "readings-overlap", "pages")
    overlapping = record(begin(30, BASE + 100), end(90, BASE + 2500), PG="T2")
    yield case("two that overlap", [twice, overlapping], None, "readings-overlap")
    later = {"PG": "T2"}
    second = begin(70, BASE + 2300), end(90, BASE + 2500)
    yield case("another meter", [twice, record(*second, MS="4712", **later)], None, "several-meters")
    yield case("another gateway", [twice, record(*second, GS="8", **later)], None, "several-meters")
    rows = [USUAL, span(70, 90, BASE + 2300, BASE + 2500)]
    for name, page in {"a page missing": "T3", "a page repeated": "T1", "a page back": "T0"}.items():
        yield case(name, [twice, record(*second, PG=page)], rows, "pages", sources=(0, 1))
    yield case("pages of two kinds", [twice, record(*second, PG="F1")], rows, sources=(0, 1))
    stopped = alone(0, BASE, METER_ERROR)
    yield case("an exception for an end", [record(begin(), end(code="X"))], [stopped], "exception", lone=(1, 0))
    broken = span(0, 60, BASE, BASE + 2300, METER_ERROR)
    yield case("an exception between", [record(begin(), reading(30, "X", BASE), end())], [broken], "exception")
    for status in "NTDRXIOSEF":
        yield case(f"status {status} at the end", [record(begin(), end(ST=status))], [broken], "meter-status")
    manipulated = span(0, 60, BASE, BASE + 2300, METER_ERROR | TAMPER)
    yield case("status M at the begin", [record(begin(ST="M"), end())], [manipulated], "meter-status")
    yield case("status M between", [record(begin(), reading(30, "C", BASE, ST="M"), end())], [manipulated],
               "meter-status")  # fmt: skip
    yield case("status M before the begin", [record(reading(-5, "C", BASE, ST="M"), begin(), end())], [USUAL],
               "meter-status")  # fmt: skip
    yield case("no status", [record(begin(ST=...), end(ST=...))], [broken], "meter-status")
    uncertain = span(0, 60, BASE, BASE + 2300, CLOCK_UNCERTAIN)
    yield case("error flag E", [record(begin(), end(EF="E"))], [broken], "error-flag")
    yield case("error flag t", [record(begin(), end(EF="t"))], [uncertain], "error-flag")
    yield case("an unknown error flag", [record(begin(), end(EF="q"))], [USUAL], "error-flag")
    yield case("an unknown clock mark", [record(begin(), end(TM=time(60, "Q")))], [uncertain], "clock-mark")
    yield case("loss at the begin", [record(begin(CL="0.001"), end())], [USUAL], "cumulated-loss")
    yield case("negative loss", [record(begin(), end(CL="-0.001"))], [USUAL], "cumulated-loss")
    yield case("user not assigned", [record(begin(), end(), IL="MISMATCH")], [USUAL], "user-assignment")
    yield case("version 2.0", [record(begin(), end(), FV="2.0")], [USUAL], "format-version")
    everything = [record(begin(CL=1, ST="M"), end(EF="E", TM=time(60, "Q")), IL="OUTDATED", FV="9")]
    yield case("many at once", everything, [span(0, 60, BASE, BASE + 2300, METER_ERROR | TAMPER | CLOCK_UNCERTAIN)],
               "cumulated-loss", "meter-status", "error-flag", "clock-mark", "user-assignment",
               "format-version")  # fmt: skip
    invalid: Any = {"signature": "invalid", "exit_code": 4}
    foreign = record(*second, seed=OTHER_SEED, **later)
    yield case("the second signed by another meter", [twice, foreign], None, "signature-invalid", **invalid)
    payload = twice[5 : twice.rindex(b"|")]
    yield case("the second under the first's signature", [twice, record(*second, signed=payload, **later)], None,
               "signature-invalid", **invalid)  # fmt: skip
    swapped = twice.replace(b'"TX":"B"', b'"TX":"E"', 1)
    yield case("a code changed after signing", [swapped], None, "signature-invalid", **invalid)
    later_end = twice.replace(b"102.300", b"902.300")
    yield case("a register changed after signing", [later_end], None, "signature-invalid", **invalid)
    lost: Any = {"exit_code": 3}
    good = record(*second, **later)
    yield case("the second without a signature section", [twice, good[: good.rindex(b"|")]], None, "format-broken",
               "signature-absent", signature="absent", **lost)  # fmt: skip
    yield case("the second cut in its signature", [twice, good[:-40]], None, "format-broken", "signature-unchecked",
               signature="unchecked", **lost)  # fmt: skip
    yield case("the second's signature empty", [twice, good[: good.rindex(b"|")] + b'|{"SD":""}'], None,
               "format-broken", "signature-absent", signature="absent", **lost)  # fmt: skip
    yield case("no reading", [record()], None, "format-broken", **lost)
    yield case("a second of 60", [record(begin(), end(TM="2026-06-01T02:59:60,000+0200 S"))], None, "format-broken",
               **lost)  # fmt: skip
    yield case("a value that is no number", [record(begin(), end(RV="1O2.3"))], None, "format-broken", **lost)


def main() -> int:
    """Write or compare the file."""
    cases = [*pairing(), *writing(), *faults()]
    assert len({each["name"] for each in cases}) == len(cases)
    head = {"public_key": (SPKI + reference.P256.public_key(SEED)).hex()}
    lines = ",\n".join(json.dumps(each) for each in cases)
    text = f'{{"public_key": {json.dumps(head["public_key"])}, "cases": [\n{lines}\n]}}\n'
    if "--check" not in sys.argv:
        OUT.write_text(text)
    elif not OUT.is_file() or OUT.read_text() != text:
        sys.stderr.write(f"differs from what the generator makes: {OUT.name}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
