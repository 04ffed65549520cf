// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EnclaveReport, ReportPins} from "./dcap/EnclaveReport.sol";
import {IntelRoot} from "./dcap/IntelRoot.sol";
import {QuoteSignatures} from "./dcap/QuoteSignatures.sol";
import {SgxQuote} from "./dcap/SgxQuote.sol";
import {ICollateralRegistry} from "./interfaces/ICollateralRegistry.sol";
import {IDcapVerifier} from "./interfaces/IDcapVerifier.sol";
import {IEnclaveRegistry} from "./interfaces/IEnclaveRegistry.sol";
import {IEvidenceVerifier} from "./interfaces/IEvidenceVerifier.sol";
import {PolicyHead} from "./types/ChannelPolicy.sol";
import {Standing} from "./types/Collateral.sol";
import {EvidenceVerdict, Revocation} from "./types/EvidenceVerdict.sol";
import {QuoteFacts} from "./types/QuoteFacts.sol";
import {ChannelPolicies} from "./verifier/ChannelPolicies.sol";
import {DcapEvidence, PckFacts} from "./verifier/DcapEvidence.sol";
import {PckReader} from "./verifier/PckReader.sol";

/// @title A quote speaks for itself
/// @notice Certificates are checked once and kept as a hash of their facts; whether they are revoked or expired, what the
/// platform's level is and what the policy says is asked at every use.
contract DcapVerifier is ChannelPolicies {
    /// @notice How old a verdict may be when it is registered.
    uint64 public constant LONGEST_WAIT_S = 1 hours;
    /// @dev keccak256("wattest/enclave-key/1"), docs/spec/header.md.
    bytes32 private constant ENCLAVE_KEY_TAG = keccak256("wattest/enclave-key/1");

    /// @inheritdoc IDcapVerifier
    ICollateralRegistry public immutable collateral;
    PckReader private immutable _reader;
    /// @dev Facts of certificates that an authority stored in `collateral` has signed. Never taken back: revocation is asked
    /// at every use.
    mapping(bytes32 pck => bool) private _kept;

    constructor(ICollateralRegistry collateral_) {
        if (address(collateral_).code.length == 0) revert VerifierMisconfigured();
        collateral = collateral_;
        _reader = new PckReader(collateral_);
    }

    /// @inheritdoc IEvidenceVerifier
    function verifyEvidence(bytes32, EvidenceVerdict calldata verdict, bytes calldata evidence)
        external
        returns (bytes10 evidenceTag)
    {
        uint64 nowS = uint64(block.timestamp);
        if (verdict.issuedAt + LONGEST_WAIT_S < nowS) revert VerdictTooOld(verdict.issuedAt, nowS);
        bytes32 id = _policyId(verdict.referee, verdict.channel);
        PolicyHead memory head = _headOf(id);
        if (head.version == 0) revert PolicyMissing(verdict.referee, verdict.channel);

        (PckFacts memory facts, bytes32 pck, bytes calldata quote) = _readOrKeep(evidence);
        if (facts.notAfter < nowS) revert PckCertificateExpired(facts.notAfter, nowS);
        evidenceTag = _requireGenuine(quote, facts, pck);
        bytes calldata report = SgxQuote.report(quote);
        _requireBound(report, verdict.referee, verdict.channel, verdict.operator, verdict.enclaveKey, verdict.nonce);
        _requireWanted(verdict, id, head, facts, report);
        _requireStanding(verdict, id, head, facts, SgxQuote.qeReport(quote));
    }

    /// @inheritdoc IEvidenceVerifier
    function verifyRevocation(bytes32, Revocation calldata revocation, bytes10 evidenceTag, bytes calldata evidence)
        external
        view
    {
        (bytes32 nonce, bytes32 workload, bytes calldata known) = DcapEvidence.readRevocation(evidence);
        (PckFacts memory facts, bytes32 pck, bytes calldata quote) = DcapEvidence.readKnown(known);
        if (!_kept[pck]) revert PckCertificateUnknown(pck);
        bytes10 tag = _requireGenuine(quote, facts, pck);
        // An older quote of the same key may come from worse days of the same platform.
        if (tag != evidenceTag) revert EvidenceNotRegistered(evidenceTag, tag);
        bytes calldata report = SgxQuote.report(quote);
        _requireBound(report, revocation.referee, revocation.channel, revocation.operator, revocation.enclaveKey, nonce);
        if (collateral.isRevoked(facts.root, facts.authority, facts.serial)) return;
        bytes32 id = _policyId(revocation.referee, revocation.channel);
        PolicyHead memory head = _headOf(id);
        if (_isUnwanted(id, head, facts, report, revocation, workload)) return;
        // Reverts when something is missing, which speaks against nobody; dates do not matter here.
        Standing memory standing = collateral.recall(DcapEvidence.claimOf(facts), SgxQuote.qeReport(quote));
        if (
            _isStatusAllowed(id, head.version, standing.tcbStatus, standing.tcbAdvisories)
                && _isStatusAllowed(id, head.version, standing.qeStatus, standing.qeAdvisories)
        ) revert NothingAgainst();
    }

    /// @inheritdoc IDcapVerifier
    function keepCertificate(bytes32 root, bytes32 authority, bytes calldata certificate)
        external
        returns (bytes32 pck)
    {
        (, pck) = _keep(root, authority, certificate);
    }

    /// @inheritdoc IDcapVerifier
    function examine(bytes calldata evidence, uint64 maxCollateralAgeS)
        external
        view
        returns (QuoteFacts memory quoteFacts)
    {
        (PckFacts memory facts, bytes32 pck, bytes calldata quote) = DcapEvidence.readKnown(evidence);
        if (!_kept[pck]) revert PckCertificateUnknown(pck);
        uint64 nowS = uint64(block.timestamp);
        if (facts.notAfter < nowS) revert PckCertificateExpired(facts.notAfter, nowS);
        _requireGenuine(quote, facts, pck);
        bytes calldata report = SgxQuote.report(quote);
        EnclaveReport.requireProduction(report);
        (quoteFacts.root, quoteFacts.platform) = (facts.root, DcapEvidence.platformOf(facts));
        quoteFacts.measurement = EnclaveReport.mrEnclave(report);
        quoteFacts.signer = EnclaveReport.mrSigner(report);
        (quoteFacts.product, quoteFacts.svn) = (EnclaveReport.product(report), EnclaveReport.svn(report));
        (quoteFacts.attributes, quoteFacts.miscSelect) =
        (EnclaveReport.attributes(report), EnclaveReport.miscSelect(report));
        (quoteFacts.reportData, quoteFacts.reportDataRest) = EnclaveReport.reportData(report);
        quoteFacts.standing =
            collateral.appraise(DcapEvidence.claimOf(facts), SgxQuote.qeReport(quote), maxCollateralAgeS);
    }

    /// @inheritdoc IDcapVerifier
    function isKept(bytes32 pck) external view returns (bool) {
        return _kept[pck];
    }

    function _readOrKeep(bytes calldata evidence)
        private
        returns (PckFacts memory facts, bytes32 pck, bytes calldata quote)
    {
        if (evidence.length != 0 && uint8(evidence[0]) == DcapEvidence.CERTIFICATE) {
            bytes32 root;
            bytes32 authority;
            bytes calldata certificate;
            (root, authority, certificate, quote) = DcapEvidence.readCertificate(evidence);
            (facts, pck) = _keep(root, authority, certificate);
        } else {
            (facts, pck, quote) = DcapEvidence.readKnown(evidence);
            if (!_kept[pck]) revert PckCertificateUnknown(pck);
        }
    }

    function _keep(bytes32 root, bytes32 authority, bytes calldata certificate)
        private
        returns (PckFacts memory facts, bytes32 pck)
    {
        facts = _reader.read(root, authority, certificate);
        pck = DcapEvidence.idOf(facts);
        if (!_kept[pck]) {
            _kept[pck] = true;
            emit PckCertificateKept(pck, DcapEvidence.platformOf(facts), root, authority, facts.serial);
        }
    }

    /// @dev From the PCK key to the enclave's report. The tag names what was signed and by whom, not the signatures, which
    /// have two forms each.
    function _requireGenuine(bytes calldata quote, PckFacts memory facts, bytes32 pck)
        private
        view
        returns (bytes10 tag)
    {
        SgxQuote.requireForm(quote);
        QuoteSignatures.requireSigned(quote, facts.x, facts.y);
        bytes32 qeReport = keccak256(SgxQuote.qeReport(quote));
        tag = bytes10(keccak256(abi.encode(SgxQuote.signedDigest(quote), qeReport, pck)));
    }

    function _requireBound(
        bytes calldata report,
        address referee,
        bytes32 channel,
        address operator,
        address enclaveKey,
        bytes32 nonce
    ) private view {
        (bytes32 actual, bytes32 rest) = EnclaveReport.reportData(report);
        bytes32 expected =
            keccak256(abi.encode(ENCLAVE_KEY_TAG, block.chainid, referee, channel, operator, enclaveKey, nonce));
        if (actual != expected || rest != 0) revert ReportDataMismatch(expected, actual);
    }

    /// @dev The enclave itself: its attributes, and that the policy wants it here with this workload on this platform.
    function _requireWanted(
        EvidenceVerdict calldata verdict,
        bytes32 id,
        PolicyHead memory head,
        PckFacts memory facts,
        bytes calldata report
    ) private view {
        EnclaveReport.requireProduction(report);
        bytes32 measurement = EnclaveReport.mrEnclave(report);
        if (verdict.measurement != measurement) revert MeasurementMismatch(verdict.measurement, measurement);
        bytes32 platform = DcapEvidence.platformOf(facts);
        if (verdict.platform != platform) revert PlatformMismatch(verdict.platform, platform);

        if (head.production && facts.root != IntelRoot.FINGERPRINT) revert RootNotIntel(facts.root);
        Wanted memory wanted = _wantedOf(id, head.version, verdict.policyDigest, facts.root, report, verdict.workload);
        if (wanted.until == 0) {
            // The digest is part of the references' keys.
            bytes32 inForce = _digestOf(id);
            if (verdict.policyDigest != inForce) revert PolicyDigestMismatch(inForce, verdict.policyDigest);
            revert EnclaveUnwanted(facts.root, measurement, verdict.workload);
        }
        if (wanted.until < verdict.expiresAt) revert ReferenceEnds(wanted.until, verdict.expiresAt);
        EnclaveReport.requirePins(report, _pinsOf(head, wanted));
        if (!_isPlatformAllowed(id, head, platform)) revert PlatformUnlisted(platform);
    }

    /// @dev What the vendor says now of the platform and its quoting enclave.
    function _requireStanding(
        EvidenceVerdict calldata verdict,
        bytes32 id,
        PolicyHead memory head,
        PckFacts memory facts,
        bytes calldata qeReport
    ) private view {
        uint64 lengthS = verdict.expiresAt - verdict.issuedAt;
        if (lengthS > head.maxRegistrationS) {
            revert IEnclaveRegistry.RegistrationTooLong(head.maxRegistrationS, lengthS);
        }
        Standing memory standing = collateral.appraise(DcapEvidence.claimOf(facts), qeReport, head.maxCollateralAgeS);
        if (!_isStatusAllowed(id, head.version, standing.tcbStatus, standing.tcbAdvisories)) {
            revert TcbStatusRefused(standing.tcbStatus, standing.tcbAdvisories);
        }
        if (!_isStatusAllowed(id, head.version, standing.qeStatus, standing.qeAdvisories)) {
            revert QeStatusRefused(standing.qeStatus, standing.qeAdvisories);
        }
        uint32 number = standing.tcbEvaluationNumber < standing.qeEvaluationNumber
            ? standing.tcbEvaluationNumber
            : standing.qeEvaluationNumber;
        if (number < head.minEvaluationNumber) revert EvaluationNumberTooLow(head.minEvaluationNumber, number);
    }

    /// @dev Whether the policy in force would refuse this enclave, whatever the collateral says. What is wanted depends on the
    /// workload, so the one that the key is active with is asked of the registry.
    function _isUnwanted(
        bytes32 id,
        PolicyHead memory head,
        PckFacts memory facts,
        bytes calldata report,
        Revocation calldata revocation,
        bytes32 workload
    ) private view returns (bool) {
        (address active,) = IEnclaveRegistry(msg.sender)
            .activeKey(revocation.referee, revocation.channel, revocation.operator, workload);
        if (active != revocation.enclaveKey) revert WorkloadNotActive(workload);
        if (head.production && facts.root != IntelRoot.FINGERPRINT) return true;
        Wanted memory wanted = _wantedOf(id, head.version, _digestOf(id), facts.root, report, workload);
        if (wanted.until <= block.timestamp) return true;
        ReportPins memory pins = _pinsOf(head, wanted);
        return EnclaveReport.attributes(report) & pins.attributesMask != pins.attributes
            || EnclaveReport.miscSelect(report) != pins.miscSelect
            || !_isPlatformAllowed(id, head, DcapEvidence.platformOf(facts));
    }

    function _wantedOf(
        bytes32 id,
        uint32 version,
        bytes32 digest,
        bytes32 root,
        bytes calldata report,
        bytes32 workload
    ) private view returns (Wanted memory) {
        return _wantedFor(
            id,
            version,
            digest,
            root,
            EnclaveReport.mrEnclave(report),
            EnclaveReport.mrSigner(report),
            EnclaveReport.product(report),
            EnclaveReport.svn(report),
            workload
        );
    }

    /// @dev Every flag and all of MISCSELECT; XFRM where the mask looks.
    function _pinsOf(PolicyHead memory head, Wanted memory wanted) private pure returns (ReportPins memory) {
        return ReportPins({
            attributes: bytes16(bytes.concat(head.flags, wanted.xfrm)),
            attributesMask: bytes16(bytes.concat(bytes8(type(uint64).max), wanted.xfrmMask)),
            miscSelect: head.miscSelect,
            miscSelectMask: bytes4(type(uint32).max)
        });
    }
}
