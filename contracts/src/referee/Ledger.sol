// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "../interfaces/IReferee.sol";
import {BatchRecord, BatchRecordHash, BatchState} from "../types/BatchRecord.sol";
import {ChannelParameters} from "../types/Channel.sol";
import {ChannelRules} from "../lib/ChannelRules.sol";
import {SlashCause} from "../types/DirectedChallenge.sol";
import {OperatorExtra, OperatorHead, OperatorState} from "../types/Operator.sol";
import {RefereeState} from "./RefereeState.sol";

/// @notice Every movement of value. What the contract holds is always the sum of deposits, open bonds and what is owed.
abstract contract Ledger is RefereeState {
    /// @notice Where slashed stakes and spent bonds go: an address that nobody holds a key of.
    address public constant BURN_ADDRESS = 0x000000000000000000000000000000000000dEaD;

    /// @inheritdoc IReferee
    function deposit(bytes32 channel) external payable {
        if (_channels[channel] == 0) revert UnknownChannel(channel);
        if (msg.value == 0) revert ZeroValue();
        OperatorHead memory head = _head(channel, msg.sender);
        if (head.state == OperatorState.None) {
            head.state = OperatorState.Registered;
            head.firstUnreleased = 1;
        } else if (head.state != OperatorState.Registered && head.state != OperatorState.Active) {
            revert WrongOperatorState(head.state);
        }
        uint256 total = head.depositWei + msg.value;
        if (total > type(uint96).max) revert DepositTooLarge();
        head.depositWei = uint96(total);
        _setHead(channel, msg.sender, head);
        emit Deposited(channel, msg.sender, msg.value, total);
    }

    /// @inheritdoc IReferee
    function requestExit(bytes32 channel) external {
        OperatorHead memory head = _head(channel, msg.sender);
        if (head.state != OperatorState.Registered && head.state != OperatorState.Active) {
            revert WrongOperatorState(head.state);
        }
        head.state = OperatorState.Exiting;
        _setHead(channel, msg.sender, head);
        uint40 withdrawableAt = _exitTime(channel);
        _extras[channel][msg.sender].withdrawableAt = withdrawableAt;
        emit ExitRequested(channel, msg.sender, withdrawableAt);
    }

    /// @inheritdoc IReferee
    function withdraw(bytes32 channel, address payable to) external {
        OperatorHead memory head = _head(channel, msg.sender);
        if (head.state != OperatorState.Exiting && head.state != OperatorState.Banned) {
            revert WrongOperatorState(head.state);
        }
        uint64 withdrawableAt = _extras[channel][msg.sender].withdrawableAt;
        if (block.timestamp < withdrawableAt) revert ExitDelayRunning(withdrawableAt, uint64(block.timestamp));
        if (head.firstUnreleased <= head.sequence) revert BatchesUnreleased(head.firstUnreleased, head.sequence);
        uint256 amount = head.depositWei;
        if (amount == 0) revert NothingOwed(msg.sender);
        head.depositWei = 0;
        if (head.state == OperatorState.Exiting) head.state = OperatorState.Withdrawn;
        _setHead(channel, msg.sender, head);
        emit Withdrawn(channel, msg.sender, to, amount);
        _send(to, amount);
    }

    /// @inheritdoc IReferee
    function withdrawOwed(address payable to) external {
        uint256 amount = owed[msg.sender];
        if (amount == 0) revert NothingOwed(msg.sender);
        owed[msg.sender] = 0;
        emit PaymentWithdrawn(msg.sender, to, amount);
        _send(to, amount);
    }

    /// @dev Slashes a committed batch that is not final: S burned, R_catch owed to the catcher, exposure freed.
    /// The deposit covers it: a commit requires deposit >= exposure, and every slash takes no more than its batch's share.
    function _slashBatch(
        bytes32 channel,
        address operator,
        uint64 sequence,
        bytes32 batch,
        BatchRecord memory record,
        SlashCause cause,
        address catcher
    ) internal {
        ChannelParameters memory parameters = _parameters[channel][record.parametersVersion];
        OperatorHead memory head = _head(channel, operator);
        head.depositWei -= uint96(parameters.stakeWei) + parameters.catcherRewardWei;
        head.openExposureWei -= uint88(ChannelRules.exposureWei(parameters));
        _setHead(channel, operator, head);
        record.state = BatchState.Slashed;
        _records[batch] = BatchRecordHash.digest(record);
        emit Slashed(channel, operator, sequence, cause, catcher, parameters.stakeWei, parameters.catcherRewardWei);
        _owe(catcher, parameters.catcherRewardWei);
        _burn(parameters.stakeWei);
    }

    /// @dev Fines an operator where no batch can be slashed: the same sums, but only from what no open batch binds, so that
    /// the deposit never falls below the exposure. The reward keeps its share of what there is.
    function _fine(bytes32 channel, address operator, uint64 sequence, SlashCause cause, address catcher) internal {
        ChannelParameters memory parameters = _parameters[channel][_channel(channel).parametersVersion];
        OperatorHead memory head = _head(channel, operator);
        uint256 full = uint256(parameters.stakeWei) + parameters.catcherRewardWei;
        uint256 free = head.depositWei - head.openExposureWei;
        uint256 taken = free < full ? free : full;
        // full is not zero: stakeWei never is.
        uint256 reward = taken * parameters.catcherRewardWei / full;
        head.depositWei -= uint96(taken);
        _setHead(channel, operator, head);
        emit Slashed(channel, operator, sequence, cause, catcher, taken - reward, reward);
        _owe(catcher, reward);
        _burn(taken - reward);
    }

    /// @dev A banned operator commits no more; what remains of its deposit can be withdrawn like an exiting one's.
    function _ban(bytes32 channel, address operator, SlashCause cause) internal {
        OperatorHead memory head = _head(channel, operator);
        if (head.state == OperatorState.Banned) return;
        head.state = OperatorState.Banned;
        _setHead(channel, operator, head);
        OperatorExtra storage extra = _extras[channel][operator];
        uint40 withdrawableAt = _exitTime(channel);
        if (extra.withdrawableAt < withdrawableAt) extra.withdrawableAt = withdrawableAt;
        emit OperatorBanned(channel, operator, cause);
    }

    function _owe(address account, uint256 amount) internal {
        if (amount == 0) return;
        owed[account] += amount;
        emit PaymentOwed(account, amount);
    }

    /// @dev A burn that fails must not hold up a slash: the value then stays here for ever, owed to the burn address.
    function _burn(uint256 amount) internal {
        if (amount == 0) return;
        burned += amount;
        (bool success,) = BURN_ADDRESS.call{value: amount}("");
        if (!success) _owe(BURN_ADDRESS, amount);
    }

    function _exitTime(bytes32 channel) private view returns (uint40) {
        // Seconds of today plus at most 365 days: far below 2^40.
        return uint40(block.timestamp + _parameters[channel][_channel(channel).parametersVersion].exitDelayS);
    }

    /// @dev The last step of its callers: state is written before.
    function _send(address payable to, uint256 amount) private {
        (bool success,) = to.call{value: amount}("");
        if (!success) revert TransferFailed(to, amount);
    }
}
