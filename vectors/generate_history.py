"""Write vectors/history/history.json: a history at sizes 0 to 130, proofs that hold, and each with one fault.

Everything follows from fixed labels, so running it again changes nothing. ``check_history.py`` judges every case by the
tree's definition, with another Keccak and without wattest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from wattest.errors import WattestError
from wattest.twin.batch import BatchRecord, BatchRun, verify_run
from wattest.twin.history import History

HERE = Path(__file__).parent / "history"
SIZE = 130
WHOLE_SIZES = range(1, 10)
"""Of these every run is proved."""
EDGE_SIZES = (15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 130)
FAULTY = ((1, 1, 1), (2, 1, 1), (3, 3, 1), (5, 2, 3), (7, 1, 7), (8, 4, 2), (9, 8, 2), (100, 63, 5), (130, 129, 1))
"""Size, first sequence and count of the proofs that get faults."""


def bytes_of(label: str, length: int = 32) -> bytes:
    """Reproducible bytes of a label."""
    return hashlib.shake_256(f"wattest vectors history {label}".encode()).digest(length)


def record(sequence: int) -> BatchRecord:
    """Every field of the same width as on a chain, some as wide as they get."""
    if sequence == SIZE:
        return BatchRecord(b"\xff" * 32, 2**64 - 1, 2**16 - 1, 2**64 - 1)
    stake = int.from_bytes(bytes_of(f"stake {sequence}", 6), "big")
    return BatchRecord(bytes_of(f"header {sequence}"), 1_780_272_000 + 86_400 * sequence, 1 + sequence // 40, stake)


def runs(history: History) -> Iterator[BatchRun]:
    """Proofs that hold: all of small histories; of larger ones single records and runs at the edges of subtrees."""
    for size in WHOLE_SIZES:
        for first in range(1, size + 1):
            for count in range(1, size - first + 2):
                yield history.run(first, count, size=size)
    for size in EDGE_SIZES:
        half = 1 << (size.bit_length() - 1)
        for first in sorted({1, 2, half // 2, half, min(half + 1, size), size - 1, size}):
            for count in sorted({1, 2, 3, half // 2, size - first + 1}):
                if first - 1 + count <= size and (count < 12 or (first < 3 and size in (33, 130))):
                    yield history.run(first, count, size=size)


def flipped(node: bytes) -> bytes:
    """Another node."""
    return bytes([node[0] ^ 1]) + node[1:]


def faults(run: BatchRun) -> Iterator[tuple[str, BatchRun]]:
    """The proof with one thing wrong."""
    proof, first, records = run.history, run.first_sequence, run.records
    for step in (-1, 1):
        yield f"first sequence {step:+}", replace(run, first_sequence=first + step)
        yield f"size {step:+}", replace(run, history=replace(proof, size=proof.size + step))
    yield "no first sequence", replace(run, first_sequence=0)
    yield "beyond the size", replace(run, first_sequence=proof.size + 1)
    yield "no records", replace(run, records=())
    yield "the last record left out", replace(run, records=records[:-1])
    yield "a record more", replace(run, records=(*records, records[-1]))
    if len(records) > 1:
        yield "records exchanged", replace(run, records=records[::-1])
    for at in sorted({0, len(records) - 1}):
        one = records[at]
        for name, changed in (
            ("header digest", replace(one, header_digest=flipped(one.header_digest))),
            ("time", replace(one, committed_at=one.committed_at - 1)),
            ("version", replace(one, parameters_version=one.parameters_version - 1)),
            ("stake", replace(one, stake_gwei=one.stake_gwei - 1)),
            ("version and stake shifted", replace(one, committed_at=one.parameters_version, parameters_version=0)),
        ):
            yield f"{name} of record {at}", replace(run, records=(*records[:at], changed, *records[at + 1 :]))
    yield "last header", replace(run, history=replace(proof, last_header_digest=flipped(proof.last_header_digest)))
    yield "no peaks", replace(run, history=replace(proof, peaks=()))
    yield "a peak more", replace(run, history=replace(proof, peaks=(*proof.peaks, proof.peaks[-1])))
    if len(proof.peaks) > 1:
        yield "peaks exchanged", replace(run, history=replace(proof, peaks=proof.peaks[::-1]))
    for at, peak in enumerate(proof.peaks):
        peaks = (*proof.peaks[:at], flipped(peak), *proof.peaks[at + 1 :])
        yield f"peak {at}", replace(run, history=replace(proof, peaks=peaks))
    nodes = proof.nodes
    yield "a node more", replace(run, history=replace(proof, nodes=(*nodes, bytes_of("node"))))
    if nodes:
        yield "a node less", replace(run, history=replace(proof, nodes=nodes[:-1]))
        yield "nodes exchanged", replace(run, history=replace(proof, nodes=nodes[::-1]))
        yield "nodes for peaks", replace(run, history=replace(proof, nodes=proof.peaks, peaks=nodes))
    for at, node in enumerate(nodes):
        changed_nodes = (*nodes[:at], flipped(node), *nodes[at + 1 :])
        yield f"node {at}", replace(run, history=replace(proof, nodes=changed_nodes))


def outcome(run: BatchRun, kept: bytes) -> str:
    """``accepted``, or the refusal's name."""
    try:
        verify_run(run, kept)
    except WattestError as error:
        return error.code
    return "accepted"


def case(why: str, run: BatchRun, kept: bytes) -> dict[str, Any]:
    """One run with its proof and what the chain keeps."""
    proof = run.history
    return {
        "why": why,
        "first_sequence": run.first_sequence,
        "header_digests": [one.header_digest.hex() for one in run.records],
        "committed_at": [one.committed_at for one in run.records],
        "parameters_versions": [one.parameters_version for one in run.records],
        "stakes_gwei": [one.stake_gwei for one in run.records],
        "size": proof.size,
        "last_header_digest": proof.last_header_digest.hex(),
        "peaks": [peak.hex() for peak in proof.peaks],
        "nodes": [node.hex() for node in proof.nodes],
        "kept": kept.hex(),
        "outcome": outcome(run, kept),
    }


def main() -> None:
    """The one file."""
    history = History(bytes(32), bytes(20), map(record, range(1, SIZE + 1)))
    cases = [case("whole", run, history.word(run.history.size)) for run in runs(history)]
    for size, first, count in FAULTY:
        run, kept = history.run(first, count, size=size), history.word(size)
        cases += [case(why, wrong, kept) for why, wrong in faults(run)]
        cases.append(case("the word of the size before", run, history.word(size - 1)))
    records = [history.record(sequence) for sequence in range(1, SIZE + 1)]
    written = {
        "records": [
            {
                "header_digest": one.header_digest.hex(),
                "committed_at": one.committed_at,
                "parameters_version": one.parameters_version,
                "stake_gwei": one.stake_gwei,
                "leaf": one.leaf(sequence).hex(),
            }
            for sequence, one in enumerate(records, 1)
        ],
        "words": [history.word(size).hex() for size in range(SIZE + 1)],
        "cases": cases,
    }
    HERE.mkdir(exist_ok=True)
    (HERE / "history.json").write_text(json.dumps(written, indent=0, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
