// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CertificateChain} from "../src/dcap/CertificateChain.sol";
import {Der} from "../src/dcap/Der.sol";
import {EnclaveReport, ReportPins} from "../src/dcap/EnclaveReport.sol";
import {PckCertificate} from "../src/dcap/PckCertificate.sol";
import {QuoteSignatures} from "../src/dcap/QuoteSignatures.sol";
import {SgxPlatform} from "../src/dcap/SgxExtension.sol";
import {SgxQuote} from "../src/dcap/SgxQuote.sol";
import {Certificate, X509Certificate} from "../src/dcap/X509Certificate.sol";
import {RevocationList, X509RevocationList} from "../src/dcap/X509RevocationList.sol";
import {vm} from "./support/Vm.sol";

/// @notice Cheatcodes that only this test needs.
interface VmEnvironment {
    function envOr(string calldata name, bytes calldata otherwise) external view returns (bytes memory);
}

/// @notice The libraries' internal functions as calls, so that a revert can be caught and calldata is calldata.
contract DcapHarness {
    function certificate(bytes calldata der) external pure returns (Certificate memory) {
        return X509Certificate.parse(der);
    }

    function platform(bytes calldata der) external pure returns (SgxPlatform memory) {
        (, SgxPlatform memory parsed) = PckCertificate.parse(der);
        return parsed;
    }

    function extension(bytes calldata der) external pure returns (uint256 octets) {
        (octets,,,) = X509Certificate.readExtension(der, 0, der.length);
        octets &= 0xff;
    }

    function list(bytes calldata der) external pure returns (RevocationList memory) {
        return X509RevocationList.parse(der);
    }

    function time(bytes calldata der) external pure returns (uint64 value) {
        (value,) = Der.readTime(der, 0, der.length);
    }

    function issued(bytes calldata below, bytes calldata issuer) external view {
        CertificateChain.requireIssued(X509Certificate.parse(below), X509Certificate.parse(issuer));
    }

    function listed(bytes calldata below, bytes calldata issuer) external view {
        CertificateChain.requireListed(X509RevocationList.parse(below), X509Certificate.parse(issuer));
    }

    function notRevoked(bytes calldata der, bytes calldata lists) external pure {
        CertificateChain.requireNotRevoked(X509Certificate.parse(der), X509RevocationList.parse(lists));
    }

    function requireTime(uint64 from, uint64 until, uint256 moment) external pure {
        CertificateChain.requireTime(from, until, moment);
    }

    function quote(bytes calldata data, bytes32 x, bytes32 y) external view returns (bytes32, bytes32, uint16, uint16) {
        SgxQuote.requireForm(data);
        bytes calldata report = SgxQuote.report(data);
        QuoteSignatures.requireSigned(data, x, y);
        EnclaveReport.requireProduction(report);
        // 64 bits; nothing else is pinned here.
        EnclaveReport.requirePins(report, ReportPins(bytes16(hex"04"), bytes16(hex"04"), 0, 0));
        EnclaveReport.requireNoDebug(SgxQuote.qeReport(data));
        return (
            EnclaveReport.mrEnclave(report),
            EnclaveReport.mrSigner(report),
            EnclaveReport.product(report),
            EnclaveReport.svn(report)
        );
    }
}

