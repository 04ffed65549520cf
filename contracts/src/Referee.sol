// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnclaveRegistry} from "./interfaces/IEnclaveRegistry.sol";
import {IReferee} from "./interfaces/IReferee.sol";
import {ChannelHead, ChannelHeads, ChannelParameters} from "./types/Channel.sol";
import {DirectedChallenge} from "./types/DirectedChallenge.sol";
import {BatchHeader} from "./types/BatchHeader.sol";
import {OperatorExtra, OperatorHead} from "./types/Operator.sol";
import {DirectedChallenges} from "./referee/DirectedChallenges.sol";
import {FraudProofs} from "./referee/FraudProofs.sol";
import {RefereeState} from "./referee/RefereeState.sol";

/// @title The referee: stakes, commitments, directed challenges, fraud proofs
/// @notice No owner, no upgrade, no pause: its registry is fixed, and a channel's manager changes parameters only behind a
/// timelock. This file holds the views; each part of the behaviour is a file under referee/.
contract Referee is DirectedChallenges, FraudProofs {
    constructor(IEnclaveRegistry registry_) RefereeState(registry_) {}

    /// @inheritdoc IReferee
    function headerDigest(BatchHeader calldata header) external view returns (bytes32) {
        return _digest(header);
    }

    /// @inheritdoc IReferee
    function recordDigestOf(bytes32 channel, address operator, uint64 sequence) external view returns (bytes32) {
        return _records[_batchKey(channel, operator, sequence)];
    }

    /// @inheritdoc IReferee
    function channelHead(bytes32 channel) external view returns (ChannelHead memory) {
        return _channel(channel);
    }

    /// @inheritdoc IReferee
    function managerOf(bytes32 channel) external view returns (address) {
        return _managers[channel];
    }

    /// @inheritdoc IReferee
    function parametersOf(bytes32 channel, uint16 version) external view returns (ChannelParameters memory) {
        return _parameters[channel][version];
    }

    /// @inheritdoc IReferee
    function queuedParameters(bytes32 channel) external view returns (uint64, ChannelParameters memory) {
        return (_queued[channel].appliesAt, _queued[channel].parameters);
    }

    /// @inheritdoc IReferee
    function rosterCountAt(bytes32 channel, uint64 periodStart) external view returns (uint32) {
        return uint32(ChannelHeads.rosterCountAt(_channels[channel], periodStart));
    }

    /// @inheritdoc IReferee
    function operatorHead(bytes32 channel, address operator) external view returns (OperatorHead memory) {
        return _head(channel, operator);
    }

    /// @inheritdoc IReferee
    function operatorExtra(bytes32 channel, address operator) external view returns (OperatorExtra memory) {
        return _extras[channel][operator];
    }

    /// @inheritdoc IReferee
    function challengeOf(bytes32 channel, address operator, uint64 sequence, uint32 entryIndex)
        external
        view
        returns (DirectedChallenge memory)
    {
        return _challenges[_batchKey(channel, operator, sequence)][entryIndex];
    }

    /// @inheritdoc IReferee
    function openChallengesOf(bytes32 channel, address operator, uint64 sequence) external view returns (uint32) {
        return _openChallenges[_batchKey(channel, operator, sequence)];
    }

    /// @inheritdoc IReferee
    function bondFor(bytes32 channel, address operator, uint16 parametersVersion) external view returns (uint256) {
        uint256 ordinal = uint256(_extras[channel][operator].openChallenges) + 1;
        return _bondWei(_parameters[channel][parametersVersion], ordinal);
    }

    /// @inheritdoc IReferee
    function isConvicted(bytes32 channel, address operator, uint64 sequence) external view returns (bool) {
        return _convicted[_batchKey(channel, operator, sequence)];
    }
}
