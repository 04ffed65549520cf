// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice `Open -> Answered | Expired`; Refunded when the batch was slashed for another reason, or became final, meanwhile.
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
/// @param parametersVersion of the batch: says which terms hold
/// @param state see ChallengeState
struct DirectedChallenge {
    address challenger;
    uint40 deadline;
    uint32 ordinal;
    uint16 parametersVersion;
    ChallengeState state;
}

/// @notice What a channel's manager sets for directed challenges in each version of the parameters.
/// @param answerWindowS time to answer; the j-th challenge open at once has ceil(j / 4) times as much
/// @param baseBondWei bond of the first challenge that is open; the j-th costs baseBondWei * (7 + j) / 8
/// @param answerGasCapWei most that an answer is paid back from the bond
/// @param maxGasPriceWei highest price at which an answer's gas is paid back
struct ChallengeTerms {
    uint32 answerWindowS;
    uint96 baseBondWei;
    uint96 answerGasCapWei;
    uint64 maxGasPriceWei;
}

/// @notice ChallengeTerms as the one word that the core keeps: answerWindowS (32 bits) || base bond in gwei (64) || answer gas
/// cap in gwei (64) || maxGasPriceWei (64) || 32 zero bits, most significant first.
library ChallengeTermsWord {
    function pack(ChallengeTerms memory terms) internal pure returns (bytes32) {
        return bytes32(
            uint256(terms.answerWindowS) << 224 | uint256(terms.baseBondWei) / 1 gwei << 160
                | uint256(terms.answerGasCapWei) / 1 gwei << 96 | uint256(terms.maxGasPriceWei) << 32
        );
    }

    /// @dev Casts cut off the fields above: that is their purpose here. 64 bits of gwei are 94 bits of wei.
    function unpack(bytes32 word) internal pure returns (ChallengeTerms memory terms) {
        uint256 bits = uint256(word);
        terms.answerWindowS = uint32(bits >> 224);
        terms.baseBondWei = uint96(uint256(uint64(bits >> 160)) * 1 gwei);
        terms.answerGasCapWei = uint96(uint256(uint64(bits >> 96)) * 1 gwei);
        terms.maxGasPriceWei = uint64(bits >> 32);
    }
}
