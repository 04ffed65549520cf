// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EnclaveReport} from "./EnclaveReport.sol";
import {SgxQuote} from "./SgxQuote.sol";
import {X509Signature} from "./X509Signature.sol";

/// @notice From a PCK key to the enclave's report: the key signed the quoting enclave's report, that report vouches for the
/// attestation key, and the attestation key signed the quote.
/// @dev Whether the PCK key is genuine and the quoting enclave is Intel's is not asked here.
library QuoteSignatures {
    /// @notice The PCK key did not sign the quoting enclave's report.
    error QeReportSignatureInvalid();
    /// @notice The quoting enclave vouched for another attestation key or other authentication data.
    error AttestationKeyForeign();
    /// @notice The attestation key did not sign this header and report.
    error ReportSignatureInvalid();

    /// @notice Reverts unless all three hold; `quote` has passed SgxQuote.requireForm.
    function requireSigned(bytes calldata quote, bytes32 pckX, bytes32 pckY) internal view {
        bytes calldata qeReport = SgxQuote.qeReport(quote);
        (bytes32 r, bytes32 s) = SgxQuote.qeSignature(quote);
        if (!X509Signature.isValid(sha256(qeReport), r, s, pckX, pckY)) revert QeReportSignatureInvalid();
        (bytes32 vouched, bytes32 rest) = EnclaveReport.reportData(qeReport);
        if (vouched != SgxQuote.vouchedDigest(quote) || rest != 0) revert AttestationKeyForeign();
        (r, s) = SgxQuote.signature(quote);
        (bytes32 x, bytes32 y) = SgxQuote.attestationKey(quote);
        if (!X509Signature.isValid(SgxQuote.signedDigest(quote), r, s, x, y)) revert ReportSignatureInvalid();
    }
}
