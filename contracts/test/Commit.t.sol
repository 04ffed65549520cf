// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "../src/interfaces/IReferee.sol";
import {BatchHeader} from "../src/types/BatchHeader.sol";
import {BatchRecord, BatchState} from "../src/types/BatchRecord.sol";
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
        vm.assertEq(head.firstUnreleased, 1);
        vm.assertEq(head.openExposureWei, 2 * EXPOSURE);
        vm.assertTrue(head.state == OperatorState.Active);
        vm.assertEq(referee.recordDigestOf(channel, operator, 2), keccak256(abi.encode(second.record)));
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
            vm.prank(operator, operator);
            vm.expectRevert();
            referee.commit(changed, batch.signature, first.record);
        }
        commitDay(1, first);
    }

    function test_RefusesOthersThanTheOperator() public {
        Sealed memory batch = sealDay(0, none());
        vm.warp(batch.header.periodEnd);
        vm.expectRevert(abi.encodeWithSelector(IReferee.NotOperator.selector, operator, address(this)));
        referee.commit(batch.header, batch.signature, none().record);
    }

    function test_RefusesUnknownChannel() public {
        Sealed memory batch = sealDay(0, none());
        batch.header.channel = "nowhere";
        refuse(batch, none().record, abi.encodeWithSelector(IReferee.UnknownChannel.selector, bytes32("nowhere")));
    }

    function test_RefusesPeriods() public {
        Sealed memory batch = sealDay(0, none());
        vm.warp(batch.header.periodEnd - 1);
        refuse(
            batch,
            none().record,
            abi.encodeWithSelector(IReferee.PeriodNotOver.selector, DAY_0 + EPOCH, DAY_0 + EPOCH - 1)
        );
        uint64 deadline = batch.header.periodEnd + 2 hours;
        vm.warp(deadline);
        refuse(batch, none().record, abi.encodeWithSelector(IReferee.CommitDeadlinePassed.selector, deadline, deadline));
        batch.header.periodStart += 1;
        batch.header.periodEnd += 1;
        signHeader(batch, ENCLAVE);
        refuse(
            batch, none().record, abi.encodeWithSelector(IReferee.PeriodInvalid.selector, DAY_0 + 1, DAY_0 + EPOCH + 1)
        );
    }

    function test_CommitsInTheLastSecondBeforeTheDeadline() public {
        Sealed memory batch = sealDay(0, none());
        vm.warp(batch.header.periodEnd + 2 hours - 1);
        commitBatch(batch, none());
    }

    function test_RefusesASecondBatchOfAPeriod() public {
        Sealed memory first = commitDay(0, none());
        Sealed memory again = sealDay(0, first);
        refuse(
            again,
            first.record,
            abi.encodeWithSelector(IReferee.PeriodAlreadyCommitted.selector, again.header.periodEnd)
        );
    }

    function test_RefusesWrongPrevious() public {
        Sealed memory first = commitDay(0, none());
        Sealed memory second = sealDay(1, first);
        vm.warp(second.header.periodEnd);
        BatchRecord memory wrong = first.record;
        wrong.committedAt += 1;
        refuse(second, wrong, abi.encodeWithSelector(IReferee.UnknownBatch.selector, channel, operator, 1));
        wrong.committedAt -= 1;
        wrong.headerDigest = keccak256("other");
        refuse(
            second,
            wrong,
            abi.encodeWithSelector(IReferee.PreviousMismatch.selector, keccak256("other"), second.header.previous)
        );
        second.header.previous = keccak256("other");
        signHeader(second, ENCLAVE);
        refuse(second, wrong, abi.encodeWithSelector(IReferee.UnknownBatch.selector, channel, operator, 1));
    }

    function test_RefusesAFirstBatchWithAPrevious() public {
        Sealed memory batch = sealDay(0, none());
        vm.warp(batch.header.periodEnd);
        BatchRecord memory record;
        record.parametersVersion = 1;
        refuse(batch, record, abi.encodeWithSelector(IReferee.UnknownBatch.selector, channel, operator, 0));
    }

    function test_RefusesWrongSequence() public {
        Sealed memory batch = sealDay(0, none());
        vm.warp(batch.header.periodEnd);
        batch.header.sequence = 2;
        signHeader(batch, ENCLAVE);
        refuse(batch, none().record, abi.encodeWithSelector(IReferee.SequenceMismatch.selector, 1, 2));
    }

    function test_RefusesFieldsOfTheWrongKind() public {
        Sealed memory batch = sealDay(0, none());
        vm.warp(batch.header.periodEnd);
        batch.header.roster = 0;
        refuse(batch, none().record, abi.encodeWithSelector(IReferee.ScheduledChannelFieldMissing.selector));
        batch = sealDay(0, none());
        batch.header.witnesses = bytes32(uint256(1));
        refuse(batch, none().record, abi.encodeWithSelector(IReferee.ReservedFieldSet.selector));
        batch.header.witnesses = 0;
        batch.header.entryCount = 0;
        refuse(batch, none().record, abi.encodeWithSelector(IReferee.EntryCountOutOfRange.selector, 0));
        batch.header.entryCount = (1 << 20) + 1;
        refuse(batch, none().record, abi.encodeWithSelector(IReferee.EntryCountOutOfRange.selector, (1 << 20) + 1));
    }

    function test_OpenChannelHasNoDeadlineRosterOrState() public {
        bytes32 open = referee.createChannel(ChannelKind.Open, "statements", openParameters());
        uint256 secret = uint256(keccak256("open enclave"));
        vm.prank(operator, operator);
        referee.deposit{value: 10 ether}(open);
        registerKey(operator, secret, open, WORKLOAD);
        Sealed memory batch = sealDay(0, none());
        batch.header.channel = open;
        vm.warp(DAY_0 + 90 days);
        vm.roll(2000);
        registerKey(operator, secret, open, WORKLOAD);
        signHeader(batch, secret);
        refuse(batch, none().record, abi.encodeWithSelector(IReferee.OpenChannelFieldSet.selector));
        batch.header.roster = 0;
        batch.header.state = 0;
        batch.header.entryCount = 1;
        signHeader(batch, secret);
        commitBatch(batch, none());
    }

    function test_RefusesForeignAndExpiredKeys() public {
        Sealed memory batch = sealDay(0, none());
        vm.warp(batch.header.periodEnd);
        uint256 other = uint256(keccak256("other enclave"));
        signHeader(batch, other);
        refuse(
            batch,
            none().record,
            abi.encodeWithSelector(IReferee.EnclaveKeyNotActive.selector, vm.addr(other), WORKLOAD)
        );
        batch.header.workload = keccak256("other workload");
        signHeader(batch, ENCLAVE);
        refuse(
            batch,
            none().record,
            abi.encodeWithSelector(IReferee.EnclaveKeyNotActive.selector, vm.addr(ENCLAVE), keccak256("other workload"))
        );
        Sealed memory late = sealDay(29, none());
        vm.warp(DAY_0 + 30 days);
        refuse(
            late,
            none().record,
            abi.encodeWithSelector(IReferee.EnclaveKeyNotActive.selector, vm.addr(ENCLAVE), WORKLOAD)
        );
    }

    function test_RefusesMalleableAndMalformedSignatures() public {
        Sealed memory batch = sealDay(0, none());
        vm.warp(batch.header.periodEnd);
        bytes memory reason = abi.encodeWithSelector(IReferee.InvalidSignature.selector);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(ENCLAVE, batch.record.headerDigest);
        batch.signature = abi.encodePacked(r, bytes32(ORDER - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        refuse(batch, none().record, reason);
        batch.signature = abi.encodePacked(r, s, v - 27);
        refuse(batch, none().record, reason);
        batch.signature = abi.encodePacked(r, s, v, uint8(0));
        refuse(batch, none().record, reason);
        batch.signature = "";
        refuse(batch, none().record, reason);
    }

    function test_RefusesDirtyPadding() public {
        Sealed memory batch = sealDay(0, none());
        vm.warp(batch.header.periodEnd);
        bytes memory call = abi.encodeCall(referee.commit, (batch.header, batch.signature, none().record));
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
        referee.deposit{value: EXPOSURE - 1}(channel);
        registerKey(poor, secret, channel, WORKLOAD);
        Sealed memory batch = sealDay(0, none());
        vm.warp(batch.header.periodEnd);
        batch.header.operator = poor;
        signHeader(batch, secret);
        refuse(
            batch, none().record, abi.encodeWithSelector(IReferee.InsufficientDeposit.selector, EXPOSURE, EXPOSURE - 1)
        );
        vm.prank(poor);
        referee.deposit{value: 1}(channel);
        commitBatch(batch, none());
    }

    function test_ReleaseDropsFinalBatchesInOrder() public {
        Sealed memory first = commitDay(0, none());
        Sealed memory second = commitDay(1, first);
        BatchRecord[] memory records = new BatchRecord[](2);
        records[0] = first.record;
        records[1] = second.record;
        vm.warp(first.record.committedAt + 7 days);
        vm.expectRevert(abi.encodeWithSelector(IReferee.BatchNotFinal.selector, 2));
        referee.release(channel, operator, records);
        vm.warp(second.record.committedAt + 7 days);
        referee.release(channel, operator, records);
        OperatorHead memory head = referee.operatorHead(channel, operator);
        vm.assertEq(head.openExposureWei, 0);
        vm.assertEq(head.firstUnreleased, 3);
        vm.expectRevert(abi.encodeWithSelector(IReferee.UnknownBatch.selector, channel, operator, 3));
        referee.release(channel, operator, records);
    }

    function test_FinalOnlyAfterTheWindow() public {
        Sealed memory batch = commitDay(0, none());
        vm.warp(batch.record.committedAt + 7 days - 1);
        vm.assertFalse(referee.isFinal(channel, operator, 1, batch.record));
        vm.warp(batch.record.committedAt + 7 days);
        vm.assertTrue(referee.isFinal(channel, operator, 1, batch.record));
        batch.record.committedAt -= 1;
        vm.expectRevert(abi.encodeWithSelector(IReferee.UnknownBatch.selector, channel, operator, 1));
        referee.isFinal(channel, operator, 1, batch.record);
    }

    function testFuzz_HeadWordRoundTrips(uint256 word) public pure {
        word = word >> 8 << 8 | word % 6;
        vm.assertEq(OperatorHeads.pack(OperatorHeads.unpack(word)), word);
    }

    function testFuzz_AfterCommitTouchesOnlyItsFields(uint256 word, uint88 exposure) public pure {
        word = word >> 8 << 8 | uint256(OperatorState.Registered);
        OperatorHead memory head = OperatorHeads.unpack(word);
        vm.assume(uint256(head.openExposureWei) + exposure <= type(uint88).max && head.sequence < type(uint32).max);
        OperatorHead memory next = OperatorHeads.unpack(OperatorHeads.afterCommit(word, exposure));
        vm.assertTrue(next.state == OperatorState.Active);
        vm.assertEq(next.sequence, head.sequence + 1);
        vm.assertEq(next.firstUnreleased, head.firstUnreleased);
        vm.assertEq(next.openExposureWei, uint256(head.openExposureWei) + exposure);
        vm.assertEq(next.depositWei, head.depositWei);
    }

    function refuse(Sealed memory batch, BatchRecord memory previous, bytes memory reason) private {
        if (block.timestamp < batch.header.periodEnd && bytes4(reason) != IReferee.PeriodNotOver.selector) {
            vm.warp(batch.header.periodEnd);
        }
        vm.prank(batch.header.operator, batch.header.operator);
        vm.expectRevert(reason);
        referee.commit(batch.header, batch.signature, previous);
    }
}
