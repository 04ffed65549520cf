// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CertificateChain} from "../dcap/CertificateChain.sol";
import {PckCertificate} from "../dcap/PckCertificate.sol";
import {SgxPlatform} from "../dcap/SgxExtension.sol";
import {Certificate} from "../dcap/X509Certificate.sol";
import {X509Signature} from "../dcap/X509Signature.sol";
import {ICollateralRegistry} from "../interfaces/ICollateralRegistry.sol";
import {PckFacts} from "./DcapEvidence.sol";

/// @notice Verifies PCK certificates for DcapVerifier, in a contract of its own because of the limit on a contract's code.
contract PckReader {
    ICollateralRegistry private immutable _collateral;

    constructor(ICollateralRegistry collateral) {
        _collateral = collateral;
    }

    /// @notice The facts of a PCK certificate that the stored authority has signed and that is valid now.
    function read(bytes32 root, bytes32 authority, bytes calldata certificate)
        external
        view
        returns (PckFacts memory facts)
    {
        (bytes32 subject, bytes32 x, bytes32 y) = _collateral.issuerOf(root, authority);
        (Certificate memory parsed, SgxPlatform memory platform) = PckCertificate.parse(certificate);
        if (parsed.issuer != subject) revert CertificateChain.IssuerMismatch(subject, parsed.issuer);
        CertificateChain.requireTime(parsed.notBefore, parsed.notAfter, block.timestamp);
        if (!X509Signature.isValid(parsed.tbsDigest, parsed.r, parsed.s, x, y)) {
            revert CertificateChain.CertificateSignatureInvalid();
        }
        return PckFacts({
            root: root,
            authority: authority,
            x: parsed.x,
            y: parsed.y,
            serial: uint160(parsed.serial), // at most 20 octets
            ppid: platform.ppid,
            components: platform.components,
            pceSvn: platform.pceSvn,
            pceId: platform.pceId,
            fmspc: platform.fmspc,
            notAfter: parsed.notAfter
        });
    }
}
