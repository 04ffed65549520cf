"""What a watcher writes down: verdicts as JSON lines, and what a planned action needs to be sent later.

Decided here: the JSON forms. Not decided here: when they are written (``watcher``, ``watch_log``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wattest.chain.referee_events import CommittedBatch
from wattest.twin.batch import EntryInclusion
from wattest.twin.challenge import EvidenceOpening
from wattest.watcher.finding import Finding, FindingKind

VERDICT_FORMAT = "wattest/verdict/1"


def verdict_line(batch: CommittedBatch, findings: list[Finding], now: int, was_granted: bool) -> dict[str, Any]:
    """A batch's verdict as JSON-ready values: the worst kind of finding, and every finding."""
    kinds = {finding.kind for finding in findings}
    # Who was granted no keys saw that blocks are kept, and nothing of what they say: that is not "clean".
    fine = "clean" if was_granted else "kept"
    worst = next((kind.value for kind in reversed(FindingKind) if kind in kinds), fine)
    return {
        "format": VERDICT_FORMAT,
        "channel": batch.channel.hex(),
        "operator": batch.operator.hex(),
        "sequence": batch.sequence,
        "header_digest": batch.header_digest.hex(),
        "judged_at": now,
        "verdict": worst,
        "findings": [
            {"kind": one.kind.value, "position": one.position, "code": one.code, "reason": one.reason}
            for one in findings
        ],
    }


def entry_detail(entry: EntryInclusion) -> dict[str, Any]:
    """An entry's inclusion as an action keeps it."""
    path = [sibling.hex() for sibling in entry.path]
    return {"index": entry.index, "salt": entry.salt.hex(), "payload": entry.payload.hex(), "path": path}


def entry_of(detail: Mapping[str, Any]) -> EntryInclusion:
    """The inclusion that ``entry_detail`` kept."""
    path = tuple(bytes.fromhex(sibling) for sibling in detail["path"])
    return EntryInclusion(detail["index"], bytes.fromhex(detail["salt"]), bytes.fromhex(detail["payload"]), path)


def opening_detail(opening: EvidenceOpening) -> list[str]:
    """An evidence opening as an action keeps it."""
    return [opening.message_digest.hex(), opening.signature.hex(), opening.public_key.hex()]


def opening_of(detail: list[str]) -> EvidenceOpening:
    """The opening that ``opening_detail`` kept."""
    return EvidenceOpening(*(bytes.fromhex(part) for part in detail))
