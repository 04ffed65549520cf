// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "../interfaces/IReferee.sol";
import {ActiveKey} from "../lib/ActiveKey.sol";
import {ChannelRules} from "../lib/ChannelRules.sol";
import {History} from "../lib/History.sol";
import {Secp256k1Signature} from "../lib/Secp256k1Signature.sol";
import {BatchHeader} from "../types/BatchHeader.sol";
import {BatchRecord, BatchRecordHash, BatchReference, BatchRun, BatchState} from "../types/BatchRecord.sol";
import {ChannelHeads} from "../types/Channel.sol";
import {ParametersWord} from "../types/ParametersWord.sol";
import {HeaderWords} from "../types/HeaderWords.sol";
import {HistoryRings} from "../types/HistoryRing.sol";
import {OperatorHeads} from "../types/Operator.sol";
import {RefereeState} from "./RefereeState.sol";

/// @notice Committing batches, and dropping final ones from the exposure.
/// A commit reads four slots (channel, operator, the history's last word, registry's active key) and writes two (operator, the
/// history's next word); after an operator's first eight commits neither is a new one.
abstract contract BatchBook is RefereeState {
    using ChannelHeads for uint256;
    using OperatorHeads for uint256;

    /// @dev The word over size zero, no header and no peaks, as the first commit has it.
    bytes32 private constant NOTHING_BEFORE = keccak256(abi.encode(0, 0));

    /// @inheritdoc IReferee
    function commit(BatchHeader calldata header, bytes32 r, bytes32 vs, bytes32[] calldata peaks) external {
        // Straight from an account without code: then the header lies in the transaction's own input, for everyone to see.
        // Behind a contract (or a delegated account, EIP-7702) it would lie in a trace, and nobody could challenge.
        // Three conditions as one word, zero when all hold: one jump on the path of every commit.
        uint256 caller = uint160(msg.sender);
        // solhint-disable-next-line avoid-tx-origin
        if ((HeaderWords.operator(header) ^ caller) | (uint160(tx.origin) ^ caller) | msg.sender.code.length != 0) {
            revert NotOperator(header.operator, msg.sender);
        }
        bytes32 channel = header.channel;
        uint256 channelWord = _channels[channel];
        if (channelWord == 0) revert UnknownChannel(channel);
        OperatorBook storage book = _books[channel][msg.sender];
        uint256 headWord = book.head;
        _checkHeader(header, channelWord, headWord.committedAt());
        if (!headWord.isCommitting()) revert WrongOperatorState(headWord.state());

        uint256 last = headWord.sequence();
        // Unchecked: 32 bits and one.
        unchecked {
            if (HeaderWords.sequence(header) != last + 1) revert SequenceMismatch(uint64(last + 1), header.sequence);
        }
        uint256 stake = headWord.stakeGwei(channelWord.stakeGwei());
        uint256 added = _checkExposure(headWord, stake, channelWord.marginGwei());

        bytes32 digest = _digest(header);
        address signer = Secp256k1Signature.recover(digest, r, vs);
        bytes32 workload = header.workload;
        if (!ActiveKey.isSigner(registry, channel, msg.sender, workload, signer)) {
            revert EnclaveKeyNotActive(signer, workload);
        }

        // Unchecked: seconds since 1970 fit 64 bits, a version 16, a stake 64; 32 bits and one.
        unchecked {
            uint256 stamp = BatchRecordHash.stamp(block.timestamp, channelWord.parametersVersion(), stake);
            bytes32 leaf = BatchRecordHash.leaf(last + 1, digest, stamp);
            (bytes32 before, bytes32 next) = History.appended(last, header.previous, peaks, digest, leaf);
            // An empty history has no word: nothing comes before the first batch.
            bytes32 kept = last == 0 ? NOTHING_BEFORE : HistoryRings.slotOf(book.history, last).word;
            if (before != kept) revert HistoryMismatch(last == 0 ? bytes32(0) : kept, before);
            HistoryRings.slotOf(book.history, last + 1).word = next;
            book.head = headWord.afterCommit(block.timestamp, added);
            emit BatchCommitted(channel, msg.sender, uint64(last + 1), digest, uint144(stamp));
        }
    }

    /// @inheritdoc IReferee
    function release(BatchRun calldata run) external {
        OperatorBook storage book = _requireRun(run);
        uint256 head = book.head;
        uint256 count = run.records.length;
        uint256 first = head.firstUnreleased();
        if (run.firstSequence != first || count > head.openBatches()) {
            revert ReleaseOutOfOrder(uint64(first), uint64(head.sequence()));
        }
        for (uint256 i = 0; i < count; ++i) {
            BatchRecord calldata record = run.records[i];
            BatchState state = _stateOf(book, run.channel, first + i, record);
            if (state == BatchState.Committed) revert BatchNotFinal(uint64(first + i));
            if (state == BatchState.Slashed) continue;
            uint256 parameters = _parameters[run.channel][record.parametersVersion];
            head = head.lessExposure(record.stakeGwei + ParametersWord.marginGwei(parameters));
        }
        book.head = head.lessOpen(count);
        emit BatchesReleased(run.channel, run.operator, uint64(first + count - 1));
    }

    /// @inheritdoc IReferee
    function stateOf(BatchReference calldata batch) external view returns (BatchState) {
        return _stateOf(_requireBatch(batch), batch.channel, batch.sequence, batch.record);
    }

    /// @inheritdoc IReferee
    function finalCount(BatchRun calldata run) external view returns (uint256 count) {
        OperatorBook storage book = _requireRun(run);
        for (; count < run.records.length; ++count) {
            BatchState state = _stateOf(book, run.channel, run.firstSequence + count, run.records[count]);
            if (state != BatchState.Final) break;
        }
    }

    /// @inheritdoc IReferee
    function requireCommitted(BatchRun calldata run) external view {
        _requireRun(run);
    }

    /// @dev What can be said of a header without its operator's state but the time of its last commit.
    function _checkHeader(BatchHeader calldata header, uint256 channelWord, uint256 previousCommittedAt) private view {
        uint256 count = HeaderWords.entryCount(header);
        if (count == 0 || count > ChannelRules.MAX_ENTRIES) revert EntryCountOutOfRange(header.entryCount);
        if (header.witnesses | header.zkRoot != 0) revert ReservedFieldSet();
        uint256 start = HeaderWords.periodStart(header);
        uint256 end = HeaderWords.periodEnd(header);
        // Whatever stands in the words of the period: what passes is not above the present time.
        if (channelWord.isOpen()) {
            // A proof of a history outlives seven commits: at most one of them comes in a block.
            if (block.timestamp <= previousCommittedAt) revert CommitTooSoon(uint64(previousCommittedAt));
            if (header.roster | header.state != 0) revert OpenChannelFieldSet();
            if (start > end) revert PeriodInvalid(header.periodStart, header.periodEnd);
            if (block.timestamp < end) revert PeriodNotOver(header.periodEnd, uint64(block.timestamp));
            return;
        }
        if (header.roster == 0 || header.state == 0) revert ScheduledChannelFieldMissing();
        // Unchecked: the start is not above the end, and a sum that overflows is not the end; an epoch of a scheduled channel
        // is never zero.
        unchecked {
            uint256 epoch = channelWord.epochS();
            if (start > end || start + epoch != end || start % epoch != 0) {
                revert PeriodInvalid(header.periodStart, header.periodEnd);
            }
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

    /// @dev The deposit covers the open batches and this one; returns what this one binds, gwei.
    function _checkExposure(uint256 headWord, uint256 stake, uint256 margin) private pure returns (uint256 added) {
        // Unchecked: three values of at most 56 bits.
        unchecked {
            added = stake + margin;
            uint256 required = headWord.exposureGwei() + added;
            // The deposit has 56 bits: what it covers fits the exposure's 56 bits, too.
            if (headWord.depositGwei() < required) {
                revert InsufficientDeposit(required * 1 gwei, headWord.depositGwei() * 1 gwei);
            }
            if (headWord.openBatches() == OperatorHeads.MAX_OPEN_BATCHES) {
                uint256 last = headWord.sequence();
                revert BatchesUnreleased(uint64(last + 1 - OperatorHeads.MAX_OPEN_BATCHES), uint64(last));
            }
        }
    }
}
