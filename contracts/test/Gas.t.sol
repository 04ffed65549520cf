// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Sealed, World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";

/// @notice Whole-transaction gas: with isolation on, every call is a transaction of its own, cold and with its input paid.
/// forge-config: default.isolate = true
contract GasTest is World {
    function test_CommitIsAtMost75k() public {
        Sealed memory first = sealDay(0, none());
        vm.warp(first.header.periodEnd);
        vm.prank(operator);
        referee.commit(first.header, first.signature, none().record);
        vm.snapshotGasLastCall("referee", "commit, first of an operator");
        recordCommit(first);

        Sealed memory second = sealDay(1, first);
        vm.warp(second.header.periodEnd);
        vm.prank(operator);
        referee.commit(second.header, second.signature, first.record);
        uint256 gas = vm.snapshotGasLastCall("referee", "commit, steady");
        vm.assertLe(gas, 75_000, "steady commit");
    }
}
