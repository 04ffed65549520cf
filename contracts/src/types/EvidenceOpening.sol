// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What opens an entry's evidence digest: SHA-256(messageDigest || signature || publicKey).
/// @param messageDigest what the meter signed, SHA-256 of the device block
/// @param r first half of the P-256 signature
/// @param s second half
/// @param x first half of the meter's public key
/// @param y second half
struct EvidenceOpening {
    bytes32 messageDigest;
    bytes32 r;
    bytes32 s;
    bytes32 x;
    bytes32 y;
}
