"""Fraud proofs: two headers for one sequence, and evidence that its meter's key does not sign.

Twin of ``contracts/src/referee/FraudProofs.sol``; the checks stand in the contract's order. No reading is revealed.
"""

from __future__ import annotations

from dataclasses import replace

from wattest.crypto.p256 import verify_digest
from wattest.errors import WattestError
from wattest.messages.header import BatchHeader
from wattest.twin.batch import BatchRecord, BatchState, EntryInclusion
from wattest.twin.challenge import EvidenceOpening
from wattest.twin.errors import (
    AlreadyConvicted,
    BatchAlreadyFinal,
    BatchAlreadySlashed,
    EntryKindMismatch,
    EvidenceMismatch,
    EvidenceValid,
    KeyNeverRegistered,
    NotEquivocation,
    SignersDiffer,
)
from wattest.twin.referee.batches import batch_is_final, recover_signer
from wattest.twin.referee.challenges import require_entry
from wattest.twin.referee.channels import require_channel
from wattest.twin.referee.ledger import ban, fine, slash_batch
from wattest.twin.referee.state import Call, RefereeState, require_header, require_record
from wattest.twin.registry import RegistryState, was_registered

SIGNED_BLOCK_KIND = 1


def apply_equivocation(
    state: RefereeState,
    call: Call,
    registry: RegistryState,
    first: BatchHeader,
    first_signature: bytes,
    second: BatchHeader,
    second_signature: bytes,
    record: BatchRecord,
) -> RefereeState:
    """Ban and slash for two headers of one sequence; ``record`` is that sequence's, anything if none was committed.

    Raises: NotEquivocation, InvalidSignature, SignersDiffer, UnknownChannel, KeyNeverRegistered, AlreadyConvicted,
    UnknownBatch.
    """
    digests = first.digest(state.domain), second.digest(state.domain)
    key = (first.channel, first.operator, first.sequence)
    if key != (second.channel, second.operator, second.sequence) or digests[0] == digests[1]:
        raise NotEquivocation
    signer = recover_signer(digests[0], first_signature)
    other = recover_signer(digests[1], second_signature)
    if signer != other:
        raise SignersDiffer(signer, other)
    require_channel(state, first.channel)
    if not was_registered(registry, state.referee, first.channel, first.operator, signer):
        raise KeyNeverRegistered(signer)
    if key in state.convicted:
        raise AlreadyConvicted(first.sequence)
    state = replace(state, convicted=state.convicted | {key})
    state = ban(state, call, first.channel, first.operator)
    if key in state.batches:
        # The conviction is about the sequence: it takes the batch that stands there, whichever header that has.
        require_record(state, *key, record)
        if record.state is BatchState.SLASHED:
            return state
        if not batch_is_final(state, *key, record, call.now):
            return slash_batch(state, key, record, call.caller)
    return fine(state, first.channel, first.operator, call.caller)


def apply_invalid_evidence(
    state: RefereeState,
    call: Call,
    header: BatchHeader,
    record: BatchRecord,
    entry: EntryInclusion,
    opening: EvidenceOpening,
) -> RefereeState:
    """Ban and slash for an entry of kind 1 whose meter signature does not verify, before the batch is final.

    Raises: UnknownBatch, HeaderMismatch, BatchAlreadySlashed, BatchAlreadyFinal, those of ``require_entry``,
    EntryKindMismatch, EvidenceMismatch, EvidenceValid.
    """
    key = require_header(state, header, record)
    if record.state is BatchState.SLASHED:
        raise BatchAlreadySlashed(header.sequence)
    if batch_is_final(state, *key, record, call.now):
        raise BatchAlreadyFinal(header.sequence)
    require_entry(header, entry)
    if entry.payload[1] != SIGNED_BLOCK_KIND:
        raise EntryKindMismatch(SIGNED_BLOCK_KIND, entry.payload[1])
    evidence = entry.payload[-32:]
    if opening.digest != evidence:
        raise EvidenceMismatch(evidence, opening.digest)
    try:
        verify_digest(opening.public_key, opening.message_digest, opening.signature)
    except WattestError:
        state = ban(state, call, header.channel, header.operator)
        return slash_batch(state, key, record, call.caller)
    raise EvidenceValid
