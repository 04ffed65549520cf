#!/usr/bin/env python3
"""Write the gas tables of docs/spec/contracts.md and dcap-on-chain.md from what ``forge test`` measured.

The measurements are in ``contracts/snapshots/*.json``, one file a group. In contracts.md each figure is a whole
transaction, cold, with its input paid. The table of where a commit's gas goes splits the steady commit into what the
chain's price list fixes and the rest, which is the code's own. With ``--check`` the exit code is 1 if a page would
change.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SPEC = ROOT / "docs" / "spec"
SNAPSHOTS = ROOT / "contracts" / "snapshots"
START, END = "<!-- gas: written by tools/contract_gas.py -->", "<!-- /gas -->"

# groups of measurements that are on the page about DCAP; every other group is in contracts.md
OF_DCAP = ("dcap", "collateral", "collateral_intel")

# EVM price list (EIP-2028, 2929, 2200, 3529): what a steady commit cannot avoid, whatever the compiler does
FIXED = (
    ("transaction", 21_000),
    ("history: the next word of the ring, cold, written again", 2_100 + 2_900),
    ("operator head: cold read, then write", 2_100 + 2_900),
    ("channel head: cold read", 2_100),
    ("history: the last word, cold read", 2_100),
    ("registry: cold account, cold read", 2_600 + 2_100),
    ("ecrecover", 3_000),
    ("event: 4 topics, 64 bytes", 375 + 4 * 375 + 64 * 8),
)


def measurements(group: str) -> dict[str, int]:
    """What one group measured, by name."""
    return {name: int(gas) for name, gas in json.loads((SNAPSHOTS / f"{group}.json").read_text()).items()}


def dcap_tables() -> str:
    """What reading costs, then each submission with the simulator's collateral and with Intel's, in Markdown."""
    titles = (
        "Calls of the libraries alone, without a transaction and its input (simulator material):",
        "Whole transactions to the registry, cold, input included (simulator material):",
        "The same with Intel's collateral of FMSPC 00606A000000 (11 levels, 44 revoked certificates, QE of 6 levels):",
    )
    lines: list[str] = []
    for title, group in zip(titles, OF_DCAP, strict=True):
        lines += [title, "", f"| {'call' if group == 'dcap' else 'transaction'} | gas |", "| --- | ---: |"]
        lines += [*(f"| {name} | {gas:,} |" for name, gas in measurements(group).items()), ""]
    return "\n".join(lines[:-1])


def tables() -> str:
    """Both tables of contracts.md in Markdown."""
    rows: list[tuple[str, int]] = []
    measured: dict[str, int] = {}
    for path in sorted(SNAPSHOTS.glob("*.json")):
        if path.stem not in OF_DCAP:
            measured |= measurements(path.stem)
            rows += measurements(path.stem).items()
    input_gas = measured.pop("commit, steady: input")
    rows = [row for row in rows if row[0] in measured]
    lines = ["Whole transactions, cold, input included:", "", "| transaction | gas |", "| --- | ---: |"]
    lines += [f"| {name} | {gas:,} |" for name, gas in rows]
    total = measured["commit, steady, five peaks"]
    parts = [*FIXED, ("input: header, signature, peaks", input_gas)]
    parts.append(("decoding, checks, hashing", total - sum(gas for _, gas in parts)))
    lines += ["", "Where the gas of a steady commit with five peaks goes, whatever the number of readings:", ""]
    lines += ["| part | gas |", "| --- | ---: |"]
    lines += [f"| {name} | {gas:,} |" for name, gas in sorted(parts, key=lambda part: -part[1])]
    lines += [f"| **sum** | **{total:,}** |"]
    return "\n".join(lines)


def main() -> int:
    """Write or compare; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    arguments = parser.parse_args()
    is_changed = False
    for name, made in (("contracts.md", tables()), ("dcap-on-chain.md", dcap_tables())):
        text = (SPEC / name).read_text()
        before, rest = text.split(START)
        after = rest.split(END)[1]
        wanted = f"{before}{START}\n\n{made}\n\n{END}{after}"
        is_changed |= wanted != text
        if not arguments.check:
            (SPEC / name).write_text(wanted)
    return int(arguments.check and is_changed)


if __name__ == "__main__":
    raise SystemExit(main())
