// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IModule} from "../interfaces/IModule.sol";
import {IReferee} from "../interfaces/IReferee.sol";
import {ChannelRules} from "../lib/ChannelRules.sol";
import {ChannelHeads, ChannelKind, ChannelParameters} from "../types/Channel.sol";
import {ParametersWord} from "../types/ParametersWord.sol";
import {BatchMarks} from "../types/BatchMarks.sol";
import {ModuleGrant, Powers} from "../types/Module.sol";
import {ModuleGrants} from "../types/ModuleGrants.sol";
import {RefereeState} from "./RefereeState.sol";

/// @notice Channels: their manager and modules, parameters and terms behind a timelock, and the roster count by period.
abstract contract ChannelBook is RefereeState {
    using ChannelHeads for uint256;

    /// @notice Time between queueing parameters and applying them: long enough to see them and stop committing.
    uint64 internal constant PARAMETER_TIMELOCK_S = 7 days;

    /// @notice Most modules of a channel: a change of parameters asks and stores each.
    uint256 internal constant MAX_MODULES = 8;

    /// @inheritdoc IReferee
    function createChannel(
        ChannelKind kind,
        bytes32 salt,
        ChannelParameters calldata parameters,
        ModuleGrant[] calldata modules,
        bytes32[] calldata terms
    ) external returns (bytes32 channel) {
        channel = ChannelRules.id(msg.sender, kind, salt);
        if (_managers[channel] != address(0)) revert ChannelExists(channel);
        ChannelRules.check(kind, parameters);
        _managers[channel] = msg.sender;
        _grant(channel, modules);
        _requireTerms(channel, kind, parameters, terms);
        emit ChannelCreated(channel, msg.sender, kind, salt, parameters, modules, terms);
        _apply(channel, ChannelHeads.created(kind), parameters, terms);
    }

    /// @inheritdoc IReferee
    function queueParameters(bytes32 channel, ChannelParameters calldata parameters, bytes32[] calldata terms)
        external
    {
        _requireManager(channel);
        uint256 word = _channels[channel];
        ChannelKind kind = word.isOpen() ? ChannelKind.Open : ChannelKind.Scheduled;
        ChannelRules.check(kind, parameters);
        // Periods are multiples of the epoch: another epoch would make them overlap.
        if (parameters.epochS != word.epochS()) ChannelRules.refuse("epochS");
        _requireTerms(channel, kind, parameters, terms);
        uint64 appliesAt = uint64(block.timestamp) + PARAMETER_TIMELOCK_S;
        _queued[channel] = QueuedParameters(appliesAt, keccak256(abi.encode(parameters, terms)));
        emit ParametersQueued(channel, appliesAt, parameters, terms);
    }

    /// @inheritdoc IReferee
    function cancelParameters(bytes32 channel) external {
        _requireManager(channel);
        if (_queued[channel].appliesAt == 0) revert NoParametersQueued(channel);
        delete _queued[channel];
        emit ParametersCancelled(channel);
    }

    /// @inheritdoc IReferee
    function applyParameters(bytes32 channel, ChannelParameters calldata parameters, bytes32[] calldata terms)
        external
    {
        QueuedParameters memory queued = _queued[channel];
        if (queued.appliesAt == 0) revert NoParametersQueued(channel);
        if (block.timestamp < queued.appliesAt) revert TimelockRunning(queued.appliesAt, uint64(block.timestamp));
        bytes32 digest = keccak256(abi.encode(parameters, terms));
        if (digest != queued.digest) revert ParametersMismatch(queued.digest, digest);
        delete _queued[channel];
        _apply(channel, _channels[channel], parameters, terms);
    }

    /// @inheritdoc IReferee
    function setRosterCount(bytes32 channel, uint32 count, uint64 fromPeriodStart) external {
        _requireManager(channel);
        uint256 word = _channels[channel];
        if (word.isOpen()) revert RosterNotApplicable(channel);
        if (count == 0 || count > ChannelRules.MAX_ENTRIES) revert RosterCountOutOfRange(count);
        // A batch of a period is committed after its end: until then no batch can have relied on another count.
        uint256 epoch = word.epochS();
        if (
            fromPeriodStart % epoch != 0 || fromPeriodStart > type(uint40).max
                || fromPeriodStart + epoch <= block.timestamp
        ) revert RosterPeriodInvalid(fromPeriodStart);
        // A change that has begun becomes the count before this one. The period before it can be committed until the
        // deadline, under the count before that.
        uint256 begun = word.nextRosterFrom();
        if (begun != 0 && block.timestamp >= begun && block.timestamp < begun + word.commitDeadlineS()) {
            revert RosterChangePending(uint64(begun));
        }
        _channels[channel] = word.withRoster(block.timestamp, count, fromPeriodStart);
        emit RosterCountSet(channel, count, fromPeriodStart);
    }

    function _apply(bytes32 channel, uint256 word, ChannelParameters calldata parameters, bytes32[] calldata terms)
        private
    {
        uint16 version = SafeCast.toUint16(word.parametersVersion() + 1);
        uint256 packed = ParametersWord.pack(parameters);
        _channels[channel] = word.withParameters(version, packed);
        _parameters[channel][version] = packed;
        ModuleGrant[] storage modules = _modules[channel];
        for (uint256 i = 0; i < terms.length; ++i) {
            if (terms[i] != 0) _terms[channel][version][modules[i].module] = terms[i];
        }
        emit ParametersApplied(channel, version);
    }

    /// @dev Once, at the channel's creation. Whoever may hold gets a place of its own in every batch's mark.
    function _grant(bytes32 channel, ModuleGrant[] calldata modules) private {
        if (modules.length > MAX_MODULES) revert TooManyModules(modules.length);
        uint256 holders;
        for (uint256 i = 0; i < modules.length; ++i) {
            ModuleGrant calldata given = modules[i];
            if (
                given.powers == 0 || given.powers > Powers.ALL || given.module.code.length == 0
                    || _grants[channel][given.module] != 0
            ) revert ModuleInvalid(given.module, given.powers);
            bool holds = ModuleGrants.has(given.powers, Powers.HOLD);
            _grants[channel][given.module] = ModuleGrants.word(given.powers, holds ? holders++ : 0);
            _modules[channel].push(given);
        }
        if (holders > BatchMarks.HOLDERS) revert TooManyHolders(holders);
    }

    /// @dev Every module is content with its terms. A view: a module cannot act here.
    function _requireTerms(
        bytes32 channel,
        ChannelKind kind,
        ChannelParameters calldata parameters,
        bytes32[] calldata terms
    ) private view {
        ModuleGrant[] storage modules = _modules[channel];
        if (terms.length != modules.length) revert TermsCountMismatch(modules.length, terms.length);
        for (uint256 i = 0; i < terms.length; ++i) {
            IModule(modules[i].module).requireTerms(kind, parameters, terms[i]);
        }
    }

    function _requireManager(bytes32 channel) private view {
        address manager = _managers[channel];
        if (manager == address(0)) revert UnknownChannel(channel);
        if (manager != msg.sender) revert NotManager(manager, msg.sender);
    }
}
