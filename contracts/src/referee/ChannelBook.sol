// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "../interfaces/IReferee.sol";
import {ChannelRules} from "../lib/ChannelRules.sol";
import {ChannelHead, ChannelHeads, ChannelKind, ChannelParameters} from "../types/Channel.sol";
import {RefereeState} from "./RefereeState.sol";

/// @notice Channels: their manager, parameters behind a timelock, and the roster count by period.
abstract contract ChannelBook is RefereeState {
    /// @notice Time between queueing parameters and applying them: long enough to see them and stop committing.
    uint64 internal constant PARAMETER_TIMELOCK_S = 7 days;

    /// @inheritdoc IReferee
    function createChannel(ChannelKind kind, bytes32 salt, ChannelParameters calldata parameters)
        external
        returns (bytes32 channel)
    {
        channel = ChannelRules.id(msg.sender, kind, salt);
        if (_managers[channel] != address(0)) revert ChannelExists(channel);
        ChannelRules.check(kind, parameters);
        _managers[channel] = msg.sender;
        emit ChannelCreated(channel, msg.sender, kind, salt, parameters);
        ChannelHead memory head;
        head.kind = kind;
        _apply(channel, head, parameters);
    }

    /// @inheritdoc IReferee
    function queueParameters(bytes32 channel, ChannelParameters calldata parameters) external {
        _requireManager(channel);
        ChannelHead memory head = _channel(channel);
        ChannelRules.check(head.kind, parameters);
        // Periods are multiples of the epoch: another epoch would make them overlap.
        if (parameters.epochS != head.epochS) ChannelRules.refuse("epochS");
        uint64 appliesAt = uint64(block.timestamp) + PARAMETER_TIMELOCK_S;
        _queued[channel] = QueuedParameters(appliesAt, parameters);
        emit ParametersQueued(channel, appliesAt, parameters);
    }

    /// @inheritdoc IReferee
    function cancelParameters(bytes32 channel) external {
        _requireManager(channel);
        if (_queued[channel].appliesAt == 0) revert NoParametersQueued(channel);
        delete _queued[channel];
        emit ParametersCancelled(channel);
    }

    /// @inheritdoc IReferee
    function applyParameters(bytes32 channel) external {
        QueuedParameters memory queued = _queued[channel];
        if (queued.appliesAt == 0) revert NoParametersQueued(channel);
        if (block.timestamp < queued.appliesAt) revert TimelockRunning(queued.appliesAt, uint64(block.timestamp));
        delete _queued[channel];
        _apply(channel, _channel(channel), queued.parameters);
    }

    /// @inheritdoc IReferee
    function setRosterCount(bytes32 channel, uint32 count, uint64 fromPeriodStart) external {
        _requireManager(channel);
        ChannelHead memory head = _channel(channel);
        if (head.kind != ChannelKind.Scheduled) revert RosterNotApplicable(channel);
        if (count == 0 || count > ChannelRules.MAX_ENTRIES) revert RosterCountOutOfRange(count);
        // A batch of a period is committed after its end: until then no batch can have relied on another count.
        if (
            fromPeriodStart % head.epochS != 0 || fromPeriodStart > type(uint40).max
                || fromPeriodStart + head.epochS <= block.timestamp
        ) revert RosterPeriodInvalid(fromPeriodStart);
        if (head.nextRosterFrom != 0 && block.timestamp >= head.nextRosterFrom) {
            // The last change has begun. The period before it can be committed until the deadline, under the count before.
            if (block.timestamp < uint256(head.nextRosterFrom) + head.commitDeadlineS) {
                revert RosterChangePending(head.nextRosterFrom);
            }
            head.rosterCount = head.nextRosterCount;
        }
        head.nextRosterCount = uint24(count);
        head.nextRosterFrom = uint40(fromPeriodStart);
        _channels[channel] = ChannelHeads.pack(head);
        emit RosterCountSet(channel, count, fromPeriodStart);
    }

    function _apply(bytes32 channel, ChannelHead memory head, ChannelParameters memory parameters) private {
        head.parametersVersion += 1;
        head.epochS = parameters.epochS;
        head.commitDeadlineS = parameters.commitDeadlineS;
        head.exposureWei = ChannelRules.exposureWei(parameters);
        _channels[channel] = ChannelHeads.pack(head);
        _parameters[channel][head.parametersVersion] = parameters;
        emit ParametersApplied(channel, head.parametersVersion);
    }

    function _requireManager(bytes32 channel) private view {
        address manager = _managers[channel];
        if (manager == address(0)) revert UnknownChannel(channel);
        if (manager != msg.sender) revert NotManager(manager, msg.sender);
    }
}
