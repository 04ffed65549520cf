// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Der} from "../src/dcap/Der.sol";
import {X509Signature} from "../src/dcap/X509Signature.sol";
import {IReferee} from "../src/interfaces/IReferee.sol";
import {P256Verify} from "../src/lib/P256Verify.sol";
import {Secp256k1Signature} from "../src/lib/Secp256k1Signature.sol";
import {vm} from "./support/Vm.sol";

/// @notice Cheatcodes that only this test needs.
interface VmTypedCases {
    function parseJsonTypeArray(string calldata json, string calldata key, string calldata typeDescription)
        external
        pure
        returns (bytes memory);
    function assertEq(string calldata left, string calldata right, string calldata reason) external pure;
    function assertEq(address left, address right, string calldata reason) external pure;
}

/// @notice The libraries' internal functions as calls, so that a revert can be caught and calldata is calldata.
contract SignatureHarness {
    function strict(bytes32 digest, bytes32 r, bytes32 s, bytes32 x, bytes32 y) external view returns (bool) {
        return P256Verify.isValid(digest, r, s, x, y);
    }

    function certificate(bytes32 digest, bytes32 r, bytes32 s, bytes32 x, bytes32 y) external view returns (bool) {
        return X509Signature.isValid(digest, r, s, x, y);
    }

    function encoded(bytes calldata der) external pure returns (bytes32 r, bytes32 s) {
        return X509Signature.readSignature(der, 0, der.length);
    }

    function tryRecover(bytes32 digest, bytes calldata signature) external pure returns (address) {
        return Secp256k1Signature.tryRecover(digest, signature);
    }

    function recover(bytes32 digest, bytes calldata signature) external pure returns (address) {
        return Secp256k1Signature.recover(digest, signature);
    }
}

struct EdgeCase {
    bytes32 digest;
    bool ecdsa;
    string kind;
    string name;
    string outcome;
    string public_key;
    string signature;
}

struct RecoveryCase {
    bytes32 digest;
    string name;
    string signature;
    string signer;
}

struct PairCase {
    string r;
    string s;
}

struct EncodingCase {
    string bit_string;
    string name;
    string outcome;
}