/// @notice vectors/dcap/ and fuzzing: whatever the bytes, an answer or an error with a name. A real quote is checked when the
/// WATTEST_DCAP variables hold its parts, as the differential test in Python sets them.
contract DcapTest {
    VmEnvironment private constant ENVIRONMENT = VmEnvironment(address(vm));
    DcapHarness private harness;
    string private json;
    // What fuzzing alters, read once.
    bytes private pckCertificate;
    bytes private threeRevoked;
    bytes private healthyQuote;

    function setUp() public {
        harness = new DcapHarness();
        json = vm.readFile("../vectors/dcap/dcap.json");
        pckCertificate = hexOf(".certificates[2].der");
        threeRevoked = hexOf(".lists[3].der");
        healthyQuote = hexOf(".quotes[0].quote");
    }

    function test_Certificates() public view {
        uint256 count;
        uint256 refused;
        for (; vm.keyExistsJson(json, key(".certificates", count, ".name")); ++count) {
            bytes memory der = hexOf(key(".certificates", count, ".der"));
            if (hexOf(key(".certificates", count, ".selector")).length > 0) {
                answered("certificates", count, abi.encodeCall(DcapHarness.platform, (der)));
                ++refused;
                continue;
            }
            Certificate memory found = harness.certificate(der);
            vm.assertEq(bytes32(found.serial), word(key(".certificates", count, ".serial")));
            vm.assertEq(found.issuer, word(key(".certificates", count, ".issuer")));
            vm.assertEq(found.subject, word(key(".certificates", count, ".subject")));
            vm.assertEq(found.notBefore, vm.parseJsonUint(json, key(".certificates", count, ".not_before")));
            vm.assertEq(found.notAfter, vm.parseJsonUint(json, key(".certificates", count, ".not_after")));
            vm.assertTrue(found.isAuthority == vm.parseJsonBool(json, key(".certificates", count, ".authority")));
            vm.assertEq(found.x, word(key(".certificates", count, ".x")));
            vm.assertEq(found.y, word(key(".certificates", count, ".y")));
            bytes memory fmspc = hexOf(key(".certificates", count, ".fmspc"));
            vm.assertTrue((found.sgxStart != 0) == (fmspc.length > 0));
            if (fmspc.length == 0) continue;
            SgxPlatform memory platform = harness.platform(der);
            vm.assertEq(platform.fmspc, bytes6(fmspc));
            vm.assertEq(platform.pceId, bytes2(hexOf(key(".certificates", count, ".pce_id"))));
            vm.assertEq(platform.pceSvn, vm.parseJsonUint(json, key(".certificates", count, ".pce_svn")));
            vm.assertEq(platform.components, bytes16(hexOf(key(".certificates", count, ".components"))));
            vm.assertEq(platform.cpuSvn, platform.components);
        }
        vm.assertGt(count - refused, 5);
        vm.assertGt(refused, 15);
    }

    function test_RevocationLists() public view {
        uint256 count;
        for (; vm.keyExistsJson(json, key(".lists", count, ".name")); ++count) {
            bytes memory der = hexOf(key(".lists", count, ".der"));
            if (!answered("lists", count, abi.encodeCall(DcapHarness.list, (der)))) continue;
            RevocationList memory found = harness.list(der);
            vm.assertEq(found.issuer, word(key(".lists", count, ".issuer")));
            vm.assertEq(found.thisUpdate, vm.parseJsonUint(json, key(".lists", count, ".this_update")));
            vm.assertEq(found.nextUpdate, vm.parseJsonUint(json, key(".lists", count, ".next_update")));
            vm.assertEq(found.number, vm.parseJsonUint(json, key(".lists", count, ".number")));
            vm.assertEq(abi.encodePacked(found.serials), hexOf(key(".lists", count, ".serials")));
        }
        vm.assertGt(count, 10);
    }

    function test_Chains() public {
        for (uint256 i = 0; vm.keyExistsJson(json, key(".issued", i, ".name")); ++i) {
            answered("issued", i, stepOf(DcapHarness.issued.selector, "issued", i));
        }
        for (uint256 i = 0; vm.keyExistsJson(json, key(".listed", i, ".name")); ++i) {
            answered("listed", i, stepOf(DcapHarness.listed.selector, "listed", i));
        }
        bytes memory pck = hexOf(".certificates[2].der");
        harness.notRevoked(pck, hexOf(".lists[0].der"));
        vm.expectPartialRevert(CertificateChain.CertificateRevoked.selector);
        harness.notRevoked(pck, hexOf(".lists[2].der"));
        vm.expectPartialRevert(CertificateChain.IssuerMismatch.selector);
        harness.notRevoked(pck, hexOf(".lists[1].der"));
    }

    function test_Times() public {
        harness.requireTime(5, 7, 5);
        harness.requireTime(5, 7, 7);
        vm.expectRevert(abi.encodeWithSelector(CertificateChain.NotYetValid.selector, 5, 4));
        harness.requireTime(5, 7, 4);
        vm.expectRevert(abi.encodeWithSelector(CertificateChain.Expired.selector, 7, 8));
        harness.requireTime(5, 7, 8);
        vm.assertEq(harness.time("\x17\x0d700101000000Z"), 0);
        vm.assertEq(harness.time("\x17\x0d000229235959Z"), 951_868_799);
        vm.assertEq(harness.time("\x17\x0d491231235959Z"), 2_524_607_999);
        vm.assertEq(harness.time("\x18\x0f20500101000000Z"), 2_524_608_000);
        vm.assertEq(harness.time("\x18\x0f99991231235959Z"), 253_402_300_799);
        string[8] memory wrong = [
            "\x17\x0d690101000000Z",
            "\x17\x0d010229000000Z",
            "\x17\x0d010431000000Z",
            "\x17\x0d010101240000Z",
            "\x17\x0d010101006000Z",
            "\x17\x0d010101000060Z",
            "\x17\x0d0101010000000",
            "\x18\x0f20491231235959Z"
        ];
        for (uint256 i = 0; i < wrong.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Der.DerTimeInvalid.selector, 0));
            harness.time(bytes(wrong[i]));
        }
    }

    function test_Quotes() public view {
        Certificate memory pck = harness.certificate(hexOf(".certificates[2].der"));
        for (uint256 i = 0; vm.keyExistsJson(json, key(".quotes", i, ".name")); ++i) {
            bytes memory quote = hexOf(key(".quotes", i, ".quote"));
            bytes memory call = abi.encodeCall(DcapHarness.quote, (quote, pck.x, pck.y));
            if (!answered("quotes", i, call)) continue;
            (bytes32 enclave, bytes32 signer, uint16 product, uint16 svn) = harness.quote(quote, pck.x, pck.y);
            vm.assertEq(enclave, bytes32(hex"1111111111111111111111111111111111111111111111111111111111111111"));
            vm.assertEq(signer, bytes32(hex"2222222222222222222222222222222222222222222222222222222222222222"));
            vm.assertEq(product, 7);
            vm.assertEq(svn, 3);
        }
    }

    function test_LongInputIsRefused() public {
        bytes memory long = new bytes(4097);
        vm.expectRevert(abi.encodeWithSelector(X509Certificate.CertificateTooLong.selector, 4096, 4097));
        harness.certificate(long);
        long = new bytes(32_769);
        vm.expectRevert(abi.encodeWithSelector(X509RevocationList.RevocationListTooLong.selector, 32_768, 32_769));
        harness.list(long);
    }

    /// @dev A certificate that does not sign, an authority's, and an object identifier that nobody has.
    function test_UnfitCertificates() public {
        bytes memory pck = pckCertificate;
        uint256 usage = find(pck, hex"0603551d0f0101ff0404030206c0");
        pck[usage + 13] = 0x40;
        vm.expectRevert(PckCertificate.PckCertificateUnfit.selector);
        harness.platform(pck);
        pck[usage + 13] = 0xc0;
        harness.platform(pck);
        bytes memory longest = bytes.concat(hex"3026061f", new bytes(31), hex"0403020101");
        vm.assertEq(harness.extension(longest), 31);
        bytes memory tooLong = bytes.concat(hex"30270620", new bytes(32), hex"0403020101");
        vm.expectRevert(abi.encodeWithSelector(X509Certificate.ExtensionMalformed.selector, 0));
        harness.extension(tooLong);
        vm.expectRevert(abi.encodeWithSelector(X509Certificate.ExtensionMalformed.selector, 0));
        harness.extension(hex"300706000403020101");
    }

    function find(bytes memory data, bytes memory part) private pure returns (uint256 at_) {
        while (true) {
            uint256 i;
            while (i < part.length && data[at_ + i] == part[i]) ++i;
            if (i == part.length) return at_;
            ++at_;
        }
    }

    function test_Gas() public {
        bytes memory pck = hexOf(".certificates[2].der");
        bytes memory authority = hexOf(".certificates[1].der");
        harness.platform(pck);
        vm.snapshotValue("dcap", "PCK certificate and SGX extension, parsed", vm.lastCallGas().gasTotalUsed);
        harness.issued(pck, authority);
        vm.snapshotValue("dcap", "PCK and CA certificate, parsed and one signature", vm.lastCallGas().gasTotalUsed);
        harness.list(hexOf(".lists[2].der"));
        vm.snapshotValue("dcap", "revocation list of one entry, parsed", vm.lastCallGas().gasTotalUsed);
        Certificate memory found = harness.certificate(pck);
        harness.quote(hexOf(".quotes[0].quote"), found.x, found.y);
        vm.snapshotValue("dcap", "quote: form, two signatures, attributes", vm.lastCallGas().gasTotalUsed);
    }

    /// @dev Certificates, lists, steps and quote of a real platform; nothing to do without them.
    function test_RealQuote() public {
        bytes memory quote = ENVIRONMENT.envOr("WATTEST_DCAP_QUOTE", bytes(""));
        if (quote.length == 0) return;
        bytes memory pck = ENVIRONMENT.envOr("WATTEST_DCAP_PCK", bytes(""));
        bytes memory authority = ENVIRONMENT.envOr("WATTEST_DCAP_CA", bytes(""));
        bytes memory root = ENVIRONMENT.envOr("WATTEST_DCAP_ROOT", bytes(""));
        harness.issued(pck, authority);
        harness.issued(authority, root);
        harness.issued(root, root);
        bytes memory pckList = ENVIRONMENT.envOr("WATTEST_DCAP_PCK_LIST", bytes(""));
        bytes memory rootList = ENVIRONMENT.envOr("WATTEST_DCAP_ROOT_LIST", bytes(""));
        harness.listed(pckList, authority);
        harness.listed(rootList, root);
        harness.notRevoked(pck, pckList);
        harness.notRevoked(authority, rootList);
        vm.assertEq(harness.platform(pck).fmspc, bytes6(ENVIRONMENT.envOr("WATTEST_DCAP_FMSPC", bytes(""))));
        Certificate memory found = harness.certificate(pck);
        (bytes32 enclave,,,) = harness.quote(quote, found.x, found.y);
        vm.assertEq(enclave, bytes32(ENVIRONMENT.envOr("WATTEST_DCAP_MEASUREMENT", bytes(""))));
        quote[112] ^= 0x01;
        vm.expectRevert(QuoteSignatures.ReportSignatureInvalid.selector);
        harness.quote(quote, found.x, found.y);
    }

    /// forge-config: deep.fuzz.runs = 1000000
    function testFuzz_AnyBytes(bytes calldata data, bytes32 x, bytes32 y) public view {
        namedOrNothing(abi.encodeCall(DcapHarness.certificate, (data)));
        namedOrNothing(abi.encodeCall(DcapHarness.list, (data)));
        namedOrNothing(abi.encodeCall(DcapHarness.time, (data)));
        namedOrNothing(abi.encodeCall(DcapHarness.quote, (data, x, y)));
    }

    /// forge-config: deep.fuzz.runs = 1000000
    function testFuzz_AlteredBytes(uint256 place, bytes4 change, uint256 length) public view {
        bytes memory pck = altered(pckCertificate, place, change, length);
        namedOrNothing(abi.encodeCall(DcapHarness.platform, (pck)));
        bytes memory list = altered(threeRevoked, place, change, length);
        namedOrNothing(abi.encodeCall(DcapHarness.list, (list)));
        bytes memory quote = altered(healthyQuote, place, change, length);
        namedOrNothing(abi.encodeCall(DcapHarness.quote, (quote, bytes32(place), bytes32(length))));
    }

    /// @dev No answer but a value or a custom error: neither a panic nor an error without a name.
    function namedOrNothing(bytes memory call) private view {
        (bool success, bytes memory output) = address(harness).staticcall(call);
        if (success) return;
        vm.assertGe(output.length, 4);
        vm.assertTrue(bytes4(output) != 0x4e487b71 && bytes4(output) != 0x08c379a0);
    }

    function altered(bytes memory data, uint256 place, bytes4 change, uint256 length)
        private
        pure
        returns (bytes memory)
    {
        place %= data.length - 4;
        for (uint256 i = 0; i < 4; ++i) {
            data[place + i] ^= change[i];
        }
        // One in four is cut, too.
        if (length % 4 == 0) {
            length = (length / 4) % data.length;
            assembly ("memory-safe") {
                mstore(data, length)
            }
        }
        return data;
    }

    /// @dev Whether the call succeeded; reverts unless the vectors say the same, with the same error.
    function answered(string memory part, uint256 index, bytes memory call) private view returns (bool) {
        string memory place = string.concat(".", part);
        string memory name = vm.parseJsonString(json, key(place, index, ".name"));
        bytes memory selector = hexOf(key(place, index, ".selector"));
        (bool success, bytes memory output) = address(harness).staticcall(call);
        vm.assertTrue(success == (selector.length == 0), name);
        if (!success) vm.assertEq(bytes32(bytes4(output)), bytes32(bytes4(selector)), name);
        return success;
    }

    function stepOf(bytes4 selector, string memory part, uint256 index) private view returns (bytes memory) {
        string memory place = string.concat(".", part);
        return abi.encodeWithSelector(selector, hexOf(key(place, index, ".below")), hexOf(key(place, index, ".issuer")));
    }

    function key(string memory part, uint256 index, string memory field) private pure returns (string memory) {
        return string.concat(part, "[", vm.toString(index), "]", field);
    }

    function hexOf(string memory path) private view returns (bytes memory) {
        return vm.parseBytes(string.concat("0x", vm.parseJsonString(json, path)));
    }

    function word(string memory path) private view returns (bytes32) {
        return bytes32(hexOf(path));
    }
}
