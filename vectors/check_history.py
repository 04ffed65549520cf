"""Check vectors/history/history.json by the definition of the tree, with another Keccak and without wattest.

No levels that are climbed: a node is RFC 9162's root over its own leaves, and which nodes a proof needs is said of the
nodes, not found on a walk. Exits with an assertion error at the first value that this does not confirm.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from eth_hash.auto import keccak
from merkle_reference import root

HERE = Path(__file__).parent / "history"
VECTORS = json.loads((HERE / "history.json").read_text())


def leaf(sequence: int, digest: str, committed_at: int, version: int, stake: int) -> bytes:
    """A record as a leaf, field by field."""
    assert len(bytes.fromhex(digest)) == 32
    fields = [b"\x00", sequence.to_bytes(8, "big"), bytes.fromhex(digest), committed_at.to_bytes(8, "big")]
    return keccak(b"".join([*fields, version.to_bytes(2, "big"), stake.to_bytes(8, "big")]))


LEAVES = [
    leaf(at, one["header_digest"], one["committed_at"], one["parameters_version"], one["stake_gwei"])
    for at, one in enumerate(VECTORS["records"], 1)
]


@cache
def node(height: int, position: int) -> bytes:
    """The root over the 2**height leaves that begin at position * 2**height."""
    begin = position << height
    return root(LEAVES[begin : begin + (1 << height)])


def peaks(size: int) -> list[bytes]:
    """Roots of the largest whole subtrees, from the left."""
    found, begin = [], 0
    while begin < size:
        height = (size - begin).bit_length() - 1
        found.append(node(height, begin >> height))
        begin += 1 << height
    return found


def word(size: int, last: bytes, top: list[bytes]) -> bytes:
    """What a chain keeps of a history."""
    return keccak(size.to_bytes(32, "big") + last + b"".join(top))


def needed(first: int, count: int, size: int) -> list[tuple[int, int]]:
    """Height and position of the nodes that a proof has, from index ``first`` on.

    Those that hold no leaf of the run, but whose sibling does, under a parent that is whole.
    """
    run = set(range(first, first + count))

    def touches(height: int, position: int) -> bool:
        return bool(run & set(range(position << height, (position + 1) << height)))

    return [
        (height, position)
        for height in range(size.bit_length())
        for position in range(size >> height)
        if not touches(height, position)
        and touches(height, position ^ 1)
        and ((position >> 1) + 1) << (height + 1) <= size
    ]


def judged(case: dict[str, Any]) -> str:
    """What must come of a case."""
    size, first, count = case["size"], case["first_sequence"], len(case["header_digests"])
    top, nodes = ([bytes.fromhex(text) for text in case[name]] for name in ("peaks", "nodes"))
    if word(size, bytes.fromhex(case["last_header_digest"]), top) != bytes.fromhex(case["kept"]):
        return "HistoryMismatch"
    if first == 0 or count == 0 or first - 1 + count > size:
        return "UnknownBatch"
    places = needed(first - 1, count, size)
    if len(nodes) != len(places):
        return "NodeCountWrong"
    fields = zip(
        case["header_digests"], case["committed_at"], case["parameters_versions"], case["stakes_gwei"], strict=True
    )
    leaves = [leaf(sequence, *rest) for sequence, rest in enumerate(fields, first)]
    # The peaks are those of the history, since the word is: what leads to them is what the history has, nothing else.
    assert top == peaks(size)
    true = leaves == LEAVES[first - 1 : first - 1 + count] and nodes == [node(*place) for place in places]
    return "accepted" if true else "UnknownBatch"


def main() -> None:
    """Leaves, words, and every case."""
    assert [one.hex() for one in LEAVES] == [record["leaf"] for record in VECTORS["records"]]
    assert VECTORS["words"][0] == bytes(32).hex()
    for size in range(1, len(LEAVES) + 1):
        last = bytes.fromhex(VECTORS["records"][size - 1]["header_digest"])
        assert word(size, last, peaks(size)).hex() == VECTORS["words"][size], size
    for case in VECTORS["cases"]:
        assert judged(case) == case["outcome"], (case["why"], case["size"], case["first_sequence"])
    outcomes = {case["outcome"] for case in VECTORS["cases"]}
    assert outcomes == {"accepted", "HistoryMismatch", "NodeCountWrong", "UnknownBatch"}


if __name__ == "__main__":
    main()
