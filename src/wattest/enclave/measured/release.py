"""One header per sequence, whatever happens: the head check before a job, and sealing before a signature leaves.

Decided here: when a job may start given the chain's head and the sealed state, and the order sign, seal, release. Not
decided here: what is in the batch (``batch``). Invariants: a signature is released only after it is sealed; for one
sequence only one header is ever signed by one line of sealed state; a state that was rolled back, or a second copy of
it, meets a head that it does not know and refuses.
Source: docs/spec/sealed-state.md, sections "Before a job" and "Release".
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from wattest.enclave.measured.errors import HeadMismatch, JobConflict
from wattest.enclave.measured.identity import Identities
from wattest.enclave.measured.sealed_state import PendingBatch, SealedState, Standing, require_active
from wattest.enclave.measured.stop_points import StopPoints
from wattest.messages.header import BatchHeader, sign_header


@dataclass(frozen=True, slots=True)
class Head:
    """The operator's head in the channel, as the host says the chain has it: sequence and header digest (32 bytes)."""

    sequence: int
    digest: bytes


def require_head(state: SealedState, head: Head) -> bool:
    """Whether the job is the last one again (True) or the next (False).

    Raises: HeadMismatch when the chain stands anywhere else; PhaseRefused for the next job of a key that may not sign.
    """
    if (head.sequence, head.digest) == (state.sequence, state.digest):
        require_active(state)
        return False
    if state.last is not None and (head.sequence, head.digest) == (state.sequence - 1, state.last.header.previous):
        return True
    if head.sequence > state.sequence:
        reason = "the chain is ahead: sealed state was rolled back, or another enclave continued"
    elif head.sequence == state.sequence:
        reason = "the chain holds another header of this sequence: the enclave was forked"
    else:
        reason = "the chain is behind: it was reorganised, or the head is not this operator's"
    raise HeadMismatch(
        reason,
        hint="restore the newest sealed state; if it is lost, make a new key that starts at the chain's head",
        expected=[state.sequence, state.digest],
        actual=[head.sequence, head.digest],
    )


def require_same_job(state: SealedState, job: bytes) -> PendingBatch:
    """The sealed batch that ``job`` made.

    Raises: JobConflict when it was another job, or its keys were erased.
    """
    last = state.last
    if last is None or last.job != job:
        raise JobConflict(
            "another job was already sealed for this sequence; only its header is released",
            hint="commit the released header (last_release), or submit the identical job",
            sequence=state.sequence,
        )
    if not last.series_keys:
        raise JobConflict("the batch was erased and cannot be made again", sequence=state.sequence)
    return last


def sign_and_seal(
    identities: Identities,
    state: SealedState,
    header: BatchHeader,
    job: bytes,
    digests: tuple[bytes, ...],
    series_keys: tuple[bytes, ...],
    after: Standing,
    faults: StopPoints,
) -> PendingBatch:
    """Sign a new header and seal it with everything that makes it again; only then is it in the caller's hands.

    Raises: PhaseRefused, HeadMismatch, StateWriteFailed; then nothing was released.
    """
    # As it is now: it may have gone on, or been handed over, since the job began.
    current = identities.get(state.channel.id)
    require_active(current)
    if (current.sequence, current.digest) != (header.sequence - 1, header.previous):
        raise HeadMismatch(
            "the state went on since the job began",
            hint="begin the job again",
            expected=[current.sequence, current.digest],
            actual=[header.sequence - 1, header.previous],
        )
    faults.reach("before_sign")
    pending = PendingBatch(header, sign_header(state.private_key, header, state.domain), job, digests, series_keys)
    faults.reach("before_seal")
    identities.save(replace(state, last=pending, before=state.after, after=after))
    faults.reach("before_release")
    return pending
