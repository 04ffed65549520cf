"""Typed face of the Rust extension ``_native``.

Decided here: which names the rooms above may use, and that a fault of the core arrives as ``Fault`` with a name and
fields. Not decided here: how a room words a fault; ``crypto`` and ``merkle`` each turn it into their own leaf class.
Buffers are ``bytes`` or any C-contiguous buffer of single bytes: numpy records as ``array.view("u1")`` or
``array.tobytes()``, an Arrow column of fixed-size binary by its data buffer. ``WATTEST_SIMD`` (scalar, avx2, avx512,
neon) forces a kernel and ``WATTEST_THREADS`` bounds the threads of one call; the core reads each once, here, and this
module cannot be imported under a value that does not count (``SimdUnavailable``, ``ThreadsInvalid``). The bytes that
come out are the same for every choice.
"""

from __future__ import annotations

from wattest.crypto._native import (
    Fault,
    GrowingTree,
    KeyWrapping,
    ReaderContexts,
    StoredTree,
    Tree,
    batch_node_count,
    check_series,
    checked_vee_input,
    compare_edited,
    crc16,
    default_threads,
    derive_salts,
    keccak256,
    keccak_permutations,
    key_salts,
    leaf_hash,
    multiproof_node_count,
    node_hash,
    open_device_blocks,
    open_series,
    seal_series,
    simd_kernels,
    split_nodes,
    vee_input,
    verify_batch,
    verify_inclusion,
    verify_multiproof,
    verify_multiproofs,
    verify_sha256_inclusion,
    verify_signatures,
)
from wattest.crypto.errors import refused_setting

try:
    simd_kernels()
    default_threads()
except Fault as _fault:
    raise refused_setting(*_fault.args) or _fault from None

__all__ = [
    "Fault",
    "GrowingTree",
    "KeyWrapping",
    "ReaderContexts",
    "StoredTree",
    "Tree",
    "batch_node_count",
    "check_series",
    "checked_vee_input",
    "compare_edited",
    "crc16",
    "default_threads",
    "derive_salts",
    "keccak256",
    "keccak_permutations",
    "key_salts",
    "leaf_hash",
    "multiproof_node_count",
    "node_hash",
    "open_device_blocks",
    "open_series",
    "seal_series",
    "simd_kernels",
    "split_nodes",
    "vee_input",
    "verify_batch",
    "verify_inclusion",
    "verify_multiproof",
    "verify_multiproofs",
    "verify_sha256_inclusion",
    "verify_signatures",
]
