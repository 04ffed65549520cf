// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "../interfaces/IReferee.sol";
import {ChannelKind, ChannelParameters} from "../types/Channel.sol";
import {OperatorHeads} from "../types/Operator.sol";

/// @notice How a channel is named, and which parameters it may have.
library ChannelRules {
    bytes32 internal constant ID_TAG = keccak256("wattest/channel/1");
    uint256 internal constant MAX_ENTRIES = 1 << 20;
    uint256 internal constant MIN_EPOCH_S = 60;
    uint256 internal constant MAX_EPOCH_S = 31 days;
    uint256 internal constant MAX_CHALLENGE_WINDOW_S = 90 days;
    uint256 internal constant MAX_EXIT_DELAY_S = 365 days;

    /// @notice The id names its manager, so that an enclave needs no chain to know whose signature counts.
    function id(address manager, ChannelKind kind, bytes32 salt) internal pure returns (bytes32) {
        return keccak256(abi.encode(ID_TAG, manager, kind, salt));
    }

    /// @notice Reverts ParameterOutOfRange with the first field that is out of range.
    function check(ChannelKind kind, ChannelParameters calldata parameters) internal pure {
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
        if (parameters.exitDelayS < parameters.challengeWindowS || parameters.exitDelayS > MAX_EXIT_DELAY_S) {
            refuse("exitDelayS");
        }
        // An operator's stake is up to three times as much, and has its place in the operator's head.
        if (parameters.stakeWei == 0 || uint256(parameters.stakeWei) * 3 > OperatorHeads.MAX_STAKE_GWEI * 1 gwei) {
            refuse("stakeWei");
        }
        if (parameters.stakeWei % 1 gwei != 0) refuse("stakeWei");
        // At most a fifth of what is burned: catching oneself must lose money.
        if (uint256(parameters.catcherRewardWei) * 5 > parameters.stakeWei || parameters.catcherRewardWei % 1 gwei != 0)
        {
            refuse("catcherRewardWei");
        }
        // Half of what a deposit can be: with the reward it fits its place in the channel's head.
        if (
            parameters.gasReserveWei > OperatorHeads.MAX_AMOUNT_GWEI / 2 * 1 gwei
                || parameters.gasReserveWei % 1 gwei != 0
        ) refuse("gasReserveWei");
    }

    /// @dev One place for the encoding of the error.
    function refuse(string memory name) internal pure {
        revert IReferee.ParameterOutOfRange(name);
    }
}
