// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Der} from "./Der.sol";

/// @notice Reads the JSON that Intel signs: compact text whose keys stand in one order. It is walked once, literal by literal;
/// another order, a space or an escape is refused, so that no text can be read in two ways.
library JsonText {
    uint256 internal constant MAX_STRING = 64;
    /// @dev Bit n: character n stands for itself: printable, neither quote nor backslash.
    uint256 private constant PLAIN = 0x7fffffffeffffffffffffffb00000000;
    /// @dev What of "0000-00-00T00:00:00Z" is no digit, and where that stands.
    uint256 private constant TIME_FORM = 0x22000000002d00002d00005400003a00003a00005a2200000000000000000000;
    uint256 private constant TIME_MASK = 0xff00000000ff0000ff0000ff0000ff0000ff0000ffff00000000000000000000;

    /// @notice Another text than belongs at this offset, or none.
    error JsonUnexpected(uint256 position);

    /// @notice Whether the first `length` bytes of `literal` (at most 32) stand at `position`.
    function isNext(bytes calldata json, uint256 position, bytes32 literal, uint256 length)
        internal
        pure
        returns (bool)
    {
        // Unchecked: positions are at most the text's length.
        unchecked {
            if (position + length > json.length) return false;
            return (Der.wordAt(json, position) ^ uint256(literal)) >> (256 - 8 * length) == 0;
        }
    }

    /// @notice Reverts unless the first `length` bytes of `literal` (at most 32) stand at `position`; returns where they end.
    function expect(bytes calldata json, uint256 position, bytes32 literal, uint256 length)
        internal
        pure
        returns (uint256)
    {
        if (!isNext(json, position, literal, length)) revert JsonUnexpected(position);
        // Unchecked: what was found lies within the text.
        unchecked {
            return position + length;
        }
    }

    /// @notice A whole number from 0 to `most`, without leading zeros.
    /// @param most at most 32 bits
    function readUint(bytes calldata json, uint256 position, uint256 most)
        internal
        pure
        returns (uint256 value, uint256 end)
    {
        // Unchecked: a value is at most 32 bits before a digit is put to it, and a byte below "0" gives a digit far above 9.
        unchecked {
            end = position;
            while (end < json.length) {
                uint256 digit = (Der.wordAt(json, end) >> 248) - 0x30;
                if (digit > 9) break;
                if (end > position && value == 0) revert JsonUnexpected(position);
                value = value * 10 + digit;
                if (value > most) revert JsonUnexpected(position);
                ++end;
            }
            if (end == position) revert JsonUnexpected(position);
        }
    }

    /// @notice `size` bytes (at most 32) as hex digits of either case in quotes, left-aligned.
    function readHex(bytes calldata json, uint256 position, uint256 size)
        internal
        pure
        returns (bytes32 value, uint256 end)
    {
        uint256 start = expect(json, position, "\"", 1);
        // Unchecked: sizes are at most 32, and a byte below "0" gives a digit that is none of the three kinds.
        unchecked {
            end = start + 2 * size;
            if (end > json.length) revert JsonUnexpected(position);
            uint256 digits;
            for (uint256 i = start; i < end; ++i) {
                uint256 digit = (Der.wordAt(json, i) >> 248) - 0x30;
                if (digit > 9) {
                    // Letters of either case: bit 5 of the character is all that differs.
                    digit = ((digit + 0x30) | 0x20) - 0x57;
                    if (digit < 10 || digit > 15) revert JsonUnexpected(position);
                }
                digits = digits << 4 | digit;
            }
            value = bytes32(digits << (256 - 8 * size));
        }
        end = expect(json, end, "\"", 1);
    }

    /// @notice A time as "2026-01-31T23:59:59Z", quotes included, in unix seconds; from 1970 on.
    function readTime(bytes calldata json, uint256 position) internal pure returns (uint64 time, uint256 end) {
        uint256 text = Der.wordAt(json, position);
        // Unchecked: sums and products of numbers below 10,000.
        unchecked {
            end = position + 22;
            if (end > json.length || (text ^ TIME_FORM) & TIME_MASK != 0) revert JsonUnexpected(position);
            uint256 year = two(text, 1, position) * 100 + two(text, 3, position);
            uint256 month = two(text, 6, position);
            uint256 day = two(text, 9, position);
            if (year < 1970 || month == 0 || month > 12 || day == 0 || day > Der.daysIn(year, month)) {
                revert JsonUnexpected(position);
            }
            uint256 hour = two(text, 12, position);
            uint256 minute = two(text, 15, position);
            uint256 second = two(text, 18, position);
            if (hour > 23 || minute > 59 || second > 59) revert JsonUnexpected(position);
            time = uint64(((Der.daysSince1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second);
        }
    }

    /// @notice Where a string of at most MAX_STRING plain characters ends, quotes included.
    function skipString(bytes calldata json, uint256 position) internal pure returns (uint256 end) {
        end = expect(json, position, "\"", 1);
        // Unchecked: positions are at most the text's length.
        unchecked {
            uint256 characters;
            for (uint256 i = 0; end < json.length; ++i) {
                // One load for every 32 characters.
                characters = i % 32 == 0 ? Der.wordAt(json, end) : characters << 8;
                uint256 character = characters >> 248;
                if (character == 0x22) return end + 1;
                if (PLAIN >> character & 1 == 0) revert JsonUnexpected(end);
                if (++end - position > MAX_STRING) revert JsonUnexpected(position);
            }
        }
        revert JsonUnexpected(end);
    }

    /// @dev The number at two characters of a word.
    function two(uint256 text, uint256 start, uint256 position) private pure returns (uint256) {
        // Unchecked: a character below the digit zero gives a number far above nine.
        unchecked {
            uint256 tens = (text >> (248 - 8 * start) & 0xff) - 0x30;
            uint256 ones = (text >> (240 - 8 * start) & 0xff) - 0x30;
            if (tens > 9 || ones > 9) revert JsonUnexpected(position);
            return tens * 10 + ones;
        }
    }
}
