// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Strict DER (X.690) over calldata, without copies: positions are offsets into the whole document, and every
/// element must end at or before a limit that the caller gives. No other bytes than DER's own are ever accepted for a value.
/// @dev All reads are checked against the limit first, so that no byte string makes Solidity itself panic. A limit must not be
/// above the document's length.
library Der {
    uint8 internal constant BOOLEAN = 0x01;
    uint8 internal constant INTEGER = 0x02;
    uint8 internal constant BIT_STRING = 0x03;
    uint8 internal constant OCTET_STRING = 0x04;
    uint8 internal constant OBJECT_ID = 0x06;
    uint8 internal constant ENUMERATED = 0x0a;
    uint8 internal constant UTC_TIME = 0x17;
    uint8 internal constant GENERALIZED_TIME = 0x18;
    uint8 internal constant SEQUENCE = 0x30;

    /// @notice The element at this offset does not fit into what surrounds it.
    error DerTruncated(uint256 position);
    /// @notice A length that is indefinite, not the shortest form, or above 65,535.
    error DerLengthInvalid(uint256 position);
    /// @notice An element of another type than belongs at this offset.
    error DerTagUnexpected(uint256 position, uint8 expected, uint8 actual);
    /// @notice Bytes after the last element that belongs here.
    error DerTrailing(uint256 position);
    /// @notice An integer that is empty, negative, not the shortest form, or too large.
    error DerIntegerInvalid(uint256 position);
    /// @notice A boolean that is neither 0x00 nor 0xff, or of another length than one.
    error DerBooleanInvalid(uint256 position);
    /// @notice A time of another form than RFC 5280 allows, or no date of the calendar.
    error DerTimeInvalid(uint256 position);

    /// @notice The element of type `tag` at `position`: where its content starts and ends.
    function read(bytes calldata der, uint256 position, uint256 limit, uint8 tag)
        internal
        pure
        returns (uint256 start, uint256 end)
    {
        uint8 actual;
        (actual, start, end) = readAny(der, position, limit);
        if (actual != tag) revert DerTagUnexpected(position, tag, actual);
    }

    /// @notice The element at `position`, whatever its type.
    function readAny(bytes calldata der, uint256 position, uint256 limit)
        internal
        pure
        returns (uint8 tag, uint256 start, uint256 end)
    {
        // Unchecked: positions and limits are at most the document's length, and a length is at most 65,535.
        unchecked {
            if (position + 2 > limit) revert DerTruncated(position);
            uint256 head = wordAt(der, position);
            tag = uint8(head >> 248);
            uint256 length = head >> 240 & 0xff;
            start = position + 2;
            if (length >= 0x80) {
                if (length == 0x81) {
                    start = position + 3;
                    if (start > limit) revert DerTruncated(position);
                    length = head >> 232 & 0xff;
                    if (length < 0x80) revert DerLengthInvalid(position);
                } else if (length == 0x82) {
                    start = position + 4;
                    if (start > limit) revert DerTruncated(position);
                    length = head >> 224 & 0xffff;
                    if (length < 0x100) revert DerLengthInvalid(position);
                } else {
                    revert DerLengthInvalid(position);
                }
            }
            end = start + length;
            if (end > limit) revert DerTruncated(position);
        }
    }

    /// @notice The 32 bytes from `position` on, which may reach beyond the document: whatever lies there must not be used.
    function wordAt(bytes calldata der, uint256 position) internal pure returns (uint256 word) {
        // Assembly: one load in place of 32 reads that are each checked against the length.
        assembly ("memory-safe") {
            word := calldataload(add(der.offset, position))
        }
    }

    /// @notice Keccak-256 of the bytes between two offsets that are within the document.
    function digestOf(bytes calldata der, uint256 start, uint256 end) internal pure returns (bytes32 digest) {
        // Assembly: hashes beyond the free memory pointer, without taking the memory.
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            calldatacopy(scratch, add(der.offset, start), sub(end, start))
            digest := keccak256(scratch, sub(end, start))
        }
    }

    /// @notice Whether there is an element at `position` and it is of type `tag`.
    function isNext(bytes calldata der, uint256 position, uint256 limit, uint8 tag) internal pure returns (bool) {
        return position < limit && uint8(wordAt(der, position) >> 248) == tag;
    }

    /// @notice Reverts unless `position` is exactly where the surrounding element ends.
    function requireEnd(uint256 position, uint256 limit) internal pure {
        if (position != limit) revert DerTrailing(position);
    }

    /// @notice A non-negative integer of at most 32 bytes, and where it ends.
    function readUint(bytes calldata der, uint256 position, uint256 limit)
        internal
        pure
        returns (uint256 value, uint256 end)
    {
        return readUintOf(der, position, limit, INTEGER);
    }

    /// @notice As readUint, for types that are encoded like an integer.
    function readUintOf(bytes calldata der, uint256 position, uint256 limit, uint8 tag)
        internal
        pure
        returns (uint256 value, uint256 end)
    {
        uint256 start;
        (start, end) = read(der, position, limit, tag);
        // Unchecked: an element's content does not start behind its end, and is not empty where it is looked into.
        unchecked {
            uint256 length = end - start;
            if (length == 0 || length > 33) revert DerIntegerInvalid(position);
            uint256 head = wordAt(der, start);
            if (head >> 255 != 0) revert DerIntegerInvalid(position);
            if (head >> 248 == 0 && length > 1) {
                // A leading zero only keeps the next bit from being a sign.
                if (head >> 247 & 1 == 0) revert DerIntegerInvalid(position);
                head = wordAt(der, start + 1);
                --length;
            }
            if (length > 32) revert DerIntegerInvalid(position);
            value = head >> (8 * (32 - length));
        }
    }

    /// @notice A boolean, and where it ends.
    function readBool(bytes calldata der, uint256 position, uint256 limit)
        internal
        pure
        returns (bool value, uint256 end)
    {
        uint256 start;
        (start, end) = read(der, position, limit, BOOLEAN);
        uint256 octet = wordAt(der, start) >> 248;
        if (end - start != 1 || (octet != 0 && octet != 0xff)) revert DerBooleanInvalid(position);
        value = octet == 0xff;
    }

    /// @notice A time of RFC 5280 in unix seconds, and where it ends: UTCTime for 1970 to 2049, GeneralizedTime from 2050 on;
    /// whole seconds, Zulu.
    function readTime(bytes calldata der, uint256 position, uint256 limit)
        internal
        pure
        returns (uint64 time, uint256 end)
    {
        (uint8 tag, uint256 start, uint256 ends) = readAny(der, position, limit);
        end = ends;
        uint256 text = wordAt(der, start);
        // Unchecked: sums and products of numbers below 10,000, and an element's content does not start behind its end.
        unchecked {
            uint256 year;
            if (tag == UTC_TIME) {
                if (end - start != 13) revert DerTimeInvalid(position);
                year = digits(text, 0, position);
                if (year >= 50 && year < 70) revert DerTimeInvalid(position);
                year += year >= 70 ? 1900 : 2000;
                text <<= 16;
            } else if (tag == GENERALIZED_TIME) {
                if (end - start != 15) revert DerTimeInvalid(position);
                year = digits(text, 0, position) * 100 + digits(text, 1, position);
                if (year < 2050) revert DerTimeInvalid(position);
                text <<= 32;
            } else {
                revert DerTagUnexpected(position, UTC_TIME, tag);
            }
            // After month, day, hour, minute and second.
            if (text >> 168 & 0xff != 0x5a) revert DerTimeInvalid(position);
            uint256 month = digits(text, 0, position);
            uint256 day = digits(text, 1, position);
            if (month == 0 || month > 12 || day == 0 || day > daysIn(year, month)) revert DerTimeInvalid(position);
            uint256 hour = digits(text, 2, position);
            uint256 minute = digits(text, 3, position);
            uint256 second = digits(text, 4, position);
            if (hour > 23 || minute > 59 || second > 59) revert DerTimeInvalid(position);
            time = uint64(((daysSince1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second);
        }
    }

    /// @dev The number at two characters of a text in the high bytes of a word; `pair` counts pairs.
    function digits(uint256 text, uint256 pair, uint256 position) private pure returns (uint256) {
        // Unchecked: a character below the digit zero gives a number far above nine.
        unchecked {
            uint256 tens = (text >> (248 - 16 * pair) & 0xff) - 0x30;
            uint256 ones = (text >> (240 - 16 * pair) & 0xff) - 0x30;
            if (tens > 9 || ones > 9) revert DerTimeInvalid(position);
            return tens * 10 + ones;
        }
    }

    function isLeap(uint256 year) private pure returns (bool) {
        return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    }

    function daysIn(uint256 year, uint256 month) internal pure returns (uint256) {
        if (month == 2) return isLeap(year) ? 29 : 28;
        return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
    }

    /// @dev Years counted from March, so that the leap day is a year's last: 153 days in every five months. From 1970 to 9999.
    function daysSince1970(uint256 year, uint256 month, uint256 day) internal pure returns (uint256) {
        // Unchecked: from 1970 on no difference is negative, and years have four digits.
        unchecked {
            if (month <= 2) {
                --year;
                month += 12;
            }
            return 365 * year + year / 4 - year / 100 + year / 400 + (153 * (month - 3) + 2) / 5 + day - 1 - 719_468;
        }
    }
}
