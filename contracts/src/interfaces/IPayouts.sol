// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {BatchHeader} from "../types/BatchHeader.sol";
import {BatchReference, BatchRun, EntryInclusion} from "../types/BatchRecord.sol";
import {IBatchErrors} from "./IBatchErrors.sol";
import {IReferee} from "./IReferee.sol";

/// @notice What a distribution is fixed to when it is created.
/// @param poster who posts roots and takes back what is not promised
/// @param disabler who can disable a root before it is active
/// @param token the ERC-20 paid out; amounts are its smallest units. Rebasing tokens are not supported
/// @param referee where batches are committed
/// @param statementChannel the open channel of the statements that carry roots
/// @param statementOperator the operator whose statements count
/// @param activationDelayS least time from posting a root to activating it, seconds, 1 hour to 90 days
/// @param meteringChannels the channels whose batches a statement cites, 1 to 8, ascending
/// @param importChannels the channels of imports that it may cite, too, 0 to 8, ascending
struct DistributionTerms {
    address poster;
    address disabler;
    IERC20 token;
    IReferee referee;
    bytes32 statementChannel;
    address statementOperator;
    uint32 activationDelayS;
    bytes32[] meteringChannels;
    bytes32[] importChannels;
}

/// @notice A distribution's sums, in the token's smallest units. paid <= activeTotal <= funded - reclaimed.
/// @param fundedAmount received, as measured by balance
/// @param reclaimedAmount taken back by the poster
/// @param paidAmount paid to members
/// @param activeTotal promised by the active root, cumulative
/// @param activeRoot root that claims are checked against; zero before the first
/// @param activeSequence sequence of the statement batch that carried the active root
struct DistributionAccount {
    uint256 fundedAmount;
    uint256 reclaimedAmount;
    uint256 paidAmount;
    uint256 activeTotal;
    bytes32 activeRoot;
    uint64 activeSequence;
}

/// @notice A root that waits.
/// @param root RFC 9162 root over payout leaves
/// @param total cumulative sum that the root promises, smallest units
/// @param sequence sequence of the statement batch
/// @param activatableAt unix seconds; zero if no root waits
/// @param citationsDigest keccak256(statement's header digest || its `inputs`): what must be final
struct PendingRoot {
    bytes32 root;
    uint256 total;
    uint64 sequence;
    uint64 activatableAt;
    bytes32 citationsDigest;
}

/// @title Cumulative Merkle drop of any ERC-20
/// @notice A root comes from a statement batch that cites the metering batches it was computed from. It becomes active
/// after a delay, and only when the statement and everything it cites are final: caught gain is forfeited gain.
/// A wrong Merkle path reverts with the errors of MerkleRfc9162: PathLengthWrong, RootMismatch.
/// A payout leaf's payload is 53 bytes: 0x01 || account 20 || cumulative amount 32 (docs/spec/contracts.md).
interface IPayouts is IBatchErrors {
    event DistributionCreated(bytes32 indexed distribution, address indexed poster, DistributionTerms terms);
    event DistributionFunded(bytes32 indexed distribution, address indexed funder, uint256 receivedAmount);
    event RootPosted(
        bytes32 indexed distribution, bytes32 root, uint256 total, uint64 statementSequence, uint64 activatableAt
    );
    event RootActivated(bytes32 indexed distribution, bytes32 root, uint256 total, uint64 statementSequence);
    event RootDisabled(bytes32 indexed distribution, bytes32 root);
    event Claimed(bytes32 indexed distribution, address indexed account, uint256 amount, uint256 cumulativeAmount);
    event Reclaimed(bytes32 indexed distribution, address to, uint256 amount);

