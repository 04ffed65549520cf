// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Salted Merkle trees of RFC 9162 shape over Keccak-256: leaves, inclusion proofs, multiproofs
/// (docs/spec/merkle.md). Every function that verifies reverts with the reason; none returns a boolean to forget.
/// @dev Sizes and indices are uint32, so that no tree beyond the format's limit can be named. The order of checks is the
/// specification's, the same as in the Rust core: one bad proof has one name everywhere.
library MerkleRfc9162 {
    /// @notice Most payload bytes under one leaf: with prefix and salt 135 bytes, one Keccak permutation.
    uint256 internal constant PAYLOAD_MAX = 118;

    /// @notice Size 0: an empty tree has no root.
    error EmptyTree();
    /// @notice The index is at or beyond the tree's size.
    error IndexOutOfRange(uint256 index, uint256 size);
    /// @notice The path has another number of nodes than index and size need.
    error PathLengthWrong(uint256 expected, uint256 actual);
    /// @notice A multiproof over no leaf.
    error NoIndices();
    /// @notice Another number of leaves than of indices.
    error LeavesMismatch(uint256 expected, uint256 actual);
    /// @notice The index at this place is not above the one before it: out of order or repeated.
    error IndicesNotAscending(uint256 position);
    /// @notice Missing or surplus nodes in a multiproof.
    error NodeCountWrong(uint256 expected, uint256 actual);
    /// @notice A proof of the right form that leads to another root.
    error RootMismatch(bytes32 expected, bytes32 actual);
    /// @notice A payload over PAYLOAD_MAX bytes.
    error PayloadTooLong(uint256 maximum, uint256 actual);

    /// @notice keccak256(0x00 || salt || payload), the payload 0 to 118 bytes.
    function leafHash(bytes16 salt, bytes memory payload) internal pure returns (bytes32) {
        if (payload.length > PAYLOAD_MAX) revert PayloadTooLong(PAYLOAD_MAX, payload.length);
        return keccak256(abi.encodePacked(bytes1(0x00), salt, payload));
    }

    /// @notice keccak256(0x01 || left || right).
    function nodeHash(bytes32 left, bytes32 right) internal pure returns (bytes32 node) {
        // Assembly: a proof is little else than this, and abi.encodePacked would take new memory for each node. It
        // writes only beyond the free memory pointer, which the compiler allows for scratch use.
        assembly ("memory-safe") {
            let preimage := mload(0x40)
            mstore8(preimage, 0x01)
            mstore(add(preimage, 0x01), left)
            mstore(add(preimage, 0x21), right)
            node := keccak256(preimage, 0x41)
        }
    }

    /// @notice Reverts unless `leaf` stands at `index` in the tree of `size` leaves under `root`; the path runs from
    /// the leaf's sibling up.
    function verifyInclusion(bytes32 root, bytes32 leaf, uint32 index, uint32 size, bytes32[] calldata path)
        internal
        pure
    {
        if (size == 0) revert EmptyTree();
        if (index >= size) revert IndexOutOfRange(index, size);
        uint256 expected = pathLength(index, size);
        if (path.length != expected) revert PathLengthWrong(expected, path.length);

        bytes32 node = leaf;
        // As full words: in assembly a uint32 may carry anything above its 32 bits.
        uint256 position = index;
        uint256 last = uint256(size) - 1;
        // Assembly: a third of the gas of a checked loop, for the one function on every answer's way. It writes 65 bytes
        // beyond the free memory pointer, scratch that the compiler allows, and reads only the path's own words.
        assembly ("memory-safe") {
            let preimage := mload(0x40)
            let left := add(preimage, 0x01)
            let end := add(path.offset, shl(5, path.length))
            mstore8(preimage, 0x01)
            for { let word := path.offset } lt(word, end) { word := add(word, 0x20) } {
                // The node stands right, its sibling left, if its position is odd or on the tree's right edge
                // (position == last, and so it stays). Levels on which an edge node moves up unpaired have no node in
                // the path and need no step here.
                let side := shl(5, or(and(position, 1), eq(position, last)))
                mstore(add(left, side), node)
                mstore(add(left, xor(side, 0x20)), calldataload(word))
                node := keccak256(preimage, 0x41)
                position := shr(1, position)
                last := shr(1, last)
            }
        }
        if (node != root) revert RootMismatch(root, node);
    }

    /// @notice Nodes in the inclusion path of `index` in a tree of `size` leaves; `index` must be below `size`.
    function pathLength(uint256 index, uint256 size) internal pure returns (uint256 length) {
        // Unchecked: callers made sure that 0 <= index < size <= 2^32 - 1; the sum stays below 33.
        unchecked {
            // A level where the branches of this leaf and of the last one differ has one sibling: the bit length of
            // the difference, found by halving.
            uint256 differing = index ^ (size - 1);
            for (uint256 half = 16; half != 0; half >>= 1) {
                if (differing >> half != 0) {
                    differing >>= half;
                    length += half;
                }
            }
            length += differing;
            // Above that, the right edge has one wherever the branch turns right.
            for (uint256 edge = index >> length; edge != 0; edge &= edge - 1) {
                ++length;
            }
        }
    }

    /// @notice Reverts unless each leaf stands at its index in the tree of `size` leaves under `root`. `indices` are
    /// strictly ascending; `nodes` are the missing siblings level by level from the leaves, left to right.
    function verifyMultiproof(
        bytes32 root,
        uint32 size,
        uint32[] calldata indices,
        bytes32[] memory leaves,
        bytes32[] calldata nodes
    ) internal pure {
        if (size == 0) revert EmptyTree();
        if (indices.length == 0) revert NoIndices();
        if (leaves.length != indices.length) revert LeavesMismatch(indices.length, leaves.length);

        uint256[] memory positions = new uint256[](indices.length);
        bytes32[] memory known = new bytes32[](indices.length);
        for (uint256 i; i < indices.length; ++i) {
            positions[i] = indices[i];
            known[i] = leaves[i];
            if (i != 0 && positions[i] <= positions[i - 1]) revert IndicesNotAscending(i);
        }
        uint256 highest = positions[positions.length - 1];
        if (highest >= size) revert IndexOutOfRange(highest, size);

        uint256 used;
        uint256 width = size;
        uint256 count = positions.length;
        while (width > 1) {
            (count, used) = _climb(positions, known, count, width, nodes, used);
            width = (width + 1) / 2;
        }
        if (used != nodes.length) revert NodeCountWrong(used, nodes.length);
        if (known[0] != root) revert RootMismatch(root, known[0]);
    }

    /// @dev One level up, in place: a parent is never written beyond the children already read. Where the proof runs
    /// out of nodes a zero stands in, so that the count of needed nodes, the error's field, comes out all the same.
    function _climb(
        uint256[] memory positions,
        bytes32[] memory known,
        uint256 count,
        uint256 width,
        bytes32[] calldata nodes,
        uint256 used
    ) private pure returns (uint256 parents, uint256 usedAfter) {
        uint256 read;
        // Unchecked: `read` and `parents` stay at most `count`, a length; `used` grows by at most one for each.
        unchecked {
            while (read < count) {
                uint256 position = positions[read];
                bytes32 node = known[read];
                ++read;
                uint256 sibling = position ^ 1;
                if (read < count && positions[read] == sibling) {
                    node = nodeHash(node, known[read]);
                    ++read;
                } else if (sibling < width) {
                    bytes32 other = used < nodes.length ? nodes[used] : bytes32(0);
                    ++used;
                    node = position & 1 == 0 ? nodeHash(node, other) : nodeHash(other, node);
                }
                positions[parents] = position >> 1;
                known[parents] = node;
                ++parents;
            }
        }
        return (parents, used);
    }
}
