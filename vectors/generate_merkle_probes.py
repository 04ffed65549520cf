"""Write vectors/merkle/*probes.json: accepted proofs of both trees, and each corrupted in every way that we know.

What becomes of a corrupted proof the recursive reference decides, so one that still holds says so: a tree's size is not
in its root. Everything follows from fixed labels; ``--check`` writes nothing and exits 1 if a file differs.
``check_merkle_probes.py`` confirms every answer by the loop of RFC 9162, section 2.1.3.2, and a walk of multiproofs.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import merkle_reference as reference

OUT = Path(__file__).parent / "merkle"
ZERO, ONES = bytes(32), b"\xff" * 32
PROOFS = ((1, 0), (2, 1), (3, 2), (5, 4), (6, 3), (8, 0), (8, 5), (13, 8), (33, 32))
MULTIPROOFS = ((3, (0, 2)), (7, (2, 6)), (8, (1, 4, 5)), (13, (1, 4, 5, 12)), (16, (0, 1, 2, 3)))
LARGEST = 2**32 - 1
Case = dict[str, Any]


@dataclass(frozen=True)
class Tree:
    """Hashes of a rule over reproducible contents, as many as asked for."""

    name: str
    digest: reference.Digest

    def content(self, at: int) -> bytes:
        """What stands under a leaf."""
        return hashlib.shake_256(f"wattest vectors merkle probes {self.name} {at}".encode()).digest(24)

    def leaf(self, at: int) -> bytes:
        """A leaf hash; the salted one's salt is its content's first 16 bytes."""
        content = self.content(at)
        return (
            reference.item_hash(content) if self.name == "sha256" else reference.leaf_hash(content[:16], content[16:])
        )

    def leaves(self, size: int) -> list[bytes]:
        """The leaf hashes of a tree; a larger one begins with the smaller one's."""
        return [self.leaf(at) for at in range(size)]

    def root(self, size: int) -> bytes:
        """The root at a size."""
        return reference.root(self.leaves(size), self.digest)

    def path(self, index: int, size: int) -> list[bytes]:
        """The path of a leaf."""
        return reference.path(self.leaves(size), index, self.digest)


SALTED, UNSALTED = Tree("keccak", reference.keccak), Tree("sha256", reference.sha256)
Probe = tuple[str, str, bytes, bytes, int, int, list[bytes]]


