// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The appraisal of one enclave's evidence, as appraisers sign it (docs/spec/verdict.md).
/// EIP-712 struct; the domain is name "wattest", version "1", the chain id and the EnclaveRegistry's address.
/// @param enclaveKey Ethereum address of the enclave's secp256k1 key
/// @param referee the Referee that the enclave signs headers for
/// @param channel the channel's id
/// @param operator who runs the enclave, and the only one who may register it
/// @param measurement MRENCLAVE or its like
/// @param workload the only workload digest that headers under this key may carry
/// @param platform id of the platform, 32 bytes
/// @param issuedAt unix seconds of the appraisal, chain time
/// @param expiresAt unix seconds from which the key commits no more
/// @param nonceBlock number of the block whose hash is the nonce
/// @param nonce that block's hash, bound in the evidence's report data
/// @param evidenceDigest SHA-256 of the evidence (the quote, trimmed to its declared length)
/// @param endorsementsDigest SHA-256 of the endorsements it was judged with
/// @param policyDigest SHA-256 of the appraisal policy
struct EvidenceVerdict {
    address enclaveKey;
    address referee;
    bytes32 channel;
    address operator;
    bytes32 measurement;
    bytes32 workload;
    bytes32 platform;
    uint64 issuedAt;
    uint64 expiresAt;
    uint64 nonceBlock;
    bytes32 nonce;
    bytes32 evidenceDigest;
    bytes32 endorsementsDigest;
    bytes32 policyDigest;
}

/// @notice The withdrawal of a key, for good.
struct Revocation {
    address enclaveKey;
    address referee;
    bytes32 channel;
    address operator;
}

library EvidenceVerdictHash {
    bytes32 internal constant TYPE_HASH = keccak256(
        "EvidenceVerdict(address enclaveKey,address referee,bytes32 channel,address operator,bytes32 measurement,bytes32 workload,bytes32 platform,uint64 issuedAt,uint64 expiresAt,uint64 nonceBlock,bytes32 nonce,bytes32 evidenceDigest,bytes32 endorsementsDigest,bytes32 policyDigest)"
    );
    bytes32 internal constant REVOCATION_TYPE_HASH =
        keccak256("Revocation(address enclaveKey,address referee,bytes32 channel,address operator)");

    /// @dev Assembly: the same bytes as abi.encode(TYPE_HASH, verdict), beyond the free memory pointer; a verdict is static, so
    /// its words lie together in calldata. Words that are no address or number make another digest, which nobody signs;
    /// the registry reads each of them as its type before.
    function structHash(EvidenceVerdict calldata verdict) internal pure returns (bytes32 digest) {
        bytes32 typeHash = TYPE_HASH;
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, typeHash)
            calldatacopy(add(words, 0x20), verdict, 0x1c0)
            digest := keccak256(words, 0x1e0)
        }
    }

    function structHash(Revocation calldata revocation) internal pure returns (bytes32) {
        return keccak256(abi.encode(REVOCATION_TYPE_HASH, revocation));
    }
}
