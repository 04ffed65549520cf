// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CollateralRegistry} from "../src/CollateralRegistry.sol";
import {PckCertificate} from "../src/dcap/PckCertificate.sol";
import {SgxPlatform} from "../src/dcap/SgxExtension.sol";
import {Certificate} from "../src/dcap/X509Certificate.sol";
import {ICollateralRegistry} from "../src/interfaces/ICollateralRegistry.sol";
import {CollateralKind, PlatformClaim, Standing} from "../src/types/Collateral.sol";
import {RegistryVectors, Steps} from "./CollateralRegistry.t.sol";
import {vm} from "./support/Vm.sol";

/// @notice Cheatcodes that only this test needs.
interface VmEnvironmentOr {
    function envOr(string calldata name, bytes calldata otherwise) external view returns (bytes memory);
}

/// @notice Asks as a contract asks, and says what the question cost.
contract Asker {
    function gasOf(address registry, bytes calldata call) external view returns (uint256 gas) {
        gas = gasleft();
        (bool success,) = registry.staticcall(call);
        gas -= gasleft();
        vm.assertTrue(success);
    }

    function platform(bytes calldata der) external pure returns (Certificate memory, SgxPlatform memory) {
        return PckCertificate.parse(der);
    }
}

/// @notice Whole-transaction gas of every submission: with isolation on, every call is a transaction of its own, cold and with
/// its input paid. With the WATTEST_DCAP variables set, as the differential test in Python sets them, Intel's own collateral is
/// brought to the registry at its own time.
/// forge-config: default.isolate = true
contract CollateralRegistryGasTest {
    VmEnvironmentOr private constant ENVIRONMENT = VmEnvironmentOr(address(vm));
    string[7] private names = [
        "root certificate",
        "root's revocation list, empty",
        "CA certificate",
        "CA's revocation list, two entries",
        "TCB signing certificate",
        "TCB info, three levels",
        "QE identity, two levels"
    ];
    CollateralRegistry private registry;
    Asker private asker;

    function setUp() public {
        registry = new CollateralRegistry();
        asker = new Asker();
    }

    function test_Simulator() public {
        RegistryVectors vectors = new RegistryVectors();
        Steps memory base = vectors.steps(".base");
        vm.warp(base.times[0]);
        for (uint256 i = 0; i < base.calls.length; ++i) {
            (bool success,) = address(registry).call(base.calls[i]);
            vm.assertTrue(success);
            vm.snapshotGasLastCall("collateral", names[i]);
        }
        // The last step of "one after the other" asks.
        Steps memory scenario = vectors.steps(".scenarios[1]");
        uint256 gas = asker.gasOf(address(registry), scenario.calls[scenario.calls.length - 1]);
        vm.snapshotValue("collateral", "appraise, within a transaction, cold", gas);
        vm.assertLe(gas, 32_000, "appraise");
    }

    /// @dev The list with the most entries that is read at all comes in steps, each below a transaction's limit (EIP-7825).
    function test_LongestList() public {
        Steps memory base = new RegistryVectors().steps(".base");
        vm.warp(base.times[0]);
        for (uint256 i = 0; i < 3; ++i) {
            (bool success,) = address(registry).call(base.calls[i]);
            vm.assertTrue(success);
        }
        bytes32 root = bytes32(base.answers[0]);
        bytes32 authority = bytes32(base.answers[2]);
        bytes memory list = longList(1551);
        vm.assertLe(list.length, 32_768);
        vm.assertGt(list.length, 32_700);
        bool isWhole;
        uint256 most;
        for (uint256 i = 0; i < 5; ++i) {
            vm.assertFalse(isWhole);
            isWhole = registry.submitRevocationList(root, authority, list, 320);
            uint256 gas = vm.lastCallGas().gasTotalUsed;
            if (gas > most) most = gas;
        }
        vm.assertTrue(isWhole);
        vm.assertTrue(registry.isRevoked(root, authority, 0x0101) && registry.isRevoked(root, authority, 0x0101 + 1550));
        vm.assertFalse(registry.isRevoked(root, authority, 0x0101 + 1551));
        vm.snapshotValue("collateral", "longest list: the dearest of five steps of 320 entries", most);
        vm.assertLe(most, 1 << 24, "step");
    }

    /// @dev Entries as short as they can be, signed by the vectors' CA, whose key is 201.
    function longList(uint256 entries) private pure returns (bytes memory) {
        bytes memory algorithm = hex"300a06082a8648ce3d040302";
        bytes memory name = hex"30163114301206035504030c0b706c6174666f726d204341";
        bytes memory time = "\x17\x0d260921141320Z";
        bytes memory serials = new bytes(21 * entries);
        for (uint256 i = 0; i < entries; ++i) {
            bytes memory entry = bytes.concat(hex"30130202", bytes2(uint16(0x0101 + i)), time);
            for (uint256 j = 0; j < 21; ++j) {
                serials[21 * i + j] = entry[j];
            }
        }
        bytes memory body = bytes.concat(
            bytes.concat(hex"020101", algorithm, name, time, "\x17\x0d261021141320Z"),
            element(0x30, serials),
            hex"a00e300c300a0603551d140403020106"
        );
        body = element(0x30, body);
        (bytes32 r, bytes32 s) = vm.signP256(201, sha256(body));
        bytes memory signature = element(0x30, bytes.concat(integer(r), integer(s)));
        return element(0x30, bytes.concat(body, algorithm, element(0x03, bytes.concat(hex"00", signature))));
    }

    function element(uint8 tag, bytes memory content) private pure returns (bytes memory) {
        if (content.length < 0x80) return bytes.concat(bytes1(tag), bytes1(uint8(content.length)), content);
        return bytes.concat(bytes1(tag), hex"82", bytes2(uint16(content.length)), content);
    }

    function integer(bytes32 value) private pure returns (bytes memory) {
        // Both halves of this one signature have 32 bytes.
        return element(0x02, uint256(value) >> 255 == 1 ? bytes.concat(hex"00", value) : bytes.concat(value));
    }

    /// @dev Intel's collateral of a real platform; nothing to do without it.
    function test_RealCollateral() public {
        bytes memory quote = part("QUOTE");
        if (quote.length == 0) return;
        vm.warp(uint256(bytes32(part("TIME"))));
        bytes32 root = registry.submitRoot(part("ROOT"));
        vm.snapshotGasLastCall("collateral_intel", "root certificate");
        vm.assertEq(root, 0xa0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e);
        registry.submitRevocationList(root, root, part("ROOT_LIST"), type(uint256).max);
        vm.snapshotGasLastCall("collateral_intel", "root's revocation list");
        bytes32 authority = registry.submitAuthority(root, part("CA"));
        vm.snapshotGasLastCall("collateral_intel", "CA certificate");
        registry.submitRevocationList(root, authority, part("PCK_LIST"), type(uint256).max);
        vm.snapshotGasLastCall("collateral_intel", "CA's revocation list");
        bytes32 signer = registry.submitSigner(root, part("SIGNER"));
        vm.snapshotGasLastCall("collateral_intel", "TCB signing certificate");
        submitText(ICollateralRegistry.submitTcbInfo.selector, CollateralKind.TcbInfo, root, signer, "TCB_INFO");
        vm.snapshotGasLastCall("collateral_intel", "TCB info");
        submitText(
            ICollateralRegistry.submitQeIdentity.selector, CollateralKind.QeIdentity, root, signer, "QE_IDENTITY"
        );
        vm.snapshotGasLastCall("collateral_intel", "QE identity");
        judge(root, authority, quote);
    }

    function submitText(bytes4 selector, CollateralKind kind, bytes32 root, bytes32 signer, string memory name)
        private
    {
        bytes memory text = part(name);
        bytes memory signature = part(string.concat(name, "_SIGNATURE"));
        bytes32 r;
        bytes32 s;
        assembly ("memory-safe") {
            r := mload(add(signature, 0x20))
            s := mload(add(signature, 0x40))
        }
        bytes memory other = bytes.concat(text);
        other[100] ^= 0x01;
        (bool success, bytes memory output) =
            address(registry).call(abi.encodeWithSelector(selector, root, signer, other, r, s));
        vm.assertFalse(success);
        vm.assertEq(output, abi.encodeWithSelector(ICollateralRegistry.StatementSignatureInvalid.selector, kind));
        (success,) = address(registry).call(abi.encodeWithSelector(selector, root, signer, text, r, s));
        vm.assertTrue(success);
    }

    function judge(bytes32 root, bytes32 authority, bytes memory quote) private {
        (Certificate memory pck, SgxPlatform memory platform) = asker.platform(part("PCK"));
        (bytes32 subject, bytes32 x, bytes32 y) = registry.issuerOf(root, authority);
        vm.assertEq(pck.issuer, subject);
        vm.assertEq(registry.identifierOf(root, subject, x, y), authority);
        bytes memory report = new bytes(384);
        for (uint256 i = 0; i < 384; ++i) {
            report[i] = quote[564 + i];
        }
        PlatformClaim memory claim = PlatformClaim(
            root, authority, pck.serial, platform.components, platform.pceSvn, platform.pceId, platform.fmspc
        );
        Standing memory standing = registry.appraise(claim, report, 0);
        vm.assertEq(
            abi.encodePacked(uint8(standing.qeStatus), uint8(standing.tcbStatus), standing.tcbAdvisories),
            part("STANDING")
        );
        bytes memory call = abi.encodeCall(ICollateralRegistry.appraise, (claim, report, 0));
        vm.snapshotValue(
            "collateral_intel", "appraise, within a transaction, cold", asker.gasOf(address(registry), call)
        );
        // When TCB info and QE identity have ended, nothing is said, whatever was said before.
        vm.warp(uint256(bytes32(part("TIME"))) + 31 days);
        vm.expectPartialRevert(ICollateralRegistry.CollateralExpired.selector);
        registry.appraise(claim, report, 0);
        vm.assertTrue(registry.recall(claim, report).tcbStatus == standing.tcbStatus);
    }

    function part(string memory name) private view returns (bytes memory) {
        return ENVIRONMENT.envOr(string.concat("WATTEST_DCAP_", name), bytes(""));
    }
}
