// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "../interfaces/IReferee.sol";
import {ChannelRules} from "../lib/ChannelRules.sol";
import {Secp256k1Signature} from "../lib/Secp256k1Signature.sol";
import {BatchHeader} from "../types/BatchHeader.sol";
import {BatchRecord, BatchRecordHash, BatchState} from "../types/BatchRecord.sol";
import {ChannelHead, ChannelKind} from "../types/Channel.sol";
import {OperatorHead, OperatorState} from "../types/Operator.sol";
import {ChannelBook} from "./ChannelBook.sol";

/// @notice Committing batches, and dropping final ones from the exposure.
/// A commit reads four slots (channel, operator, previous batch, registry's active key) and writes two (operator, batch).
abstract contract BatchBook is ChannelBook {
    /// @inheritdoc IReferee
    function commit(BatchHeader calldata header, bytes calldata signature, BatchRecord calldata previous) external {
        if (header.operator != msg.sender) revert NotOperator(header.operator, msg.sender);
        bytes32 channel = header.channel;
        ChannelHead memory channelHead = _channels[channel];
        if (channelHead.parametersVersion == 0) revert UnknownChannel(channel);
        _checkHeader(header, channelHead, previous.committedAt);

        OperatorHead memory head = _heads[channel][msg.sender];
        if (head.state == OperatorState.Registered) head.state = OperatorState.Active;
        if (head.state != OperatorState.Active) revert WrongOperatorState(head.state);
        uint64 sequence = uint64(head.sequence) + 1;
        if (header.sequence != sequence) revert SequenceMismatch(sequence, header.sequence);
        if (header.previous != previous.headerDigest) revert PreviousMismatch(previous.headerDigest, header.previous);
        if (sequence == 1) {
            // The digest was compared above; the rest must be zero too, so that a commit has one encoding.
            if (
                previous.headerDigest != 0 || previous.committedAt != 0 || previous.parametersVersion != 0
                    || previous.state != BatchState.None
            ) revert UnknownBatch(channel, msg.sender, 0);
        } else {
            _requireRecord(channel, msg.sender, sequence - 1, previous);
        }

        uint256 exposure = uint256(head.openExposureWei) + channelHead.exposureWei;
        if (head.depositWei < exposure || exposure > type(uint88).max) {
            revert InsufficientDeposit(exposure, head.depositWei);
        }

        bytes32 digest = _digest(header);
        _requireActiveSigner(header, Secp256k1Signature.recover(digest, signature));

        head.sequence += 1;
        head.openExposureWei = uint88(exposure);
        _heads[channel][msg.sender] = head;
        BatchRecord memory record =
            BatchRecord(digest, uint64(block.timestamp), channelHead.parametersVersion, BatchState.Committed);
        _records[_batchKey(channel, msg.sender, sequence)] = BatchRecordHash.digest(record);
        emit BatchCommitted(
            channel, msg.sender, sequence, digest, uint64(block.timestamp), channelHead.parametersVersion
        );
    }

    /// @inheritdoc IReferee
    function release(bytes32 channel, address operator, BatchRecord[] calldata records) external {
        OperatorHead memory head = _heads[channel][operator];
        for (uint256 i = 0; i < records.length; ++i) {
            BatchRecord memory record = records[i];
            bytes32 batch = _requireRecord(channel, operator, head.firstUnreleased, record);
            if (record.state == BatchState.Committed) {
                if (!_isFinal(channel, batch, record)) revert BatchNotFinal(head.firstUnreleased);
                head.openExposureWei -= uint88(ChannelRules.exposureWei(_parameters[channel][record.parametersVersion]));
            }
            head.firstUnreleased += 1;
        }
        _heads[channel][operator] = head;
        emit BatchesReleased(channel, operator, uint64(head.firstUnreleased) - 1);
    }

    /// @inheritdoc IReferee
    function isFinal(bytes32 channel, address operator, uint64 sequence, BatchRecord calldata record)
        external
        view
        returns (bool)
    {
        return _isFinal(channel, _requireRecord(channel, operator, sequence, record), record);
    }

    /// @dev What can be said of a header without its operator's state.
    function _checkHeader(BatchHeader calldata header, ChannelHead memory channelHead, uint64 previousCommittedAt)
        private
        view
    {
        uint256 count = header.entryCount;
        if (count == 0 || count > ChannelRules.MAX_ENTRIES) revert EntryCountOutOfRange(header.entryCount);
        if (header.witnesses | header.zkRoot != 0) revert ReservedFieldSet();
        uint64 start = header.periodStart;
        uint64 end = header.periodEnd;
        if (channelHead.kind == ChannelKind.Open) {
            if (header.roster | header.state != 0) revert OpenChannelFieldSet();
            if (start > end) revert PeriodInvalid(start, end);
            if (block.timestamp < end) revert PeriodNotOver(end, uint64(block.timestamp));
            return;
        }
        if (header.roster == 0 || header.state == 0) revert ScheduledChannelFieldMissing();
        // Widened: an adversary's period may lie at the end of 64 bits.
        if (start % channelHead.epochS != 0 || uint256(start) + channelHead.epochS != end) {
            revert PeriodInvalid(start, end);
        }
        if (block.timestamp < end) revert PeriodNotOver(end, uint64(block.timestamp));
        uint256 deadline = uint256(end) + channelHead.commitDeadlineS;
        if (block.timestamp >= deadline) revert CommitDeadlinePassed(uint64(deadline), uint64(block.timestamp));
        // A commit comes after its period's end, and the deadline is shorter than the epoch: a batch committed since this
        // period's end was for this same period.
        if (previousCommittedAt >= end) revert PeriodAlreadyCommitted(end);
        uint24 expected = _rosterCountAt(channelHead, start);
        if (count != expected) revert RosterCountMismatch(expected, header.entryCount);
    }

    function _requireActiveSigner(BatchHeader calldata header, address signer) private view {
        (address key, uint64 expiresAt) = registry.activeKey(address(this), header.channel, msg.sender, header.workload);
        if (key != signer || block.timestamp >= expiresAt) revert EnclaveKeyNotActive(signer, header.workload);
    }
}
