// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Payouts} from "../src/Payouts.sol";
import {World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";

/// @notice No contract is near the limit on code: what joins later finds room.
contract SizesTest is World {
    uint256 private constant MOST = 20_000;

    function test_NoContractIsAbove20kB() public {
        vm.assertLe(address(referee).code.length, MOST, "Referee");
        vm.assertLe(address(challenges).code.length, MOST, "DirectedChallenges");
        vm.assertLe(address(fraud).code.length, MOST, "FraudProofs");
        vm.assertLe(address(registry).code.length, MOST, "EnclaveRegistry");
        vm.assertLe(address(new Payouts()).code.length, MOST, "Payouts");
    }
}
