"""Trees, proofs and salts of the native core.

python bench/merkle.py [--scale full|quick|tiny] [--json FILE]
"""

from __future__ import annotations

import os
import random

from measure import Figure, Report, Scale, cpu_seconds, exhaust, rates, run_alone, scaled

from wattest.crypto.hashing import derive_salts
from wattest.crypto.native import keccak_permutations
from wattest.merkle import (
    GrowingTree,
    MerkleTree,
    index_groups,
    sha256_root,
    verify_batch,
    verify_inclusion,
    verify_multiproof,
    verify_multiproofs,
)

TITLE = "Merkle trees"
ABOUT = (
    "Records of 95 bytes with 16-byte salts, one thread, processor seconds. The hashing floor is one Keccak permutation"
    " for each of the 2 n - 1 hashes, in full lanes and with nothing read or written."
)
WIDTH = 95
MULTIPROOF_LEAVES = 8


def measure(scale: Scale) -> Report:
    """Build, prove, verify."""
    count, runs = scale.pick((1_000_000, 3), (100_000, 3), (1_000, 1))
    sampled, multiproofs = scale.pick((20_000, 2_000), (5_000, 500), (50, 10))
    payloads, key = os.urandom(count * WIDTH), os.urandom(32)
    salting = cpu_seconds(runs, lambda: derive_salts(key, 1, count))
    salts = derive_salts(key, 1, count)
    building = cpu_seconds(runs, lambda: MerkleTree.build(payloads, WIDTH, salts, threads=1))
    growing = cpu_seconds(runs, lambda: GrowingTree().append(payloads, WIDTH, salts, threads=1))
    sha256 = cpu_seconds(runs, lambda: sha256_root(payloads, WIDTH))
    hashes = 2 * count - 1
    floor = cpu_seconds(max(3, runs), lambda: keccak_permutations(hashes))

    tree = MerkleTree.build(payloads, WIDTH, salts)
    source, root = random.Random(1), tree.root
    indices = [source.randrange(count) for _ in range(sampled)]
    proving = cpu_seconds(runs, lambda: [tree.prove(index) for index in indices])
    proofs = [(tree.leaf(index), tree.prove(index)) for index in indices]
    verifying = cpu_seconds(runs, lambda: exhaust(verify_inclusion, ((root, *each) for each in proofs)))
    drawn = [sorted(source.sample(range(count), MULTIPROOF_LEAVES)) for _ in range(multiproofs)]
    proving_many = cpu_seconds(runs, lambda: [tree.prove_many(chosen) for chosen in drawn])
    many = [({index: tree.leaf(index) for index in chosen}, tree.prove_many(chosen)) for chosen in drawn]
    verifying_many = cpu_seconds(runs, lambda: exhaust(verify_multiproof, ((root, *each) for each in many)))
    groups = index_groups(drawn)
    proving_groups = cpu_seconds(runs, lambda: tree.prove_groups(groups))
    grouped, of_groups = tree.prove_groups(groups), tree.leaves(groups.indices)
    verifying_groups = cpu_seconds(runs, lambda: verify_multiproofs(root, of_groups, grouped, threads=1))
    path = len(proofs[0][1].path)
    everywhere = source.sample(range(count), count)
    proving_each = cpu_seconds(runs, lambda: tree.prove_each(everywhere))
    batch, leaves = tree.prove_each(everywhere), tree.leaves(everywhere)
    verifying_batch = cpu_seconds(runs, lambda: verify_batch(root, leaves, batch, threads=1))
    return Report(
        TITLE,
        ABOUT,
        (
            Figure(
                f"build a tree of {count:,} records", "s", building,
                floor="hashing floor", floor_samples=floor,
            ),
            Figure("records built into a tree per second", "1/s", rates(count, building)),
            Figure("one Keccak permutation", "ns", scaled(1e9 / hashes, floor)),
            Figure("records appended to a growing tree per second", "1/s", rates(count, growing)),
            Figure(f"SHA-256 root of {count:,} records", "s", sha256),
            Figure("salts per second", "1/s", rates(count, salting)),
            Figure(f"proofs per second, {path} siblings", "1/s", rates(sampled, proving)),
            Figure("verifications per second", "1/s", rates(sampled, verifying)),
            Figure("proofs in bulk per second", "1/s", rates(count, proving_each)),
            Figure("verifications in bulk per second", "1/s", rates(count, verifying_batch)),
            Figure("multiproofs of 8 per second", "1/s", rates(multiproofs, proving_many)),
            Figure("verifications of multiproofs of 8 per second", "1/s", rates(multiproofs, verifying_many)),
            Figure("multiproofs of 8 in bulk per second", "1/s", rates(multiproofs, proving_groups)),
            Figure("verifications of multiproofs of 8 in bulk per second", "1/s", rates(multiproofs, verifying_groups)),
        ),
    )  # fmt: skip


if __name__ == "__main__":
    run_alone(measure, __doc__)
