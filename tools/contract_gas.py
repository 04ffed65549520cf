#!/usr/bin/env python3
"""Write the gas tables of docs/spec/contracts.md from what ``forge test`` measured (``contracts/snapshots/*.json``).

Each figure is a whole transaction, cold, with its input paid. The table of where a commit's gas goes splits the steady
commit into what the chain's price list fixes and the rest, which is the code's own. With ``--check`` the exit code is 1
if the page would change.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "spec" / "contracts.md"
SNAPSHOTS = ROOT / "contracts" / "snapshots"
START, END = "<!-- gas: written by tools/contract_gas.py -->", "<!-- /gas -->"

# EVM price list (EIP-2028, 2929, 2200, 3529): what a steady commit cannot avoid, whatever the compiler does
FIXED = (
    ("transaction", 21_000),
    ("new batch digest slot: cold, zero to non-zero", 22_100),
    ("operator head: cold read, then write", 2_100 + 2_900),
    ("channel head: cold read", 2_100),
    ("previous batch digest: cold read", 2_100),
    ("registry: cold account, cold read", 2_600 + 2_100),
    ("ecrecover", 3_000),
    ("event: 4 topics, 64 bytes", 375 + 4 * 375 + 64 * 8),
)


def tables() -> str:
    """Both tables in Markdown."""
    rows: list[tuple[str, int]] = []
    measured: dict[str, int] = {}
    for path in sorted(SNAPSHOTS.glob("*.json")):
        for name, gas in json.loads(path.read_text()).items():
            measured[name] = int(gas)
            rows.append((name, int(gas)))
    input_gas = measured.pop("commit, steady: input")
    rows = [row for row in rows if row[0] in measured]
    lines = ["Whole transactions, cold, input included:", "", "| transaction | gas |", "| --- | ---: |"]
    lines += [f"| {name} | {gas:,} |" for name, gas in rows]
    total = measured["commit, steady"]
    parts = [*FIXED, ("input: header, signature, previous record", input_gas)]
    parts.append(("decoding, checks, hashing", total - sum(gas for _, gas in parts)))
    lines += ["", "Where the gas of a steady commit goes, whatever the number of readings:", ""]
    lines += ["| part | gas |", "| --- | ---: |"]
    lines += [f"| {name} | {gas:,} |" for name, gas in sorted(parts, key=lambda part: -part[1])]
    lines += [f"| **sum** | **{total:,}** |"]
    return "\n".join(lines)


def main() -> int:
    """Write or compare; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    arguments = parser.parse_args()
    text = PAGE.read_text()
    before, rest = text.split(START)
    after = rest.split(END)[1]
    wanted = f"{before}{START}\n\n{tables()}\n\n{END}{after}"
    if not arguments.check:
        PAGE.write_text(wanted)
    return int(arguments.check and wanted != text)


if __name__ == "__main__":
    raise SystemExit(main())
