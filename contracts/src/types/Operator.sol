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
