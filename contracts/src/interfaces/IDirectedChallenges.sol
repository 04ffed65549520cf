// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchHeader} from "../types/BatchHeader.sol";
import {BatchReference, EntryInclusion} from "../types/BatchRecord.sol";
import {ChallengeTerms, DirectedChallenge} from "../types/DirectedChallenge.sol";
import {IBatchErrors} from "./IBatchErrors.sol";
import {IModule} from "./IModule.sol";
import {IPurse} from "./IPurse.sol";
import {IReferee} from "./IReferee.sol";

/// @title Directed challenges: show this entry, or lose the stake
/// @notice A module of the Referee that needs the powers to convict and to hold. Its terms are one word (ChallengeTermsWord).
/// Challenges are kept under the batch's header digest, which names channel, operator and sequence: that the header was
/// committed is shown once, when it is challenged, so that an answer needs no proof that could grow stale.
interface IDirectedChallenges is IModule, IPurse, IBatchErrors {
    event ChallengeOpened(
        bytes32 indexed channel,
        address indexed operator,
        uint64 indexed sequence,
        uint32 entryIndex,
        address challenger,
        uint32 ordinal,
        uint64 deadline,
        uint256 bondWei
    );
    event ChallengeAnswered(
        bytes32 indexed channel,
        address indexed operator,
        uint64 indexed sequence,
        uint32 entryIndex,
        address answerer,
        uint256 reimbursedWei,
        uint256 burnedWei
    );
    event ChallengeExpired(
        bytes32 indexed channel,
        address indexed operator,
        uint64 indexed sequence,
        uint32 entryIndex,
        address challenger,
        uint256 bondWei
    );
    event ChallengeRefunded(
        bytes32 indexed channel,
        address indexed operator,
        uint64 indexed sequence,
        uint32 entryIndex,
        address challenger,
        uint256 bondWei
    );

    /// @notice A term outside its range; the name is that of ChallengeTerms' field.
    error TermOutOfRange(string name);
    /// @notice The challenge window of the batch has closed.
    /// @custom:advice challenge within the window after the commit
    error ChallengeWindowClosed(uint64 closedAt, uint64 nowS);
    /// @notice The entry was challenged before.
    error ChallengeExists(uint64 sequence, uint32 entryIndex);
    /// @notice There is no challenge on this entry.
    error UnknownChallenge(uint64 sequence, uint32 entryIndex);
    /// @notice The challenge is not open.
    error ChallengeNotOpen(uint64 sequence, uint32 entryIndex);
    /// @notice The bond is smaller than the next challenge costs.
    /// @custom:advice ask bondFor and send at least that
    error BondTooSmall(uint256 requiredWei, uint256 actualWei);
    /// @notice The deadline of the challenge has passed.
    error AnswerWindowClosed(uint64 deadline, uint64 nowS);
    /// @notice The deadline of the challenge has not passed yet.
    /// @custom:advice wait until the deadline
    error AnswerWindowOpen(uint64 deadline, uint64 nowS);
    /// @notice The batch was neither slashed nor did it become final: the challenge is to be answered or expired.
    error ChallengeStillDue(uint64 sequence, uint32 entryIndex);

    /// @notice Demands one entry of a batch within the challenge window; once per entry, for ever. The value sent must be
    /// at least bondFor; what is more is owed back. Holds the batch until EXPIRY_GRACE_S after the deadline. Anyone.
    function challenge(BatchHeader calldata header, BatchReference calldata batch, uint32 entryIndex) external payable;

    /// @notice Shows the entry before the deadline: its payload, salt and path. The caller is owed what the call costs, at the
    /// transaction's price but at most maxGasPriceWei, and at most answerGasCapWei, from the bond; the rest is burned. Of
    /// the input the canonical encoding is paid and nothing else. Anyone.
    function answer(BatchHeader calldata header, EntryInclusion calldata entry) external;

    /// @notice After the deadline of an unanswered challenge: the batch is convicted; the challenger is owed bond and reward.
    /// Anyone, while the batch is held, which is EXPIRY_GRACE_S from the deadline at least.
    function expire(BatchReference calldata batch, uint32 entryIndex) external;

    /// @notice Returns the bond of a challenge that was open when its batch was slashed for something else, or that nobody
    /// expired before the batch became final. Anyone.
    function refund(BatchReference calldata batch, uint32 entryIndex) external;

    /// @notice The challenge on an entry of the batch whose header has this digest.
    function challengeOf(bytes32 headerDigest, uint32 entryIndex) external view returns (DirectedChallenge memory);

    /// @notice Challenges open now on the batch whose header has this digest, and until when they hold it.
    function openChallengesOf(bytes32 headerDigest) external view returns (uint32 open, uint64 heldUntil);

    /// @notice Challenges open now on all batches of the operator in the channel.
    function openChallengesOn(bytes32 channel, address operator) external view returns (uint32);

    /// @notice Bond of the next challenge on the operator, for a batch under this parameters version.
    function bondFor(bytes32 channel, address operator, uint16 parametersVersion) external view returns (uint256);

    /// @notice The terms of one parameters version of a channel; all zero if there is none.
    function challengeTermsOf(bytes32 channel, uint16 version) external view returns (ChallengeTerms memory);

    /// @notice The core, fixed at construction.
    function referee() external view returns (IReferee);
}
