// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBatchErrors} from "../src/interfaces/IBatchErrors.sol";
import {IReferee} from "../src/interfaces/IReferee.sol";
import {BatchHeader} from "../src/types/BatchHeader.sol";
import {BatchReference, BatchRun, BatchState} from "../src/types/BatchRecord.sol";
import {ChannelKind} from "../src/types/Channel.sol";
import {OperatorHead, OperatorHeads, OperatorState} from "../src/types/Operator.sol";
import {Sealed, World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";

contract CommitTest is World {
    uint256 private constant ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    function test_CommitsAndChains() public {
        Sealed memory first = commitDay(0, none());
        Sealed memory second = commitDay(1, first);
        OperatorHead memory head = referee.operatorHead(channel, operator);
        vm.assertEq(head.sequence, 2);
        vm.assertEq(head.openBatches, 2);
        vm.assertEq(head.committedAt, second.record.committedAt);
        vm.assertEq(head.exposureGwei, 2 * EXPOSURE_GWEI);
        vm.assertTrue(head.state == OperatorState.Active);
        vm.assertTrue(stateOf(first) == BatchState.Committed);
        vm.assertTrue(stateOf(second) == BatchState.Committed);
        vm.assertEq(second.header.previous, first.record.headerDigest);
    }

    function test_EveryHeaderFieldIsSigned() public {
        Sealed memory first = commitDay(0, none());
        for (uint256 field = 0; field < 15; ++field) {
            Sealed memory batch = sealDay(1, first);
            vm.warp(batch.header.periodEnd);
            bytes memory words = abi.encode(batch.header);
            words[field * 32 + 31] = bytes1(uint8(words[field * 32 + 31]) ^ 1);
            BatchHeader memory changed = abi.decode(words, (BatchHeader));
            (bytes32 r, bytes32 vs) = compact(batch.signature);
            bytes32[] memory peaks = historian.peaksOf(channel, operator);
            vm.prank(operator, operator);
            vm.expectRevert();
            referee.commit(changed, r, vs, peaks);
        }
        commitDay(1, first);
    }

    function test_RefusesOthersThanTheOperator() public {
        Sealed memory batch = sealDay(0, none());
        vm.warp(batch.header.periodEnd);
        (bytes32 r, bytes32 vs) = compact(batch.signature);
        vm.expectRevert(abi.encodeWithSelector(IReferee.NotOperator.selector, operator, address(this)));
        referee.commit(batch.header, r, vs, new bytes32[](0));
    }

    function test_RefusesUnknownChannel() public {
        Sealed memory batch = sealDay(0, none());
        batch.header.channel = "nowhere";
        refuse(batch, abi.encodeWithSelector(IReferee.UnknownChannel.selector, bytes32("nowhere")));
    }

    function test_RefusesPeriods() public {
        Sealed memory batch = sealDay(0, none());
        vm.warp(batch.header.periodEnd - 1);
        refuse(batch, abi.encodeWithSelector(IReferee.PeriodNotOver.selector, DAY_0 + EPOCH, DAY_0 + EPOCH - 1));
        uint64 deadline = batch.header.periodEnd + 2 hours;
        vm.warp(deadline);
        refuse(batch, abi.encodeWithSelector(IReferee.CommitDeadlinePassed.selector, deadline, deadline));
        batch.header.periodStart += 1;
        batch.header.periodEnd += 1;
        signHeader(batch, ENCLAVE);
        refuse(batch, abi.encodeWithSelector(IReferee.PeriodInvalid.selector, DAY_0 + 1, DAY_0 + EPOCH + 1));
    }

    function test_CommitsInTheLastSecondBeforeTheDeadline() public {
        Sealed memory batch = sealDay(0, none());
        vm.warp(batch.header.periodEnd + 2 hours - 1);
        commitBatch(batch);
    }

    function test_RefusesASecondBatchOfAPeriod() public {
        Sealed memory first = commitDay(0, none());
        Sealed memory again = sealDay(0, first);
        refuse(again, abi.encodeWithSelector(IReferee.PeriodAlreadyCommitted.selector, again.header.periodEnd));
    }

    /// @dev What comes before is said once, by the header: that and the peaks hash to what the chain keeps, or nothing does.
    function test_RefusesWrongPreviousAndPeaks() public {
        Sealed memory first = commitDay(0, none());
        Sealed memory second = sealDay(1, first);
        vm.warp(second.header.periodEnd);
        bytes32[] memory peaks = historian.peaksOf(channel, operator);
        bytes32 kept = referee.historyOf(channel, operator, 1);

        second.header.previous = keccak256("other");
        signHeader(second, ENCLAVE);
        refuseWith(second, peaks, mismatch(kept, keccak256(abi.encode(1, keccak256("other"), peaks[0]))));
        second.header.previous = first.record.headerDigest;
        signHeader(second, ENCLAVE);
        bytes32[] memory wrong = new bytes32[](1);
        wrong[0] = peaks[0] ^ bytes32(uint256(1));
        refuseWith(second, wrong, mismatch(kept, keccak256(abi.encode(1, second.header.previous, wrong[0]))));
        refuseWith(second, new bytes32[](0), mismatch(kept, keccak256(abi.encode(1, second.header.previous))));
        wrong = new bytes32[](2);
        wrong[0] = peaks[0];
        refuseWith(second, wrong, mismatch(kept, keccak256(abi.encode(1, second.header.previous, peaks[0], 0))));
        commitBatch(second);
    }

    function test_NothingComesBeforeTheFirstBatch() public {
        Sealed memory batch = sealDay(0, none());
        vm.warp(batch.header.periodEnd);
        refuseWith(batch, new bytes32[](1), mismatch(0, keccak256(abi.encode(0, 0, 0))));
        batch.header.previous = keccak256("other");
        signHeader(batch, ENCLAVE);
        refuse(batch, mismatch(0, keccak256(abi.encode(0, keccak256("other")))));
        batch.header.previous = 0;
        signHeader(batch, ENCLAVE);
        commitBatch(batch);
    }

    /// @dev A proof is to outlive seven commits: at most one comes in a block.
    function test_OpenChannelCommitsOncePerBlockTime() public {
        (bytes32 open, uint256 secret) = openChannel();
        Sealed memory first = sealOpen(open, secret, none());
        commitBatch(first);
        Sealed memory second = sealOpen(open, secret, first);
        refuse(second, abi.encodeWithSelector(IReferee.CommitTooSoon.selector, first.record.committedAt));
        vm.warp(first.record.committedAt + 1);
        commitBatch(second);
    }

    function test_RefusesWrongSequence() public {
        Sealed memory batch = sealDay(0, none());
        vm.warp(batch.header.periodEnd);
        batch.header.sequence = 2;
        signHeader(batch, ENCLAVE);
        refuse(batch, abi.encodeWithSelector(IReferee.SequenceMismatch.selector, 1, 2));
    }

    function test_RefusesFieldsOfTheWrongKind() public {
        Sealed memory batch = sealDay(0, none());
        vm.warp(batch.header.periodEnd);
        batch.header.roster = 0;
        refuse(batch, abi.encodeWithSelector(IReferee.ScheduledChannelFieldMissing.selector));
        batch = sealDay(0, none());
        batch.header.witnesses = bytes32(uint256(1));
        refuse(batch, abi.encodeWithSelector(IReferee.ReservedFieldSet.selector));
        batch.header.witnesses = 0;
        batch.header.entryCount = 0;
        refuse(batch, abi.encodeWithSelector(IReferee.EntryCountOutOfRange.selector, 0));
        batch.header.entryCount = (1 << 20) + 1;
        refuse(batch, abi.encodeWithSelector(IReferee.EntryCountOutOfRange.selector, (1 << 20) + 1));
    }

    function test_OpenChannelHasNoDeadlineRosterOrState() public {
        (bytes32 open, uint256 secret) = openChannel();
        Sealed memory batch = sealOpen(open, secret, none());
        batch.header.roster = "set";
        signHeader(batch, secret);
        refuse(batch, abi.encodeWithSelector(IReferee.OpenChannelFieldSet.selector));
        batch.header.roster = 0;
        batch.header.state = "set";
        signHeader(batch, secret);
        refuse(batch, abi.encodeWithSelector(IReferee.OpenChannelFieldSet.selector));
        batch.header.state = 0;
        signHeader(batch, secret);
        commitBatch(batch);
    }

    /// @dev An open channel with the operator's deposit and key, 90 days on.
    function openChannel() private returns (bytes32 open, uint256 secret) {
        open = referee.createChannel(ChannelKind.Open, "statements", openParameters(), modules(), terms());
        secret = uint256(keccak256("open enclave"));
        vm.prank(operator, operator);
        referee.deposit{value: 10 ether}(open);
        vm.warp(DAY_0 + 90 days);
        vm.roll(2000);
        registerKey(operator, secret, open, WORKLOAD);
    }

    function sealOpen(bytes32 open, uint256 secret, Sealed memory before) private view returns (Sealed memory batch) {
        batch = sealDay(0, before);
        batch.header.channel = open;
        batch.header.roster = 0;
        batch.header.state = 0;
        batch.header.entryCount = 1;
        signHeader(batch, secret);
    }

    function test_RefusesForeignAndExpiredKeys() public {
        Sealed memory batch = sealDay(0, none());
        vm.warp(batch.header.periodEnd);
        uint256 other = uint256(keccak256("other enclave"));
        signHeader(batch, other);
        refuse(batch, abi.encodeWithSelector(IReferee.EnclaveKeyNotActive.selector, vm.addr(other), WORKLOAD));
        batch.header.workload = keccak256("other workload");
        signHeader(batch, ENCLAVE);
        refuse(
            batch,
            abi.encodeWithSelector(IReferee.EnclaveKeyNotActive.selector, vm.addr(ENCLAVE), keccak256("other workload"))
        );
        Sealed memory late = sealDay(29, none());
        vm.warp(DAY_0 + 30 days);
        refuse(late, abi.encodeWithSelector(IReferee.EnclaveKeyNotActive.selector, vm.addr(ENCLAVE), WORKLOAD));
    }

    function test_RefusesMalleableAndMalformedSignatures() public {
        Sealed memory batch = sealDay(0, none());
        vm.warp(batch.header.periodEnd);
        bytes memory reason = abi.encodeWithSelector(IReferee.InvalidSignature.selector);
        (bytes32 r, bytes32 vs) = compact(batch.signature);
        bytes32 top = bytes32(uint256(1) << 255);
        // Two words have no room for most high s: the largest low one is the last that is not refused for being high.
        bytes32 half = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;
        vm.assertEq(ORDER / 2, uint256(half));
        refuseSigned(batch, r, bytes32(uint256(half) + 1), reason);
        refuseSigned(batch, r, bytes32(uint256(half) + 1) | top, reason);
        refuseSigned(batch, 0, vs, reason);
        refuseSigned(batch, bytes32(ORDER), vs, reason);
        refuseSigned(batch, r, vs & top, reason);
        refuseOther(batch, r, vs ^ top);
        refuseOther(batch, r, half);
        refuseOther(batch, r, bytes32(ORDER - uint256(vs & ~top))); // the other s of the same signature, cut to 255 bits
    }

    /// @dev A signature, but another key's.
    function refuseOther(Sealed memory batch, bytes32 r, bytes32 vs) private {
        vm.prank(operator, operator);
        vm.expectPartialRevert(IReferee.EnclaveKeyNotActive.selector);
        referee.commit(batch.header, r, vs, new bytes32[](0));
    }

    function test_RefusesDirtyPadding() public {
        Sealed memory batch = sealDay(0, none());
        vm.warp(batch.header.periodEnd);
        bytes memory call = commitInput(batch);
        // entryCount is word 7; one bit above its 32.
        call[4 + 7 * 32 + 27] = 0x01;
        vm.prank(operator, operator);
        (bool success,) = address(referee).call(call);
        vm.assertFalse(success);
    }

    function test_RefusesWithoutDeposit() public {
        address poor = address(0x9009);
        uint256 secret = uint256(keccak256("poor enclave"));
        vm.deal(poor, 10 ether);
        vm.prank(poor);
        referee.deposit{value: EXPOSURE - 1 gwei}(channel);
        registerKey(poor, secret, channel, WORKLOAD);
        Sealed memory batch = sealDay(0, none());
        vm.warp(batch.header.periodEnd);
        batch.header.operator = poor;
        signHeader(batch, secret);
        refuse(batch, abi.encodeWithSelector(IReferee.InsufficientDeposit.selector, EXPOSURE, EXPOSURE - 1 gwei));
        vm.prank(poor);
        referee.deposit{value: 1 gwei}(channel);
        commitBatch(batch);
    }

    function test_ReleaseDropsFinalBatchesInOrder() public {
        Sealed memory first = commitDay(0, none());
        Sealed memory second = commitDay(1, first);
        commitDay(2, second);
        vm.warp(first.record.committedAt + 7 days);
        refuseRelease(runOf(channel, operator, 1, 2), abi.encodeWithSelector(IBatchErrors.BatchNotFinal.selector, 2));
        refuseRelease(runOf(channel, operator, 2, 1), abi.encodeWithSelector(IReferee.ReleaseOutOfOrder.selector, 1, 3));
        vm.warp(second.record.committedAt + 7 days);
        referee.release(runOf(channel, operator, 1, 2));
        OperatorHead memory head = referee.operatorHead(channel, operator);
        vm.assertEq(head.exposureGwei, EXPOSURE_GWEI);
        vm.assertEq(head.openBatches, 1);
        refuseRelease(runOf(channel, operator, 2, 2), abi.encodeWithSelector(IReferee.ReleaseOutOfOrder.selector, 3, 3));
        BatchRun memory nothing = runOf(channel, operator, 3, 0);
        refuseRelease(nothing, abi.encodeWithSelector(IBatchErrors.UnknownBatch.selector, channel, operator, 3));
    }

    /// @dev The whole life at once: nothing is released that is not there, and nothing twice.
    function test_ReleaseOfAllLeavesNothing() public {
        Sealed memory batch;
        for (uint64 day = 0; day < 11; ++day) {
            batch = commitDay(day, batch);
        }
        vm.warp(batch.record.committedAt + 7 days);
        BatchRun memory run = runOf(channel, operator, 1, 11);
        referee.release(run);
        vm.assertEq(referee.operatorHead(channel, operator).exposureGwei, 0);
        vm.assertEq(referee.operatorHead(channel, operator).openBatches, 0);
        refuseRelease(run, abi.encodeWithSelector(IReferee.ReleaseOutOfOrder.selector, 12, 11));
    }

    function test_FinalOnlyAfterTheWindow() public {
        Sealed memory batch = commitDay(0, none());
        vm.warp(batch.record.committedAt + 7 days - 1);
        vm.assertTrue(stateOf(batch) == BatchState.Committed);
        vm.warp(batch.record.committedAt + 7 days);
        vm.assertTrue(stateOf(batch) == BatchState.Final);
        BatchReference memory wrong = refer(batch);
        wrong.record.committedAt -= 1;
        vm.expectRevert(abi.encodeWithSelector(IBatchErrors.UnknownBatch.selector, channel, operator, 1));
        referee.stateOf(wrong);
    }

    function testFuzz_HeadWordRoundTrips(uint256 word) public pure {
        word = word >> 4 << 4 | word % 6;
        OperatorHead memory head = OperatorHeads.unpack(word);
        uint256 packed = uint256(head.state) | uint256(head.openBatches) << 4 | uint256(head.sequence) << 20
            | uint256(head.committedAt) << 52 | uint256(head.stakeGwei) << 92 | uint256(head.exposureGwei) << 144
            | uint256(head.depositGwei) << 200;
        vm.assertEq(packed, word);
    }

    function testFuzz_AfterCommitTouchesOnlyItsFields(uint256 word, uint56 added, uint40 time) public pure {
        word = word >> 4 << 4 | uint256(OperatorState.Registered);
        OperatorHead memory head = OperatorHeads.unpack(word);
        vm.assume(uint256(head.exposureGwei) + added <= type(uint56).max && head.sequence < type(uint32).max);
        vm.assume(head.openBatches < type(uint16).max);
        OperatorHead memory next = OperatorHeads.unpack(OperatorHeads.afterCommit(word, time, added));
        vm.assertTrue(next.state == OperatorState.Active);
        vm.assertEq(next.openBatches, head.openBatches + 1);
        vm.assertEq(next.sequence, head.sequence + 1);
        vm.assertEq(next.committedAt, time);
        vm.assertEq(next.stakeGwei, head.stakeGwei);
        vm.assertEq(next.exposureGwei, uint256(head.exposureGwei) + added);
        vm.assertEq(next.depositGwei, head.depositGwei);
    }

    /// @dev Each of the other changes touches its own field and nothing else.
    function testFuzz_OtherChangesTouchOnlyTheirFields(uint256 word, uint56 amount, uint16 count) public view {
        word = word >> 4 << 4 | word % 6;
        OperatorHead memory head = OperatorHeads.unpack(word);
        OperatorHead memory next = OperatorHeads.unpack(OperatorHeads.withState(word, OperatorState.Banned));
        vm.assertTrue(next.state == OperatorState.Banned);
        next.state = head.state;
        same(next, head);
        next = OperatorHeads.unpack(OperatorHeads.withStake(word, amount >> 4));
        vm.assertEq(next.stakeGwei, amount >> 4);
        next.stakeGwei = head.stakeGwei;
        same(next, head);
        next = OperatorHeads.unpack(OperatorHeads.withDeposit(word, amount));
        vm.assertEq(next.depositGwei, amount);
        next.depositGwei = head.depositGwei;
        same(next, head);
        if (amount <= head.exposureGwei) {
            next = OperatorHeads.unpack(OperatorHeads.lessExposure(word, amount));
            next.exposureGwei += amount;
            same(next, head);
        } else {
            try this.lessExposure(word, amount) {
                vm.assertTrue(false);
            } catch {}
        }
        if (amount <= head.depositGwei) {
            next = OperatorHeads.unpack(OperatorHeads.lessDeposit(word, amount));
            next.depositGwei += amount;
            same(next, head);
        } else {
            try this.lessDeposit(word, amount) {
                vm.assertTrue(false);
            } catch {}
        }
        if (count <= head.openBatches) {
            next = OperatorHeads.unpack(OperatorHeads.lessOpen(word, count));
            next.openBatches += count;
            same(next, head);
        }
    }

    function lessExposure(uint256 word, uint256 amount) external pure returns (uint256) {
        return OperatorHeads.lessExposure(word, amount);
    }

    function lessDeposit(uint256 word, uint256 amount) external pure returns (uint256) {
        return OperatorHeads.lessDeposit(word, amount);
    }

    function same(OperatorHead memory one, OperatorHead memory other) private pure {
        vm.assertEq(keccak256(abi.encode(one)), keccak256(abi.encode(other)));
    }

    function mismatch(bytes32 kept, bytes32 actual) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IBatchErrors.HistoryMismatch.selector, kept, actual);
    }

    function refuse(Sealed memory batch, bytes memory reason) private {
        refuseWith(batch, historian.peaksOf(batch.header.channel, batch.header.operator), reason);
    }

    function refuseWith(Sealed memory batch, bytes32[] memory peaks, bytes memory reason) private {
        if (block.timestamp < batch.header.periodEnd && bytes4(reason) != IReferee.PeriodNotOver.selector) {
            vm.warp(batch.header.periodEnd);
        }
        (bytes32 r, bytes32 vs) = compact(batch.signature);
        vm.prank(batch.header.operator, batch.header.operator);
        vm.expectRevert(reason);
        referee.commit(batch.header, r, vs, peaks);
    }

    function refuseSigned(Sealed memory batch, bytes32 r, bytes32 vs, bytes memory reason) private {
        vm.prank(operator, operator);
        vm.expectRevert(reason);
        referee.commit(batch.header, r, vs, new bytes32[](0));
    }

    function refuseRelease(BatchRun memory run, bytes memory reason) private {
        vm.expectRevert(reason);
        referee.release(run);
    }
}
