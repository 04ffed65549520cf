// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBatchErrors} from "../src/interfaces/IBatchErrors.sol";
import {History} from "../src/lib/History.sol";
import {MerkleRfc9162} from "../src/lib/MerkleRfc9162.sol";
import {BatchRecord, BatchRecordHash, BatchReference, BatchRun} from "../src/types/BatchRecord.sol";
import {HistoryTree} from "./support/HistoryTree.sol";
import {Sealed, World} from "./support/World.sol";
import {Tree} from "./support/Tree.sol";
import {vm} from "./support/Vm.sol";

/// @notice The library's loops against the definition: what is appended, what a proof must have, what is refused.
contract HistoryTest is World {
    uint256 private constant MOST = 130;

    /// @dev Every size up to 130: the word after an append is that of the definition, and the peaks fold to RFC 9162's root.
    function test_AppendingFollowsTheDefinition() public view {
        bytes32[] memory all = draw(1, MOST);
        bytes32 kept;
        for (uint256 size = 0; size < MOST; ++size) {
            bytes32[] memory before = HistoryTree.slice(all, 0, size);
            bytes32[] memory peaks = HistoryTree.peaks(before);
            (bytes32 word_, bytes32 next) = this.appended(size, digestOf(size), peaks, digestOf(size + 1), all[size]);
            vm.assertEq(word_, this.word(size, digestOf(size), peaks));
            if (size != 0) vm.assertEq(word_, kept);
            kept = next;
            bytes32[] memory after_ = HistoryTree.slice(all, 0, size + 1);
            vm.assertEq(kept, HistoryTree.word(after_, digestOf(size + 1)));
            vm.assertEq(folded(HistoryTree.peaks(after_)), Tree.root(after_));
        }
    }

    /// @dev Every record of every size up to 33, alone: the proof of the definition and no other.
    function test_EveryRecordIsIncluded() public view {
        bytes32[] memory all = draw(2, 33);
        for (uint256 size = 1; size <= 33; ++size) {
            bytes32[] memory some = HistoryTree.slice(all, 0, size);
            bytes32[] memory peaks = HistoryTree.peaks(some);
            for (uint256 index = 0; index < size; ++index) {
                bytes32[] memory nodes = HistoryTree.nodes(some, index, 1);
                vm.assertTrue(this.includes(all[index], index, size, peaks, nodes));
                vm.assertFalse(this.includes(all[index] ^ bytes32(uint256(1)), index, size, peaks, nodes));
            }
        }
    }

    /// @dev A run of any length in a tree of any size is proved by the nodes of the definition.
    function testFuzz_RunsAreIncluded(uint256 seed, uint8 sizeSeed, uint8 firstSeed, uint8 countSeed) public view {
        (bytes32[] memory all, uint256 first, uint256 count) = drawRun(seed, sizeSeed, firstSeed, countSeed);
        bytes32[] memory peaks = HistoryTree.peaks(all);
        bytes32[] memory nodes = HistoryTree.nodes(all, first, count);
        bytes32[] memory run = HistoryTree.slice(all, first, count);
        vm.assertTrue(this.includesRun(run, first, all.length, peaks, nodes));
        if (count == 1) vm.assertTrue(this.includes(run[0], first, all.length, peaks, nodes), "one is a run of one");
    }

    /// @dev One thing changed, and it is no proof any more: a leaf, a sibling, their order, a sibling more or less, the place.
    function testFuzz_ChangedRunsAreRefused(
        uint256 seed,
        uint8 sizeSeed,
        uint8 firstSeed,
        uint8 countSeed,
        uint8 where,
        uint8 bit
    ) public view {
        (bytes32[] memory all, uint256 first, uint256 count) = drawRun(seed, sizeSeed, firstSeed, countSeed);
        bytes32[] memory peaks = HistoryTree.peaks(all);
        bytes32[] memory nodes = HistoryTree.nodes(all, first, count);
        bytes32[] memory run = HistoryTree.slice(all, first, count);
        bytes32 flip = bytes32(1 << bit);

        run[where % count] ^= flip;
        vm.assertFalse(this.includesRun(run, first, all.length, peaks, nodes), "leaf");
        run[where % count] ^= flip;
        if (count > 1) {
            (run[0], run[count - 1]) = (run[count - 1], run[0]);
            vm.assertFalse(this.includesRun(run, first, all.length, peaks, nodes), "order of records");
            (run[0], run[count - 1]) = (run[count - 1], run[0]);
        }
        if (nodes.length != 0) {
            nodes[where % nodes.length] ^= flip;
            vm.assertFalse(this.includesRun(run, first, all.length, peaks, nodes), "sibling");
            nodes[where % nodes.length] ^= flip;
            refuseCount(run, first, all.length, peaks, HistoryTree.slice(nodes, 0, nodes.length - 1), nodes.length);
        }
        if (nodes.length > 1) {
            (nodes[0], nodes[nodes.length - 1]) = (nodes[nodes.length - 1], nodes[0]);
            vm.assertFalse(this.includesRun(run, first, all.length, peaks, nodes), "order of siblings");
            (nodes[0], nodes[nodes.length - 1]) = (nodes[nodes.length - 1], nodes[0]);
        }
        bytes32[] memory more = new bytes32[](nodes.length + 1);
        for (uint256 i = 0; i < nodes.length; ++i) {
            more[i] = nodes[i];
        }
        refuseCount(run, first, all.length, peaks, more, nodes.length);
        if (first + count < all.length) {
            vm.assertFalse(accepts(run, first + 1, all.length, peaks, nodes), "place");
        }
        vm.assertTrue(this.includesRun(run, first, all.length, peaks, nodes));
    }

    /// @dev The peaks of another size are other peaks: no proof of one size holds for another, whatever is claimed.
    function testFuzz_OtherSizesAreRefused(uint256 seed, uint8 sizeSeed, uint8 firstSeed, uint8 otherSeed) public view {
        (bytes32[] memory all, uint256 first,) = drawRun(seed, sizeSeed, firstSeed, 0);
        bytes32[] memory nodes = HistoryTree.nodes(all, first, 1);
        bytes32[] memory peaks = HistoryTree.peaks(all);
        uint256 other = between(otherSeed, 1, MOST);
        vm.assume(other != all.length);
        bytes32 kept = this.word(all.length, digestOf(all.length), peaks);
        vm.assertNotEq(this.word(other, digestOf(all.length), peaks), kept);
        vm.assertNotEq(this.word(all.length, digestOf(other), peaks), kept);
        if (nodes.length == 0) return;
        // A node is no leaf: the parent of two records does not pass for a record, one level up.
        bytes32 parent = first & 1 == 0
            ? MerkleRfc9162.nodeHash(all[first], nodes[0])
            : MerkleRfc9162.nodeHash(nodes[0], all[first]);
        bytes32[] memory shorter = new bytes32[](nodes.length - 1);
        for (uint256 i = 1; i < nodes.length; ++i) {
            shorter[i - 1] = nodes[i];
        }
        vm.assertFalse(acceptsOne(parent, first, all.length, peaks, shorter));
    }

    /// @dev The packed leaf is the one written out, for all values.
    function testFuzz_LeafIsTheOneWrittenOut(uint64 sequence, BatchRecord calldata record) public pure {
        bytes32 leaf = BatchRecordHash.leaf(sequence, record);
        vm.assertEq(leaf, HistoryTree.leaf(sequence, record));
        uint256 stamp = BatchRecordHash.stamp(record.committedAt, record.parametersVersion, record.stakeGwei);
        vm.assertEq(leaf, BatchRecordHash.leaf(uint256(sequence), record.headerDigest, stamp));
        vm.assertNotEq(leaf, BatchRecordHash.leaf(uint256(sequence) ^ 1, record.headerDigest, stamp));
    }

    // ---------------------------------------------------------------- the chain's

    /// @dev Twenty batches: every size of the last eight serves every batch, an older one and one to come none.
    function test_TheLastEightSizesServe() public {
        Sealed memory last;
        for (uint64 day = 0; day < 20; ++day) {
            last = commitDay(day, last);
        }
        BatchRecord[] memory records = historian.recordsOf(channel, operator);
        for (uint64 size = 1; size <= 20; ++size) {
            BatchReference memory referred = historian.referAt(channel, operator, (size + 1) / 2, size);
            if (size >= 13) {
                referee.stateOf(referred);
                vm.assertEq(
                    referee.historyOf(channel, operator, size),
                    HistoryTree.word(HistoryTree.leaves(firstOf(records, size)), records[size - 1].headerDigest)
                );
            } else {
                refuse(referred, abi.encodeWithSelector(IBatchErrors.HistoryStale.selector, size, 20));
                vm.assertEq(referee.historyOf(channel, operator, size), 0);
            }
        }
        BatchReference memory ahead = refer(last);
        ahead.history.size = 21;
        refuse(ahead, abi.encodeWithSelector(IBatchErrors.HistoryStale.selector, 21, 20));
        vm.assertEq(referee.historyOf(channel, operator, 21), 0);
    }

    /// @dev Two sequences whose words share a slot do not stand for one another.
    function test_SequencesThatShareASlotAreNotAliased() public {
        Sealed memory second = commitDay(1, commitDay(0, none()));
        Sealed memory last = second;
        for (uint64 day = 2; day < 10; ++day) {
            last = commitDay(day, last);
        }
        BatchReference memory referred = refer(last); // sequence 10, in the slot that held sequence 2
        referred.sequence = 2;
        refuse(referred, abi.encodeWithSelector(MerkleRfc9162.NodeCountWrong.selector, 3, 1));
        referred.history.nodes = refer(second).history.nodes;
        refuse(referred, unknown(2));
        referred = refer(second);
        referred.sequence = 10;
        vm.expectRevert();
        referee.stateOf(referred);
        referred = refer(second);
        referred.history.size = 2;
        refuse(referred, abi.encodeWithSelector(IBatchErrors.HistoryStale.selector, 2, 10));
        referred = refer(second);
        referred.sequence = 0;
        refuse(referred, unknown(0));
        referred.sequence = 11;
        refuse(referred, unknown(11));
        referee.stateOf(refer(second));
    }

    function test_WrongPeaksAndHeaderAreRefusedByName() public {
        Sealed memory batch = commitDay(1, commitDay(0, none()));
        BatchReference memory referred = refer(batch);
        bytes32 kept = referee.historyOf(channel, operator, 2);
        referred.history.lastHeaderDigest = "other";
        bytes32 actual = keccak256(abi.encode(2, bytes32("other"), referred.history.peaks[0]));
        refuse(referred, abi.encodeWithSelector(IBatchErrors.HistoryMismatch.selector, kept, actual));
        referred = refer(batch);
        referred.history.peaks = new bytes32[](0);
        actual = keccak256(abi.encode(2, batch.record.headerDigest));
        refuse(referred, abi.encodeWithSelector(IBatchErrors.HistoryMismatch.selector, kept, actual));
        referred = refer(batch);
        referred.history.nodes = new bytes32[](2);
        refuse(referred, abi.encodeWithSelector(MerkleRfc9162.NodeCountWrong.selector, 1, 2));
        referred = refer(batch);
        referred.history.nodes[0] ^= bytes32(uint256(1));
        refuse(referred, unknown(2));
    }

    function testFuzz_RunsOnTheChain(uint8 daysSeed, uint8 firstSeed, uint8 countSeed) public {
        uint256 total = between(daysSeed, 1, 25);
        Sealed memory last;
        for (uint64 day = 0; day < total; ++day) {
            last = commitDay(day, last);
        }
        uint256 first = between(firstSeed, 1, total);
        uint256 count = between(countSeed, 1, total - first + 1);
        vm.warp(historian.recordsOf(channel, operator)[first - 1].committedAt + 7 days);
        BatchRun memory run = runOf(channel, operator, uint64(first), count);
        referee.requireCommitted(run);
        vm.assertEq(referee.finalCount(run), 1);
        run.records[count - 1].stakeGwei += 1;
        vm.expectRevert(unknown(uint64(first)));
        referee.requireCommitted(run);
        run.records[count - 1].stakeGwei -= 1;
        run.firstSequence += 1;
        vm.expectRevert();
        referee.requireCommitted(run);
    }

    // ------------------------------------------------------------------- helpers

    function word(uint256 size, bytes32 digest, bytes32[] calldata peaks) external pure returns (bytes32) {
        return History.word(size, digest, peaks);
    }

    function appended(uint256 size, bytes32 lastHeaderDigest, bytes32[] calldata peaks, bytes32 digest, bytes32 leaf)
        external
        pure
        returns (bytes32, bytes32)
    {
        return History.appended(size, lastHeaderDigest, peaks, digest, leaf);
    }

    function includes(bytes32 leaf, uint256 index, uint256 size, bytes32[] calldata peaks, bytes32[] calldata nodes)
        external
        pure
        returns (bool)
    {
        return History.includes(leaf, index, size, peaks, nodes);
    }

    function includesRun(
        bytes32[] memory leaves,
        uint256 first,
        uint256 size,
        bytes32[] calldata peaks,
        bytes32[] calldata nodes
    ) external pure returns (bool) {
        return History.includesRun(leaves, first, size, peaks, nodes);
    }

    function accepts(
        bytes32[] memory leaves,
        uint256 first,
        uint256 size,
        bytes32[] memory peaks,
        bytes32[] memory nodes
    ) private view returns (bool) {
        try this.includesRun(leaves, first, size, peaks, nodes) returns (bool isIncluded) {
            return isIncluded;
        } catch {
            return false;
        }
    }

    function acceptsOne(bytes32 leaf, uint256 index, uint256 size, bytes32[] memory peaks, bytes32[] memory nodes)
        private
        view
        returns (bool)
    {
        try this.includes(leaf, index, size, peaks, nodes) returns (bool isIncluded) {
            return isIncluded;
        } catch {
            return false;
        }
    }

    function refuseCount(
        bytes32[] memory run,
        uint256 first,
        uint256 size,
        bytes32[] memory peaks,
        bytes32[] memory nodes,
        uint256 expected
    ) private view {
        try this.includesRun(run, first, size, peaks, nodes) {
            vm.assertTrue(false, "accepted");
        } catch (bytes memory reason) {
            vm.assertEq(reason, abi.encodeWithSelector(MerkleRfc9162.NodeCountWrong.selector, expected, nodes.length));
        }
    }

    function refuse(BatchReference memory referred, bytes memory reason) private {
        vm.expectRevert(reason);
        referee.stateOf(referred);
    }

    function unknown(uint64 sequence) private view returns (bytes memory) {
        return abi.encodeWithSelector(IBatchErrors.UnknownBatch.selector, channel, operator, sequence);
    }

    function draw(uint256 seed, uint256 size) private pure returns (bytes32[] memory all) {
        all = new bytes32[](size);
        for (uint256 i = 0; i < size; ++i) {
            all[i] = keccak256(abi.encode(seed, i));
        }
    }

    function drawRun(uint256 seed, uint8 sizeSeed, uint8 firstSeed, uint8 countSeed)
        private
        pure
        returns (bytes32[] memory all, uint256 first, uint256 count)
    {
        all = draw(seed, between(sizeSeed, 1, MOST));
        first = between(firstSeed, 0, all.length - 1);
        count = between(countSeed, 1, all.length - first);
    }

    function digestOf(uint256 sequence) private pure returns (bytes32) {
        return keccak256(abi.encode("header", sequence));
    }

    function folded(bytes32[] memory peaks) private pure returns (bytes32 root) {
        root = peaks[peaks.length - 1];
        for (uint256 i = peaks.length - 1; i != 0; --i) {
            root = MerkleRfc9162.nodeHash(peaks[i - 1], root);
        }
    }

    function firstOf(BatchRecord[] memory records, uint256 count) private pure returns (BatchRecord[] memory some) {
        some = new BatchRecord[](count);
        for (uint256 i = 0; i < count; ++i) {
            some[i] = records[i];
        }
    }
}
