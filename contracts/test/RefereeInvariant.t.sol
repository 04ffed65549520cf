// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchReference, BatchState} from "../src/types/BatchRecord.sol";
import {ChannelKind} from "../src/types/Channel.sol";
import {ChallengeState, DirectedChallenge} from "../src/types/DirectedChallenge.sol";
import {ModuleGrant, Powers} from "../src/types/Module.sol";
import {OperatorHead, OperatorState} from "../src/types/Operator.sol";
import {AnyModule} from "./support/AnyModule.sol";
import {Sealed, World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";

/// @notice Walks core and modules through random lives: every step is either allowed and taken, or not tried. Beside the two
/// real modules there is one with every power, which does what it likes.
contract Walker is World {
    struct Asked {
        uint256 batch;
        uint32 index;
    }

    Sealed[] private batches;
    Asked[] private asked;
    address[2] private actors = [address(0xAC01), address(0xAC02)];
    address private wild;
    uint256 private untouched; // the deposit in the channel that no step walks
    uint64 private nextDay;
    uint256 private matters;
    mapping(bytes32 => uint256) public calls;

    function begin() external {
        setUp();
        vm.deal(actors[0], 1_000_000 ether);
        vm.deal(actors[1], 1_000_000 ether);
        wild = address(new AnyModule(0));
        untouched = depositOf(operator);
        ModuleGrant[] memory grants = new ModuleGrant[](3);
        grants[0] = modules()[0];
        grants[1] = modules()[1];
        grants[2] = ModuleGrant(wild, Powers.ALL);
        bytes32[] memory words = new bytes32[](3);
        words[0] = terms()[0];
        vm.startPrank(manager);
        channel = referee.createChannel(_kind(), "walked", parameters(), grants, words);
        referee.setRosterCount(channel, METERS, DAY_0);
        vm.stopPrank();
        enrol(operator, ENCLAVE, channel, WORKLOAD);
    }

    function _kind() private view returns (ChannelKind) {
        return referee.channelHead(channel).kind;
    }

    function topUp(uint64 amount) external {
        uint256 value = uint256(amount) / 1 gwei * 1 gwei;
        if (!isCommitting() || value == 0) return;
        vm.deal(operator, value);
        vm.prank(operator, operator);
        referee.deposit{value: value}(channel);
        ++calls["topUp"];
    }

    function commitNext(bool skipsADay) external {
        if (!isCommitting()) return;
        uint64 today = uint64((block.timestamp - DAY_0) / EPOCH);
        nextDay = (today > nextDay ? today : nextDay) + (skipsADay ? 1 : 0);
        // Keys expire: the operator renews before every commit.
        Sealed memory before = batches.length == 0 ? none() : batches[batches.length - 1];
        vm.warp(DAY_0 + (nextDay + 1) * EPOCH);
        vm.roll(block.number + 1);
        registerKey(operator, ENCLAVE, channel, WORKLOAD);
        OperatorHead memory head = referee.operatorHead(channel, operator);
        uint256 added = referee.stakeOf(channel, operator) / 1 gwei + EXPOSURE_GWEI - 1 ether / 1 gwei;
        if (head.depositGwei < head.exposureGwei + added) return;
        Sealed memory batch = sealDay(nextDay++, before);
        commitBatch(batch);
        Sealed storage place = batches.push();
        place.header = batch.header;
        place.signature = batch.signature;
        place.record = batch.record;
        place.salts = batch.salts;
        place.leaves = batch.leaves;
        for (uint256 i = 0; i < batch.payloads.length; ++i) {
            place.payloads.push(batch.payloads[i]);
        }
        ++calls["commit"];
    }

    function challengeOne(uint256 which, uint32 index, uint256 who, uint64 margin) external {
        if (batches.length == 0) return;
        which %= batches.length;
        index %= METERS;
        Sealed memory batch = batches[which];
        if (isSlashed(batch) || block.timestamp >= batch.record.committedAt + 7 days) return;
        if (challengeState(which, index).state != ChallengeState.None) return;
        uint256 paid = bond(batch) + margin;
        BatchReference memory referred = refer(batch);
        vm.prank(actors[who % 2]);
        challenges.challenge{value: paid}(batch.header, referred, index);
        asked.push(Asked(which, index));
        ++calls["challenge"];
    }

    function answerOne(uint256 which, uint64 gasPrice) external {
        if (asked.length == 0) return;
        Asked memory one = asked[which % asked.length];
        Sealed memory batch = batches[one.batch];
        DirectedChallenge memory open = challengeState(one.batch, one.index);
        if (open.state != ChallengeState.Open || block.timestamp >= open.deadline) return;
        vm.txGasPrice(gasPrice % 1000 gwei);
        vm.prank(operator, operator);
        challenges.answer(batch.header, inclusion(batch, one.index));
        vm.txGasPrice(0);
        ++calls["answer"];
    }

    function closeOne(uint256 which) external {
        if (asked.length == 0) return;
        Asked memory one = asked[which % asked.length];
        Sealed memory batch = batches[one.batch];
        DirectedChallenge memory open = challengeState(one.batch, one.index);
        if (open.state != ChallengeState.Open) return;
        BatchState state = stateOf(batch);
        if (state != BatchState.Committed) {
            challenges.refund(refer(batch), one.index);
            ++calls[state == BatchState.Slashed ? bytes32("refund of slashed") : bytes32("refund of final")];
        } else if (block.timestamp >= open.deadline) {
            challenges.expire(refer(batch), one.index);
            ++calls["expire"];
            ++convictions;
        }
    }

    /// @dev Rare, because it ends the operator's life: about one walk in three.
    function equivocate(uint256 which, uint256 chance) external {
        if (batches.length < 3 || chance % 8 != 0) return;
        which %= batches.length;
        Sealed memory one = batches[which];
        if (fraud.isConvicted(channel, operator, one.header.sequence)) return;
        Sealed memory two = batches[which];
        two.header.contentId = keccak256("fork");
        signHeader(two, ENCLAVE);
        if (stateOf(one) == BatchState.Committed) ++convictions;
        BatchReference memory referred = refer(one);
        vm.prank(actors[0]);
        fraud.proveEquivocation(one.header, one.signature, two.header, two.signature, referred);
        ++calls["equivocate"];
    }

    function releaseOne(uint256 count) external {
        OperatorHead memory head = referee.operatorHead(channel, operator);
        uint256 first = uint256(head.sequence) + 1 - head.openBatches;
        count = head.openBatches == 0 ? 0 : between(count, 1, head.openBatches);
        for (uint256 i = 0; i < count; ++i) {
            if (stateOf(batches[first - 1 + i]) == BatchState.Committed) count = i;
        }
        if (count == 0) return;
        referee.release(runOf(channel, operator, uint64(first), count));
        ++calls["release"];
    }

    function pull(uint256 who) external {
        address account = who % 3 == 2 ? operator : actors[who % 3];
        if (referee.owed(account) != 0) {
            vm.prank(account);
            referee.withdrawOwed(payable(account));
            ++calls["pull"];
        }
        if (challenges.owed(account) != 0) {
            vm.prank(account);
            challenges.withdrawOwed(payable(account));
            ++calls["pull"];
        }
        if (who % 4 == 0 && referee.owed(referee.BURN_ADDRESS()) != 0) referee.withdrawBurned();
    }

    function exit_(uint256 chance) external {
        OperatorHead memory head = referee.operatorHead(channel, operator);
        if (head.state == OperatorState.Active && chance % 16 == 0) {
            vm.prank(operator, operator);
            referee.requestExit(channel);
        } else if (
            (head.state == OperatorState.Exiting || head.state == OperatorState.Banned) && head.depositGwei != 0
                && head.openBatches == 0 && block.timestamp >= referee.withdrawableAt(channel, operator)
        ) {
            vm.prank(operator, operator);
            referee.withdraw(channel, payable(operator));
            ++calls["withdraw"];
        }
    }

    function wait_(uint32 seconds_) external {
        vm.warp(block.timestamp + seconds_ % 5 days);
    }

    // ------------------------------------------------------------ the wild module

    function holdOne(uint256 which, uint64 ahead) external {
        if (batches.length == 0) return;
        Sealed memory batch = batches[which % batches.length];
        if (stateOf(batch) != BatchState.Committed) return;
        BatchReference memory referred = refer(batch);
        vm.prank(wild);
        (uint64 until, uint64 closesAt) = referee.hold(referred, uint64(block.timestamp) + 1 + ahead % 400 days);
        vm.assertLe(until, closesAt + 180 days, "a hold ends");
        ++calls["hold"];
    }

    function letGoOne(uint256 which) external {
        if (batches.length == 0) return;
        uint64 sequence = batches[which % batches.length].header.sequence;
        vm.prank(wild);
        referee.letGo(channel, operator, sequence);
    }

    function convictOne(uint256 which, uint256 chance) external {
        if (batches.length == 0 || chance % 4 != 0) return;
        Sealed memory batch = batches[which % batches.length];
        if (stateOf(batch) != BatchState.Committed) return;
        BatchReference memory referred = refer(batch);
        vm.prank(wild);
        referee.convict(referred, "wild", chance % 16 == 0, actors[which % 2]);
        ++convictions;
        ++calls["convict"];
    }

    function fineOne(uint64 amount, uint256 chance) external {
        if (chance % 4 != 0) return;
        vm.prank(wild);
        referee.fine(channel, operator, bytes32(++matters), amount, "wild", chance % 32 == 0, actors[chance / 4 % 2]);
        ++calls["fine"];
    }

    function rate(uint64 seed) external {
        vm.prank(wild);
        referee.setStake(channel, operator, between(seed, 1 ether / 1 gwei, 3 ether / 1 gwei) * 1 gwei);
        ++calls["rate"];
    }

    // -------------------------------------------------------------------- sums

    uint256 public convictions;
    mapping(uint256 batch => bool) private wasFinal;

    function valueHeld() external view returns (uint256 core, uint256 module) {
        return (address(referee).balance, address(challenges).balance);
    }

    /// @dev The core: deposits and what it owes; the challenges: bonds of open ones and what they owe. What is to be burned is
    /// owed to the burn address.
    function valueDue() external view returns (uint256 core, uint256 module) {
        address burn = referee.BURN_ADDRESS();
        core = untouched + depositOf(operator) + referee.owed(actors[0]) + referee.owed(actors[1])
            + referee.owed(operator) + referee.owed(burn);
        module =
            challenges.owed(actors[0]) + challenges.owed(actors[1]) + challenges.owed(operator) + challenges.owed(burn);
        for (uint256 i = 0; i < asked.length; ++i) {
            DirectedChallenge memory one = challengeState(asked[i].batch, asked[i].index);
            if (one.state == ChallengeState.Open) module += 0.02 ether * (7 + uint256(one.ordinal)) / 8;
        }
    }

    function exposureDue() external view returns (uint256 due) {
        OperatorHead memory head = referee.operatorHead(channel, operator);
        for (uint256 i = uint256(head.sequence) + 1 - head.openBatches; i <= head.sequence; ++i) {
            Sealed memory batch = batches[i - 1];
            if (!isSlashed(batch)) due += batch.record.stakeGwei + EXPOSURE_GWEI - 1 ether / 1 gwei;
        }
    }

    /// @dev Every batch is in one state, and an end is an end: final stays final, slashed stays slashed and is counted once, and
    /// what anyone holds, or has an open challenge inside its time, is not final.
    function checkStates() external {
        uint256 slashed;
        for (uint256 i = 0; i < batches.length; ++i) {
            Sealed memory batch = batches[i];
            BatchState state = stateOf(batch);
            bool isHeld;
            uint40[4] memory held = referee.markOf(channel, operator, batch.header.sequence).heldUntil;
            for (uint256 place = 0; place < 4; ++place) {
                isHeld = isHeld || held[place] > block.timestamp;
                vm.assertLe(held[place], batch.record.committedAt + 187 days, "a hold ends");
            }
            if (isSlashed(batch)) ++slashed;
            vm.assertTrue((state == BatchState.Slashed) == isSlashed(batch));
            if (state == BatchState.Final) {
                wasFinal[i] = true;
                vm.assertFalse(isHeld, "held and final");
                vm.assertGe(block.timestamp, batch.record.committedAt + 7 days);
            } else {
                vm.assertFalse(wasFinal[i], "final no more");
            }
        }
        vm.assertEq(slashed, convictions, "once each");
        for (uint256 i = 0; i < asked.length; ++i) {
            DirectedChallenge memory one = challengeState(asked[i].batch, asked[i].index);
            if (one.state == ChallengeState.Open && block.timestamp < one.deadline + 14 days) {
                vm.assertFalse(stateOf(batches[asked[i].batch]) == BatchState.Final, "challenged and final");
            }
        }
    }

    function head_() external view returns (OperatorHead memory) {
        return referee.operatorHead(channel, operator);
    }

    function openOf() external view returns (uint256 counted, uint256 stored) {
        for (uint256 i = 0; i < asked.length; ++i) {
            if (challengeState(asked[i].batch, asked[i].index).state == ChallengeState.Open) ++counted;
        }
        stored = challenges.openChallengesOn(channel, operator);
    }

    function challengeState(uint256 batch, uint32 index) private view returns (DirectedChallenge memory) {
        return challenges.challengeOf(batches[batch].record.headerDigest, index);
    }

    function isCommitting() private view returns (bool) {
        OperatorState state = referee.operatorHead(channel, operator).state;
        return state == OperatorState.Registered || state == OperatorState.Active;
    }
}

contract RefereeInvariant {
    Walker private walker;

    function setUp() public {
        walker = new Walker();
        walker.begin();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(walker);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory steps = new bytes4[](19);
        steps[0] = walker.topUp.selector;
        steps[1] = walker.commitNext.selector;
        steps[2] = walker.commitNext.selector;
        steps[3] = walker.commitNext.selector;
        steps[4] = walker.challengeOne.selector;
        steps[5] = walker.challengeOne.selector;
        steps[6] = walker.answerOne.selector;
        steps[7] = walker.closeOne.selector;
        steps[8] = walker.equivocate.selector;
        steps[9] = walker.releaseOne.selector;
        steps[10] = walker.pull.selector;
        steps[11] = walker.exit_.selector;
        steps[12] = walker.wait_.selector;
        steps[13] = walker.holdOne.selector;
        steps[14] = walker.letGoOne.selector;
        steps[15] = walker.convictOne.selector;
        steps[16] = walker.fineOne.selector;
        steps[17] = walker.rate.selector;
        steps[18] = walker.checkStates.selector; // as a step it remembers what was final
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(walker), steps);
    }

    /// @dev One sender that is nobody's: left to itself forge also calls as the Referee and as the burn address, and then
    /// credits them with unused gas at the walk's gas price, which no transaction on a chain could.
    function targetSenders() public pure returns (address[] memory senders) {
        senders = new address[](1);
        senders[0] = address(0x5EED);
    }

    /// @notice Value held = deposits + open bonds + what is owed, to the last wei, in each contract by itself.
    function invariant_ValueHeldIsValueDue() public view {
        (uint256 coreHeld, uint256 moduleHeld) = walker.valueHeld();
        (uint256 coreDue, uint256 moduleDue) = walker.valueDue();
        vm.assertEq(coreHeld, coreDue);
        vm.assertEq(moduleHeld, moduleDue);
    }

    /// @notice The exposure is that of the unreleased, unslashed batches, and the deposit covers it.
    function invariant_DepositCoversExposure() public view {
        OperatorHead memory head = walker.head_();
        vm.assertEq(head.exposureGwei, walker.exposureDue());
        vm.assertLe(head.exposureGwei, head.depositGwei);
    }

    function invariant_OpenChallengesAreCounted() public view {
        (uint256 counted, uint256 stored) = walker.openOf();
        vm.assertEq(counted, stored);
    }

    /// @notice No batch is both final and slashed, none is held and final, each is convicted once, and ends are ends.
    function invariant_EveryBatchIsInOneState() public {
        walker.checkStates();
    }
}