def flipped(node: bytes, bit: int) -> bytes:
    """One bit changed, counted from the first octet's highest."""
    return bytes(octet ^ (0x80 >> bit % 8 if at == bit // 8 else 0) for at, octet in enumerate(node))


def probes(tree: Tree, size: int, index: int) -> Iterator[Probe]:
    """(kind, name, root, leaf, index, size, path): the first holds, and the others differ from it in one thing."""
    leaves, root, path = tree.leaves(size), tree.root(size), tree.path(index, size)
    leaf = leaves[index]
    yield "whole", "as it is", root, leaf, index, size, path
    indices = {
        "one less": index - 1, "one more": index + 1, "counted from the end": size - 1 - index, "zero": 0,
        "the size": size, "doubled": 2 * index, "halved": index // 2, "the largest": LARGEST,
        **{f"bit {bit} changed": index ^ 1 << bit for bit in range(len(path) + 1)},
    }  # fmt: skip
    for name, wrong in indices.items():
        if wrong != index and wrong >= 0:
            yield "index", f"index {name}", root, leaf, wrong, size, path
    sizes = {
        "zero": 0, "one": 1, "one less": size - 1, "one more": size + 1, "doubled": 2 * size, "halved": size // 2,
        "up to the leaf": index + 1, "the largest": LARGEST, "the next power of two": 1 << size.bit_length(),
    }  # fmt: skip
    for name, wrong in sizes.items():
        if wrong != size:
            yield "size", f"size {name}", root, leaf, index, wrong, path
    roots = {
        "of the tree without its last leaf": tree.root(max(1, size - 1)), "of the tree with one leaf more":
        tree.root(size + 1), "zero": ZERO, "all ones": ONES, "of nothing": tree.digest(b""), "the leaf": leaf,
        "the last node": path[-1] if path else ONES, "first bit changed": flipped(root, 0),
        "last bit changed": flipped(root, 255), "backwards": root[::-1], "hashed again": tree.digest(root),
    }  # fmt: skip
    for name, wrong_root in roots.items():
        if wrong_root != root:
            yield "root", f"root {name}", wrong_root, leaf, index, size, path
    others = {
        "zero": ZERO, "all ones": ONES, "the root": root, "the sibling": path[0] if path else ONES,
        "first bit changed": flipped(leaf, 0), "last bit changed": flipped(leaf, 255), "backwards": leaf[::-1],
        "content without its prefix": tree.digest(tree.content(index)),
        "content with a node's prefix": tree.digest(b"\x01" + tree.content(index)),
        "the first leaf": leaves[0], "the last leaf": leaves[-1], "the leaf before": leaves[index - 1],
        "a leaf that is not there": tree.leaf(size),
    }  # fmt: skip
    for name, wrong_leaf in others.items():
        if wrong_leaf != leaf:
            yield "leaf", f"leaf: {name}", root, wrong_leaf, index, size, path
    for name, wrong_path in paths(tree, size, index):
        if wrong_path != path:
            yield "path", f"path: {name}", root, leaf, index, size, wrong_path
    yield from mixed(tree, size, index)


def paths(tree: Tree, size: int, index: int) -> Iterator[tuple[str, list[bytes]]]:
    """Paths that are not this leaf's, from its own."""
    leaves, root, path = tree.leaves(size), tree.root(size), tree.path(index, size)
    yield "empty", []
    yield "the root alone", [root]
    yield "the leaf alone", [leaves[index]]
    yield "the root behind", [*path, root]
    yield "the root before", [root, *path]
    yield "the leaf before", [leaves[index], *path]
    yield "zero behind", [*path, ZERO]
    yield "backwards", path[::-1]
    yield "twice", path * 2
    yield "all zero", [ZERO] * len(path)
    yield "of 32 nodes", [ZERO] * 31 + [root]
    for at, node in enumerate(path):
        before, after = path[:at], path[at + 1 :]
        yield f"without node {at}", before + after
        yield f"node {at} twice", [*before, node, node, *after]
        yield f"zero before node {at}", [*before, ZERO, node, *after]
        yield f"node {at} zero", [*before, ZERO, *after]
        yield f"node {at}, first bit changed", [*before, flipped(node, 0), *after]
        yield f"node {at}, last bit changed", [*before, flipped(node, 255), *after]
        yield f"node {at} backwards", [*before, node[::-1], *after]
        yield f"node {at} hashed again", [*before, tree.digest(node), *after]
        if after:
            yield f"nodes {at} and {at + 1} exchanged", [*before, after[0], node, *after[1:]]
            joined = tree.digest(b"\x01" + node + after[0])
            yield f"nodes {at} and {at + 1} as their parent", [*before, joined, *after[1:]]
    for other in sorted({0, index - 1, index + 1, index ^ 1, size - 1} & set(range(size))):
        yield f"of leaf {other}", tree.path(other, size)
    for other in sorted({size - 1, size + 1, 2 * size}):
        if index < other:
            yield f"of the tree of {other}", tree.path(index, other)


def mixed(tree: Tree, size: int, index: int) -> Iterator[Probe]:
    """Several things wrong at once, so that they could cancel."""
    leaves, root, path = tree.leaves(size), tree.root(size), tree.path(index, size)
    leaf = leaves[index]
    other = (index + 1) % size
    if other != index:
        yield "mixed", "another leaf's index and path", root, leaf, other, size, tree.path(other, size)
        yield (
            "mixed",
            "another leaf and its path at this index",
            root,
            leaves[other],
            index,
            size,
            tree.path(other, size),
        )
        yield "mixed", "another leaf at its index with this path", root, leaves[other], other, size, path
    grown = size + 1
    yield "mixed", "path and size of a larger tree, this root", root, leaf, index, grown, tree.path(index, grown)
    yield "mixed", "root and size of a larger tree, this path", tree.root(grown), leaf, index, grown, path
    yield "mixed", "the root as the only leaf of its tree", root, root, 0, 1, []
    yield "mixed", "the leaf as the root of its tree", leaf, leaf, index, size, []
    if path:
        # An inner node is a leaf hash for all that the path can tell: a payload must be hashed by whoever verifies.
        sibling = path[0]
        stands_right = index % 2 == 1 or index == size - 1
        parent = tree.digest(b"\x01" + (sibling + leaf if stands_right else leaf + sibling))
        yield "mixed", "an inner node for a leaf", root, parent, index, size, path
        halved = (size + 1) // 2
        yield "half", "an inner node as leaf of a tree half as large", root, parent, index // 2, halved, path[1:]
        mirrored = tree.digest(b"\x01" + (leaf + sibling if stands_right else sibling + leaf))
        if len(path) == 1:
            yield "mixed", "the root with its halves exchanged", mirrored, leaf, index, size, path


def inclusion_cases(tree: Tree) -> list[Case]:
    """Flat cases; those of the unsalted tree name the item under a leaf that is the right one, else null."""
    cases = []
    for size, index in PROOFS:
        for kind, name, root, leaf, at, count, path in probes(tree, size, index):
            outcome = reference.judge_inclusion(root, leaf, at, count, path, tree.digest)
            case = {"name": f"leaf {index} of {size}: {name}", "kind": kind, "root": root, "leaf": leaf, "index": at,
                    "size": count, "path": path, "outcome": outcome}  # fmt: skip
            if tree is UNSALTED:
                case["item"] = tree.content(index) if leaf == tree.leaf(index) else None
            cases.append(case)
    return cases


def item_cases() -> list[Case]:
    """Items of the unsalted tree that are not what stands there."""
    cases = []
    for size, index in PROOFS:
        leaves, root, path = UNSALTED.leaves(size), UNSALTED.root(size), UNSALTED.path(index, size)
        item = UNSALTED.content(index)
        children = (path[0] + leaves[index], leaves[index] + path[0]) if path else (ZERO + ZERO, ONES + ONES)
        items = {
            "as it is": item, "first bit changed": flipped(item, 0), "an octet short": item[:-1],
            "an octet long": item + b"\x00", "with its prefix": b"\x00" + item, "its hash": leaves[index],
            "its parent's children": children[0], "its parent's children, exchanged": children[1],
            "one octet": item[:1], "another": UNSALTED.content((index + 1) % size if size > 1 else 1),
        }  # fmt: skip
        for name, given in items.items():
            outcome = reference.judge_inclusion(root, reference.item_hash(given), index, size, path, reference.sha256)
            cases.append({"name": f"item {index} of {size}: {name}", "root": root, "item": given, "index": index,
                          "size": size, "path": path, "outcome": outcome})  # fmt: skip
    return cases


def multiproof_cases() -> list[Case]:
    """Multiproofs of the salted tree."""
    cases = []
    for size, chosen in MULTIPROOFS:
        tree, root = SALTED.leaves(size), SALTED.root(size)
        good = (root, size, list(chosen), [tree[at] for at in chosen], reference.multiproof(tree, chosen))
        wrong = {name: parts for name, parts in multiproof_probes(size, *good[2:]) if parts != good}
        for name, parts in {"as it is": good, **wrong}.items():
            cases.append(
                {"name": f"leaves {list(chosen)} of {size}: {name}", "root": parts[0], "size": parts[1],
                 "indices": parts[2], "leaves": parts[3], "nodes": parts[4],
                 "outcome": reference.judge_multiproof(*parts)}
            )  # fmt: skip
    return cases


def multiproof_probes(
    size: int, indices: list[int], leaves: list[bytes], nodes: list[bytes]
) -> Iterator[tuple[str, tuple[bytes, int, list[int], list[bytes], list[bytes]]]]:
    """Root, size, indices, leaves and nodes with one thing changed."""
    root = SALTED.root(size)
    every = SALTED.leaves(size + 1)
    for name, wrong in {"one less": size - 1, "one more": size + 1, "doubled": 2 * size, "zero": 0, "the largest":
                        LARGEST, "the next power of two": 1 << size.bit_length()}.items():  # fmt: skip
        yield f"size {name}", (root, wrong, indices, leaves, nodes)
    for name, other in {"of the tree without its last leaf": SALTED.root(size - 1), "zero": ZERO, "first bit changed":
                        flipped(root, 0), "with one leaf more": SALTED.root(size + 1)}.items():  # fmt: skip
        yield f"root {name}", (other, size, indices, leaves, nodes)
    for at, index in enumerate(indices):
        put = [*indices[:at], index + 1, *indices[at + 1 :]]
        yield f"index {at} one more", (root, size, put, leaves, nodes)
        yield (
            f"index {at} one less",
            (root, size, [*indices[:at], max(0, index - 1), *indices[at + 1 :]], leaves, nodes),
        )
        fewer = [*indices[:at], *indices[at + 1 :]], [*leaves[:at], *leaves[at + 1 :]]
        yield f"index {at} and its leaf left out", (root, size, *fewer, nodes)
        yield f"leaf {at} left out", (root, size, indices, fewer[1], nodes)
        for name, leaf in {"zero": ZERO, "first bit changed": flipped(leaves[at], 0), "last bit changed":
                           flipped(leaves[at], 255), "of the next place": every[index + 1]}.items():  # fmt: skip
            yield f"leaf {at} {name}", (root, size, indices, [*leaves[:at], leaf, *leaves[at + 1 :]], nodes)
    for at in range(len(leaves) - 1):
        put = [*leaves[:at], leaves[at + 1], leaves[at], *leaves[at + 2 :]]
        yield f"leaves {at} and {at + 1} exchanged", (root, size, indices, put, nodes)
    added = next((index for index in range(size) if index not in indices), None)
    if added is not None:
        more = sorted([*indices, added])
        yield "an index and its leaf added", (root, size, more, [every[index] for index in more], nodes)
        others = [every[index] for index in more]
        fitting = reference.multiproof(SALTED.leaves(size), more)
        yield "nodes of more indices", (root, size, indices, leaves, fitting)
        yield "beside it: more indices", (root, size, more, others, fitting)
    yield "no nodes", (root, size, indices, leaves, [])
    yield "the root behind", (root, size, indices, leaves, [*nodes, root])
    yield "the root before", (root, size, indices, leaves, [root, *nodes])
    yield "nodes backwards", (root, size, indices, leaves, nodes[::-1])
    yield "nodes twice", (root, size, indices, leaves, nodes * 2)
    for at, node in enumerate(nodes):
        before, after = nodes[:at], nodes[at + 1 :]
        for name, put in {"left out": [], "twice": [node, node], "zero": [ZERO], "first bit changed":
                          [flipped(node, 0)], "last bit changed": [flipped(node, 255)]}.items():  # fmt: skip
            yield f"node {at} {name}", (root, size, indices, leaves, [*before, *put, *after])
        if after:
            yield f"nodes {at} and {at + 1} exchanged", (root, size, indices, leaves, [*before, after[0], node,
                                                                                      *after[1:]])  # fmt: skip


def plain(value: object) -> object:
    """Bytes as lower-case hex."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return value


def main() -> int:
    """Write or compare every file, one case a line."""
    families = {
        "probes": inclusion_cases(SALTED), "sha256_probes": inclusion_cases(UNSALTED), "item_probes": item_cases(),
        "multiproof_probes": multiproof_cases(),
    }  # fmt: skip
    changed = []
    for family, cases in families.items():
        file = OUT / f"{family}.json"
        text = '{"cases": [\n' + ",\n".join(json.dumps(plain(case)) for case in cases) + "\n]}\n"
        if "--check" not in sys.argv:
            file.write_text(text)
        elif not file.is_file() or file.read_text() != text:
            changed.append(file.name)
    if changed:
        sys.stderr.write(f"differ from what the reference makes: {', '.join(changed)}\n")
    return 1 if changed else 0


if __name__ == "__main__":
    raise SystemExit(main())
