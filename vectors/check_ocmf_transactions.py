"""Check vectors/metering/ocmf_transactions.json without wattest: signatures by cryptography, pairing by one pass.

A reader of its own goes from moment to moment with one open begin at a time; it knows the rules of
docs/spec/meter-files.md and asks nothing of the generator. Exits with an assertion error at the first value that is not
confirmed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

FILE = Path(__file__).parent / "metering" / "ocmf_transactions.json"
FORBIDDING = {
    "signature-invalid", "format-broken", "several-meters", "no-register", "registers-differ", "register-backwards",
    "register-out-of-range", "time-missing", "time-out-of-range", "time-backwards", "readings-overlap",
}  # fmt: skip
UNITS = {"Wh": 1000, "kWh": 10**6, "MWh": 10**9}
LEVELS = {"NONE", "HEARSAY", "TRUSTED", "VERIFIED", "CERTIFIED", "SECURE"}
VERSIONS = {"0.1", "0.2", "0.3", "0.4", "1.0", "1.1", "1.2", "1.3", "1.4"}


class Broken(Exception):
    """A record that is none."""


@dataclass
class Moment:
    """What one record shows at one time under one code."""

    record: int
    code: str | None
    at: int | None
    flags: int = 0
    shown: dict[str, list[int]] = field(default_factory=dict)  # every register of energy, with all values that it has


def sections(text: str) -> tuple[str, dict[str, Any]]:
    """Payload and signature section."""
    payload, pipe, signature = text.removeprefix("OCMF|").rpartition("|")
    if not pipe:
        raise Broken("absent")
    try:
        return payload, json.loads(signature)
    except ValueError as error:
        raise Broken("unchecked") from error


def verdict(text: str, key: ec.EllipticCurvePublicKey | None) -> str:
    """What is known about one record's signature."""
    try:
        payload, signature = sections(text)
    except Broken as broken:
        return str(broken)
    if not signature.get("SD"):
        return "absent"
    if key is None:
        return "unchecked"
    try:
        key.verify(bytes.fromhex(signature["SD"]), payload.encode("latin-1"), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return "invalid"
    return "valid"


def moment_of(text: str) -> tuple[int | None, str | None]:
    """Unix seconds, None without an offset, and the mark."""
    stamp, _, mark = text.partition(" ")
    if not re.search(r"(?:Z|[+-]\d\d:?\d\d)$", stamp):
        return None, mark or None
    try:
        parsed = datetime.fromisoformat(stamp.replace(",", "."))
    except ValueError as error:
        raise Broken("time") from error
    return int(parsed.timestamp() // 1), mark or None


def read(number: int, text: str) -> tuple[dict[str, Any], list[Moment], set[str]]:
    """A record's head, its moments, and the rules that its readings break by themselves."""
    payload = json.loads(sections(text)[0], parse_float=Decimal, parse_int=Decimal)
    rules, moments, before = set(), [], dict[str, Any]()
    if not payload["RD"]:
        raise Broken("no reading")
    valued = False
    for raw in payload["RD"]:
        before = {name: raw.get(name, before.get(name)) for name in ("TM", "TX", "RI", "RU", "EF", "ST")}
        at, mark = (None, None) if before["TM"] is None else moment_of(before["TM"])
        value = None
        if "RV" in raw:
            if not re.fullmatch(r"\s*-?\d+(\.\d+)?\s*", str(raw["RV"])):
                raise Broken("value")
            value, valued = Decimal(str(raw["RV"])), True
        code, status, flags = before["TX"], before["ST"], before["EF"] or ""
        loss = Decimal(str(raw.get("CL", 0)))
        energy = None if value is None or before["RU"] not in UNITS else value * UNITS[before["RU"]]
        rules |= {rule for rule, broken in {
            "meter-status": status != "G", "error-flag": bool(flags), "exception": code == "X",
            "clock-mark": mark not in (None, "U", "I", "S", "R"), "negative-energy": energy is not None and energy < 0,
            "cumulated-loss": loss < 0 or (loss > 0 and code == "B"),
        }.items() if broken}  # fmt: skip
        quality = 2 * (status != "G" or "E" in flags or code == "X") + 8 * (status == "M") + 4 * (code == "P")
        quality |= int("t" in flags or mark not in (None, "I", "S", "R"))
        same = [each for each in moments if (each.code, each.at) == (code, at)]
        moment = same[0] if same else Moment(number, code, at)
        moments += [] if same else [moment]
        moment.flags |= quality
        if energy is not None and before["RI"] and way(before["RI"]):
            moment.shown.setdefault(before["RI"], []).append(int(energy // 1))
    rules |= set() if valued else {"no-value"}
    rules |= set() if payload["FV"] in VERSIONS else {"format-version"}
    rules |= set() if payload["IL"] in LEVELS else {"user-assignment"}
    return payload, moments, rules


def way(register: str) -> str | None:
    """Import or export."""
    matched = re.fullmatch(r"1-b:([0-9BC]+)\.8\.0", register)
    return None if matched is None else "import" if matched[1][0] in "1B" else "export"


def series(moments: list[Moment]) -> tuple[list[tuple[list[int], int]], str | None]:
    """Rows, each with the record that its end comes from; or the first rule that forbids them."""
    chosen: dict[str, str] = {}
    for moment in moments:
        for register in moment.shown:
            chosen.setdefault(str(way(register)), register)
    points = [moment for moment in moments if set(moment.shown) & set(chosen.values())]
    for moment in points:
        if any(not 0 <= value < 2**64 for name in chosen.values() for value in moment.shown.get(name, [])):
            return [], "register-out-of-range"
        if moment.at is None or moment.at < 0:
            return [], "time-missing" if moment.at is None else "time-out-of-range"
    counting = [moment for moment in moments if moment.code is None or moment.code in "BELRAP"]
    for moment in counting:
        for register, values in moment.shown.items():
            if chosen[str(way(register))] not in moment.shown or (register in chosen.values() and len(set(values)) > 1):
                return [], "registers-differ"
    opened: Moment | None = None
    ever, since, spans = False, 0, list[tuple[Moment | None, Moment, int]]()
    for moment in moments:
        if moment.code == "B":
            if opened is not None and opened.shown:
                spans.append((None, opened, since))
            opened, ever, since = moment, True, 0
        elif moment.code is not None and moment.code in "ELRAP":
            if ever and opened is not None and bool(opened.shown) != bool(moment.shown):
                return [], "registers-differ"
            if moment.shown:
                spans.append((opened, moment, since))
            opened = None
        elif moment.code is not None:
            since |= moment.flags
    if opened is not None and opened.shown:
        spans.append((None, opened, since))
    fiscal = [moment for moment in points if moment.code is None]
    spans += [(None, fiscal[0], 0)] if len(fiscal) == 1 else [(one, two, 0) for one, two in pairwise(fiscal)]
    return rows(spans, chosen)


def rows(
    spans: list[tuple[Moment | None, Moment, int]], chosen: dict[str, str]
) -> tuple[list[tuple[list[int], int]], str | None]:
    """Each span as a record, in order of time."""
    made: list[tuple[list[int], int]] = []
    for begin, end, since in sorted(spans, key=lambda each: (each[0] or each[1]).at or 0):
        first = begin or end
        assert first.at is not None
        assert end.at is not None
        before, after = (
            [moment.shown.get(chosen.get(name, ""), [0])[-1] for name in ("import", "export")]
            for moment in (first, end)
        )
        moved = [now - then for now, then in zip(after, before, strict=True)]
        if end.at < first.at:
            return [], "time-backwards"
        if [name in first.shown for name in chosen.values()] != [name in end.shown for name in chosen.values()]:
            return [], "registers-differ"
        if min(moved) < 0:
            return [], "register-backwards"
        if end.at == first.at and any(moved):
            return [], "time-backwards"
        flags = first.flags | end.flags | since | (0 if begin else 0x10)
        made.append(([first.at, end.at - first.at, *after, *moved, flags], end.record))
    if any(two[0][0] < one[0][0] + one[0][1] or two[0][0] <= one[0][0] for one, two in pairwise(made)):
        return [], "readings-overlap"
    return made, None if made else "no-register"


def check(case: dict[str, Any], key: ec.EllipticCurvePublicKey) -> None:
    """Confirm one case."""
    texts = ["OCMF|" + part for part in re.split(r"^OCMF\|", case["file"], flags=re.MULTILINE)[1:]]
    verdicts = [verdict(text.rstrip("\n"), key if case["key"] else None) for text in texts]
    signature = next(each for each in ("invalid", "unchecked", "absent", "valid") if each in verdicts)
    assert signature == case["signature"], case["name"]
    rules = set() if signature == "valid" else {f"signature-{signature}"}
    moments: list[Moment] = []
    heads, broken = [], "absent" in verdicts
    for number, text in enumerate(texts):
        try:
            head, found, own = read(number, text.rstrip("\n"))
        except Broken:
            broken = True
            continue
        heads.append(head)
        moments += found
        rules |= own
    rules |= {"format-broken"} if broken else set()
    last: dict[str, int] = {}
    for head in heads:
        kind, page = head["PG"][0], int(head["PG"][1:])
        rules |= {"pages"} if kind in last and page != last[kind] + 1 else set()
        last[kind] = page
    made: list[tuple[list[int], int]] = []
    if len({(head["MS"], head["GS"]) for head in heads}) > 1:
        rules.add("several-meters")
    elif not broken:
        made, rule = series(moments)
        rules |= {rule} if rule else set()
    assert sorted(rules) == case["objections"], (case["name"], rules)
    assert case["exit_code"] == (4 if signature == "invalid" else 3 if broken else 0), case["name"]
    forbidden = bool(rules & FORBIDDING)
    assert case["records"] == (None if forbidden else [row for row, _ in made]), (case["name"], made)
    lone = [0, 0]
    is_open = False
    for code in (moment.code for moment in moments if moment.code is not None and moment.code in "BELRAP"):
        lone[1] += code != "B" and not is_open
        lone[0] += (code == "B") - (code != "B" and is_open)
        is_open = code == "B"
    assert case["lone"] == (None if forbidden else lone), case["name"]
    if signature == "valid" and not forbidden:
        assert case["sources"] == [source for _, source in made], case["name"]


def main() -> None:
    """Confirm every case."""
    content = json.loads(FILE.read_text())
    key = load_der_public_key(bytes.fromhex(content["public_key"]))
    assert isinstance(key, ec.EllipticCurvePublicKey)
    for case in content["cases"]:
        check(case, key)
    seen = {rule for case in content["cases"] for rule in case["objections"]}
    assert seen >= FORBIDDING, FORBIDDING - seen


if __name__ == "__main__":
    main()
