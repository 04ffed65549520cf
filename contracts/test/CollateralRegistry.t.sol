// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CollateralRegistry} from "../src/CollateralRegistry.sol";
import {ICollateralRegistry} from "../src/interfaces/ICollateralRegistry.sol";
import {vm} from "./support/Vm.sol";

/// @notice Cheatcodes that only this test needs.
interface VmColumns {
    function parseJsonUintArray(string calldata json, string calldata key) external pure returns (uint256[] memory);
    function parseJsonBytesArray(string calldata json, string calldata key) external pure returns (bytes[] memory);
    function parseJsonStringArray(string calldata json, string calldata key) external pure returns (string[] memory);
    function parseJsonBoolArray(string calldata json, string calldata key) external pure returns (bool[] memory);
}

/// @notice Steps of a scenario, column by column.
struct Steps {
    uint256[] times;
    bytes[] calls;
    string[] errors;
    bytes[] answers;
    bool[] isWhole; // the answer is all of the output, not only an error's selector
}

/// @notice Reads the vectors in a frame of its own, whose memory is given back.
contract RegistryVectors {
    VmColumns private constant COLUMNS = VmColumns(address(vm));
    string private constant FILE = "../vectors/dcap/registry.json";

    function steps(string calldata path) external view returns (Steps memory) {
        string memory json = vm.readFile(FILE);
        return Steps(
            COLUMNS.parseJsonUintArray(json, string.concat(path, ".times")),
            COLUMNS.parseJsonBytesArray(json, string.concat(path, ".calls")),
            COLUMNS.parseJsonStringArray(json, string.concat(path, ".errors")),
            COLUMNS.parseJsonBytesArray(json, string.concat(path, ".answers")),
            COLUMNS.parseJsonBoolArray(json, string.concat(path, ".whole"))
        );
    }

    function scenarios() external view returns (string[] memory names, bool[] memory onBase) {
        string memory json = vm.readFile(FILE);
        return (COLUMNS.parseJsonStringArray(json, ".names"), COLUMNS.parseJsonBoolArray(json, ".on_base"));
    }
}

