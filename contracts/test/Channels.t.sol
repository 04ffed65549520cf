// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "../src/interfaces/IReferee.sol";
import {ChannelHead, ChannelHeads, ChannelKind, ChannelParameters} from "../src/types/Channel.sol";
import {ParametersWord} from "../src/types/ParametersWord.sol";
import {OperatorHeads} from "../src/types/Operator.sol";
import {World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";

contract ChannelsTest is World {
    function test_IdNamesManagerKindAndSalt() public view {
        bytes32 expected = keccak256(
            abi.encode(keccak256("wattest/channel/1"), manager, uint8(ChannelKind.Scheduled), bytes32("community"))
        );
        vm.assertEq(channel, expected);
        vm.assertEq(referee.managerOf(channel), manager);
    }

    function test_CreateTwiceReverts() public {
        vm.prank(manager);
        vm.expectRevert(abi.encodeWithSelector(IReferee.ChannelExists.selector, channel));
        referee.createChannel(ChannelKind.Scheduled, "community", parameters(), modules(), terms());
    }

    function test_ParametersOutOfRangeRevert() public {
        ChannelParameters memory p = parameters();
        p.catcherRewardWei = p.stakeWei / 5 + 1;
        refuse(ChannelKind.Scheduled, p, "catcherRewardWei");
        p = parameters();
        p.commitDeadlineS = p.epochS;
        refuse(ChannelKind.Scheduled, p, "commitDeadlineS");
        p = parameters();
        p.epochS = 59;
        refuse(ChannelKind.Scheduled, p, "epochS");
        refuse(ChannelKind.Open, parameters(), "epochS");
        p = openParameters();
        p.commitDeadlineS = 1;
        refuse(ChannelKind.Open, p, "commitDeadlineS");
        p = parameters();
        p.challengeWindowS = 0;
        refuse(ChannelKind.Scheduled, p, "challengeWindowS");
        p = parameters();
        p.challengeWindowS = 90 days + 1;
        refuse(ChannelKind.Scheduled, p, "challengeWindowS");
        p = parameters();
        p.exitDelayS = p.challengeWindowS - 1;
        refuse(ChannelKind.Scheduled, p, "exitDelayS");
        p = parameters();
        p.stakeWei = 0;
        refuse(ChannelKind.Scheduled, p, "stakeWei");
    }

    /// @dev Amounts have their place in words of gwei: no fraction of one, and nothing that does not fit.
    function test_AmountsThatAreNoWholeGweiOrDoNotFitRevert() public {
        ChannelParameters memory p = parameters();
        p.stakeWei += 1;
        refuse(ChannelKind.Scheduled, p, "stakeWei");
        p = parameters();
        p.catcherRewardWei -= 1;
        refuse(ChannelKind.Scheduled, p, "catcherRewardWei");
        p = parameters();
        p.gasReserveWei += 1;
        refuse(ChannelKind.Scheduled, p, "gasReserveWei");
        p = parameters();
        p.stakeWei = uint88(OperatorHeads.MAX_STAKE_GWEI / 3 + 1) * 1 gwei;
        refuse(ChannelKind.Scheduled, p, "stakeWei");
        p = parameters();
        p.gasReserveWei = uint88(OperatorHeads.MAX_AMOUNT_GWEI / 2 + 1) * 1 gwei;
        refuse(ChannelKind.Scheduled, p, "gasReserveWei");
        p.gasReserveWei -= 1 gwei;
        p.stakeWei = uint88(OperatorHeads.MAX_STAKE_GWEI / 3) * 1 gwei;
        p.catcherRewardWei = p.stakeWei / 5 / 1 gwei * 1 gwei;
        bytes32 largest = referee.createChannel(ChannelKind.Scheduled, "largest", p, modules(), terms());
        vm.assertTrue(same(referee.parametersOf(largest, 1), p));
        ChannelHead memory head = referee.channelHead(largest);
        vm.assertEq(head.stakeGwei, p.stakeWei / 1 gwei);
        vm.assertEq(head.marginGwei, (uint256(p.catcherRewardWei) + p.gasReserveWei) / 1 gwei);
    }

    function refuse(ChannelKind kind, ChannelParameters memory p, string memory name) private {
        vm.expectRevert(abi.encodeWithSelector(IReferee.ParameterOutOfRange.selector, name));
        referee.createChannel(kind, "refused", p, modules(), terms());
    }

    function test_ParametersChangeOnlyBehindTimelock() public {
        ChannelParameters memory p = parameters();
        p.stakeWei = 2 ether;
        vm.expectRevert(abi.encodeWithSelector(IReferee.NotManager.selector, manager, address(this)));
        referee.queueParameters(channel, p, terms());
        vm.prank(manager);
        referee.queueParameters(channel, p, terms());
        bytes32 digest = keccak256(abi.encode(p, terms()));
        (uint64 appliesAt, bytes32 queued) = referee.queuedParameters(channel);
        vm.assertEq(appliesAt, DAY_0 + 7 days);
        vm.assertEq(queued, digest);
        vm.warp(DAY_0 + 7 days - 1);
        refuseApply(p, abi.encodeWithSelector(IReferee.TimelockRunning.selector, DAY_0 + 7 days, DAY_0 + 7 days - 1));
        vm.warp(DAY_0 + 7 days);
        ChannelParameters memory other = parameters();
        refuseApply(
            other,
            abi.encodeWithSelector(IReferee.ParametersMismatch.selector, digest, keccak256(abi.encode(other, terms())))
        );
        referee.applyParameters(channel, p, terms());
        vm.assertEq(referee.channelHead(channel).parametersVersion, 2);
        vm.assertTrue(same(referee.parametersOf(channel, 1), parameters()));
        vm.assertTrue(same(referee.parametersOf(channel, 2), p));
        vm.assertEq(referee.termsOf(channel, 2, address(challenges)), terms()[0]);
        refuseApply(p, abi.encodeWithSelector(IReferee.NoParametersQueued.selector, channel));
    }

    function test_CancelledParametersCannotBeApplied() public {
        vm.startPrank(manager);
        referee.queueParameters(channel, parameters(), terms());
        referee.cancelParameters(channel);
        vm.stopPrank();
        vm.warp(DAY_0 + 30 days);
        refuseApply(parameters(), abi.encodeWithSelector(IReferee.NoParametersQueued.selector, channel));
    }

    function test_EpochCannotChange() public {
        ChannelParameters memory p = parameters();
        p.epochS = 2 days;
        vm.prank(manager);
        vm.expectRevert(abi.encodeWithSelector(IReferee.ParameterOutOfRange.selector, "epochS"));
        referee.queueParameters(channel, p, terms());
    }

    function test_RosterChangesFromItsPeriodOn() public {
        vm.warp(DAY_0 + 2 hours);
        setRoster(METERS + 1, DAY_0 + 2 * EPOCH);
        vm.assertEq(referee.rosterCountAt(channel, DAY_0 + EPOCH), METERS);
        vm.assertEq(referee.rosterCountAt(channel, DAY_0 + 2 * EPOCH), METERS + 1);
    }

    function test_RosterCannotChangeThePast() public {
        vm.warp(DAY_0 + EPOCH);
        refuseRoster(DAY_0, abi.encodeWithSelector(IReferee.RosterPeriodInvalid.selector, DAY_0));
        refuseRoster(DAY_0 + 1, abi.encodeWithSelector(IReferee.RosterPeriodInvalid.selector, DAY_0 + 1));
    }

    function test_RosterChangeWaitsForTheCommitsBeforeTheLastOne() public {
        vm.warp(DAY_0 + 2 hours);
        setRoster(METERS + 1, DAY_0 + 2 * EPOCH);
        vm.warp(DAY_0 + 2 * EPOCH);
        refuseRoster(
            DAY_0 + 3 * EPOCH, abi.encodeWithSelector(IReferee.RosterChangePending.selector, DAY_0 + 2 * EPOCH)
        );
        vm.warp(DAY_0 + 2 * EPOCH + 2 hours);
        setRoster(METERS + 2, DAY_0 + 3 * EPOCH);
        vm.assertEq(referee.rosterCountAt(channel, DAY_0 + 2 * EPOCH), METERS + 1);
        vm.assertEq(referee.rosterCountAt(channel, DAY_0 + 3 * EPOCH), METERS + 2);
    }

    function test_RosterOfOpenChannelReverts() public {
        bytes32 open = referee.createChannel(ChannelKind.Open, "open", openParameters(), modules(), terms());
        vm.expectRevert(abi.encodeWithSelector(IReferee.RosterNotApplicable.selector, open));
        referee.setRosterCount(open, 1, DAY_0);
    }

    function test_RosterCountOutOfRangeReverts() public {
        vm.startPrank(manager);
        vm.expectRevert(abi.encodeWithSelector(IReferee.RosterCountOutOfRange.selector, 0));
        referee.setRosterCount(channel, 0, DAY_0 + EPOCH);
        vm.expectRevert(abi.encodeWithSelector(IReferee.RosterCountOutOfRange.selector, (1 << 20) + 1));
        referee.setRosterCount(channel, (1 << 20) + 1, DAY_0 + EPOCH);
        vm.stopPrank();
    }

    /// @dev 2 and 16 bits, then the roster's 82, two spans of 22, two amounts of 56: set one by one and read back.
    function testFuzz_HeadWordKeepsItsFieldsApart(
        bool opens,
        uint16 version,
        uint32 count,
        uint40 from,
        uint256 parameters_,
        uint64 time
    ) public pure {
        ChannelKind kind = opens ? ChannelKind.Open : ChannelKind.Scheduled;
        count = uint32(between(count, 1, 1 << 20));
        parameters_ &= (1 << 251) - 1; // reward and reserve together have 56 bits: ChannelRules sees to it
        uint256 word = ChannelHeads.created(kind);
        word = ChannelHeads.withRoster(word, time, count, from);
        word = ChannelHeads.withParameters(word, version, parameters_);
        ChannelHead memory head = ChannelHeads.unpack(word);
        ChannelParameters memory given = ParametersWord.unpack(parameters_);
        vm.assertTrue(head.kind == kind);
        vm.assertEq(head.parametersVersion, version);
        vm.assertEq(head.rosterCount, 0);
        vm.assertEq(head.nextRosterCount, count);
        vm.assertEq(head.nextRosterFrom, from);
        vm.assertEq(head.epochS, given.epochS);
        vm.assertEq(head.commitDeadlineS, given.commitDeadlineS);
        vm.assertEq(head.stakeGwei, given.stakeWei / 1 gwei);
        vm.assertEq(ChannelHeads.rosterCountAt(word, from), from == 0 ? 0 : count);
        vm.assertEq(ChannelHeads.rosterCountAt(word, uint256(from) - (from == 0 ? 0 : 1)), 0);
        uint256 later = ChannelHeads.withRoster(word, from, 7, uint256(from) + 1 & type(uint40).max);
        vm.assertEq(ChannelHeads.unpack(later).rosterCount, from == 0 ? 0 : count);
        vm.assertEq(ChannelHeads.unpack(later).parametersVersion, version);
        vm.assertEq(ChannelHeads.unpack(later).stakeGwei, head.stakeGwei);
    }

    /// @dev 22, 22, 23, 25, 52, 52 and 56 bits.
    function testFuzz_ParametersWordRoundTrips(uint256 word) public view {
        word &= (1 << 252) - 1;
        vm.assertEq(this.pack(ParametersWord.unpack(word)), word);
    }

    function pack(ChannelParameters calldata p) external pure returns (uint256) {
        return ParametersWord.pack(p);
    }

    function testFuzz_RosterNeverChangesOverPeriods(uint32 count, uint64 from, uint64 later) public {
        later = uint64(between(later, DAY_0, DAY_0 + 40 days));
        vm.warp(later);
        uint64 yesterday = later / EPOCH * EPOCH - EPOCH;
        uint32 before = referee.rosterCountAt(channel, yesterday);
        vm.prank(manager);
        try referee.setRosterCount(channel, count, from) {
            vm.assertGt(from + EPOCH, later);
            vm.assertEq(referee.rosterCountAt(channel, from), count);
        } catch {}
        // Older periods can no longer be committed, and the referee forgets their count.
        if (later < yesterday + EPOCH + parameters().commitDeadlineS) {
            vm.assertEq(referee.rosterCountAt(channel, yesterday), before);
        }
    }

    function same(ChannelParameters memory one, ChannelParameters memory other) private pure returns (bool) {
        return keccak256(abi.encode(one)) == keccak256(abi.encode(other));
    }

    function refuseApply(ChannelParameters memory p, bytes memory reason) private {
        vm.expectRevert(reason);
        referee.applyParameters(channel, p, terms());
    }

    function setRoster(uint32 count, uint64 from) private {
        vm.prank(manager);
        referee.setRosterCount(channel, count, from);
    }

    function refuseRoster(uint64 from, bytes memory reason) private {
        vm.prank(manager);
        vm.expectRevert(reason);
        referee.setRosterCount(channel, METERS + 1, from);
    }
}
