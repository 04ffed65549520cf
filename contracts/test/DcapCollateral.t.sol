// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {QeDescription, QeIdentity, QeLevel} from "../src/dcap/QeIdentity.sol";
import {QeTable} from "../src/dcap/QeTable.sol";
import {SgxQuote} from "../src/dcap/SgxQuote.sol";
import {TcbDescription, TcbInfo, TcbLevel} from "../src/dcap/TcbInfo.sol";
import {TcbTable} from "../src/dcap/TcbTable.sol";
import {TcbStatus} from "../src/dcap/TcbStatus.sol";
import {vm} from "./support/Vm.sol";

/// @notice Cheatcodes that only this test needs.
interface VmEnvironmentOr {
    function envOr(string calldata name, bytes calldata otherwise) external view returns (bytes memory);
}

/// @notice The libraries' internal functions as calls.
contract CollateralHarness {
    function identity(bytes calldata json) external pure returns (QeDescription memory) {
        return QeIdentity.parse(json);
    }

    function info(bytes calldata json) external pure returns (TcbDescription memory) {
        return TcbInfo.parse(json);
    }

    function qeOf(bytes calldata json, bytes calldata quote) external pure returns (QeLevel memory) {
        return QeTable.requireQe(QeTable.pack(QeIdentity.parse(json)), SgxQuote.qeReport(quote));
    }

    function levelOf(bytes calldata json, bytes16 components, uint16 pceSvn) external pure returns (TcbLevel memory) {
        return TcbTable.levelOf(TcbTable.pack(TcbInfo.parse(json)), components, pceSvn);
    }
}

