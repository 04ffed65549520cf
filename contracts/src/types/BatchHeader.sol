// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What an enclave signs and a commit carries: one sealed batch of entries (docs/spec/header.md).
/// EIP-712 struct; the domain is name "wattest", version "1", the chain id and the Referee's address.
/// @param channel the channel's id
/// @param operator who commits, whose deposit answers for the batch
/// @param sequence 1 for the operator's first batch in the channel, then one more each time; at most 2^32 - 1
/// @param previous EIP-712 digest of the header before; zero at sequence 1
/// @param periodStart first second of the period, unix seconds, UTC
/// @param periodEnd first second after the period, unix seconds, UTC
/// @param root RFC 9162 root (keccak256, tagged leaves) over the entries
/// @param entryCount number of entries, 1 to 2^20
/// @param roster SHA-256 RFC 9162 root over the channel's meters in entry order; zero in an open channel
/// @param inputs SHA-256 RFC 9162 root over the digests of the batches that this one was computed from, or zero
/// @param state root over the meters' last registers in entry order; zero in an open channel
/// @param workload digest of the WASM module, engine version and engine configuration
/// @param contentId SHA-256 digest inside the bundle's CIDv1
/// @param witnesses reserved for witness approvals: zero
/// @param zkRoot reserved for zero-knowledge proofs: zero
struct BatchHeader {
    bytes32 channel;
    address operator;
    uint64 sequence;
    bytes32 previous;
    uint64 periodStart;
    uint64 periodEnd;
    bytes32 root;
    uint32 entryCount;
    bytes32 roster;
    bytes32 inputs;
    bytes32 state;
    bytes32 workload;
    bytes32 contentId;
    bytes32 witnesses;
    bytes32 zkRoot;
}

/// @notice Fields of a header in the call's input as the words that stand there, for the path of every commit: the compiler would
/// check each one's padding, at every reading. Whoever reads a word here compares it with a value that fits the field.
library HeaderWords {
    function operator(BatchHeader calldata header) internal pure returns (uint256) {
        return _at(header, 0x20);
    }

    function sequence(BatchHeader calldata header) internal pure returns (uint256) {
        return _at(header, 0x40);
    }

    function periodStart(BatchHeader calldata header) internal pure returns (uint256) {
        return _at(header, 0x80);
    }

    function periodEnd(BatchHeader calldata header) internal pure returns (uint256) {
        return _at(header, 0xa0);
    }

    function entryCount(BatchHeader calldata header) internal pure returns (uint256) {
        return _at(header, 0xe0);
    }

    function _at(BatchHeader calldata header, uint256 offset) private pure returns (uint256 word) {
        // Assembly: one word of the fifteen.
        assembly ("memory-safe") {
            word := calldataload(add(header, offset))
        }
    }
}

/// @notice EIP-712 struct hash of a header.
library BatchHeaderHash {
    bytes32 internal constant TYPE_HASH = keccak256(
        "BatchHeader(bytes32 channel,address operator,uint64 sequence,bytes32 previous,uint64 periodStart,uint64 periodEnd,bytes32 root,uint32 entryCount,bytes32 roster,bytes32 inputs,bytes32 state,bytes32 workload,bytes32 contentId,bytes32 witnesses,bytes32 zkRoot)"
    );

    /// @notice The struct hash over the header's fifteen words as they are. Padding that is not zero gives a hash that is no
    /// header's; whoever accepts a header that was never committed must also ask requireCanonical.
    function structHash(BatchHeader calldata header) internal pure returns (bytes32 hash) {
        bytes32 typeHash = TYPE_HASH;
        // Assembly: one copy instead of decoding and encoding each field, on the path of every commit. It writes only
        // beyond the free memory pointer.
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, typeHash)
            calldatacopy(add(words, 0x20), header, 0x1e0)
            hash := keccak256(words, 0x200)
        }
    }

    /// @notice Reverts unless the padding of every narrow field is zero: the compiler checks it where a field is read.
    function requireCanonical(BatchHeader calldata header) internal pure {
        uint256 narrow =
            uint160(header.operator) | header.sequence | header.periodStart | header.periodEnd | header.entryCount;
        assert(narrow <= type(uint160).max);
    }
}
