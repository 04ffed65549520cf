// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "../interfaces/IReferee.sol";

/// @notice The one encoding of a secp256k1 signature that wattest accepts: 65 bytes r||s||v, v 27 or 28, s low.
library Secp256k1Signature {
    /// @dev Half the order of the group, rounded down (EIP-2).
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @notice The signer's address; reverts InvalidSignature if there is none.
    function recover(bytes32 digest, bytes calldata signature) internal pure returns (address signer) {
        signer = tryRecover(digest, signature);
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
