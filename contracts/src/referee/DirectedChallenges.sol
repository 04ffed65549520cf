// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IReferee} from "../interfaces/IReferee.sol";
import {EntryProof} from "../lib/EntryProof.sol";
import {BatchHeader} from "../types/BatchHeader.sol";
import {BatchRecord, BatchState, EntryInclusion} from "../types/BatchRecord.sol";
import {ChannelParameters} from "../types/Channel.sol";
import {ChallengeState, DirectedChallenge, SlashCause} from "../types/DirectedChallenge.sol";
import {BatchBook} from "./BatchBook.sol";
import {Ledger} from "./Ledger.sol";

/// @notice Directed challenges: `Open -> Answered | Expired`, or Refunded when the batch falls for something else.
/// An answer shows that the operator still holds the entry, never that it is right.
/// A challenge touches no batch record: nobody can make another's preimage stale by challenging.
abstract contract DirectedChallenges is BatchBook, Ledger {
    /// @notice Gas of an answer outside what gasleft() sees: the transaction itself, the credit, the burn, the event.
    uint256 internal constant ANSWER_OVERHEAD_GAS = 62_000;

    /// @dev So many challenges open at once share the plain answer window; the next as many have twice the time.
    uint256 private constant ANSWERS_PER_WINDOW = 4;

    /// @inheritdoc IReferee
    function challenge(BatchHeader calldata header, BatchRecord calldata record, uint32 entryIndex) external payable {
        bytes32 batch = _requireHeader(header, record);
        if (record.state == BatchState.Slashed) revert BatchAlreadySlashed(header.sequence);
        ChannelParameters memory parameters = _parameters[header.channel][record.parametersVersion];
        uint64 closesAt = record.committedAt + parameters.challengeWindowS;
        if (block.timestamp >= closesAt) revert ChallengeWindowClosed(closesAt, uint64(block.timestamp));
        if (entryIndex >= header.entryCount) revert EntryIndexOutOfRange(entryIndex, header.entryCount);
        if (_challenges[batch][entryIndex].state != ChallengeState.None) {
            revert ChallengeExists(header.sequence, entryIndex);
        }

        uint32 ordinal = ++_extras[header.channel][header.operator].openChallenges;
        uint256 bond = _bondWei(parameters, ordinal);
        if (msg.value < bond) revert BondTooSmall(bond, msg.value);
        uint256 windows = (ordinal + ANSWERS_PER_WINDOW - 1) / ANSWERS_PER_WINDOW;
        // 2^40 seconds would need some 400,000 challenges open at once at the longest window.
        uint40 deadline = SafeCast.toUint40(block.timestamp + windows * parameters.answerWindowS);
        _challenges[batch][entryIndex] = DirectedChallenge(msg.sender, deadline, ordinal, ChallengeState.Open);
        ++_openChallenges[batch];
        emit ChallengeOpened(
            header.channel, header.operator, header.sequence, entryIndex, msg.sender, ordinal, deadline, bond
        );
        // Another challenge may have gone first and raised this one's bond: senders add a margin and get back the rest.
        _owe(msg.sender, msg.value - bond);
    }

    /// @inheritdoc IReferee
    function answer(BatchHeader calldata header, BatchRecord calldata record, EntryInclusion calldata entry) external {
        uint256 gasAtStart = gasleft();
        bytes32 batch = _requireHeader(header, record);
        if (record.state == BatchState.Slashed) revert BatchAlreadySlashed(header.sequence);
        DirectedChallenge memory open = _requireOpen(batch, header.sequence, entry.index);
        if (block.timestamp >= open.deadline) revert AnswerWindowClosed(open.deadline, uint64(block.timestamp));
        EntryProof.requireIncluded(header, entry);

        _close(header.channel, header.operator, batch, entry.index, ChallengeState.Answered);
        ChannelParameters memory parameters = _parameters[header.channel][record.parametersVersion];
        uint256 bond = _bondWei(parameters, open.ordinal);
        // The cap is at most the base bond, and no bond is below it.
        uint256 gasUsed = gasAtStart - gasleft() + ANSWER_OVERHEAD_GAS + 16 * msg.data.length;
        uint256 reimbursed = _min(gasUsed * tx.gasprice, parameters.answerGasCapWei);
        emit ChallengeAnswered(
            header.channel, header.operator, header.sequence, entry.index, msg.sender, reimbursed, bond - reimbursed
        );
        _owe(msg.sender, reimbursed);
        _burn(bond - reimbursed);
    }

    /// @inheritdoc IReferee
    function expire(bytes32 channel, address operator, uint64 sequence, BatchRecord calldata record, uint32 entryIndex)
        external
    {
        bytes32 batch = _requireRecord(channel, operator, sequence, record);
        if (record.state == BatchState.Slashed) revert BatchAlreadySlashed(sequence);
        DirectedChallenge memory open = _requireOpen(batch, sequence, entryIndex);
        if (block.timestamp < open.deadline) revert AnswerWindowOpen(open.deadline, uint64(block.timestamp));

        _close(channel, operator, batch, entryIndex, ChallengeState.Expired);
        uint256 bond = _bondWei(_parameters[channel][record.parametersVersion], open.ordinal);
        emit ChallengeExpired(channel, operator, sequence, entryIndex, open.challenger, bond);
        _owe(open.challenger, bond);
        _slashBatch(channel, operator, sequence, batch, record, SlashCause.ExpiredChallenge, open.challenger);
    }

    /// @inheritdoc IReferee
    function refund(bytes32 channel, address operator, uint64 sequence, BatchRecord calldata record, uint32 entryIndex)
        external
    {
        bytes32 batch = _requireRecord(channel, operator, sequence, record);
        if (record.state != BatchState.Slashed) revert BatchNotSlashed(sequence);
        DirectedChallenge memory open = _requireOpen(batch, sequence, entryIndex);

        _close(channel, operator, batch, entryIndex, ChallengeState.Refunded);
        uint256 bond = _bondWei(_parameters[channel][record.parametersVersion], open.ordinal);
        emit ChallengeRefunded(channel, operator, sequence, entryIndex, open.challenger, bond);
        _owe(open.challenger, bond);
    }

    /// @dev The j-th challenge open at once costs base * (7 + j) / 8: no cap on their number, but a price.
    function _bondWei(ChannelParameters memory parameters, uint256 ordinal) internal pure returns (uint256) {
        return uint256(parameters.baseBondWei) * (7 + ordinal) / 8;
    }

    function _requireOpen(bytes32 batch, uint64 sequence, uint32 entryIndex)
        private
        view
        returns (DirectedChallenge memory found)
    {
        found = _challenges[batch][entryIndex];
        if (found.state == ChallengeState.None) revert UnknownChallenge(sequence, entryIndex);
        if (found.state != ChallengeState.Open) revert ChallengeNotOpen(sequence, entryIndex);
    }

    function _close(bytes32 channel, address operator, bytes32 batch, uint32 entryIndex, ChallengeState state) private {
        _challenges[batch][entryIndex].state = state;
        --_openChallenges[batch];
        --_extras[channel][operator].openChallenges;
    }

    function _min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
