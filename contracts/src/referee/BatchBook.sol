// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "../interfaces/IReferee.sol";
import {ActiveKey} from "../lib/ActiveKey.sol";
import {ChannelRules} from "../lib/ChannelRules.sol";
import {Secp256k1Signature} from "../lib/Secp256k1Signature.sol";
import {BatchHeader} from "../types/BatchHeader.sol";
import {BatchRecord, BatchRecordHash, BatchState} from "../types/BatchRecord.sol";
import {ChannelHeads} from "../types/Channel.sol";
import {OperatorHead, OperatorHeads} from "../types/Operator.sol";
import {ChannelBook} from "./ChannelBook.sol";

/// @notice Committing batches, and dropping final ones from the exposure.
/// A commit reads four slots (channel, operator, previous batch, registry's active key) and writes two (operator, batch).
abstract contract BatchBook is ChannelBook {
    using ChannelHeads for uint256;
    using OperatorHeads for uint256;

    /// @inheritdoc IReferee
    function commit(BatchHeader calldata header, bytes calldata signature, BatchRecord calldata previous) external {
        // Straight from an account without code: then the header lies in the transaction's own input, for everyone to see.
        // Behind a contract (or a delegated account, EIP-7702) it would lie in a trace, and nobody could challenge.
        // Three conditions as one word, zero when all hold: one jump on the path of every commit.
        uint256 caller = uint160(msg.sender);
        // solhint-disable-next-line avoid-tx-origin
        if ((uint160(header.operator) ^ caller) | (uint160(tx.origin) ^ caller) | msg.sender.code.length != 0) {
            revert NotOperator(header.operator, msg.sender);
        }
        bytes32 channel = header.channel;
        uint256 channelWord = _channels[channel];
        if (channelWord == 0) revert UnknownChannel(channel);
        _checkHeader(header, channelWord, previous.committedAt);

        HeadSlot storage slot = _heads[channel][msg.sender];
        uint256 headWord = slot.word;
        if (!headWord.isCommitting()) revert WrongOperatorState(headWord.state());
        uint64 sequence = header.sequence;
        uint256 last = headWord.sequence();
        uint256 exposure = channelWord.exposureWei();
        // Unchecked: 32 bits and one.
        unchecked {
            if (sequence != last + 1) revert SequenceMismatch(uint64(last + 1), sequence);
        }
        _checkPrevious(channel, header.previous, last, previous);
        // Unchecked: 88 bits and 96 bits.
        unchecked {
            uint256 required = headWord.openExposureWei() + exposure;
            if (headWord.depositWei() < required || required > OperatorHeads.MAX_EXPOSURE) {
                revert InsufficientDeposit(required, headWord.depositWei());
            }
        }

        bytes32 digest = _digest(header);
        address signer = Secp256k1Signature.recover(digest, signature);
        bytes32 workload = header.workload;
        if (!ActiveKey.isSigner(registry, channel, msg.sender, workload, signer)) {
            revert EnclaveKeyNotActive(signer, workload);
        }

        uint256 version = channelWord.parametersVersion();
        slot.word = headWord.afterCommit(exposure);
        _records[_batchKey(channel, msg.sender, sequence)] = BatchRecordHash.committed(digest, block.timestamp, version);
        // A version has 16 bits and seconds since 1970 fit 64: neither reaches into the other.
        emit BatchCommitted(channel, msg.sender, sequence, digest, uint80(block.timestamp << 16 | version));
    }

    /// @inheritdoc IReferee
    function release(bytes32 channel, address operator, BatchRecord[] calldata records) external {
        OperatorHead memory head = _head(channel, operator);
        for (uint256 i = 0; i < records.length; ++i) {
            BatchRecord calldata record = records[i];
            bytes32 batch = _requireRecord(channel, operator, head.firstUnreleased, record);
            if (record.state == BatchState.Committed) {
                if (!_isFinal(channel, batch, record)) revert BatchNotFinal(head.firstUnreleased);
                head.openExposureWei -= uint88(ChannelRules.exposureWei(_parameters[channel][record.parametersVersion]));
            }
            head.firstUnreleased += 1;
        }
        _setHead(channel, operator, head);
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
    function _checkHeader(BatchHeader calldata header, uint256 channelWord, uint256 previousCommittedAt) private view {
        uint256 count = header.entryCount;
        if (count == 0 || count > ChannelRules.MAX_ENTRIES) revert EntryCountOutOfRange(header.entryCount);
        if (header.witnesses | header.zkRoot != 0) revert ReservedFieldSet();
        uint256 start = header.periodStart;
        uint256 end = header.periodEnd;
        if (channelWord.isOpen()) {
            if (header.roster | header.state != 0) revert OpenChannelFieldSet();
            if (start > end) revert PeriodInvalid(header.periodStart, header.periodEnd);
            if (block.timestamp < end) revert PeriodNotOver(header.periodEnd, uint64(block.timestamp));
            return;
        }
        if (header.roster == 0 || header.state == 0) revert ScheduledChannelFieldMissing();
        // Unchecked: sums of values of at most 64 bits; an epoch of a scheduled channel is never zero.
        unchecked {
            uint256 epoch = channelWord.epochS();
            if (start + epoch != end || start % epoch != 0) revert PeriodInvalid(header.periodStart, header.periodEnd);
            if (block.timestamp < end) revert PeriodNotOver(header.periodEnd, uint64(block.timestamp));
            uint256 deadline = end + channelWord.commitDeadlineS();
            if (block.timestamp >= deadline) revert CommitDeadlinePassed(uint64(deadline), uint64(block.timestamp));
        }
        // A commit comes after its period's end, and the deadline is shorter than the epoch: a batch committed since this
        // period's end was for this same period.
        if (previousCommittedAt >= end) revert PeriodAlreadyCommitted(header.periodEnd);
        uint256 expected = channelWord.rosterCountAt(start);
        if (count != expected) revert RosterCountMismatch(uint32(expected), header.entryCount);
    }

    /// @dev `previous` is the preimage of the slot before, all zero where there is none, and the header follows its header.
    function _checkPrevious(bytes32 channel, bytes32 named, uint256 last, BatchRecord calldata previous) private view {
        if (named != previous.headerDigest) revert PreviousMismatch(previous.headerDigest, named);
        bytes32 expected = last == 0 ? BatchRecordHash.NONE : _records[_batchKey(channel, msg.sender, last)];
        if (BatchRecordHash.digestOf(previous) != expected) {
            revert UnknownBatch(channel, msg.sender, uint64(last));
        }
    }
}
