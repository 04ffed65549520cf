// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EvidenceVerdict, Revocation} from "../types/EvidenceVerdict.sol";
import {IEvidenceVerifier} from "./IEvidenceVerifier.sol";

/// @title Which enclave keys may sign batches
/// @notice One active key per (referee, channel, operator); a new registration replaces it. In a channel a key belongs to one
/// operator for ever, and stays known after expiry, replacement and revocation, so that fraud can still be proved against
/// it. What is registered in one channel says nothing in another: anyone can open one and admit any key there.
/// Times are unix seconds.
interface IEnclaveRegistry {
    /// @notice A key was registered or renewed. The verdict itself is in the transaction's input.
    event EnclaveRegistered(
        bytes32 indexed channel,
        address indexed operator,
        address indexed enclaveKey,
        address referee,
        bytes32 verdictDigest,
        bytes32 workload,
        bytes32 measurement,
        bytes32 platform,
        uint64 expiresAt
    );
    /// @notice A key was revoked, for good. `by` is the operator, the channel's manager, or whoever brought evidence that the
    /// verifier took.
    event EnclaveRevoked(
        bytes32 indexed channel, address indexed operator, address indexed enclaveKey, address referee, address by
    );

    /// @notice Only the operator itself may do this; in the referee from an account without code, calling directly.
    error NotOperator(address operator, address caller);
    /// @notice The enclave key or the referee is the zero address, or the workload is zero.
    error VerdictIncomplete();
    /// @notice The verdict was issued after the present block.
    error VerdictFromFuture(uint64 issuedAt, uint64 nowS);
    /// @notice The verdict has expired.
    /// @custom:advice ask the appraisers for a new verdict
    error VerdictExpired(uint64 expiresAt, uint64 nowS);
    /// @notice expiresAt - issuedAt is over the registry's limit, or not positive.
    /// @custom:advice ask for a verdict with an earlier expiry
    error RegistrationTooLong(uint64 limitS, uint64 actualS);
    /// @notice The nonce is not the hash of a block among the last 256.
    /// @custom:advice make new evidence over a recent block hash
    error NonceStale(uint64 nonceBlock, bytes32 nonce);
    /// @notice A verdict for a key must be issued after the key's last one: none counts twice.
    error VerdictNotNewer(uint64 lastIssuedAt, uint64 issuedAt);
    /// @notice The key was registered for another operator of the channel.
    error KeyBoundElsewhere(address enclaveKey);
    /// @notice The enclave key was revoked, for good.
    error KeyRevoked(address enclaveKey);
    /// @notice The enclave key was never registered for this binding.
    error KeyNeverRegistered(address enclaveKey);
    /// @notice Only the operator or the channel's manager may revoke without evidence.
    error NotRevoker(address caller);
    /// @notice The limit on a registration's length is zero or over 90 days, or the verifier is no contract.
    error RegistryMisconfigured();

    /// @notice Registers the key of `verdict`, replacing the binding's active one. Caller: the verdict's operator.
    /// @param evidence what the verifier asks for
    function register(EvidenceVerdict calldata verdict, bytes calldata evidence) external;

    /// @notice Revokes a registered key at once. Caller: its operator, or the manager of its channel. The registry keeps only a
    /// hash of a key's binding, so the caller repeats it.
    function revoke(Revocation calldata revocation) external;

    /// @notice Revokes a registered key at once by the verifier's word. Anyone may bring it.
    /// @param evidence what the verifier asks for
    function revokeWithEvidence(Revocation calldata revocation, bytes calldata evidence) external;

    /// @notice The active key for the binding and workload; zeros if there is none. The caller compares expiresAt
    /// with the clock.
    function activeKey(address referee, bytes32 channel, address operator, bytes32 workload)
        external
        view
        returns (address enclaveKey, uint64 expiresAt);

    /// @notice Whether the key was ever registered for the binding, be it expired, replaced or revoked since.
    function wasRegistered(address referee, bytes32 channel, address operator, address enclaveKey)
        external
        view
        returns (bool);

    /// @notice Whether the key is the active one of an operator of the channel, and unexpired now.
    function isActiveKey(address referee, bytes32 channel, address enclaveKey) external view returns (bool);

    /// @notice What is known of a key in a channel: zeros if it was never registered there. The verdicts are in the log and the transactions.
    /// @return binding first 16 bytes of keccak256(abi.encode(referee, channel, operator))
    /// @return evidenceTag what the verifier gave for the last registration's evidence
    /// @return issuedAt of the last verdict, unix seconds
    /// @return isRevoked whether it was revoked
    function registrationOf(address referee, bytes32 channel, address enclaveKey)
        external
        view
        returns (bytes16 binding, bytes10 evidenceTag, uint64 issuedAt, bool isRevoked);

    /// @notice EIP-712 digest of a verdict under this registry's domain.
    function verdictDigest(EvidenceVerdict calldata verdict) external view returns (bytes32);

    /// @notice EIP-712 digest of a revocation under this registry's domain.
    function revocationDigest(Revocation calldata revocation) external view returns (bytes32);

    /// @notice The verifier, fixed at construction.
    function verifier() external view returns (IEvidenceVerifier);

    /// @notice Longest registration, seconds, fixed at construction; 30 days by default, 90 at most.
    function maxRegistrationS() external view returns (uint64);
}
