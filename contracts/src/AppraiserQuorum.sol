// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEvidenceVerifier} from "./interfaces/IEvidenceVerifier.sol";
import {Secp256k1Signature} from "./lib/Secp256k1Signature.sol";
import {EvidenceVerdict, Revocation} from "./types/EvidenceVerdict.sol";

/// @title k of n appraisers
/// @notice The set and the threshold are fixed at construction: another quorum is another registry and another Referee,
/// seen by everybody who uses them.
contract AppraiserQuorum is IEvidenceVerifier {
    uint256 public constant MAX_APPRAISERS = 32;
    uint256 private constant SIGNATURE_BYTES = 65;

    /// @notice Signatures needed.
    uint256 public immutable threshold;
    /// @notice Number of appraisers.
    uint256 public immutable appraiserCount;
    mapping(address account => bool) public isAppraiser;

    /// @param appraisers addresses in strictly ascending order, none zero
    constructor(address[] memory appraisers, uint256 threshold_) {
        if (appraisers.length == 0 || appraisers.length > MAX_APPRAISERS) revert AppraiserSetInvalid();
        if (threshold_ == 0 || threshold_ > appraisers.length) revert AppraiserSetInvalid();
        address last = address(0);
        for (uint256 i = 0; i < appraisers.length; ++i) {
            if (appraisers[i] <= last) revert AppraiserSetInvalid();
            last = appraisers[i];
            isAppraiser[last] = true;
        }
        threshold = threshold_;
        appraiserCount = appraisers.length;
    }

    /// @inheritdoc IEvidenceVerifier
    function verifyEvidence(bytes32 digest, EvidenceVerdict calldata verdict, bytes calldata evidence)
        external
        view
        returns (bytes10)
    {
        _requireQuorum(digest, evidence);
        return bytes10(verdict.evidenceDigest);
    }

    /// @inheritdoc IEvidenceVerifier
    function verifyRevocation(bytes32 digest, Revocation calldata, bytes10, bytes calldata evidence) external view {
        _requireQuorum(digest, evidence);
    }

    function _requireQuorum(bytes32 digest, bytes calldata signatures) private view {
        uint256 count = signatures.length / SIGNATURE_BYTES;
        if (signatures.length % SIGNATURE_BYTES != 0 || count < threshold) revert QuorumTooSmall(threshold, count);
        address last = address(0);
        // Signers ascend and are appraisers, so the loop ends after MAX_APPRAISERS rounds whatever the length.
        for (uint256 i = 0; i < count; ++i) {
            address signer =
                Secp256k1Signature.recover(digest, signatures[i * SIGNATURE_BYTES:(i + 1) * SIGNATURE_BYTES]);
            if (!isAppraiser[signer]) revert AppraiserUnknown(signer);
            if (signer <= last) revert AppraisersNotAscending(signer);
            last = signer;
        }
    }
}
