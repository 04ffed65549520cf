// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IEnclaveRegistry} from "./interfaces/IEnclaveRegistry.sol";
import {IEvidenceVerifier} from "./interfaces/IEvidenceVerifier.sol";
import {ChannelManager} from "./lib/ChannelManager.sol";
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

    /// @dev One slot, so that a registration writes one for the key whatever else is new.
    struct KeyRecord {
        bytes16 binding; // first half of _bindingId: only for guarding second preimages, which 128 bits do
        bytes10 evidenceTag; // the verifier's, of the last registration
        uint40 issuedAt; // of the last verdict
        bool isRevoked;
    }

    /// @inheritdoc IEnclaveRegistry
    IEvidenceVerifier public immutable verifier;
    /// @inheritdoc IEnclaveRegistry
    uint64 public immutable maxRegistrationS;

    /// @dev Keyed by binding and workload, so that a commit checks key, expiry and workload with one cold read.
    mapping(bytes32 slot => ActiveKey) private _active;
    /// @dev Where in _active a binding's only active key is.
    mapping(bytes16 binding => bytes32 slot) private _slotOf;
    /// @dev Keyed by referee, channel and key. Anyone can have a channel, a policy and a trust domain of their own: what a key
    /// is registered for there must not matter here.
    mapping(bytes32 keyId => KeyRecord) private _keys;

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
        bytes16 binding = _bindingId(verdict.referee, verdict.channel, verdict.operator);
        bytes32 keyId = _keyId(verdict.referee, verdict.channel, verdict.enclaveKey);
        KeyRecord memory record = _keys[keyId];
        if (record.binding != 0) {
            if (record.isRevoked) revert KeyRevoked(verdict.enclaveKey);
            if (record.binding != binding) revert KeyBoundElsewhere(verdict.enclaveKey);
            // A key's verdicts only go forward in time, so that none counts twice and none comes back.
            if (verdict.issuedAt <= record.issuedAt) revert VerdictNotNewer(record.issuedAt, verdict.issuedAt);
        }
        bytes32 digest = verdictDigest(verdict);
        bytes10 tag = verifier.verifyEvidence(digest, verdict, evidence);
        // issuedAt is not after the block's time, which 40 bits hold for 34,000 years.
        _keys[keyId] = KeyRecord(binding, tag, uint40(verdict.issuedAt), false);

        bytes32 slot = _slotId(verdict.referee, verdict.channel, verdict.operator, verdict.workload);
        bytes32 before = _slotOf[binding];
        if (before != slot) {
            if (before != 0) delete _active[before];
            _slotOf[binding] = slot;
        }
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
    function revoke(Revocation calldata revocation) external {
        KeyRecord memory record = _requireKnown(revocation);
        if (
            msg.sender != revocation.operator
                && !ChannelManager.isManager(revocation.referee, revocation.channel, msg.sender)
        ) {
            revert NotRevoker(msg.sender);
        }
        _revoke(revocation, record);
    }

    /// @inheritdoc IEnclaveRegistry
    function revokeWithEvidence(Revocation calldata revocation, bytes calldata evidence) external {
        KeyRecord memory record = _requireKnown(revocation);
        verifier.verifyRevocation(revocationDigest(revocation), revocation, record.evidenceTag, evidence);
        _revoke(revocation, record);
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
        return _keys[_keyId(referee, channel, enclaveKey)].binding == _bindingId(referee, channel, operator);
    }

    /// @inheritdoc IEnclaveRegistry
    function isActiveKey(address referee, bytes32 channel, address enclaveKey) external view returns (bool) {
        ActiveKey memory active = _active[_slotOf[_keys[_keyId(referee, channel, enclaveKey)].binding]];
        return enclaveKey != address(0) && active.enclaveKey == enclaveKey && block.timestamp < active.expiresAt;
    }

    /// @inheritdoc IEnclaveRegistry
    function registrationOf(address referee, bytes32 channel, address enclaveKey)
        external
        view
        returns (bytes16 binding, bytes10 evidenceTag, uint64 issuedAt, bool isRevoked)
    {
        KeyRecord memory record = _keys[_keyId(referee, channel, enclaveKey)];
        return (record.binding, record.evidenceTag, record.issuedAt, record.isRevoked);
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

    /// @dev A key is known by its own binding only.
    function _requireKnown(Revocation calldata revocation) private view returns (KeyRecord memory record) {
        record = _keys[_keyId(revocation.referee, revocation.channel, revocation.enclaveKey)];
        if (record.binding != _bindingId(revocation.referee, revocation.channel, revocation.operator)) {
            revert KeyNeverRegistered(revocation.enclaveKey);
        }
    }

    function _revoke(Revocation calldata revocation, KeyRecord memory record) private {
        if (record.isRevoked) revert KeyRevoked(revocation.enclaveKey);
        _keys[_keyId(revocation.referee, revocation.channel, revocation.enclaveKey)].isRevoked = true;
        bytes32 slot = _slotOf[record.binding];
        // A replaced key is not active: the binding's present key stays.
        if (_active[slot].enclaveKey == revocation.enclaveKey) delete _active[slot];
        emit EnclaveRevoked(
            revocation.channel, revocation.operator, revocation.enclaveKey, revocation.referee, msg.sender
        );
    }

    function _bindingId(address referee, bytes32 channel, address operator) private pure returns (bytes16) {
        return bytes16(keccak256(abi.encode(referee, channel, operator)));
    }

    function _keyId(address referee, bytes32 channel, address enclaveKey) private pure returns (bytes32) {
        return keccak256(abi.encode(referee, channel, enclaveKey));
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
