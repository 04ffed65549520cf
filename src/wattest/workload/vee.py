"""Codec of the ``vee`` guest: one meter's records of one period in, the edited records out.

Decided here: the bytes of the job and of its result. Not decided here: what a record means (``metering.records``; rooms
on one floor are strangers, so records pass as bytes), nor the rules, which the guest alone applies. docs/spec/vee.md
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from wattest.errors import InputError
from wattest.workload.engine import Guest, Limits
from wattest.workload.status import MalformedGuestOutput, result_of

VEE_RECORD_BYTES = 63
MAX_VEE_RECORDS = 100_000
VEE_HEADER_BYTES = 66

_VERSION = 1
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


def run_vee(guest: Guest, job: VeeInput, limits: Limits | None = None) -> VeeOutput:
    """Run one job. Raises ``VeeInputInvalid``, ``JobDeclined``, ``GuestFailure``."""
    return parse_vee_output(guest.run(encode_vee_input(job), limits).output)
