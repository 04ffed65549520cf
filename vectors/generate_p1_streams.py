"""Write vectors/metering/p1_streams.json: P1 telegrams one after the other, whole, torn, with noise between.

What must come of a stream follows from what was put into it: registers and times are known before they are written
down, checksums are computed bit by bit. ``--check`` writes nothing and exits 1 if the file differs.
``check_p1_streams.py`` reads the bytes back without wattest and without this. Rules: docs/spec/meter-files.md.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

OUT = Path(__file__).parent / "metering" / "p1_streams.json"
START = 1_780_272_000  # 2026-06-01T00:00Z
CLOCK_UNCERTAIN, SNAPSHOT = 0x01, 0x10
UNSIGNED = "signature-absent"
Case = dict[str, Any]
Row = list[int]


@dataclass(frozen=True)
class Telegram:
    """A telegram to be written; registers in Wh, both tariffs of each direction, at a moment with its letter."""

    at: int
    registers: tuple[int, int, int, int]
    letter: str = "S"
    name: str = "/KFM5KAIFA-METER"
    serial: str = "4530303033303030303030303030303134"
    version: str = "1-3:0.2.8(50)"
    suffix: str = ""
    more: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    eol: str = "\r\n"

    @property
    def stamp(self) -> str:
        """Local time as P1 writes it."""
        hours = 2 if self.letter == "S" else 1
        return (datetime.fromtimestamp(self.at, UTC) + timedelta(hours=hours)).strftime("%y%m%d%H%M%S") + self.letter

    def lines(self) -> list[str]:
        """Every line before the end."""
        codes = ("1-0:1.8.1", "1-0:1.8.2", "1-0:2.8.1", "1-0:2.8.2")
        shown = [
            f"{code}{self.suffix}({wh // 1000:06d}.{wh % 1000:03d}*kWh)"
            for code, wh in zip(codes, self.registers, strict=True)
        ]
        body = [self.version, f"0-0:1.0.0({self.stamp})", f"0-0:96.1.1({self.serial})", *shown]
        kept = [line for line in body if line and not line.startswith(self.left_out or ("-",))]
        return [self.name, "", *kept, *self.more]

    def body(self) -> bytes:
        """``/`` to ``!``."""
        return "".join(line + self.eol for line in self.lines()).encode("latin-1") + b"!"

    def to_bytes(self, digits: str | None = None) -> bytes:
        """With its checksum, or with other digits behind the end."""
        body = self.body()
        shown = f"{crc16(body):04X}" if digits is None else digits
        return body + shown.encode() + self.eol.encode()

    @property
    def point(self) -> tuple[int, int, int]:
        """Time and the two directions in milliwatt-hours."""
        one, two, three, four = self.registers
        return self.at, (one + two) * 1000, (three + four) * 1000


def crc16(data: bytes, value: int = 0) -> int:
    """CRC-16/ARC, one bit after the other, going on from the checksum of what stands before."""
    for octet in data:
        for bit in range(8):
            mixed = (value ^ octet >> bit) & 1
            value = value >> 1 ^ (0xA001 if mixed else 0)
    return value


A = Telegram(START, (1_234_567, 2_000_001, 10, 0))
B = replace(A, at=START + 900, registers=(1_234_817, 2_000_001, 10, 0))
C = replace(A, at=START + 1800, registers=(1_234_817, 2_000_131, 25, 7))
OTHER = replace(A, serial="4530303033303030303030303030303135", at=START + 900)


def rows(*telegrams: Telegram, flags: tuple[int, ...] = ()) -> list[Row]:
    """Records of a chain; of one telegram a snapshot. Flags are those of each record beside."""
    points = [telegram.point for telegram in telegrams]
    if len(points) == 1:
        at, imported, exported = points[0]
        return [[at, 0, imported, exported, 0, 0, SNAPSHOT | (flags[0] if flags else 0)]]
    found = []
    for place, (before, after) in enumerate(pairwise(points)):
        flag = flags[place] if flags else 0
        found.append([before[0], after[0] - before[0], after[1], after[2], after[1] - before[1],
                      after[2] - before[2], flag])  # fmt: skip
    return found


def case(
    name: str, data: bytes, records: list[Row] | None, *objections: str, crc: str = "ok", exit_code: int = 0,
    shown: int | None = None,
) -> Case:  # fmt: skip
    """A stream and what it gives; ``shown`` counts the registers of energy among its readings."""
    return {
        "name": name, "stream": data.hex(), "crc": crc, "exit_code": exit_code,
        "objections": sorted({UNSIGNED, *objections}), "records": records, "energies": shown,
    }  # fmt: skip


def broken(name: str, data: bytes) -> Case:
    """A stream that is refused as a whole."""
    return {"name": name, "stream": data.hex(), "error": "MalformedTelegram"}


def whole() -> Iterator[Case]:
    """Telegrams as a port gives them."""
    a, b, c = (telegram.to_bytes() for telegram in (A, B, C))
    yield case("one telegram", a, rows(A), shown=4)
    yield case("two telegrams", a + b, rows(A, B), shown=8)
    yield case("three telegrams", a + b + c, rows(A, B, C), shown=12)
    yield case("the first and the third", a + c, rows(A, C), shown=8)
    for name, between in {"a blank line": b"\r\n", "many blank lines": b"\r\n" * 9, "blanks": b"  \t", "NUL": bytes(5),
                          "NUL and a blank line": b"\x00\r\n"}.items():  # fmt: skip
        yield case(f"{name} between", a + between + b, rows(A, B), shown=8)
        yield case(f"{name} around", between + a + b + between, rows(A, B), shown=8)
    yield case("a byte order mark", b"\xef\xbb\xbf" + a + b, rows(A, B), shown=8)
    yield case("Ctrl-Z at the end", a + b + b"\x1a", rows(A, B), shown=8)
    yield case("nothing behind the last digits", (a + b)[:-2], rows(A, B), shown=8)
    low = [replace(telegram, eol="\n") for telegram in (A, B)]
    yield case("line feeds alone, checksum over them", b"".join(each.to_bytes() for each in low), rows(A, B), shown=8)
    kept = [each.to_bytes(f"{crc16(one.body()):04X}") for each, one in zip(low, (A, B), strict=True)]
    yield case("line feeds alone, checksum of CR LF", b"".join(kept), rows(A, B), shown=8)
    returned = replace(A, eol="\r").to_bytes(f"{crc16(A.body()):04X}")
    yield case("carriage returns alone", returned, rows(A), shown=4)
    yield case("one telegram with line feeds", a + kept[1] + c, rows(A, B, C), shown=12)
    all_current = [replace(telegram, suffix="*255") for telegram in (A, B, C)]
    yield case("*255", b"".join(each.to_bytes() for each in all_current), rows(A, B, C), shown=12)
    yield case("*255 in the second", a + all_current[1].to_bytes() + c, rows(A, B, C), shown=12)
    earlier = replace(B, more=("1-0:1.8.1*01(000900.000*kWh)",))
    yield case("a register of an earlier period", a + earlier.to_bytes(), rows(A, B), shown=9)
    twice = replace(B, more=("1-0:1.8.1(001234.817*kWh)",))
    yield case("one register twice, alike", a + twice.to_bytes(), rows(A, B), shown=9)
    odd = replace(B, more=("0-1:24.2.1(260601021000S)(00123.456*m3)", "1-0:21.7.0(00.180*kW)"))
    yield case("gas and power beside", a + odd.to_bytes(), rows(A, B), shown=8)
    bang = replace(B, more=("0-0:96.13.0(21)", "0-0:96.13.1()", "0-0:96.13.2(a!b)"))
    yield case("an exclamation mark inside a line", a + bang.to_bytes(), rows(A, B), shown=8)


def checksums() -> Iterator[Case]:
    """Digits that are right, wrong, absent, short and long."""
    a, b, right = A.to_bytes(), B.to_bytes(), f"{crc16(A.body()):04X}"
    wrong = {
        "one more": f"{int(right, 16) + 1 & 0xFFFF:04X}", "octets exchanged": right[2:] + right[:2], "zero": "0000",
        "all ones": "FFFF", "of the next telegram": f"{crc16(B.body()):04X}",
        "without the end mark": f"{crc16(A.body()[:-1]):04X}", "of X-25 (as HDLC has it)": f"{x25(A.body()):04X}",
        "bits reflected": f"{int(f'{int(right, 16):016b}'[::-1], 2):04X}",
    }  # fmt: skip
    for name, digits in wrong.items():
        for place, stream in (("alone", A.to_bytes(digits)), ("first of two", A.to_bytes(digits) + b),
                              ("second of two", B.to_bytes() + A.to_bytes(digits))):  # fmt: skip
            objections = ("checksum-failed",)
            yield case(f"checksum {name}, {place}", stream, None, *objections, crc="failed", exit_code=4)
    yield case("checksum in small letters", A.to_bytes(right.lower()) + b, rows(A, B), shown=8)
    yield case("blanks behind the checksum", A.to_bytes(right + "  \t") + b, rows(A, B), shown=8)
    for count in (1, 2, 3):
        cut = case(f"checksum of {count} digits, cut", A.to_bytes(right[:count]), None, "checksum-failed",
                   crc="failed", exit_code=4)  # fmt: skip
        yield cut
        zero = leading_zeros(4 - count)
        digits = f"{crc16(zero.body()):X}"
        assert len(digits) == count
        yield case(f"checksum of {count} digits, zeros left out", zero.to_bytes(digits), rows(zero), shown=4)
        yield case(f"checksum of {count} digits, zeros there", zero.to_bytes(), rows(zero), shown=4)
    absent: Any = {"crc": "none", "exit_code": 3}
    yield case("checksum absent, version 5", A.to_bytes(""), rows(A), "format-broken", **absent, shown=4)
    yield case("checksum absent in the second", a + B.to_bytes(""), rows(A, B), "format-broken", **absent, shown=8)
    old = [replace(telegram, version="") for telegram in (A, B)]
    yield case("no checksum, no version", b"".join(each.to_bytes("") for each in old), rows(A, B), crc="none", shown=8)
    mixed = old[0].to_bytes("") + old[1].to_bytes()
    yield case("no checksum in the first alone", mixed, rows(A, B), crc="none", shown=8)
    yield broken("checksum of five digits", A.to_bytes(right + "0"))
    yield broken("checksum that is no number", A.to_bytes("WXYZ"))
    yield broken("checksum behind a blank", A.to_bytes(" " + right))
    for name, changed in {
        "a digit of a register": a.replace(b"001234.567", b"001234.568"), "a blank added": a.replace(b"(50)", b"(50) "),
        "two lines exchanged": exchanged(a), "a line twice": a.replace(b"1-3:0.2.8(50)\r\n", b"1-3:0.2.8(50)\r\n" * 2),
        "a line lost": a.replace(b"1-0:1.8.2(002000.001*kWh)\r\n", b""),
        "one bit of the name": b"/KFM5KAIFA-METES" + a[16:],
    }.items():  # fmt: skip
        assert changed != a
        yield case(f"changed: {name}", changed + b, None, "checksum-failed", crc="failed", exit_code=4)


def x25(data: bytes) -> int:
    """CRC-16/X-25, with which HDLC frames its meters' telegrams: same length, another number."""
    value = 0xFFFF
    for octet in data:
        for bit in range(8):
            mixed = (value ^ octet >> bit) & 1
            value = value >> 1 ^ (0x8408 if mixed else 0)
    return value ^ 0xFFFF


