// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnclaveRegistry} from "./interfaces/IEnclaveRegistry.sol";
import {IFraudProofs} from "./interfaces/IFraudProofs.sol";
import {IModule} from "./interfaces/IModule.sol";
import {IReferee} from "./interfaces/IReferee.sol";
import {EntryProof} from "./lib/EntryProof.sol";
import {HeaderDigest} from "./lib/HeaderDigest.sol";
import {P256Verify} from "./lib/P256Verify.sol";
import {Secp256k1Signature} from "./lib/Secp256k1Signature.sol";
import {BatchHeader, BatchHeaderHash} from "./types/BatchHeader.sol";
import {BatchReference, BatchState, EntryInclusion} from "./types/BatchRecord.sol";
import {ChannelKind, ChannelParameters} from "./types/Channel.sol";
import {EvidenceOpening} from "./types/EvidenceOpening.sol";

/// @title What a contract can see for itself: two headers for one sequence, and a meter's signature that does not verify
/// @notice Neither shows a reading. Entries outside the period, entries out of order, and keys off the roster join here.
contract FraudProofs is IFraudProofs {
    bytes32 private constant EQUIVOCATION = "equivocation";
    bytes32 private constant INVALID_EVIDENCE = "invalid evidence";
    bytes32 private constant EQUIVOCATION_TAG = keccak256("wattest/equivocation/1");

    /// @inheritdoc IFraudProofs
    IReferee public immutable referee;
    IEnclaveRegistry private immutable registry;

    mapping(bytes32 channel => mapping(address operator => mapping(uint64 sequence => bool))) private _convicted;

    constructor(IReferee referee_) {
        if (!P256Verify.isPresent()) revert P256Verify.PrecompileMissing(P256Verify.PRECOMPILE);
        referee = referee_;
        registry = referee_.registry();
    }

    /// @inheritdoc IModule
    function requireTerms(ChannelKind, ChannelParameters calldata, bytes32 terms) external pure {
        if (terms != 0) revert TermsNotZero();
    }

    /// @inheritdoc IFraudProofs
    function proveEquivocation(
        BatchHeader calldata first,
        bytes calldata firstSignature,
        BatchHeader calldata second,
        bytes calldata secondSignature,
        BatchReference calldata batch
    ) external {
        BatchHeaderHash.requireCanonical(first);
        BatchHeaderHash.requireCanonical(second);
        bytes32 firstDigest = HeaderDigest.under(first, address(referee));
        bytes32 secondDigest = HeaderDigest.under(second, address(referee));
        if (
            first.channel != second.channel || first.operator != second.operator || first.sequence != second.sequence
                || firstDigest == secondDigest
        ) revert NotEquivocation();
        address signer = Secp256k1Signature.recover(firstDigest, firstSignature);
        address secondSigner = Secp256k1Signature.recover(secondDigest, secondSignature);
        if (signer != secondSigner) revert SignersDiffer(signer, secondSigner);
        if (!registry.wasRegistered(address(referee), first.channel, first.operator, signer)) {
            revert KeyNeverRegistered(signer);
        }
        _convictEquivocation(first.channel, first.operator, first.sequence, batch);
    }

    /// @inheritdoc IFraudProofs
    function proveInvalidEvidence(
        BatchHeader calldata header,
        BatchReference calldata batch,
        EntryInclusion calldata entry,
        EvidenceOpening calldata opening
    ) external {
        bytes32 digest = HeaderDigest.under(header, address(referee));
        if (digest != batch.record.headerDigest) revert HeaderMismatch(batch.record.headerDigest, digest);
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
        // The core says whether the record is the batch's, and that it is neither slashed nor final.
        referee.convict(batch, INVALID_EVIDENCE, true, msg.sender);
    }

    /// @inheritdoc IFraudProofs
    function isConvicted(bytes32 channel, address operator, uint64 sequence) external view returns (bool) {
        return _convicted[channel][operator][sequence];
    }

    /// @dev The conviction is about the sequence: it takes the batch that stands there, whichever header that has.
    function _convictEquivocation(bytes32 channel, address operator, uint64 sequence, BatchReference calldata batch)
        private
    {
        if (_convicted[channel][operator][sequence]) revert AlreadyConvicted(sequence);
        _convicted[channel][operator][sequence] = true;
        uint256 fineWei = type(uint256).max;
        if (sequence != 0 && sequence <= referee.operatorHead(channel, operator).sequence) {
            if (batch.channel != channel || batch.operator != operator || batch.sequence != sequence) {
                revert UnknownBatch(channel, operator, sequence);
            }
            BatchState state = referee.stateOf(batch);
            if (state == BatchState.Committed) {
                referee.convict(batch, EQUIVOCATION, true, msg.sender);
                return;
            }
            // What was slashed lost its stake: one loss for one batch. The operator is banned all the same.
            if (state == BatchState.Slashed) fineWei = 0;
        }
        bytes32 matter = keccak256(abi.encode(EQUIVOCATION_TAG, sequence));
        referee.fine(channel, operator, matter, fineWei, EQUIVOCATION, true, msg.sender);
    }
}
