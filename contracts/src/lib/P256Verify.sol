// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice P-256 ECDSA by the P256VERIFY precompile (EIP-7951), with the low-s rule of the meters on top.
library P256Verify {
    /// @notice P256VERIFY (EIP-7951) does not answer at this address, or the call left it too little gas.
    error PrecompileMissing(address precompile);

    /// @notice Where the precompile lives.
    address internal constant PRECOMPILE = address(0x100);

    /// @notice Half the order of P-256: s must not be above it.
    uint256 internal constant HALF_ORDER = 0x7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8;

    // A known good signature: private key 7, over SHA-256("wattest/p256verify/1"), with the nonce of RFC 6979, s low.
    bytes32 private constant KNOWN_DIGEST = 0xe2c834e4c9765a1b435f809f60aa9be9a2ef90f9913689a8992807cd52a8f105;
    bytes32 private constant KNOWN_R = 0x7dbf98eea08e41361653f4980cd20db53361cd5750992f8037cb4d917c251918;
    bytes32 private constant KNOWN_S = 0x6597f271d66a82d437f2d371e9aec11edef32218ad93d34de48206865bd3f950;
    bytes32 private constant KNOWN_X = 0x8e533b6fa0bf7b4625bb30667c01fb607ef9f8b8a80fef5b300628703187b2a3;
    bytes32 private constant KNOWN_Y = 0x73eb1dbde03318366d069f83a6f5900053c73633cb041b21c55e1a86c1f400b4;

    /// @notice Whether (r, s) is a signature over `digest` by the key (x, y), and s is low. A malformed key has none.
    function isValid(bytes32 digest, bytes32 r, bytes32 s, bytes32 x, bytes32 y) internal view returns (bool) {
        if (uint256(s) > HALF_ORDER) return false;
        return callPrecompile(digest, r, s, x, y);
    }

    /// @notice Whether a known good signature passes and the same with one bit changed fails. Without this question a
    /// chain that has no precompile would look like a chain on which every signature is wrong, and every meter a forger.
    function isPresent() internal view returns (bool) {
        return callPrecompile(KNOWN_DIGEST, KNOWN_R, KNOWN_S, KNOWN_X, KNOWN_Y)
            && !callPrecompile(KNOWN_DIGEST ^ bytes32(uint256(1)), KNOWN_R, KNOWN_S, KNOWN_X, KNOWN_Y);
    }

    function callPrecompile(bytes32 digest, bytes32 r, bytes32 s, bytes32 x, bytes32 y) private view returns (bool) {
        (bool success, bytes memory output) = PRECOMPILE.staticcall(abi.encode(digest, r, s, x, y));
        // It answers a bad signature with nothing, and fails only for want of gas, which is the caller's to choose.
        if (!success) revert PrecompileMissing(PRECOMPILE);
        return output.length == 32 && abi.decode(output, (uint256)) == 1;
    }
}
