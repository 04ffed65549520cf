// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Where a batch stands. Only Committed and Slashed are stored; Final is Committed with the challenge window over and
/// no hold running, a question about the clock. Slashed and Final are ends.
enum BatchState {
    None,
    Committed,
    Final,
    Slashed
}

/// @notice All that the chain remembers of a batch, as a leaf of its operator's history (docs/spec/referee.md). It never
/// changes; what happens to a batch later is in its mark.
/// @param headerDigest EIP-712 digest of the batch's header
/// @param committedAt unix seconds of the block that committed it
/// @param parametersVersion the channel's parameters and terms that hold for this batch for ever, counted from 1
/// @param stakeGwei S_i: what is burned of the operator's deposit when this batch is slashed, gwei
struct BatchRecord {
    bytes32 headerDigest;
    uint64 committedAt;
    uint16 parametersVersion;
    uint64 stakeGwei;
}

/// @notice That records stand in an operator's history, as of one of its last eight commits (lib/History.sol).
/// @param size batches in the history then: sequence of the last one
/// @param lastHeaderDigest EIP-712 digest of that last batch's header
/// @param peaks roots of the history's whole subtrees, left to right: one for each one bit of `size`, the largest first
/// @param nodes the siblings that lead from the records to those roots, level by level from the leaves, left before right
struct HistoryProof {
    uint64 size;
    bytes32 lastHeaderDigest;
    bytes32[] peaks;
    bytes32[] nodes;
}

/// @notice One batch, all that the chain remembers of it, and that it does.
struct BatchReference {
    bytes32 channel;
    address operator;
    uint64 sequence;
    BatchRecord record;
    HistoryProof history;
}

/// @notice Consecutive batches of one operator, under one proof.
/// @param firstSequence sequence of the first record; the others follow one by one
struct BatchRun {
    bytes32 channel;
    address operator;
    uint64 firstSequence;
    BatchRecord[] records;
    HistoryProof history;
}

/// @notice What happened to a batch after its commit.
/// @param isSlashed whether it was slashed: for ever
/// @param heldUntil for each module with the power to hold, in the order of modulesOf: not final before then, unix seconds
struct BatchMark {
    bool isSlashed;
    uint40[4] heldUntil;
}

/// @notice One entry of a batch with its positional inclusion proof (docs/spec/merkle.md).
/// @param index position of the entry, from 0
/// @param salt 16 bytes that hide the payload inside the leaf
/// @param payload the entry, exactly 118 bytes
/// @param path sibling hashes, leaf to root
struct EntryInclusion {
    uint32 index;
    bytes16 salt;
    bytes payload;
    bytes32[] path;
}

/// @notice Records as leaves: keccak256(0x00 || u64 sequence || headerDigest || u64 committedAt || u16 parametersVersion ||
/// u64 stakeGwei), 59 bytes. The leaf names its sequence, so that no record can stand for another one.
library BatchRecordHash {
    /// @notice The last three fields as BatchCommitted has them: committedAt << 80 | parametersVersion << 64 | stakeGwei.
    function stamp(uint256 committedAt, uint256 parametersVersion, uint256 stakeGwei) internal pure returns (uint256) {
        return committedAt << 80 | parametersVersion << 64 | stakeGwei;
    }

    function leaf(uint256 sequence, BatchRecord calldata record) internal pure returns (bytes32) {
        return
            leaf(sequence, record.headerDigest, stamp(record.committedAt, record.parametersVersion, record.stakeGwei));
    }

    /// @notice `sequence` below 2^64, `stamp_` below 2^144.
    function leaf(uint256 sequence, bytes32 headerDigest, uint256 stamp_) internal pure returns (bytes32 hash) {
        // Assembly: 59 bytes hashed where memory is free, on the path of every commit. The first store leaves the tag's zero
        // byte before the sequence, the last one sixteen bytes that are not hashed.
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, shl(184, sequence))
            mstore(add(words, 9), headerDigest)
            mstore(add(words, 41), shl(112, stamp_))
            hash := keccak256(words, 59)
        }
    }
}
