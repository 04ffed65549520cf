// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EvidenceVerdict, Revocation} from "../types/EvidenceVerdict.sol";

/// @title Judges whether an enclave's evidence stands behind a verdict
/// @notice The registry's only trust: a quorum of appraisers (AppraiserQuorum), or the quote itself (DcapVerifier). A registry
/// names its verifier once, at construction.
interface IEvidenceVerifier {
    /// @notice Fewer signatures than the quorum asks for, or bytes that are no whole number of signatures.
    /// @custom:advice collect more appraisers' signatures
    error QuorumTooSmall(uint256 required, uint256 actual);
    /// @notice A signature of somebody who is no appraiser.
    error AppraiserUnknown(address signer);
    /// @notice Signatures must be in strictly ascending order of their signers' addresses, so that none counts twice.
    /// @custom:advice sort the signatures by their signers' addresses
    error AppraisersNotAscending(address signer);
    /// @notice An empty, oversized or unordered set of appraisers, or a threshold outside it.
    error AppraiserSetInvalid();

    /// @notice Reverts unless `evidence` stands behind `verdict`. May keep what later calls need not check again.
    /// @param digest EIP-712 digest of the verdict under the calling registry's domain
    /// @param verdict the verdict itself
    /// @param evidence AppraiserQuorum: 65-byte signatures r||s||v over `digest`, concatenated, ascending by signer.
    /// DcapVerifier: a quote and its PCK certificate (docs/spec/dcap-on-chain.md)
    /// @return evidenceTag names this evidence among all that the same key can have; the registry keeps it for verifyRevocation
    function verifyEvidence(bytes32 digest, EvidenceVerdict calldata verdict, bytes calldata evidence)
        external
        returns (bytes10 evidenceTag);

    /// @notice Reverts unless `evidence` stands behind `revocation`.
    /// @param evidenceTag what verifyEvidence gave for the key's last registration
    function verifyRevocation(
        bytes32 digest,
        Revocation calldata revocation,
        bytes10 evidenceTag,
        bytes calldata evidence
    ) external view;
}
