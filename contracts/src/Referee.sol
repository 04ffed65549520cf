// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnclaveRegistry} from "./interfaces/IEnclaveRegistry.sol";
import {IReferee} from "./interfaces/IReferee.sol";
import {BatchBook} from "./referee/BatchBook.sol";
import {ChannelBook} from "./referee/ChannelBook.sol";
import {ModulePowers} from "./referee/ModulePowers.sol";
import {RefereeState} from "./referee/RefereeState.sol";
import {BatchHeader} from "./types/BatchHeader.sol";
import {BatchMark} from "./types/BatchRecord.sol";
import {ChannelHead, ChannelHeads, ChannelParameters} from "./types/Channel.sol";
import {ParametersWord} from "./types/ParametersWord.sol";
import {BatchMarks} from "./types/BatchMarks.sol";
import {ModuleGrant} from "./types/Module.sol";
import {HistoryRings} from "./types/HistoryRing.sol";
import {OperatorHead, OperatorHeads} from "./types/Operator.sol";

/// @title The core: channels, stakes, commits, finality, history, and four powers for the modules that a channel names
/// @notice No owner, no upgrade, no pause: its registry is fixed, and a channel's manager changes parameters only behind a
/// timelock. This file holds the views; each part of the behaviour is a file under referee/.
contract Referee is ChannelBook, BatchBook, ModulePowers {
    constructor(IEnclaveRegistry registry_) RefereeState(registry_) {}

    /// @inheritdoc IReferee
    function historyOf(bytes32 channel, address operator, uint64 size) external view returns (bytes32) {
        OperatorBook storage book = _books[channel][operator];
        uint256 last = OperatorHeads.sequence(book.head);
        bool isKept = size <= last && size + HistoryRings.SIZES > last;
        return isKept ? HistoryRings.slotOf(book.history, size).word : bytes32(0);
    }

    /// @inheritdoc IReferee
    function markOf(bytes32 channel, address operator, uint64 sequence) external view returns (BatchMark memory mark) {
        uint256 word = _books[channel][operator].marks[sequence];
        mark.isSlashed = BatchMarks.isSlashed(word);
        for (uint256 place = 0; place < BatchMarks.HOLDERS; ++place) {
            mark.heldUntil[place] = uint40(BatchMarks.heldUntil(word, place));
        }
    }

    /// @inheritdoc IReferee
    function headerDigest(BatchHeader calldata header) external view returns (bytes32) {
        return _digest(header);
    }

    /// @inheritdoc IReferee
    function channelHead(bytes32 channel) external view returns (ChannelHead memory) {
        return ChannelHeads.unpack(_channels[channel]);
    }

    /// @inheritdoc IReferee
    function managerOf(bytes32 channel) external view returns (address) {
        return _managers[channel];
    }

    /// @inheritdoc IReferee
    function modulesOf(bytes32 channel) external view returns (ModuleGrant[] memory) {
        return _modules[channel];
    }

    /// @inheritdoc IReferee
    function parametersOf(bytes32 channel, uint16 version) external view returns (ChannelParameters memory) {
        return ParametersWord.unpack(_parameters[channel][version]);
    }

    /// @inheritdoc IReferee
    function termsOf(bytes32 channel, uint16 version, address module) external view returns (bytes32) {
        return _terms[channel][version][module];
    }

    /// @inheritdoc IReferee
    function queuedParameters(bytes32 channel) external view returns (uint64, bytes32) {
        return (_queued[channel].appliesAt, _queued[channel].digest);
    }

    /// @inheritdoc IReferee
    function rosterCountAt(bytes32 channel, uint64 periodStart) external view returns (uint32) {
        return uint32(ChannelHeads.rosterCountAt(_channels[channel], periodStart));
    }

    /// @inheritdoc IReferee
    function operatorHead(bytes32 channel, address operator) external view returns (OperatorHead memory) {
        return OperatorHeads.unpack(_books[channel][operator].head);
    }

    /// @inheritdoc IReferee
    function stakeOf(bytes32 channel, address operator) external view returns (uint256) {
        uint256 least = ChannelHeads.stakeGwei(_channels[channel]);
        return OperatorHeads.stakeGwei(_books[channel][operator].head, least) * 1 gwei;
    }

    /// @inheritdoc IReferee
    function withdrawableAt(bytes32 channel, address operator) external view returns (uint64) {
        return _books[channel][operator].withdrawableAt;
    }

    /// @inheritdoc IReferee
    function isFined(bytes32 channel, address operator, bytes32 matter) external view returns (bool) {
        return _books[channel][operator].fined[matter];
    }
}
