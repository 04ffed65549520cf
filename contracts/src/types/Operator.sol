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

/// @notice What a commit reads and writes of its operator, in one storage slot.
/// @param state see OperatorState
/// @param sequence sequence of the last committed batch, zero before the first
/// @param firstUnreleased sequence of the oldest batch still counted in openExposureWei; sequence + 1 when there is none
/// @param openExposureWei sum of (stake + reward + gas reserve) over the batches not yet released or slashed
/// @param depositWei what the operator has in the channel, wei; never below openExposureWei
struct OperatorHead {
    OperatorState state;
    uint32 sequence;
    uint32 firstUnreleased;
    uint88 openExposureWei;
    uint96 depositWei;
}

/// @notice What a commit need not touch.
/// @param withdrawableAt unix seconds from which an exiting or banned operator can withdraw; zero before
/// @param openChallenges directed challenges open now over all batches of the operator in the channel
struct OperatorExtra {
    uint40 withdrawableAt;
    uint32 openChallenges;
}

/// @notice An OperatorHead as its storage word, least significant field first; see ChannelHeads for why.
library OperatorHeads {
    uint256 private constant EXPOSURE_SHIFT = 72;
    uint256 internal constant MAX_EXPOSURE = type(uint88).max;

    function state(uint256 word) internal pure returns (OperatorState) {
        return OperatorState(uint8(word));
    }

    /// @notice Whether the state is Registered or Active.
    function isCommitting(uint256 word) internal pure returns (bool) {
        return uint8(word) == uint256(OperatorState.Active) || uint8(word) == uint256(OperatorState.Registered);
    }

    function sequence(uint256 word) internal pure returns (uint256) {
        return uint32(word >> 8);
    }

    function openExposureWei(uint256 word) internal pure returns (uint256) {
        return uint88(word >> EXPOSURE_SHIFT);
    }

    function depositWei(uint256 word) internal pure returns (uint256) {
        return word >> 160;
    }

    /// @notice The word after one more commit: active, one batch more, its exposure on top. The caller has checked that the
    /// sum fits MAX_EXPOSURE; the 2^32-nd batch of an operator is refused.
    function afterCommit(uint256 word, uint256 exposureWei) internal pure returns (uint256) {
        uint256 next = sequence(word) + 1;
        assert(next <= type(uint32).max);
        // Everything but state and sequence, then those, then the exposure, which stays inside its field.
        return (word >> 40 << 40 | next << 8 | uint256(OperatorState.Active)) + (exposureWei << EXPOSURE_SHIFT);
    }

    function pack(OperatorHead memory head) internal pure returns (uint256) {
        return uint256(head.state) | uint256(head.sequence) << 8 | uint256(head.firstUnreleased) << 40
            | uint256(head.openExposureWei) << 72 | uint256(head.depositWei) << 160;
    }

    /// @dev Casts cut off the fields above: that is their purpose here.
    function unpack(uint256 word) internal pure returns (OperatorHead memory head) {
        head.state = OperatorState(uint8(word));
        head.sequence = uint32(word >> 8);
        head.firstUnreleased = uint32(word >> 40);
        head.openExposureWei = uint88(word >> 72);
        head.depositWei = uint96(word >> 160);
    }
}
