// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBatchErrors} from "../src/interfaces/IBatchErrors.sol";
import {IDirectedChallenges} from "../src/interfaces/IDirectedChallenges.sol";
import {IPurse} from "../src/interfaces/IPurse.sol";
import {IReferee} from "../src/interfaces/IReferee.sol";
import {MerkleRfc9162} from "../src/lib/MerkleRfc9162.sol";
import {BatchReference, BatchState, EntryInclusion} from "../src/types/BatchRecord.sol";
import {ChannelParameters} from "../src/types/Channel.sol";
import {ChallengeState, ChallengeTerms, DirectedChallenge} from "../src/types/DirectedChallenge.sol";
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
        vm.assertEq(challenges.owed(catcher), paid, "the bond, from the challenges");
        vm.assertEq(referee.owed(catcher), 0.2 ether, "the reward, from the core");
        vm.assertEq(referee.owed(BURN), 1 ether);
        referee.withdrawBurned();
        vm.assertEq(BURN.balance, 1 ether);
        vm.assertTrue(stateOf(batch) == BatchState.Slashed);
        vm.warp(block.timestamp + 365 days);
        vm.assertTrue(stateOf(batch) == BatchState.Slashed, "slashed is never final");
    }

    function test_AnswerReimbursesFromTheBondAndBurnsTheRest() public {
        Sealed memory batch = commitDay(0, none());
        uint256 paid = challengeEntry(batch, 4);
        vm.txGasPrice(2 gwei);
        vm.prank(operator, operator);
        challenges.answer(batch.header, inclusion(batch, 4));
        uint256 reimbursed = challenges.owed(operator);
        vm.assertGt(reimbursed, 62_000 * 2 gwei);
        vm.assertLt(reimbursed, 0.01 ether);
        vm.assertEq(challenges.owed(BURN), paid - reimbursed);
        vm.txGasPrice(0);
        challenges.withdrawBurned();
        vm.assertEq(BURN.balance, paid - reimbursed);
        vm.expectRevert(abi.encodeWithSelector(IPurse.NothingOwed.selector, BURN));
        challenges.withdrawBurned();
        vm.warp(batch.record.committedAt + 7 days);
        vm.assertTrue(isFinal(batch));
    }

    function test_Attack2_WrongAnswersChangeNothing() public {
        Sealed memory batch = commitDay(0, none());
        challengeEntry(batch, 2);
        uint40 deadline = challengeOf(batch, 2).deadline;

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
        refuseAnswer(batch, wrong, IBatchErrors.EntryLengthInvalid.selector);
        refuseAnswer(batch, inclusion(batch, 3), IDirectedChallenges.UnknownChallenge.selector);

        DirectedChallenge memory open = challengeOf(batch, 2);
        vm.assertEq(open.deadline, deadline, "deadline unchanged");
        vm.assertTrue(open.state == ChallengeState.Open);
        challenges.answer(batch.header, inclusion(batch, 2));
        refuseAnswer(batch, inclusion(batch, 2), IDirectedChallenges.ChallengeNotOpen.selector);
    }

    function test_LateAnswerAndEarlyExpiryRevert() public {
        Sealed memory batch = commitDay(0, none());
        challengeEntry(batch, 0);
        uint64 deadline = challengeOf(batch, 0).deadline;
        vm.assertEq(deadline, batch.record.committedAt + 24 hours);
        vm.warp(deadline - 1);
        BatchReference memory referred = refer(batch);
        vm.expectRevert(abi.encodeWithSelector(IDirectedChallenges.AnswerWindowOpen.selector, deadline, deadline - 1));
        challenges.expire(referred, 0);
        vm.warp(deadline);
        refuseAnswer(batch, inclusion(batch, 0), IDirectedChallenges.AnswerWindowClosed.selector);
        challenges.expire(referred, 0);
        vm.expectRevert(abi.encodeWithSelector(IDirectedChallenges.ChallengeNotOpen.selector, 1, 0));
        challenges.expire(referred, 0);
    }

    /// @dev 5: an operator that challenges itself and lets it expire burns S and moves R_catch from one pocket to the other.
    function test_Attack5_SelfChallengeLoses() public {
        Sealed memory batch = commitDay(0, none());
        uint256 before = operator.balance + depositOf(operator);
        uint256 paid = bond(batch);
        BatchReference memory referred = refer(batch);
        vm.prank(operator, operator);
        challenges.challenge{value: paid}(batch.header, referred, 1);
        expireEntry(batch, 1);
        uint256 owed = referee.owed(operator) + challenges.owed(operator);
        vm.assertEq(before - (operator.balance + depositOf(operator) + owed), 1 ether);
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
            if (day == 3) {
                refuseCommit(
                    batches[3],
                    abi.encodeWithSelector(IReferee.InsufficientDeposit.selector, 4 * EXPOSURE, 3 * EXPOSURE)
                );
            } else {
                commitBatch(batches[day]);
                challengeEntry(batches[day], 0);
            }
        }
        for (uint64 day = 0; day < 3; ++day) {
            vm.warp(DAY_0 + 5 days);
            expireEntry(batches[day], 0);
        }
        vm.assertEq(depositOf(account), 3 * 0.05 ether);
        vm.assertEq(referee.operatorHead(channel, account).exposureGwei, 0);
        vm.assertEq(referee.owed(BURN), 3 ether);
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
        DirectedChallenge memory last = challengeOf(batches[3], METERS - 1);
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
                challenges.answer(batch.header, inclusion(batch, index));
            }
        }
        vm.assertEq(challenges.openChallengesOn(channel, operator), 0);
        vm.assertEq(depositOf(operator), 100 ether, "no stake lost");
        vm.assertGt(before - catcher.balance, 100 * 0.02 ether - 1, "the attacker paid every bond");
        vm.assertEq(challenges.owed(catcher), 0);
        vm.assertEq(referee.owed(catcher), 0);
    }

    function test_Attack10_SameEntryTwiceReverts() public {
        Sealed memory batch = commitDay(0, none());
        challengeEntry(batch, 3);
        challenges.answer(batch.header, inclusion(batch, 3));
        refuseChallenge(batch, 3, abi.encodeWithSelector(IDirectedChallenges.ChallengeExists.selector, 1, 3));
    }

    function test_Attack11_OutOfWindowUnknownBatchOrEntryReverts() public {
        Sealed memory batch = commitDay(0, none());
        uint64 closes = batch.record.committedAt + 7 days;
        refuseChallenge(
            batch, METERS, abi.encodeWithSelector(IBatchErrors.EntryIndexOutOfRange.selector, METERS, METERS)
        );
        BatchReference memory wrong = refer(batch);
        wrong.record.committedAt += 1;
        refuse(batch, wrong, 0, abi.encodeWithSelector(IBatchErrors.UnknownBatch.selector, channel, operator, 1));
        wrong = refer(batch);
        wrong.record.stakeGwei += 1;
        refuse(batch, wrong, 0, abi.encodeWithSelector(IBatchErrors.UnknownBatch.selector, channel, operator, 1));
        batch.header.contentId ^= bytes32(uint256(1));
        bytes memory reason = abi.encodeWithSelector(
            IBatchErrors.HeaderMismatch.selector, batch.record.headerDigest, referee.headerDigest(batch.header)
        );
        refuse(batch, refer(batch), 0, reason);
        batch.header.contentId ^= bytes32(uint256(1));
        vm.warp(closes);
        refuse(batch, refer(batch), 0, abi.encodeWithSelector(IBatchErrors.BatchAlreadyFinal.selector, 1));
        vm.warp(closes - 1);
        challengeEntry(batch, 0);
        vm.warp(closes);
        reason = abi.encodeWithSelector(IDirectedChallenges.ChallengeWindowClosed.selector, closes, closes);
        refuse(batch, refer(batch), 1, reason); // held by another challenge, but too late all the same
    }

    /// @dev A record under another's name: the digest names channel, operator and sequence, and the core reads the history of
    /// those that are said.
    function test_Attack11_AnotherOperatorsBatchIsNotThisOnes() public {
        Sealed memory batch = commitDay(0, none());
        BatchReference memory wrong = refer(batch);
        wrong.operator = address(0xBAD);
        vm.prank(catcher);
        vm.expectRevert(abi.encodeWithSelector(IBatchErrors.HistoryStale.selector, 1, 0));
        challenges.challenge{value: 1 ether}(batch.header, wrong, 0);
    }

    function test_Attack15_OldParametersAndTermsApply() public {
        Sealed memory batch = commitDay(0, none());
        ChannelParameters memory p = parameters();
        p.stakeWei = 50 ether;
        p.catcherRewardWei = 5 ether;
        p.challengeWindowS = 20 days;
        ChallengeTerms memory t = challengeTerms();
        t.answerWindowS = 1 hours;
        t.baseBondWei = 0.1 ether;
        bytes32[] memory words = termsWith(t);
        vm.warp(DAY_0 + 1 days);
        vm.prank(manager);
        referee.queueParameters(channel, p, words);
        challengeEntry(batch, 0);
        vm.warp(DAY_0 + 8 days);
        referee.applyParameters(channel, p, words);
        vm.assertEq(challenges.challengeTermsOf(channel, 2).answerWindowS, 1 hours);
        vm.assertEq(challenges.challengeTermsOf(channel, 1).answerWindowS, 24 hours);
        vm.assertEq(challengeOf(batch, 0).deadline, batch.record.committedAt + 24 hours);
        vm.assertEq(challenges.bondFor(channel, operator, 1), 0.0225 ether);
        vm.assertEq(challenges.bondFor(channel, operator, 2), 0.1125 ether);
        expireEntry(batch, 0);
        vm.assertEq(challenges.owed(catcher), 0.02 ether);
        vm.assertEq(referee.owed(catcher), 0.2 ether);
        vm.assertEq(depositOf(operator), 98.8 ether, "the stake of the commit, not of today");
    }

    /// @dev 19: the challenger who comes second has its bond demanded higher; a margin is owed back.
    function test_Attack19_FrontRunChallengerKeepsMargin() public {
        Sealed memory batch = commitDay(0, none());
        challengeEntry(batch, 0);
        address second = address(0x5EC0);
        vm.deal(second, 1 ether);
        BatchReference memory referred = refer(batch);
        vm.prank(second);
        vm.expectRevert(abi.encodeWithSelector(IDirectedChallenges.BondTooSmall.selector, 0.0225 ether, 0.02 ether));
        challenges.challenge{value: 0.02 ether}(batch.header, referred, 1);
        vm.prank(second);
        challenges.challenge{value: 0.03 ether}(batch.header, referred, 1);
        vm.assertEq(challenges.owed(second), 0.0075 ether);
    }

    function test_Attack21_RevertingReceiverHoldsNothingUp() public {
        Sealed memory batch = commitDay(0, none());
        Refuser refuser = new Refuser();
        challengeAs(address(refuser), batch);
        expireEntry(batch, 0);
        vm.assertEq(referee.owed(address(refuser)), 0.2 ether);
        vm.assertEq(challenges.owed(address(refuser)), 0.02 ether);
        vm.prank(address(refuser));
        vm.expectRevert(abi.encodeWithSelector(IPurse.TransferFailed.selector, address(refuser), 0.2 ether));
        referee.withdrawOwed(payable(address(refuser)));
        address payable elsewhere = payable(address(0xE15E));
        vm.startPrank(address(refuser));
        referee.withdrawOwed(elsewhere);
        challenges.withdrawOwed(elsewhere);
        vm.stopPrank();
        vm.assertEq(elsewhere.balance, 0.22 ether);
    }

    function test_ReentrantReceiverIsPaidOnce() public {
        Sealed memory batch = commitDay(0, none());
        Reenterer reenterer = new Reenterer();
        challengeAs(address(reenterer), batch);
        expireEntry(batch, 0);
        uint256 held = address(referee).balance;
        reenterer.pull(referee);
        vm.assertEq(held - address(referee).balance, 0.2 ether);
        vm.assertTrue(reenterer.wasRefused());
        held = address(challenges).balance;
        reenterer.pull(challenges);
        vm.assertEq(held - address(challenges).balance, 0.02 ether);
    }

    function test_Attack22_BaseFeeSpikeIsCapped() public {
        Sealed memory batch = commitDay(0, none());
        challengeEntry(batch, 0);
        vm.txGasPrice(199 gwei);
        vm.prank(operator, operator);
        challenges.answer(batch.header, inclusion(batch, 0));
        vm.assertEq(challenges.owed(operator), 0.01 ether);
    }

    function test_RefundOfChallengesOnASlashedBatch() public {
        Sealed memory batch = commitDay(0, none());
        challengeEntry(batch, 0);
        uint256 paid = challengeEntry(batch, 1);
        BatchReference memory referred = refer(batch);
        vm.expectRevert(abi.encodeWithSelector(IDirectedChallenges.ChallengeStillDue.selector, 1, 1));
        challenges.refund(referred, 1);
        expireEntry(batch, 0);
        vm.expectRevert(abi.encodeWithSelector(IBatchErrors.BatchAlreadySlashed.selector, 1));
        challenges.expire(referred, 1);
        uint256 owed = challenges.owed(catcher);
        challenges.refund(referred, 1);
        vm.assertEq(challenges.owed(catcher) - owed, paid);
        vm.assertEq(depositOf(operator), 98.8 ether, "slashed once");
        vm.assertEq(challenges.openChallengesOn(channel, operator), 0);
        vm.expectRevert(abi.encodeWithSelector(IDirectedChallenges.ChallengeNotOpen.selector, 1, 1));
        challenges.refund(referred, 1);
    }

    /// @dev Names of another, slashed batch do not open the purse of a challenge that is still due.
    function test_RefundAsksForTheBatchThatWasChallenged() public {
        Sealed memory slashed = commitDay(0, none());
        challengeEntry(slashed, 0);
        Sealed memory due = commitDay(1, slashed);
        challengeEntry(due, 0);
        expireEntry(slashed, 0);
        BatchReference memory wrong = refer(slashed);
        wrong.record.headerDigest = due.record.headerDigest;
        vm.expectRevert(abi.encodeWithSelector(IBatchErrors.UnknownBatch.selector, channel, operator, 1));
        challenges.refund(wrong, 0);
    }

    function test_OpenChallengeHoldsFinalityBack() public {
        Sealed memory batch = commitDay(0, none());
        vm.warp(batch.record.committedAt + 7 days - 1);
        challengeEntry(batch, 0);
        challengeEntry(batch, 1);
        vm.warp(batch.record.committedAt + 7 days);
        vm.assertTrue(stateOf(batch) == BatchState.Committed);
        challenges.answer(batch.header, inclusion(batch, 0));
        vm.assertTrue(stateOf(batch) == BatchState.Committed, "one is still open");
        challenges.answer(batch.header, inclusion(batch, 1));
        vm.assertTrue(isFinal(batch));
    }

    /// @dev A hold ends: who does not expire a challenge within the grace gets the bond back, and the batch is final.
    function test_ChallengeThatNobodyExpiresEnds() public {
        Sealed memory batch = commitDay(0, none());
        uint256 paid = challengeEntry(batch, 0);
        uint64 deadline = challengeOf(batch, 0).deadline;
        (uint32 open, uint64 heldUntil) = challenges.openChallengesOf(batch.record.headerDigest);
        vm.assertEq(open, 1);
        vm.assertEq(heldUntil, deadline + 14 days);
        vm.warp(heldUntil - 1);
        vm.assertTrue(stateOf(batch) == BatchState.Committed);
        BatchReference memory referred = refer(batch);
        vm.expectRevert(abi.encodeWithSelector(IDirectedChallenges.ChallengeStillDue.selector, 1, 0));
        challenges.refund(referred, 0);
        vm.warp(heldUntil);
        vm.assertTrue(isFinal(batch));
        vm.expectRevert(abi.encodeWithSelector(IBatchErrors.BatchAlreadyFinal.selector, 1));
        challenges.expire(referred, 0);
        challenges.refund(referred, 0);
        vm.assertEq(challenges.owed(catcher), paid);
        vm.assertEq(depositOf(operator), 100 ether);
    }

    /// @dev The core bounds holds: a deadline beyond comes forward, so that there is time to expire it while it holds.
    function test_DeadlinesStayInsideTheLongestHold() public {
        ChallengeTerms memory t = challengeTerms();
        t.answerWindowS = 30 days;
        bytes32[] memory words = termsWith(t);
        vm.prank(manager);
        referee.queueParameters(channel, parameters(), words);
        vm.warp(DAY_0 + 7 days);
        referee.applyParameters(channel, parameters(), words);
        Sealed memory batch = none();
        for (uint64 day = 7; day < 13; ++day) {
            batch = commitDay(day, batch);
            for (uint32 index = 0; index < METERS; ++index) {
                challengeEntry(batch, index);
            }
        }
        vm.assertEq(challengeOf(batch, 4).ordinal, 30);
        uint64 longest = batch.record.committedAt + 7 days + 180 days;
        vm.assertEq(challengeOf(batch, 4).deadline, longest - 14 days);
        (, uint64 heldUntil) = challenges.openChallengesOf(batch.record.headerDigest);
        vm.assertEq(heldUntil, longest);
        expireEntry(batch, 4);
        vm.assertTrue(isSlashed(batch));
    }

    /// @dev The operator commits on while a challenge is on its way: the proof holds for seven more commits.
    function test_CommittingDodgesNoChallenge() public {
        Sealed memory batch = commitDay(0, none());
        BatchReference memory referred = refer(batch);
        Sealed memory last = batch;
        for (uint64 day = 1; day <= 7; ++day) {
            vm.warp(DAY_0); // time stands still here: only commits pass
            last = sealDay(day, last);
            commitBatch(last);
        }
        vm.warp(batch.record.committedAt + 1 days);
        uint256 state = vm.snapshotState();
        vm.prank(catcher);
        challenges.challenge{value: 1 ether}(batch.header, referred, 0);
        vm.revertToState(state);
        commitDay(8, last);
        vm.warp(batch.record.committedAt + 1 days);
        refuse(batch, referred, 0, abi.encodeWithSelector(IBatchErrors.HistoryStale.selector, 1, 9));
        challengeEntry(batch, 0); // with a proof of now
        vm.assertTrue(challengeOf(batch, 0).state == ChallengeState.Open);
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
            challenges.answer(batch.header, entry);
        }
    }

    function challengeAs(address account, Sealed memory batch) private {
        vm.deal(account, 1 ether);
        BatchReference memory referred = refer(batch);
        vm.prank(account);
        challenges.challenge{value: 0.02 ether}(batch.header, referred, 0);
    }

    function refuseAnswer(Sealed memory batch, EntryInclusion memory entry, bytes4 reason) private {
        vm.expectPartialRevert(reason);
        challenges.answer(batch.header, entry);
    }

    function refuseChallenge(Sealed memory batch, uint32 index, bytes memory reason) private {
        refuse(batch, refer(batch), index, reason);
    }

    function refuse(Sealed memory batch, BatchReference memory referred, uint32 index, bytes memory reason) private {
        vm.prank(catcher);
        vm.expectRevert(reason);
        challenges.challenge{value: 1 ether}(batch.header, referred, index);
    }
}

contract Refuser {
    receive() external payable {
        revert("no, thank you");
    }
}

contract Reenterer {
    IPurse private purse;
    bool public wasRefused;

    function pull(IPurse purse_) external {
        purse = purse_;
        purse_.withdrawOwed(payable(address(this)));
    }

    receive() external payable {
        try purse.withdrawOwed(payable(address(this))) {}
        catch {
            wasRefused = true;
        }
    }
}
