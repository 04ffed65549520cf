// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ChannelParameters} from "./Channel.sol";

/// @notice ChannelParameters as their storage word, least significant field first: 22, 22, 23, 25 bits of seconds, then 52, 52 and
/// 56 bits of gwei. ChannelRules refuses what does not fit.
library ParametersWord {
    uint256 private constant STAKE_MASK = (1 << 52) - 1;

    function challengeWindowS(uint256 word) internal pure returns (uint256) {
        return word >> 44 & (1 << 23) - 1;
    }

    function exitDelayS(uint256 word) internal pure returns (uint256) {
        return word >> 67 & (1 << 25) - 1;
    }

    function stakeGwei(uint256 word) internal pure returns (uint256) {
        return word >> 92 & STAKE_MASK;
    }

    function rewardGwei(uint256 word) internal pure returns (uint256) {
        return word >> 144 & STAKE_MASK;
    }

    function reserveGwei(uint256 word) internal pure returns (uint256) {
        return word >> 196;
    }

    /// @notice What one open batch binds of a deposit beyond its stake.
    function marginGwei(uint256 word) internal pure returns (uint256) {
        return rewardGwei(word) + reserveGwei(word);
    }

    function pack(ChannelParameters calldata parameters) internal pure returns (uint256) {
        return uint256(parameters.epochS) | uint256(parameters.commitDeadlineS) << 22
            | uint256(parameters.challengeWindowS) << 44 | uint256(parameters.exitDelayS) << 67
            | uint256(parameters.stakeWei) / 1 gwei << 92 | uint256(parameters.catcherRewardWei) / 1 gwei << 144
            | uint256(parameters.gasReserveWei) / 1 gwei << 196;
    }

    /// @dev Casts and masks cut off the fields above: that is their purpose here.
    function unpack(uint256 word) internal pure returns (ChannelParameters memory parameters) {
        parameters.epochS = uint24(word & (1 << 22) - 1);
        parameters.commitDeadlineS = uint24(word >> 22 & (1 << 22) - 1);
        parameters.challengeWindowS = uint32(challengeWindowS(word));
        parameters.exitDelayS = uint32(exitDelayS(word));
        parameters.stakeWei = uint88(stakeGwei(word) * 1 gwei);
        parameters.catcherRewardWei = uint88(rewardGwei(word) * 1 gwei);
        parameters.gasReserveWei = uint88(reserveGwei(word) * 1 gwei);
    }
}
