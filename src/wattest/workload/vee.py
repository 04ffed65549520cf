"""Codec of the ``vee`` guest: one meter's records of one period in, the edited records out; many meters in one call.

Decided here: the bytes of jobs and of their results, and how many share a call. Not decided here: what a record means
(``metering.records``; rooms on one floor are strangers, so records pass as bytes), nor the rules, which the guest alone
applies. docs/spec/vee.md
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from wattest.errors import InputError
from wattest.workload.engine import Guest, Limits
from wattest.workload.failures import GuestFailure, JobDeclined
from wattest.workload.status import MalformedGuestOutput, result_of

VEE_RECORD_BYTES = 63
MAX_VEE_RECORDS = 100_000
VEE_HEADER_BYTES = 66
MAX_VEE_JOBS = 512

_VERSION = 1
_MANY = 2
_HEADER = struct.Struct(">BBQQIQQQQQI")

REASONS = {
    1: "malformed header",
    2: "unknown record version",
    3: "records of more than one meter",
    4: "quality flags that belong to vee are already set",
    5: "a record without duration",
    6: "a record outside the period",
    7: "records overlap, repeat or go back in time",
    8: "a register or energy is not below the register modulus",
    9: "a register runs backwards",
    10: "the period's energy overflows",
    11: "too many records",
}


class VeeInputInvalid(InputError):
    """A ``vee`` job that its format cannot express."""


@dataclass(frozen=True, slots=True)
class PreviousInterval:
    """The last measured interval before the period: its end (unix seconds) and registers (milliwatt-hours)."""

    end: int
    import_register: int
    export_register: int


@dataclass(frozen=True, slots=True)
class VeeInput:
    """One job.

    ``records`` is a run of 63-byte device records. ``interval_s`` 0 means a series without a grid, in which nothing is
    filled. ``register_modulus_milliwatt_hours`` 0 means 2**64. ``max_interval_milliwatt_hours`` 0 judges no power.
    """

    period_start: int
    period_end: int
    interval_s: int
    records: bytes = field(repr=False)
    register_modulus_milliwatt_hours: int = 0
    max_interval_milliwatt_hours: int = 0
    previous: PreviousInterval | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class VeeOutput:
    """The edited records: measured ones with the high byte of their quality set, estimated ones between them."""

    count: int
    records: bytes = field(repr=False)


def encode_vee_input(job: VeeInput) -> bytes:
    """The guest's input. Raises ``VeeInputInvalid`` where a value does not fit its field. docs/spec/vee.md"""
    count, rest = divmod(len(job.records), VEE_RECORD_BYTES)
    if rest or not 1 <= count <= MAX_VEE_RECORDS:
        raise VeeInputInvalid(
            "records are not 1 to 100,000 whole device records",
            expected=VEE_RECORD_BYTES,
            actual=len(job.records),
            hint="a meter without records is an absent entry of its batch",
        )
    previous = job.previous or PreviousInterval(0, 0, 0)
    try:
        header = _HEADER.pack(
            _VERSION, job.previous is not None, job.period_start, job.period_end, job.interval_s,
            job.register_modulus_milliwatt_hours, job.max_interval_milliwatt_hours,
            previous.end, previous.import_register, previous.export_register, count,
        )  # fmt: skip
    except struct.error as error:
        raise VeeInputInvalid("a value does not fit its field", reason=str(error)) from None
    return header + job.records


def parse_vee_output(output: bytes) -> VeeOutput:
    """Read the guest's output.

    Raises ``JobDeclined`` (a ``VerificationError``) where the guest refused the job, ``MalformedGuestOutput``.
    """
    result = result_of("vee", output, REASONS)
    count = int.from_bytes(result[:4], "big")
    if len(result) < 4 or count > MAX_VEE_RECORDS or len(result) != 4 + count * VEE_RECORD_BYTES:
        raise MalformedGuestOutput("the output of vee has another length than its count", actual=len(result))
    return VeeOutput(count, result[4:])


def encode_vee_inputs(jobs: Sequence[VeeInput]) -> bytes:
    """One input of 1 to ``MAX_VEE_RECORDS`` jobs. Raises ``VeeInputInvalid``. docs/spec/vee.md, section "Many jobs"."""
    if not 1 <= len(jobs) <= MAX_VEE_RECORDS:
        raise VeeInputInvalid("a call takes 1 to 100,000 jobs", expected=MAX_VEE_RECORDS, actual=len(jobs))
    parts = [bytes([_MANY]), len(jobs).to_bytes(4, "big")]
    for job in jobs:
        data = encode_vee_input(job)
        parts += [len(data).to_bytes(4, "big"), data]
    return b"".join(parts)


def parse_vee_outputs(output: bytes, jobs: int) -> list[VeeOutput]:
    """Read the guest's output for ``jobs`` jobs of one call, in their order.

    Raises ``JobDeclined`` (its ``index`` is the job's place) where the guest refused one, ``MalformedGuestOutput``.
    """
    result = memoryview(result_of("vee", output, REASONS))
    results = []
    at = 4
    for _ in range(jobs):
        count = int.from_bytes(result[at : at + 4], "big")
        end = at + 4 + count * VEE_RECORD_BYTES
        results.append(VeeOutput(count, bytes(result[at + 4 : end])))
        at = end
    if int.from_bytes(result[:4], "big") != jobs or at != len(result):
        raise MalformedGuestOutput("the output of vee does not hold the results of its jobs", actual=len(result))
    return results


def run_vee_many(guest: Guest, jobs: Sequence[VeeInput], limits: Limits | None = None) -> Iterator[VeeOutput]:
    """Run jobs, many in one call of the guest, and yield their results in order; ``limits`` are one job's.

    A call that fails is made again job by job, so that every outcome is the one that the job has alone: raises what
    ``run_vee`` raises for the first job that fails.
    """
    limits = limits or Limits()
    for batch in _batches(jobs):
        try:
            results = parse_vee_outputs(guest.run(encode_vee_inputs(batch), limits).output, len(batch))
        except (JobDeclined, GuestFailure):
            yield from (run_vee(guest, job, limits) for job in batch)
        else:
            yield from results


def _batches(jobs: Sequence[VeeInput]) -> Iterator[Sequence[VeeInput]]:
    """Runs of jobs whose records, with gaps filled, fit one call as far as can be told beforehand."""
    start = records = 0
    for index, job in enumerate(jobs):
        slots = (job.period_end - job.period_start) // job.interval_s if job.interval_s else 0
        most = len(job.records) // VEE_RECORD_BYTES + slots + 2
        if index > start and (records + most > MAX_VEE_RECORDS or index - start == MAX_VEE_JOBS):
            yield jobs[start:index]
            start, records = index, 0
        records += most
    if start < len(jobs):
        yield jobs[start:]


def run_vee(guest: Guest, job: VeeInput, limits: Limits | None = None) -> VeeOutput:
    """Run one job. Raises ``VeeInputInvalid``, ``JobDeclined``, ``GuestFailure``."""
    return parse_vee_output(guest.run(encode_vee_input(job), limits).output)
