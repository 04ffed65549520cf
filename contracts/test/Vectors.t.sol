// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AppraiserQuorum} from "../src/AppraiserQuorum.sol";
import {ChannelRules} from "../src/lib/ChannelRules.sol";
import {Secp256k1Signature} from "../src/lib/Secp256k1Signature.sol";
import {BatchHeader} from "../src/types/BatchHeader.sol";
import {ChannelKind} from "../src/types/Channel.sol";
import {EvidenceVerdict, Revocation} from "../src/types/EvidenceVerdict.sol";
import {World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";

/// @notice The shared vectors of vectors/protocol/: what Python and the contracts accept, and what both refuse. Scenarios of
/// many steps are played against twin and contracts side by side by the Python tests.
contract VectorsTest is World {
    string private json;

    function test_Headers() public {
        json = vm.readFile("../vectors/protocol/header.json");
        uint256 count;
        for (; vm.keyExistsJson(json, key(".valid", count, ".digest")); ++count) {
            place(count);
            BatchHeader memory header = abi.decode(hexOf(key(".valid", count, ".bytes")), (BatchHeader));
            bytes32 digest = word(key(".valid", count, ".digest"));
            vm.assertEq(Rebased(target(count)).headerDigest(header), digest);
            bytes memory signed = hexOf(key(".valid", count, ".signature"));
            vm.assertEq(this.recover(digest, signed), addressOf(key(".valid", count, ".signer")));
        }
        vm.assertGt(count, 0);
        bytes32 valid = word(".valid[0].digest");
        for (count = 0; vm.keyExistsJson(json, key(".one_field_changed", count, ".digest")); ++count) {
            vm.assertNotEq(word(key(".one_field_changed", count, ".digest")), valid);
        }
        vm.assertEq(count, 15);
    }

    function test_HeaderBytesThatAreRefused() public {
        json = vm.readFile("../vectors/protocol/header.json");
        place(0);
        uint256 padded;
        for (uint256 i = 0; vm.keyExistsJson(json, key(".invalid_bytes", i, ".bytes")); ++i) {
            bytes memory words = hexOf(key(".invalid_bytes", i, ".bytes"));
            if (words.length != 480) continue; // a call's input has no length of its own for a static struct
            ++padded;
            (bool success, bytes memory output) =
                target(0).staticcall(bytes.concat(referee.headerDigest.selector, words));
            // Dirty padding: refused, or hashed as it stands, which is no header's digest.
            vm.assertTrue(!success || abi.decode(output, (bytes32)) != word(".valid[0].digest"));
        }
        vm.assertGt(padded, 0);
    }

    function test_SignaturesThatAreRefused() public {
        json = vm.readFile("../vectors/protocol/header.json");
        bytes32 digest = word(".valid[0].digest");
        address signer = addressOf(".valid[0].signer");
        uint256 count;
        for (; vm.keyExistsJson(json, key(".invalid_signatures", count, ".signature")); ++count) {
            bytes memory signed = hexOf(key(".invalid_signatures", count, ".signature"));
            try this.recover(digest, signed) returns (address found) {
                vm.assertTrue(found != signer);
            } catch {}
        }
        vm.assertGt(count, 0);
    }

    function test_Channels() public {
        json = vm.readFile("../vectors/protocol/channel.json");
        uint256 count;
        for (; vm.keyExistsJson(json, key("", count, ".id")); ++count) {
            bytes32 id = ChannelRules.id(
                addressOf(key("", count, ".manager")),
                ChannelKind(vm.parseUint(vm.parseJsonString(json, key("", count, ".kind")))),
                word(key("", count, ".salt"))
            );
            vm.assertEq(id, word(key("", count, ".id")));
        }
        vm.assertGt(count, 0);
    }

    function test_Verdict() public {
        json = vm.readFile("../vectors/protocol/verdict.json");
        EvidenceVerdict memory verdict = abi.decode(hexOf(".bytes"), (EvidenceVerdict));
        address at_ = addressOf(".registry");
        vm.etch(at_, address(registry).code);
        vm.chainId(vm.parseUint(vm.parseJsonString(json, ".chain_id")));
        bytes32 digest = Rebased(at_).verdictDigest(verdict);
        vm.assertEq(digest, word(".digest"));
        Revocation memory revocation =
            Revocation(verdict.enclaveKey, verdict.referee, verdict.channel, verdict.operator);
        vm.assertEq(Rebased(at_).revocationDigest(revocation), word(".revocation_digest"));

        address[] memory appraisers_ = new address[](3);
        for (uint256 i = 0; i < 3; ++i) {
            appraisers_[i] = addressOf(string.concat(".appraisers[", vm.toString(i), "]"));
        }
        quorum = new AppraiserQuorum(appraisers_, vm.parseUint(vm.parseJsonString(json, ".threshold")));
        uint256 refused;
        for (; vm.keyExistsJson(json, key(".invalid", refused, ".why")); ++refused) {
            bytes memory signatures = joined(key(".invalid", refused, ".signatures"));
            vm.expectRevert();
            quorum.verifyEvidence(digest, verdict, signatures);
        }
        vm.assertGt(refused, 0);
        uint256 accepted;
        for (; vm.keyExistsJson(json, key(".valid", accepted, "")); ++accepted) {
            quorum.verifyEvidence(digest, verdict, joined(signaturesKey(accepted)));
        }
        vm.assertGt(accepted, 0);
    }

    function recover(bytes32 digest, bytes calldata signed) external pure returns (address) {
        return Secp256k1Signature.recover(digest, signed);
    }

    // ------------------------------------------------------------------ helpers

    /// @dev The Referee's code at the vector's address, on the vector's chain: its digests follow both.
    function place(uint256 vector) private {
        vm.etch(target(vector), address(referee).code);
        vm.chainId(vm.parseUint(vm.parseJsonString(json, key(".valid", vector, ".chain_id"))));
    }

    function target(uint256 vector) private view returns (address) {
        return addressOf(key(".valid", vector, ".referee"));
    }

    function signaturesKey(uint256 vector) private view returns (string memory) {
        string memory nested = key(".valid", vector, ".signatures");
        return vm.keyExistsJson(json, nested) ? nested : key(".valid", vector, "");
    }

    function joined(string memory list) private view returns (bytes memory all) {
        for (uint256 i = 0; vm.keyExistsJson(json, string.concat(list, "[", vm.toString(i), "]")); ++i) {
            all = bytes.concat(all, hexOf(string.concat(list, "[", vm.toString(i), "]")));
        }
    }

    function key(string memory list, uint256 index, string memory field) private pure returns (string memory) {
        return string.concat(list, "[", vm.toString(index), "]", field);
    }

    function hexOf(string memory path) private view returns (bytes memory) {
        return vm.parseBytes(string.concat("0x", vm.parseJsonString(json, path)));
    }

    function word(string memory path) private view returns (bytes32) {
        return bytes32(hexOf(path));
    }

    function addressOf(string memory path) private view returns (address) {
        return address(bytes20(hexOf(path)));
    }
}

interface Rebased {
    function headerDigest(BatchHeader calldata header) external view returns (bytes32);
    function verdictDigest(EvidenceVerdict calldata verdict) external view returns (bytes32);
    function revocationDigest(Revocation calldata revocation) external view returns (bytes32);
}
