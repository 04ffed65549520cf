// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CertificateChain} from "../dcap/CertificateChain.sol";
import {CodeStore} from "../dcap/CodeStore.sol";
import {Certificate, X509Certificate} from "../dcap/X509Certificate.sol";
import {X509Signature} from "../dcap/X509Signature.sol";
import {ICollateralRegistry} from "../interfaces/ICollateralRegistry.sol";
import {CollateralKind} from "../types/Collateral.sol";
import {StatementHead} from "./StatementReader.sol";

/// @notice What the collateral registry keeps, and the questions about it that every step asks.
/// @dev A root is kept as its own authority. What an appraisal needs of an authority, a signer or a text lies in one slot each.
abstract contract CollateralState is ICollateralRegistry {
    /// @dev One slot: everything that can end an authority.
    struct AuthorityState {
        uint64 notAfter;
        uint64 thisUpdate; // of its revocation list
        uint64 nextUpdate;
        bool isRevoked;
    }

    struct Authority {
        AuthorityState state;
        uint256 serial;
        uint256 listNumber;
        bytes32 subject;
        bytes32 x;
        bytes32 y;
    }

    struct SignerState {
        uint64 notAfter;
        bool isRevoked;
    }

    struct Signer {
        SignerState state;
        uint256 serial;
        bytes32 identifier;
        bytes32 x;
        bytes32 y;
    }

    /// @dev One slot: times fit 40 bits, since texts have years of four digits.
    struct Statement {
        address table;
        uint40 issued;
        uint40 nextUpdate;
        uint16 signer; // its index
    }

    mapping(bytes32 root => mapping(bytes32 authority => Authority)) internal _authorities;
    mapping(bytes32 root => mapping(uint256 index => Signer)) internal _signers;
    /// @dev From 1 on; 0 for nobody.
    mapping(bytes32 root => mapping(bytes32 signer => uint16 index)) internal _signerIndex;
    mapping(bytes32 root => uint16) internal _signerCount;
    /// @dev Which authority or signer the root gave a serial number to.
    mapping(bytes32 root => mapping(uint256 serial => bytes32 identifier)) internal _holder;
    /// @dev Once true, always true: with nothing taken back, a new list need not undo an old one.
    mapping(bytes32 root => mapping(bytes32 authority => mapping(uint256 serial => bool))) internal _revoked;
    mapping(bytes32 root => mapping(bytes32 model => Statement)) internal _tcbInfos;
    mapping(bytes32 root => Statement) internal _qeIdentities;

    /// @dev A root that is stored; with `isDated` also not expired.
    function _requireRoot(bytes32 root, bool isDated) internal view returns (AuthorityState memory state) {
        state = _authorities[root][root].state;
        if (state.notAfter == 0) revert CollateralMissing(CollateralKind.Root, root);
        if (isDated) _requireCurrent(CollateralKind.Root, root, 0, state.notAfter);
    }

    /// @dev A root whose revocation list is in force.
    function _requireRootInForce(bytes32 root) internal view {
        _requireList(CollateralKind.RootRevocationList, root, _requireRoot(root, true));
    }

    /// @dev A CA that is stored and not revoked; with `isDated` also not expired. The root is no CA of PCK certificates.
    function _requireAuthority(bytes32 root, bytes32 authority, bool isDated)
        internal
        view
        returns (AuthorityState memory state)
    {
        if (authority != root) state = _authorities[root][authority].state;
        if (state.notAfter == 0) revert CollateralMissing(CollateralKind.Authority, authority);
        if (state.isRevoked) revert CollateralRevoked(CollateralKind.Authority, authority);
        if (isDated) _requireCurrent(CollateralKind.Authority, authority, 0, state.notAfter);
    }

    /// @dev A revocation list that is stored and in force.
    function _requireList(CollateralKind kind, bytes32 id, AuthorityState memory state) internal view {
        if (state.nextUpdate == 0) revert CollateralMissing(kind, id);
        _requireCurrent(kind, id, state.thisUpdate, state.nextUpdate);
    }

    /// @dev A signer by its index that is not revoked; with `isDated` also not expired.
    function _requireSigner(bytes32 root, uint256 index, bool isDated) internal view {
        Signer storage signer = _signers[root][index];
        SignerState memory state = signer.state;
        if (state.isRevoked) revert CollateralRevoked(CollateralKind.TcbSigner, signer.identifier);
        if (isDated && block.timestamp >= state.notAfter) {
            revert CollateralExpired(CollateralKind.TcbSigner, signer.identifier, state.notAfter);
        }
    }

    /// @dev A text that is stored by a signer who may still speak; with `isDated` also in force and young enough.
    function _requireStatement(
        CollateralKind kind,
        bytes32 root,
        bytes32 id,
        Statement memory statement,
        uint64 maxAgeS,
        bool isDated
    ) internal view {
        if (statement.table == address(0)) revert CollateralMissing(kind, id);
        if (isDated) {
            _requireCurrent(kind, id, statement.issued, statement.nextUpdate);
            _requireAge(kind, id, statement.issued, maxAgeS);
        }
        _requireSigner(root, statement.signer, isDated);
    }

    /// @dev Whoever may speak for TCB levels signed this text; returns the signer's index.
    function _requireSigned(
        CollateralKind kind,
        bytes32 root,
        bytes32 signer,
        bytes calldata text,
        bytes32 r,
        bytes32 s
    ) internal view returns (uint16 index) {
        _requireRootInForce(root);
        index = _signerIndex[root][signer];
        if (index == 0) revert CollateralMissing(CollateralKind.TcbSigner, signer);
        _requireSigner(root, index, true);
        Signer storage entry = _signers[root][index];
        if (!X509Signature.isValid(sha256(text), r, s, entry.x, entry.y)) revert StatementSignatureInvalid(kind);
    }

    /// @dev A certificate that the root issued, now valid and not revoked; returns its identifier, which now holds the serial.
    function _claimSerial(CollateralKind kind, bytes32 root, Certificate memory certificate)
        internal
        returns (bytes32 id)
    {
        _requireRootInForce(root);
        CertificateChain.requireIssued(certificate, _issuer(_authorities[root][root]));
        id = _identifier(root, certificate.subject, certificate.x, certificate.y);
        _requireCurrent(kind, id, certificate.notBefore, certificate.notAfter);
        if (_revoked[root][root][certificate.serial]) revert CollateralRevoked(kind, id);
        bytes32 holder = _holder[root][certificate.serial];
        if (holder != 0 && holder != id) revert SerialReused(root, certificate.serial);
        _holder[root][certificate.serial] = id;
    }

    function _storeAuthority(CollateralKind kind, Authority storage entry, bytes32 id, Certificate memory certificate)
        internal
    {
        AuthorityState memory state = entry.state;
        if (!state.isRevoked) _requireNewer(kind, id, 0, state.notAfter, 0, certificate.notAfter);
        (entry.state.notAfter, entry.state.isRevoked) = (certificate.notAfter, false);
        entry.serial = certificate.serial;
        (entry.subject, entry.x, entry.y) = (certificate.subject, certificate.x, certificate.y);
    }

    /// @dev Stores up to `maxEntries` serials that are not yet stored; says how many, and whether none is left.
    function _storeRevocations(bytes32 root, bytes32 authority, uint256[] memory serials, uint256 maxEntries)
        internal
        returns (uint256 stored, bool isWhole)
    {
        mapping(uint256 serial => bool) storage revoked = _revoked[root][authority];
        for (uint256 i = 0; i < serials.length; ++i) {
            if (revoked[serials[i]]) continue;
            if (stored == maxEntries) return (stored, false);
            ++stored;
            revoked[serials[i]] = true;
            if (root == authority) _endHolder(root, serials[i]);
            emit CertificateRevocationStored(root, authority, serials[i]);
        }
        isWhole = true;
    }

    /// @dev What was said by a signer who was revoked since binds nobody: numbers need not grow from there.
    function _storeStatement(
        CollateralKind kind,
        bytes32 root,
        bytes32 id,
        Statement storage entry,
        StatementHead memory head,
        bytes memory table,
        uint16 signer
    ) internal {
        _requireCurrent(kind, id, head.issued, head.nextUpdate);
        if (!_signers[root][entry.signer].state.isRevoked) {
            (uint32 number, uint64 issued,) = _headOf(entry);
            _requireNewer(kind, id, number, issued, head.evaluationNumber, head.issued);
        }
        entry.table = CodeStore.write(table);
        (entry.issued, entry.nextUpdate, entry.signer) = (uint40(head.issued), uint40(head.nextUpdate), signer);
    }

    /// @dev Number and dates of a text, zeros where none is stored. Tables of both kinds begin with the number.
    function _headOf(Statement memory entry) internal view returns (uint32 number, uint64 issued, uint64 nextUpdate) {
        if (entry.table == address(0)) return (0, 0, 0);
        number = uint32(bytes4(CodeStore.read(entry.table)));
        (issued, nextUpdate) = (entry.issued, entry.nextUpdate);
    }

    /// @dev The certificate that a newer one under another serial has replaced can no longer end anything.
    function _endHolder(bytes32 root, uint256 serial) private {
        bytes32 id = _holder[root][serial];
        if (id == 0) return;
        Authority storage authority = _authorities[root][id];
        if (authority.serial == serial) authority.state.isRevoked = true;
        Signer storage signer = _signers[root][_signerIndex[root][id]];
        if (signer.serial == serial) signer.state.isRevoked = true;
    }

    function _requireCurrent(CollateralKind kind, bytes32 id, uint64 from, uint64 until) internal view {
        if (block.timestamp < from) revert CollateralFromFuture(kind, id, from);
        if (block.timestamp >= until) revert CollateralExpired(kind, id, until);
    }

    /// @dev `issued` is not ahead of the clock.
    function _requireAge(CollateralKind kind, bytes32 id, uint64 issued, uint64 maxAgeS) internal view {
        if (maxAgeS != 0 && block.timestamp - issued > maxAgeS) revert CollateralTooOld(kind, id, issued, maxAgeS);
    }

    function _requireNewer(
        CollateralKind kind,
        bytes32 id,
        uint256 storedNumber,
        uint64 storedDate,
        uint256 number,
        uint64 date
    ) internal pure {
        if (number < storedNumber || (number == storedNumber && date <= storedDate)) {
            revert CollateralNotNewer(kind, id, storedNumber, storedDate, number, date);
        }
    }

    /// @dev A stored authority in the form in which chains are checked; its path length was looked at when it was stored.
    function _issuer(Authority storage entry) internal view returns (Certificate memory issuer) {
        (issuer.subject, issuer.x, issuer.y) = (entry.subject, entry.x, entry.y);
        issuer.isAuthority = true;
        issuer.keyUsage = X509Certificate.KEY_CERT_SIGN | X509Certificate.CRL_SIGN;
    }

    function _isAuthority(Certificate memory certificate) internal pure returns (bool) {
        uint16 both = X509Certificate.KEY_CERT_SIGN | X509Certificate.CRL_SIGN;
        return certificate.isAuthority && certificate.keyUsage & both == both;
    }

    function _identifier(bytes32 root, bytes32 subject, bytes32 x, bytes32 y) internal pure returns (bytes32) {
        return keccak256(abi.encode(root, subject, x, y));
    }

    function _modelOf(bytes6 fmspc, bytes2 pceId) internal pure returns (bytes32) {
        return bytes32(fmspc) | bytes32(pceId) >> 48;
    }
}
