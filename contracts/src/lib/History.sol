// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleRfc9162} from "./MerkleRfc9162.sol";

/// @notice An operator's history in a channel: the RFC 9162 tree (keccak256) over its batch records, of which the chain keeps one
/// word a size: keccak256(u256 size || lastHeaderDigest || peaks). The peaks are the roots of the whole subtrees, left to
/// right, one for each one bit of the size, the largest first; folded from the right they give RFC 9162's root. Whoever
/// appends or proves brings the peaks. A word of size n never stands for another size, since it hashes n; the word of an
/// empty history is zero.
library History {
    /// @notice The word of a history of `size` batches, at least one.
    function word(uint256 size, bytes32 lastHeaderDigest, bytes32[] calldata peaks)
        internal
        pure
        returns (bytes32 hash)
    {
        // Assembly: one copy and one hash where memory is free.
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, size)
            mstore(add(words, 0x20), lastHeaderDigest)
            calldatacopy(add(words, 0x40), peaks.offset, shl(5, peaks.length))
            hash := keccak256(words, add(0x40, shl(5, peaks.length)))
        }
    }

    /// @notice word(size, lastHeaderDigest, peaks), and the word after one more batch with this digest and leaf, which is right
    /// if the former is what is kept: then the peaks are as many as `size` has one bits.
    function appended(
        uint256 size,
        bytes32 lastHeaderDigest,
        bytes32[] calldata peaks,
        bytes32 headerDigest,
        bytes32 leaf
    ) internal pure returns (bytes32 before, bytes32 next) {
        // Assembly: on the path of every commit. The leaf takes in a peak for each trailing one bit of `size`, from the right,
        // and becomes the last peak itself. It writes only beyond the free memory pointer: 65 bytes for the nodes, then
        // the words that are hashed; the peaks that were taken in lie behind what is hashed. With fewer peaks than one
        // bits it reads what lies before them, and gives a word that nobody uses.
        assembly ("memory-safe") {
            let preimage := mload(0x40)
            let words := add(preimage, 0x60)
            let last := add(words, 0x40)
            mstore(words, size)
            mstore(add(words, 0x20), lastHeaderDigest)
            calldatacopy(last, peaks.offset, shl(5, peaks.length))
            last := add(last, shl(5, peaks.length))
            before := keccak256(words, sub(last, words))

            mstore(words, add(size, 1))
            mstore(add(words, 0x20), headerDigest)
            mstore8(preimage, 0x01)
            let own := add(preimage, 0x21)
            mstore(own, leaf)
            for { let carry := size } and(carry, 1) { carry := shr(1, carry) } {
                last := sub(last, 0x20)
                mstore(add(preimage, 0x01), mload(last))
                mstore(own, keccak256(preimage, 0x41))
            }
            mstore(last, mload(own))
            next := keccak256(words, sub(add(last, 0x20), words))
        }
    }

    /// @notice Whether `leaf` is the record at `index`, from 0 and below `size`, of a history with these peaks. Reverts
    /// NodeCountWrong unless the path has exactly the nodes up to its peak.
    function includes(bytes32 leaf, uint256 index, uint256 size, bytes32[] calldata peaks, bytes32[] calldata nodes)
        internal
        pure
        returns (bool)
    {
        // The highest bit in which index and size differ is the height of the subtree that the record lies in.
        uint256 height = bitLength(index ^ size) - 1;
        if (nodes.length != height) revert MerkleRfc9162.NodeCountWrong(height, nodes.length);
        for (uint256 level = 0; level < height; ++level) {
            leaf = index >> level & 1 == 0
                ? MerkleRfc9162.nodeHash(leaf, nodes[level])
                : MerkleRfc9162.nodeHash(nodes[level], leaf);
        }
        return leaf == peaks[peakAt(height, size)];
    }

    /// @notice Whether `leaves`, which it overwrites, are the records from `first` on, counted from 0, of a history with these
    /// peaks; at least one, and none at or beyond `size`. Reverts NodeCountWrong unless `nodes` are exactly those needed.
    function includesRun(
        bytes32[] memory leaves,
        uint256 first,
        uint256 size,
        bytes32[] calldata peaks,
        bytes32[] calldata nodes
    ) internal pure returns (bool isIncluded) {
        uint256 used;
        uint256 count = leaves.length;
        isIncluded = true;
        for (uint256 height = 0; count != 0; ++height) {
            uint256 width = size >> height;
            // The last node of a level of odd width has no sibling: it is a peak.
            if (width & 1 == 1 && first + count == width) {
                --count;
                if (leaves[count] != peaks[peakAt(height, size)]) isIncluded = false;
                if (count == 0) break;
            }
            (count, used) = climb(leaves, first, count, nodes, used);
            first >>= 1;
        }
        if (used != nodes.length) revert MerkleRfc9162.NodeCountWrong(used, nodes.length);
    }

    /// @dev One level up, in place: a parent is never written beyond the children already read. Where the proof runs out of
    /// nodes a zero stands in, so that the count of needed nodes, the error's field, comes out all the same.
    function climb(bytes32[] memory leaves, uint256 first, uint256 count, bytes32[] calldata nodes, uint256 used)
        private
        pure
        returns (uint256 parents, uint256 usedAfter)
    {
        uint256 read;
        if (first & 1 == 1) {
            leaves[0] = MerkleRfc9162.nodeHash(used < nodes.length ? nodes[used] : bytes32(0), leaves[0]);
            ++used;
            read = 1;
            parents = 1;
        }
        for (; read + 1 < count; read += 2) {
            leaves[parents++] = MerkleRfc9162.nodeHash(leaves[read], leaves[read + 1]);
        }
        if (read < count) {
            leaves[parents++] = MerkleRfc9162.nodeHash(leaves[read], used < nodes.length ? nodes[used] : bytes32(0));
            ++used;
        }
        return (parents, used);
    }

    /// @dev Place of the peak of this height: the one bits of `size` above it.
    function peakAt(uint256 height, uint256 size) private pure returns (uint256 place) {
        for (uint256 above = size >> height >> 1; above != 0; above &= above - 1) {
            ++place;
        }
    }

    /// @dev Of a value below 2^64.
    function bitLength(uint256 value) private pure returns (uint256 length) {
        for (uint256 half = 32; half != 0; half >>= 1) {
            if (value >> half != 0) {
                value >>= half;
                length += half;
            }
        }
        length += value;
    }
}
