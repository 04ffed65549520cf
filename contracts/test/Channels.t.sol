// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "../src/interfaces/IReferee.sol";
import {ChannelHead, ChannelHeads, ChannelKind, ChannelParameters} from "../src/types/Channel.sol";
import {Sealed, World} from "./support/World.sol";
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
        referee.createChannel(ChannelKind.Scheduled, "community", parameters());
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
        p.answerWindowS = 31 days;
        refuse(ChannelKind.Scheduled, p, "answerWindowS");
        p = parameters();
        p.exitDelayS = p.challengeWindowS - 1;
        refuse(ChannelKind.Scheduled, p, "exitDelayS");
        p = parameters();
        p.stakeWei = 0;
        refuse(ChannelKind.Scheduled, p, "stakeWei");
        p = parameters();
        p.baseBondWei = 0;
        p.answerGasCapWei = 0;
        refuse(ChannelKind.Scheduled, p, "baseBondWei");
        p = parameters();
        p.answerGasCapWei = p.baseBondWei + 1;
        refuse(ChannelKind.Scheduled, p, "answerGasCapWei");
    }

    function refuse(ChannelKind kind, ChannelParameters memory p, string memory name) private {
        vm.expectRevert(abi.encodeWithSelector(IReferee.ParameterOutOfRange.selector, name));
        referee.createChannel(kind, "refused", p);
    }

    function test_ParametersChangeOnlyBehindTimelock() public {
        ChannelParameters memory p = parameters();
        p.stakeWei = 2 ether;
        vm.expectRevert(abi.encodeWithSelector(IReferee.NotManager.selector, manager, address(this)));
        referee.queueParameters(channel, p);
        vm.prank(manager);
        referee.queueParameters(channel, p);
        vm.warp(DAY_0 + 7 days - 1);
        vm.expectRevert(abi.encodeWithSelector(IReferee.TimelockRunning.selector, DAY_0 + 7 days, DAY_0 + 7 days - 1));
        referee.applyParameters(channel);
        vm.warp(DAY_0 + 7 days);
        referee.applyParameters(channel);
        vm.assertEq(referee.channelHead(channel).parametersVersion, 2);
        vm.assertEq(referee.parametersOf(channel, 1).stakeWei, 1 ether);
        vm.assertEq(referee.parametersOf(channel, 2).stakeWei, 2 ether);
        vm.expectRevert(abi.encodeWithSelector(IReferee.NoParametersQueued.selector, channel));
        referee.applyParameters(channel);
    }

    function test_CancelledParametersCannotBeApplied() public {
        vm.startPrank(manager);
        referee.queueParameters(channel, parameters());
        referee.cancelParameters(channel);
        vm.stopPrank();
        vm.warp(DAY_0 + 30 days);
        vm.expectRevert(abi.encodeWithSelector(IReferee.NoParametersQueued.selector, channel));
        referee.applyParameters(channel);
    }

    function test_EpochCannotChange() public {
        ChannelParameters memory p = parameters();
        p.epochS = 2 days;
        vm.prank(manager);
        vm.expectRevert(abi.encodeWithSelector(IReferee.ParameterOutOfRange.selector, "epochS"));
        referee.queueParameters(channel, p);
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
        bytes32 open = referee.createChannel(ChannelKind.Open, "open", openParameters());
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

    function testFuzz_HeadWordRoundTrips(uint256 word) public pure {
        word = word >> 8 << 8 | word & 1;
        vm.assertEq(ChannelHeads.pack(ChannelHeads.unpack(word)), word);
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
