"""Check vectors/metering/p1_streams.json without wattest: a small reader of its own, line by line over decoded text.

It knows the grammar, the checksum (by a table) and what a series needs, and asks nothing of the generator. Exits with
an assertion error at the first value that is not confirmed.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "metering" / "p1_streams.json"
TABLE = []
for start in range(256):
    for _ in range(8):
        start = start >> 1 ^ (0xA001 if start & 1 else 0)  # noqa: PLW2901
    TABLE.append(start)
DATA = re.compile(r"\d+-\d+:\d+\.|/[A-Za-z0-9]{3}")
Telegram = dict[str, Any]


def checksum(text: str) -> int:
    """CRC-16/ARC of latin-1 text."""
    value = 0
    for octet in text.encode("latin-1"):
        value = value >> 8 ^ TABLE[(value ^ octet) & 0xFF]
    return value


def split(data: bytes) -> tuple[list[Telegram], bool] | None:
    """Telegrams and whether data was lost between or behind them; None for a stream that is refused."""
    text = data.decode("latin-1").removeprefix("\xef\xbb\xbf")
    lines = re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$", text)
    found: list[Telegram] = []
    lost, inside, outside = False, "", ""
    for line in lines:
        begins = re.match(r"[ \t\x00]*(/[A-Za-z0-9]{3})", line)
        if begins:
            if inside:
                return None
            if found and DATA.search(outside):
                lost = True
            inside, outside = line[begins.start(1) :], ""
            continue
        ended = re.fullmatch(r"!([0-9A-Fa-f]{0,4})[ \t]*(?:\r\n|\r|\n)?", line) if inside else None
        if ended:
            found.append({"body": inside + "!", "digits": ended[1]})
            inside = ""
        elif inside:
            inside += line
        else:
            outside += line
    if inside or not found:
        return None
    return found, lost or DATA.search(outside) is not None


def judged(telegram: Telegram) -> str:
    """The verdict on its checksum."""
    if not telegram["digits"]:
        return "none"
    restored = re.sub(r"\r\n|\r|\n", "\r\n", telegram["body"])
    claimed = int(telegram["digits"], 16)
    return "ok" if claimed in (checksum(telegram["body"]), checksum(restored)) else "failed"


def values(telegram: Telegram) -> Telegram:
    """Time, meter, registers as they stand now, and how many energies are shown."""
    lines = [line.strip() for line in re.split(r"\r\n|\r|\n", telegram["body"][1:-1])]
    pairs = [re.fullmatch(r"([0-9:.-]+)(\*\d+)?\((.*)\)", line) for line in lines[1:]]
    objects = [(m[1], m[2] or "", m[3]) for m in pairs if m]
    read: dict[str, set[Decimal]] = {}
    unread, shown, moment, doubtful = False, 0, None, False
    serial = next((text for code, _, text in objects if code == "0-0:96.1.1"), "")
    for code, suffix, text in objects:
        energy = re.fullmatch(r"(\d+\.\d+)\*kWh", text)
        shown += energy is not None
        if code == "0-0:1.0.0":
            moment, doubtful = seconds(text)
        if re.fullmatch(r"1-0:[12]\.8\.\d+", code) and suffix in ("", "*255"):
            if energy is None:
                unread = True
            else:
                read.setdefault(code, set()).add(Decimal(energy[1]))
    has_version = any(code in ("1-3:0.2.8", "0-0:96.1.4") for code, *_ in objects)
    torn = has_version and not telegram["digits"]
    return {"meter": (lines[0], serial), "time": moment, "doubtful": doubtful, "registers": read, "unread": unread,
            "shown": shown, "torn": torn}  # fmt: skip


def seconds(stamp: str) -> tuple[int | None, bool]:
    """Unix seconds of a stamp with its letter, and whether summer is claimed in winter."""
    try:
        local = datetime.strptime(stamp[:12], "%y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None, False
    moment = local - timedelta(hours=2 if stamp[12:] == "S" else 1)
    # the last Sundays of March and October 2026
    summer = datetime(2026, 3, 29, 1, tzinfo=UTC) <= moment < datetime(2026, 10, 25, 1, tzinfo=UTC)
    return int(moment.timestamp()), stamp[12:] == "S" and not summer


def series(telegrams: list[Telegram]) -> tuple[list[list[int]] | None, str | None]:
    """Records, or the first rule that forbids them, in the order of the specification's checks."""
    if len({telegram["meter"] for telegram in telegrams}) > 1:
        return None, "several-meters"
    points = []
    for telegram in telegrams:
        registers = telegram["registers"]
        if telegram["unread"]:
            return None, "energy-unknown"
        if any(len(seen) > 1 for seen in registers.values()):
            return None, "registers-differ"
        for way in "12":
            if f"1-0:{way}.8.0" in registers:
                registers = {code: seen for code, seen in registers.items()
                             if not code.startswith(f"1-0:{way}.") or code.endswith(".8.0")}  # fmt: skip
        if not any(code.startswith("1-0:1.8.") for code in registers):
            return None, "no-register"
        if telegram["time"] is None:
            return None, "time-missing"
        exact = {code: int(seen.pop() * 1_000_000) for code, seen in ((c, set(s)) for c, s in registers.items())}
        points.append((telegram["time"], exact, telegram["doubtful"]))
    if len(points) == 1:
        at, exact, doubtful = points[0]
        return [[at, 0, *totals(exact), 0, 0, 0x10 | doubtful]], None
    points_in_time = sorted(pairwise(points), key=lambda pair: pair[0][0])
    records = []
    for (begin, before, one), (end, after, other) in points_in_time:
        moved = [now - then for now, then in zip(totals(after), totals(before), strict=True)]
        if end < begin:
            return None, "time-backwards"
        if set(before) != set(after):
            return None, "registers-differ"
        if any(after[code] < before[code] for code in after):
            return None, "register-backwards"
        if end == begin and any(moved):
            return None, "time-backwards"
        records.append([begin, end - begin, *totals(after), *moved, int(one or other)])
    for earlier, later in pairwise(records):
        if later[0] < earlier[0] + earlier[1] or later[0] <= earlier[0]:
            return None, "readings-overlap"
    return records, None


