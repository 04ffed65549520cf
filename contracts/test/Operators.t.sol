// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPurse} from "../src/interfaces/IPurse.sol";
import {IReferee} from "../src/interfaces/IReferee.sol";
import {OperatorState} from "../src/types/Operator.sol";
import {Sealed, World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";

contract OperatorsTest is World {
    function test_DepositNeedsAChannelAndValue() public {
        vm.expectRevert(abi.encodeWithSelector(IReferee.UnknownChannel.selector, bytes32("nowhere")));
        referee.deposit{value: 1}("nowhere");
        vm.expectRevert(abi.encodeWithSelector(IReferee.ZeroValue.selector));
        referee.deposit(channel);
    }

    function test_DepositAddsUp() public {
        vm.prank(operator, operator);
        referee.deposit{value: 5 ether}(channel);
        vm.assertEq(depositOf(operator), 105 ether);
    }

    function test_DepositBeyond56BitsOfGweiReverts() public {
        uint256 room = (uint256(type(uint56).max)) * 1 gwei - 100 ether;
        vm.deal(operator, room + 1 gwei);
        vm.prank(operator, operator);
        vm.expectRevert(abi.encodeWithSelector(IReferee.DepositTooLarge.selector));
        referee.deposit{value: room + 1 gwei}(channel);
        vm.prank(operator, operator);
        referee.deposit{value: room}(channel);
        vm.assertEq(referee.operatorHead(channel, operator).depositGwei, type(uint56).max);
    }

    function test_DepositIsWholeGwei() public {
        vm.prank(operator, operator);
        vm.expectRevert(abi.encodeWithSelector(IReferee.NotWholeGwei.selector, 1 gwei + 1));
        referee.deposit{value: 1 gwei + 1}(channel);
    }

    function test_ExitTakesItsDelayAndFinalBatches() public {
        Sealed memory batch = commitDay(0, none());
        uint64 leaves = batch.record.committedAt + 21 days;
        vm.prank(operator, operator);
        referee.requestExit(channel);
        refuseWithdraw(abi.encodeWithSelector(IReferee.ExitDelayRunning.selector, leaves, block.timestamp));
        vm.warp(leaves);
        refuseWithdraw(abi.encodeWithSelector(IReferee.BatchesUnreleased.selector, 1, 1));
        referee.release(runOf(channel, operator, 1, 1));
        uint256 before = operator.balance;
        vm.prank(operator, operator);
        referee.withdraw(channel, payable(operator));
        vm.assertEq(operator.balance - before, 100 ether);
        vm.assertTrue(referee.operatorHead(channel, operator).state == OperatorState.Withdrawn);
        refuseWithdraw(abi.encodeWithSelector(IReferee.WrongOperatorState.selector, OperatorState.Withdrawn));
        vm.prank(operator, operator);
        vm.expectRevert(abi.encodeWithSelector(IReferee.WrongOperatorState.selector, OperatorState.Withdrawn));
        referee.deposit{value: 1 ether}(channel);
    }

    function test_ExitingOperatorCommitsNoMore() public {
        vm.prank(operator, operator);
        referee.requestExit(channel);
        Sealed memory batch = sealDay(0, none());
        vm.warp(batch.header.periodEnd);
        refuseCommit(batch, abi.encodeWithSelector(IReferee.WrongOperatorState.selector, OperatorState.Exiting));
    }

    function test_BannedOperatorWithdrawsWhatIsLeft() public {
        Sealed memory one = sealDay(0, none());
        Sealed memory two = sealDay(0, none());
        two.header.contentId = "fork";
        signHeader(two, ENCLAVE);
        fraud.proveEquivocation(one.header, one.signature, two.header, two.signature, nowhere());
        refuseWithdraw(abi.encodeWithSelector(IReferee.ExitDelayRunning.selector, DAY_0 + 21 days, block.timestamp));
        vm.warp(DAY_0 + 21 days);
        uint256 before = operator.balance;
        vm.prank(operator, operator);
        referee.withdraw(channel, payable(operator));
        vm.assertEq(operator.balance - before, 98.8 ether);
        vm.assertTrue(referee.operatorHead(channel, operator).state == OperatorState.Banned);
        refuseWithdraw(abi.encodeWithSelector(IPurse.NothingOwed.selector, operator));
    }

    function test_StrangersHaveNothing() public {
        vm.expectRevert(abi.encodeWithSelector(IReferee.WrongOperatorState.selector, OperatorState.None));
        referee.requestExit(channel);
        vm.expectRevert(abi.encodeWithSelector(IPurse.NothingOwed.selector, address(this)));
        referee.withdrawOwed(payable(address(this)));
    }

    function refuseWithdraw(bytes memory reason) private {
        vm.prank(operator, operator);
        vm.expectRevert(reason);
        referee.withdraw(channel, payable(operator));
    }
}
