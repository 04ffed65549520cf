// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {DistributionAccount, DistributionTerms, IPayouts, PendingRoot} from "./interfaces/IPayouts.sol";
import {IReferee} from "./interfaces/IReferee.sol";
import {CitationList} from "./lib/CitationList.sol";
import {EntryProof} from "./lib/EntryProof.sol";
import {MerkleRfc9162} from "./lib/MerkleRfc9162.sol";
import {BatchHeader} from "./types/BatchHeader.sol";
import {BatchReference, BatchRun, BatchState, EntryInclusion} from "./types/BatchRecord.sol";

/// @title Cumulative Merkle drop of any ERC-20
/// @notice No owner and no upgrade. Every distribution keeps its own sums: one that holds a misbehaving token can lose
/// nothing but that token's escrow.
contract Payouts is IPayouts, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice A year of daily batches and a little more.
    uint256 public constant MAX_CITATIONS = 400;
    uint256 public constant MIN_ACTIVATION_DELAY_S = 1 hours;
    uint256 public constant MAX_ACTIVATION_DELAY_S = 90 days;
    uint256 public constant MAX_CHANNELS = 8;

    bytes32 private constant DISTRIBUTION_TAG = keccak256("wattest/distribution/1");
    uint8 private constant ENTRY_VERSION = 1;
    bytes1 private constant LEAF_VERSION = 0x01;

    mapping(bytes32 distribution => DistributionTerms) private _terms;
    mapping(bytes32 distribution => DistributionAccount) private _accounts;
    mapping(bytes32 distribution => PendingRoot) private _pending;
    mapping(bytes32 distribution => mapping(address account => uint256)) private _paid;

    modifier known(bytes32 distribution) {
        if (_terms[distribution].poster == address(0)) revert UnknownDistribution(distribution);
        _;
    }

    /// @inheritdoc IPayouts
    function createDistribution(bytes32 salt, DistributionTerms calldata terms)
        external
        returns (bytes32 distribution)
    {
        distribution = keccak256(abi.encode(DISTRIBUTION_TAG, msg.sender, salt));
        if (_terms[distribution].poster != address(0)) revert DistributionExists(distribution);
        if (
            terms.poster == address(0) || terms.disabler == address(0) || address(terms.token).code.length == 0
                || address(terms.referee).code.length == 0 || terms.statementOperator == address(0)
                || terms.activationDelayS < MIN_ACTIVATION_DELAY_S || terms.activationDelayS > MAX_ACTIVATION_DELAY_S
                || !_areChannelsValid(terms)
        ) revert TermsInvalid();
        _terms[distribution] = terms;
        emit DistributionCreated(distribution, terms.poster, terms);
    }

    /// @inheritdoc IPayouts
    function fund(bytes32 distribution, uint256 amount) external nonReentrant known(distribution) {
        IERC20 token = _terms[distribution].token;
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        // A token may keep a fee: what counts is what arrived. The lock keeps anybody from arriving in between.
        uint256 received = token.balanceOf(address(this)) - before;
        if (received == 0) revert NothingReceived();
        _accounts[distribution].fundedAmount += received;
        emit DistributionFunded(distribution, msg.sender, received);
    }

    /// @inheritdoc IPayouts
    function postRoot(
        bytes32 distribution,
        bytes32 root,
        uint256 total,
        BatchHeader calldata header,
        BatchReference calldata statement,
        EntryInclusion calldata entry,
        BatchRun[] calldata cited
    ) external known(distribution) {
        DistributionTerms memory terms = _terms[distribution];
        if (msg.sender != terms.poster) revert NotPoster(terms.poster, msg.sender);
        if (_pending[distribution].activatableAt != 0) revert RootPending(_pending[distribution].root);
        DistributionAccount memory account = _accounts[distribution];
        if (header.sequence <= account.activeSequence) {
            revert StatementStale(account.activeSequence, header.sequence);
        }
        if (total < account.activeTotal) revert TotalDecreased(account.activeTotal, total);
        _checkStatement(terms, header, statement);
        _checkEntry(root, total, header, entry);
        bytes32 inputs = _checkCited(terms, cited);
        if (inputs != header.inputs) revert CitationsMismatch(header.inputs, inputs);

        uint64 activatableAt = uint64(block.timestamp) + terms.activationDelayS;
        bytes32 digest = _citationsDigest(statement.record.headerDigest, inputs);
        _pending[distribution] = PendingRoot(root, total, header.sequence, activatableAt, digest);
        emit RootPosted(distribution, root, total, header.sequence, activatableAt);
    }

    /// @inheritdoc IPayouts
    function activateRoot(bytes32 distribution, BatchReference calldata statement, BatchRun[] calldata cited)
        external
        known(distribution)
    {
        PendingRoot memory pending = _requirePending(distribution);
        if (block.timestamp < pending.activatableAt) {
            revert ActivationDelayRunning(pending.activatableAt, uint64(block.timestamp));
        }
        // A header's digest names its channel, operator and sequence: the same digests are the same batches.
        bytes32 digest = _citationsDigest(statement.record.headerDigest, CitationList.root(_digestsOf(cited)));
        if (digest != pending.citationsDigest) revert CitationsMismatch(pending.citationsDigest, digest);
        IReferee referee = _terms[distribution].referee;
        if (referee.stateOf(statement) != BatchState.Final) revert BatchNotFinal(statement.sequence);
        for (uint256 i = 0; i < cited.length; ++i) {
            uint256 count = referee.finalCount(cited[i]);
            if (count != cited[i].records.length) revert BatchNotFinal(cited[i].firstSequence + uint64(count));
        }
        DistributionAccount storage account = _accounts[distribution];
        uint256 escrow = account.fundedAmount - account.reclaimedAmount;
        if (pending.total > escrow) revert EscrowTooSmall(pending.total, escrow);
        account.activeRoot = pending.root;
        account.activeTotal = pending.total;
        account.activeSequence = pending.sequence;
        delete _pending[distribution];
        emit RootActivated(distribution, pending.root, pending.total, pending.sequence);
    }

    /// @inheritdoc IPayouts
    function disableRoot(bytes32 distribution) external known(distribution) {
        DistributionTerms memory terms = _terms[distribution];
        if (msg.sender != terms.disabler && msg.sender != terms.poster) revert NotDisabler(terms.disabler, msg.sender);
        bytes32 root = _requirePending(distribution).root;
        delete _pending[distribution];
        emit RootDisabled(distribution, root);
    }

    /// @inheritdoc IPayouts
    function claim(
        bytes32 distribution,
        address account,
        uint256 cumulativeAmount,
        bytes16 salt,
        uint32 leafIndex,
        uint32 leafCount,
        bytes32[] calldata path
    ) external nonReentrant known(distribution) returns (uint256 amount) {
        DistributionAccount storage sums = _accounts[distribution];
        // The zero root, of a distribution that has none active, is nobody's hash.
        bytes32 leaf = MerkleRfc9162.leafHash(salt, abi.encodePacked(LEAF_VERSION, account, cumulativeAmount));
        MerkleRfc9162.verifyInclusion(sums.activeRoot, leaf, leafIndex, leafCount, path);
        uint256 paid = _paid[distribution][account];
        if (cumulativeAmount <= paid) revert NothingToClaim(account);
        amount = cumulativeAmount - paid;
        uint256 paidAmount = sums.paidAmount + amount;
        if (paidAmount > sums.activeTotal) revert TotalExceeded(sums.activeTotal, paidAmount);
        sums.paidAmount = paidAmount;
        _paid[distribution][account] = cumulativeAmount;
        emit Claimed(distribution, account, amount, cumulativeAmount);
        _terms[distribution].token.safeTransfer(account, amount);
    }

    /// @inheritdoc IPayouts
    function reclaim(bytes32 distribution, uint256 amount, address to) external nonReentrant known(distribution) {
        DistributionTerms memory terms = _terms[distribution];
        if (msg.sender != terms.poster) revert NotPoster(terms.poster, msg.sender);
        DistributionAccount storage account = _accounts[distribution];
        // A waiting root's total is never below the active one's.
        uint256 promised =
            _pending[distribution].activatableAt != 0 ? _pending[distribution].total : account.activeTotal;
        uint256 escrow = account.fundedAmount - account.reclaimedAmount;
        if (promised + amount > escrow) revert EscrowTooSmall(promised + amount, escrow);
        account.reclaimedAmount += amount;
        emit Reclaimed(distribution, to, amount);
        terms.token.safeTransfer(to, amount);
    }

    /// @inheritdoc IPayouts
    function termsOf(bytes32 distribution) external view returns (DistributionTerms memory) {
        return _terms[distribution];
    }

    /// @inheritdoc IPayouts
    function accountOf(bytes32 distribution) external view returns (DistributionAccount memory) {
        return _accounts[distribution];
    }

    /// @inheritdoc IPayouts
    function pendingRootOf(bytes32 distribution) external view returns (PendingRoot memory) {
        return _pending[distribution];
    }

    /// @inheritdoc IPayouts
    function paidTo(bytes32 distribution, address account) external view returns (uint256) {
        return _paid[distribution][account];
    }

    /// @dev The statement is the named operator's, and was committed with this header.
    function _checkStatement(
        DistributionTerms memory terms,
        BatchHeader calldata header,
        BatchReference calldata statement
    ) private view {
        if (header.channel != terms.statementChannel || header.operator != terms.statementOperator) {
            revert StatementForeign(header.channel, header.operator);
        }
        bytes32 digest = terms.referee.headerDigest(header);
        if (digest != statement.record.headerDigest) revert HeaderMismatch(statement.record.headerDigest, digest);
        // Reverts UnknownBatch unless the record is a batch's, and then it is this header's; whether it is final is asked at
        // activation.
        terms.referee.stateOf(statement);
    }

    /// @dev The entry is the payout entry of the header's own channel and period, and names this root and total.
    function _checkEntry(bytes32 root, uint256 total, BatchHeader calldata header, EntryInclusion calldata entry)
        private
        pure
    {
        EntryProof.requireIncluded(header, entry);
        uint8 kind = EntryProof.kind(entry.payload);
        if (EntryProof.version(entry.payload) != ENTRY_VERSION || kind != EntryProof.KIND_STATEMENT) {
            revert EntryKindMismatch(EntryProof.KIND_STATEMENT, kind);
        }
        bytes32 job = sha256(abi.encodePacked("wattest/payout/1", header.channel, header.periodStart));
        bytes32 subject = EntryProof.subject(entry.payload);
        if (subject != job) revert JobMismatch(job, subject);
        bytes32 result = keccak256(abi.encode(root, total));
        bytes32 actual = EntryProof.result(entry.payload);
        if (actual != result) revert ResultMismatch(result, actual);
    }

    /// @dev The cited batches are of the distribution's channels and stand in the Referee; returns what the statement's
    /// `inputs` must be.
    function _checkCited(DistributionTerms memory terms, BatchRun[] calldata cited) private view returns (bytes32) {
        bytes32[] memory digests = _digestsOf(cited);
        for (uint256 i = 0; i < cited.length; ++i) {
            bytes32 channel = cited[i].channel;
            if (!_isIn(channel, terms.meteringChannels) && !_isIn(channel, terms.importChannels)) {
                revert CitationForeign(channel);
            }
            terms.referee.requireCommitted(cited[i]);
        }
        return CitationList.root(digests);
    }

    /// @dev The header digests of all runs, one after the other.
    function _digestsOf(BatchRun[] calldata cited) private pure returns (bytes32[] memory digests) {
        uint256 count;
        for (uint256 i = 0; i < cited.length; ++i) {
            count += cited[i].records.length;
        }
        if (count == 0 || count > MAX_CITATIONS) revert CitationCountOutOfRange(count);
        digests = new bytes32[](count);
        uint256 place;
        for (uint256 i = 0; i < cited.length; ++i) {
            for (uint256 j = 0; j < cited[i].records.length; ++j) {
                digests[place++] = cited[i].records[j].headerDigest;
            }
        }
    }

    function _citationsDigest(bytes32 statement, bytes32 inputs) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(statement, inputs));
    }

    /// @dev Each list ascending and short, none of them the statements', none in both.
    function _areChannelsValid(DistributionTerms calldata terms) private pure returns (bool) {
        bytes32[] memory metering = terms.meteringChannels;
        bytes32[] memory imports = terms.importChannels;
        if (metering.length == 0 || !_isAscending(metering) || !_isAscending(imports)) return false;
        if (_isIn(terms.statementChannel, metering) || _isIn(terms.statementChannel, imports)) return false;
        for (uint256 i = 0; i < imports.length; ++i) {
            if (_isIn(imports[i], metering)) return false;
        }
        return true;
    }

    function _isAscending(bytes32[] memory channels) private pure returns (bool) {
        if (channels.length > MAX_CHANNELS) return false;
        for (uint256 i = 1; i < channels.length; ++i) {
            if (channels[i] <= channels[i - 1]) return false;
        }
        return true;
    }

    function _isIn(bytes32 channel, bytes32[] memory channels) private pure returns (bool) {
        for (uint256 i = 0; i < channels.length; ++i) {
            if (channels[i] == channel) return true;
        }
        return false;
    }

    function _requirePending(bytes32 distribution) private view returns (PendingRoot memory pending) {
        pending = _pending[distribution];
        if (pending.activatableAt == 0) revert NoRootPending(distribution);
    }
}
