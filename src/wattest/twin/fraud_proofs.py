"""Fraud proofs: two headers for one sequence, and evidence that its meter's key does not sign.

A module of the core with the powers to convict and to fine: each call takes its state and the core's. No reading is
revealed. Twin of ``contracts/src/FraudProofs.sol``; the checks stand in the contract's order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from wattest.crypto.hashing import keccak256
from wattest.crypto.p256 import verify_digest
from wattest.errors import WattestError
from wattest.messages.channel import ChannelKind
from wattest.messages.fields import ADDRESS_BYTES, ZERO_WORD, require_bytes, uint_word
from wattest.messages.header import BatchHeader
from wattest.twin.batch import BatchReference, BatchState, EntryInclusion
from wattest.twin.challenge import EvidenceOpening
from wattest.twin.entry_proof import require_entry
from wattest.twin.errors import (
    AlreadyConvicted,
    EntryKindMismatch,
    EvidenceMismatch,
    EvidenceValid,
    KeyNeverRegistered,
    NotEquivocation,
    SignersDiffer,
    TermsNotZero,
    UnknownBatch,
)
from wattest.twin.parameters import ChannelParameters
from wattest.twin.referee.batches import recover_signer
from wattest.twin.referee.powers import apply_convict, apply_fine
from wattest.twin.referee.state import BatchKey, Call, RefereeState, require_header, state_of
from wattest.twin.registry import RegistryState, was_registered
from wattest.units import U256_MAX

SIGNED_BLOCK_KIND = 1
EQUIVOCATION_TAG = keccak256(b"wattest/equivocation/1")


@dataclass(frozen=True, slots=True)
class FraudProofsState:
    """The module's storage: the sequences at which equivocation was proved."""

    address: bytes
    convicted: frozenset[BatchKey] = frozenset()

    def __post_init__(self) -> None:
        require_bytes("address", self.address, ADDRESS_BYTES)


def fraud_proofs_terms_rule(_kind: ChannelKind, _parameters: ChannelParameters, terms: bytes) -> None:
    """What the module asks of its terms: it has none.

    Raises: TermsNotZero.
    """
    if terms != ZERO_WORD:
        raise TermsNotZero


def equivocation_matter(sequence: int) -> bytes:
    """What an operator is fined for when no batch of this sequence can be convicted."""
    return keccak256(EQUIVOCATION_TAG + uint_word(sequence))


def apply_equivocation(
    state: FraudProofsState,
    referee: RefereeState,
    call: Call,
    registry: RegistryState,
    first: BatchHeader,
    first_signature: bytes,
    second: BatchHeader,
    second_signature: bytes,
    batch: BatchReference,
) -> tuple[FraudProofsState, RefereeState]:
    """Ban for two headers of one sequence, and slash the batch that stands there, whichever header that has.

    Where none was committed, or a final one, the operator is fined; where it was slashed before, banned only. ``batch``
    is looked at only if its sequence is reached.

    Raises: NotEquivocation, InvalidSignature, SignersDiffer, KeyNeverRegistered, AlreadyConvicted, UnknownBatch, those
    of ``state_of``, and of the core's ``apply_convict`` and ``apply_fine``.
    """
    digests = first.digest(referee.domain), second.digest(referee.domain)
    key = (first.channel, first.operator, first.sequence)
    if key != (second.channel, second.operator, second.sequence) or digests[0] == digests[1]:
        raise NotEquivocation
    signer = recover_signer(digests[0], first_signature)
    other = recover_signer(digests[1], second_signature)
    if signer != other:
        raise SignersDiffer(signer, other)
    if not was_registered(registry, referee.referee, first.channel, first.operator, signer):
        raise KeyNeverRegistered(signer)
    if key in state.convicted:
        raise AlreadyConvicted(first.sequence)
    state, by_module = replace(state, convicted=state.convicted | {key}), call.by(state.address)
    amount = U256_MAX
    if 0 < first.sequence <= referee.head_of(first.channel, first.operator).sequence:
        if key != (batch.channel, batch.operator, batch.sequence):
            raise UnknownBatch(*key)
        stands = state_of(referee, batch, call.now)
        if stands is BatchState.COMMITTED:
            return state, apply_convict(referee, by_module, batch, call.caller, bans=True)
        # What was slashed lost its stake: one loss for one batch. The operator is banned all the same.
        if stands is BatchState.SLASHED:
            amount = 0
    matter = equivocation_matter(first.sequence)
    return state, apply_fine(referee, by_module, *key[:2], matter, amount, call.caller, bans=True)


def apply_invalid_evidence(
    state: FraudProofsState,
    referee: RefereeState,
    call: Call,
    header: BatchHeader,
    batch: BatchReference,
    entry: EntryInclusion,
    opening: EvidenceOpening,
) -> RefereeState:
    """Ban and slash for an entry of kind 1 whose meter signature does not verify, before the batch is final.

    Raises: HeaderMismatch, those of ``require_entry``, EntryKindMismatch, EvidenceMismatch, EvidenceValid, those of the
    core's ``apply_convict``.
    """
    require_header(referee, header, batch.record)
    require_entry(header, entry)
    if entry.payload[1] != SIGNED_BLOCK_KIND:
        raise EntryKindMismatch(SIGNED_BLOCK_KIND, entry.payload[1])
    evidence = entry.payload[-32:]
    if opening.digest != evidence:
        raise EvidenceMismatch(evidence, opening.digest)
    try:
        verify_digest(opening.public_key, opening.message_digest, opening.signature)
    except WattestError:
        return apply_convict(referee, call.by(state.address), batch, call.caller, bans=True)
    raise EvidenceValid
