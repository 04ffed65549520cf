// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The one root under which Intel's platforms are genuine.
library IntelRoot {
    /// @notice SHA-256 of the SubjectPublicKeyInfo of "Intel SGX Root CA".
    bytes32 internal constant FINGERPRINT = 0xa0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e;
}
