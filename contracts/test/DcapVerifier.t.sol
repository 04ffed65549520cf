// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DcapVerifier} from "../src/DcapVerifier.sol";
import {ICollateralRegistry} from "../src/interfaces/ICollateralRegistry.sol";
import {IDcapVerifier} from "../src/interfaces/IDcapVerifier.sol";
import {ChannelPolicy, PolicyHead} from "../src/types/ChannelPolicy.sol";
import {EvidenceVerdict, Revocation} from "../src/types/EvidenceVerdict.sol";
import {DcapEvidence, PckFacts} from "../src/verifier/DcapEvidence.sol";
import {vm} from "./support/Vm.sol";

/// @notice The layouts' internal functions as calls.
contract EvidenceHarness {
    function known(bytes calldata evidence) external pure returns (PckFacts memory facts, bytes32 pck, bytes memory) {
        bytes calldata quote;
        (facts, pck, quote) = DcapEvidence.readKnown(evidence);
        return (facts, pck, quote);
    }

    function certificate(bytes calldata evidence)
        external
        pure
        returns (bytes32 root, bytes32 authority, bytes memory, bytes memory)
    {
        bytes calldata der;
        bytes calldata quote;
        (root, authority, der, quote) = DcapEvidence.readCertificate(evidence);
        return (root, authority, der, quote);
    }

    function revocation(bytes calldata evidence) external pure returns (bytes32 nonce, bytes32 workload, bytes memory) {
        bytes calldata rest;
        (nonce, workload, rest) = DcapEvidence.readRevocation(evidence);
        return (nonce, workload, rest);
    }

    function idOf(PckFacts calldata facts) external pure returns (bytes32) {
        return DcapEvidence.idOf(facts);
    }

    function platformOf(PckFacts calldata facts) external pure returns (bytes32) {
        return DcapEvidence.platformOf(facts);
    }
}

