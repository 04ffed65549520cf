// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Certificate, X509Certificate} from "./X509Certificate.sol";
import {RevocationList} from "./X509RevocationList.sol";
import {X509Signature} from "./X509Signature.sol";

/// @notice One step of a certificate chain at a time: who issued a certificate or a revocation list, and when it holds.
library CertificateChain {
    /// @notice The certificate or list names another issuer than the one given.
    error IssuerMismatch(bytes32 expected, bytes32 actual);
    /// @notice The issuer is no authority, or may not sign this kind of thing.
    error IssuerNotAuthority();
    /// @notice More authorities below one than it allows.
    error PathTooLong();
    /// @notice The issuer's key did not make this signature.
    error CertificateSignatureInvalid();
    /// @notice The issuer's key did not make this list's signature.
    error RevocationListSignatureInvalid();
    /// @notice The time lies before the certificate's or the list's validity.
    error NotYetValid(uint64 from, uint256 time);
    /// @notice The time lies after the certificate's or the list's validity.
    error Expired(uint64 until, uint256 time);
    /// @notice The list names this certificate.
    error CertificateRevoked(uint256 serial);

    /// @notice Reverts unless `issuer` signed `certificate` and may. Whether the issuer itself is trusted, and whether the
    /// time is right, are other questions.
    function requireIssued(Certificate memory certificate, Certificate memory issuer) internal view {
        if (certificate.issuer != issuer.subject) revert IssuerMismatch(issuer.subject, certificate.issuer);
        if (!issuer.isAuthority || issuer.keyUsage & X509Certificate.KEY_CERT_SIGN == 0) revert IssuerNotAuthority();
        // A self-issued root does not count as below itself.
        if (
            certificate.isAuthority && issuer.hasPathLength && issuer.pathLength == 0
                && certificate.subject != certificate.issuer
        ) {
            revert PathTooLong();
        }
        if (!X509Signature.isValid(certificate.tbsDigest, certificate.r, certificate.s, issuer.x, issuer.y)) {
            revert CertificateSignatureInvalid();
        }
    }

    /// @notice Reverts unless `issuer` signed `list` and may.
    function requireListed(RevocationList memory list, Certificate memory issuer) internal view {
        if (list.issuer != issuer.subject) revert IssuerMismatch(issuer.subject, list.issuer);
        if (!issuer.isAuthority || issuer.keyUsage & X509Certificate.CRL_SIGN == 0) revert IssuerNotAuthority();
        if (!X509Signature.isValid(list.tbsDigest, list.r, list.s, issuer.x, issuer.y)) {
            revert RevocationListSignatureInvalid();
        }
    }

    /// @notice Reverts unless the time lies between the two, both included.
    function requireTime(uint64 from, uint64 until, uint256 time) internal pure {
        if (time < from) revert NotYetValid(from, time);
        if (time > until) revert Expired(until, time);
    }

    /// @notice Reverts if `list` names the certificate. The list must be by the certificate's issuer, and nobody else's.
    function requireNotRevoked(Certificate memory certificate, RevocationList memory list) internal pure {
        if (certificate.issuer != list.issuer) revert IssuerMismatch(certificate.issuer, list.issuer);
        for (uint256 i = 0; i < list.serials.length; ++i) {
            if (list.serials[i] == certificate.serial) revert CertificateRevoked(certificate.serial);
        }
    }
}
