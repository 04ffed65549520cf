// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDirectedChallenges} from "../interfaces/IDirectedChallenges.sol";
import {ChannelParameters} from "../types/Channel.sol";
import {ChallengeTerms, ChallengeTermsWord} from "../types/DirectedChallenge.sol";

/// @notice Which terms directed challenges may have. A manager who is the operator's friend would otherwise take the bonds of
/// those who challenge: by a cap far above what any answer costs, or by bonds that no reward can make up for.
library ChallengeRules {
    /// @notice Most gas that an answer costs: the deepest path, no byte of the input zero, every slot cold, the answerer's
    /// first credit; under the state prices that are announced, too (docs/spec/contracts.md).
    uint256 internal constant MAX_ANSWER_GAS = 400_000;

    /// @notice Of what an answer costs outside of what it measures, what it costs at least, today and under the prices that are
    /// announced: the transaction (12,000 and 3,000 of EIP-2780; 21,000 today), and the event and two warm writes at its end.
    uint256 internal constant ANSWER_FIXED_GAS = 15_000 + 3_000;

    /// @notice Bonds are at most so many times the cap on what the dearest answer is paid.
    uint256 internal constant MAX_BOND_ANSWERS = 4;

    uint256 internal constant MAX_ANSWER_WINDOW_S = 30 days;
    uint256 internal constant MAX_GAS_PRICE_WEI = 10_000 gwei;

    /// @notice Reverts TermOutOfRange with the first term that is out of range.
    function check(ChannelParameters calldata parameters, bytes32 word) internal pure {
        ChallengeTerms memory terms = ChallengeTermsWord.unpack(word);
        if (terms.answerWindowS == 0 || terms.answerWindowS > MAX_ANSWER_WINDOW_S) refuse("answerWindowS");
        if (terms.maxGasPriceWei == 0 || terms.maxGasPriceWei > MAX_GAS_PRICE_WEI) refuse("maxGasPriceWei");
        uint256 dearest = MAX_ANSWER_GAS * terms.maxGasPriceWei;
        if (terms.answerGasCapWei > dearest) refuse("answerGasCapWei");
        // Whoever catches must win: the bond at risk is no more than the reward, which is no more than a fifth of the stake.
        if (
            terms.baseBondWei == 0 || terms.baseBondWei < terms.answerGasCapWei
                || terms.baseBondWei > MAX_BOND_ANSWERS * dearest || terms.baseBondWei > parameters.catcherRewardWei
        ) refuse("baseBondWei");
        // The low bits of the word mean nothing: one value has one word.
        if (ChallengeTermsWord.pack(terms) != word) refuse("reserved");
    }

    function refuse(string memory name) private pure {
        revert IDirectedChallenges.TermOutOfRange(name);
    }
}
