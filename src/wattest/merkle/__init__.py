"""Trees and proofs over bytes; knows nothing of readings. Format: ``docs/spec/merkle.md``."""

from wattest.crypto.errors import SimdUnavailable, ThreadsInvalid
from wattest.merkle.errors import (
    EmptyTree,
    InclusionRefused,
    IndexOutOfRange,
    IndicesNotAscending,
    LeavesMismatch,
    NodeCountWrong,
    NoIndices,
    PathLengthWrong,
    PayloadTooLong,
    ProofMalformed,
    RootMismatch,
    TreeInputInvalid,
    TreeTooLarge,
)
from wattest.merkle.groups import (
    IndexGroups,
    MultiProofBatch,
    ProvedGroups,
    index_groups,
    verify_multiproofs,
)
from wattest.merkle.growing import GrowingTree
from wattest.merkle.hashes import HASH_BYTES, PAYLOAD_MAX_BYTES, SALT_BYTES, SIZE_MAX, leaf_hash, node_hash
from wattest.merkle.proof_batch import PROOFS_MAX, ProofBatch, ProvedLeaves, index_column, verify_batch
from wattest.merkle.proofs import InclusionProof, MultiProof, verify_inclusion, verify_multiproof
from wattest.merkle.sha256_tree import sha256_inclusion, sha256_root, verify_sha256_inclusion
from wattest.merkle.tree import MerkleTree

__all__ = [
    "EmptyTree",
    "GrowingTree",
    "HASH_BYTES",
    "InclusionProof",
    "InclusionRefused",
    "IndexGroups",
    "IndexOutOfRange",
    "IndicesNotAscending",
    "LeavesMismatch",
    "MerkleTree",
    "MultiProof",
    "MultiProofBatch",
    "NoIndices",
    "NodeCountWrong",
    "PAYLOAD_MAX_BYTES",
    "PROOFS_MAX",
    "PathLengthWrong",
    "PayloadTooLong",
    "ProofBatch",
    "ProofMalformed",
    "ProvedGroups",
    "ProvedLeaves",
    "RootMismatch",
    "SALT_BYTES",
    "SIZE_MAX",
    "SimdUnavailable",
    "ThreadsInvalid",
    "TreeInputInvalid",
    "TreeTooLarge",
    "index_column",
    "index_groups",
    "leaf_hash",
    "node_hash",
    "sha256_inclusion",
    "sha256_root",
    "verify_batch",
    "verify_inclusion",
    "verify_multiproof",
    "verify_multiproofs",
    "verify_sha256_inclusion",
]
