// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FirstLight} from "../src/FirstLight.sol";
import {BatchRecord, EntryInclusion} from "../src/types/BatchRecord.sol";
import {EvidenceOpening} from "../src/types/DirectedChallenge.sol";
import {EvidenceVerdict} from "../src/types/EvidenceVerdict.sol";
import {Tree} from "./support/Tree.sol";
import {Sealed, World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";

/// @notice Whole-transaction gas: with isolation on, every call is a transaction of its own, cold and with its input paid.
/// forge-config: default.isolate = true
contract GasTest is World {
    function test_CommitIsAtMost75k() public {
        Sealed memory first = sealDay(0, none());
        vm.warp(first.header.periodEnd);
        vm.prank(operator, operator);
        referee.commit(first.header, first.signature, none().record);
        vm.snapshotGasLastCall("referee", "commit, first of an operator");
        recordCommit(first);

        Sealed memory second = sealDay(1, first);
        vm.warp(second.header.periodEnd);
        vm.prank(operator, operator);
        referee.commit(second.header, second.signature, first.record);
        uint256 gas = vm.snapshotGasLastCall("referee", "commit, steady");
        vm.assertLe(gas, 75_000, "steady commit");
        bytes memory input = abi.encodeCall(referee.commit, (second.header, second.signature, first.record));
        vm.snapshotValue("referee", "commit, steady: input", inputGas(input));
    }

    function test_ChallengeAnswerExpire() public {
        Sealed memory batch = commitDay(0, none());
        EntryInclusion memory entry_ = inclusion(batch, 2);
        uint256 paid = bond(batch);
        vm.prank(catcher);
        referee.challenge{value: paid}(batch.header, batch.record, 2);
        vm.snapshotGasLastCall("referee", "challenge");
        vm.prank(operator, operator);
        referee.answer(batch.header, batch.record, entry_);
        vm.snapshotGasLastCall("referee", "answer");
        challengeEntry(batch, 0);
        uint64 deadline = referee.challengeOf(channel, operator, 1, 0).deadline;
        vm.warp(deadline);
        referee.expire(channel, operator, 1, batch.record, 0);
        vm.snapshotGasLastCall("referee", "expire and slash");
        vm.prank(catcher);
        referee.withdrawOwed(payable(catcher));
        vm.snapshotGasLastCall("referee", "withdrawOwed");
    }

    function test_FraudProofs() public {
        Sealed memory batch = sealDay(0, none());
        EvidenceOpening memory opening = goodOpening(0, 2);
        opening.messageDigest = sha256("forged readings");
        batch.payloads[2] = entry(0, 2, evidenceDigest(opening));
        batch.leaves[2] = Tree.leaf(batch.salts[2], batch.payloads[2]);
        batch.header.root = Tree.root(batch.leaves);
        signHeader(batch, ENCLAVE);
        commitBatch(batch, none());
        EntryInclusion memory entry_ = inclusion(batch, 2);
        uint256 state = vm.snapshotState();
        vm.prank(catcher);
        referee.proveInvalidEvidence(batch.header, batch.record, entry_, opening);
        vm.snapshotGasLastCall("referee", "proveInvalidEvidence");
        vm.revertToState(state);
        Sealed memory twin = sealDay(0, none());
        vm.prank(catcher);
        referee.proveEquivocation(batch.header, batch.signature, twin.header, twin.signature, batch.record);
        vm.snapshotGasLastCall("referee", "proveEquivocation");
    }

    function test_Release() public {
        Sealed memory batch = commitDay(0, none());
        BatchRecord[] memory records = new BatchRecord[](1);
        records[0] = batch.record;
        vm.warp(batch.record.committedAt + 7 days);
        referee.release(channel, operator, records);
        vm.snapshotGasLastCall("referee", "release, one batch");
    }

    function test_Registration() public {
        EvidenceVerdict memory verdict = verdictFor(operator, uint256(keccak256("another")), channel, WORKLOAD);
        bytes memory evidence = quorumSignatures(registry.verdictDigest(verdict), 2);
        vm.prank(operator, operator);
        registry.register(verdict, evidence);
        vm.snapshotGasLastCall("registry", "register, two of three appraisers");
        FirstLight light = new FirstLight(registry);
        bytes memory signed =
            signature(uint256(keccak256("another")), keccak256(bytes.concat("wattest/first-light/1", bytes32("text"))));
        vm.assertTrue(light.verify(address(referee), channel, "text", signed));
        vm.snapshotGasLastCall("registry", "first light");
    }
}
