// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice `Open -> Answered | Expired`; Refunded when the batch was slashed for another reason meanwhile.
enum ChallengeState {
    None,
    Open,
    Answered,
    Expired,
    Refunded
}

/// @notice A demand to show one entry of a batch, in one storage slot.
/// @param challenger who paid the bond
/// @param deadline unix seconds; an answer must come before it
/// @param ordinal how many challenges were open on the operator with this one: sets the bond and the deadline
/// @param state see ChallengeState
struct DirectedChallenge {
    address challenger;
    uint40 deadline;
    uint32 ordinal;
    ChallengeState state;
}

/// @notice Why a deposit was slashed.
enum SlashCause {
    ExpiredChallenge,
    Equivocation,
    InvalidEvidence
}

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
