// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FirstLight} from "../src/FirstLight.sol";
import {BatchReference, BatchRun, EntryInclusion} from "../src/types/BatchRecord.sol";
import {EvidenceOpening} from "../src/types/EvidenceOpening.sol";
import {EvidenceVerdict} from "../src/types/EvidenceVerdict.sol";
import {Tree} from "./support/Tree.sol";
import {Sealed, World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";

/// @notice Whole-transaction gas: with isolation on, every call is a transaction of its own, cold and with its input paid.
/// forge-config: default.isolate = true
contract GasTest is World {
    /// @dev From the ninth on no slot is new. The input grows with the number of peaks, the work with the peaks taken in.
    function test_CommitIsAtMost62k() public {
        Sealed memory before;
        uint256 most;
        for (uint64 day = 0; day < 40; ++day) {
            Sealed memory batch = sealDay(day, before);
            vm.warp(batch.header.periodEnd);
            if (day % 20 == 19) {
                vm.roll(vm.getBlockNumber() + 1);
                registerKey(operator, ENCLAVE, channel, WORKLOAD);
            }
            bytes memory input = commitInput(batch);
            sendCommit(batch);
            uint256 gas = vm.lastCallGas().gasTotalUsed;
            if (day == 0) vm.snapshotValue("referee", "commit, first of an operator", gas);
            if (day == 1) vm.snapshotValue("referee", "commit, second of eight that write a new slot", gas);
            if (day == 16) vm.snapshotValue("referee", "commit, steady, one peak", gas);
            if (day == 31) {
                vm.snapshotValue("referee", "commit, steady, five peaks", gas);
                vm.snapshotValue("referee", "commit, steady: input", inputGas(input));
            }
            if (day > 8 && gas > most) most = gas;
            recordCommit(batch);
            before = batch;
        }
        vm.assertLe(most, 62_000, "steady commit");
    }

    function test_ChallengeAnswerExpire() public {
        Sealed memory batch = commitDay(0, none());
        EntryInclusion memory entry_ = inclusion(batch, 2);
        uint256 paid = bond(batch);
        BatchReference memory referred = refer(batch);
        vm.prank(catcher);
        challenges.challenge{value: paid}(batch.header, referred, 2);
        vm.snapshotGasLastCall("referee", "challenge");
        vm.txGasPrice(1 gwei);
        vm.prank(operator, operator);
        challenges.answer(batch.header, entry_);
        vm.snapshotGasLastCall("referee", "answer");
        vm.txGasPrice(0);
        challengeEntry(batch, 0);
        vm.warp(challengeOf(batch, 0).deadline);
        referred = refer(batch);
        challenges.expire(referred, 0);
        vm.snapshotGasLastCall("referee", "expire and slash");
        vm.prank(catcher);
        challenges.withdrawOwed(payable(catcher));
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
        commitBatch(batch);
        EntryInclusion memory entry_ = inclusion(batch, 2);
        BatchReference memory referred = refer(batch);
        uint256 state = vm.snapshotState();
        vm.prank(catcher);
        fraud.proveInvalidEvidence(batch.header, referred, entry_, opening);
        vm.snapshotGasLastCall("referee", "proveInvalidEvidence");
        vm.revertToState(state);
        Sealed memory twin = sealDay(0, none());
        vm.prank(catcher);
        fraud.proveEquivocation(batch.header, batch.signature, twin.header, twin.signature, referred);
        vm.snapshotGasLastCall("referee", "proveEquivocation");
    }

    function test_Release() public {
        Sealed memory batch;
        for (uint64 day = 0; day < 7; ++day) {
            batch = commitDay(day, batch);
        }
        vm.warp(batch.record.committedAt + 7 days);
        BatchRun memory run = runOf(channel, operator, 1, 1);
        referee.release(run);
        vm.snapshotGasLastCall("referee", "release, one batch");
        run = runOf(channel, operator, 2, 6);
        referee.release(run);
        vm.snapshotGasLastCall("referee", "release, six batches");
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
