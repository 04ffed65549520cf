// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnclaveRegistry} from "../interfaces/IEnclaveRegistry.sol";
import {IReferee} from "../interfaces/IReferee.sol";
import {HeaderDigest} from "../lib/HeaderDigest.sol";
import {History} from "../lib/History.sol";
import {HistoryRing, HistoryRings} from "../types/HistoryRing.sol";
import {Purse} from "../purse/Purse.sol";
import {BatchHeader} from "../types/BatchHeader.sol";
import {
    BatchRecord,
    BatchRecordHash,
    BatchReference,
    BatchRun,
    BatchState,
    HistoryProof
} from "../types/BatchRecord.sol";
import {ParametersWord} from "../types/ParametersWord.sol";
import {BatchMarks} from "../types/BatchMarks.sol";
import {ModuleGrant} from "../types/Module.sol";
import {OperatorHeads} from "../types/Operator.sol";

/// @notice All storage of the core, and the questions that every part of it asks. What modules need to remember they keep
/// themselves; a new core replaces this one, and channels move to it by choice of their managers.
abstract contract RefereeState is IReferee, Purse {
    struct QueuedParameters {
        uint64 appliesAt;
        bytes32 digest;
    }

    /// @dev All of one operator in one channel, so that a commit finds its place once.
    struct OperatorBook {
        /// A word of OperatorHeads.
        uint256 head;
        /// Words of History: its slots follow one another, the one of size n at n % RING.
        HistoryRing history;
        uint40 withdrawableAt;
        /// Words of BatchMarks; zero for batches to which nothing happened.
        mapping(uint256 sequence => uint256 mark) marks;
        mapping(bytes32 matter => bool) fined;
    }

    /// @inheritdoc IReferee
    IEnclaveRegistry public immutable registry;

    /// @dev Words of ChannelHeads.
    mapping(bytes32 channel => uint256 word) internal _channels;
    mapping(bytes32 channel => address) internal _managers;
    /// @dev Words of ParametersWord.
    mapping(bytes32 channel => mapping(uint256 version => uint256 word)) internal _parameters;
    mapping(bytes32 channel => mapping(uint256 version => mapping(address module => bytes32))) internal _terms;
    mapping(bytes32 channel => QueuedParameters) internal _queued;
    mapping(bytes32 channel => ModuleGrant[]) internal _modules;
    /// @dev Words of ModuleGrants; zero for whoever is no module of the channel.
    mapping(bytes32 channel => mapping(address module => uint256 grant)) internal _grants;

    mapping(bytes32 channel => mapping(address operator => OperatorBook)) internal _books;

    /// @dev The domain where it was deployed; a chain that forks off has another one.
    bytes32 private immutable _domain;
    address private immutable _self;
    uint256 private immutable _chainId;

    constructor(IEnclaveRegistry registry_) {
        registry = registry_;
        _domain = HeaderDigest.domainOf(address(this));
        _self = address(this);
        _chainId = block.chainid;
    }

    function _digest(BatchHeader calldata header) internal view returns (bytes32) {
        bool isHome = address(this) == _self && block.chainid == _chainId;
        return HeaderDigest.inDomain(header, isHome ? _domain : HeaderDigest.domainOf(address(this)));
    }

    /// @dev Reverts unless the record is the batch's; returns its operator's book.
    function _requireBatch(BatchReference calldata batch) internal view returns (OperatorBook storage book) {
        book = _books[batch.channel][batch.operator];
        HistoryProof calldata proof = batch.history;
        _requireHistory(book, proof);
        uint256 sequence = batch.sequence;
        if (
            sequence == 0 || sequence > proof.size
                || !History.includes(
                    BatchRecordHash.leaf(sequence, batch.record), sequence - 1, proof.size, proof.peaks, proof.nodes
                )
        ) revert UnknownBatch(batch.channel, batch.operator, batch.sequence);
    }

    /// @dev Reverts unless all records of the run are those of its batches; returns their operator's book.
    function _requireRun(BatchRun calldata run) internal view returns (OperatorBook storage book) {
        book = _books[run.channel][run.operator];
        HistoryProof calldata proof = run.history;
        _requireHistory(book, proof);
        uint256 first = run.firstSequence;
        uint256 count = run.records.length;
        if (first != 0 && count != 0 && first - 1 + count <= proof.size) {
            bytes32[] memory leaves = new bytes32[](count);
            for (uint256 i = 0; i < count; ++i) {
                leaves[i] = BatchRecordHash.leaf(first + i, run.records[i]);
            }
            if (History.includesRun(leaves, first - 1, proof.size, proof.peaks, proof.nodes)) return book;
        }
        revert UnknownBatch(run.channel, run.operator, run.firstSequence);
    }

    /// @dev The state of a batch whose record was checked. Final is a question about the clock, never stored.
    function _stateOf(OperatorBook storage book, bytes32 channel, uint256 sequence, BatchRecord calldata record)
        internal
        view
        returns (BatchState)
    {
        uint256 mark = book.marks[sequence];
        if (BatchMarks.isSlashed(mark)) return BatchState.Slashed;
        if (block.timestamp < _windowClosesAt(channel, record) || BatchMarks.isHeld(mark)) return BatchState.Committed;
        return BatchState.Final;
    }

    function _windowClosesAt(bytes32 channel, BatchRecord calldata record) internal view returns (uint256) {
        return record.committedAt + ParametersWord.challengeWindowS(_parameters[channel][record.parametersVersion]);
    }

    /// @dev The proof is of one of the last sizes that the chain keeps. A word hashes its size, so that comparing words is
    /// enough; the head is read to give the reason only.
    function _requireHistory(OperatorBook storage book, HistoryProof calldata proof) private view {
        bytes32 kept = HistoryRings.slotOf(book.history, proof.size).word;
        bytes32 actual = History.word(proof.size, proof.lastHeaderDigest, proof.peaks);
        if (kept == actual) return;
        uint256 last = OperatorHeads.sequence(book.head);
        if (proof.size > last || proof.size + HistoryRings.SIZES <= last) {
            revert HistoryStale(proof.size, uint64(last));
        }
        revert HistoryMismatch(kept, actual);
    }
}
