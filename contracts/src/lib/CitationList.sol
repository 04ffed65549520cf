// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice RFC 9162 root with SHA-256 and no salt over 32-byte items, as headers' `inputs` are made of header digests.
library CitationList {
    /// @notice The root over `items`, which it overwrites. There is no root over none: callers refuse an empty list.
    /// @dev Level by level: pairing neighbours and carrying an odd last one up gives RFC 9162's tree, whose left subtree
    /// takes the largest power of two below n.
    function root(bytes32[] memory items) internal pure returns (bytes32) {
        uint256 size = items.length;
        for (uint256 i = 0; i < size; ++i) {
            items[i] = sha256(abi.encodePacked(bytes1(0x00), items[i]));
        }
        while (size > 1) {
            uint256 pairs = size / 2;
            for (uint256 i = 0; i < pairs; ++i) {
                items[i] = sha256(abi.encodePacked(bytes1(0x01), items[2 * i], items[2 * i + 1]));
            }
            if (size % 2 == 1) {
                items[pairs] = items[size - 1];
                size = pairs + 1;
            } else {
                size = pairs;
            }
        }
        return items[0];
    }
}
