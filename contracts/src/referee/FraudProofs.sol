// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "../interfaces/IReferee.sol";
import {EntryProof} from "../lib/EntryProof.sol";
import {P256Verify} from "../lib/P256Verify.sol";
import {Secp256k1Signature} from "../lib/Secp256k1Signature.sol";
import {BatchHeader, BatchHeaderHash} from "../types/BatchHeader.sol";
import {BatchRecord, BatchState, EntryInclusion} from "../types/BatchRecord.sol";
import {EvidenceOpening, SlashCause} from "../types/DirectedChallenge.sol";
import {Ledger} from "./Ledger.sol";

/// @notice What a contract can see for itself: two headers for one sequence, and a meter's signature that does not verify.
/// Neither shows a reading. Entries outside the period, entries out of order, and keys off the roster join here.
abstract contract FraudProofs is Ledger {
    constructor() {
        if (!P256Verify.isPresent()) revert PrecompileMissing(P256Verify.PRECOMPILE);
    }

    /// @inheritdoc IReferee
    function proveEquivocation(
        BatchHeader calldata first,
        bytes calldata firstSignature,
        BatchHeader calldata second,
        bytes calldata secondSignature,
        BatchRecord calldata record
    ) external {
        BatchHeaderHash.requireCanonical(first);
        BatchHeaderHash.requireCanonical(second);
        bytes32 firstDigest = _digest(first);
        bytes32 secondDigest = _digest(second);
        if (
            first.channel != second.channel || first.operator != second.operator || first.sequence != second.sequence
                || firstDigest == secondDigest
        ) revert NotEquivocation();
        address signer = Secp256k1Signature.recover(firstDigest, firstSignature);
        address secondSigner = Secp256k1Signature.recover(secondDigest, secondSignature);
        if (signer != secondSigner) revert SignersDiffer(signer, secondSigner);
        _convictEquivocation(first.channel, first.operator, first.sequence, signer, record);
    }

    /// @inheritdoc IReferee
    function proveInvalidEvidence(
        BatchHeader calldata header,
        BatchRecord calldata record,
        EntryInclusion calldata entry,
        EvidenceOpening calldata opening
    ) external {
        bytes32 batch = _requireHeader(header, record);
        if (record.state == BatchState.Slashed) revert BatchAlreadySlashed(header.sequence);
        if (_isFinal(header.channel, batch, record)) revert BatchAlreadyFinal(header.sequence);
        EntryProof.requireIncluded(header, entry);
        uint8 kind = EntryProof.kind(entry.payload);
        if (kind != EntryProof.KIND_SIGNED_DEVICE_BLOCK) {
            revert EntryKindMismatch(EntryProof.KIND_SIGNED_DEVICE_BLOCK, kind);
        }
        bytes32 evidence = sha256(abi.encode(opening));
        if (evidence != EntryProof.evidence(entry.payload)) {
            revert EvidenceMismatch(EntryProof.evidence(entry.payload), evidence);
        }
        if (P256Verify.isValid(opening.messageDigest, opening.r, opening.s, opening.x, opening.y)) {
            revert EvidenceValid();
        }
        _ban(header.channel, header.operator, SlashCause.InvalidEvidence);
        _slashBatch(
            header.channel, header.operator, header.sequence, batch, record, SlashCause.InvalidEvidence, msg.sender
        );
    }

    function _convictEquivocation(
        bytes32 channel,
        address operator,
        uint64 sequence,
        address signer,
        BatchRecord calldata record
    ) private {
        if (_channels[channel] == 0) revert UnknownChannel(channel);
        if (!registry.wasRegistered(address(this), channel, operator, signer)) revert KeyNeverRegistered(signer);
        bytes32 batch = _batchKey(channel, operator, sequence);
        if (_convicted[batch]) revert AlreadyConvicted(sequence);
        _convicted[batch] = true;
        _ban(channel, operator, SlashCause.Equivocation);
        if (_records[batch] != 0) {
            // The conviction is about the sequence: it takes the batch that stands there, whichever header that has.
            _requireRecord(channel, operator, sequence, record);
            if (record.state == BatchState.Slashed) return;
            if (!_isFinal(channel, batch, record)) {
                _slashBatch(channel, operator, sequence, batch, record, SlashCause.Equivocation, msg.sender);
                return;
            }
        }
        _fine(channel, operator, sequence, SlashCause.Equivocation, msg.sender);
    }
}