def exchanged(data: bytes) -> bytes:
    """The second and the third data line exchanged."""
    lines = data.split(b"\r\n")
    lines[3], lines[4] = lines[4], lines[3]
    return b"\r\n".join(lines)


def leading_zeros(count: int) -> Telegram:
    """A telegram whose checksum begins with exactly so many zeros."""
    before = crc16(A.body()[:-1])
    for filler in range(1_000_000):
        line = f"0-0:96.7.21({filler:05d})"
        if len(f"{crc16(f'{line}{A.eol}!'.encode(), before):X}") == 4 - count:
            return replace(A, more=(line,))
    raise AssertionError("no such telegram")


def torn() -> Iterator[Case]:
    """Streams that begin or break off inside a telegram, and noise between."""
    a, b, c = (telegram.to_bytes() for telegram in (A, B, C))
    half = len(a) // 2
    yield case("begins inside a telegram", a[half:] + b + c, rows(B, C), shown=8)
    yield case("begins at the end mark", a[-7:] + b + c, rows(B, C), shown=8)
    yield case("begins with noise", b"\xff\xfe\x80noise\r\n" + b + c, rows(B, C), shown=8)
    for name, noise in {"letters": b"noise\r\n", "octets above 127": b"\xff\xfe\xc3(\r\n", "a bracket": b"()*!\r\n",
                        "an end mark": b"!\r\n", "digits of a checksum": b"A1B2\r\n"}.items():  # fmt: skip
        yield case(f"noise between: {name}", a + noise + b, rows(A, B), shown=8)
        yield case(f"noise behind: {name}", a + b + noise, rows(A, B), shown=8)
    lost: Any = {"exit_code": 3}
    headless = b[b.index(b"1-3:") :]
    yield case("a telegram without its first line between", a + headless + c, rows(A, C), "format-broken", **lost,
               shown=8)  # fmt: skip
    yield case("a telegram without its first line behind", a + headless, rows(A), "format-broken", **lost, shown=4)
    yield case("the end of a telegram between", a + b[half:] + c, rows(A, C), "format-broken", **lost, shown=8)
    yield broken("a letter glued to the last checksum", a + b[:-2] + b"x")
    yield broken("breaks off inside the second", a + b[:half])
    yield broken("breaks off before the end mark", a + b[: b.rindex(b"!")])
    yield broken("breaks off in the first line", a + b[:8])
    yield broken("the first breaks off, the second is whole", a[:half] + b"\r\n" + b)
    yield broken("a telegram inside another", a[: a.index(b"1-0:1.8.2")] + b + a[a.index(b"1-0:1.8.2") :])
    glued = a[: a.index(b"\r\n1-0:1.8.2")] + b
    yield case("the first breaks off, the second follows in its line", glued, None, "checksum-failed", crc="failed",
               exit_code=4)  # fmt: skip
    cut = b[: b.rindex(b"!") + 1]
    yield case("breaks off behind the end mark", a + cut, rows(A, B), "format-broken", crc="none", exit_code=3, shown=8)
    for count in (1, 2, 3):
        digits = b[: b.rindex(b"!") + 1 + count]
        yield case(f"breaks off behind {count} digits of the checksum", a + digits, None, "checksum-failed",
                   crc="failed", exit_code=4)  # fmt: skip
    ended = a.replace(b"0-0:96.1.1", b"!\r\n0-0:96.1.1")
    yield case("an end mark in the middle", ended, None, "no-register", "format-broken", crc="none", exit_code=3,
               shown=0)  # fmt: skip


