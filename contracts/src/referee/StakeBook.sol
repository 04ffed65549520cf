// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "../interfaces/IReferee.sol";
import {ChannelHeads, ParametersWord} from "../types/Channel.sol";
import {OperatorHead, OperatorHeads, OperatorState} from "../types/Operator.sol";
import {RefereeState} from "./RefereeState.sol";

/// @notice Deposits, in and out, and what slashes and fines take of them. What the contract holds is always the sum of
/// deposits and of what is owed.
abstract contract StakeBook is RefereeState {
    /// @inheritdoc IReferee
    function deposit(bytes32 channel) external payable {
        if (_channels[channel] == 0) revert UnknownChannel(channel);
        if (msg.value == 0) revert ZeroValue();
        if (msg.value % 1 gwei != 0) revert NotWholeGwei(msg.value);
        OperatorHead memory head = _head(channel, msg.sender);
        if (head.state == OperatorState.None) {
            head.state = OperatorState.Registered;
        } else if (head.state != OperatorState.Registered && head.state != OperatorState.Active) {
            revert WrongOperatorState(head.state);
        }
        uint256 total = head.depositGwei + msg.value / 1 gwei;
        if (total > OperatorHeads.MAX_AMOUNT_GWEI) revert DepositTooLarge();
        head.depositGwei = uint56(total);
        _setHead(channel, msg.sender, head);
        emit Deposited(channel, msg.sender, msg.value, total * 1 gwei);
    }

    /// @inheritdoc IReferee
    function requestExit(bytes32 channel) external {
        OperatorHead memory head = _head(channel, msg.sender);
        if (head.state != OperatorState.Registered && head.state != OperatorState.Active) {
            revert WrongOperatorState(head.state);
        }
        head.state = OperatorState.Exiting;
        _setHead(channel, msg.sender, head);
        uint40 leavesAt = _exitTime(channel);
        _books[channel][msg.sender].withdrawableAt = leavesAt;
        emit ExitRequested(channel, msg.sender, leavesAt);
    }

    /// @inheritdoc IReferee
    function withdraw(bytes32 channel, address payable to) external {
        OperatorHead memory head = _head(channel, msg.sender);
        if (head.state != OperatorState.Exiting && head.state != OperatorState.Banned) {
            revert WrongOperatorState(head.state);
        }
        uint64 leavesAt = _books[channel][msg.sender].withdrawableAt;
        if (block.timestamp < leavesAt) revert ExitDelayRunning(leavesAt, uint64(block.timestamp));
        if (head.openBatches != 0) revert BatchesUnreleased(head.sequence - head.openBatches + 1, head.sequence);
        uint256 amount = uint256(head.depositGwei) * 1 gwei;
        if (amount == 0) revert NothingOwed(msg.sender);
        head.depositGwei = 0;
        if (head.state == OperatorState.Exiting) head.state = OperatorState.Withdrawn;
        _setHead(channel, msg.sender, head);
        emit Withdrawn(channel, msg.sender, to, amount);
        _send(to, amount);
    }

    /// @dev A banned operator commits no more; what remains of its deposit can be withdrawn like an exiting one's.
    function _ban(bytes32 channel, address operator, OperatorHead memory head, bytes32 cause) internal {
        if (head.state == OperatorState.Banned) return;
        head.state = OperatorState.Banned;
        OperatorBook storage book = _books[channel][operator];
        uint40 leavesAt = _exitTime(channel);
        if (book.withdrawableAt < leavesAt) book.withdrawableAt = leavesAt;
        emit OperatorBanned(channel, operator, msg.sender, cause);
    }

    function _exitTime(bytes32 channel) private view returns (uint40) {
        uint256 version = ChannelHeads.parametersVersion(_channels[channel]);
        // Seconds of today plus at most 365 days: far below 2^40.
        return uint40(block.timestamp + ParametersWord.exitDelayS(_parameters[channel][version]));
    }
}
