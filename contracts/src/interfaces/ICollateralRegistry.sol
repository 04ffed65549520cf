// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CollateralKind, PlatformClaim, Standing} from "../types/Collateral.sol";

/// @title What vendors say of their platforms, checked once and stored parsed
/// @notice Nobody owns it and nobody is trusted by it: anyone may bring collateral, and only a signature under a root makes it
/// count. Any self-signed certificate opens a trust domain of its own, named by its key: a stranger's root is harmless,
/// because whoever asks says which root they trust. Times are unix seconds. Numbers and dates never go back: what is
/// brought must be newer than what is stored. A revocation, once seen, stays.
///
/// Identifiers. `root` is SHA-256 of the root key's SubjectPublicKeyInfo (DER, 91 bytes). `authority` and `signer` are
/// keccak256(abi.encode(root, keccak256(subject name's DER), x, y)). For the root's own revocation list the authority is the
/// root.
interface ICollateralRegistry {
    event RootStored(bytes32 indexed root, bytes32 subject, uint64 notAfter);
    event AuthorityStored(bytes32 indexed root, bytes32 indexed authority, uint256 serial, uint64 notAfter);
    event SignerStored(bytes32 indexed root, bytes32 indexed signer, uint256 serial, uint64 notAfter);
    /// @notice A whole list counts from now on.
    event RevocationListStored(
        bytes32 indexed root, bytes32 indexed authority, uint256 number, uint64 thisUpdate, uint64 nextUpdate
    );
    /// @notice Only so many new entries of a list were stored; the rest is to be brought with the same list.
    event RevocationListBegun(bytes32 indexed root, bytes32 indexed authority, uint256 number, uint256 stored);
    /// @notice A serial number was seen on a list for the first time.
    event CertificateRevocationStored(bytes32 indexed root, bytes32 indexed authority, uint256 serial);
    event TcbInfoStored(
        bytes32 indexed root,
        bytes6 indexed fmspc,
        bytes2 pceId,
        uint32 evaluationNumber,
        uint64 issued,
        uint64 nextUpdate
    );
    event QeIdentityStored(bytes32 indexed root, uint32 evaluationNumber, uint64 issued, uint64 nextUpdate);

    /// @notice Nobody has brought it yet.
    /// @custom:advice publish it: wattest collateral publish
    error CollateralMissing(CollateralKind kind, bytes32 id);
    /// @notice Its validity or the time of its next update is over: at `until` it no longer counts.
    /// @custom:advice publish newer collateral: wattest collateral publish
    error CollateralExpired(CollateralKind kind, bytes32 id, uint64 until);
    /// @notice Its validity has not begun, or its issue date is ahead of the chain's clock.
    error CollateralFromFuture(CollateralKind kind, bytes32 id, uint64 from);
    /// @notice Its issuer has revoked the certificate, or the certificate that signed it.
    error CollateralRevoked(CollateralKind kind, bytes32 id);
    /// @notice Issued longer ago than the asking policy allows.
    /// @custom:advice publish newer collateral: wattest collateral publish
    error CollateralTooOld(CollateralKind kind, bytes32 id, uint64 issued, uint64 maxAgeS);
    /// @notice Not newer than what is stored: a lower number, or the same number and no later date. For certificates
    /// the numbers are 0 and the date is the end of validity.
    error CollateralNotNewer(
        CollateralKind kind, bytes32 id, uint256 storedNumber, uint64 storedDate, uint256 number, uint64 date
    );
    /// @notice The certificate may not do what its place in the chain asks of it.
    error CertificateUnfit(CollateralKind kind);
    /// @notice The root has issued two different certificates under one serial number.
    error SerialReused(bytes32 root, uint256 serial);
    /// @notice The root's certificate names itself otherwise than the one stored under the same key.
    error RootRenamed(bytes32 expected, bytes32 actual);
    /// @notice The TCB signing key did not sign this text.
    error StatementSignatureInvalid(CollateralKind kind);
    /// @notice One root has at most 65,535 TCB signing keys.
    error TooManySigners();
    /// @notice Opens a trust domain, or stores a later certificate of the same key and name.
    /// @param certificate self-signed, DER
    function submitRoot(bytes calldata certificate) external returns (bytes32 root);

