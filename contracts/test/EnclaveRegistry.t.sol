// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AppraiserQuorum} from "../src/AppraiserQuorum.sol";
import {EnclaveRegistry} from "../src/EnclaveRegistry.sol";
import {FirstLight} from "../src/FirstLight.sol";
import {IEnclaveRegistry} from "../src/interfaces/IEnclaveRegistry.sol";
import {IEvidenceVerifier} from "../src/interfaces/IEvidenceVerifier.sol";
import {IReferee} from "../src/interfaces/IReferee.sol";
import {EvidenceVerdict, Revocation} from "../src/types/EvidenceVerdict.sol";
import {World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";

contract EnclaveRegistryTest is World {
    uint256 private constant SECOND = uint256(keccak256("second enclave"));

    function test_RegisteredKeyIsActiveForItsBindingAndWorkloadOnly() public view {
        (address key, uint64 expiresAt) = registry.activeKey(address(referee), channel, operator, WORKLOAD);
        vm.assertEq(key, vm.addr(ENCLAVE));
        vm.assertEq(expiresAt, DAY_0 + 30 days);
        (key,) = registry.activeKey(address(referee), channel, operator, keccak256("other"));
        vm.assertEq(key, address(0));
        (key,) = registry.activeKey(address(this), channel, operator, WORKLOAD);
        vm.assertEq(key, address(0));
        vm.assertTrue(isActive(vm.addr(ENCLAVE)));
        vm.assertFalse(isActive(address(0)));
    }

    function test_Attack19_VerdictBelongsToItsOperator() public {
        EvidenceVerdict memory verdict = fresh();
        bytes memory evidence = quorumSignatures(registry.verdictDigest(verdict), 2);
        vm.prank(catcher);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.NotOperator.selector, operator, catcher));
        registry.register(verdict, evidence);
        verdict.operator = catcher;
        vm.prank(catcher);
        vm.expectPartialRevert(IEvidenceVerifier.AppraiserUnknown.selector);
        registry.register(verdict, evidence);
    }

    function test_QuorumRefusals() public {
        EvidenceVerdict memory verdict = fresh();
        bytes32 digest = registry.verdictDigest(verdict);
        refuse(
            verdict,
            quorumSignatures(digest, 1),
            abi.encodeWithSelector(IEvidenceVerifier.QuorumTooSmall.selector, 2, 1)
        );
        refuse(
            verdict,
            bytes.concat(quorumSignatures(digest, 2), hex"00"),
            abi.encodeWithSelector(IEvidenceVerifier.QuorumTooSmall.selector, 2, 2)
        );
        bytes memory once = signature(appraisers[0], digest);
        refuse(
            verdict,
            bytes.concat(once, once),
            abi.encodeWithSelector(IEvidenceVerifier.AppraisersNotAscending.selector, vm.addr(appraisers[0]))
        );
        refuse(
            verdict,
            bytes.concat(signature(appraisers[1], digest), once),
            abi.encodeWithSelector(IEvidenceVerifier.AppraisersNotAscending.selector, vm.addr(appraisers[0]))
        );
        refuse(
            verdict,
            bytes.concat(once, signature(SECOND, digest)),
            abi.encodeWithSelector(IEvidenceVerifier.AppraiserUnknown.selector, vm.addr(SECOND))
        );
        refuse(verdict, new bytes(130), abi.encodeWithSelector(IReferee.InvalidSignature.selector));
        vm.prank(operator, operator);
        registry.register(verdict, quorumSignatures(digest, 3));
    }

    function test_VerdictRefusals() public {
        EvidenceVerdict memory verdict = fresh();
        verdict.enclaveKey = address(0);
        refuseSigned(verdict, abi.encodeWithSelector(IEnclaveRegistry.VerdictIncomplete.selector));
        verdict = fresh();
        verdict.issuedAt += 1;
        refuseSigned(verdict, abi.encodeWithSelector(IEnclaveRegistry.VerdictFromFuture.selector, DAY_0 + 1, DAY_0));
        verdict = fresh();
        verdict.expiresAt = DAY_0;
        refuseSigned(verdict, abi.encodeWithSelector(IEnclaveRegistry.VerdictExpired.selector, DAY_0, DAY_0));
        verdict = fresh();
        verdict.expiresAt += 1;
        refuseSigned(
            verdict, abi.encodeWithSelector(IEnclaveRegistry.RegistrationTooLong.selector, 30 days, 30 days + 1)
        );
        verdict = fresh();
        verdict.nonce ^= bytes32(uint256(1));
        refuseSigned(verdict, abi.encodeWithSelector(IEnclaveRegistry.NonceStale.selector, 999, verdict.nonce));
        verdict = fresh();
        vm.roll(999 + 257);
        refuseSigned(verdict, abi.encodeWithSelector(IEnclaveRegistry.NonceStale.selector, 999, verdict.nonce));
        verdict = fresh();
        verdict.nonceBlock = uint64(block.number) + 5;
        verdict.nonce = 0;
        refuseSigned(
            verdict, abi.encodeWithSelector(IEnclaveRegistry.NonceStale.selector, verdict.nonceBlock, bytes32(0))
        );
    }

    function test_VerdictCountsOnce() public {
        EvidenceVerdict memory verdict = fresh();
        bytes memory evidence = quorumSignatures(registry.verdictDigest(verdict), 2);
        vm.prank(operator, operator);
        registry.register(verdict, evidence);
        refuse(
            verdict,
            evidence,
            abi.encodeWithSelector(IEnclaveRegistry.VerdictNotNewer.selector, verdict.issuedAt, verdict.issuedAt)
        );
        (verdict.issuedAt, verdict.expiresAt) = (verdict.issuedAt - 1, verdict.expiresAt - 1);
        refuseSigned(
            verdict,
            abi.encodeWithSelector(IEnclaveRegistry.VerdictNotNewer.selector, verdict.issuedAt + 1, verdict.issuedAt)
        );
    }

    function test_NewKeyReplacesAndTheOldStaysConvictable() public {
        registerKey(operator, SECOND, channel, keccak256("other workload"));
        vm.assertFalse(isActive(vm.addr(ENCLAVE)));
        vm.assertTrue(isActive(vm.addr(SECOND)));
        (address key,) = registry.activeKey(address(referee), channel, operator, WORKLOAD);
        vm.assertEq(key, address(0)); // one active key per binding
        vm.assertTrue(registry.wasRegistered(address(referee), channel, operator, vm.addr(ENCLAVE)));
    }

    function test_KeyBelongsToOneOperatorOfAChannel() public {
        EvidenceVerdict memory verdict = fresh();
        verdict.enclaveKey = vm.addr(ENCLAVE);
        verdict.operator = catcher;
        bytes memory evidence = quorumSignatures(registry.verdictDigest(verdict), 2);
        vm.prank(catcher);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.KeyBoundElsewhere.selector, vm.addr(ENCLAVE)));
        registry.register(verdict, evidence);
    }

    /// Whoever manages a referee or a channel of their own admits any key there: that must not keep it out of its own.
    function test_KeyOfAnotherWorldIsNobodysHere() public {
        address key = vm.addr(SECOND);
        for (uint256 i = 0; i < 2; ++i) {
            EvidenceVerdict memory taken = fresh();
            taken.operator = catcher;
            if (i == 0) taken.channel = "elsewhere";
            else taken.referee = catcher;
            bytes memory evidence = quorumSignatures(registry.verdictDigest(taken), 2);
            vm.prank(catcher);
            registry.register(taken, evidence);
            vm.assertTrue(registry.isActiveKey(taken.referee, taken.channel, key));
            vm.assertFalse(isActive(key));
            vm.prank(catcher);
            registry.revoke(Revocation(key, taken.referee, taken.channel, catcher));
        }
        vm.assertFalse(registry.wasRegistered(address(referee), channel, operator, key));
        registerKey(operator, SECOND, channel, WORKLOAD);
        vm.assertTrue(isActive(key));
        vm.assertFalse(registry.wasRegistered(address(referee), channel, catcher, key));
        vm.assertFalse(registry.isActiveKey(address(referee), "elsewhere", key));
    }

    function test_RenewalOfTheSameKey() public {
        vm.warp(DAY_0 + 31 days);
        vm.assertFalse(isActive(vm.addr(ENCLAVE)));
        registerKey(operator, ENCLAVE, channel, WORKLOAD);
        vm.assertTrue(isActive(vm.addr(ENCLAVE)));
    }

    function test_RevocationByOperatorOrManagerIsForGood() public {
        address key = vm.addr(ENCLAVE);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.NotRevoker.selector, address(this)));
        registry.revoke(bindingOf(key));
        vm.prank(manager);
        registry.revoke(bindingOf(key));
        vm.assertFalse(isActive(key));
        (address active,) = registry.activeKey(address(referee), channel, operator, WORKLOAD);
        vm.assertEq(active, address(0));
        vm.assertTrue(registry.wasRegistered(address(referee), channel, operator, key));
        vm.warp(DAY_0 + 1);
        EvidenceVerdict memory verdict = fresh();
        verdict.enclaveKey = key;
        refuseSigned(verdict, abi.encodeWithSelector(IEnclaveRegistry.KeyRevoked.selector, key));
        vm.prank(operator, operator);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.KeyRevoked.selector, key));
        registry.revoke(bindingOf(key));
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.KeyNeverRegistered.selector, address(1)));
        registry.revoke(bindingOf(address(1)));
        Revocation memory elsewhere = bindingOf(key);
        elsewhere.operator = catcher;
        vm.prank(catcher);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.KeyNeverRegistered.selector, key));
        registry.revoke(elsewhere);
    }

    function test_RevocationOfAReplacedKeyKeepsTheNewOne() public {
        registerKey(operator, SECOND, channel, WORKLOAD);
        vm.prank(operator, operator);
        registry.revoke(bindingOf(vm.addr(ENCLAVE)));
        vm.assertTrue(isActive(vm.addr(SECOND)));
    }

    function test_RevocationByTheQuorum() public {
        Revocation memory revocation = bindingOf(vm.addr(ENCLAVE));
        bytes32 digest = registry.revocationDigest(revocation);
        bytes memory one = quorumSignatures(digest, 1);
        vm.expectRevert(abi.encodeWithSelector(IEvidenceVerifier.QuorumTooSmall.selector, 2, 1));
        registry.revokeWithEvidence(revocation, one);
        bytes memory two = quorumSignatures(digest, 2);
        revocation.operator = catcher;
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.KeyNeverRegistered.selector, vm.addr(ENCLAVE)));
        registry.revokeWithEvidence(revocation, two);
        revocation.operator = operator;
        registry.revokeWithEvidence(revocation, two);
        vm.assertFalse(isActive(vm.addr(ENCLAVE)));
    }

    function test_ConstructorsRefuse() public {
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.RegistryMisconfigured.selector));
        new EnclaveRegistry(quorum, 91 days);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.RegistryMisconfigured.selector));
        new EnclaveRegistry(quorum, 0);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.RegistryMisconfigured.selector));
        new EnclaveRegistry(IEvidenceVerifier(address(0x1234)), 30 days);
        address[] memory same = new address[](2);
        same[0] = same[1] = address(1);
        vm.expectRevert(abi.encodeWithSelector(IEvidenceVerifier.AppraiserSetInvalid.selector));
        new AppraiserQuorum(same, 1);
        same[1] = address(2);
        vm.expectRevert(abi.encodeWithSelector(IEvidenceVerifier.AppraiserSetInvalid.selector));
        new AppraiserQuorum(same, 3);
        vm.expectRevert(abi.encodeWithSelector(IEvidenceVerifier.AppraiserSetInvalid.selector));
        new AppraiserQuorum(same, 0);
    }

    function test_FirstLight() public {
        FirstLight light = new FirstLight(registry);
        bytes32 text = sha256("hello");
        bytes memory good = signature(ENCLAVE, keccak256(bytes.concat("wattest/first-light/1", text)));
        vm.assertTrue(light.verify(address(referee), channel, text, good));
        vm.assertFalse(light.verify(address(referee), channel, text ^ bytes32(uint256(1)), good));
        good[3] ^= 0x01;
        vm.assertFalse(light.verify(address(referee), channel, text, good));
        vm.assertFalse(light.verify(address(referee), channel, text, ""));
        bytes memory stranger = signature(SECOND, keccak256(bytes.concat("wattest/first-light/1", text)));
        vm.assertFalse(light.verify(address(referee), channel, text, stranger));
        vm.warp(DAY_0 + 30 days);
        good[3] ^= 0x01;
        vm.assertFalse(light.verify(address(referee), channel, text, good), "expired");
    }

    function testFuzz_FirstLightNeverReverts(bytes32 text, bytes calldata arbitrary) public {
        FirstLight light = new FirstLight(registry);
        vm.assertFalse(light.verify(address(referee), channel, text, arbitrary));
    }

    function isActive(address key) private view returns (bool) {
        return registry.isActiveKey(address(referee), channel, key);
    }

    function bindingOf(address key) private view returns (Revocation memory) {
        return Revocation(key, address(referee), channel, operator);
    }

    function fresh() private view returns (EvidenceVerdict memory) {
        return verdictFor(operator, SECOND, channel, WORKLOAD);
    }

    function refuseSigned(EvidenceVerdict memory verdict, bytes memory reason) private {
        refuse(verdict, quorumSignatures(registry.verdictDigest(verdict), 2), reason);
    }

    function refuse(EvidenceVerdict memory verdict, bytes memory evidence, bytes memory reason) private {
        vm.prank(verdict.operator);
        vm.expectRevert(reason);
        registry.register(verdict, evidence);
    }
}