/// @notice vectors/signatures/ as Python and Rust read them too: edges of P-256, of recovery on secp256k1 and of DER.
contract SignaturesTest {
    VmTypedCases private constant CASES = VmTypedCases(address(vm));
    string private constant EDGE = "EdgeCase(bytes32 digest,bool ecdsa,string kind,string name,string outcome,"
        "string public_key,string signature)";
    string private constant RECOVERY = "RecoveryCase(bytes32 digest,string name,string signature,string signer)";
    string private constant ENCODING = "EncodingCase(string bit_string,string name,string outcome)";
    string private constant PAIR = "PairCase(string r,string s)";
    uint256 private constant ORDER_K1 = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    SignatureHarness private harness;

    function setUp() public {
        harness = new SignatureHarness();
    }

    /// @notice The meters' rule wants a low s, that of certificates does not; a key that is no point has no signature.
    function test_EdgesOfP256() public view {
        EdgeCase[] memory cases = abi.decode(read("secp256r1.json", EDGE), (EdgeCase[]));
        uint256 accepted;
        uint256 refused;
        for (uint256 i = 0; i < cases.length; ++i) {
            EdgeCase memory given = cases[i];
            bytes memory key = bytesOf(given.public_key);
            bytes memory signature = bytesOf(given.signature);
            // Words cannot have another length.
            if (key.length != 64 || signature.length != 64) continue;
            (bytes32 x, bytes32 y) = abi.decode(key, (bytes32, bytes32));
            (bytes32 r, bytes32 s) = abi.decode(signature, (bytes32, bytes32));
            bool expected = keccak256(bytes(given.outcome)) == keccak256("accepted");
            string memory place = string.concat(given.kind, ": ", given.name);
            vm.assertTrue(harness.strict(given.digest, r, s, x, y) == expected, place);
            vm.assertTrue(harness.certificate(given.digest, r, s, x, y) == given.ecdsa, place);
            if (expected) ++accepted;
            else ++refused;
        }
        vm.assertGt(accepted, 100);
        vm.assertGt(refused, 100);
    }

    /// @notice Every accepted signature recovers one address; everything else recovers none, and `recover` reverts.
    function test_EdgesOfRecovery() public {
        RecoveryCase[] memory cases = abi.decode(read("recovery.json", RECOVERY), (RecoveryCase[]));
        uint256 refused;
        for (uint256 i = 0; i < cases.length; ++i) {
            bytes memory signature = bytesOf(cases[i].signature);
            address expected = address(bytes20(bytesOf(cases[i].signer)));
            CASES.assertEq(harness.tryRecover(cases[i].digest, signature), expected, cases[i].name);
            if (expected == address(0)) {
                ++refused;
                vm.expectRevert(IReferee.InvalidSignature.selector);
                harness.recover(cases[i].digest, signature);
            } else {
                CASES.assertEq(harness.recover(cases[i].digest, signature), expected, cases[i].name);
            }
        }
        vm.assertGt(cases.length - refused, 10);
        vm.assertGt(refused, 30);
    }

    /// @notice Nothing but strict DER, and the reason by its name; whatever is accepted gives the pair that was written.
    function test_EdgesOfDer() public view {
        EncodingCase[] memory cases = abi.decode(read("der.json", ENCODING), (EncodingCase[]));
        PairCase[] memory pairs = abi.decode(read("der.json", PAIR), (PairCase[]));
        uint256 accepted;
        for (uint256 i = 0; i < cases.length; ++i) {
            if (!judged(cases[i])) continue;
            (bytes32 r, bytes32 s) = harness.encoded(bytesOf(cases[i].bit_string));
            vm.assertEq(r, bytes32(bytesOf(pairs[i].r)), cases[i].name);
            vm.assertEq(s, bytes32(bytesOf(pairs[i].s)), cases[i].name);
            ++accepted;
        }
        vm.assertGt(accepted, 5);
        vm.assertGt(cases.length - accepted, 60);
        cases = abi.decode(read("bit_strings.json", ENCODING), (EncodingCase[]));
        for (uint256 i = 0; i < cases.length; ++i) {
            vm.assertTrue(judged(cases[i]) == (i == 0), cases[i].name);
        }
        vm.assertGt(cases.length, 10);
    }

    /// @notice No proper prefix of a signature is one, and no octet put in front or behind is overlooked.
    function test_EveryCutIsRefused() public view {
        EncodingCase[] memory cases = abi.decode(read("bit_strings.json", ENCODING), (EncodingCase[]));
        bytes memory whole = bytesOf(cases[0].bit_string);
        harness.encoded(whole);
        for (uint256 length = 0; length < whole.length; ++length) {
            bytes memory cut = new bytes(length);
            for (uint256 i = 0; i < length; ++i) {
                cut[i] = whole[i];
            }
            CASES.assertEq(nameOf(refusal(cut)), "DerTruncated", vm.toString(length));
        }
        for (uint256 octet = 0; octet < 256; ++octet) {
            CASES.assertEq(nameOf(refusal(bytes.concat(whole, bytes1(uint8(octet))))), "DerTrailing", "behind");
            vm.assertGt(refusal(bytes.concat(bytes1(uint8(octet)), whole)).length, 0);
        }
    }

    /// @dev A high s changes the meters' answer and never the certificates'.
    function testFuzz_TheOtherS(uint256 secret, bytes32 digest) public view {
        uint256 order = X509Signature.ORDER;
        secret = 1 + secret % (order - 1);
        (bytes32 r, bytes32 s) = vm.signP256(secret, digest);
        (uint256 x, uint256 y) = vm.publicKeyP256(secret);
        bytes32 other = bytes32(order - uint256(s));
        bool low = uint256(s) <= P256Verify.HALF_ORDER;
        vm.assertTrue(harness.strict(digest, r, s, bytes32(x), bytes32(y)) == low);
        vm.assertTrue(harness.strict(digest, r, other, bytes32(x), bytes32(y)) != low);
        vm.assertTrue(harness.certificate(digest, r, s, bytes32(x), bytes32(y)));
        vm.assertTrue(harness.certificate(digest, r, other, bytes32(x), bytes32(y)));
    }

    /// @dev The other s recovers nothing with either v, though with the other v it would be the same signer.
    function testFuzz_TheOtherSRecoversNothing(uint256 secret, bytes32 digest) public view {
        secret = 1 + secret % (ORDER_K1 - 1);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(secret, digest);
        vm.assertEq(harness.tryRecover(digest, abi.encodePacked(r, s, v)), vm.addr(secret));
        bytes32 other = bytes32(ORDER_K1 - uint256(s));
        vm.assertEq(harness.tryRecover(digest, abi.encodePacked(r, other, uint8(55 - v))), address(0));
        vm.assertEq(harness.tryRecover(digest, abi.encodePacked(r, other, v)), address(0));
    }

    /// @dev Whether the reader accepts; fails unless the vectors say the same, with the same error.
    function judged(EncodingCase memory given) private view returns (bool) {
        bytes memory reason = refusal(bytesOf(given.bit_string));
        string memory found = reason.length == 0 ? "accepted" : nameOf(reason);
        CASES.assertEq(found, given.outcome, given.name);
        return reason.length == 0;
    }

    function refusal(bytes memory der) private view returns (bytes memory) {
        try harness.encoded(der) {
            return "";
        } catch (bytes memory reason) {
            return reason;
        }
    }

    /// @dev A revert that is none of the reader's errors (a panic, an empty one) fails the test by its name.
    function nameOf(bytes memory reason) private pure returns (string memory) {
        bytes4 selector = bytes4(reason);
        if (selector == Der.DerTruncated.selector) return "DerTruncated";
        if (selector == Der.DerLengthInvalid.selector) return "DerLengthInvalid";
        if (selector == Der.DerTagUnexpected.selector) return "DerTagUnexpected";
        if (selector == Der.DerTrailing.selector) return "DerTrailing";
        if (selector == Der.DerIntegerInvalid.selector) return "DerIntegerInvalid";
        if (selector == X509Signature.SignatureMalformed.selector) return "SignatureMalformed";
        revert("no error of the reader");
    }

    function read(string memory file, string memory typeDescription) private view returns (bytes memory) {
        string memory json = vm.readFile(string.concat("../vectors/signatures/", file));
        return CASES.parseJsonTypeArray(json, ".cases", typeDescription);
    }

    function bytesOf(string memory text) private pure returns (bytes memory) {
        return vm.parseBytes(string.concat("0x", text));
    }
}
