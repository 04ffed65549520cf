"""Write vectors/merkle/*.json from the recursive reference alone: each accepted proof beside its refusals.

Everything follows from fixed labels, so running it again changes nothing; ``--check`` writes nothing and exits 1 if a
file differs.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import merkle_reference as reference

OUT = Path(__file__).parent / "merkle"
SIZES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16, 17, 33)
ZERO = bytes(32)
Case = dict[str, Any]


def content(label: str, length: int = 32) -> bytes:
    """Reproducible bytes of a label."""
    return hashlib.shake_256(f"wattest vectors merkle {label}".encode()).digest(length)


def leaves_of(size: int) -> list[bytes]:
    """Reproducible leaf hashes."""
    return [
        reference.leaf_hash(content(f"salt {size} {index}", 16), content(f"payload {size} {index}", 95))
        for index in range(size)
    ]


def flip(node: bytes) -> bytes:
    """One bit changed."""
    return bytes((node[0] ^ 1,)) + node[1:]


def leaf_cases() -> list[Case]:
    """Payloads of every kind of length, and one byte too long."""
    cases = []
    for length in (0, 1, 32, 63, 95, 117, 118, 119, 136):
        salt, payload = content("leaf salt", 16), content("leaf payload", length)
        fits = length <= reference.PAYLOAD_MAX
        cases.append(
            {
                "name": f"payload of {length}",
                "salt": salt,
                "payload": payload,
                "leaf": reference.leaf_hash(salt, payload) if fits else ZERO,
                "outcome": reference.ACCEPTED if fits else "PayloadTooLong",
            }
        )
    return cases


def tree_cases() -> list[Case]:
    """Trees of equal payloads, and one of unequal ones."""
    cases = []
    widths = {f"size {size}": [8] * size for size in SIZES} | {"unequal payloads": [0, 118, 1, 95, 63, 0, 32]}
    for name, lengths in widths.items():
        payloads = [content(f"{name} payload {at}", length) for at, length in enumerate(lengths)]
        salts = [content(f"{name} salt {at}", 16) for at in range(len(lengths))]
        leaves = [reference.leaf_hash(salt, payload) for salt, payload in zip(salts, payloads, strict=True)]
        cases.append(
            {"name": name, "payloads": payloads, "salts": salts, "leaves": leaves, "root": reference.root(leaves)}
        )
    return cases


def inclusion(name: str, root: bytes, leaf: bytes, index: int, size: int, path: list[bytes]) -> Case:
    """A case whose outcome the reference decides."""
    outcome = reference.judge_inclusion(root, leaf, index, size, path)
    return {"name": name, "root": root, "leaf": leaf, "index": index, "size": size, "path": path, "outcome": outcome}


def inclusion_cases() -> list[Case]:
    """Every shape accepted; every field wrong by one step refused; trees too large to build by their paths alone."""
    cases = []
    for size in SIZES:
        leaves = leaves_of(size)
        for index in sorted({0, 1, size // 2, size - 2, size - 1} & set(range(size))):
            cases.append(
                inclusion(
                    f"leaf {index} of {size}",
                    reference.root(leaves),
                    leaves[index],
                    index,
                    size,
                    reference.path(leaves, index),
                )
            )
    for size, index in ((1, 0), (13, 5), (13, 12), (17, 16)):
        leaves = leaves_of(size)
        root, leaf, path = reference.root(leaves), leaves[index], reference.path(leaves, index)
        changed: dict[str, tuple[bytes, bytes, int, int, list[bytes]]] = {
            "another root": (flip(root), leaf, index, size, path),
            "another leaf": (root, flip(leaf), index, size, path),
            "a node as its leaf": (root, root, index, size, path),
            "index at size": (root, leaf, size, size, path),
            "index far out": (root, leaf, 2**32 - 1, size, path),
            "size 0": (root, leaf, index, 0, path),
            "size 0, index 0, no path": (root, leaf, 0, 0, []),
            "size + 1": (root, leaf, index, size + 1, path),
            "size doubled": (root, leaf, index, 2 * size, path),
            "largest size": (root, leaf, index, 2**32 - 1, path),
            "a surplus node": (root, leaf, index, size, [*path, ZERO]),
            "a surplus node below": (root, leaf, index, size, [ZERO, *path]),
        }
        if index:
            changed["index - 1"] = (root, leaf, index - 1, size, path)
        if path:
            changed["a node missing above"] = (root, leaf, index, size, path[:-1])
            changed["a node missing below"] = (root, leaf, index, size, path[1:])
            changed["first node flipped"] = (root, leaf, index, size, [flip(path[0]), *path[1:]])
            changed["last node flipped"] = (root, leaf, index, size, [*path[:-1], flip(path[-1])])
            changed["no path"] = (root, leaf, index, size, [])
        if len(path) > 1:
            changed["path reversed"] = (root, leaf, index, size, path[::-1])
        cases += [inclusion(f"leaf {index} of {size}: {name}", *fields) for name, fields in changed.items()]
    leaves = leaves_of(5)
    root, path = reference.root(leaves), reference.path(leaves, 0)
    cases.append(inclusion("the size is not in the root: leaf 0 of 5 shown as of 8", root, leaves[0], 0, 8, path))
    for size in (2**31, 2**31 + 1, 2**32 - 1):
        for index in (0, 2**31 - 1, size - 1):
            path = [content(f"wide {level}") for level in range(reference.path_length(index, size))]
            leaf = content("wide leaf")
            root = reference.root_of_path(leaf, index, size, path)
            cases.append(inclusion(f"leaf {index} of {size}", root, leaf, index, size, path))
            cases.append(inclusion(f"leaf {index} of {size}: another root", flip(root), leaf, index, size, path))
    return cases


def multiproof(name: str, root: bytes, size: int, indices: list[int], leaves: list[bytes], nodes: list[bytes]) -> Case:
    """A case whose outcome the reference decides."""
    outcome = reference.judge_multiproof(root, size, indices, leaves, nodes)
    return {
        "name": name, "root": root, "size": size, "indices": indices, "leaves": leaves, "nodes": nodes,
        "outcome": outcome,
    }  # fmt: skip


def multiproof_cases() -> list[Case]:
    """Sets of leaves in every shape; every field wrong by one step."""
    cases = []
    for size in SIZES:
        leaves = leaves_of(size)
        sets = {
            (0,), (size - 1,), (0, size - 1), tuple(range(size)), tuple(range(0, size, 2)), tuple(range(1, size, 2)),
            tuple(range(size // 3, size // 3 + 3)),
        }  # fmt: skip
        for indices in sorted({tuple(sorted({i for i in chosen if i < size})) for chosen in sets} - {()}):
            cases.append(
                multiproof(
                    f"leaves {list(indices)} of {size}",
                    reference.root(leaves),
                    size,
                    list(indices),
                    [leaves[i] for i in indices],
                    reference.multiproof(leaves, indices),
                )
            )
    for size, chosen in ((13, [1, 4, 5, 12]), (7, [2, 6]), (8, [3])):
        tree = leaves_of(size)
        root, nodes = reference.root(tree), reference.multiproof(tree, chosen)
        leaves = [tree[i] for i in chosen]
        changed: dict[str, tuple[bytes, int, list[int], list[bytes], list[bytes]]] = {
            "another root": (flip(root), size, chosen, leaves, nodes),
            "first leaf flipped": (root, size, chosen, [flip(leaves[0]), *leaves[1:]], nodes),
            "last leaf flipped": (root, size, chosen, [*leaves[:-1], flip(leaves[-1])], nodes),
            "first node flipped": (root, size, chosen, leaves, [flip(nodes[0]), *nodes[1:]]),
            "last node flipped": (root, size, chosen, leaves, [*nodes[:-1], flip(nodes[-1])]),
            "nodes reversed": (root, size, chosen, leaves, nodes[::-1]),
            "a node missing": (root, size, chosen, leaves, nodes[:-1]),
            "no nodes": (root, size, chosen, leaves, []),
            "a surplus node": (root, size, chosen, leaves, [*nodes, ZERO]),
            "a surplus node first": (root, size, chosen, leaves, [ZERO, *nodes]),
            "size 0": (root, 0, chosen, leaves, nodes),
            "size 0, nothing named": (root, 0, [], [], []),
            "nothing named": (root, size, [], [], [root]),
            "nothing named, one leaf": (root, size, [], leaves[:1], nodes),
            "a leaf missing": (root, size, chosen, leaves[:-1], nodes),
            "a surplus leaf": (root, size, chosen, [*leaves, leaves[-1]], nodes),
            "first index repeated": (root, size, [chosen[0], *chosen], [leaves[0], *leaves], nodes),
            "last index repeated": (root, size, [*chosen, chosen[-1]], [*leaves, leaves[-1]], nodes),
            "last index at size": (root, size, [*chosen[:-1], size], leaves, nodes),
            "last index at the limit": (root, size, [*chosen[:-1], 2**32 - 1], leaves, nodes),
            "size + 1": (root, size + 1, chosen, leaves, nodes),
            "size doubled": (root, 2 * size, chosen, leaves, nodes),
            "largest size": (root, 2**32 - 1, chosen, leaves, nodes),
        }
        if len(chosen) > 1:
            changed["indices reversed"] = (root, size, chosen[::-1], leaves[::-1], nodes)
            changed["leaves swapped"] = (root, size, chosen, leaves[::-1], nodes)
            changed["out of range before the last"] = (root, size, [size, *chosen[1:]], leaves, nodes)
        cases += [multiproof(f"leaves {chosen} of {size}: {name}", *fields) for name, fields in changed.items()]
    return cases


def batch_cases() -> list[Case]:
    """Proofs in any order, some twice; every field wrong by one step."""
    cases = []
    for size, chosen in ((1, [0]), (2, [1, 0]), (7, [6, 2, 6]), (13, [12, 0, 5, 4]), (33, [32, 31, 0] * 4)):
        tree = leaves_of(size)
        root, leaves = reference.root(tree), [tree[i] for i in chosen]
        nodes = [node for i in chosen for node in reference.path(tree, i)]
        trials: dict[str, tuple[bytes, int, list[int], list[bytes], list[bytes]]] = {
            "": (root, size, chosen, leaves, nodes),
            ": another root": (flip(root), size, chosen, leaves, nodes),
            ": last leaf flipped": (root, size, chosen, [*leaves[:-1], flip(leaves[-1])], nodes),
            ": a surplus node": (root, size, chosen, leaves, [*nodes, ZERO]),
            ": a leaf missing": (root, size, chosen, leaves[:-1], nodes),
            ": nothing named": (root, size, [], [], []),
            ": size 0": (root, 0, chosen, leaves, nodes),
            ": size 2**32": (root, 2**32, chosen, leaves, nodes),
            ": last index at size": (root, size, [*chosen[:-1], size], leaves, nodes),
        }
        if nodes:
            trials[": last node flipped"] = (root, size, chosen, leaves, [*nodes[:-1], flip(nodes[-1])])
            trials[": a node missing"] = (root, size, chosen, leaves, nodes[:-1])
            trials[": nodes moved by one"] = (root, size, chosen, leaves, [*nodes[1:], nodes[0]])
        if len(set(chosen)) > 1:
            trials[": indices reversed"] = (root, size, chosen[::-1], leaves, nodes)
        for name, (claimed, count, indices, given, siblings) in trials.items():
            outcome, position = reference.judge_batch(claimed, count, indices, given, siblings)
            cases.append(
                {
                    "name": f"leaves {chosen} of {size}{name}", "root": claimed, "size": count, "indices": indices,
                    "leaves": given, "nodes": siblings, "outcome": outcome, "position": position,
                }
            )  # fmt: skip
    return cases


def group_cases() -> list[Case]:
    """Many multiproofs of one tree; every field wrong by one step, in the first, a middle and the last group."""
    cases = []
    for size, chosen in (
        (1, [[0]]), (2, [[0], [0, 1]]), (7, [[6], [2, 6], [0, 1, 2, 3, 4, 5, 6]]), (13, [[1, 4, 5, 12], [3], [12]]),
        (33, [[32], [0, 31, 32], [5, 6, 7], [32]]),
    ):  # fmt: skip
        tree = leaves_of(size)
        root, leaves = reference.root(tree), [tree[i] for group in chosen for i in group]
        nodes = [node for group in chosen for node in reference.multiproof(tree, group)]
        last, before = chosen[-1], chosen[:-1]
        trials: dict[str, tuple[bytes, int, list[list[int]], list[bytes], list[bytes]]] = {
            "": (root, size, chosen, leaves, nodes),
            ": another root": (flip(root), size, chosen, leaves, nodes),
            ": first leaf flipped": (root, size, chosen, [flip(leaves[0]), *leaves[1:]], nodes),
            ": last leaf flipped": (root, size, chosen, [*leaves[:-1], flip(leaves[-1])], nodes),
            ": a surplus node": (root, size, chosen, leaves, [*nodes, ZERO]),
            ": a leaf missing": (root, size, chosen, leaves[:-1], nodes),
            ": a surplus leaf": (root, size, chosen, [*leaves, ZERO], nodes),
            ": no group": (root, size, [], [], []),
            ": an empty group first": (root, size, [[], *chosen], leaves, nodes),
            ": an empty group last": (root, size, [*chosen, []], leaves, nodes),
            ": size 0": (root, 0, chosen, leaves, nodes),
            ": size 2**32": (root, 2**32, chosen, leaves, nodes),
            ": last index at size": (root, size, [*before, [*last[:-1], size]], leaves, nodes),
            ": last index repeated": (root, size, [*before, [*last, last[-1]]], [*leaves, leaves[-1]], nodes),
        }
        if nodes:
            trials[": first node flipped"] = (root, size, chosen, leaves, [flip(nodes[0]), *nodes[1:]])
            trials[": last node flipped"] = (root, size, chosen, leaves, [*nodes[:-1], flip(nodes[-1])])
            trials[": a node missing"] = (root, size, chosen, leaves, nodes[:-1])
        if len(chosen) > 1:
            trials[": two groups joined"] = (root, size, [chosen[0] + chosen[1], *chosen[2:]], leaves, nodes)
            trials[": the second group's last leaf in the third"] = (
                root, size, [chosen[0], chosen[1][:-1], [chosen[1][-1]], *chosen[2:]], leaves, nodes,
            )  # fmt: skip
        for name, (claimed, count, groups, given, siblings) in trials.items():
            outcome, position = reference.judge_groups(claimed, count, groups, given, siblings)
            cases.append(
                {
                    "name": f"groups {chosen} of {size}{name}", "root": claimed, "size": count, "groups": groups,
                    "leaves": given, "nodes": siblings, "outcome": outcome, "position": position,
                }
            )  # fmt: skip
    return cases


def growing_cases() -> list[Case]:
    """The nodes that stand at each size."""
    cases = []
    for size in SIZES:
        payloads = [content(f"growing payload {at}", 8) for at in range(size)]
        salts = [content(f"growing salt {at}", 16) for at in range(size)]
        leaves = [reference.leaf_hash(salt, payload) for salt, payload in zip(salts, payloads, strict=True)]
        cases.append(
            {
                "name": f"size {size}", "payloads": payloads, "salts": salts, "nodes": reference.post_order(leaves),
                "root": reference.root(leaves),
            }
        )  # fmt: skip
    return cases


def sha256_cases() -> list[Case]:
    """Unsalted trees: one accepted item each, and its neighbours refused."""
    cases = []
    for size, width, index in ((1, 1, 0), (2, 32, 1), (3, 64, 2), (5, 63, 0), (96, 63, 95), (2, 1024, 0)):
        items = [content(f"item {size} {at}", width) for at in range(size)]
        leaves = [reference.item_hash(item) for item in items]
        root, path = reference.root(leaves, reference.sha256), reference.path(leaves, index, reference.sha256)
        trials = {
            "": (root, items[index], path),
            ": another item": (root, flip(items[index]), path),
            ": the leaf hash for the item": (root, leaves[index], path),
            ": a surplus node": (root, items[index], [*path, ZERO]),
            ": another root": (flip(root), items[index], path),
        }
        for name, (claimed, item, siblings) in trials.items():
            outcome = reference.judge_inclusion(
                claimed, reference.item_hash(item), index, size, siblings, reference.sha256
            )
            cases.append(
                {
                    "name": f"item {index} of {size}{name}",
                    "items": b"".join(items),
                    "width": width,
                    "tree_root": root,
                    "root": claimed,
                    "item": item,
                    "index": index,
                    "size": size,
                    "path": siblings,
                    "outcome": outcome,
                }
            )
    return cases


def plain(value: object) -> object:
    """Bytes as lower-case hex."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return value


def main() -> int:
    """Write or compare every file."""
    families = {
        "leaves": leaf_cases(), "trees": tree_cases(), "inclusion": inclusion_cases(),
        "multiproof": multiproof_cases(), "sha256": sha256_cases(),
        "batch": batch_cases(), "groups": group_cases(), "growing": growing_cases(),
    }  # fmt: skip
    changed = []
    for family, cases in families.items():
        file = OUT / f"{family}.json"
        text = json.dumps(plain({"cases": cases}), indent=1) + "\n"
        if "--check" not in sys.argv:
            file.write_text(text)
        elif not file.is_file() or file.read_text() != text:
            changed.append(file.name)
    if changed:
        sys.stderr.write(f"differ from what the reference makes: {', '.join(changed)}\n")
    return 1 if changed else 0


if __name__ == "__main__":
    raise SystemExit(main())
