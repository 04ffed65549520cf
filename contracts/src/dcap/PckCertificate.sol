// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SgxExtension, SgxPlatform} from "./SgxExtension.sol";
import {Certificate, X509Certificate} from "./X509Certificate.sol";

/// @notice The certificate of a platform's provisioning certification key: an end entity's, for signing, with the SGX extension.
library PckCertificate {
    /// @notice An authority's certificate, or one whose key may not sign.
    error PckCertificateUnfit();

    /// @notice Takes a PCK certificate apart. Issuer, signature, dates and revocation are the caller's to check.
    function parse(bytes calldata der)
        internal
        pure
        returns (Certificate memory certificate, SgxPlatform memory platform)
    {
        certificate = X509Certificate.parse(der);
        platform = SgxExtension.parse(der, certificate.sgxStart, certificate.sgxEnd);
        if (certificate.isAuthority || certificate.keyUsage & X509Certificate.DIGITAL_SIGNATURE == 0) {
            revert PckCertificateUnfit();
        }
    }
}
