// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Referee} from "../src/Referee.sol";
import {IBatchErrors} from "../src/interfaces/IBatchErrors.sol";
import {IEnclaveRegistry} from "../src/interfaces/IEnclaveRegistry.sol";
import {History} from "../src/lib/History.sol";
import {MerkleRfc9162} from "../src/lib/MerkleRfc9162.sol";
import {HistoryRings} from "../src/types/HistoryRing.sol";
import {BatchRecord, BatchReference, BatchRun, HistoryProof} from "../src/types/BatchRecord.sol";
import {HistoryTree} from "./support/HistoryTree.sol";
import {vm} from "./support/Vm.sol";

/// @notice Cheatcodes that only this test needs.
interface VmHistoryCases {
    function parseJsonTypeArray(string calldata json, string calldata key, string calldata typeDescription)
        external
        pure
        returns (bytes memory);
    function parseJsonBytes32Array(string calldata json, string calldata key) external pure returns (bytes32[] memory);
}

/// @notice The referee with a history that a test sets: what is asked of it is the referee's own code.
contract RefereeWithHistory is Referee {
    constructor() Referee(IEnclaveRegistry(address(1))) {}

    /// @dev As after the commit that made the history so long.
    function keep(bytes32 channel, address operator, uint64 size, bytes32 word) external {
        OperatorBook storage book = _books[channel][operator];
        book.head = uint256(size) << 20;
        HistoryRings.slotOf(book.history, size).word = word;
    }
}

/// @notice The shared vectors of vectors/history/: proofs that the referee takes, and each fault that it refuses, by name.
contract HistoryVectorsTest {
    VmHistoryCases private constant CASES = VmHistoryCases(address(vm));
    string private constant CASE = "VectorCase(uint64[] committed_at,uint64 first_sequence,bytes32[] header_digests,bytes32 kept,"
        "bytes32 last_header_digest,bytes32[] nodes,string outcome,uint16[] parameters_versions,bytes32[] peaks,uint64 size,"
        "uint64[] stakes_gwei,string why)";
    string private constant RECORD =
        "VectorRecord(uint64 committed_at,bytes32 header_digest,bytes32 leaf,uint16 parameters_version,uint64 stake_gwei)";
    bytes32 private constant CHANNEL = bytes32(uint256(1));
    address private constant OPERATOR = address(2);

    struct Case {
        uint64[] committedAt;
        uint64 firstSequence;
        bytes32[] headerDigests;
        bytes32 kept;
        bytes32 lastHeaderDigest;
        bytes32[] nodes;
        string outcome;
        uint16[] parametersVersions;
        bytes32[] peaks;
        uint64 size;
        uint64[] stakesGwei;
        string why;
    }

    struct Record {
        uint64 committedAt;
        bytes32 headerDigest;
        bytes32 leaf;
        uint16 parametersVersion;
        uint64 stakeGwei;
    }

    RefereeWithHistory private referee;

    function setUp() public {
        referee = new RefereeWithHistory();
    }

    function test_CasesOfTheVectors() public {
        string memory json = vm.readFile("../vectors/history/history.json");
        Case[] memory cases = abi.decode(CASES.parseJsonTypeArray(json, ".cases", CASE), (Case[]));
        uint256 accepted;
        for (uint256 i = 0; i < cases.length; ++i) {
            accepted += judge(cases[i]);
        }
        vm.assertGt(accepted, 300);
        vm.assertGt(cases.length, accepted + 200);
    }

    function test_RecordsAndWordsOfTheVectors() public view {
        string memory json = vm.readFile("../vectors/history/history.json");
        Record[] memory records = abi.decode(CASES.parseJsonTypeArray(json, ".records", RECORD), (Record[]));
        bytes32[] memory words = CASES.parseJsonBytes32Array(json, ".words");
        vm.assertEq(words.length, records.length + 1);
        vm.assertEq(words[0], bytes32(0));
        bytes32[] memory leaves = new bytes32[](records.length);
        for (uint256 i = 0; i < records.length; ++i) {
            Record memory one = records[i];
            leaves[i] = HistoryTree.leaf(
                uint64(i + 1), BatchRecord(one.headerDigest, one.committedAt, one.parametersVersion, one.stakeGwei)
            );
            vm.assertEq(leaves[i], one.leaf);
        }
        for (uint256 size = 1; size < words.length; ++size) {
            bytes32[] memory peaks = HistoryTree.peaks(HistoryTree.slice(leaves, 0, size));
            bytes32 last = records[size - 1].headerDigest;
            vm.assertEq(this.wordOf(size, last, peaks), words[size]);
            bytes32[] memory before = HistoryTree.peaks(HistoryTree.slice(leaves, 0, size - 1));
            bytes32 lastBefore = size == 1 ? bytes32(0) : records[size - 2].headerDigest;
            (bytes32 kept, bytes32 next) = this.appended(size - 1, lastBefore, before, last, leaves[size - 1]);
            if (size != 1) vm.assertEq(kept, words[size - 1]);
            vm.assertEq(next, words[size]);
        }
    }

    function wordOf(uint256 size, bytes32 last, bytes32[] calldata peaks) external pure returns (bytes32) {
        return History.word(size, last, peaks);
    }

    function appended(uint256 size, bytes32 lastHeaderDigest, bytes32[] calldata peaks, bytes32 digest, bytes32 leaf)
        external
        pure
        returns (bytes32, bytes32)
    {
        return History.appended(size, lastHeaderDigest, peaks, digest, leaf);
    }

    /// @dev Both forms for a run of one; returns one if it is accepted.
    function judge(Case memory one) private returns (uint256) {
        referee.keep(CHANNEL, OPERATOR, one.size, one.kept);
        uint256 count = one.headerDigests.length;
        BatchRecord[] memory records = new BatchRecord[](count);
        for (uint256 i = 0; i < count; ++i) {
            records[i] =
                BatchRecord(one.headerDigests[i], one.committedAt[i], one.parametersVersions[i], one.stakesGwei[i]);
        }
        HistoryProof memory proof = HistoryProof(one.size, one.lastHeaderDigest, one.peaks, one.nodes);
        bytes4 refusal = selectorOf(one.outcome);
        BatchRun memory run = BatchRun(CHANNEL, OPERATOR, one.firstSequence, records, proof);
        require_(abi.encodeCall(referee.requireCommitted, (run)), refusal, one.why);
        // The referee adds a record's time to its window: those of the widest record do not fit.
        if (count == 1 && (refusal != 0 || one.committedAt[0] < type(uint40).max)) {
            BatchReference memory batch = BatchReference(CHANNEL, OPERATOR, one.firstSequence, records[0], proof);
            require_(abi.encodeCall(referee.stateOf, (batch)), refusal, one.why);
        }
        return refusal == 0 ? 1 : 0;
    }

    function require_(bytes memory call, bytes4 refusal, string memory why) private view {
        (bool success, bytes memory output) = address(referee).staticcall(call);
        vm.assertTrue(success == (refusal == 0), why);
        if (!success) vm.assertTrue(bytes4(output) == refusal, why);
    }

    function selectorOf(string memory outcome) private pure returns (bytes4 selector) {
        bytes32 name = keccak256(bytes(outcome));
        if (name == keccak256("HistoryMismatch")) return IBatchErrors.HistoryMismatch.selector;
        if (name == keccak256("UnknownBatch")) return IBatchErrors.UnknownBatch.selector;
        if (name == keccak256("NodeCountWrong")) return MerkleRfc9162.NodeCountWrong.selector;
        vm.assertTrue(name == keccak256("accepted"), outcome);
    }
}