/// @notice vectors/dcap/collateral.json, and fuzzing.
contract DcapCollateralTest {
    VmEnvironmentOr private constant ENVIRONMENT = VmEnvironmentOr(address(vm));
    CollateralHarness private harness;
    string private json;
    // What fuzzing alters, read once.
    bytes private twoLevelsOfQe;
    bytes private namedComponents;

    function setUp() public {
        harness = new CollateralHarness();
        json = vm.readFile("../vectors/dcap/collateral.json");
        twoLevelsOfQe = text("identities", 1);
        namedComponents = text("infos", 1);
    }

    function test_Identities() public view {
        play("identities", CollateralHarness.identity.selector);
        QeDescription memory qe = harness.identity(text("identities", 1));
        vm.assertEq(qe.levels.length, 2);
        vm.assertEq(qe.levels[1].svn, 1);
        vm.assertTrue(qe.levels[1].status == TcbStatus.OutOfDate);
        vm.assertEq(qe.levels[1].date, 1_534_291_200);
        vm.assertEq(qe.levels[1].advisories, keccak256(bytes('["A-1","A-2"]')));
        vm.assertEq(qe.levels[0].advisories, bytes32(0));
        vm.assertEq(qe.issued, 1_790_000_000);
    }

    function test_Infos() public view {
        play("infos", CollateralHarness.info.selector);
        bytes memory two = text("infos", 2);
        TcbDescription memory tcb = harness.info(two);
        vm.assertEq(bytes32(tcb.fmspc), bytes32(bytes6("WTSIM\x00")));
        vm.assertEq(tcb.levels.length, 2);
        bytes16 full = tcb.levels[0].components;
        vm.assertEq(bytes32(full), bytes32(bytes16(0x05050505050505050505050505050505)));
        vm.assertTrue(harness.levelOf(two, full, 11).status == TcbStatus.UpToDate);
        // One component one lower than the best level needs, and each component is asked for.
        for (uint256 i = 0; i < 16; ++i) {
            bytes16 lower = bytes16(uint128(uint256(uint128(full)) - (uint256(1) << (8 * i))));
            vm.assertTrue(harness.levelOf(two, lower, 11).status == TcbStatus.SWHardeningNeeded);
        }
    }

    function test_NoLevel() public {
        bytes memory two = text("infos", 2);
        vm.expectPartialRevert(TcbTable.TcbLevelMissing.selector);
        harness.levelOf(two, 0x05050505050505050505050505050505, 10);
        vm.expectPartialRevert(TcbTable.TcbLevelMissing.selector);
        harness.levelOf(two, 0x03050505050505050505050505050505, 11);
    }

    function test_QuotingEnclave() public {
        bytes memory quote = vm.parseBytes(
            string.concat("0x", vm.parseJsonString(vm.readFile("../vectors/dcap/dcap.json"), ".quotes[0].quote"))
        );
        bytes memory identity = text("identities", 0);
        vm.assertTrue(harness.qeOf(identity, quote).status == TcbStatus.UpToDate);
        quote[564 + 128] ^= 0x01;
        vm.expectPartialRevert(QeTable.QeSignerMismatch.selector);
        harness.qeOf(identity, quote);
        quote[564 + 128] ^= 0x01;
        quote[564 + 256] ^= 0x80;
        vm.expectPartialRevert(QeTable.QeProductMismatch.selector);
        harness.qeOf(identity, quote);
        quote[564 + 256] ^= 0x80;
        (quote[564 + 258], quote[564 + 259]) = (0x00, 0x00);
        vm.expectPartialRevert(QeTable.QeLevelMissing.selector);
        harness.qeOf(identity, quote);
    }

    /// @dev Intel's own texts, as the differential test in Python sets them; nothing to do without them.
    function test_RealTexts() public view {
        bytes memory quote = ENVIRONMENT.envOr("WATTEST_DCAP_QUOTE", bytes(""));
        if (quote.length == 0) return;
        bytes memory found = abi.encodePacked(
            uint8(harness.qeOf(ENVIRONMENT.envOr("WATTEST_DCAP_QE_IDENTITY", bytes("")), quote).status)
        );
        TcbDescription memory tcb = harness.info(ENVIRONMENT.envOr("WATTEST_DCAP_TCB_INFO", bytes("")));
        for (uint256 i = 0; i < tcb.levels.length; ++i) {
            TcbLevel memory level = tcb.levels[i];
            found = abi.encodePacked(found, level.components, level.pceSvn, uint8(level.status), level.date);
        }
        vm.assertEq(found, ENVIRONMENT.envOr("WATTEST_DCAP_LEVELS", bytes("")));
    }

    function test_Gas() public {
        harness.identity(text("identities", 0));
        vm.snapshotValue("dcap", "QE identity of one level, parsed", vm.lastCallGas().gasTotalUsed);
        harness.info(text("infos", 0));
        vm.snapshotValue("dcap", "TCB info of one level, parsed", vm.lastCallGas().gasTotalUsed);
    }

    /// forge-config: deep.fuzz.runs = 1000000
    function testFuzz_AnyText(bytes calldata data, uint256 place, bytes4 change) public view {
        named(abi.encodeCall(CollateralHarness.identity, (data)));
        named(abi.encodeCall(CollateralHarness.info, (data)));
        named(abi.encodeCall(CollateralHarness.identity, (altered(twoLevelsOfQe, place, change))));
        named(abi.encodeCall(CollateralHarness.info, (altered(namedComponents, place, change))));
    }

    function play(string memory part, bytes4 selector) private view {
        uint256 i;
        for (; vm.keyExistsJson(json, key(part, i, ".name")); ++i) {
            bytes memory expected =
                vm.parseBytes(string.concat("0x", vm.parseJsonString(json, key(part, i, ".selector"))));
            (bool success, bytes memory output) =
                address(harness).staticcall(abi.encodeWithSelector(selector, text(part, i)));
            string memory name = vm.parseJsonString(json, key(part, i, ".name"));
            vm.assertTrue(success == (expected.length == 0), name);
            if (!success) vm.assertEq(bytes32(bytes4(output)), bytes32(bytes4(expected)), name);
        }
        vm.assertGt(i, 10);
    }

    /// @dev No answer but a value or a custom error: neither a panic nor an error without a name.
    function named(bytes memory call) private view {
        (bool success, bytes memory output) = address(harness).staticcall(call);
        if (success) return;
        vm.assertGe(output.length, 4);
        vm.assertTrue(bytes4(output) != 0x4e487b71 && bytes4(output) != 0x08c379a0);
    }

    function altered(bytes memory data, uint256 place, bytes4 change) private pure returns (bytes memory) {
        place %= data.length - 4;
        for (uint256 i = 0; i < 4; ++i) {
            data[place + i] ^= change[i] & 0x1f;
        }
        return data;
    }

    function text(string memory part, uint256 index) private view returns (bytes memory) {
        return vm.parseBytes(string.concat("0x", vm.parseJsonString(json, key(part, index, ".text"))));
    }

    function key(string memory part, uint256 index, string memory field) private pure returns (string memory) {
        return string.concat(".", part, "[", vm.toString(index), "]", field);
    }
}
