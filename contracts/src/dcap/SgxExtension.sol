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
    bytes9 private constant BASE = 0x2a864886f84d010d01;
    uint256 private constant BASE_BYTES = 9;

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
        for (uint16 i = 1; i <= 16; ++i) {
            (value, position) = readSvn(der, position, end, 0x0200 | i, type(uint8).max);
            components = components << 8 | value;
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
        value = bytes32(der[start:end]);
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
        uint256 size = BASE_BYTES + (name > 0xff ? 2 : 1);
        if (nameEnd - start != size || bytes9(der[start:start + BASE_BYTES]) != BASE) {
            revert SgxFieldUnexpected(position);
        }
        bytes2 actual = bytes2(der[start + BASE_BYTES:nameEnd]);
        if (actual != (name > 0xff ? bytes2(name) : bytes2(name << 8))) revert SgxFieldUnexpected(position);
        item = nameEnd;
    }
}
