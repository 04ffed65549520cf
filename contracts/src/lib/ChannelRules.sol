// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "../interfaces/IReferee.sol";
import {ChannelKind, ChannelParameters} from "../types/Channel.sol";

/// @notice How a channel is named, and which parameters it may have.
library ChannelRules {
    bytes32 internal constant ID_TAG = keccak256("wattest/channel/1");
    uint256 internal constant MAX_ENTRIES = 1 << 20;
    uint256 internal constant MIN_EPOCH_S = 60;
    uint256 internal constant MAX_EPOCH_S = 31 days;
    uint256 internal constant MAX_CHALLENGE_WINDOW_S = 90 days;
    uint256 internal constant MAX_ANSWER_WINDOW_S = 30 days;
    uint256 internal constant MAX_EXIT_DELAY_S = 365 days;

    /// @notice The id names its manager, so that an enclave needs no chain to know whose signature counts.
    function id(address manager, ChannelKind kind, bytes32 salt) internal pure returns (bytes32) {
        return keccak256(abi.encode(ID_TAG, manager, kind, salt));
    }

    /// @notice stakeWei + catcherRewardWei + gasReserveWei: what one open batch binds of a deposit.
    function exposureWei(ChannelParameters memory parameters) internal pure returns (uint96) {
        // Three values of 88 bits: their sum is below 2^90.
        return uint96(parameters.stakeWei) + parameters.catcherRewardWei + parameters.gasReserveWei;
    }

    /// @notice Reverts ParameterOutOfRange with the first field that is out of range.
    function check(ChannelKind kind, ChannelParameters memory parameters) internal pure {
        if (kind == ChannelKind.Scheduled) {
            if (parameters.epochS < MIN_EPOCH_S || parameters.epochS > MAX_EPOCH_S) {
                refuse("epochS");
            }
            // Shorter than the epoch: the commit times of two periods never overlap.
            if (parameters.commitDeadlineS == 0 || parameters.commitDeadlineS >= parameters.epochS) {
                refuse("commitDeadlineS");
            }
        } else {
            if (parameters.epochS != 0) refuse("epochS");
            if (parameters.commitDeadlineS != 0) refuse("commitDeadlineS");
        }
        if (parameters.challengeWindowS == 0 || parameters.challengeWindowS > MAX_CHALLENGE_WINDOW_S) {
            refuse("challengeWindowS");
        }
        if (parameters.answerWindowS == 0 || parameters.answerWindowS > MAX_ANSWER_WINDOW_S) {
            refuse("answerWindowS");
        }
        if (parameters.exitDelayS < parameters.challengeWindowS || parameters.exitDelayS > MAX_EXIT_DELAY_S) {
            refuse("exitDelayS");
        }
        if (parameters.stakeWei == 0) refuse("stakeWei");
        // At most a fifth of what is burned: catching oneself must lose money.
        if (uint256(parameters.catcherRewardWei) * 5 > parameters.stakeWei) {
            refuse("catcherRewardWei");
        }
        if (parameters.baseBondWei == 0) refuse("baseBondWei");
        if (parameters.answerGasCapWei > parameters.baseBondWei) {
            refuse("answerGasCapWei");
        }
    }

    /// @dev One place for the encoding of the error: the contract is near the size limit.
    function refuse(string memory name) internal pure {
        revert IReferee.ParameterOutOfRange(name);
    }
}
