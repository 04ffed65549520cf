// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Der} from "./Der.sol";

/// @notice What a PCK certificate says of its platform.
struct SgxPlatform {
    bytes16 ppid;
    bytes16 components; // the 16 component SVNs, compared one by one
    bytes16 cpuSvn; // as reports carry it
    uint16 pceSvn;
    bytes2 pceId;
    bytes6 fmspc;
}

/// @notice The SGX extension of PCK certificates (OID 1.2.840.113741.1.13.1; Intel SGX PCK Certificate and CRL Profile,
/// section 1.3.5). Its fields are taken in the profile's order only, which is the order in which Intel writes them.
library SgxExtension {
    /// @dev 1.2.840.113741.1.13.1, below which all fields are named.
    uint256 private constant BASE = 0x2a864886f84d010d01;
    uint256 private constant BASE_BYTES = 9;
    /// @dev SEQUENCE { OID BASE.2.i, INTEGER } up to the integer's value: of one octet, and of two of which the first is zero.
    uint256 private constant SHORT_SVN = 0x3010060b2a864886f84d010d0102000201;
    uint256 private constant SHORT_SVN_BYTES = 18;
    uint256 private constant LONG_SVN = 0x3011060b2a864886f84d010d010200020200;
    uint256 private constant LONG_SVN_BYTES = 19;

    /// @notice The certificate has no SGX extension: it is no PCK certificate.
    error SgxExtensionMissing();
    /// @notice Another field than the profile puts at this offset.
    error SgxFieldUnexpected(uint256 position);
    /// @notice A field of another size, or a number out of its range.
    error SgxFieldInvalid(uint256 position);

    /// @notice Reads the extension's value between two offsets of the certificate.
    function parse(bytes calldata der, uint256 start, uint256 limit)
        internal
        pure
        returns (SgxPlatform memory platform)
    {
        if (start == 0) revert SgxExtensionMissing();
        (uint256 position, uint256 end) = Der.read(der, start, limit, Der.SEQUENCE);
        Der.requireEnd(end, limit);
        bytes32 value;
        (value, position) = readOctets(der, position, end, 1, 16);
        platform.ppid = bytes16(value);
        position = readTcb(der, position, end, platform);
        (value, position) = readOctets(der, position, end, 3, 2);
        platform.pceId = bytes2(value);
        (value, position) = readOctets(der, position, end, 4, 6);
        platform.fmspc = bytes6(value);
        position = readType(der, position, end);
        // Platform instance and configuration are only there under a platform CA.
        if (position < end) (, position) = readOctets(der, position, end, 6, 16);
        if (position < end) (,, position) = readField(der, position, end, 7, Der.SEQUENCE);
        Der.requireEnd(position, end);
    }

    function readTcb(bytes calldata der, uint256 start, uint256 limit, SgxPlatform memory platform)
        private
        pure
        returns (uint256 after_)
    {
        uint256 position;
        uint256 end;
        (position, end, after_) = readField(der, start, limit, 2, Der.SEQUENCE);
        uint256 components;
        uint256 value;
        // Unchecked: counts to 16, and positions are at most the document's length.
        unchecked {
            for (uint256 i = 1; i <= 16; ++i) {
                // The two forms that DER has for a component, in one comparison each.
                uint256 head = Der.wordAt(der, position);
                if (head >> 120 == SHORT_SVN | i << 16 && head & 1 << 119 == 0 && position + SHORT_SVN_BYTES <= end) {
                    value = head >> 112 & 0xff;
                    position += SHORT_SVN_BYTES;
                } else if (
                    head >> 112 == LONG_SVN | i << 24 && head & 1 << 111 != 0 && position + LONG_SVN_BYTES <= end
                ) {
                    value =
                        head >> 104 & 0xff;
                    position += LONG_SVN_BYTES;
                } else {
                    (value, position) = readSvn(der, position, end, uint16(0x0200 | i), type(uint8).max);
                }
                components = components << 8 | value;
            }
        }
        platform.components = bytes16(uint128(components));
        (value, position) = readSvn(der, position, end, 0x0211, type(uint16).max);
        platform.pceSvn = uint16(value);
        bytes32 octets;
        (octets, position) = readOctets(der, position, end, 0x0212, 16);
        platform.cpuSvn = bytes16(octets);
        Der.requireEnd(position, end);
    }

    function readType(bytes calldata der, uint256 position, uint256 limit) private pure returns (uint256 after_) {
        (uint256 item, uint256 end) = readName(der, position, limit, 5);
        uint256 kind;
        (kind, after_) = Der.readUintOf(der, item, end, Der.ENUMERATED);
        Der.requireEnd(after_, end);
        // Standard, scalable, scalable with integrity.
        if (kind > 2) revert SgxFieldInvalid(position);
    }

    function readSvn(bytes calldata der, uint256 position, uint256 limit, uint16 name, uint256 most)
        private
        pure
        returns (uint256 value, uint256 after_)
    {
        (uint256 item, uint256 end) = readName(der, position, limit, name);
        (value, after_) = Der.readUint(der, item, end);
        Der.requireEnd(after_, end);
        if (value > most) revert SgxFieldInvalid(position);
    }

    function readOctets(bytes calldata der, uint256 position, uint256 limit, uint16 name, uint256 size)
        private
        pure
        returns (bytes32 value, uint256 after_)
    {
        uint256 start;
        uint256 end;
        (start, end, after_) = readField(der, position, limit, name, Der.OCTET_STRING);
        if (end - start != size) revert SgxFieldInvalid(position);
        // Unchecked: a size is at most 16.
        unchecked {
            value = bytes32(Der.wordAt(der, start) >> (256 - 8 * size) << (256 - 8 * size));
        }
    }

    function readField(bytes calldata der, uint256 position, uint256 limit, uint16 name, uint8 tag)
        private
        pure
        returns (uint256 start, uint256 end, uint256 after_)
    {
        uint256 item;
        (item, after_) = readName(der, position, limit, name);
        (start, end) = Der.read(der, item, after_, tag);
        Der.requireEnd(end, after_);
    }

    /// @dev SEQUENCE { OID BASE.name, value }; a name above 255 has two parts. Returns where value starts and must end.
    function readName(bytes calldata der, uint256 position, uint256 limit, uint16 name)
        private
        pure
        returns (uint256 item, uint256 end)
    {
        (item, end) = Der.read(der, position, limit, Der.SEQUENCE);
        (uint256 start, uint256 nameEnd) = Der.read(der, item, end, Der.OBJECT_ID);
        uint256 head = Der.wordAt(der, start);
        // Unchecked: an element's content does not start behind its end.
        unchecked {
            bool isFound = name > 0xff
                ? nameEnd - start == BASE_BYTES + 2 && head >> 168 == BASE << 16 | name
                : nameEnd - start == BASE_BYTES + 1 && head >> 176 == BASE << 8 | name;
            if (!isFound) revert SgxFieldUnexpected(position);
        }
        item = nameEnd;
    }
}
