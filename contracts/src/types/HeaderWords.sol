// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchHeader} from "./BatchHeader.sol";

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
