"""Write evidence cases: what no public quote shows, for SGX version 3 and TDX versions 4 and 5.

``generate_evidence.py`` writes vectors/evidence/cases.json: each case's name, what is different, what must come of it,
and digests of its files. ``generate_evidence.py DIR`` writes the files themselves besides, a folder for each case, so
that other verifiers can be tested: quote.bin, collateral.json, root.der, policy.toml and expected.json. Format:
docs/spec/evidence-cases.md.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import evidence_certificates
import evidence_collateral
import evidence_malformed
import evidence_policy
import evidence_quotes
import evidence_statuses
import evidence_structure
from evidence_world import ACCEPTED, KINDS, REPORT_DATA, SEED, Expected, Parts

OUT = Path(__file__).parent / "evidence" / "cases.json"
GROUPS = (
    ("statuses", evidence_statuses.faults),
    ("quotes", evidence_quotes.faults),
    ("structure", evidence_structure.faults),
    ("certificates", evidence_certificates.faults),
    ("collateral", evidence_collateral.faults),
    ("policy", evidence_policy.faults),
    ("malformed", evidence_malformed.faults),
)


@dataclass(frozen=True)
class Case:
    """One case: its parts, and what must come of them."""

    kind: str
    group: str
    name: str
    differs: str
    parts: Parts
    expected: Expected

    @property
    def slug(self) -> str:
        """The name of its folder."""
        return f"{self.kind}-{re.sub(r'[^a-z0-9]+', '-', self.name.lower()).strip('-')}"


def cases(kinds: Mapping[str, Parts] = KINDS) -> Iterator[Case]:
    """All of them, kind by kind, the accepted one first; ``kinds`` may bring other accepted ones."""
    for kind, accepted in kinds.items():
        yield Case(kind, "accepted", "accepted", "nothing", accepted, ACCEPTED)
        for group, faults in GROUPS:
            for fault in faults():
                if kind in fault.kinds:
                    yield Case(kind, group, fault.name, fault.differs, fault.change(accepted), fault.expected)


def described(case: Case, quote: bytes, collateral: bytes) -> dict[str, object]:
    """A case as JSON-ready values."""
    return {
        "kind": case.kind,
        "group": case.group,
        "name": case.name,
        "folder": case.slug,
        "differs": case.differs,
        "at": case.parts.at,
        "expected": {
            name: value
            for name, value in dataclasses.asdict(case.expected).items()
            if name not in ("malformed", "field")
        }
        | ({"error": case.expected.malformed} if case.expected.malformed else {})
        | ({"field": case.expected.field} if case.expected.field else {}),
        "quote_sha256": hashlib.sha256(quote).hexdigest(),
        "collateral_sha256": hashlib.sha256(collateral).hexdigest(),
    }


def collateral_json(case: Case) -> bytes:
    """The case's collateral as it stands in a file; what is not ASCII as it is."""
    collateral = case.parts.collateral()
    shown = {
        field.name: value.hex() if isinstance(value, bytes) else value
        for field in dataclasses.fields(collateral)
        if (value := getattr(collateral, field.name)) is not None
    }
    return json.dumps(shown, indent=1, ensure_ascii=False, sort_keys=True).encode() + b"\n"


def main(out: Path = OUT, files: Path | None = None) -> None:
    """Write the list, and the files where asked to."""
    listed = []
    for case in cases():
        quote, collateral = case.parts.quote(), collateral_json(case)
        listed.append(described(case, quote, collateral))
        if files is not None:
            folder = files / case.slug
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "quote.bin").write_bytes(quote)
            (folder / "collateral.json").write_bytes(collateral)
            (folder / "root.der").write_bytes(case.parts.root)
            (folder / "policy.toml").write_text(case.parts.policy)
            (folder / "expected.json").write_text(json.dumps(listed[-1], indent=1) + "\n")
    out.parent.mkdir(parents=True, exist_ok=True)
    head = {
        "description": "appraise(quote, collateral, policy, root, at) gives expected; docs/spec/evidence-cases.md",
        "seed": SEED.hex(),
        "report_data": REPORT_DATA.hex(),
        "root_sha256": hashlib.sha256(KINDS["sgx-3"].root).hexdigest(),
    }
    lines = ",\n".join(json.dumps(entry) for entry in listed)  # a line for a case: that is how differences are read
    out.write_text(f'{json.dumps(head)[:-1]}, "cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main(files=Path(sys.argv[1]) if len(sys.argv) > 1 else None)