def totals(exact: dict[str, int]) -> list[int]:
    """Both directions' sums."""
    return [sum(value for code, value in exact.items() if code.startswith(f"1-0:{way}.")) for way in "12"]


def main() -> None:
    """Confirm every case."""
    cases = json.loads(FILE.read_text())["cases"]
    seen = set()
    for case in cases:
        cut = split(bytes.fromhex(case["stream"]))
        assert (cut is None) == ("error" in case), case["name"]
        if cut is None:
            continue
        telegrams, lost = cut
        verdicts = {judged(telegram) for telegram in telegrams}
        crc = next(verdict for verdict in ("failed", "none", "ok") if verdict in verdicts)
        assert crc == case["crc"], case["name"]
        read = [values(telegram) for telegram in telegrams]
        broken = lost or any(telegram["torn"] for telegram in read)
        records, rule = (None, None) if crc == "failed" else series(read)
        rules = {"signature-absent", *({"checksum-failed"} if crc == "failed" else ()),
                 *({"format-broken"} if broken else ()), *({rule} if rule else ())}  # fmt: skip
        assert sorted(rules) == case["objections"], (case["name"], rules)
        assert records == case["records"], (case["name"], records)
        assert case["exit_code"] == (4 if crc == "failed" else 3 if broken else 0), case["name"]
        if case["energies"] is not None:
            assert case["energies"] == sum(telegram["shown"] for telegram in read), case["name"]
        seen.add((crc, rule, broken))
    assert len(seen) > 12, seen


if __name__ == "__main__":
    main()