/// @notice vectors/dcap/verifier.json, who may set policies, and fuzzing. Judging whole registrations, gas included, is
/// tests/e2e/test_chain_quotes.py's matter: a simulated platform makes the quotes there.
contract DcapVerifierTest {
    bytes32 private constant CHANNEL = "channel";
    address private constant MANAGER = address(0xA11CE);
    DcapVerifier private verifier;
    EvidenceHarness private harness;
    string private json;

    function setUp() public {
        // Any contract: no collateral is asked for here.
        verifier = new DcapVerifier(ICollateralRegistry(address(this)));
        harness = new EvidenceHarness();
        json = vm.readFile("../vectors/dcap/verifier.json");
    }

    /// @dev This contract is the referee of the test.
    function managerOf(bytes32 channel) external pure returns (address) {
        return channel == CHANNEL ? MANAGER : address(0);
    }

    function test_EvidenceForms() public view {
        (PckFacts memory facts, bytes32 pck, bytes memory quote) = harness.known(evidence("next"));
        vm.assertEq(pck, bytes32(evidence("pck")));
        vm.assertEq(harness.idOf(facts), pck);
        vm.assertEq(harness.platformOf(facts), bytes32(evidence("platform")));
        vm.assertEq(quote, evidence("quote"));
        (bytes32 root, bytes32 authority, bytes memory der, bytes memory same) = harness.certificate(evidence("first"));
        vm.assertEq(root, facts.root);
        vm.assertEq(authority, facts.authority);
        vm.assertEq(der, evidence("certificate"));
        vm.assertEq(same, quote);
        (bytes32 nonce, bytes32 workload, bytes memory rest) = harness.revocation(evidence("revocation"));
        vm.assertEq(nonce, bytes32(hex"5555555555555555555555555555555555555555555555555555555555555555"));
        vm.assertEq(workload, bytes32(hex"6666666666666666666666666666666666666666666666666666666666666666"));
        vm.assertEq(rest, evidence("next"));
    }

    function test_Policies() public {
        uint256 count;
        for (; vm.keyExistsJson(json, at_(count, ".name")); ++count) {
            bytes memory encoded = vm.parseBytes(string.concat("0x", vm.parseJsonString(json, at_(count, ".abi"))));
            ChannelPolicy memory policy = abi.decode(encoded, (ChannelPolicy));
            bytes32 digest = bytes32(vm.parseBytes(string.concat("0x", vm.parseJsonString(json, at_(count, ".hash")))));
            vm.assertEq(keccak256(abi.encode(policy)), digest);
            bytes memory part = bytes(vm.parseJsonString(json, at_(count, ".part")));
            uint256 state = vm.snapshotState();
            if (part.length > 0) {
                vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.PolicyInvalid.selector, bytes32(part)));
            }
            vm.prank(MANAGER);
            verifier.setPolicy(address(this), CHANNEL, policy);
            (PolicyHead memory head, bytes32 held) = verifier.policyOf(address(this), CHANNEL);
            vm.assertEq(head.version, part.length > 0 ? 0 : 1);
            vm.assertEq(held, part.length > 0 ? bytes32(0) : policy.digest);
            vm.revertToState(state);
        }
        vm.assertGt(count, 20);
    }

    function test_OnlyTheManagerAndOnlyAfterTheWait() public {
        ChannelPolicy memory policy = good();
        for (uint160 who = 1; who < 4; ++who) {
            vm.prank(address(who));
            vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.NotPolicyManager.selector, address(who)));
            verifier.setPolicy(address(this), CHANNEL, policy);
        }
        vm.prank(MANAGER);
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.NotPolicyManager.selector, MANAGER));
        verifier.setPolicy(address(0xdead), CHANNEL, policy); // a referee without code has no managers
        vm.startPrank(MANAGER);
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.PolicyMissing.selector, address(this), CHANNEL));
        verifier.queuePolicy(address(this), CHANNEL, policy);
        verifier.setPolicy(address(this), CHANNEL, policy);
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.PolicyInForce.selector, 1));
        verifier.setPolicy(address(this), CHANNEL, policy);
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.PolicyNotQueued.selector));
        verifier.applyPolicy(address(this), CHANNEL, policy);
        verifier.queuePolicy(address(this), CHANNEL, policy);
        (, uint64 readyAt) = verifier.queuedPolicyOf(address(this), CHANNEL);
        vm.warp(readyAt - 1);
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.PolicyNotReady.selector, readyAt, readyAt - 1));
        verifier.applyPolicy(address(this), CHANNEL, policy);
        verifier.cancelPolicy(address(this), CHANNEL);
        vm.warp(readyAt);
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.PolicyNotQueued.selector));
        verifier.applyPolicy(address(this), CHANNEL, policy);
        verifier.queuePolicy(address(this), CHANNEL, policy);
        vm.warp(readyAt + verifier.LOOSENING_DELAY_S());
        verifier.applyPolicy(address(this), CHANNEL, policy);
        (PolicyHead memory head,) = verifier.policyOf(address(this), CHANNEL);
        vm.assertEq(head.version, 2);
        vm.stopPrank();
    }

    function test_WhatIsTakenOutIsOutAtOnceAndOnce() public {
        ChannelPolicy memory policy = good();
        vm.startPrank(MANAGER);
        verifier.setPolicy(address(this), CHANNEL, policy);
        verifier.withdrawReference(address(this), CHANNEL, policy.references[1]);
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.PolicyEntryMissing.selector));
        verifier.withdrawReference(address(this), CHANNEL, policy.references[1]);
        verifier.withdrawStatus(address(this), CHANNEL, policy.statuses[0].status, policy.statuses[0].advisories);
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.PolicyEntryMissing.selector));
        verifier.withdrawStatus(address(this), CHANNEL, policy.statuses[0].status, policy.statuses[0].advisories);
        verifier.withdrawPlatform(address(this), CHANNEL, policy.platforms[0]);
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.PolicyEntryMissing.selector));
        verifier.withdrawPlatform(address(this), CHANNEL, policy.platforms[0]);
        vm.stopPrank();
    }

    function testFuzz_LimitsOnlyTighten(uint32 age, uint32 number, uint32 length) public {
        ChannelPolicy memory policy = good();
        vm.startPrank(MANAGER);
        verifier.setPolicy(address(this), CHANNEL, policy);
        bool isTighter = age > 0 && age <= policy.maxCollateralAgeS && number >= policy.minEvaluationNumber
            && length > 0 && length <= policy.maxRegistrationS;
        if (!isTighter) vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.LimitLoosened.selector));
        verifier.tightenLimits(address(this), CHANNEL, age, number, length);
        vm.stopPrank();
        (PolicyHead memory head,) = verifier.policyOf(address(this), CHANNEL);
        vm.assertEq(head.maxCollateralAgeS, isTighter ? age : policy.maxCollateralAgeS);
        vm.assertEq(head.minEvaluationNumber, isTighter ? number : policy.minEvaluationNumber);
        vm.assertEq(head.maxRegistrationS, isTighter ? length : policy.maxRegistrationS);
    }

    /// @dev Nothing is kept here, so nothing is genuine; whatever the bytes, the answer is an error with a name.
    function testFuzz_AnyEvidenceIsRefusedWithAName(bytes calldata arbitrary, uint8 kind) public {
        bytes memory data = bytes.concat(bytes1(kind % 4), arbitrary);
        named(abi.encodeCall(verifier.examine, (data, 0)));
        vm.prank(MANAGER);
        verifier.setPolicy(address(this), CHANNEL, good());
        EvidenceVerdict memory verdict;
        (verdict.referee, verdict.channel) = (address(this), CHANNEL);
        verdict.issuedAt = uint64(block.timestamp);
        named(abi.encodeCall(verifier.verifyEvidence, (bytes32(0), verdict, data)));
        Revocation memory revocation;
        named(abi.encodeCall(verifier.verifyRevocation, (bytes32(0), revocation, bytes10(0), data)));
    }

    function named(bytes memory call) private {
        (bool success, bytes memory output) = address(verifier).call(call);
        vm.assertFalse(success);
        bytes4 name = bytes4(output);
        vm.assertTrue(
            name == IDcapVerifier.EvidenceMalformed.selector || name == IDcapVerifier.PckCertificateUnknown.selector
                || output.length == 0 // this contract's answer to issuerOf, which it does not know
        );
    }

    function good() private view returns (ChannelPolicy memory) {
        return abi.decode(vm.parseBytes(string.concat("0x", vm.parseJsonString(json, at_(0, ".abi")))), (ChannelPolicy));
    }

    function evidence(string memory name) private view returns (bytes memory) {
        return vm.parseBytes(string.concat("0x", vm.parseJsonString(json, string.concat(".evidence.", name))));
    }

    function at_(uint256 index, string memory name) private pure returns (string memory) {
        return string.concat(".policies[", vm.toString(index), "]", name);
    }
}
