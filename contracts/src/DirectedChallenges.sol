// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IDirectedChallenges} from "./interfaces/IDirectedChallenges.sol";
import {IModule} from "./interfaces/IModule.sol";
import {IReferee} from "./interfaces/IReferee.sol";
import {AnswerInput} from "./lib/AnswerInput.sol";
import {ChallengeRules} from "./lib/ChallengeRules.sol";
import {EntryProof} from "./lib/EntryProof.sol";
import {HeaderDigest} from "./lib/HeaderDigest.sol";
import {Purse} from "./purse/Purse.sol";
import {BatchHeader} from "./types/BatchHeader.sol";
import {BatchReference, BatchState, EntryInclusion} from "./types/BatchRecord.sol";
import {ChannelKind, ChannelParameters} from "./types/Channel.sol";
import {ChallengeState, ChallengeTerms, ChallengeTermsWord, DirectedChallenge} from "./types/DirectedChallenge.sol";

/// @title Directed challenges: `Open -> Answered | Expired`, or Refunded when nobody is to blame any more
/// @notice An answer shows that the operator still holds the entry, never that it is right. What the contract holds is the
/// bonds of open challenges and what it owes.
contract DirectedChallenges is IDirectedChallenges, Purse {
    /// @notice How long after a deadline the batch stays held, so that whoever is there can expire the challenge.
    uint64 public constant EXPIRY_GRACE_S = 14 days;

    bytes32 private constant CAUSE = "expired challenge";

    /// @dev So many challenges open at once share the plain answer window; the next as many have twice the time.
    uint256 private constant ANSWERS_PER_WINDOW = 4;

    struct BatchChallenges {
        uint32 open;
        uint64 heldUntil;
    }

    /// @dev `opened` counts all there ever were: it keeps the slot from being cleared, which would pay gas back to an answer
    /// that is paid for its gas.
    struct OperatorChallenges {
        uint32 open;
        uint64 opened;
    }

    /// @inheritdoc IDirectedChallenges
    IReferee public immutable referee;

    mapping(bytes32 headerDigest => mapping(uint32 entryIndex => DirectedChallenge)) private _challenges;
    mapping(bytes32 headerDigest => BatchChallenges) private _batches;
    mapping(bytes32 channel => mapping(address operator => OperatorChallenges)) private _operators;

    constructor(IReferee referee_) {
        referee = referee_;
    }

    /// @inheritdoc IModule
    function requireTerms(ChannelKind, ChannelParameters calldata parameters, bytes32 terms) external pure {
        ChallengeRules.check(parameters, terms);
    }

    /// @inheritdoc IDirectedChallenges
    function challenge(BatchHeader calldata header, BatchReference calldata batch, uint32 entryIndex) external payable {
        bytes32 digest = _requireHeader(header, batch);
        if (entryIndex >= header.entryCount) revert EntryIndexOutOfRange(entryIndex, header.entryCount);
        if (_challenges[digest][entryIndex].state != ChallengeState.None) {
            revert ChallengeExists(header.sequence, entryIndex);
        }
        uint16 version = batch.record.parametersVersion;
        ChallengeTerms memory terms = challengeTermsOf(header.channel, version);
        uint32 ordinal = _count(header.channel, header.operator);
        uint256 bond = _bondWei(terms, ordinal);
        if (msg.value < bond) revert BondTooSmall(bond, msg.value);
        uint256 windows = (ordinal + ANSWERS_PER_WINDOW - 1) / ANSWERS_PER_WINDOW;
        uint40 deadline = _hold(batch, digest, block.timestamp + windows * terms.answerWindowS);
        _challenges[digest][entryIndex] = DirectedChallenge(msg.sender, deadline, ordinal, version, ChallengeState.Open);
        emit ChallengeOpened(
            header.channel, header.operator, header.sequence, entryIndex, msg.sender, ordinal, deadline, bond
        );
        // Another challenge may have gone first and raised this one's bond: senders add a margin and get back the rest.
        _owe(msg.sender, msg.value - bond);
    }

    /// @inheritdoc IDirectedChallenges
    function answer(BatchHeader calldata header, EntryInclusion calldata entry) external {
        uint256 gasAtStart = gasleft();
        bytes32 digest = HeaderDigest.under(header, address(referee));
        DirectedChallenge memory open = _requireOpen(digest, header.sequence, entry.index);
        if (block.timestamp >= open.deadline) revert AnswerWindowClosed(open.deadline, uint64(block.timestamp));
        EntryProof.requireIncluded(header, entry);

        ChallengeTerms memory terms = challengeTermsOf(header.channel, open.parametersVersion);
        uint256 bond = _bondWei(terms, open.ordinal);
        // The cap is at most the base bond, and no bond is below it. Credited in full first and corrected at the end, so
        // that what the credits cost is measured, too; the call to the core between keeps the compiler from writing once.
        uint256 cap = terms.answerGasCapWei;
        uint256 owedBefore = owed[msg.sender];
        uint256 burnedBefore = owed[BURN_ADDRESS];
        owed[msg.sender] = owedBefore + cap;
        owed[BURN_ADDRESS] = burnedBefore + bond;
        _close(header.channel, header.operator, header.sequence, digest, entry.index, ChallengeState.Answered);
        uint256 used = ChallengeRules.ANSWER_FIXED_GAS + AnswerInput.gasOf(header, entry);
        used += gasAtStart - gasleft();
        uint256 reimbursed = _min(used * _min(tx.gasprice, terms.maxGasPriceWei), cap);
        owed[msg.sender] = owedBefore + reimbursed;
        owed[BURN_ADDRESS] = burnedBefore + bond - reimbursed;
        emit ChallengeAnswered(
            header.channel, header.operator, header.sequence, entry.index, msg.sender, reimbursed, bond - reimbursed
        );
    }

    /// @inheritdoc IDirectedChallenges
    function expire(BatchReference calldata batch, uint32 entryIndex) external {
        bytes32 digest = batch.record.headerDigest;
        DirectedChallenge memory open = _requireOpen(digest, batch.sequence, entryIndex);
        if (block.timestamp < open.deadline) revert AnswerWindowOpen(open.deadline, uint64(block.timestamp));
        // First, because it alone knows that the record is this batch's: until then the names in `batch` are anybody's.
        referee.convict(batch, CAUSE, false, open.challenger);
        uint256 bond = _finish(batch, digest, entryIndex, open, ChallengeState.Expired);
        emit ChallengeExpired(batch.channel, batch.operator, batch.sequence, entryIndex, open.challenger, bond);
    }

    /// @inheritdoc IDirectedChallenges
    function refund(BatchReference calldata batch, uint32 entryIndex) external {
        bytes32 digest = batch.record.headerDigest;
        DirectedChallenge memory open = _requireOpen(digest, batch.sequence, entryIndex);
        if (referee.stateOf(batch) == BatchState.Committed) revert ChallengeStillDue(batch.sequence, entryIndex);
        uint256 bond = _finish(batch, digest, entryIndex, open, ChallengeState.Refunded);
        emit ChallengeRefunded(batch.channel, batch.operator, batch.sequence, entryIndex, open.challenger, bond);
    }

    /// @inheritdoc IDirectedChallenges
    function challengeOf(bytes32 headerDigest, uint32 entryIndex) external view returns (DirectedChallenge memory) {
        return _challenges[headerDigest][entryIndex];
    }

    /// @inheritdoc IDirectedChallenges
    function openChallengesOf(bytes32 headerDigest) external view returns (uint32 open, uint64 heldUntil) {
        BatchChallenges memory found = _batches[headerDigest];
        return (found.open, found.heldUntil);
    }

    /// @inheritdoc IDirectedChallenges
    function openChallengesOn(bytes32 channel, address operator) external view returns (uint32) {
        return _operators[channel][operator].open;
    }

    /// @inheritdoc IDirectedChallenges
    function bondFor(bytes32 channel, address operator, uint16 parametersVersion) external view returns (uint256) {
        return _bondWei(challengeTermsOf(channel, parametersVersion), uint256(_operators[channel][operator].open) + 1);
    }

    /// @inheritdoc IDirectedChallenges
    function challengeTermsOf(bytes32 channel, uint16 version) public view returns (ChallengeTerms memory) {
        return ChallengeTermsWord.unpack(referee.termsOf(channel, version, address(this)));
    }

    /// @dev One more challenge on the operator: the how many-th of those open now it is.
    function _count(bytes32 channel, address operator) private returns (uint32) {
        OperatorChallenges storage of_ = _operators[channel][operator];
        ++of_.opened;
        return ++of_.open;
    }

    /// @dev Counts one more challenge on the batch and holds it until a while after the deadline, which the core's bound on
    /// holds may bring forward; the core says whether the record is the batch's, and that it is neither slashed nor final.
    function _hold(BatchReference calldata batch, bytes32 digest, uint256 due) private returns (uint40 deadline) {
        BatchChallenges storage on = _batches[digest];
        uint64 until = SafeCast.toUint64(due + EXPIRY_GRACE_S);
        // A hold is never shortened: it is as long as that of the challenge that ends last.
        if (until < on.heldUntil) until = on.heldUntil;
        (uint64 heldUntil, uint64 closesAt) = referee.hold(batch, until);
        if (block.timestamp >= closesAt) revert ChallengeWindowClosed(closesAt, uint64(block.timestamp));
        ++on.open;
        on.heldUntil = heldUntil;
        return SafeCast.toUint40(_min(due, heldUntil - EXPIRY_GRACE_S));
    }

    /// @dev The end of a challenge that was not answered: its bond goes back.
    function _finish(
        BatchReference calldata batch,
        bytes32 digest,
        uint32 entryIndex,
        DirectedChallenge memory open,
        ChallengeState state
    ) private returns (uint256 bond) {
        _close(batch.channel, batch.operator, batch.sequence, digest, entryIndex, state);
        bond = _bondWei(challengeTermsOf(batch.channel, open.parametersVersion), open.ordinal);
        _owe(open.challenger, bond);
    }

    function _close(
        bytes32 channel,
        address operator,
        uint64 sequence,
        bytes32 digest,
        uint32 entryIndex,
        ChallengeState state
    ) private {
        _challenges[digest][entryIndex].state = state;
        --_operators[channel][operator].open;
        if (--_batches[digest].open == 0) referee.letGo(channel, operator, sequence);
    }

    /// @dev The header is the one whose digest the record names; whether the record is a batch's is the core's to say.
    function _requireHeader(BatchHeader calldata header, BatchReference calldata batch)
        private
        view
        returns (bytes32 digest)
    {
        digest = HeaderDigest.under(header, address(referee));
        if (digest != batch.record.headerDigest) revert HeaderMismatch(batch.record.headerDigest, digest);
    }

    function _requireOpen(bytes32 digest, uint64 sequence, uint32 entryIndex)
        private
        view
        returns (DirectedChallenge memory found)
    {
        found = _challenges[digest][entryIndex];
        if (found.state == ChallengeState.None) revert UnknownChallenge(sequence, entryIndex);
        if (found.state != ChallengeState.Open) revert ChallengeNotOpen(sequence, entryIndex);
    }

    /// @dev The j-th challenge open at once costs base * (7 + j) / 8: no cap on their number, but a price.
    function _bondWei(ChallengeTerms memory terms, uint256 ordinal) private pure returns (uint256) {
        return uint256(terms.baseBondWei) * (7 + ordinal) / 8;
    }

    function _min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
