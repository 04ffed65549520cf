// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TcbStatus} from "../dcap/TcbStatus.sol";
import {ChannelPolicy, EnclaveReference, PolicyHead} from "../types/ChannelPolicy.sol";
import {QuoteFacts} from "../types/QuoteFacts.sol";
import {ICollateralRegistry} from "./ICollateralRegistry.sol";
import {IEvidenceVerifier} from "./IEvidenceVerifier.sol";

/// @title Judges SGX quotes of version 3 by itself
/// @notice Nobody owns it, and what it trusts is fixed: the collateral registry, which anyone may feed and which checks
/// signatures, and for each channel the policy of that channel's manager. Refusals of the collateral registry and of the
/// libraries in dcap/ come through as they are. Layout of evidence: docs/spec/dcap-on-chain.md.
interface IDcapVerifier is IEvidenceVerifier {
    /// @notice A PCK certificate was verified; from now on its facts suffice.
    event PckCertificateKept(
        bytes32 indexed pck, bytes32 indexed platform, bytes32 root, bytes32 authority, uint256 serial
    );
    /// @notice A policy is in force. `referee` and `channel` name it; the version grows by one with each.
    event PolicySet(address indexed referee, bytes32 indexed channel, uint32 version, ChannelPolicy policy);
    /// @notice A policy will be in force once its manager applies it, from `readyAt` on.
    event PolicyQueued(address indexed referee, bytes32 indexed channel, uint64 readyAt, ChannelPolicy policy);
    event PolicyCancelled(address indexed referee, bytes32 indexed channel);
    /// @notice The policy in force wants this enclave no more.
    event ReferenceWithdrawn(address indexed referee, bytes32 indexed channel, EnclaveReference reference_);
    /// @notice The policy in force allows this status no more.
    event StatusWithdrawn(address indexed referee, bytes32 indexed channel, TcbStatus status, bytes32 advisories);
    /// @notice The policy in force accepts this platform no more.
    event PlatformWithdrawn(address indexed referee, bytes32 indexed channel, bytes32 platform);
    /// @notice The policy in force has stricter limits.
    event LimitsTightened(
        address indexed referee,
        bytes32 indexed channel,
        uint32 maxCollateralAgeS,
        uint32 minEvaluationNumber,
        uint32 maxRegistrationS
    );

    /// @notice The collateral registry is no contract.
    error VerifierMisconfigured();
    /// @notice Evidence is shorter than its parts, or of an unknown form.
    error EvidenceMalformed();
    /// @notice No certificate with these facts was verified here: bring the certificate itself.
    /// @custom:advice bring the certificate itself once
    error PckCertificateUnknown(bytes32 pck);
    /// @notice The PCK certificate's validity is over.
    /// @custom:advice fetch the platform's new certificate
    error PckCertificateExpired(uint64 until, uint64 nowS);
    /// @notice The report data does not bind this key to this chain, referee, channel, operator and nonce.
    error ReportDataMismatch(bytes32 expected, bytes32 actual);
    /// @notice The quote is of another enclave than the verdict says.
    error MeasurementMismatch(bytes32 expected, bytes32 actual);
    /// @notice The quote is of another platform than the verdict says.
    error PlatformMismatch(bytes32 expected, bytes32 actual);
    /// @notice The verdict was issued over an hour ago.
    /// @custom:advice make new evidence and register it within the hour
    error VerdictTooOld(uint64 issuedAt, uint64 nowS);

    /// @notice The channel's manager has set no policy.
    /// @custom:advice the channel's manager sets one: wattest chain policy set
    error PolicyMissing(address referee, bytes32 channel);
    /// @notice The verdict cites another policy than the one in force.
    error PolicyDigestMismatch(bytes32 expected, bytes32 actual);
    /// @notice A production policy takes Intel's root only.
    error RootNotIntel(bytes32 root);
    /// @notice No reference of the policy names this enclave, in this trust domain, for this workload.
    error EnclaveUnwanted(bytes32 root, bytes32 measurement, bytes32 workload);
    /// @notice The reference ends before the registration would.
    error ReferenceEnds(uint64 until, uint64 expiresAt);
    /// @notice The platform is not on the policy's list.
    error PlatformUnlisted(bytes32 platform);
    /// @notice The platform's status is not allowed with these advisories, or no longer.
    /// @custom:advice update the platform, or have the manager allow the status
    error TcbStatusRefused(TcbStatus status, bytes32 advisories);
    /// @notice The quoting enclave's status is not allowed with these advisories, or no longer.
    error QeStatusRefused(TcbStatus status, bytes32 advisories);
    /// @notice TCB info or QE identity has a lower evaluation number than the policy asks for.
    error EvaluationNumberTooLow(uint32 least, uint32 actual);

