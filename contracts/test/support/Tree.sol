// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice RFC 9162 trees by the recursive definition of the RFC, told apart on purpose from the library's loops.
library Tree {
    function leaf(bytes16 salt, bytes memory payload) internal pure returns (bytes32) {
        return keccak256(bytes.concat(hex"00", salt, payload));
    }

    function root(bytes32[] memory leaves) internal pure returns (bytes32) {
        return range(leaves, 0, leaves.length);
    }

    function path(bytes32[] memory leaves, uint256 index) internal pure returns (bytes32[] memory) {
        return walk(leaves, 0, leaves.length, index);
    }

    function range(bytes32[] memory leaves, uint256 from, uint256 to) private pure returns (bytes32) {
        if (to - from == 1) return leaves[from];
        uint256 middle = from + split(to - from);
        return keccak256(bytes.concat(hex"01", range(leaves, from, middle), range(leaves, middle, to)));
    }

    function walk(bytes32[] memory leaves, uint256 from, uint256 to, uint256 index)
        private
        pure
        returns (bytes32[] memory result)
    {
        if (to - from == 1) return new bytes32[](0);
        uint256 middle = from + split(to - from);
        bool isLeft = index < middle;
        bytes32[] memory below = isLeft ? walk(leaves, from, middle, index) : walk(leaves, middle, to, index);
        result = new bytes32[](below.length + 1);
        for (uint256 i = 0; i < below.length; ++i) {
            result[i] = below[i];
        }
        result[below.length] = isLeft ? range(leaves, middle, to) : range(leaves, from, middle);
    }

    /// @dev The same over SHA-256 with RFC 9162's own leaf prefix and no salt.
    function sha256Root(bytes32[] memory items, uint256 from, uint256 to) internal pure returns (bytes32) {
        if (to - from == 1) return sha256(bytes.concat(hex"00", items[from]));
        uint256 middle = from + split(to - from);
        return sha256(bytes.concat(hex"01", sha256Root(items, from, middle), sha256Root(items, middle, to)));
    }

    /// @dev The largest power of two below n, for n > 1.
    function split(uint256 n) private pure returns (uint256 k) {
        k = 1;
        while (k * 2 < n) k *= 2;
    }
}
