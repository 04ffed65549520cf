// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBatchErrors} from "../src/interfaces/IBatchErrors.sol";
import {IReferee} from "../src/interfaces/IReferee.sol";
import {BatchReference, BatchState} from "../src/types/BatchRecord.sol";
import {ChannelKind, ChannelParameters} from "../src/types/Channel.sol";
import {BatchMarks} from "../src/types/BatchMarks.sol";
import {ModuleGrant, Powers} from "../src/types/Module.sol";
import {OperatorState} from "../src/types/Operator.sol";
import {AnyModule} from "./support/AnyModule.sol";
import {Sealed, World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";

/// @notice The four powers in the hands of modules that nobody wrote for them: what the core allows, and what it never does.
contract ModulesTest is World {
    address private constant BURN = 0x000000000000000000000000000000000000dEaD;
    bytes32 private constant WORD = "terms of a module";
    bytes32 private constant CAUSE = "something";

    address private convictor;
    address private finer;
    address private holder;
    address private rater;

    function setUp() public override {
        super.setUp();
        convictor = address(new AnyModule(WORD));
        finer = address(new AnyModule(WORD));
        holder = address(new AnyModule(WORD));
        rater = address(new AnyModule(WORD));
        ModuleGrant[] memory grants = new ModuleGrant[](5);
        grants[0] = ModuleGrant(convictor, Powers.CONVICT);
        grants[1] = ModuleGrant(finer, Powers.FINE);
        grants[2] = ModuleGrant(address(challenges), Powers.CONVICT | Powers.HOLD);
        grants[3] = ModuleGrant(holder, Powers.HOLD);
        grants[4] = ModuleGrant(rater, Powers.SET_STAKE);
        bytes32[] memory words = new bytes32[](5);
        words[0] = words[1] = words[3] = words[4] = WORD;
        words[2] = terms()[0];
        vm.startPrank(manager);
        channel = referee.createChannel(ChannelKind.Scheduled, "with modules", parameters(), grants, words);
        referee.setRosterCount(channel, METERS, DAY_0);
        vm.stopPrank();
        enrol(operator, ENCLAVE, channel, WORKLOAD);
    }

    // -------------------------------------------------------------------- grants

    function test_GrantsAreSeenAndFixed() public view {
        ModuleGrant[] memory grants = referee.modulesOf(channel);
        vm.assertEq(grants.length, 5);
        vm.assertEq(grants[3].module, holder);
        vm.assertEq(grants[3].powers, Powers.HOLD);
        vm.assertEq(referee.termsOf(channel, 1, rater), WORD);
        vm.assertEq(referee.termsOf(channel, 2, rater), 0);
    }

    /// @dev Every power but its own is refused to every module, and all to a stranger.
    function test_NoModuleHasMoreThanItsPowers() public {
        Sealed memory batch = commitDay(0, none());
        BatchReference memory referred = refer(batch);
        address[5] memory callers = [convictor, finer, holder, rater, address(0xBAD)];
        for (uint256 i = 0; i < 5; ++i) {
            address caller = callers[i];
            vm.startPrank(caller);
            if (caller != convictor) {
                vm.expectRevert(notGranted(caller, Powers.CONVICT));
                referee.convict(referred, CAUSE, true, catcher);
            }
            if (caller != finer) {
                vm.expectRevert(notGranted(caller, Powers.FINE));
                referee.fine(channel, operator, "matter", 1 ether, CAUSE, true, catcher);
            }
            if (caller != holder) {
                vm.expectRevert(notGranted(caller, Powers.HOLD));
                referee.hold(referred, DAY_0 + 30 days);
                vm.expectRevert(notGranted(caller, Powers.HOLD));
                referee.letGo(channel, operator, 1);
            }
            if (caller != rater) {
                vm.expectRevert(notGranted(caller, Powers.SET_STAKE));
                referee.setStake(channel, operator, 2 ether);
            }
            vm.stopPrank();
        }
        vm.assertEq(depositOf(operator), 100 ether);
        // A module of one channel is nobody in another.
        bytes32 other = referee.createChannel(
            ChannelKind.Scheduled, "without", parameters(), new ModuleGrant[](0), new bytes32[](0)
        );
        vm.prank(finer);
        vm.expectRevert(abi.encodeWithSelector(IBatchErrors.PowerNotGranted.selector, other, finer, Powers.FINE));
        referee.fine(other, operator, "matter", 1 ether, CAUSE, true, catcher);
    }

    function test_ChannelsRefuseGrants() public {
        ModuleGrant[] memory grants = new ModuleGrant[](1);
        bytes32[] memory words = new bytes32[](1);
        words[0] = WORD;
        grants[0] = ModuleGrant(holder, 0);
        refuse(grants, words, abi.encodeWithSelector(IReferee.ModuleInvalid.selector, holder, 0));
        grants[0] = ModuleGrant(holder, 16);
        refuse(grants, words, abi.encodeWithSelector(IReferee.ModuleInvalid.selector, holder, 16));
        grants[0] = ModuleGrant(address(0xC0DE), Powers.FINE); // no contract
        refuse(grants, words, abi.encodeWithSelector(IReferee.ModuleInvalid.selector, address(0xC0DE), Powers.FINE));
        grants[0] = ModuleGrant(holder, Powers.ALL);
        refuse(grants, new bytes32[](0), abi.encodeWithSelector(IReferee.TermsCountMismatch.selector, 1, 0));
        refuse(grants, new bytes32[](2), abi.encodeWithSelector(IReferee.TermsCountMismatch.selector, 1, 2));
        bytes memory reason = abi.encodeWithSelector(
            AnyModule.TermsRefused.selector, ChannelKind.Scheduled, parameters().stakeWei, bytes32("other")
        );
        words[0] = "other";
        refuse(grants, words, reason);
        words[0] = WORD;
        referee.createChannel(ChannelKind.Scheduled, "taken", parameters(), grants, words);

        grants = new ModuleGrant[](2);
        words = new bytes32[](2);
        words[0] = words[1] = WORD;
        grants[0] = grants[1] = ModuleGrant(holder, Powers.HOLD);
        refuse(grants, words, abi.encodeWithSelector(IReferee.ModuleInvalid.selector, holder, Powers.HOLD));
    }

    function test_ChannelsHaveAtMostEightModulesAndFourHolders() public {
        (ModuleGrant[] memory grants, bytes32[] memory words) = many(9, Powers.FINE);
        refuse(grants, words, abi.encodeWithSelector(IReferee.TooManyModules.selector, 9));
        (grants, words) = many(5, Powers.HOLD);
        refuse(grants, words, abi.encodeWithSelector(IReferee.TooManyHolders.selector, 5));
        (grants, words) = many(8, Powers.FINE);
        for (uint256 i = 0; i < 4; ++i) {
            grants[2 * i].powers = Powers.HOLD;
        }
        referee.createChannel(ChannelKind.Scheduled, "full", parameters(), grants, words);
    }

    /// @dev Queued parameters are shown to every module, too.
    function test_ModulesAreAskedAboutNewTerms() public {
        bytes32[] memory words = new bytes32[](5);
        words[0] = words[1] = words[3] = WORD;
        words[2] = terms()[0];
        vm.prank(manager);
        vm.expectPartialRevert(AnyModule.TermsRefused.selector);
        referee.queueParameters(channel, parameters(), words);
        words[4] = WORD;
        vm.prank(manager);
        referee.queueParameters(channel, parameters(), words);
    }

    // ------------------------------------------------------------------- convict

    function test_ConvictionTakesTheStakeOfTheBatchOnce() public {
        Sealed memory batch = commitDay(0, none());
        Sealed memory next = commitDay(1, batch);
        convict(batch, false);
        vm.assertEq(depositOf(operator), 98.8 ether);
        vm.assertEq(referee.owed(catcher), 0.2 ether);
        vm.assertEq(referee.owed(BURN), 1 ether);
        vm.assertEq(referee.operatorHead(channel, operator).exposureGwei, EXPOSURE_GWEI);
        vm.assertTrue(referee.operatorHead(channel, operator).state == OperatorState.Active);
        vm.assertTrue(stateOf(next) == BatchState.Committed, "its neighbour is untouched");
        BatchReference memory referred = refer(batch);
        vm.prank(convictor);
        vm.expectRevert(abi.encodeWithSelector(IBatchErrors.BatchAlreadySlashed.selector, 1));
        referee.convict(referred, CAUSE, false, catcher);
        vm.warp(next.record.committedAt + 365 days);
        vm.assertTrue(stateOf(batch) == BatchState.Slashed);
    }

    /// @dev A conviction through one module is one through any: the second finds nothing to take.
    function test_OneConvictionThroughAnyModule() public {
        Sealed memory batch = commitDay(0, none());
        challengeEntry(batch, 0);
        convict(batch, true);
        BatchReference memory referred = refer(batch);
        vm.warp(challengeOf(batch, 0).deadline);
        vm.expectRevert(abi.encodeWithSelector(IBatchErrors.BatchAlreadySlashed.selector, 1));
        challenges.expire(referred, 0);
        challenges.refund(referred, 0);
        vm.assertEq(depositOf(operator), 98.8 ether);
        vm.assertTrue(referee.operatorHead(channel, operator).state == OperatorState.Banned);
        vm.assertEq(referee.withdrawableAt(channel, operator), batch.record.committedAt + 21 days);
    }

    function test_FinalBatchesAreNotConvicted() public {
        Sealed memory batch = commitDay(0, none());
        BatchReference memory referred = refer(batch);
        vm.warp(batch.record.committedAt + 7 days);
        vm.prank(convictor);
        vm.expectRevert(abi.encodeWithSelector(IBatchErrors.BatchAlreadyFinal.selector, 1));
        referee.convict(referred, CAUSE, true, catcher);
        vm.warp(batch.record.committedAt + 7 days - 1);
        convict(batch, true);
    }

    /// @dev Whom a module names has nothing to do with who calls: a record that is not there convicts nobody.
    function test_OnlyWhatWasCommittedIsConvicted() public {
        Sealed memory batch = commitDay(0, none());
        BatchReference memory wrong = refer(batch);
        wrong.record.stakeGwei *= 2;
        vm.startPrank(convictor);
        vm.expectRevert(abi.encodeWithSelector(IBatchErrors.UnknownBatch.selector, channel, operator, 1));
        referee.convict(wrong, CAUSE, true, catcher);
        wrong = refer(batch);
        wrong.operator = manager;
        vm.expectRevert(abi.encodeWithSelector(IBatchErrors.HistoryStale.selector, 1, 0));
        referee.convict(wrong, CAUSE, true, catcher);
        vm.stopPrank();
    }

    // ---------------------------------------------------------------------- fine

    function test_FineTakesOnlyWhatNoOpenBatchBinds() public {
        Sealed memory batch;
        for (uint64 day = 0; day < 79; ++day) {
            if (day % 25 == 24) {
                vm.roll(vm.getBlockNumber() + 1);
                registerKey(operator, ENCLAVE, channel, WORKLOAD);
            }
            batch = commitDay(day, batch);
        }
        // 79 open batches bind 98.75 of 100: 1.25 are free, a fine takes 1.2 of it, the next what is left.
        fine("one", type(uint256).max, false);
        vm.assertEq(depositOf(operator), 98.8 ether);
        vm.assertEq(referee.owed(catcher), 0.2 ether);
        fine("two", type(uint256).max, false);
        vm.assertEq(depositOf(operator), 98.75 ether);
        uint256 reward = uint256(0.05 ether) * 0.2 ether / 1.2 ether / 1 gwei * 1 gwei;
        vm.assertEq(referee.owed(catcher), 0.2 ether + reward);
        vm.assertEq(referee.owed(BURN), 1 ether + 0.05 ether - reward);
        fine("three", type(uint256).max, false);
        vm.assertEq(depositOf(operator), 98.75 ether);
    }

    function test_FineOncePerMatter() public {
        fine("heartbeat", 0.6 ether, false);
        vm.assertEq(depositOf(operator), 99.4 ether);
        vm.assertEq(referee.owed(catcher), 0.1 ether, "the share that a conviction gives");
        vm.assertTrue(referee.isFined(channel, operator, "heartbeat"));
        vm.assertFalse(referee.isFined(channel, operator, "other"));
        vm.prank(finer);
        vm.expectRevert(abi.encodeWithSelector(IReferee.MatterFined.selector, bytes32("heartbeat")));
        referee.fine(channel, operator, "heartbeat", 0.6 ether, CAUSE, false, catcher);
        fine("other", 0.6 ether, false);
        vm.assertEq(depositOf(operator), 98.8 ether);
    }

    function test_FineOfNothingBansOnly() public {
        fine("ban", 0, true);
        vm.assertEq(depositOf(operator), 100 ether);
        vm.assertTrue(referee.operatorHead(channel, operator).state == OperatorState.Banned);
        Sealed memory batch = sealDay(0, none());
        vm.warp(batch.header.periodEnd);
        refuseCommit(batch, abi.encodeWithSelector(IReferee.WrongOperatorState.selector, OperatorState.Banned));
    }

    function testFuzz_FinesNeverTouchTheExposure(uint256 amount, uint8 days_, uint64 deposit_) public {
        address account = address(0xF1);
        uint256 secret = uint256(keccak256("fined"));
        days_ = uint8(between(days_, 0, 4));
        uint256 given = (days_ * EXPOSURE_GWEI + between(deposit_, 1, 5e9)) * 1 gwei;
        vm.deal(account, given);
        vm.prank(account);
        referee.deposit{value: given}(channel);
        registerKey(account, secret, channel, WORKLOAD);
        Sealed memory batch;
        for (uint64 day = 0; day < days_; ++day) {
            Sealed memory before = batch;
            batch = sealDay(day, before);
            batch.header.operator = account;
            signHeader(batch, secret);
            commitBatch(batch);
        }
        vm.prank(finer);
        referee.fine(channel, account, "matter", amount, CAUSE, false, catcher);
        uint256 taken = given - depositOf(account);
        vm.assertGe(depositOf(account), days_ * EXPOSURE);
        vm.assertLe(taken, 1.2 ether);
        vm.assertLe(taken, amount);
        vm.assertEq(referee.owed(catcher) + referee.owed(BURN), taken);
    }

    // ---------------------------------------------------------------------- hold

    function test_HeldBatchIsNotFinalUntilTheHoldEnds() public {
        Sealed memory batch = commitDay(0, none());
        uint64 closes = batch.record.committedAt + 7 days;
        (uint64 until, uint64 closesAt) = hold(batch, closes + 3 days);
        vm.assertEq(until, closes + 3 days);
        vm.assertEq(closesAt, closes);
        vm.warp(closes + 3 days - 1);
        vm.assertTrue(stateOf(batch) == BatchState.Committed);
        vm.warp(closes + 3 days);
        vm.assertTrue(stateOf(batch) == BatchState.Final);
        BatchReference memory referred = refer(batch);
        vm.prank(holder);
        vm.expectRevert(abi.encodeWithSelector(IBatchErrors.BatchAlreadyFinal.selector, 1));
        referee.hold(referred, closes + 30 days);
    }

    function test_HoldsEndAtTheLatestAfterTheirBound() public {
        Sealed memory batch = commitDay(0, none());
        uint64 most = batch.record.committedAt + 7 days + 180 days;
        (uint64 until,) = hold(batch, type(uint64).max);
        vm.assertEq(until, most);
        vm.warp(most - 1);
        (until,) = hold(batch, type(uint64).max);
        vm.assertEq(until, most, "again is no longer");
        vm.assertTrue(stateOf(batch) == BatchState.Committed);
        vm.warp(most);
        vm.assertTrue(stateOf(batch) == BatchState.Final);
    }

    /// @dev Each holder speaks for itself: the batch is final when the last has let go.
    function test_HoldersHaveTheirOwnPlaces() public {
        Sealed memory batch = commitDay(0, none());
        uint64 closes = batch.record.committedAt + 7 days;
        hold(batch, closes + 10 days);
        challengeEntry(batch, 0);
        uint40[4] memory held = referee.markOf(channel, operator, 1).heldUntil;
        vm.assertEq(held[0], challengeOf(batch, 0).deadline + 14 days);
        vm.assertEq(held[1], closes + 10 days);
        vm.warp(closes);
        vm.prank(holder);
        referee.letGo(channel, operator, 1);
        vm.assertTrue(stateOf(batch) == BatchState.Committed, "the challenge holds it");
        hold(batch, closes + 1 days);
        vm.warp(closes);
        vm.assertTrue(stateOf(batch) == BatchState.Committed);
        vm.prank(holder);
        referee.letGo(channel, operator, 1);
        held = referee.markOf(channel, operator, 1).heldUntil;
        vm.assertEq(held[1], closes);
        vm.assertEq(held[0], challengeOf(batch, 0).deadline + 14 days, "the other place is untouched");
        convict(batch, false);
        vm.assertTrue(referee.markOf(channel, operator, 1).isSlashed);
        vm.assertEq(referee.markOf(channel, operator, 1).heldUntil[0], held[0]);
    }

    function test_HoldsThatAreOverAreRefused() public {
        Sealed memory batch = commitDay(0, none());
        BatchReference memory referred = refer(batch);
        uint64 now_ = batch.record.committedAt;
        vm.prank(holder);
        vm.expectRevert(abi.encodeWithSelector(IReferee.HoldOver.selector, now_, now_));
        referee.hold(referred, now_);
        hold(batch, now_ + 1);
        convict(batch, false);
        vm.prank(holder);
        vm.expectRevert(abi.encodeWithSelector(IBatchErrors.BatchAlreadySlashed.selector, 1));
        referee.hold(referred, now_ + 1 days);
    }

    /// @dev Letting go of what is not held changes nothing, also where there is no batch.
    function test_LettingGoOfNothingIsNothing() public {
        commitDay(0, none());
        vm.startPrank(holder);
        referee.letGo(channel, operator, 1);
        referee.letGo(channel, operator, 7);
        vm.stopPrank();
        vm.assertEq(referee.markOf(channel, operator, 1).heldUntil[1], 0);
        vm.assertEq(referee.markOf(channel, operator, 7).heldUntil[1], 0);
    }

    function testFuzz_MarksKeepTheirPlacesApart(uint40[4] calldata untils, bool slashed) public pure {
        uint256 mark = slashed ? BatchMarks.SLASHED : 0;
        for (uint256 i = 0; i < 4; ++i) {
            mark = BatchMarks.withHold(mark, i, untils[i] ^ 1);
            mark = BatchMarks.withHold(mark, i, untils[i]);
        }
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(BatchMarks.heldUntil(mark, i), untils[i]);
        }
        vm.assertTrue(BatchMarks.isSlashed(mark) == slashed);
        vm.assertEq(mark >> 161, 0);
    }

    /// @dev Held is what any place says, and nothing else: not the slash, not a place that is over.
    function testFuzz_HeldIsTheLatestOfAllPlaces(uint40[4] calldata untils, uint40 now_, bool slashed) public {
        uint256 mark = slashed ? BatchMarks.SLASHED : 0;
        bool isHeld;
        for (uint256 i = 0; i < 4; ++i) {
            mark = BatchMarks.withHold(mark, i, untils[i]);
            isHeld = isHeld || untils[i] > now_;
        }
        vm.warp(now_);
        vm.assertTrue(BatchMarks.isHeld(mark) == isHeld);
    }

    // ------------------------------------------------------------------ set stake

    function test_StakeOfAnOperatorIsSnapshottedAtCommit() public {
        Sealed memory first = commitDay(0, none());
        vm.prank(rater);
        referee.setStake(channel, operator, 3 ether);
        vm.assertEq(referee.stakeOf(channel, operator), 3 ether);
        Sealed memory second = commitDay(1, first);
        vm.assertEq(second.record.stakeGwei, 3 ether / 1 gwei);
        vm.assertEq(referee.operatorHead(channel, operator).exposureGwei, (2 * EXPOSURE + 2 ether) / 1 gwei);
        convict(first, false);
        vm.assertEq(depositOf(operator), 98.8 ether, "the stake of its commit");
        convict(second, false);
        vm.assertEq(depositOf(operator), 98.8 ether - 3.2 ether);
        vm.assertEq(referee.operatorHead(channel, operator).exposureGwei, 0);
    }

    function test_StakesStayBetweenOnceAndThreeTimesTheChannels() public {
        refuseStake(1 ether - 1 gwei);
        refuseStake(3 ether + 1 gwei);
        refuseStake(2 ether + 1);
        refuseStake(0);
        vm.prank(rater);
        referee.setStake(channel, operator, 1 ether);
        // The parameters move on: what was set is kept inside the new bounds.
        vm.prank(rater);
        referee.setStake(channel, operator, 3 ether);
        ChannelParameters memory p = parameters();
        p.stakeWei = 0.5 ether;
        p.catcherRewardWei = 0.1 ether;
        changeParameters(p);
        vm.assertEq(referee.stakeOf(channel, operator), 1.5 ether);
        p.stakeWei = 20 ether;
        changeParameters(p);
        vm.assertEq(referee.stakeOf(channel, operator), 20 ether);
    }

    // ------------------------------------------------------------------- helpers

    function changeParameters(ChannelParameters memory p) private {
        bytes32[] memory words = new bytes32[](5);
        words[0] = words[1] = words[3] = words[4] = WORD;
        words[2] = terms()[0];
        vm.prank(manager);
        referee.queueParameters(channel, p, words);
        vm.warp(vm.getBlockTimestamp() + 7 days);
        referee.applyParameters(channel, p, words);
    }

    function refuseStake(uint256 stake) private {
        vm.prank(rater);
        vm.expectRevert(abi.encodeWithSelector(IReferee.StakeOutOfRange.selector, 1 ether, 3 ether, stake));
        referee.setStake(channel, operator, stake);
    }

    function many(uint256 count, uint8 powers) private returns (ModuleGrant[] memory grants, bytes32[] memory words) {
        grants = new ModuleGrant[](count);
        words = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            grants[i] = ModuleGrant(address(new AnyModule(WORD)), powers);
            words[i] = WORD;
        }
    }

    function convict(Sealed memory batch, bool bans) private {
        BatchReference memory referred = refer(batch);
        vm.prank(convictor);
        referee.convict(referred, CAUSE, bans, catcher);
    }

    function fine(bytes32 matter, uint256 amount, bool bans) private {
        vm.prank(finer);
        referee.fine(channel, operator, matter, amount, CAUSE, bans, catcher);
    }

    function hold(Sealed memory batch, uint64 until) private returns (uint64, uint64) {
        BatchReference memory referred = refer(batch);
        vm.prank(holder);
        return referee.hold(referred, until);
    }

    function notGranted(address module, uint8 power) private view returns (bytes memory) {
        return abi.encodeWithSelector(IBatchErrors.PowerNotGranted.selector, channel, module, power);
    }

    function refuse(ModuleGrant[] memory grants, bytes32[] memory words, bytes memory reason) private {
        vm.expectRevert(reason);
        referee.createChannel(ChannelKind.Scheduled, "refused", parameters(), grants, words);
    }
}
