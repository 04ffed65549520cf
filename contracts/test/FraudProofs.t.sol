// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Referee} from "../src/Referee.sol";
import {FraudProofs} from "../src/FraudProofs.sol";
import {IBatchErrors} from "../src/interfaces/IBatchErrors.sol";
import {IFraudProofs} from "../src/interfaces/IFraudProofs.sol";
import {IReferee} from "../src/interfaces/IReferee.sol";
import {BatchReference, EntryInclusion} from "../src/types/BatchRecord.sol";
import {ChannelKind} from "../src/types/Channel.sol";
import {EvidenceOpening} from "../src/types/EvidenceOpening.sol";
import {ModuleGrant} from "../src/types/Module.sol";
import {OperatorState} from "../src/types/Operator.sol";
import {P256Verify} from "../src/lib/P256Verify.sol";
import {Tree} from "./support/Tree.sol";
import {Sealed, World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";

contract FraudProofsTest is World {
    uint256 private constant P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551;

    function test_Attack18_EquivocationSlashesOnceAndBans() public {
        Sealed memory batch = commitDay(0, none());
        Sealed memory twin = forked(0, none());
        prove(batch, twin, refer(batch));
        vm.assertEq(depositOf(operator), 98.8 ether);
        vm.assertEq(referee.owed(catcher), 0.2 ether);
        vm.assertTrue(referee.operatorHead(channel, operator).state == OperatorState.Banned);
        vm.assertTrue(fraud.isConvicted(channel, operator, 1));
        vm.assertTrue(isSlashed(batch));
        BatchReference memory referred = refer(batch);

        // 19: whoever comes second, in whichever order of the headers, gets nothing.
        vm.expectRevert(abi.encodeWithSelector(IFraudProofs.AlreadyConvicted.selector, 1));
        fraud.proveEquivocation(twin.header, twin.signature, batch.header, batch.signature, referred);

        // 16 without certificates: the same operator commits no more.
        Sealed memory next = sealDay(1, batch);
        vm.warp(next.header.periodEnd);
        refuseCommit(next, abi.encodeWithSelector(IReferee.WrongOperatorState.selector, OperatorState.Banned));
    }

    function test_EquivocationWorksUncommittedAndAfterExpiry() public {
        Sealed memory one = sealDay(0, none());
        Sealed memory twin = forked(0, none());
        vm.warp(DAY_0 + 200 days);
        prove(one, twin, nowhere());
        vm.assertEq(depositOf(operator), 98.8 ether);
        vm.assertTrue(referee.operatorHead(channel, operator).state == OperatorState.Banned);
    }

    function test_EquivocationOfAnUncommittedSequenceLeavesOpenBatchesCovered() public {
        address account = address(0x18);
        uint256 secret = uint256(keccak256("eighteen"));
        vm.deal(account, 10 ether);
        vm.prank(account);
        referee.deposit{value: EXPOSURE + 0.6 ether}(channel);
        registerKey(account, secret, channel, WORKLOAD);
        Sealed memory open = sealDay(0, none());
        open.header.operator = account;
        signHeader(open, secret);
        commitBatch(open);
        Sealed memory one = sealDay(1, open);
        Sealed memory two = sealDay(1, open);
        one.header.operator = two.header.operator = account;
        two.header.contentId = "fork";
        signHeader(one, secret);
        signHeader(two, secret);
        prove(one, two, nowhere());
        // Free were 0.6 ether of the 1.2: half of each sum.
        vm.assertEq(referee.owed(catcher), 0.1 ether);
        vm.assertEq(referee.owed(referee.BURN_ADDRESS()), 0.5 ether);
        vm.assertEq(depositOf(account), EXPOSURE);
        challengeEntry(open, 0);
        expireEntry(open, 0);
        vm.assertEq(depositOf(account), 0.05 ether);
    }

    function test_EquivocationOnASlashedBatchBansOnly() public {
        Sealed memory batch = commitDay(0, none());
        challengeEntry(batch, 0);
        expireEntry(batch, 0);
        uint256 owed = referee.owed(catcher);
        prove(batch, forked(0, none()), refer(batch));
        vm.assertEq(referee.owed(catcher), owed);
        vm.assertEq(depositOf(operator), 98.8 ether);
        vm.assertTrue(referee.operatorHead(channel, operator).state == OperatorState.Banned);
    }

    function test_EquivocationRefusals() public {
        Sealed memory batch = commitDay(0, none());
        Sealed memory twin = forked(0, none());
        BatchReference memory referred = refer(batch);
        refuse(batch, batch, referred, abi.encodeWithSelector(IFraudProofs.NotEquivocation.selector));
        Sealed memory next = sealDay(1, batch);
        refuse(batch, next, referred, abi.encodeWithSelector(IFraudProofs.NotEquivocation.selector));
        uint256 other = uint256(keccak256("stranger"));
        signHeader(twin, other);
        refuse(
            batch,
            twin,
            referred,
            abi.encodeWithSelector(IFraudProofs.SignersDiffer.selector, vm.addr(ENCLAVE), vm.addr(other))
        );
        Sealed memory one = sealDay(0, none());
        signHeader(one, other);
        refuse(one, twin, referred, abi.encodeWithSelector(IFraudProofs.KeyNeverRegistered.selector, vm.addr(other)));
        twin = forked(0, none());
        bytes memory unknown = abi.encodeWithSelector(IBatchErrors.UnknownBatch.selector, channel, operator, 1);
        referred.record.parametersVersion = 2;
        refuse(batch, twin, referred, unknown);
        // Where a batch stands, it is to be shown: nobody chooses the fine in the place of the slash.
        refuse(batch, twin, nowhere(), unknown);
        referred = refer(commitDay(1, batch));
        refuse(batch, twin, referred, unknown);
    }

    /// @dev A final batch is slashed no more: its equivocation is a fine, once.
    function test_EquivocationOnAFinalBatchFines() public {
        Sealed memory batch = commitDay(0, none());
        vm.warp(batch.record.committedAt + 7 days);
        vm.assertTrue(isFinal(batch));
        prove(batch, forked(0, none()), refer(batch));
        vm.assertTrue(isFinal(batch), "final stays final");
        vm.assertFalse(isSlashed(batch));
        vm.assertEq(depositOf(operator), 98.8 ether);
        vm.assertEq(referee.owed(catcher), 0.2 ether);
        vm.assertTrue(referee.operatorHead(channel, operator).state == OperatorState.Banned);
        bytes32 matter = keccak256(abi.encode(keccak256("wattest/equivocation/1"), uint64(1)));
        vm.assertTrue(referee.isFined(channel, operator, matter));
        refuse(
            batch, forked(0, none()), refer(batch), abi.encodeWithSelector(IFraudProofs.AlreadyConvicted.selector, 1)
        );
    }

    /// @dev 20: a header for another chain, contract or channel is another digest or another operator's record.
    function test_Attack20_ReplayElsewhere() public {
        Sealed memory batch = sealDay(0, none());
        vm.warp(batch.header.periodEnd);
        vm.chainId(block.chainid + 1);
        refuseCommit(batch, abi.encodePacked(IReferee.EnclaveKeyNotActive.selector));
        vm.chainId(block.chainid);

        Referee second = new Referee(registry);
        FraudProofs itsProofs = new FraudProofs(second);
        vm.startPrank(manager);
        second.createChannel(
            referee.channelHead(channel).kind, "community", parameters(), new ModuleGrant[](0), new bytes32[](0)
        );
        second.setRosterCount(channel, METERS, DAY_0 + EPOCH);
        vm.stopPrank();
        vm.prank(operator, operator);
        second.deposit{value: 10 ether}(channel);
        Sealed memory tomorrow = sealDay(1, none());
        vm.warp(tomorrow.header.periodEnd);
        (bytes32 r, bytes32 vs) = compact(tomorrow.signature);
        vm.prank(operator, operator);
        vm.expectPartialRevert(IReferee.EnclaveKeyNotActive.selector);
        second.commit(tomorrow.header, r, vs, new bytes32[](0));
        // Another contract's digests are its own: two headers of one contract prove nothing at another.
        Sealed memory twin = forked(1, none());
        vm.expectRevert();
        itsProofs.proveEquivocation(tomorrow.header, tomorrow.signature, twin.header, twin.signature, nowhere());
    }

    function test_InvalidEvidenceSlashesAndBans() public {
        (Sealed memory batch, EvidenceOpening memory opening) = forgedBatch(1);
        BatchReference memory referred = refer(batch);
        vm.prank(catcher);
        fraud.proveInvalidEvidence(batch.header, referred, inclusion(batch, 2), opening);
        vm.assertEq(depositOf(operator), 98.8 ether);
        vm.assertEq(referee.owed(catcher), 0.2 ether);
        vm.assertTrue(referee.operatorHead(channel, operator).state == OperatorState.Banned);
        vm.assertTrue(isSlashed(batch));
        vm.expectRevert(abi.encodeWithSelector(IBatchErrors.BatchAlreadySlashed.selector, 1));
        fraud.proveInvalidEvidence(batch.header, referred, inclusion(batch, 2), opening);
    }

    function test_HighSAndMalformedKeyAreInvalid() public {
        uint256 state = vm.snapshotState();
        for (uint256 fault = 2; fault <= 4; ++fault) {
            (Sealed memory batch, EvidenceOpening memory opening) = forgedBatch(fault);
            fraud.proveInvalidEvidence(batch.header, refer(batch), inclusion(batch, 2), opening);
            vm.revertToState(state);
        }
    }

    function test_GoodEvidenceIsNoFraud() public {
        Sealed memory batch = commitDay(0, none());
        EvidenceOpening memory opening = goodOpening(0, 2);
        EntryInclusion memory entry = inclusion(batch, 2);
        BatchReference memory referred = refer(batch);
        vm.expectRevert(abi.encodeWithSelector(IFraudProofs.EvidenceValid.selector));
        fraud.proveInvalidEvidence(batch.header, referred, entry, opening);
        opening.r ^= bytes32(uint256(1));
        vm.expectPartialRevert(IFraudProofs.EvidenceMismatch.selector);
        fraud.proveInvalidEvidence(batch.header, referred, entry, opening);
        referred.record.headerDigest ^= bytes32(uint256(1));
        vm.expectPartialRevert(IBatchErrors.HeaderMismatch.selector);
        fraud.proveInvalidEvidence(batch.header, referred, entry, opening);
    }

    function test_FinalBatchIsConvictedNoMore() public {
        (Sealed memory batch, EvidenceOpening memory opening) = forgedBatch(1);
        EntryInclusion memory entry = inclusion(batch, 2);
        BatchReference memory referred = refer(batch);
        vm.warp(batch.record.committedAt + 7 days);
        vm.expectRevert(abi.encodeWithSelector(IBatchErrors.BatchAlreadyFinal.selector, 1));
        fraud.proveInvalidEvidence(batch.header, referred, entry, opening);
        vm.warp(batch.record.committedAt + 7 days - 1);
        fraud.proveInvalidEvidence(batch.header, referred, entry, opening);
        vm.assertTrue(isSlashed(batch));
    }

    function test_OtherKindsAreJudgedElsewhere() public {
        Sealed memory batch = sealDay(0, none());
        batch.payloads[2][1] = 0x02;
        rebuild(batch);
        commitBatch(batch);
        EvidenceOpening memory opening = goodOpening(0, 2);
        EntryInclusion memory entry = inclusion(batch, 2);
        BatchReference memory referred = refer(batch);
        vm.expectRevert(abi.encodeWithSelector(IBatchErrors.EntryKindMismatch.selector, 1, 2));
        fraud.proveInvalidEvidence(batch.header, referred, entry, opening);
    }

    function test_FraudProofsHaveNoTerms() public {
        bytes32[] memory words = terms();
        words[1] = bytes32(uint256(1));
        vm.expectRevert(abi.encodeWithSelector(IFraudProofs.TermsNotZero.selector));
        referee.createChannel(ChannelKind.Scheduled, "refused", parameters(), modules(), words);
    }

    function test_NoPrecompileNoFraudProofs() public {
        vm.mockCall(address(0x100), "", "");
        vm.expectRevert(abi.encodeWithSelector(P256Verify.PrecompileMissing.selector, address(0x100)));
        new FraudProofs(referee);
        vm.clearMockedCalls();
        new FraudProofs(referee);
    }

    function testFuzz_P256MatchesTheKey(uint256 secret, bytes32 digest, uint8 bit) public view {
        secret = between(secret, 1, P256_ORDER - 1);
        (bytes32 r, bytes32 s) = vm.signP256(secret, digest);
        (uint256 x, uint256 y) = vm.publicKeyP256(secret);
        bytes32 low = uint256(s) > P256_ORDER / 2 ? bytes32(P256_ORDER - uint256(s)) : s;
        vm.assertTrue(P256Verify.isValid(digest, r, low, bytes32(x), bytes32(y)));
        vm.assertFalse(P256Verify.isValid(digest, r, bytes32(P256_ORDER - uint256(low)), bytes32(x), bytes32(y)));
        vm.assertFalse(P256Verify.isValid(digest ^ bytes32(1 << bit), r, low, bytes32(x), bytes32(y)));
    }

    /// @dev fault 1: another message; 2: s high; 3: a key off the curve; 4: r zero.
    function forgedBatch(uint256 fault) private returns (Sealed memory batch, EvidenceOpening memory opening) {
        opening = goodOpening(0, 2);
        if (fault == 1) opening.messageDigest = sha256("forged readings");
        if (fault == 2) opening.s = bytes32(P256_ORDER - uint256(opening.s));
        if (fault == 3) opening.y ^= bytes32(uint256(1));
        if (fault == 4) opening.r = 0;
        batch = sealDay(0, none());
        batch.payloads[2] = entry(0, 2, evidenceDigest(opening));
        rebuild(batch);
        commitBatch(batch);
    }

    function rebuild(Sealed memory batch) private view {
        for (uint256 i = 0; i < batch.leaves.length; ++i) {
            batch.leaves[i] = Tree.leaf(batch.salts[i], batch.payloads[i]);
        }
        batch.header.root = Tree.root(batch.leaves);
        signHeader(batch, ENCLAVE);
    }

    function forked(uint64 day, Sealed memory before) private view returns (Sealed memory twin) {
        twin = sealDay(day, before);
        twin.header.contentId = "fork";
        signHeader(twin, ENCLAVE);
    }

    function prove(Sealed memory one, Sealed memory two, BatchReference memory referred) private {
        vm.prank(catcher);
        fraud.proveEquivocation(one.header, one.signature, two.header, two.signature, referred);
    }

    function refuse(Sealed memory one, Sealed memory two, BatchReference memory referred, bytes memory reason) private {
        vm.expectRevert(reason);
        fraud.proveEquivocation(one.header, one.signature, two.header, two.signature, referred);
    }
}
