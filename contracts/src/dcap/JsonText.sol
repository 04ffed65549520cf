// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Der} from "./Der.sol";

/// @notice Reads the JSON that Intel signs: compact text whose keys stand in one order. It is walked once, literal by literal;
/// another order, a space or an escape is refused, so that no text can be read in two ways.
library JsonText {
    uint256 internal constant MAX_STRING = 64;

    /// @notice Another text than belongs at this offset, or none.
    error JsonUnexpected(uint256 position);

    function isNext(bytes calldata json, uint256 position, bytes memory literal) internal pure returns (bool) {
        // A position is never behind the end.
        if (json.length - position < literal.length) return false;
        return keccak256(json[position:position + literal.length]) == keccak256(literal);
    }

    /// @notice Reverts unless `literal` stands at `position`; returns where it ends.
    function expect(bytes calldata json, uint256 position, bytes memory literal) internal pure returns (uint256) {
        if (!isNext(json, position, literal)) revert JsonUnexpected(position);
        return position + literal.length;
    }

    /// @notice A whole number from 0 to `most`, without leading zeros.
    function readUint(bytes calldata json, uint256 position, uint256 most)
        internal
        pure
        returns (uint256 value, uint256 end)
    {
        end = position;
        while (end < json.length && uint8(json[end]) >= 0x30 && uint8(json[end]) <= 0x39) {
            if (end > position && value == 0) revert JsonUnexpected(position);
            value = value * 10 + uint8(json[end]) - 0x30;
            if (value > most) revert JsonUnexpected(position);
            ++end;
        }
        if (end == position) revert JsonUnexpected(position);
    }

    /// @notice `size` bytes (at most 32) as hex digits of either case in quotes, left-aligned.
    function readHex(bytes calldata json, uint256 position, uint256 size)
        internal
        pure
        returns (bytes32 value, uint256 end)
    {
        end = expect(json, position, "\"");
        if (json.length - end < 2 * size) revert JsonUnexpected(position);
        uint256 digits;
        for (uint256 i = 0; i < 2 * size; ++i) {
            uint8 digit = uint8(json[end++]);
            if (digit >= 0x30 && digit <= 0x39) digit -= 0x30;
            else if (digit >= 0x41 && digit <= 0x46) digit -= 0x37;
            else if (digit >= 0x61 && digit <= 0x66) digit -= 0x57;
            else revert JsonUnexpected(position);
            digits = digits << 4 | digit;
        }
        value = bytes32(digits << (256 - 8 * size));
        end = expect(json, end, "\"");
    }

    /// @notice A time as "2026-01-31T23:59:59Z", quotes included, in unix seconds; from 1970 on.
    function readTime(bytes calldata json, uint256 position) internal pure returns (uint64 time, uint256 end) {
        end = position + 22;
        if (json.length < end || json[position] != "\"" || json[end - 1] != "\"") revert JsonUnexpected(position);
        bytes calldata text = json[position + 1:end - 1];
        if (
            text[4] != "-" || text[7] != "-" || text[10] != "T" || text[13] != ":" || text[16] != ":" || text[19] != "Z"
        ) {
            revert JsonUnexpected(position);
        }
        uint256 year = two(text, 0, position) * 100 + two(text, 2, position);
        uint256 month = two(text, 5, position);
        uint256 day = two(text, 8, position);
        if (year < 1970 || month == 0 || month > 12 || day == 0 || day > Der.daysIn(year, month)) {
            revert JsonUnexpected(position);
        }
        uint256 hour = two(text, 11, position);
        uint256 minute = two(text, 14, position);
        uint256 second = two(text, 17, position);
        if (hour > 23 || minute > 59 || second > 59) revert JsonUnexpected(position);
        time = uint64(((Der.daysSince1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second);
    }

    /// @notice Where a string of at most MAX_STRING plain characters ends, quotes included.
    function skipString(bytes calldata json, uint256 position) internal pure returns (uint256 end) {
        end = expect(json, position, "\"");
        while (end < json.length && json[end] != "\"") {
            uint8 character = uint8(json[end]);
            if (character < 0x20 || character > 0x7e || character == 0x5c) revert JsonUnexpected(end);
            if (++end - position > MAX_STRING) revert JsonUnexpected(position);
        }
        end = expect(json, end, "\"");
    }

    function two(bytes calldata text, uint256 start, uint256 position) private pure returns (uint256) {
        uint8 tens = uint8(text[start]);
        uint8 ones = uint8(text[start + 1]);
        if (tens < 0x30 || tens > 0x39 || ones < 0x30 || ones > 0x39) revert JsonUnexpected(position);
        return uint256(tens - 0x30) * 10 + (ones - 0x30);
    }
}
