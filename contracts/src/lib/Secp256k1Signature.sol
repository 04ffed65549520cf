// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "../interfaces/IReferee.sol";

/// @notice The one signature of a key over a digest that wattest accepts, s low, as 65 bytes r||s||v with v 27 or 28, or as two
/// words (EIP-2098) where every byte of input is paid.
library Secp256k1Signature {
    /// @dev Half the order of the group, rounded down (EIP-2).
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @notice The signer's address; reverts InvalidSignature if there is none.
    function recover(bytes32 digest, bytes calldata signature) internal pure returns (address signer) {
        signer = tryRecover(digest, signature);
        if (signer == address(0)) revert IReferee.InvalidSignature();
    }

    /// @notice The same of two words: r, and s with v - 27 in its top bit, which a low s leaves free.
    function recover(bytes32 digest, bytes32 r, bytes32 vs) internal pure returns (address signer) {
        uint256 s = uint256(vs) & type(uint256).max >> 1;
        if (s > HALF_ORDER) revert IReferee.InvalidSignature();
        // ecrecover answers zero unless r and s are in range.
        signer = ecrecover(digest, uint8(uint256(vs) >> 255) + 27, r, bytes32(s));
        if (signer == address(0)) revert IReferee.InvalidSignature();
    }

    /// @notice The signer's address, or zero if the signature is malformed or no key can be recovered.
    function tryRecover(bytes32 digest, bytes calldata signature) internal pure returns (address signer) {
        if (signature.length != 65) return address(0);
        bytes32 r;
        bytes32 s;
        uint8 v;
        // Assembly: three loads inside the 65 bytes whose length was just checked; slices would check it three times more.
        assembly ("memory-safe") {
            r := calldataload(signature.offset)
            s := calldataload(add(signature.offset, 0x20))
            v := byte(0, calldataload(add(signature.offset, 0x40)))
        }
        if (uint256(s) > HALF_ORDER) return address(0);
        // ecrecover answers zero unless v is 27 or 28 and r and s are in range.
        signer = ecrecover(digest, v, r, s);
    }
}