    /// @notice The distribution exists already.
    error DistributionExists(bytes32 distribution);
    /// @notice There is no such distribution.
    error UnknownDistribution(bytes32 distribution);
    /// @notice An address is zero or no contract, the activation delay is out of range, or the lists of channels are too long,
    /// not ascending, hold the statement channel or one in both.
    error TermsInvalid();
    /// @notice Only the distribution's poster may do this.
    error NotPoster(address poster, address caller);
    /// @notice Only the distribution's disabler or poster may do this.
    error NotDisabler(address disabler, address caller);
    /// @notice The transfer brought nothing.
    error NothingReceived();
    /// @notice Another root waits already.
    error RootPending(bytes32 root);
    /// @notice No root waits.
    error NoRootPending(bytes32 distribution);
    /// @notice The activation delay of the root is still running.
    /// @custom:advice activate after activatableAt
    error ActivationDelayRunning(uint64 activatableAt, uint64 nowS);
    /// @notice The header is not of the distribution's statement channel and operator.
    error StatementForeign(bytes32 channel, address operator);
    /// @notice The statement is not newer than the active one.
    error StatementStale(uint64 activeSequence, uint64 actual);
    /// @notice The entry's job id is not that of the header's channel and period.
    error JobMismatch(bytes32 expected, bytes32 actual);
    /// @notice The entry's result digest is not keccak256(abi.encode(root, total)).
    error ResultMismatch(bytes32 expected, bytes32 actual);
    /// @notice None, or more than MAX_CITATIONS.
    error CitationCountOutOfRange(uint256 actual);
    /// @notice The cited headers' digests do not hash to the statement's `inputs`.
    error CitationsMismatch(bytes32 expected, bytes32 actual);
    /// @notice A cited batch is of no channel of the distribution.
    error CitationForeign(bytes32 channel);
    /// @notice A new root promises less than the active one.
    error TotalDecreased(uint256 activeTotal, uint256 actual);
    /// @notice The escrow does not cover what the root promises.
    /// @custom:advice fund the distribution first
    error EscrowTooSmall(uint256 required, uint256 actual);
    /// @notice The account was paid all that the active root promises it.
    error NothingToClaim(address account);
    /// @notice The claim would pay more than the root's total: the root is inconsistent.
    error TotalExceeded(uint256 total, uint256 actual);

    /// @notice Creates the distribution keccak256(abi.encode(keccak256("wattest/distribution/1"), caller, salt)). Anyone.
    function createDistribution(bytes32 salt, DistributionTerms calldata terms) external returns (bytes32 distribution);

    /// @notice Takes `amount` from the caller into escrow, and counts what arrives. Anyone.
    function fund(bytes32 distribution, uint256 amount) external;

    /// @notice Posts the root that a statement entry carries. Caller: the poster. One root waits at a time.
    /// @param header header of the statement batch
    /// @param statement its reference
    /// @param entry the statement's payout entry (kind 18) with its inclusion in header.root
    /// @param cited the cited batches in runs, in the order in which the enclave hashed them into header.inputs
    function postRoot(
        bytes32 distribution,
        bytes32 root,
        uint256 total,
        BatchHeader calldata header,
        BatchReference calldata statement,
        EntryInclusion calldata entry,
        BatchRun[] calldata cited
    ) external;

    /// @notice Makes the waiting root active, after the delay and once the statement and every cited batch are final. Anyone.
    /// @param statement the statement's batch, with a proof of today
    /// @param cited the same batches in the same order; runs may be cut otherwise, and have proofs of today
    function activateRoot(bytes32 distribution, BatchReference calldata statement, BatchRun[] calldata cited) external;

    /// @notice Drops the waiting root. Caller: the disabler or the poster.
    function disableRoot(bytes32 distribution) external;

    /// @notice Pays `account` what the active root promises it beyond what it was paid. Anyone may send it.
    /// @param account the member's address
    /// @param cumulativeAmount all that the account was ever promised, smallest units
    /// @param salt the leaf's 16 bytes
    /// @param leafIndex position of the leaf
    /// @param leafCount number of leaves in the tree
    /// @param path sibling hashes, leaf to root
    /// @return amount what was paid
    function claim(
        bytes32 distribution,
        address account,
        uint256 cumulativeAmount,
        bytes16 salt,
        uint32 leafIndex,
        uint32 leafCount,
        bytes32[] calldata path
    ) external returns (uint256 amount);

    /// @notice Returns escrow that no active or waiting root promises. Caller: the poster.
    function reclaim(bytes32 distribution, uint256 amount, address to) external;

    function termsOf(bytes32 distribution) external view returns (DistributionTerms memory);

    function accountOf(bytes32 distribution) external view returns (DistributionAccount memory);

    function pendingRootOf(bytes32 distribution) external view returns (PendingRoot memory);

    /// @notice Cumulative amount paid to the account, smallest units.
    function paidTo(bytes32 distribution, address account) external view returns (uint256);
}
