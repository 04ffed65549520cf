// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "../src/interfaces/IReferee.sol";
import {MerkleRfc9162} from "../src/lib/MerkleRfc9162.sol";
import {BatchRecord, BatchState, EntryInclusion} from "../src/types/BatchRecord.sol";
import {ChannelParameters} from "../src/types/Channel.sol";
import {ChallengeState, DirectedChallenge} from "../src/types/DirectedChallenge.sol";
import {Sealed, World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";

/// @notice The numbers are those of the attacks listed in the protocol's design.
contract DirectedChallengesTest is World {
    address private constant BURN = 0x000000000000000000000000000000000000dEaD;

    function test_Attack1_WithheldEntrySlashes() public {
        Sealed memory batch = commitDay(0, none());
        uint256 paid = challengeEntry(batch, 2);
        vm.assertEq(paid, 0.02 ether);
        expireEntry(batch, 2);
        vm.assertEq(depositOf(operator), 100 ether - 1.2 ether);
        vm.assertEq(referee.owed(catcher), paid + 0.2 ether);
        vm.assertEq(BURN.balance, 1 ether);
        vm.assertEq(referee.recordDigestOf(channel, operator, 1), keccak256(abi.encode(batch.record)));
        vm.warp(block.timestamp + 365 days);
        vm.assertFalse(referee.isFinal(channel, operator, 1, batch.record), "slashed is never final");
    }

    function test_AnswerReimbursesFromTheBondAndBurnsTheRest() public {
        Sealed memory batch = commitDay(0, none());
        uint256 paid = challengeEntry(batch, 4);
        vm.txGasPrice(2 gwei);
        vm.prank(operator, operator);
        referee.answer(batch.header, batch.record, inclusion(batch, 4));
        uint256 reimbursed = referee.owed(operator);
        vm.assertGt(reimbursed, 62_000 * 2 gwei);
        vm.assertLt(reimbursed, 0.01 ether);
        vm.assertEq(BURN.balance, paid - reimbursed);
        vm.warp(batch.record.committedAt + 7 days);
        vm.assertTrue(referee.isFinal(channel, operator, 1, batch.record));
    }

    /// @dev Here every slot is warm; the overhead pays for most of an answerer's first credit, a new slot.
    function test_AnswererIsOwedWhatTheAnswerCost() public {
        Sealed memory batch = commitDay(0, none());
        vm.deal(BURN, 1);
        for (uint32 index = 0; index < 3; ++index) {
            challengeEntry(batch, index);
            EntryInclusion memory entry_ = inclusion(batch, index);
            bytes memory input = abi.encodeCall(referee.answer, (batch.header, batch.record, entry_));
            uint256 owed = referee.owed(operator);
            vm.txGasPrice(1 gwei);
            vm.prank(operator, operator);
            uint256 left = gasleft();
            (bool success,) = address(referee).call(input);
            uint256 spent = left - gasleft() + 21_000 + inputGas(input);
            vm.txGasPrice(0);
            vm.assertTrue(success);
            vm.assertGe(referee.owed(operator) - owed, spent * 1 gwei * 9 / 10);
            vm.assertLe(referee.owed(operator) - owed, spent * 1 gwei * 7 / 4);
        }
    }

    function test_Attack2_WrongAnswersChangeNothing() public {
        Sealed memory batch = commitDay(0, none());
        challengeEntry(batch, 2);
        uint40 deadline = referee.challengeOf(channel, operator, 1, 2).deadline;

        EntryInclusion memory wrong = inclusion(batch, 2);
        wrong.payload[60] ^= 0x01;
        refuseAnswer(batch, wrong, MerkleRfc9162.RootMismatch.selector);
        wrong = inclusion(batch, 2);
        wrong.salt ^= bytes16(uint128(1));
        refuseAnswer(batch, wrong, MerkleRfc9162.RootMismatch.selector);
        wrong = inclusion(batch, 2);
        wrong.path[1] ^= bytes32(uint256(1));
        refuseAnswer(batch, wrong, MerkleRfc9162.RootMismatch.selector);
        wrong = inclusion(batch, 3);
        wrong.index = 2;
        refuseAnswer(batch, wrong, MerkleRfc9162.RootMismatch.selector);
        wrong = inclusion(batch, 2);
        wrong.path = new bytes32[](4);
        refuseAnswer(batch, wrong, MerkleRfc9162.PathLengthWrong.selector);
        wrong = inclusion(batch, 2);
        wrong.payload = bytes.concat(wrong.payload, hex"00");
        refuseAnswer(batch, wrong, IReferee.EntryLengthInvalid.selector);
        refuseAnswer(batch, inclusion(batch, 3), IReferee.UnknownChallenge.selector);

        DirectedChallenge memory open = referee.challengeOf(channel, operator, 1, 2);
        vm.assertEq(open.deadline, deadline, "deadline unchanged");
        vm.assertTrue(open.state == ChallengeState.Open);
        referee.answer(batch.header, batch.record, inclusion(batch, 2));
        refuseAnswer(batch, inclusion(batch, 2), IReferee.ChallengeNotOpen.selector);
    }

    function test_LateAnswerAndEarlyExpiryRevert() public {
        Sealed memory batch = commitDay(0, none());
        challengeEntry(batch, 0);
        uint64 deadline = referee.challengeOf(channel, operator, 1, 0).deadline;
        vm.assertEq(deadline, batch.record.committedAt + 24 hours);
        vm.warp(deadline - 1);
        vm.expectRevert(abi.encodeWithSelector(IReferee.AnswerWindowOpen.selector, deadline, deadline - 1));
        referee.expire(channel, operator, 1, batch.record, 0);
        vm.warp(deadline);
        refuseAnswer(batch, inclusion(batch, 0), IReferee.AnswerWindowClosed.selector);
        referee.expire(channel, operator, 1, batch.record, 0);
    }

    /// @dev 5: an operator that challenges itself and lets it expire burns S and moves R_catch from one pocket to the other.
    function test_Attack5_SelfChallengeLoses() public {
        Sealed memory batch = commitDay(0, none());
        uint256 before = operator.balance + depositOf(operator);
        uint256 paid = bond(batch);
        vm.prank(operator, operator);
        referee.challenge{value: paid}(batch.header, batch.record, 1);
        expireEntry(batch, 1);
        vm.assertEq(before - (operator.balance + depositOf(operator) + referee.owed(operator)), 1 ether);
    }

    function test_Attack7_ExitAskedIsStillSlashable() public {
        Sealed memory batch = commitDay(0, none());
        vm.prank(operator, operator);
        referee.requestExit(channel);
        challengeEntry(batch, 0);
        expireEntry(batch, 0);
        vm.assertEq(depositOf(operator), 98.8 ether);
    }

    /// @dev 8: the deposit covers every open batch and one wei less does not; slashing all leaves the gas reserves.
    function test_Attack8_AllOpenBatchesBad() public {
        address account = address(0x8888);
        uint256 secret = uint256(keccak256("eight"));
        vm.deal(account, 100 ether);
        vm.prank(account);
        referee.deposit{value: 3 * EXPOSURE}(channel);
        registerKey(account, secret, channel, WORKLOAD);
        Sealed[] memory batches = new Sealed[](4);
        for (uint64 day = 0; day < 4; ++day) {
            Sealed memory before = day == 0 ? none() : batches[day - 1];
            batches[day] = sealDay(day, before);
            batches[day].header.operator = account;
            signHeader(batches[day], secret);
            vm.warp(batches[day].header.periodEnd);
            vm.prank(account, account);
            if (day == 3) {
                vm.expectRevert(
                    abi.encodeWithSelector(IReferee.InsufficientDeposit.selector, 4 * EXPOSURE, 3 * EXPOSURE)
                );
            }
            referee.commit(batches[day].header, batches[day].signature, before.record);
            if (day < 3) {
                recordCommit(batches[day]);
                challengeEntry(batches[day], 0);
            }
        }
        for (uint64 day = 0; day < 3; ++day) {
            vm.warp(DAY_0 + 5 days);
            expireEntry(batches[day], 0);
        }
        vm.assertEq(referee.operatorHead(channel, account).depositWei, 3 * 0.05 ether);
        vm.assertEq(referee.operatorHead(channel, account).openExposureWei, 0);
        vm.assertEq(BURN.balance, 3 ether);
    }

    /// @dev 9: every fourth challenge open at once has another window's time, and each costs more than the one before.
    function test_Attack9_ManyChallengesAreAnswerableAndCostTheAttacker() public {
        Sealed[] memory batches = new Sealed[](4);
        uint256 spent;
        for (uint64 day = 0; day < 4; ++day) {
            batches[day] = commitDay(day, day == 0 ? none() : batches[day - 1]);
            for (uint32 index = 0; index < METERS; ++index) {
                spent += challengeEntry(batches[day], index);
            }
            vm.warp(batches[day].header.periodEnd + 1);
        }
        DirectedChallenge memory last = referee.challengeOf(channel, operator, 4, METERS - 1);
        vm.assertEq(last.ordinal, 20);
        vm.assertEq(last.deadline, batches[3].record.committedAt + 5 * 24 hours);
        vm.assertEq(bond(batches[3]), 0.02 ether * 28 / 8);
        vm.assertEq(spent, 20 * 0.02 ether * 7 / 8 + 0.02 ether * 210 / 8, "sum of base * (7 + j) / 8");
    }

    function test_Attack9_HundredAnswersInTimeAndAttackerPays() public {
        // One operator, one batch per day, five entries: a hundred challenges over twenty batches, answered day by day.
        Sealed memory batch;
        uint256 before = catcher.balance;
        vm.txGasPrice(1 gwei);
        for (uint64 day = 0; day < 20; ++day) {
            batch = commitDay(day, batch);
            for (uint32 index = 0; index < METERS; ++index) {
                challengeEntry(batch, index);
            }
            for (uint32 index = 0; index < METERS; ++index) {
                vm.prank(operator, operator);
                referee.answer(batch.header, batch.record, inclusion(batch, index));
            }
        }
        vm.assertEq(referee.operatorExtra(channel, operator).openChallenges, 0);
        vm.assertEq(depositOf(operator), 100 ether, "no stake lost");
        vm.assertGt(before - catcher.balance, 100 * 0.02 ether - 1, "the attacker paid every bond");
        vm.assertEq(referee.owed(catcher), 0);
    }

    function test_Attack10_SameEntryTwiceReverts() public {
        Sealed memory batch = commitDay(0, none());
        challengeEntry(batch, 3);
        referee.answer(batch.header, batch.record, inclusion(batch, 3));
        uint256 paid = bond(batch);
        vm.prank(catcher);
        vm.expectRevert(abi.encodeWithSelector(IReferee.ChallengeExists.selector, 1, 3));
        referee.challenge{value: paid}(batch.header, batch.record, 3);
    }

    function test_Attack11_OutOfWindowUnknownBatchOrEntryReverts() public {
        Sealed memory batch = commitDay(0, none());
        uint64 closes = batch.record.committedAt + 7 days;
        refuseChallenge(batch, METERS, abi.encodeWithSelector(IReferee.EntryIndexOutOfRange.selector, METERS, METERS));
        BatchRecord memory record = batch.record;
        record.headerDigest ^= bytes32(uint256(1));
        refuseChallenge(batch, 0, abi.encodeWithSelector(IReferee.UnknownBatch.selector, channel, operator, 1));
        record.headerDigest ^= bytes32(uint256(1));
        batch.header.contentId ^= bytes32(uint256(1));
        refuseChallenge(
            batch,
            0,
            abi.encodeWithSelector(
                IReferee.HeaderMismatch.selector, record.headerDigest, referee.headerDigest(batch.header)
            )
        );
        batch.header.contentId ^= bytes32(uint256(1));
        vm.warp(closes);
        refuseChallenge(batch, 0, abi.encodeWithSelector(IReferee.ChallengeWindowClosed.selector, closes, closes));
        vm.warp(closes - 1);
        challengeEntry(batch, 0);
    }

    function test_Attack15_OldParametersApply() public {
        Sealed memory batch = commitDay(0, none());
        ChannelParameters memory p = parameters();
        p.stakeWei = 50 ether;
        p.answerWindowS = 1 hours;
        p.challengeWindowS = 20 days;
        p.baseBondWei = 1 ether;
        vm.warp(DAY_0 + 1 days);
        vm.prank(manager);
        referee.queueParameters(channel, p);
        challengeEntry(batch, 0);
        vm.warp(DAY_0 + 8 days - 1);
        Sealed memory late = batch;
        vm.warp(DAY_0 + 8 days);
        referee.applyParameters(channel);
        vm.assertEq(referee.challengeOf(channel, operator, 1, 0).deadline, batch.record.committedAt + 24 hours);
        uint256 owed = referee.owed(catcher);
        expireEntry(late, 0);
        vm.assertEq(referee.owed(catcher) - owed, 0.02 ether + 0.2 ether);
        vm.assertEq(depositOf(operator), 98.8 ether, "the stake of the commit, not of today");
    }

    /// @dev 19: the challenger who comes second has its bond demanded higher; a margin is owed back.
    function test_Attack19_FrontRunChallengerKeepsMargin() public {
        Sealed memory batch = commitDay(0, none());
        challengeEntry(batch, 0);
        address second = address(0x5EC0);
        vm.deal(second, 1 ether);
        vm.prank(second);
        vm.expectRevert(abi.encodeWithSelector(IReferee.BondTooSmall.selector, 0.0225 ether, 0.02 ether));
        referee.challenge{value: 0.02 ether}(batch.header, batch.record, 1);
        vm.prank(second);
        referee.challenge{value: 0.03 ether}(batch.header, batch.record, 1);
        vm.assertEq(referee.owed(second), 0.0075 ether);
    }

    function test_Attack21_RevertingReceiverHoldsNothingUp() public {
        Sealed memory batch = commitDay(0, none());
        Refuser refuser = new Refuser();
        vm.deal(address(refuser), 1 ether);
        vm.prank(address(refuser));
        referee.challenge{value: 0.02 ether}(batch.header, batch.record, 0);
        expireEntry(batch, 0);
        vm.assertEq(referee.owed(address(refuser)), 0.22 ether);
        vm.prank(address(refuser));
        vm.expectRevert(abi.encodeWithSelector(IReferee.TransferFailed.selector, address(refuser), 0.22 ether));
        referee.withdrawOwed(payable(address(refuser)));
        address payable elsewhere = payable(address(0xE15E));
        vm.prank(address(refuser));
        referee.withdrawOwed(elsewhere);
        vm.assertEq(elsewhere.balance, 0.22 ether);
    }

    function test_ReentrantReceiverIsPaidOnce() public {
        Sealed memory batch = commitDay(0, none());
        Reenterer reenterer = new Reenterer(referee);
        vm.deal(address(reenterer), 1 ether);
        vm.prank(address(reenterer));
        referee.challenge{value: 0.02 ether}(batch.header, batch.record, 0);
        expireEntry(batch, 0);
        uint256 held = address(referee).balance;
        reenterer.pull();
        vm.assertEq(held - address(referee).balance, 0.22 ether);
        vm.assertTrue(reenterer.wasRefused());
    }

    function test_Attack22_BaseFeeSpikeIsCapped() public {
        Sealed memory batch = commitDay(0, none());
        challengeEntry(batch, 0);
        vm.txGasPrice(100_000 gwei);
        vm.prank(operator, operator);
        referee.answer(batch.header, batch.record, inclusion(batch, 0));
        vm.assertEq(referee.owed(operator), 0.01 ether);
    }

    function test_RefundOfChallengesOnASlashedBatch() public {
        Sealed memory batch = commitDay(0, none());
        challengeEntry(batch, 0);
        uint256 paid = challengeEntry(batch, 1);
        vm.expectRevert(abi.encodeWithSelector(IReferee.BatchNotSlashed.selector, 1));
        referee.refund(channel, operator, 1, batch.record, 1);
        expireEntry(batch, 0);
        vm.expectRevert(abi.encodeWithSelector(IReferee.BatchAlreadySlashed.selector, 1));
        referee.expire(channel, operator, 1, batch.record, 1);
        uint256 owed = referee.owed(catcher);
        referee.refund(channel, operator, 1, batch.record, 1);
        vm.assertEq(referee.owed(catcher) - owed, paid);
        vm.assertEq(depositOf(operator), 98.8 ether, "slashed once");
        vm.assertEq(referee.operatorExtra(channel, operator).openChallenges, 0);
        vm.expectRevert(abi.encodeWithSelector(IReferee.ChallengeNotOpen.selector, 1, 1));
        referee.refund(channel, operator, 1, batch.record, 1);
    }

    function test_OpenChallengeHoldsFinalityBack() public {
        Sealed memory batch = commitDay(0, none());
        vm.warp(batch.record.committedAt + 7 days - 1);
        challengeEntry(batch, 0);
        vm.warp(batch.record.committedAt + 7 days);
        vm.assertFalse(referee.isFinal(channel, operator, 1, batch.record));
        referee.answer(batch.header, batch.record, inclusion(batch, 0));
        vm.assertTrue(referee.isFinal(channel, operator, 1, batch.record));
    }

    function testFuzz_OnlyTheEntryAnswers(uint32 index, uint16 position, uint8 change) public {
        Sealed memory batch = commitDay(0, none());
        index = uint32(between(index, 0, METERS - 1));
        challengeEntry(batch, index);
        EntryInclusion memory entry = inclusion(batch, index);
        position = uint16(between(position, 0, 117));
        if (change != 0) {
            entry.payload[position] ^= bytes1(change);
            refuseAnswer(batch, entry, MerkleRfc9162.RootMismatch.selector);
        } else {
            referee.answer(batch.header, batch.record, entry);
        }
    }

    function refuseAnswer(Sealed memory batch, EntryInclusion memory entry, bytes4 reason) private {
        vm.expectPartialRevert(reason);
        referee.answer(batch.header, batch.record, entry);
    }

    function refuseChallenge(Sealed memory batch, uint32 index, bytes memory reason) private {
        vm.prank(catcher);
        vm.expectRevert(reason);
        referee.challenge{value: 1 ether}(batch.header, batch.record, index);
    }
}

contract Refuser {
    receive() external payable {
        revert("no, thank you");
    }
}

contract Reenterer {
    IReferee private immutable referee;
    bool public wasRefused;

    constructor(IReferee referee_) {
        referee = referee_;
    }

    function pull() external {
        referee.withdrawOwed(payable(address(this)));
    }

    receive() external payable {
        try referee.withdrawOwed(payable(address(this))) {}
        catch {
            wasRefused = true;
        }
    }
}
