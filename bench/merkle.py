"""Trees, proofs and salts of the native core: medians over several runs, as one JSON object.

    python bench/merkle.py [--leaves 1000000] [--width 95] [--runs 5]

Seconds are of one core (wall clock, nothing else running); the floor is what one Keccak call costs on the same data, so
that the ratio says how much is spent beside hashing.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import time
from collections.abc import Callable

from wattest.crypto.hashing import derive_salts, keccak256
from wattest.merkle import MerkleTree, sha256_root, verify_inclusion, verify_multiproof

SAMPLED_PROOFS = 20_000
MULTIPROOF_LEAVES = 8


def median_s(runs: int, work: Callable[[], object]) -> float:
    """Median wall-clock seconds."""
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--leaves", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=95)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    count, width, runs = options.leaves, options.width, options.runs

    payloads, key = os.urandom(count * width), os.urandom(32)
    salts_s = median_s(runs, lambda: derive_salts(key, 1, count))
    salts = derive_salts(key, 1, count)
    build_s = median_s(runs, lambda: MerkleTree.build(payloads, width, salts))
    copied_s = median_s(runs, lambda: MerkleTree.build(bytearray(payloads), width, salts))
    sha256_s = median_s(runs, lambda: sha256_root(payloads, width))

    # The floor: one permutation per hash, 2 n - 1 hashes, at the pace of one long Keccak input (136 bytes each).
    long_input = bytes(136 * 100_000)
    permutation_s = median_s(runs, lambda: keccak256(long_input)) / 100_000

    tree = MerkleTree.build(payloads, width, salts)
    source = random.Random(1)
    indices = [source.randrange(count) for _ in range(min(SAMPLED_PROOFS, count))]
    prove_s = median_s(runs, lambda: [tree.prove(index) for index in indices])
    proofs = [(tree.leaf(index), tree.prove(index)) for index in indices]
    root = tree.root
    verify_s = median_s(runs, lambda: [verify_inclusion(root, leaf, proof) for leaf, proof in proofs])
    drawn = [sorted(source.sample(range(count), min(MULTIPROOF_LEAVES, count))) for _ in range(2_000)]
    prove_many_s = median_s(runs, lambda: [tree.prove_many(chosen) for chosen in drawn])
    many = [({index: tree.leaf(index) for index in chosen}, tree.prove_many(chosen)) for chosen in drawn]
    verify_many_s = median_s(runs, lambda: [verify_multiproof(root, leaves, proof) for leaves, proof in many])

    report = {
        "leaves": count,
        "payload_bytes": width,
        "runs": runs,
        "build_s": build_s,
        "build_from_mutable_buffer_s": copied_s,
        "leaves_per_second": count / build_s,
        "build_to_hashing_floor": build_s / (permutation_s * (2 * count - 1)),
        "permutation_ns": permutation_s * 1e9,
        "sha256_root_s": sha256_s,
        "salts_per_second": count / salts_s,
        "proofs_per_second": len(indices) / prove_s,
        "verifications_per_second": len(proofs) / verify_s,
        "multiproofs_of_8_per_second": len(drawn) / prove_many_s,
        "multiproof_of_8_verifications_per_second": len(many) / verify_many_s,
        "path_nodes": len(proofs[0][1].path),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps({name: round(value, 4) if isinstance(value, float) else value for name, value in report.items()}))


if __name__ == "__main__":
    main()