    /// @notice Stores a CA that issues PCK certificates. The root's revocation list must be in force.
    /// @param certificate issued by the root, DER
    function submitAuthority(bytes32 root, bytes calldata certificate) external returns (bytes32 authority);

    /// @notice Stores a certificate whose key signs TCB info and QE identities. The root's revocation list must be in force.
    /// @param certificate issued by the root, DER
    function submitSigner(bytes32 root, bytes calldata certificate) external returns (bytes32 signer);

    /// @notice Stores a revocation list of the root (`authority` == `root`) or of a CA. At most `maxEntries` entries that are
    /// not yet stored are taken; a list with more counts once it was brought often enough. Each entry is revoked from the
    /// step that stores it on.
    /// @param list DER
    /// @param maxEntries so that a list of any length fits into blocks: about 30k gas a new entry, 8k one that is stored
    function submitRevocationList(bytes32 root, bytes32 authority, bytes calldata list, uint256 maxEntries)
        external
        returns (bool isWhole);

    /// @notice Stores TCB info (SGX, version 3).
    /// @param text the signed JSON object, byte for byte
    /// @param r s the signature, over SHA-256 of the text
    function submitTcbInfo(bytes32 root, bytes32 signer, bytes calldata text, bytes32 r, bytes32 s) external;

    /// @notice Stores the identity of the quoting enclave (QE, version 2); parameters as for submitTcbInfo.
    function submitQeIdentity(bytes32 root, bytes32 signer, bytes calldata text, bytes32 r, bytes32 s) external;

    /// @notice What the collateral says of a platform now. Reverts with CollateralMissing, CollateralExpired,
    /// CollateralFromFuture, CollateralRevoked or CollateralTooOld naming the part; with TcbTable.TcbLevelMissing; and, if the
    /// report is not the quoting enclave's, with an error of QeTable or EnclaveReport.
    /// @param qeReport 384 bytes, the quoting enclave's report; that it is signed is the caller's to check
    /// @param maxAgeS longest age of TCB info, QE identity and the authority's revocation list; 0 for any. The root's list is
    /// reissued about once a year: only its next update counts.
    function appraise(PlatformClaim calldata claim, bytes calldata qeReport, uint64 maxAgeS)
        external
        view
        returns (Standing memory standing);

    /// @notice As appraise, whatever the dates: what was said last stays a fact when it expires. What was said by a signer or
    /// about an authority that was revoked since is none.
    function recall(PlatformClaim calldata claim, bytes calldata qeReport)
        external
        view
        returns (Standing memory standing);

    /// @notice Whether any list has ever named this serial of the authority's, or the authority itself was revoked. Dates do
    /// not matter, and false says nothing where no list is stored.
    function isRevoked(bytes32 root, bytes32 authority, uint256 serial) external view returns (bool);

    /// @notice Name and key of a CA that is stored, not revoked and not expired.
    function issuerOf(bytes32 root, bytes32 authority) external view returns (bytes32 subject, bytes32 x, bytes32 y);

    /// @notice A CA (or the root, as its own authority) as it is stored, zeros where nothing is.
    function authorityOf(bytes32 root, bytes32 authority)
        external
        view
        returns (
            uint256 serial,
            uint64 notAfter,
            bool revoked,
            uint256 listNumber,
            uint64 thisUpdate,
            uint64 nextUpdate
        );

    /// @notice A TCB signing certificate as it is stored, zeros where nothing is.
    function signerOf(bytes32 root, bytes32 signer)
        external
        view
        returns (uint256 serial, uint64 notAfter, bool revoked);

    /// @notice TCB info as it is stored, zeros where nothing is.
    function tcbInfoOf(bytes32 root, bytes6 fmspc, bytes2 pceId)
        external
        view
        returns (uint32 evaluationNumber, uint64 issued, uint64 nextUpdate);

    /// @notice The QE identity as it is stored, zeros where nothing is.
    function qeIdentityOf(bytes32 root)
        external
        view
        returns (uint32 evaluationNumber, uint64 issued, uint64 nextUpdate);

    /// @notice keccak256(abi.encode(root, subject, x, y)): the identifier of an authority or a signer.
    function identifierOf(bytes32 root, bytes32 subject, bytes32 x, bytes32 y) external pure returns (bytes32);
}
