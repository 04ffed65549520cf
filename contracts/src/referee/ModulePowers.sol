// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "../interfaces/IReferee.sol";
import {BatchRecord, BatchReference, BatchState} from "../types/BatchRecord.sol";
import {ChannelHeads} from "../types/Channel.sol";
import {ParametersWord} from "../types/ParametersWord.sol";
import {BatchMarks} from "../types/BatchMarks.sol";
import {Powers} from "../types/Module.sol";
import {ModuleGrants} from "../types/ModuleGrants.sol";
import {OperatorHeads} from "../types/Operator.sol";
import {StakeBook} from "./StakeBook.sol";

/// @notice The four powers. Modules decide when; what is taken, from whom, and whether the batch can still be taken is decided
/// here alone.
abstract contract ModulePowers is StakeBook {
    using BatchMarks for uint256;
    using OperatorHeads for uint256;

    /// @notice Longest time that a batch is held after its challenge window.
    uint256 public constant MAX_HOLD_S = 180 days;

    /// @inheritdoc IReferee
    function convict(BatchReference calldata batch, bytes32 cause, bool bans, address catcher) external {
        _requirePower(batch.channel, Powers.CONVICT);
        OperatorBook storage book = _requireOpen(batch);
        book.marks[batch.sequence] |= BatchMarks.SLASHED;

        BatchRecord calldata record = batch.record;
        uint256 parameters = _parameters[batch.channel][record.parametersVersion];
        uint256 reward = ParametersWord.rewardGwei(parameters);
        // The deposit covers it: a commit requires deposit >= exposure, and every conviction takes no more than its batch's
        // share. A batch that is not final is not released.
        uint256 head = book.head.lessExposure(record.stakeGwei + ParametersWord.marginGwei(parameters));
        emit Slashed(
            batch.channel,
            batch.operator,
            batch.sequence,
            msg.sender,
            cause,
            catcher,
            uint256(record.stakeGwei) * 1 gwei,
            reward * 1 gwei
        );
        if (bans) head = _banned(book, batch.channel, batch.operator, head, cause);
        _take(book, head, record.stakeGwei, reward, catcher);
    }

    /// @inheritdoc IReferee
    function fine(
        bytes32 channel,
        address operator,
        bytes32 matter,
        uint256 amountWei,
        bytes32 cause,
        bool bans,
        address catcher
    ) external {
        _requirePower(channel, Powers.FINE);
        OperatorBook storage book = _books[channel][operator];
        if (book.fined[matter]) revert MatterFined(matter);
        book.fined[matter] = true;

        uint256 head = book.head;
        uint256 channelWord = _channels[channel];
        uint256 rewardGwei =
            ParametersWord.rewardGwei(_parameters[channel][ChannelHeads.parametersVersion(channelWord)]);
        // Never zero: no channel's stake is.
        uint256 full = head.stakeGwei(ChannelHeads.stakeGwei(channelWord)) + rewardGwei;
        // Only from what no open batch binds, so that the deposit never falls below the exposure.
        uint256 taken = _min(_min(amountWei / 1 gwei, full), head.depositGwei() - head.exposureGwei());
        // The reward keeps its share of what there is.
        uint256 reward = taken * rewardGwei / full;
        emit Fined(channel, operator, matter, msg.sender, cause, catcher, (taken - reward) * 1 gwei, reward * 1 gwei);
        if (bans) head = _banned(book, channel, operator, head, cause);
        _take(book, head, taken - reward, reward, catcher);
    }

    /// @inheritdoc IReferee
    function hold(BatchReference calldata batch, uint64 until)
        external
        returns (uint64 heldUntil, uint64 windowClosesAt)
    {
        uint256 grant = _requirePower(batch.channel, Powers.HOLD);
        OperatorBook storage book = _requireOpen(batch);
        // Seconds of today, 90 days and 180 days: far below 2^40.
        windowClosesAt = uint64(_windowClosesAt(batch.channel, batch.record));
        heldUntil = uint64(_min(until, windowClosesAt + MAX_HOLD_S));
        if (heldUntil <= block.timestamp) revert HoldOver(heldUntil, uint64(block.timestamp));
        uint256 mark = book.marks[batch.sequence];
        book.marks[batch.sequence] = mark.withHold(ModuleGrants.holdPlace(grant), heldUntil);
        emit BatchHeld(batch.channel, batch.operator, batch.sequence, msg.sender, heldUntil);
    }

    /// @inheritdoc IReferee
    function letGo(bytes32 channel, address operator, uint64 sequence) external {
        uint256 grant = _requirePower(channel, Powers.HOLD);
        uint256 place = ModuleGrants.holdPlace(grant);
        OperatorBook storage book = _books[channel][operator];
        uint256 mark = book.marks[sequence];
        if (mark.heldUntil(place) <= block.timestamp) return;
        // A time that is over, not zero: a slot that is cleared would pay gas back, and whoever is paid for what a call cost
        // would be paid too much.
        book.marks[sequence] = mark.withHold(place, block.timestamp);
        emit BatchHeld(channel, operator, sequence, msg.sender, 0);
    }

    /// @inheritdoc IReferee
    function setStake(bytes32 channel, address operator, uint256 stakeWei) external {
        _requirePower(channel, Powers.SET_STAKE);
        uint256 least = ChannelHeads.stakeGwei(_channels[channel]) * 1 gwei;
        if (stakeWei < least || stakeWei > 3 * least || stakeWei % 1 gwei != 0) {
            revert StakeOutOfRange(least, 3 * least, stakeWei);
        }
        OperatorBook storage book = _books[channel][operator];
        // At most three times a channel's stake, which ChannelRules keeps inside the field.
        book.head = book.head.withStake(stakeWei / 1 gwei);
        emit StakeSet(channel, operator, msg.sender, stakeWei);
    }

    /// @dev Burned and owed to the catcher, out of the deposit; gwei. Writes the operator's head.
    function _take(OperatorBook storage book, uint256 head, uint256 burned, uint256 reward, address catcher) private {
        book.head = head.lessDeposit(burned + reward);
        _owe(catcher, reward * 1 gwei);
        _owe(BURN_ADDRESS, burned * 1 gwei);
    }

    function _requirePower(bytes32 channel, uint8 power) private view returns (uint256 grant) {
        grant = _grants[channel][msg.sender];
        if (!ModuleGrants.has(grant, power)) revert PowerNotGranted(channel, msg.sender, power);
    }

    /// @dev Reverts unless the batch is neither slashed nor final; returns its operator's book.
    function _requireOpen(BatchReference calldata batch) private view returns (OperatorBook storage book) {
        book = _requireBatch(batch);
        BatchState state = _stateOf(book, batch.channel, batch.sequence, batch.record);
        if (state == BatchState.Slashed) revert BatchAlreadySlashed(batch.sequence);
        if (state == BatchState.Final) revert BatchAlreadyFinal(batch.sequence);
    }

    function _min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
