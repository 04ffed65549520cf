// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TcbStatus} from "../dcap/TcbStatus.sol";

/// @notice What an error of the collateral registry is about.
enum CollateralKind {
    Root, // id: the root
    Authority, // id: the authority
    RootRevocationList, // id: the root
    RevocationList, // id: the authority
    TcbSigner, // id: the signer
    TcbInfo, // id: FMSPC, then PCE id, left-aligned
    QeIdentity, // id: the root
    Platform // id: the PCK certificate's serial number
}

/// @notice A platform as its PCK certificate names it. Whoever asks has checked that the authority's key signed the
/// certificate, and its dates.
struct PlatformClaim {
    bytes32 root;
    bytes32 authority; // the CA that issued the PCK certificate
    uint256 serial; // of the PCK certificate
    bytes16 components; // the 16 component SVNs
    uint16 pceSvn;
    bytes2 pceId;
    bytes6 fmspc;
}

/// @notice What the stored collateral says of a platform and its quoting enclave, unmerged: how the two statuses combine and
/// which are good enough is a policy's business.
struct Standing {
    TcbStatus tcbStatus;
    TcbStatus qeStatus;
    bytes32 tcbAdvisories; // keccak256 of the list's JSON text as it was signed, 0 without one
    bytes32 qeAdvisories;
    uint32 tcbEvaluationNumber;
    uint32 qeEvaluationNumber;
    uint64 tcbDate; // unix seconds
    uint64 qeDate;
    uint64 oldestIssued; // the earliest issue date of TCB info, QE identity and the authority's revocation list
}
