// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EvidenceVerdict, Revocation} from "../types/EvidenceVerdict.sol";

/// @title Judges whether an enclave's evidence stands behind a verdict
/// @notice The registry's only trust: a quorum of appraisers today, full quote verification on chain behind the same
/// two functions later. A registry names its verifier once, at construction.
interface IEvidenceVerifier {
    /// @notice Fewer signatures than the quorum asks for, or bytes that are no whole number of signatures.
    error QuorumTooSmall(uint256 required, uint256 actual);
    /// @notice A signature of somebody who is no appraiser.
    error AppraiserUnknown(address signer);
    /// @notice Signatures must be in strictly ascending order of their signers' addresses, so that none counts twice.
    error AppraisersNotAscending(address signer);
    /// @notice An empty, oversized or unordered set of appraisers, or a threshold outside it.
    error AppraiserSetInvalid();

    /// @notice Reverts unless `evidence` stands behind `verdict`.
    /// @param digest EIP-712 digest of the verdict under the calling registry's domain
    /// @param verdict the verdict itself
    /// @param evidence AppraiserQuorum: 65-byte signatures r||s||v over `digest`, concatenated, ascending by signer
    function verifyEvidence(bytes32 digest, EvidenceVerdict calldata verdict, bytes calldata evidence) external view;

    /// @notice Reverts unless `evidence` stands behind `revocation`; same encoding.
    function verifyRevocation(bytes32 digest, Revocation calldata revocation, bytes calldata evidence) external view;
}
