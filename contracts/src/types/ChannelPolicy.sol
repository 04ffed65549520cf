// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TcbStatus} from "../dcap/TcbStatus.sol";

/// @notice An enclave that a channel wants, in one trust domain and with one workload: by its measurement, or by its signer,
/// product and least SVN.
/// @param root the trust domain: SHA-256 of the root key's SubjectPublicKeyInfo
/// @param measurement MRENCLAVE; zero when the signer decides
/// @param signer MRSIGNER; zero when the measurement decides
/// @param product of that signer's; zero with a measurement
/// @param minimumSvn of that product; zero with a measurement
/// @param workload the workload that this enclave may be registered for
/// @param until unix seconds from which it is no longer wanted; type(uint64).max for no end
struct EnclaveReference {
    bytes32 root;
    bytes32 measurement;
    bytes32 signer;
    uint16 product;
    uint16 minimumSvn;
    bytes32 workload;
    uint64 until;
}

/// @notice A status besides UpToDate with exactly the advisories it comes with.
/// @param advisories keccak256 of the advisories' JSON list as it is signed, e.g. ["INTEL-SA-00615"]; zero without a list
/// @param until unix seconds from which it is refused; type(uint64).max for no end, which OutOfDate cannot have
struct AllowedStatus {
    TcbStatus status;
    bytes32 advisories;
    uint64 until;
}

/// @notice What a channel's manager demands of enclaves. Nothing holds by default: without a policy, and without a reference
/// in it, no enclave can be registered.
/// @param digest SHA-256 of the policy file that this was made from; verdicts cite it
/// @param production only Intel's root counts, whatever the references say
/// @param maxCollateralAgeS longest age of TCB info, QE identity and revocation list
/// @param minEvaluationNumber least TCB evaluation number of TCB info and QE identity
/// @param maxRegistrationS longest registration; the registry's own limit holds as well
/// @param flags attribute flags, 8 bytes as in a report; every bit is pinned
/// @param xfrm XFRM, 8 bytes as in a report, where xfrmMask looks
/// @param xfrmMask must look at x87 and SSE at least
/// @param miscSelect 4 bytes as in a report; every bit is pinned
/// @param isPlatformListed whether only the platforms listed count
struct ChannelPolicy {
    bytes32 digest;
    bool production;
    uint32 maxCollateralAgeS;
    uint32 minEvaluationNumber;
    uint32 maxRegistrationS;
    bytes8 flags;
    bytes8 xfrm;
    bytes8 xfrmMask;
    bytes4 miscSelect;
    bool isPlatformListed;
    EnclaveReference[] references;
    AllowedStatus[] statuses;
    bytes32[] platforms;
}

/// @notice The part of a policy in force that is no list.
struct PolicyHead {
    uint32 version; // 0: there is none
    uint32 maxCollateralAgeS;
    uint32 minEvaluationNumber;
    uint32 maxRegistrationS;
    bytes8 flags;
    bytes4 miscSelect;
    bool production;
    bool isPlatformListed;
}