def series() -> Iterator[Case]:
    """Whole telegrams that make no series, or one with flags."""
    a, b = A.to_bytes(), B.to_bytes()
    yield case("the same telegram twice", a + a, [[START, 0, A.point[1], A.point[2], 0, 0, 0]], shown=8)
    yield case("the same telegram twice, then the next", a + a + b, None, "readings-overlap", shown=12)
    yield case("in reverse", b + a, None, "time-backwards", shown=8)
    stopped = replace(B, at=A.at)
    yield case("a register moves while time stands", a + stopped.to_bytes(), None, "time-backwards", shown=8)
    less = replace(B, registers=(1_234_566, 2_000_001, 10, 0))
    yield case("a register runs backwards", a + less.to_bytes(), None, "register-backwards", shown=8)
    shifted = replace(B, registers=(1_234_566, 2_000_101, 10, 0))
    yield case("one tariff backwards, the sum forwards", a + shifted.to_bytes(), None, "register-backwards", shown=8)
    exported = replace(B, registers=(1_234_817, 2_000_001, 9, 0))
    yield case("export runs backwards", a + exported.to_bytes(), None, "register-backwards", shown=8)
    yield case("another meter", a + OTHER.to_bytes(), None, "several-meters", shown=8)
    renamed = replace(B, name="/KFM5KAIFA-METES")
    yield case("another identification", a + renamed.to_bytes(), None, "several-meters", shown=8)
    no_export = replace(B, left_out=("1-0:2.8",))
    yield case("export in the first alone", a + no_export.to_bytes(), None, "registers-differ", shown=6)
    fewer = replace(B, left_out=("1-0:1.8.2",))
    yield case("a tariff less", a + fewer.to_bytes(), None, "registers-differ", shown=7)
    total = replace(B, more=("1-0:1.8.0(003234.818*kWh)",))
    yield case("a total beside the tariffs, in the second", a + total.to_bytes(), None, "registers-differ", shown=9)
    totals = [replace(each, more=(f"1-0:1.8.0({sum(each.registers[:2]) / 1000:010.3f}*kWh)",)) for each in (A, B)]
    yield case(
        "a total beside the tariffs, in both", b"".join(each.to_bytes() for each in totals), rows(A, B), shown=10
    )
    nothing = replace(B, left_out=("1-0:1.8", "1-0:2.8"), more=("1-0:21.7.0(00.180*kW)",))
    yield case("no register in the second", a + nothing.to_bytes(), None, "no-register", shown=4)
    untimed = replace(B, left_out=("0-0:1.0.0",))
    yield case("no time in the second", a + untimed.to_bytes(), None, "time-missing", shown=8)
    never = replace(B, left_out=("0-0:1.0.0",), more=("0-0:1.0.0(632525252525S)",))
    yield case("a time that does not exist", a + never.to_bytes(), None, "time-missing", shown=8)
    torn_value = replace(B, left_out=("1-0:1.8.2",), more=("1-0:1.8.2(00200x.001*kWh)",))
    yield case("a register that cannot be read", a + torn_value.to_bytes(), None, "energy-unknown", shown=7)
    reactive = replace(B, left_out=("1-0:1.8.2",), more=("1-0:1.8.2(002000.001*kvarh)",))
    yield case("a register in another unit", a + reactive.to_bytes(), None, "energy-unknown", shown=7)
    contradicted = replace(B, more=("1-0:1.8.1(001234.818*kWh)",))
    yield case("one register twice, not alike", a + contradicted.to_bytes(), None, "registers-differ", shown=9)
    last = 1_792_889_990  # 2026-10-25T00:59:50Z: ten seconds before the clocks go back
    before, after = replace(A, at=last), replace(B, at=last + 10, letter="W")
    yield case("across the end of summer time", before.to_bytes() + after.to_bytes(), rows(before, after), shown=8)
    second_pass = replace(before, letter="W")
    yield case("the mark W in summer is believed", second_pass.to_bytes() + after.to_bytes(),
               rows(second_pass, after), shown=8)  # fmt: skip
    winter = 1_796_083_200  # 2026-12-01T00:00Z
    marked = replace(A, at=winter), replace(B, at=winter + 900)
    yield case("the mark S in winter", marked[0].to_bytes() + marked[1].to_bytes(),
               rows(*marked, flags=(CLOCK_UNCERTAIN,)), shown=8)  # fmt: skip
    usual = replace(A, at=winter, letter="W"), replace(B, at=winter + 900, letter="W")
    yield case("the mark W in winter", usual[0].to_bytes() + usual[1].to_bytes(), rows(*usual), shown=8)


def main() -> int:
    """Write or compare the file."""
    cases = [*whole(), *checksums(), *torn(), *series()]
    assert len({case["name"] for case in cases}) == len(cases)
    text = '{"cases": [\n' + ",\n".join(json.dumps(case) for case in cases) + "\n]}\n"
    if "--check" not in sys.argv:
        OUT.write_text(text)
    elif not OUT.is_file() or OUT.read_text() != text:
        sys.stderr.write(f"differs from what the generator makes: {OUT.name}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
