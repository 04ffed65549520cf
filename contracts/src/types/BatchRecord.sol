// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Where a batch stands. Final is no stored state: it is Committed, with the window over and no challenge open.
/// Later versions add Seeded, NotSelected, Open, Answered, Missed and Cured behind these, for scheduled audits.
enum BatchState {
    None,
    Committed,
    Slashed
}

/// @notice All that the chain remembers of a batch. Storage holds only its hash; whoever acts on a batch brings this.
/// It changes once at most, from Committed to Slashed, so that no third party can make another's copy stale at will.
/// @param headerDigest EIP-712 digest of the batch's header
/// @param committedAt unix seconds of the block that committed it
/// @param parametersVersion the channel parameters that hold for this batch for ever, counted from 1
/// @param state Committed or Slashed
struct BatchRecord {
    bytes32 headerDigest;
    uint64 committedAt;
    uint16 parametersVersion;
    BatchState state;
}

/// @notice A batch and where it lies, as Payouts cites it.
struct BatchCitation {
    bytes32 channel;
    address operator;
    uint64 sequence;
    BatchRecord record;
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

library BatchRecordHash {
    /// @notice Digest of the record before an operator's first batch: all zero.
    bytes32 internal constant NONE = keccak256(abi.encode(0, 0, 0, 0));

    /// @notice Digest of the record of a batch that is being committed.
    function committed(bytes32 headerDigest, uint256 committedAt, uint256 parametersVersion)
        internal
        pure
        returns (bytes32 hash)
    {
        uint256 state = uint256(BatchState.Committed);
        // Assembly: four words hashed where memory is free, on the path of every commit; the same bytes as digest().
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, headerDigest)
            mstore(add(words, 0x20), committedAt)
            mstore(add(words, 0x40), parametersVersion)
            mstore(add(words, 0x60), state)
            hash := keccak256(words, 0x80)
        }
    }

    /// @notice The value of a batch's storage slot: keccak256 over the four words of the record.
    function digest(BatchRecord memory record) internal pure returns (bytes32) {
        return keccak256(abi.encode(record));
    }

    /// @notice The same of a record in the call's input, whose four words are taken as they are: padding that is not zero
    /// gives a digest that no slot has.
    function digestOf(BatchRecord calldata record) internal pure returns (bytes32 hash) {
        // Assembly: one copy instead of a checked decode and a new encoding of each field, on the path of every commit.
        // It writes only beyond the free memory pointer.
        assembly ("memory-safe") {
            let words := mload(0x40)
            calldatacopy(words, record, 0x80)
            hash := keccak256(words, 0x80)
        }
    }
}
