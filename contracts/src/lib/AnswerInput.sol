// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchHeader} from "../types/BatchHeader.sol";
import {EntryInclusion} from "../types/BatchRecord.sol";

/// @notice What the input of an answer costs in its canonical encoding, whatever stands around and behind it in the
/// transaction: 4 gas for a byte that is zero, 16 for one that is not (EIP-2028).
library AnswerInput {
    uint256 private constant ZERO_BYTE = 4;
    uint256 private constant OTHER_BYTE = 16;
    uint256 private constant HEADER_WORDS = 15;
    /// @dev Selector (four bytes, none zero), then the offset of the entry, its offsets of payload and path, and the payload's
    /// length: words with five bytes in all that are not zero (0x0200, 0x80, 0x0120, 0x76).
    uint256 private constant FIXED = 4 * OTHER_BYTE + 5 * OTHER_BYTE + (4 * 32 - 5) * ZERO_BYTE;
    uint256 private constant SEVENS = type(uint256).max / 0xff * 0x7f;
    uint256 private constant ONES = type(uint256).max / 0xff;

    /// @notice The entry's payload has 118 bytes, its path less than 256 nodes.
    function gasOf(BatchHeader calldata header, EntryInclusion calldata entry) internal pure returns (uint256) {
        uint256 start;
        bytes calldata payload = entry.payload;
        bytes32[] calldata path = entry.path;
        uint256 pathStart;
        uint256 payloadStart;
        // Assembly: where the three runs of words begin in the input.
        assembly ("memory-safe") {
            start := header
            payloadStart := payload.offset
            pathStart := path.offset
        }
        uint256 words = HEADER_WORDS + path.length;
        uint256 zeros = _zerosIn(start, HEADER_WORDS) + _zerosIn(pathStart, path.length);
        zeros += _zerosIn(payloadStart, 3);
        // The last word of the payload: 22 bytes of it, then ten of padding, zero in the canonical encoding.
        zeros += _zeros(_word(payloadStart + 96) >> 80 << 80);
        zeros += _zeros(entry.index) + _zeros(uint256(bytes32(entry.salt))) + _zeros(path.length);
        words += 4 + 3;
        return FIXED + zeros * ZERO_BYTE + (words * 32 - zeros) * OTHER_BYTE;
    }

    function _zerosIn(uint256 start, uint256 words) private pure returns (uint256 zeros) {
        // Unchecked: a few hundred bytes of the call's input.
        unchecked {
            for (uint256 end = start + words * 32; start < end; start += 32) {
                zeros += _zeros(_word(start));
            }
        }
    }

    function _word(uint256 offset) private pure returns (uint256 value) {
        // Assembly: a word of the input as it stands there.
        assembly ("memory-safe") {
            value := calldataload(offset)
        }
    }

    /// @dev How many of the 32 bytes are zero: adding 0x7f to its low seven bits carries into the top bit of every byte that
    /// is not, and a multiplication adds the bits of all bytes up in the highest.
    function _zeros(uint256 value) private pure returns (uint256) {
        // Unchecked: no sum leaves its byte; the multiplication is meant to overflow, 32 bits at most add up in a byte.
        unchecked {
            uint256 others = ((value & SEVENS) + SEVENS | value) & ~SEVENS;
            return 32 - ((others >> 7) * ONES >> 248);
        }
    }
}
