// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchRecord, BatchState} from "../src/types/BatchRecord.sol";
import {ChallengeState, DirectedChallenge} from "../src/types/DirectedChallenge.sol";
import {OperatorHead, OperatorState} from "../src/types/Operator.sol";
import {Sealed, World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";

/// @notice Walks the Referee through random lives: every step is either allowed and taken, or not tried.
contract Walker is World {
    struct Asked {
        uint256 batch;
        uint32 index;
    }

    Sealed[] private batches;
    Asked[] private asked;
    address[2] private actors = [address(0xAC01), address(0xAC02)];
    uint64 private nextDay;
    mapping(bytes32 => uint256) public calls;

    function begin() external {
        setUp();
        vm.deal(actors[0], 1_000_000 ether);
        vm.deal(actors[1], 1_000_000 ether);
    }

    function topUp(uint64 amount) external {
        if (!isCommitting() || amount == 0) return;
        vm.deal(operator, uint256(amount));
        vm.prank(operator, operator);
        referee.deposit{value: amount}(channel);
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
        if (head.depositWei < head.openExposureWei + EXPOSURE) return;
        Sealed memory batch = sealDay(nextDay++, before);
        commitBatch(batch, before);
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
        if (batch.record.state == BatchState.Slashed || block.timestamp >= batch.record.committedAt + 7 days) return;
        if (challengeState(which, index).state != ChallengeState.None) return;
        uint256 paid = bond(batch) + margin;
        vm.prank(actors[who % 2]);
        referee.challenge{value: paid}(batch.header, batch.record, index);
        asked.push(Asked(which, index));
        ++calls["challenge"];
    }

    function answerOne(uint256 which, uint64 gasPrice) external {
        if (asked.length == 0) return;
        Asked memory one = asked[which % asked.length];
        Sealed memory batch = batches[one.batch];
        DirectedChallenge memory open = challengeState(one.batch, one.index);
        if (open.state != ChallengeState.Open || block.timestamp >= open.deadline) return;
        if (batch.record.state == BatchState.Slashed) return;
        vm.txGasPrice(gasPrice % 1000 gwei);
        vm.prank(operator, operator);
        referee.answer(batch.header, batch.record, inclusion(batch, one.index));
        ++calls["answer"];
    }

    function closeOne(uint256 which) external {
        if (asked.length == 0) return;
        Asked memory one = asked[which % asked.length];
        Sealed memory batch = batches[one.batch];
        DirectedChallenge memory open = challengeState(one.batch, one.index);
        if (open.state != ChallengeState.Open) return;
        if (batch.record.state == BatchState.Slashed) {
            referee.refund(channel, operator, batch.header.sequence, batch.record, one.index);
            ++calls["refund"];
        } else if (block.timestamp >= open.deadline) {
            referee.expire(channel, operator, batch.header.sequence, batch.record, one.index);
            batches[one.batch].record.state = BatchState.Slashed;
            ++calls["expire"];
        }
    }

    /// @dev Rare, because it ends the operator's life: about one walk in three.
    function equivocate(uint256 which, uint256 chance) external {
        if (batches.length < 3 || chance % 8 != 0) return;
        which %= batches.length;
        Sealed memory one = batches[which];
        if (referee.isConvicted(channel, operator, one.header.sequence)) return;
        Sealed memory two = batches[which];
        two.header.contentId = keccak256("fork");
        signHeader(two, ENCLAVE);
        bool isFinal = referee.isFinal(channel, operator, one.header.sequence, one.record);
        vm.prank(actors[0]);
        referee.proveEquivocation(one.header, one.signature, two.header, two.signature, one.record);
        if (one.record.state == BatchState.Committed && !isFinal) batches[which].record.state = BatchState.Slashed;
        ++calls["equivocate"];
    }

    function releaseOne() external {
        OperatorHead memory head = referee.operatorHead(channel, operator);
        if (head.firstUnreleased > head.sequence) return;
        BatchRecord[] memory records = new BatchRecord[](1);
        records[0] = batches[head.firstUnreleased - 1].record;
        bool isFinal = referee.isFinal(channel, operator, head.firstUnreleased, records[0]);
        if (!isFinal && records[0].state != BatchState.Slashed) return;
        referee.release(channel, operator, records);
        ++calls["release"];
    }

    function pull(uint256 who) external {
        address account = who % 3 == 2 ? operator : actors[who % 3];
        if (referee.owed(account) == 0) return;
        vm.prank(account);
        referee.withdrawOwed(payable(account));
        ++calls["pull"];
    }

    function exit_(uint256 chance) external {
        OperatorHead memory head = referee.operatorHead(channel, operator);
        if (head.state == OperatorState.Active && chance % 16 == 0) {
            vm.prank(operator, operator);
            referee.requestExit(channel);
        } else if (
            (head.state == OperatorState.Exiting || head.state == OperatorState.Banned) && head.depositWei != 0
                && head.firstUnreleased > head.sequence
                && block.timestamp >= referee.operatorExtra(channel, operator).withdrawableAt
        ) {
            vm.prank(operator, operator);
            referee.withdraw(channel, payable(operator));
            ++calls["withdraw"];
        }
    }

    function wait_(uint32 seconds_) external {
        vm.warp(block.timestamp + seconds_ % 2 days);
    }

    // -------------------------------------------------------------------- sums

    function valueHeld() external view returns (uint256) {
        return address(referee).balance;
    }

    /// @dev The burn address is owed what it could not take.
    function valueDue() external view returns (uint256 due) {
        due = referee.operatorHead(channel, operator).depositWei + referee.owed(actors[0]) + referee.owed(actors[1])
            + referee.owed(operator) + referee.owed(referee.BURN_ADDRESS());
        for (uint256 i = 0; i < asked.length; ++i) {
            DirectedChallenge memory one = challengeState(asked[i].batch, asked[i].index);
            if (one.state == ChallengeState.Open) due += 0.02 ether * (7 + uint256(one.ordinal)) / 8;
        }
    }

    function exposureDue() external view returns (uint256 due) {
        OperatorHead memory head = referee.operatorHead(channel, operator);
        for (uint256 i = head.firstUnreleased; i <= head.sequence; ++i) {
            if (batches[i - 1].record.state == BatchState.Committed) due += EXPOSURE;
        }
    }

    function head_() external view returns (OperatorHead memory) {
        return referee.operatorHead(channel, operator);
    }

    function openOf() external view returns (uint256 counted, uint256 stored) {
        for (uint256 i = 0; i < asked.length; ++i) {
            if (challengeState(asked[i].batch, asked[i].index).state == ChallengeState.Open) ++counted;
        }
        stored = referee.operatorExtra(channel, operator).openChallenges;
    }

    function challengeState(uint256 batch, uint32 index) private view returns (DirectedChallenge memory) {
        return referee.challengeOf(channel, operator, batches[batch].header.sequence, index);
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
        bytes4[] memory steps = new bytes4[](12);
        steps[0] = walker.topUp.selector;
        steps[1] = walker.commitNext.selector;
        steps[2] = walker.commitNext.selector;
        steps[3] = walker.challengeOne.selector;
        steps[4] = walker.challengeOne.selector;
        steps[5] = walker.answerOne.selector;
        steps[6] = walker.closeOne.selector;
        steps[7] = walker.equivocate.selector;
        steps[8] = walker.releaseOne.selector;
        steps[9] = walker.pull.selector;
        steps[10] = walker.exit_.selector;
        steps[11] = walker.wait_.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(walker), steps);
    }

    /// @dev One sender that is nobody's: left to itself forge also calls as the Referee and as the burn address, and then
    /// credits them with unused gas at the walk's gas price, which no transaction on a chain could.
    function targetSenders() public pure returns (address[] memory senders) {
        senders = new address[](1);
        senders[0] = address(0x5EED);
    }

    /// @notice Value held = deposits + open bonds + what is owed, to the last wei.
    function invariant_ValueHeldIsValueDue() public view {
        vm.assertEq(walker.valueHeld(), walker.valueDue());
    }

    /// @notice The exposure is that of the unreleased, unslashed batches, and the deposit covers it.
    function invariant_DepositCoversExposure() public view {
        OperatorHead memory head = walker.head_();
        vm.assertEq(head.openExposureWei, walker.exposureDue());
        vm.assertLe(head.openExposureWei, head.depositWei);
    }

    function invariant_OpenChallengesAreCounted() public view {
        (uint256 counted, uint256 stored) = walker.openOf();
        vm.assertEq(counted, stored);
    }
}
