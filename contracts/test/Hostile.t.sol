// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFraudProofs} from "../src/interfaces/IFraudProofs.sol";
import {IReferee} from "../src/interfaces/IReferee.sol";
import {P256Verify} from "../src/lib/P256Verify.sol";
import {EvidenceOpening} from "../src/types/EvidenceOpening.sol";
import {OperatorState} from "../src/types/Operator.sol";
import {Sealed, World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";

/// @notice What a caller can do by choosing the gas of its call: a precompile that runs out of it must not look like a
/// signature that fails.
contract HostileTest is World {
    uint256 private constant P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551;

    function test_GoodSignatureNeverLooksBadForWantOfGas() public view {
        EvidenceOpening memory opening = goodOpening(0, 2);
        bool passed;
        for (uint256 gasLimit = 3_000; gasLimit < 16_000; gasLimit += 3) {
            try this.isValid{gas: gasLimit}(opening) returns (bool valid) {
                vm.assertTrue(valid, "good signature refused for want of gas");
                passed = true;
            } catch {
                vm.assertFalse(passed, "more gas must not fail again");
            }
        }
        vm.assertTrue(passed);
    }

    function test_HonestOperatorIsNotSlashedByAnyAmountOfGas() public {
        Sealed memory batch = commitDay(0, none());
        bytes memory call = abi.encodeCall(
            IFraudProofs.proveInvalidEvidence, (batch.header, refer(batch), inclusion(batch, 2), goodOpening(0, 2))
        );
        for (uint256 gasLimit = 20_000; gasLimit < 200_000; gasLimit += 53) {
            (bool success,) = address(fraud).call{gas: gasLimit}(call);
            vm.assertFalse(success);
        }
        vm.assertTrue(referee.operatorHead(channel, operator).state == OperatorState.Active);
        vm.assertEq(depositOf(operator), 100 ether);
    }

    /// @dev s = (n - 1) / 2 is the largest low one: meters, enclave and contract draw the line at the same value.
    function test_LowSEndsWhereTheMetersSayItDoes() public pure {
        vm.assertEq(P256Verify.HALF_ORDER, P256_ORDER / 2);
    }

    /// @dev A header that only a trace shows could not be challenged by whoever has no tracing node.
    function test_NobodyHidesAHeaderBehindAContract() public {
        Sealed memory batch = sealDay(0, none());
        vm.warp(batch.header.periodEnd);
        bytes memory reason = abi.encodeWithSelector(IReferee.NotOperator.selector, operator, operator);
        (bytes32 r, bytes32 vs) = compact(batch.signature);
        vm.prank(operator); // as a contract that somebody else's transaction called
        vm.expectRevert(reason);
        referee.commit(batch.header, r, vs, new bytes32[](0));

        vm.etch(operator, bytes.concat(hex"ef0100", bytes20(address(this)))); // as a delegated account, EIP-7702
        vm.prank(operator, operator);
        vm.expectRevert(reason);
        referee.commit(batch.header, r, vs, new bytes32[](0));
        vm.etch(operator, "");

        commitBatch(batch);
        vm.assertEq(referee.operatorHead(channel, operator).sequence, 1);
    }

    function isValid(EvidenceOpening memory opening) external view returns (bool) {
        return P256Verify.isValid(opening.messageDigest, opening.r, opening.s, opening.x, opening.y);
    }
}