    /// @notice Only the channel's manager, as its referee names it, decides on its policy.
    error NotPolicyManager(address caller);
    /// @notice A policy that allows what none may allow, or contradicts itself; `part` says which field.
    error PolicyInvalid(bytes32 part);
    /// @notice There is a policy: queue the next one.
    error PolicyInForce(uint32 version);
    /// @notice No policy is queued, or another one.
    error PolicyNotQueued();
    /// @notice The queued policy must wait.
    error PolicyNotReady(uint64 readyAt, uint64 nowS);
    /// @notice The policy in force does not have this entry.
    error PolicyEntryMissing();
    /// @notice A limit would get looser.
    error LimitLoosened();

    /// @notice The quote is not the one that the key was last registered with.
    error EvidenceNotRegistered(bytes10 expected, bytes10 actual);
    /// @notice The key is not active with this workload: it commits nothing that revoking it would stop.
    error WorkloadNotActive(bytes32 workload);
    /// @notice Nothing known speaks against the registration now. Missing and expired collateral do not.
    error NothingAgainst();

    /// @notice Verifies a PCK certificate (DER) once for all: issued by the stored authority, in its validity.
    /// @return pck keccak256 of its facts
    function keepCertificate(bytes32 root, bytes32 authority, bytes calldata certificate) external returns (bytes32 pck);

    /// @notice Whether a certificate with these facts was verified here.
    function isKept(bytes32 pck) external view returns (bool);

    /// @notice What a quote shows by itself, under no policy: every signature holds, the enclave is in production mode, and
    /// collateral is in force. Reverts otherwise. Whoever asks compares root, measurement, attributes, report data and status.
    /// @param evidence kind 1: the certificate must be kept
    /// @param maxCollateralAgeS longest age of collateral; 0 for any
    function examine(bytes calldata evidence, uint64 maxCollateralAgeS)
        external
        view
        returns (QuoteFacts memory quoteFacts);

    /// @notice Sets a channel's first policy, at once. Caller: its manager.
    function setPolicy(address referee, bytes32 channel, ChannelPolicy calldata policy) external;

    /// @notice Announces the next policy, which can be in force after LOOSENING_DELAY_S. It replaces what was queued. Caller:
    /// the manager.
    function queuePolicy(address referee, bytes32 channel, ChannelPolicy calldata policy) external;

    /// @notice Takes the queued policy back. Caller: the manager.
    function cancelPolicy(address referee, bytes32 channel) external;

    /// @notice Puts the queued policy in force. Caller: the manager.
    function applyPolicy(address referee, bytes32 channel, ChannelPolicy calldata policy) external;

    /// @notice Takes a reference out of the policy in force, at once: the enclave is no longer wanted, and anyone can revoke
    /// its keys by their quotes. Caller: the manager.
    function withdrawReference(address referee, bytes32 channel, EnclaveReference calldata reference_) external;

    /// @notice Takes a status out of the policy in force, at once. Caller: the manager.
    function withdrawStatus(address referee, bytes32 channel, TcbStatus status, bytes32 advisories) external;

    /// @notice Takes a platform off the list of the policy in force, at once. Caller: the manager.
    function withdrawPlatform(address referee, bytes32 channel, bytes32 platform) external;

    /// @notice Makes limits of the policy in force stricter, at once. Caller: the manager.
    function tightenLimits(
        address referee,
        bytes32 channel,
        uint32 maxCollateralAgeS,
        uint32 minEvaluationNumber,
        uint32 maxRegistrationS
    ) external;

    /// @notice The policy in force without its lists; version 0 if there is none.
    function policyOf(address referee, bytes32 channel) external view returns (PolicyHead memory head, bytes32 digest);

    /// @notice The hash of the queued policy's ABI encoding and when it may be applied; zeros if none is queued.
    function queuedPolicyOf(address referee, bytes32 channel) external view returns (bytes32 hash, uint64 readyAt);

    /// @notice Where collateral comes from, fixed at construction.
    function collateral() external view returns (ICollateralRegistry);
}
