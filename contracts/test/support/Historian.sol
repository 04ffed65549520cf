// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchRecord, BatchReference, BatchRun, HistoryProof} from "../../src/types/BatchRecord.sol";
import {HistoryTree} from "./HistoryTree.sol";

/// @notice What BatchCommitted said of every operator, in order, and the proofs that anyone builds from it. A contract of its own,
/// compiled once, so that no test carries the trees.
contract Historian {
    mapping(bytes32 channel => mapping(address operator => BatchRecord[])) private committed;

    function note(bytes32 channel, address operator, BatchRecord calldata record) external {
        committed[channel][operator].push(record);
    }

    function recordsOf(bytes32 channel, address operator) external view returns (BatchRecord[] memory) {
        return committed[channel][operator];
    }

    function peaksOf(bytes32 channel, address operator) external view returns (bytes32[] memory) {
        return HistoryTree.peaks(HistoryTree.leaves(committed[channel][operator]));
    }

    /// @notice The batch with its proof of now.
    function refer(bytes32 channel, address operator, uint64 sequence) external view returns (BatchReference memory) {
        BatchRecord[] memory records = committed[channel][operator];
        HistoryProof memory proof = HistoryTree.proof(records, sequence - 1, 1);
        return BatchReference(channel, operator, sequence, records[sequence - 1], proof);
    }

    /// @notice The same as of an earlier size.
    function referAt(bytes32 channel, address operator, uint64 sequence, uint256 size)
        external
        view
        returns (BatchReference memory)
    {
        BatchRecord[] memory records = new BatchRecord[](size);
        for (uint256 i = 0; i < size; ++i) {
            records[i] = committed[channel][operator][i];
        }
        HistoryProof memory proof = HistoryTree.proof(records, sequence - 1, 1);
        return BatchReference(channel, operator, sequence, records[sequence - 1], proof);
    }

    function runOf(bytes32 channel, address operator, uint64 first, uint256 count)
        external
        view
        returns (BatchRun memory run)
    {
        BatchRecord[] memory records = committed[channel][operator];
        run.channel = channel;
        run.operator = operator;
        run.firstSequence = first;
        run.records = new BatchRecord[](count);
        for (uint256 i = 0; i < count; ++i) {
            run.records[i] = records[first - 1 + i];
        }
        run.history = HistoryTree.proof(records, first - 1, count);
    }
}
