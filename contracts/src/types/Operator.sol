// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice An operator's life in one channel. Registered: has a deposit. Active: has committed. Withdrawn and Banned are
/// ends. DeclaredOutage comes with the heartbeat.
enum OperatorState {
    None,
    Registered,
    Active,
    Exiting,
    Withdrawn,
    Banned
}

/// @notice What a commit reads and writes of its operator, in one storage slot. Amounts are gwei.
/// @param state see OperatorState
/// @param openBatches batches committed and not yet released
/// @param sequence sequence of the last committed batch, zero before the first
/// @param committedAt when that batch was committed, unix seconds; zero before the first
/// @param stakeGwei what a module set as the operator's stake; zero: none did, the channel's stake holds
/// @param exposureGwei sum of (stake + reward + gas reserve) over the batches not yet released or slashed
/// @param depositGwei what the operator has in the channel; never below exposureGwei
struct OperatorHead {
    OperatorState state;
    uint16 openBatches;
    uint32 sequence;
    uint40 committedAt;
    uint56 stakeGwei;
    uint56 exposureGwei;
    uint56 depositGwei;
}

/// @notice An OperatorHead as its storage word, least significant field first: 4, 16, 32, 40, 52, 56, 56 bits; see
/// ChannelHeads for why.
library OperatorHeads {
    uint256 private constant STAKE_SHIFT = 92;
    uint256 private constant EXPOSURE_SHIFT = 144;
    uint256 private constant DEPOSIT_SHIFT = 200;
    uint256 private constant BEFORE_STAKE = (1 << 92) - 1;
    uint256 private constant STAKE_MASK = (1 << 52) - 1;
    uint256 internal constant MAX_AMOUNT_GWEI = type(uint56).max;
    uint256 internal constant MAX_STAKE_GWEI = STAKE_MASK;
    uint256 internal constant MAX_OPEN_BATCHES = type(uint16).max;

    function state(uint256 word) internal pure returns (OperatorState) {
        return OperatorState(word & 15);
    }

    /// @notice Whether the state is Registered or Active.
    function isCommitting(uint256 word) internal pure returns (bool) {
        return word & 15 == uint256(OperatorState.Active) || word & 15 == uint256(OperatorState.Registered);
    }

    function openBatches(uint256 word) internal pure returns (uint256) {
        return uint16(word >> 4);
    }

    function sequence(uint256 word) internal pure returns (uint256) {
        return uint32(word >> 20);
    }

    function committedAt(uint256 word) internal pure returns (uint256) {
        return uint40(word >> 52);
    }

    /// @notice S_i: what a module set, kept between once and three times the channel's stake; the channel's if none did.
    function stakeGwei(uint256 word, uint256 channelStakeGwei) internal pure returns (uint256 stake) {
        stake = word >> STAKE_SHIFT & STAKE_MASK;
        if (stake <= channelStakeGwei) return channelStakeGwei;
        // Unchecked: a channel's stake has 56 bits.
        unchecked {
            if (stake > 3 * channelStakeGwei) return 3 * channelStakeGwei;
        }
    }

    function exposureGwei(uint256 word) internal pure returns (uint256) {
        return uint56(word >> EXPOSURE_SHIFT);
    }

    function depositGwei(uint256 word) internal pure returns (uint256) {
        return word >> DEPOSIT_SHIFT;
    }

    /// @notice The word after one more commit at `committedAt_`: active, one batch more, open and in all, its exposure on top.
    /// The caller has checked that open batches and exposure stay inside their fields; the 2^32-nd batch is refused.
    function afterCommit(uint256 word, uint256 committedAt_, uint256 addedGwei) internal pure returns (uint256) {
        uint256 next = sequence(word) + 1;
        assert(next <= type(uint32).max);
        // Unchecked: the caller's checks above; seconds of this age fit 40 bits.
        unchecked {
            return (word & ~BEFORE_STAKE)
                + (uint256(OperatorState.Active) | openBatches(word) + 1 << 4 | next << 20 | committedAt_ << 52
                        | addedGwei << EXPOSURE_SHIFT);
        }
    }

    function withState(uint256 word, OperatorState state_) internal pure returns (uint256) {
        return word >> 4 << 4 | uint256(state_);
    }

    /// @notice The caller keeps the stake inside its 52 bits.
    function withStake(uint256 word, uint256 stakeGwei_) internal pure returns (uint256) {
        return word & ~(STAKE_MASK << STAKE_SHIFT) | stakeGwei_ << STAKE_SHIFT;
    }

    /// @notice The caller keeps the deposit inside its 56 bits.
    function withDeposit(uint256 word, uint256 depositGwei_) internal pure returns (uint256) {
        return word & (1 << DEPOSIT_SHIFT) - 1 | depositGwei_ << DEPOSIT_SHIFT;
    }

    /// @notice The word with less exposure: reverts if there is not that much.
    function lessExposure(uint256 word, uint256 gwei_) internal pure returns (uint256) {
        assert(gwei_ <= exposureGwei(word));
        // Unchecked: the field holds as much.
        unchecked {
            return word - (gwei_ << EXPOSURE_SHIFT);
        }
    }

    /// @notice The word with less deposit: reverts if there is not that much.
    function lessDeposit(uint256 word, uint256 gwei_) internal pure returns (uint256) {
        assert(gwei_ <= depositGwei(word));
        // Unchecked: the field holds as much.
        unchecked {
            return word - (gwei_ << DEPOSIT_SHIFT);
        }
    }

    /// @notice The word with fewer open batches; the caller has checked that there are as many.
    function lessOpen(uint256 word, uint256 count) internal pure returns (uint256) {
        // Unchecked: the caller's check.
        unchecked {
            return word - (count << 4);
        }
    }

    /// @notice Sequence of the first batch that is not released; sequence + 1 if all are.
    function firstUnreleased(uint256 word) internal pure returns (uint256) {
        // Unchecked: there are no more open batches than batches.
        unchecked {
            return sequence(word) + 1 - openBatches(word);
        }
    }

    /// @dev Casts and masks cut off the fields above: that is their purpose here.
    function unpack(uint256 word) internal pure returns (OperatorHead memory head) {
        head.state = OperatorState(word & 15);
        head.openBatches = uint16(word >> 4);
        head.sequence = uint32(word >> 20);
        head.committedAt = uint40(word >> 52);
        head.stakeGwei = uint56(word >> STAKE_SHIFT & STAKE_MASK);
        head.exposureGwei = uint56(word >> EXPOSURE_SHIFT);
        head.depositGwei = uint56(word >> DEPOSIT_SHIFT);
    }
}
