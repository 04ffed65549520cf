// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "../interfaces/IReferee.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @notice The one encoding of a secp256k1 signature that wattest accepts: 65 bytes r||s||v, v 27 or 28, s low.
library Secp256k1Signature {
    /// @notice The signer's address; reverts InvalidSignature if there is none.
    function recover(bytes32 digest, bytes calldata signature) internal pure returns (address signer) {
        signer = tryRecover(digest, signature);
        if (signer == address(0)) revert IReferee.InvalidSignature();
    }

    /// @notice The signer's address, or zero if the signature is malformed or no key can be recovered.
    function tryRecover(bytes32 digest, bytes calldata signature) internal pure returns (address signer) {
        if (signature.length != 65) return address(0);
        // OpenZeppelin refuses a high s; ecrecover itself answers zero unless v is 27 or 28.
        (signer,,) = ECDSA.tryRecover(digest, uint8(signature[64]), bytes32(signature[0:32]), bytes32(signature[32:64]));
    }
}
