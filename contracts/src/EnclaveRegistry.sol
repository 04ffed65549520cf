// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IEnclaveRegistry} from "./interfaces/IEnclaveRegistry.sol";
import {IEvidenceVerifier} from "./interfaces/IEvidenceVerifier.sol";
import {IReferee} from "./interfaces/IReferee.sol";
import {EvidenceVerdict, EvidenceVerdictHash, Revocation} from "./types/EvidenceVerdict.sol";

/// @title Which enclave keys may sign batches
/// @notice Nobody owns it: verifier and limit are fixed at construction.
contract EnclaveRegistry is IEnclaveRegistry, EIP712 {
    uint64 public constant LONGEST_REGISTRATION_S = 90 days;
    /// @notice blockhash answers for so many blocks back.
    uint256 public constant NONCE_WINDOW_BLOCKS = 256;

    struct ActiveKey {
        address enclaveKey;
        uint64 expiresAt;
    }

    struct KeyRecord {
        bytes32 channel;
        bytes32 verdictDigest;
        address operator;
        uint64 registeredAt;
        address referee;
        uint64 expiresAt;
        uint64 revokedAt;
    }

    /// @inheritdoc IEnclaveRegistry
    IEvidenceVerifier public immutable verifier;
    /// @inheritdoc IEnclaveRegistry
    uint64 public immutable maxRegistrationS;

    /// @dev Keyed by binding and workload, so that a commit checks key, expiry and workload with one cold read.
    mapping(bytes32 slot => ActiveKey) private _active;
    /// @dev Where in _active a binding's only active key is.
    mapping(bytes32 binding => bytes32 slot) private _slotOf;
    mapping(address enclaveKey => KeyRecord) private _keys;
    mapping(bytes32 verdictDigest => bool) private _used;

    constructor(IEvidenceVerifier verifier_, uint64 maxRegistrationS_) EIP712("wattest", "1") {
        if (address(verifier_).code.length == 0 || maxRegistrationS_ == 0 || maxRegistrationS_ > LONGEST_REGISTRATION_S)
        {
            revert RegistryMisconfigured();
        }
        verifier = verifier_;
        maxRegistrationS = maxRegistrationS_;
    }

    /// @inheritdoc IEnclaveRegistry
    function register(EvidenceVerdict calldata verdict, bytes calldata evidence) external {
        // Whoever could register a key of their own under another's name could equivocate in that name.
        if (verdict.operator != msg.sender) revert NotOperator(verdict.operator, msg.sender);
        _checkVerdict(verdict);
        bytes32 digest = verdictDigest(verdict);
        if (_used[digest]) revert VerdictAlreadyUsed(digest);
        _used[digest] = true;
        verifier.verifyEvidence(digest, verdict, evidence);

        KeyRecord storage record = _keys[verdict.enclaveKey];
        if (record.revokedAt != 0) revert KeyRevoked(verdict.enclaveKey);
        bool isRenewal = record.registeredAt != 0;
        if (
            isRenewal
                && (record.referee != verdict.referee
                    || record.channel != verdict.channel
                    || record.operator != verdict.operator)
        ) revert KeyBoundElsewhere(verdict.enclaveKey);
        record.channel = verdict.channel;
        record.verdictDigest = digest;
        record.operator = verdict.operator;
        record.registeredAt = uint64(block.timestamp);
        record.referee = verdict.referee;
        record.expiresAt = verdict.expiresAt;

        bytes32 binding = _bindingId(verdict.referee, verdict.channel, verdict.operator);
        delete _active[_slotOf[binding]];
        bytes32 slot = _slotId(verdict.referee, verdict.channel, verdict.operator, verdict.workload);
        _slotOf[binding] = slot;
        _active[slot] = ActiveKey(verdict.enclaveKey, verdict.expiresAt);
        emit EnclaveRegistered(
            verdict.channel,
            verdict.operator,
            verdict.enclaveKey,
            verdict.referee,
            digest,
            verdict.workload,
            verdict.measurement,
            verdict.platform,
            verdict.expiresAt
        );
    }

    /// @inheritdoc IEnclaveRegistry
    function revoke(address enclaveKey) external {
        KeyRecord memory record = _keys[enclaveKey];
        if (record.registeredAt == 0) revert KeyNeverRegistered(enclaveKey);
        if (msg.sender != record.operator && !_isManager(record.referee, record.channel, msg.sender)) {
            revert NotRevoker(msg.sender);
        }
        _revoke(enclaveKey, record);
    }

    /// @inheritdoc IEnclaveRegistry
    function revokeWithEvidence(Revocation calldata revocation, bytes calldata evidence) external {
        KeyRecord memory record = _keys[revocation.enclaveKey];
        if (
            record.registeredAt == 0 || record.referee != revocation.referee || record.channel != revocation.channel
                || record.operator != revocation.operator
        ) revert KeyNeverRegistered(revocation.enclaveKey);
        verifier.verifyRevocation(revocationDigest(revocation), revocation, evidence);
        _revoke(revocation.enclaveKey, record);
    }

    /// @inheritdoc IEnclaveRegistry
    function activeKey(address referee, bytes32 channel, address operator, bytes32 workload)
        external
        view
        returns (address enclaveKey, uint64 expiresAt)
    {
        ActiveKey storage active = _active[_slotId(referee, channel, operator, workload)];
        return (active.enclaveKey, active.expiresAt);
    }

    /// @inheritdoc IEnclaveRegistry
    function wasRegistered(address referee, bytes32 channel, address operator, address enclaveKey)
        external
        view
        returns (bool)
    {
        KeyRecord memory record = _keys[enclaveKey];
        return record.registeredAt != 0 && record.referee == referee && record.channel == channel
            && record.operator == operator;
    }

    /// @inheritdoc IEnclaveRegistry
    function isActiveKey(address enclaveKey) external view returns (bool) {
        KeyRecord memory record = _keys[enclaveKey];
        ActiveKey memory active = _active[_slotOf[_bindingId(record.referee, record.channel, record.operator)]];
        return enclaveKey != address(0) && active.enclaveKey == enclaveKey && block.timestamp < active.expiresAt;
    }

    /// @inheritdoc IEnclaveRegistry
    function registrationOf(address enclaveKey) external view returns (bytes32, uint64, uint64, uint64) {
        KeyRecord memory record = _keys[enclaveKey];
        return (record.verdictDigest, record.registeredAt, record.expiresAt, record.revokedAt);
    }

    /// @inheritdoc IEnclaveRegistry
    function verdictDigest(EvidenceVerdict calldata verdict) public view returns (bytes32) {
        return _hashTypedDataV4(EvidenceVerdictHash.structHash(verdict));
    }

    /// @inheritdoc IEnclaveRegistry
    function revocationDigest(Revocation calldata revocation) public view returns (bytes32) {
        return _hashTypedDataV4(EvidenceVerdictHash.structHash(revocation));
    }

    function _checkVerdict(EvidenceVerdict calldata verdict) private view {
        if (verdict.enclaveKey == address(0) || verdict.referee == address(0) || verdict.workload == 0) {
            revert VerdictIncomplete();
        }
        uint64 nowS = uint64(block.timestamp);
        if (verdict.issuedAt > nowS) revert VerdictFromFuture(verdict.issuedAt, nowS);
        if (verdict.expiresAt <= nowS) revert VerdictExpired(verdict.expiresAt, nowS);
        // issuedAt <= now < expiresAt: the difference is positive.
        uint64 length = verdict.expiresAt - verdict.issuedAt;
        if (length > maxRegistrationS) revert RegistrationTooLong(maxRegistrationS, length);
        // blockhash is zero for any other block than the last 256, and no block's hash is zero.
        if (verdict.nonce == 0 || blockhash(verdict.nonceBlock) != verdict.nonce) {
            revert NonceStale(verdict.nonceBlock, verdict.nonce);
        }
    }

    function _revoke(address enclaveKey, KeyRecord memory record) private {
        if (record.revokedAt != 0) revert KeyRevoked(enclaveKey);
        _keys[enclaveKey].revokedAt = uint64(block.timestamp);
        bytes32 slot = _slotOf[_bindingId(record.referee, record.channel, record.operator)];
        // A replaced key is not active: the binding's present key stays.
        if (_active[slot].enclaveKey == enclaveKey) delete _active[slot];
        emit EnclaveRevoked(record.channel, record.operator, enclaveKey, msg.sender);
    }

    /// @dev The referee is whatever address the verdict named: an account without code, or a contract that answers nothing,
    /// has no managers.
    function _isManager(address referee, bytes32 channel, address account) private view returns (bool) {
        if (referee.code.length == 0) return false;
        (bool success, bytes memory output) = referee.staticcall(abi.encodeCall(IReferee.managerOf, (channel)));
        return success && output.length == 32 && abi.decode(output, (uint256)) == uint160(account);
    }

    function _bindingId(address referee, bytes32 channel, address operator) private pure returns (bytes32) {
        return keccak256(abi.encode(referee, channel, operator));
    }

    function _slotId(address referee, bytes32 channel, address operator, bytes32 workload)
        private
        pure
        returns (bytes32 slot)
    {
        // Assembly: on the path of every commit; the same bytes as abi.encode of the four, beyond the free memory pointer. The
        // masks drop what the compiler does not promise about the bits above an address.
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, shr(96, shl(96, referee)))
            mstore(add(words, 0x20), channel)
            mstore(add(words, 0x40), shr(96, shl(96, operator)))
            mstore(add(words, 0x60), workload)
            slot := keccak256(words, 0x80)
        }
    }
}
