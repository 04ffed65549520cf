"""A job: one period of a scheduled channel, sealed from its members' signed device blocks.

Decided here: what it consists of and how it is asked for. What the enclave checks: ``measured.seal_series``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from wattest.enclave.host.job_calls import JobCalls, job_span, numbers, steps_of
from wattest.enclave.host.jobs import ChainHead, SealedBatch
from wattest.messages.member_list import SignedMemberList


@dataclass(frozen=True, slots=True)
class SealJob:
    """One period of a scheduled channel: who belongs (manager-signed), their meter keys, and their device blocks.

    ``meter_keys`` are 32 bytes each, in the order of ``members``. ``blocks`` holds the wire form of device blocks
    (``metering.device_block``), at most one per member, in any order; it is read once, as a stream. Members without a
    block become absent entries.
    """

    head: ChainHead
    period_start: int
    period_end: int
    members: SignedMemberList
    meter_keys: Sequence[bytes] = field(repr=False)
    blocks: Iterable[bytes] = field(repr=False)

    def ask(self, calls: JobCalls) -> SealedBatch:
        """Seal one period; the identical job again gives the identical header and signature.

        Raises: HeadMismatch, JobConflict, PeriodOverlaps, MemberListRefused, MeterKeyRefused, DeviceBlockRefused,
        SeriesRefused (with the member's index), EnclaveUnreachable.
        """
        channel = self.members.member_list.channel
        begun = calls.ask_for(
            "seal.begin",
            {
                **job_span(channel, self.head, self.period_start, self.period_end),
                "members": self.members.to_bytes(),
                "meter_keys": b"".join(self.meter_keys),
            },
        )
        order = numbers(begun["order"].rows(4, len(self.meter_keys)))
        begun.close()
        blocks: dict[int, bytes] = {}
        for step in steps_of(self.blocks, len):
            blocks.update(calls.sealed_step("seal.add", {"blocks": step}, len(step)))
        return calls.finish_job(order, blocks)
