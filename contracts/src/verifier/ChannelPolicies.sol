// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TcbStatus} from "../dcap/TcbStatus.sol";
import {IDcapVerifier} from "../interfaces/IDcapVerifier.sol";
import {ChannelManager} from "../lib/ChannelManager.sol";
import {AllowedStatus, ChannelPolicy, EnclaveReference, PolicyHead} from "../types/ChannelPolicy.sol";

/// @notice Each channel's policy: set by its manager, whole and versioned; looser only after a delay, stricter at once.
/// @dev Lists are single slots under keys that hold the version, so a new policy leaves nothing of the old one, and judging an
/// enclave reads two slots.
abstract contract ChannelPolicies is IDcapVerifier {
    /// @notice How long the next policy waits, so that members can look at it and leave.
    uint64 public constant LOOSENING_DELAY_S = 2 days;
    uint256 public constant MAX_REFERENCES = 64;
    uint256 public constant MAX_STATUSES = 64;
    uint256 public constant MAX_PLATFORMS = 256;
    uint32 public constant MAX_COLLATERAL_AGE_S = 365 days;

    /// @dev What tells the keys of different entries apart.
    bytes32 private constant OF_MEASUREMENT = "measurement";
    bytes32 private constant OF_SIGNER = "signer";
    bytes32 private constant OF_STATUS = "status";
    bytes32 private constant OF_PLATFORM = "platform";
    /// @dev x87 and SSE: which enclaves always have.
    bytes8 private constant LEAST_XFRM_MASK = 0x0300000000000000;
    /// @dev In the flags, first byte: DEBUG, PROVISION_KEY, EINITTOKEN_KEY.
    bytes8 private constant NEVER_FLAGS = 0x3200000000000000;
    bytes8 private constant INIT = 0x0100000000000000;
    uint64 private constant NO_END = type(uint64).max;

    /// @dev What a reference's slot holds.
    struct Wanted {
        uint64 until; // 0: not wanted
        uint16 minimumSvn;
        bytes8 xfrm;
        bytes8 xfrmMask;
    }

    struct Queued {
        bytes32 hash;
        uint64 readyAt;
    }

    mapping(bytes32 policy => PolicyHead) private _heads;
    mapping(bytes32 policy => bytes32) private _digests;
    mapping(bytes32 policy => Queued) private _queued;
    mapping(bytes32 key => Wanted) private _wanted;
    /// @dev Statuses and platforms: until when.
    mapping(bytes32 key => uint64) private _allowed;

    modifier onlyManager(address referee, bytes32 channel) {
        if (!ChannelManager.isManager(referee, channel, msg.sender)) revert NotPolicyManager(msg.sender);
        _;
    }

    /// @inheritdoc IDcapVerifier
    function setPolicy(address referee, bytes32 channel, ChannelPolicy calldata policy)
        external
        onlyManager(referee, channel)
    {
        uint32 version = _heads[_policyId(referee, channel)].version;
        if (version != 0) revert PolicyInForce(version);
        _store(referee, channel, policy);
    }

    /// @inheritdoc IDcapVerifier
    function queuePolicy(address referee, bytes32 channel, ChannelPolicy calldata policy)
        external
        onlyManager(referee, channel)
    {
        bytes32 id = _policyId(referee, channel);
        if (_heads[id].version == 0) revert PolicyMissing(referee, channel);
        _requireValid(policy);
        uint64 readyAt = uint64(block.timestamp) + LOOSENING_DELAY_S;
        _queued[id] = Queued(keccak256(abi.encode(policy)), readyAt);
        emit PolicyQueued(referee, channel, readyAt, policy);
    }

    /// @inheritdoc IDcapVerifier
    function cancelPolicy(address referee, bytes32 channel) external onlyManager(referee, channel) {
        bytes32 id = _policyId(referee, channel);
        if (_queued[id].hash == 0) revert PolicyNotQueued();
        delete _queued[id];
        emit PolicyCancelled(referee, channel);
    }

    /// @inheritdoc IDcapVerifier
    function applyPolicy(address referee, bytes32 channel, ChannelPolicy calldata policy)
        external
        onlyManager(referee, channel)
    {
        bytes32 id = _policyId(referee, channel);
        Queued memory queued = _queued[id];
        if (queued.hash == 0 || queued.hash != keccak256(abi.encode(policy))) revert PolicyNotQueued();
        if (block.timestamp < queued.readyAt) revert PolicyNotReady(queued.readyAt, uint64(block.timestamp));
        delete _queued[id];
        _store(referee, channel, policy);
    }

    /// @inheritdoc IDcapVerifier
    function withdrawReference(address referee, bytes32 channel, EnclaveReference calldata reference_)
        external
        onlyManager(referee, channel)
    {
        bytes32 id = _policyId(referee, channel);
        bytes32 key = _referenceKey(id, _heads[id].version, _digests[id], reference_);
        if (_wanted[key].until == 0) revert PolicyEntryMissing();
        delete _wanted[key];
        emit ReferenceWithdrawn(referee, channel, reference_);
    }

    /// @inheritdoc IDcapVerifier
    function withdrawStatus(address referee, bytes32 channel, TcbStatus status, bytes32 advisories)
        external
        onlyManager(referee, channel)
    {
        bytes32 id = _policyId(referee, channel);
        bytes32 key = _statusKey(id, _heads[id].version, status, advisories);
        if (_allowed[key] == 0) revert PolicyEntryMissing();
        delete _allowed[key];
        emit StatusWithdrawn(referee, channel, status, advisories);
    }

    /// @inheritdoc IDcapVerifier
    function withdrawPlatform(address referee, bytes32 channel, bytes32 platform)
        external
        onlyManager(referee, channel)
    {
        bytes32 id = _policyId(referee, channel);
        bytes32 key = _platformKey(id, _heads[id].version, platform);
        if (_allowed[key] == 0) revert PolicyEntryMissing();
        delete _allowed[key];
        emit PlatformWithdrawn(referee, channel, platform);
    }

    /// @inheritdoc IDcapVerifier
    function tightenLimits(
        address referee,
        bytes32 channel,
        uint32 maxCollateralAgeS,
        uint32 minEvaluationNumber,
        uint32 maxRegistrationS
    ) external onlyManager(referee, channel) {
        PolicyHead storage head = _heads[_policyId(referee, channel)];
        if (head.version == 0) revert PolicyMissing(referee, channel);
        if (
            maxCollateralAgeS == 0 || maxCollateralAgeS > head.maxCollateralAgeS
                || minEvaluationNumber < head.minEvaluationNumber || maxRegistrationS == 0
                || maxRegistrationS > head.maxRegistrationS
        ) revert LimitLoosened();
        head.maxCollateralAgeS = maxCollateralAgeS;
        head.minEvaluationNumber = minEvaluationNumber;
        head.maxRegistrationS = maxRegistrationS;
        emit LimitsTightened(referee, channel, maxCollateralAgeS, minEvaluationNumber, maxRegistrationS);
    }

    /// @inheritdoc IDcapVerifier
    function policyOf(address referee, bytes32 channel) external view returns (PolicyHead memory head, bytes32 digest) {
        bytes32 id = _policyId(referee, channel);
        return (_heads[id], _digests[id]);
    }

    /// @inheritdoc IDcapVerifier
    function queuedPolicyOf(address referee, bytes32 channel) external view returns (bytes32 hash, uint64 readyAt) {
        Queued memory queued = _queued[_policyId(referee, channel)];
        return (queued.hash, queued.readyAt);
    }

    function _headOf(bytes32 id) internal view returns (PolicyHead memory) {
        return _heads[id];
    }

    function _digestOf(bytes32 id) internal view returns (bytes32) {
        return _digests[id];
    }

    /// @dev What the policy of that digest says of an enclave for a workload: by measurement, or else by signer. `until` is 0
    /// when it is not wanted.
    function _wantedFor(
        bytes32 id,
        uint32 version,
        bytes32 digest,
        bytes32 root,
        bytes32 measurement,
        bytes32 signer,
        uint16 product,
        uint16 svn,
        bytes32 workload
    ) internal view returns (Wanted memory wanted) {
        wanted = _wanted[_measurementKey(id, version, digest, root, measurement, workload)];
        if (wanted.until != 0) return wanted;
        wanted = _wanted[_signerKey(id, version, digest, root, signer, product, workload)];
        if (svn < wanted.minimumSvn) wanted.until = 0;
    }

    function _isStatusAllowed(bytes32 id, uint32 version, TcbStatus status, bytes32 advisories)
        internal
        view
        returns (bool)
    {
        if (status == TcbStatus.UpToDate) return true;
        return block.timestamp < _allowed[_statusKey(id, version, status, advisories)];
    }

    function _isPlatformAllowed(bytes32 id, PolicyHead memory head, bytes32 platform) internal view returns (bool) {
        return !head.isPlatformListed || _allowed[_platformKey(id, head.version, platform)] != 0;
    }

    function _policyId(address referee, bytes32 channel) internal pure returns (bytes32) {
        return keccak256(abi.encode(referee, channel));
    }

    function _store(address referee, bytes32 channel, ChannelPolicy calldata policy) private {
        _requireValid(policy);
        bytes32 id = _policyId(referee, channel);
        uint32 version = _heads[id].version + 1;
        _heads[id] = PolicyHead({
            version: version,
            maxCollateralAgeS: policy.maxCollateralAgeS,
            minEvaluationNumber: policy.minEvaluationNumber,
            maxRegistrationS: policy.maxRegistrationS,
            flags: policy.flags,
            miscSelect: policy.miscSelect,
            production: policy.production,
            isPlatformListed: policy.isPlatformListed
        });
        _digests[id] = policy.digest;
        for (uint256 i = 0; i < policy.references.length; ++i) {
            EnclaveReference calldata one = policy.references[i];
            bytes32 key = _referenceKey(id, version, policy.digest, one);
            if (_wanted[key].until != 0) revert PolicyInvalid("reference twice");
            _wanted[key] = Wanted(one.until, one.minimumSvn, policy.xfrm, policy.xfrmMask);
        }
        for (uint256 i = 0; i < policy.statuses.length; ++i) {
            bytes32 key = _statusKey(id, version, policy.statuses[i].status, policy.statuses[i].advisories);
            if (_allowed[key] != 0) revert PolicyInvalid("status twice");
            _allowed[key] = policy.statuses[i].until;
        }
        for (uint256 i = 0; i < policy.platforms.length; ++i) {
            _allowed[_platformKey(id, version, policy.platforms[i])] = NO_END;
        }
        emit PolicySet(referee, channel, version, policy);
    }

    /// @dev What no manager can allow: debug mode and the platform's own keys, an enclave nobody named, bits nobody looked at,
    /// a revoked platform, an outdated one for ever.
    function _requireValid(ChannelPolicy calldata policy) private pure {
        if (policy.digest == 0) revert PolicyInvalid("digest");
        if (policy.maxCollateralAgeS == 0 || policy.maxCollateralAgeS > MAX_COLLATERAL_AGE_S) {
            revert PolicyInvalid("maxCollateralAgeS");
        }
        if (policy.maxRegistrationS == 0) revert PolicyInvalid("maxRegistrationS");
        if (policy.flags & NEVER_FLAGS != 0 || policy.flags & INIT == 0) revert PolicyInvalid("flags");
        if (policy.xfrmMask & LEAST_XFRM_MASK != LEAST_XFRM_MASK || policy.xfrm & ~policy.xfrmMask != 0) {
            revert PolicyInvalid("xfrm");
        }
        if (policy.references.length == 0 || policy.references.length > MAX_REFERENCES) {
            revert PolicyInvalid("references");
        }
        for (uint256 i = 0; i < policy.references.length; ++i) {
            EnclaveReference calldata one = policy.references[i];
            bool byMeasurement = one.measurement != 0;
            if (
                one.root == 0 || one.workload == 0 || one.until == 0 || byMeasurement == (one.signer != 0)
                    || (byMeasurement && (one.product != 0 || one.minimumSvn != 0))
            ) revert PolicyInvalid("reference");
        }
        if (policy.statuses.length > MAX_STATUSES) revert PolicyInvalid("statuses");
        for (uint256 i = 0; i < policy.statuses.length; ++i) {
            AllowedStatus calldata one = policy.statuses[i];
            bool isOutdated = one.status == TcbStatus.OutOfDate || one.status == TcbStatus.OutOfDateConfigurationNeeded;
            if (
                one.status == TcbStatus.UpToDate || one.status == TcbStatus.Revoked || one.until == 0
                    || (isOutdated && one.until == NO_END)
            ) revert PolicyInvalid("status");
        }
        if (policy.platforms.length > MAX_PLATFORMS || (!policy.isPlatformListed && policy.platforms.length != 0)) {
            revert PolicyInvalid("platforms");
        }
    }

    function _referenceKey(bytes32 id, uint32 version, bytes32 digest, EnclaveReference calldata one)
        private
        pure
        returns (bytes32)
    {
        return one.measurement != 0
            ? _measurementKey(id, version, digest, one.root, one.measurement, one.workload)
            : _signerKey(id, version, digest, one.root, one.signer, one.product, one.workload);
    }

    function _measurementKey(
        bytes32 id,
        uint32 version,
        bytes32 digest,
        bytes32 root,
        bytes32 measurement,
        bytes32 workload
    ) private pure returns (bytes32) {
        return keccak256(abi.encode(OF_MEASUREMENT, id, version, digest, root, measurement, workload));
    }

    function _signerKey(
        bytes32 id,
        uint32 version,
        bytes32 digest,
        bytes32 root,
        bytes32 signer,
        uint16 product,
        bytes32 workload
    ) private pure returns (bytes32) {
        return keccak256(abi.encode(OF_SIGNER, id, version, digest, root, signer, product, workload));
    }

    function _statusKey(bytes32 id, uint32 version, TcbStatus status, bytes32 advisories)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(OF_STATUS, id, version, status, advisories));
    }

    function _platformKey(bytes32 id, uint32 version, bytes32 platform) private pure returns (bytes32) {
        return keccak256(abi.encode(OF_PLATFORM, id, version, platform));
    }
}
