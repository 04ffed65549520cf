// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDcapVerifier} from "../interfaces/IDcapVerifier.sol";
import {PlatformClaim} from "../types/Collateral.sol";

/// @notice What a verified PCK certificate says, as it stands packed in evidence: 198 bytes, whose keccak256 names it.
struct PckFacts {
    bytes32 root;
    bytes32 authority;
    bytes32 x;
    bytes32 y;
    uint160 serial;
    bytes16 ppid;
    bytes16 components;
    uint16 pceSvn;
    bytes2 pceId;
    bytes6 fmspc;
    uint64 notAfter; // unix seconds
}

/// @notice Layout of the bytes that are brought as evidence (docs/spec/dcap-on-chain.md).
/// @dev Kind 1: 0x01, facts 198, quote. Kind 2: 0x02, root 32, authority 32, length u16, certificate (DER), quote.
/// To revoke: nonce 32, workload 32, then kind 1.
library DcapEvidence {
    uint8 internal constant KNOWN = 1;
    uint8 internal constant CERTIFICATE = 2;
    uint256 private constant FACTS_BYTES = 198;
    uint256 private constant FACTS_END = 1 + FACTS_BYTES;
    uint256 private constant DER = 67;
    uint256 private constant REVOCATION_HEAD = 64;
    bytes21 private constant PLATFORM_TAG = "wattest/platform-id/1";

    /// @notice Takes kind 1 apart.
    function readKnown(bytes calldata evidence)
        internal
        pure
        returns (PckFacts memory facts, bytes32 pck, bytes calldata quote)
    {
        if (evidence.length < FACTS_END || uint8(evidence[0]) != KNOWN) revert IDcapVerifier.EvidenceMalformed();
        bytes calldata packed = evidence[1:FACTS_END];
        facts.root = word(packed, 0);
        facts.authority = word(packed, 32);
        facts.x = word(packed, 64);
        facts.y = word(packed, 96);
        facts.serial = uint160(bytes20(word(packed, 128)));
        facts.ppid = bytes16(word(packed, 148));
        facts.components = bytes16(word(packed, 164));
        // The last 18 bytes end the facts: the word that they end is read.
        uint256 last = uint256(word(packed, FACTS_BYTES - 32));
        facts.pceSvn = uint16(last >> 128);
        facts.pceId = bytes2(uint16(last >> 112));
        facts.fmspc = bytes6(uint48(last >> 64));
        facts.notAfter = uint64(last);
        return (facts, keccak256(packed), evidence[FACTS_END:]);
    }

    /// @notice Takes kind 2 apart.
    function readCertificate(bytes calldata evidence)
        internal
        pure
        returns (bytes32 root, bytes32 authority, bytes calldata certificate, bytes calldata quote)
    {
        if (evidence.length < DER) revert IDcapVerifier.EvidenceMalformed();
        uint256 end = DER + uint16(bytes2(evidence[65:67]));
        if (evidence.length < end) revert IDcapVerifier.EvidenceMalformed();
        return (bytes32(evidence[1:33]), bytes32(evidence[33:65]), evidence[DER:end], evidence[end:]);
    }

    /// @notice Takes apart what is brought to revoke.
    function readRevocation(bytes calldata evidence)
        internal
        pure
        returns (bytes32 nonce, bytes32 workload, bytes calldata known)
    {
        if (evidence.length < REVOCATION_HEAD) revert IDcapVerifier.EvidenceMalformed();
        return (bytes32(evidence[0:32]), bytes32(evidence[32:64]), evidence[REVOCATION_HEAD:]);
    }

    /// @notice keccak256 of the packed facts.
    function idOf(PckFacts memory facts) internal pure returns (bytes32) {
        return keccak256(
            abi.encodePacked(
                facts.root,
                facts.authority,
                facts.x,
                facts.y,
                facts.serial,
                facts.ppid,
                facts.components,
                facts.pceSvn,
                facts.pceId,
                facts.fmspc,
                facts.notAfter
            )
        );
    }

    /// @notice The platform's id, which outlives its PCK certificates (docs/spec/evidence.md).
    function platformOf(PckFacts memory facts) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(PLATFORM_TAG, facts.root, facts.ppid));
    }

    /// @notice What the collateral registry is asked about.
    function claimOf(PckFacts memory facts) internal pure returns (PlatformClaim memory) {
        return PlatformClaim({
            root: facts.root,
            authority: facts.authority,
            serial: facts.serial,
            components: facts.components,
            pceSvn: facts.pceSvn,
            pceId: facts.pceId,
            fmspc: facts.fmspc
        });
    }

    /// @dev Assembly: without the compiler's own bound, which readKnown has set before.
    function word(bytes calldata packed, uint256 position) private pure returns (bytes32 value) {
        assembly ("memory-safe") {
            value := calldataload(add(packed.offset, position))
        }
    }
}
