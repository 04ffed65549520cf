// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchHeader} from "../types/BatchHeader.sol";
import {BatchReference, EntryInclusion} from "../types/BatchRecord.sol";
import {EvidenceOpening} from "../types/EvidenceOpening.sol";
import {IBatchErrors} from "./IBatchErrors.sol";
import {IModule} from "./IModule.sol";
import {IReferee} from "./IReferee.sol";

/// @title What a contract can see for itself: two headers for one sequence, a meter's signature that does not verify
/// @notice A module of the Referee that needs the powers to convict and to fine. It has no terms (zero), holds no money and
/// shows no reading.
interface IFraudProofs is IModule, IBatchErrors {
    /// @notice These terms must be zero: the module has none.
    error TermsNotZero();
    /// @notice The two headers name different channels, operators or sequences, or are the same header.
    error NotEquivocation();
    /// @notice The headers are signed by different keys.
    error SignersDiffer(address first, address second);
    /// @notice The enclave key was never registered for this binding.
    error KeyNeverRegistered(address enclaveKey);
    /// @notice Equivocation at this sequence was proved before.
    error AlreadyConvicted(uint64 sequence);
    /// @notice Not 65 bytes r||s||v with v 27 or 28 and s low, or no key can be recovered.
    error InvalidSignature();
    /// @notice The opening does not hash to the entry's evidence.
    error EvidenceMismatch(bytes32 expected, bytes32 actual);
    /// @notice The evidence is in order: signature valid, s low.
    error EvidenceValid();

    /// @notice Proves that one registered key signed two headers for one sequence: bans the operator, and slashes the batch of
    /// that sequence; where none was committed, or a final one, fines the operator instead, and where the batch was slashed
    /// before, bans only. Headers need not be committed; the key may have expired since. Anyone, once per sequence.
    /// @param batch the operator's committed batch of that sequence; ignored if its sequence is not reached yet
    function proveEquivocation(
        BatchHeader calldata first,
        bytes calldata firstSignature,
        BatchHeader calldata second,
        bytes calldata secondSignature,
        BatchReference calldata batch
    ) external;

    /// @notice Proves that an entry of kind 1 rests on a meter signature that does not verify (s high, key malformed or
    /// P256VERIFY fails): bans the operator and slashes the batch. Reveals no reading. Anyone, before the batch is final.
    function proveInvalidEvidence(
        BatchHeader calldata header,
        BatchReference calldata batch,
        EntryInclusion calldata entry,
        EvidenceOpening calldata opening
    ) external;

    /// @notice Whether equivocation at this sequence was proved.
    function isConvicted(bytes32 channel, address operator, uint64 sequence) external view returns (bool);

    /// @notice The core, fixed at construction.
    function referee() external view returns (IReferee);
}