/// @notice vectors/dcap/registry.json: every call gets the answer or the error that stands there; and fuzzing.
contract CollateralRegistryTest {
    uint256 private constant BASE_STEPS = 7;
    RegistryVectors private vectors;
    CollateralRegistry private registry;
    uint256 private empty;
    bytes[] private baseCalls;
    bytes32 private root;
    bytes32 private authority;
    bytes32 private signer;

    function setUp() public {
        vectors = new RegistryVectors();
        registry = new CollateralRegistry();
        Steps memory base = vectors.steps(".base");
        vm.assertEq(base.calls.length, BASE_STEPS);
        for (uint256 i = 0; i < BASE_STEPS; ++i) {
            baseCalls.push(base.calls[i]);
        }
        (root, authority, signer) = (bytes32(base.answers[0]), bytes32(base.answers[2]), bytes32(base.answers[4]));
        empty = vm.snapshotState();
        play("base", base);
    }

    function test_Scenarios() public {
        uint256 healthy = vm.snapshotState();
        (string[] memory names, bool[] memory onBase) = vectors.scenarios();
        for (uint256 i = 0; i < names.length; ++i) {
            vm.revertToState(onBase[i] ? healthy : empty);
            this.playScenario(names[i], string.concat(".scenarios[", vm.toString(i), "]"));
        }
        vm.assertGt(names.length, 20);
    }

    /// @dev A frame of its own, whose memory is given back.
    function playScenario(string calldata name, string calldata path) external {
        play(name, vectors.steps(path));
    }

    function test_Identifiers() public view {
        vm.assertEq(
            registry.identifierOf(root, bytes32(uint256(1)), bytes32(uint256(2)), bytes32(uint256(3))),
            keccak256(abi.encode(root, 1, 2, 3))
        );
    }

    function test_WhatIsStoredCanBeSeen() public view {
        (uint256 serial, uint64 notAfter, bool revoked, uint256 number, uint64 issued, uint64 next) =
            registry.authorityOf(root, authority);
        vm.assertEq(serial, 20);
        vm.assertEq(notAfter, 1_790_000_000 + 3650 days);
        vm.assertFalse(revoked);
        vm.assertEq(number, 5);
        vm.assertEq(issued, 1_790_000_000);
        vm.assertEq(next, 1_790_000_000 + 30 days);
        (serial, notAfter, revoked) = registry.signerOf(root, signer);
        vm.assertEq(serial, 30);
        vm.assertFalse(revoked);
        (serial, notAfter, revoked) = registry.signerOf(root, authority);
        vm.assertEq(serial + notAfter, 0);
        (uint32 evaluation, uint64 from, uint64 until) = registry.tcbInfoOf(root, "WTSIM", 0);
        vm.assertEq(evaluation, 20);
        vm.assertEq(until - from, 30 days);
        (evaluation, from, until) = registry.tcbInfoOf(root, "WTSIN", 0);
        vm.assertEq(evaluation + from + until, 0);
        (evaluation, from, until) = registry.qeIdentityOf(root);
        vm.assertEq(evaluation, 20);
        (bytes32 subject, bytes32 x, bytes32 y) = registry.issuerOf(root, authority);
        vm.assertEq(registry.identifierOf(root, subject, x, y), authority);
    }

    /// @dev Nobody is asked who they are: the same calls by anybody give the same registry.
    function testFuzz_AnyoneMayBring(address sender) public {
        vm.assume(sender != address(vm));
        CollateralRegistry fresh = new CollateralRegistry();
        for (uint256 i = 0; i < BASE_STEPS; ++i) {
            vm.prank(sender);
            (bool success,) = address(fresh).call(baseCalls[i]);
            vm.assertTrue(success);
        }
        (uint32 evaluation,,) = fresh.qeIdentityOf(root);
        vm.assertEq(evaluation, 20);
    }

    /// @dev An answer or an error with a name, whatever is brought; and what is there stays.
    /// forge-config: deep.fuzz.runs = 1000000
    function testFuzz_AnyBytes(bytes calldata data, uint256 place, bytes4 change, uint256 choice, bytes32 id) public {
        bytes memory call = baseCalls[choice % BASE_STEPS];
        // Behind the selector, the first words that are offsets may change, too: the ABI's decoder answers with nothing then.
        place = 4 + place % (call.length - 8);
        for (uint256 i = 0; i < 4; ++i) {
            call[place + i] ^= change[i];
        }
        named(call);
        named(abi.encodeCall(ICollateralRegistry.submitRoot, (data)));
        named(abi.encodeCall(ICollateralRegistry.submitAuthority, (root, data)));
        named(abi.encodeCall(ICollateralRegistry.submitSigner, (root, data)));
        named(abi.encodeCall(ICollateralRegistry.submitRevocationList, (root, authority, data, choice)));
        named(abi.encodeCall(ICollateralRegistry.submitTcbInfo, (root, signer, data, id, id)));
        named(abi.encodeCall(ICollateralRegistry.submitQeIdentity, (root, signer, data, id, id)));
        named(abi.encodeCall(ICollateralRegistry.issuerOf, (root, id)));
        (uint32 evaluation,,) = registry.qeIdentityOf(root);
        vm.assertGe(evaluation, 20);
    }

    /// @dev No answer but a value, a custom error, or nothing at all from the ABI's decoder: never a panic.
    function named(bytes memory call) private {
        (bool success, bytes memory output) = address(registry).call(call);
        if (success || output.length == 0) return;
        vm.assertGe(output.length, 4);
        vm.assertTrue(bytes4(output) != 0x4e487b71 && bytes4(output) != 0x08c379a0);
    }

    function play(string memory name, Steps memory steps) private {
        vm.assertGt(steps.times.length, 0);
        for (uint256 i = 0; i < steps.times.length; ++i) {
            string memory place = string.concat(name, ", step ", vm.toString(i));
            vm.warp(steps.times[i]);
            (bool success, bytes memory output) = address(registry).call(steps.calls[i]);
            vm.assertTrue(success == (bytes(steps.errors[i]).length == 0), place);
            if (steps.isWhole[i]) {
                vm.assertEq(keccak256(output), keccak256(steps.answers[i]), place);
            } else if (!success) {
                vm.assertEq(bytes32(bytes4(output)), bytes32(bytes4(steps.answers[i])), place);
            }
        }
    }
}
