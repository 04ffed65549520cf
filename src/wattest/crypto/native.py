"""Typed face of the Rust extension ``_native``.

Decided here: which names the rooms above may use, and that a fault of the core arrives as ``Fault`` with a name and
fields. Not decided here: how a room words a fault; ``crypto`` and ``merkle`` each turn it into their own leaf class.
Buffers are ``bytes`` or any C-contiguous buffer of single bytes; numpy records are handed over as ``array.view("u1")``
or ``array.tobytes()``.
"""

from __future__ import annotations

from wattest.crypto._native import (
    Fault,
    build_sha256_tree,
    build_tree,
    build_tree_unequal,
    derive_salts,
    inclusion_path,
    keccak256,
    leaf_hash,
    multiproof_nodes,
    node_hash,
    verify_inclusion,
    verify_multiproof,
    verify_sha256_inclusion,
)

__all__ = [
    "Fault",
    "build_sha256_tree",
    "build_tree",
    "build_tree_unequal",
    "derive_salts",
    "inclusion_path",
    "keccak256",
    "leaf_hash",
    "multiproof_nodes",
    "node_hash",
    "verify_inclusion",
    "verify_multiproof",
    "verify_sha256_inclusion",
]
