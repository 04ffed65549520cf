// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {P256Verify} from "../lib/P256Verify.sol";
import {Der} from "./Der.sol";

/// @notice ecdsa-with-SHA256 as certificates and revocation lists carry it, the only algorithm that DCAP uses.
library X509Signature {
    /// @notice Order of P-256.
    uint256 internal constant ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551;
    /// @dev SEQUENCE { OID 1.2.840.10045.4.3.2 }, without parameters (RFC 5758).
    uint256 private constant ALGORITHM = 0x300a06082a8648ce3d040302;
    uint256 private constant ALGORITHM_BYTES = 12;

    /// @notice Another algorithm than ecdsa-with-SHA256.
    error SignatureAlgorithmUnknown(uint256 position);
    /// @notice A bit string that is no DER signature of two integers.
    error SignatureMalformed(uint256 position);

    /// @notice Reverts unless the algorithm at `position` is ecdsa-with-SHA256; returns where it ends.
    function readAlgorithm(bytes calldata der, uint256 position, uint256 limit) internal pure returns (uint256 end) {
        end = position + ALGORITHM_BYTES;
        if (end <= limit && Der.wordAt(der, position) >> 160 == ALGORITHM) return end;
        // Says what is wrong with the element itself, if anything is.
        Der.read(der, position, limit, Der.SEQUENCE);
        revert SignatureAlgorithmUnknown(position);
    }

    /// @notice The signature in the bit string at `position`, which must be the last element before `limit`.
    function readSignature(bytes calldata der, uint256 position, uint256 limit)
        internal
        pure
        returns (bytes32 r, bytes32 s)
    {
        (uint256 start, uint256 end) = Der.read(der, position, limit, Der.BIT_STRING);
        Der.requireEnd(end, limit);
        // The first octet counts unused bits.
        if (start == end || Der.wordAt(der, start) >> 248 != 0) revert SignatureMalformed(position);
        (uint256 inner, uint256 innerEnd) = Der.read(der, start + 1, end, Der.SEQUENCE);
        Der.requireEnd(innerEnd, end);
        uint256 value;
        (value, inner) = Der.readUint(der, inner, innerEnd);
        r = bytes32(value);
        (value, inner) = Der.readUint(der, inner, innerEnd);
        s = bytes32(value);
        Der.requireEnd(inner, innerEnd);
    }

    /// @notice Whether (r, s) is a signature over `digest` by the key (x, y). Unlike the meters' rule, s may be high:
    /// what Intel and its quoting enclaves sign is not normalised, and nothing here is named by its signature.
    function isValid(bytes32 digest, bytes32 r, bytes32 s, bytes32 x, bytes32 y) internal view returns (bool) {
        if (uint256(s) >= ORDER) return false;
        // (r, s) and (r, n - s) are valid together.
        if (uint256(s) > P256Verify.HALF_ORDER) s = bytes32(ORDER - uint256(s));
        return P256Verify.isValid(digest, r, s, x, y);
    }
}
