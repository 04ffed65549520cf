// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "../interfaces/IReferee.sol";
import {ChannelHeads} from "../types/Channel.sol";
import {ParametersWord} from "../types/ParametersWord.sol";
import {OperatorHeads, OperatorState} from "../types/Operator.sol";
import {RefereeState} from "./RefereeState.sol";

/// @notice Deposits, in and out, and what slashes and fines take of them. What the contract holds is always the sum of
/// deposits and of what is owed.
abstract contract StakeBook is RefereeState {
    using OperatorHeads for uint256;

    /// @inheritdoc IReferee
    function deposit(bytes32 channel) external payable {
        if (_channels[channel] == 0) revert UnknownChannel(channel);
        if (msg.value == 0) revert ZeroValue();
        if (msg.value % 1 gwei != 0) revert NotWholeGwei(msg.value);
        OperatorBook storage book = _books[channel][msg.sender];
        uint256 head = book.head;
        if (head.state() == OperatorState.None) head = head.withState(OperatorState.Registered);
        if (!head.isCommitting()) revert WrongOperatorState(head.state());
        uint256 total = head.depositGwei() + msg.value / 1 gwei;
        if (total > OperatorHeads.MAX_AMOUNT_GWEI) revert DepositTooLarge();
        book.head = head.withDeposit(total);
        emit Deposited(channel, msg.sender, msg.value, total * 1 gwei);
    }

    /// @inheritdoc IReferee
    function requestExit(bytes32 channel) external {
        OperatorBook storage book = _books[channel][msg.sender];
        uint256 head = book.head;
        if (!head.isCommitting()) revert WrongOperatorState(head.state());
        book.head = head.withState(OperatorState.Exiting);
        uint40 leavesAt = _exitTime(channel);
        book.withdrawableAt = leavesAt;
        emit ExitRequested(channel, msg.sender, leavesAt);
    }

    /// @inheritdoc IReferee
    function withdraw(bytes32 channel, address payable to) external {
        OperatorBook storage book = _books[channel][msg.sender];
        uint256 head = book.head;
        OperatorState state = head.state();
        if (state != OperatorState.Exiting && state != OperatorState.Banned) revert WrongOperatorState(state);
        uint64 leavesAt = book.withdrawableAt;
        if (block.timestamp < leavesAt) revert ExitDelayRunning(leavesAt, uint64(block.timestamp));
        if (head.openBatches() != 0) {
            revert BatchesUnreleased(uint64(head.firstUnreleased()), uint64(head.sequence()));
        }
        uint256 amount = head.depositGwei() * 1 gwei;
        if (amount == 0) revert NothingOwed(msg.sender);
        if (state == OperatorState.Exiting) head = head.withState(OperatorState.Withdrawn);
        book.head = head.withDeposit(0);
        emit Withdrawn(channel, msg.sender, to, amount);
        _send(to, amount);
    }

    /// @dev A banned operator commits no more; what remains of its deposit can be withdrawn like an exiting one's. Returns the
    /// head's word, for the caller to write.
    function _banned(OperatorBook storage book, bytes32 channel, address operator, uint256 head, bytes32 cause)
        internal
        returns (uint256)
    {
        if (head.state() == OperatorState.Banned) return head;
        uint40 leavesAt = _exitTime(channel);
        if (book.withdrawableAt < leavesAt) book.withdrawableAt = leavesAt;
        emit OperatorBanned(channel, operator, msg.sender, cause);
        return head.withState(OperatorState.Banned);
    }

    function _exitTime(bytes32 channel) private view returns (uint40) {
        uint256 version = ChannelHeads.parametersVersion(_channels[channel]);
        // Seconds of today plus at most 365 days: far below 2^40.
        return uint40(block.timestamp + ParametersWord.exitDelayS(_parameters[channel][version]));
    }
}
