"""Check vectors/merkle/*probes.json without wattest and without the recursive reference that made them.

Inclusion is judged by the loop of RFC 9162, section 2.1.3.2, over the two numbers fn and sn; multiproofs by a walk over
levels; Keccak comes from PyCryptodome. A corrupted proof may hold only where size or leaf were changed, since the path
says nothing of either. Exits with an assertion error at the first value that is not confirmed.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from Crypto.Hash import keccak

HERE = Path(__file__).parent / "merkle"
Case = dict[str, Any]
Digest = Callable[[bytes], bytes]


def keccak256(data: bytes) -> bytes:
    """Keccak-256 with the original padding."""
    return keccak.new(data=data, digest_bits=256).digest()


def sha256(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


def judge(case: Case, leaf: bytes, digest: Digest) -> str:
    """RFC 9162, section 2.1.3.2, its step for step; another number of nodes is found where it matters."""
    index, size, path = case["index"], case["size"], [bytes.fromhex(node) for node in case["path"]]
    if size == 0:
        return "EmptyTree"
    if index >= size:
        return "IndexOutOfRange"
    fn, sn, r = index, size - 1, leaf
    for node in path:
        if sn == 0:
            return "PathLengthWrong"
        if fn % 2 == 1 or fn == sn:
            r = digest(b"\x01" + node + r)
            if fn % 2 == 0:
                while fn % 2 == 0 and fn != 0:
                    fn, sn = fn >> 1, sn >> 1
        else:
            r = digest(b"\x01" + r + node)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        return "PathLengthWrong"
    return "accepted" if r.hex() == case["root"] else "RootMismatch"


def judge_multiproof(case: Case) -> str:
    """docs/spec/merkle.md, section 4: known nodes of a level as a dictionary, one level after the other."""
    size, indices, leaves = case["size"], case["indices"], [bytes.fromhex(leaf) for leaf in case["leaves"]]
    nodes = [bytes.fromhex(node) for node in case["nodes"]]
    if size == 0:
        return "EmptyTree"
    if not indices:
        return "NoIndices"
    if len(leaves) != len(indices):
        return "LeavesMismatch"
    if any(one >= other for one, other in pairwise(indices)):
        return "IndicesNotAscending"
    if indices[-1] >= size:
        return "IndexOutOfRange"
    known, width, used = dict(zip(indices, leaves, strict=True)), size, 0
    while width > 1:
        above: dict[int, bytes] = {}
        for position in sorted(known):
            if position // 2 in above:
                continue
            left, right = position - position % 2, position - position % 2 + 1
            for missing in {left, right} - set(known):
                if missing < width:
                    known[missing] = nodes[used] if used < len(nodes) else bytes(32)
                    used += 1
            both = right < width
            above[position // 2] = keccak256(b"\x01" + known[left] + known[right]) if both else known[left]
        known, width = above, -(-width // 2)
    if used != len(nodes):
        return "NodeCountWrong"
    return "accepted" if known[0].hex() == case["root"] else "RootMismatch"


def read(name: str) -> list[Case]:
    """One file's cases; no two have the same name."""
    cases: list[Case] = json.loads((HERE / f"{name}.json").read_text())["cases"]
    assert len({case["name"] for case in cases}) == len(cases), name
    return cases


def main() -> None:
    """Confirm every file."""
    seen: Counter[str] = Counter()
    for name, digest in (("probes", keccak256), ("sha256_probes", sha256)):
        for case in read(name):
            leaf = bytes.fromhex(case["leaf"])
            assert judge(case, leaf, digest) == case["outcome"], case["name"]
            if case.get("item") is not None:
                assert sha256(b"\x00" + bytes.fromhex(case["item"])) == leaf, case["name"]
            if case["outcome"] == "accepted":
                whole = "the root as the only leaf", "the leaf as the root of its tree"
                assert case["kind"] in {"whole", "size", "half"} or any(each in case["name"] for each in whole), case
            else:
                assert case["kind"] != "whole", case["name"]
            seen[case["outcome"]] += 1
    for case in read("item_probes"):
        assert judge(case, sha256(b"\x00" + bytes.fromhex(case["item"])), sha256) == case["outcome"], case["name"]
        assert (case["outcome"] == "accepted") == case["name"].endswith("as it is"), case["name"]
    for case in read("multiproof_probes"):
        assert judge_multiproof(case) == case["outcome"], case["name"]
        seen[case["outcome"]] += 1
    assert len(seen) == 8, seen


if __name__ == "__main__":
    main()
