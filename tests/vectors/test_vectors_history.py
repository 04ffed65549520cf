"""Histories and their proofs against vectors/history, and those against an independent check."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from waiting import HANG_S

from wattest.errors import WattestError
from wattest.merkle import NodeCountWrong
from wattest.twin.batch import BatchRecord, BatchReference, BatchRun, record_of_stamp, verify_reference, verify_run
from wattest.twin.errors import HistoryMismatch, UnknownBatch
from wattest.twin.history import History
from wattest.twin.history_proof import HistoryProof, appended_peaks

FOLDER = Path(__file__).parents[2] / "vectors"
VECTORS = json.loads((FOLDER / "history/history.json").read_text())
RECORDS = [
    BatchRecord(bytes.fromhex(one["header_digest"]), one["committed_at"], one["parameters_version"], one["stake_gwei"])
    for one in VECTORS["records"]
]
CHANNEL, OPERATOR = b"\x01" * 32, b"\x02" * 20
REFUSALS = {kind.__name__: kind for kind in (HistoryMismatch, NodeCountWrong, UnknownBatch)}


def run_of(case: dict[str, Any]) -> BatchRun:
    digests = map(bytes.fromhex, case["header_digests"])
    fields = zip(digests, case["committed_at"], case["parameters_versions"], case["stakes_gwei"], strict=True)
    peaks, nodes = (tuple(map(bytes.fromhex, case[name])) for name in ("peaks", "nodes"))
    proof = HistoryProof(case["size"], bytes.fromhex(case["last_header_digest"]), peaks, nodes)
    return BatchRun(CHANNEL, OPERATOR, case["first_sequence"], tuple(BatchRecord(*one) for one in fields), proof)


def named(case: dict[str, Any]) -> str:
    last = case["first_sequence"] + len(case["header_digests"]) - 1
    return f"{case['why']}, {case['first_sequence']} to {last} of {case['size']}"


def test_independent_check_confirms() -> None:
    subprocess.run([sys.executable, str(FOLDER / "check_history.py")], check=True, timeout=HANG_S)


def test_records_and_words() -> None:
    history = History(CHANNEL, OPERATOR)
    assert history.word().hex() == VECTORS["words"][0]
    for size, (record, shown) in enumerate(zip(RECORDS, VECTORS["records"], strict=True), 1):
        assert record.leaf(size).hex() == shown["leaf"]
        assert record_of_stamp(record.header_digest, record.stamp) == record
        before = history.peaks()
        history.append(record)
        assert history.word().hex() == VECTORS["words"][size]
        assert appended_peaks(size - 1, before, record.leaf(size)) == history.peaks()
    assert [history.word(size).hex() for size in range(len(RECORDS) + 1)] == VECTORS["words"]


@pytest.mark.parametrize("case", VECTORS["cases"], ids=named)
def test_case(case: dict[str, Any]) -> None:
    run, kept = run_of(case), bytes.fromhex(case["kept"])
    forms: list[Any] = [lambda: verify_run(run, kept)]
    if len(run.records) == 1:
        single = BatchReference(CHANNEL, OPERATOR, run.first_sequence, run.records[0], run.history)
        forms.append(lambda: verify_reference(single, kept))
    for verify in forms:
        if case["outcome"] == "accepted":
            verify()
            continue
        with pytest.raises(WattestError) as caught:
            verify()
        assert type(caught.value) is REFUSALS[case["outcome"]]


def test_a_history_proves_what_is_accepted() -> None:
    history = History(CHANNEL, OPERATOR, RECORDS)
    accepted = [case for case in VECTORS["cases"] if case["outcome"] == "accepted"]
    assert len(accepted) > 300
    for case in accepted:
        run = run_of(case)
        assert history.run(run.first_sequence, len(run.records), size=run.history.size) == run
