"""``vectors/merkle``: corrupted proofs of both trees through every verifier; Rust and Solidity read them, too.

One proof has one name for its fault, whether it comes alone, in a batch, or as a multiproof of one leaf.
"""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wattest.merkle import (
    InclusionProof,
    InclusionRefused,
    MultiProof,
    MultiProofBatch,
    ProofBatch,
    ProofMalformed,
    index_column,
    index_groups,
    verify_batch,
    verify_inclusion,
    verify_multiproof,
    verify_multiproofs,
    verify_sha256_inclusion,
)

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
Case = dict[str, Any]


def read(family: str) -> list[Case]:
    cases: list[Case] = json.loads((VECTORS / "merkle" / f"{family}.json").read_text())["cases"]
    return cases


def differing(family: str, judge: Callable[[Case], object], names: dict[str, str] | None = None) -> dict[str, Any]:
    """Cases of which a verifier says something else; ``names`` translates what another verifier calls a fault."""
    found = {}
    for case in read(family):
        try:
            judge(case)
            outcome = "accepted"
        except InclusionRefused as refused:
            outcome = refused.code
        expected = (names or {}).get(case["outcome"], case["outcome"])
        if outcome != expected:
            found[case["name"]] = (outcome, expected)
    return found


def root(case: Case) -> bytes:
    return bytes.fromhex(case["root"])


def nodes(case: Case, name: str = "path") -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(node) for node in case[name])


def proof(case: Case) -> InclusionProof:
    return InclusionProof(case["index"], case["size"], nodes(case))


def test_each_proof_alone() -> None:
    assert not differing("probes", lambda case: verify_inclusion(root(case), bytes.fromhex(case["leaf"]), proof(case)))


def test_each_proof_as_a_batch() -> None:
    def judge(case: Case) -> None:
        batch = ProofBatch(index_column([case["index"]]), case["size"], b"".join(nodes(case)))
        verify_batch(root(case), bytes.fromhex(case["leaf"]), batch)

    assert not differing("probes", judge, {"PathLengthWrong": "NodeCountWrong"})


def test_each_proof_as_a_multiproof_of_one_leaf() -> None:
    def judge(case: Case) -> None:
        many = MultiProof((case["index"],), case["size"], nodes(case))
        verify_multiproof(root(case), {case["index"]: bytes.fromhex(case["leaf"])}, many)

    def judge_flat(case: Case) -> None:
        flat = MultiProofBatch(index_groups([[case["index"]]]), case["size"], b"".join(nodes(case)))
        verify_multiproofs(root(case), bytes.fromhex(case["leaf"]), flat)

    for each in (judge, judge_flat):
        assert not differing("probes", each, {"PathLengthWrong": "NodeCountWrong"})


def test_unsalted_proofs() -> None:
    def judge(case: Case) -> None:
        verify_sha256_inclusion(root(case), bytes.fromhex(case["item"]), proof(case))

    assert not differing("item_probes", judge)
    named = [case for case in read("sha256_probes") if case["item"] is not None]
    assert len(named) > 500
    for case in named:
        if case["outcome"] == "accepted":
            judge(case)
        else:
            with pytest.raises(InclusionRefused) as refused:
                judge(case)
            assert refused.value.code == case["outcome"], case["name"]


def test_multiproofs() -> None:
    def judge(case: Case) -> None:
        named = dict(zip(case["indices"], nodes(case, "leaves"), strict=False))
        verify_multiproof(root(case), named, MultiProof(tuple(case["indices"]), case["size"], nodes(case, "nodes")))

    def judge_flat(case: Case) -> None:
        flat = MultiProofBatch(index_groups([case["indices"]]), case["size"], b"".join(nodes(case, "nodes")))
        verify_multiproofs(root(case), b"".join(nodes(case, "leaves")), flat)

    for each in (judge, judge_flat):
        assert not differing("multiproof_probes", each)


@pytest.mark.parametrize("family", ["probes", "sha256_probes"])
def test_no_changed_bit_is_overlooked(family: str) -> None:
    """Every bit of root, leaf or item, and path of each proof that holds as it is."""
    whole = [case for case in read(family) if case["kind"] == "whole"]
    assert len(whole) > 5
    verify = verify_inclusion if family == "probes" else verify_sha256_inclusion
    for case in whole:
        parts = [root(case), bytes.fromhex(case["leaf" if family == "probes" else "item"]), *nodes(case)]
        verify(parts[0], parts[1], proof(case))
        for at, part in enumerate(parts):
            for bit in range(8 * len(part)):
                wrong = list(parts)
                wrong[at] = (int.from_bytes(part) ^ 1 << bit).to_bytes(len(part))
                changed = InclusionProof(case["index"], case["size"], tuple(wrong[2:]))
                with pytest.raises(InclusionRefused) as refused:
                    verify(wrong[0], wrong[1], changed)
                assert refused.value.code == "RootMismatch", (case["name"], at, bit)


def test_a_path_that_no_tree_has_is_no_proof() -> None:
    case = next(case for case in read("probes") if case["name"].endswith("path: of 32 nodes"))
    assert len(proof(case).path) == 32
    for path in ((*nodes(case), bytes(32)), (bytes(31),), (b"",), (*nodes(case)[:-1], b"")):
        with pytest.raises(ProofMalformed):
            InclusionProof(case["index"], case["size"], path)


def test_a_root_or_leaf_of_another_length_is_refused() -> None:
    case = read("probes")[0]
    leaf, whole = bytes.fromhex(case["leaf"]), root(case)
    verify_inclusion(whole, leaf, proof(case))
    for wrong in (b"", whole[:-1], whole + b"\x00"):
        with pytest.raises(InclusionRefused):
            verify_inclusion(wrong, leaf, proof(case))
        with pytest.raises(InclusionRefused):
            verify_inclusion(whole, wrong, proof(case))
        with pytest.raises(InclusionRefused):
            verify_sha256_inclusion(wrong, b"item", proof(case))


def test_files_are_what_the_reference_makes() -> None:
    generator = VECTORS / "generate_merkle_probes.py"
    run = subprocess.run([sys.executable, generator, "--check"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_independent_check_agrees() -> None:
    runpy.run_path(str(VECTORS / "check_merkle_probes.py"), run_name="__main__")
