// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CollateralState} from "./collateral/CollateralState.sol";
import {StatementHead, StatementReader} from "./collateral/StatementReader.sol";
import {CertificateChain} from "./dcap/CertificateChain.sol";
import {CodeStore} from "./dcap/CodeStore.sol";
import {EnclaveReport} from "./dcap/EnclaveReport.sol";
import {QeLevel} from "./dcap/QeIdentity.sol";
import {QeTable} from "./dcap/QeTable.sol";
import {TcbLevel} from "./dcap/TcbInfo.sol";
import {TcbTable} from "./dcap/TcbTable.sol";
import {Certificate, X509Certificate} from "./dcap/X509Certificate.sol";
import {RevocationList, X509RevocationList} from "./dcap/X509RevocationList.sol";
import {ICollateralRegistry} from "./interfaces/ICollateralRegistry.sol";
import {P256Verify} from "./lib/P256Verify.sol";
import {CollateralKind, PlatformClaim, Standing} from "./types/Collateral.sol";

/// @title What vendors say of their platforms, checked once and stored parsed
/// @dev An appraisal reads eight slots and two tables kept as code: root, authority, the PCK certificate's revocation, TCB
/// info, QE identity, and the signer of each.
contract CollateralRegistry is CollateralState {
    StatementReader private immutable _reader;

    constructor() {
        if (!P256Verify.isPresent()) revert P256Verify.PrecompileMissing(P256Verify.PRECOMPILE);
        _reader = new StatementReader();
    }

    /// @inheritdoc ICollateralRegistry
    function submitRoot(bytes calldata certificate) external returns (bytes32 root) {
        Certificate memory found = X509Certificate.parse(certificate);
        CertificateChain.requireIssued(found, found);
        bool mayHaveNone = found.hasPathLength && found.pathLength == 0;
        if (!_isAuthority(found) || mayHaveNone) revert CertificateUnfit(CollateralKind.Root);
        root = sha256(bytes.concat(X509Certificate.KEY_PREFIX, found.x, found.y));
        _requireCurrent(CollateralKind.Root, root, found.notBefore, found.notAfter);
        Authority storage entry = _authorities[root][root];
        if (entry.state.notAfter != 0 && entry.subject != found.subject) {
            revert RootRenamed(entry.subject, found.subject);
        }
        _storeAuthority(CollateralKind.Root, entry, root, found);
        emit RootStored(root, found.subject, found.notAfter);
    }

    /// @inheritdoc ICollateralRegistry
    function submitAuthority(bytes32 root, bytes calldata certificate) external returns (bytes32 authority) {
        Certificate memory found = X509Certificate.parse(certificate);
        // A root is not below itself.
        if (!_isAuthority(found) || found.subject == found.issuer) revert CertificateUnfit(CollateralKind.Authority);
        authority = _claimSerial(CollateralKind.Authority, root, found);
        _storeAuthority(CollateralKind.Authority, _authorities[root][authority], authority, found);
        emit AuthorityStored(root, authority, found.serial, found.notAfter);
    }

    /// @inheritdoc ICollateralRegistry
    function submitSigner(bytes32 root, bytes calldata certificate) external returns (bytes32 signer) {
        Certificate memory found = X509Certificate.parse(certificate);
        if (found.isAuthority || found.keyUsage & X509Certificate.DIGITAL_SIGNATURE == 0 || found.sgxStart != 0) {
            revert CertificateUnfit(CollateralKind.TcbSigner);
        }
        signer = _claimSerial(CollateralKind.TcbSigner, root, found);
        uint16 index = _signerIndex[root][signer];
        if (index == 0) {
            index = _signerCount[root];
            if (index == type(uint16).max) revert TooManySigners();
            _signerCount[root] = ++index;
            _signerIndex[root][signer] = index;
        }
        Signer storage entry = _signers[root][index];
        SignerState memory state = entry.state;
        if (!state.isRevoked) _requireNewer(CollateralKind.TcbSigner, signer, 0, state.notAfter, 0, found.notAfter);
        entry.state = SignerState(found.notAfter, false);
        (entry.serial, entry.identifier, entry.x, entry.y) = (found.serial, signer, found.x, found.y);
        emit SignerStored(root, signer, found.serial, found.notAfter);
    }

    /// @inheritdoc ICollateralRegistry
    function submitRevocationList(bytes32 root, bytes32 authority, bytes calldata list, uint256 maxEntries)
        external
        returns (bool isWhole)
    {
        CollateralKind kind = root == authority ? CollateralKind.RootRevocationList : CollateralKind.RevocationList;
        if (root == authority) {
            _requireRoot(root, true);
        } else {
            _requireRootInForce(root);
            _requireAuthority(root, authority, true);
        }
        Authority storage entry = _authorities[root][authority];
        RevocationList memory found = X509RevocationList.parse(list);
        CertificateChain.requireListed(found, _issuer(entry));
        _requireCurrent(kind, authority, found.thisUpdate, found.nextUpdate);
        _requireNewer(kind, authority, entry.listNumber, entry.state.thisUpdate, found.number, found.thisUpdate);
        uint256 stored;
        (stored, isWhole) = _storeRevocations(root, authority, found.serials, maxEntries);
        if (!isWhole) {
            emit RevocationListBegun(root, authority, found.number, stored);
            return false;
        }
        entry.listNumber = found.number;
        (entry.state.thisUpdate, entry.state.nextUpdate) = (found.thisUpdate, found.nextUpdate);
        emit RevocationListStored(root, authority, found.number, found.thisUpdate, found.nextUpdate);
    }

    /// @inheritdoc ICollateralRegistry
    function submitTcbInfo(bytes32 root, bytes32 signer, bytes calldata text, bytes32 r, bytes32 s) external {
        uint16 index = _requireSigned(CollateralKind.TcbInfo, root, signer, text, r, s);
        (StatementHead memory head, bytes memory table) = _reader.readTcbInfo(text);
        bytes32 model = _modelOf(head.fmspc, head.pceId);
        _storeStatement(CollateralKind.TcbInfo, root, model, _tcbInfos[root][model], head, table, index);
        emit TcbInfoStored(root, head.fmspc, head.pceId, head.evaluationNumber, head.issued, head.nextUpdate);
    }

    /// @inheritdoc ICollateralRegistry
    function submitQeIdentity(bytes32 root, bytes32 signer, bytes calldata text, bytes32 r, bytes32 s) external {
        uint16 index = _requireSigned(CollateralKind.QeIdentity, root, signer, text, r, s);
        (StatementHead memory head, bytes memory table) = _reader.readQeIdentity(text);
        _storeStatement(CollateralKind.QeIdentity, root, root, _qeIdentities[root], head, table, index);
        emit QeIdentityStored(root, head.evaluationNumber, head.issued, head.nextUpdate);
    }

    /// @inheritdoc ICollateralRegistry
    function appraise(PlatformClaim calldata claim, bytes calldata qeReport, uint64 maxAgeS)
        external
        view
        returns (Standing memory)
    {
        return _standingOf(claim, qeReport, maxAgeS, true);
    }

    /// @inheritdoc ICollateralRegistry
    function recall(PlatformClaim calldata claim, bytes calldata qeReport) external view returns (Standing memory) {
        return _standingOf(claim, qeReport, 0, false);
    }

    /// @inheritdoc ICollateralRegistry
    function isRevoked(bytes32 root, bytes32 authority, uint256 serial) external view returns (bool) {
        return _revoked[root][authority][serial] || _authorities[root][authority].state.isRevoked;
    }

    /// @inheritdoc ICollateralRegistry
    function issuerOf(bytes32 root, bytes32 authority) external view returns (bytes32, bytes32, bytes32) {
        _requireAuthority(root, authority, true);
        Authority storage entry = _authorities[root][authority];
        return (entry.subject, entry.x, entry.y);
    }

    /// @inheritdoc ICollateralRegistry
    function authorityOf(bytes32 root, bytes32 authority)
        external
        view
        returns (uint256, uint64, bool, uint256, uint64, uint64)
    {
        Authority storage entry = _authorities[root][authority];
        AuthorityState memory state = entry.state;
        return (entry.serial, state.notAfter, state.isRevoked, entry.listNumber, state.thisUpdate, state.nextUpdate);
    }

    /// @inheritdoc ICollateralRegistry
    function signerOf(bytes32 root, bytes32 signer) external view returns (uint256, uint64, bool) {
        Signer storage entry = _signers[root][_signerIndex[root][signer]];
        return (entry.serial, entry.state.notAfter, entry.state.isRevoked);
    }

    /// @inheritdoc ICollateralRegistry
    function tcbInfoOf(bytes32 root, bytes6 fmspc, bytes2 pceId) external view returns (uint32, uint64, uint64) {
        return _headOf(_tcbInfos[root][_modelOf(fmspc, pceId)]);
    }

    /// @inheritdoc ICollateralRegistry
    function qeIdentityOf(bytes32 root) external view returns (uint32, uint64, uint64) {
        return _headOf(_qeIdentities[root]);
    }

    /// @inheritdoc ICollateralRegistry
    function identifierOf(bytes32 root, bytes32 subject, bytes32 x, bytes32 y) external pure returns (bytes32) {
        return _identifier(root, subject, x, y);
    }

    function _standingOf(PlatformClaim calldata claim, bytes calldata qeReport, uint64 maxAgeS, bool isDated)
        private
        view
        returns (Standing memory standing)
    {
        EnclaveReport.requireLength(qeReport);
        if (isDated) _requireRootInForce(claim.root);
        else _requireRoot(claim.root, false);
        AuthorityState memory authority = _requireAuthority(claim.root, claim.authority, isDated);
        if (isDated) {
            _requireList(CollateralKind.RevocationList, claim.authority, authority);
            _requireAge(CollateralKind.RevocationList, claim.authority, authority.thisUpdate, maxAgeS);
        }
        if (_revoked[claim.root][claim.authority][claim.serial]) {
            revert CollateralRevoked(CollateralKind.Platform, bytes32(claim.serial));
        }
        bytes32 model = _modelOf(claim.fmspc, claim.pceId);
        Statement memory tcb = _tcbInfos[claim.root][model];
        Statement memory qe = _qeIdentities[claim.root];
        _requireStatement(CollateralKind.TcbInfo, claim.root, model, tcb, maxAgeS, isDated);
        _requireStatement(CollateralKind.QeIdentity, claim.root, claim.root, qe, maxAgeS, isDated);
        standing.oldestIssued = authority.thisUpdate;
        if (tcb.issued < standing.oldestIssued) standing.oldestIssued = tcb.issued;
        if (qe.issued < standing.oldestIssued) standing.oldestIssued = qe.issued;
        _readTcb(standing, tcb.table, claim);
        _readQe(standing, qe.table, qeReport);
    }

    function _readTcb(Standing memory standing, address account, PlatformClaim calldata claim) private view {
        bytes memory table = CodeStore.read(account);
        TcbLevel memory level = TcbTable.levelOf(table, claim.components, claim.pceSvn);
        (standing.tcbStatus, standing.tcbAdvisories, standing.tcbDate) = (level.status, level.advisories, level.date);
        standing.tcbEvaluationNumber = TcbTable.evaluationNumber(table);
    }

    function _readQe(Standing memory standing, address account, bytes calldata qeReport) private view {
        bytes memory table = CodeStore.read(account);
        QeLevel memory level = QeTable.requireQe(table, qeReport);
        (standing.qeStatus, standing.qeAdvisories, standing.qeDate) = (level.status, level.advisories, level.date);
        standing.qeEvaluationNumber = QeTable.evaluationNumber(table);
    }
}
