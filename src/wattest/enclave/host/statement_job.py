"""A job: a billing period settled over own batches, sealed as bills and payouts into an open channel.

Decided here: what it consists of and how it is asked for. What the enclave checks: ``measured.seal_statement``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from wattest.enclave.host.job_calls import JobCalls, job_span, steps_of
from wattest.enclave.host.jobs import ChainHead, SealedBatch
from wattest.messages.header import BatchHeader
from wattest.messages.member_list import SignedMemberList
from wattest.messages.settlement_terms import SignedTerms


@dataclass(frozen=True, slots=True)
class CitedBatch:
    """A batch that a statement is computed from: header, signature, and the bundle with the enclave's wrapped keys.

    ``wrapped_keys`` are those found under the enclave's own ``storage_key``, in the order of entries.
    """

    header: BatchHeader
    signature: bytes
    entries: Sequence[bytes] = field(repr=False)
    blocks: Sequence[bytes] = field(repr=False)
    wrapped_keys: Sequence[bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class StatementJob:
    """A billing period of one metering channel, to be settled into the open channel ``channel``.

    ``members`` and ``meter_keys`` as in ``SealJob``. ``tariff`` and ``allocation`` are the canonical bytes of the
    settlement room. ``payees`` are the 20-byte payout addresses in member order, zero for none. ``terms``: the
    statement channel's manager signed these very parameters (docs/spec/settlement-terms.md). ``batches`` tile the
    period without a gap, ascending. ``previous_payouts`` is the payout list (52 bytes each) of the statement before in
    this channel, empty at first.
    """

    channel: bytes
    head: ChainHead
    period_start: int
    period_end: int
    members: SignedMemberList
    meter_keys: Sequence[bytes] = field(repr=False)
    payees: Sequence[bytes] = field(repr=False)
    tariff: bytes = field(repr=False)
    allocation: bytes = field(repr=False)
    terms: SignedTerms
    batches: Iterable[CitedBatch] = field(repr=False)
    previous_payouts: bytes = field(default=b"", repr=False)

    def ask(self, calls: JobCalls) -> SealedBatch:
        """Run the settlement over cited batches and seal one entry per bill and one for the payouts.

        Raises: HeadMismatch, JobConflict, TermsRefused, CitationRefused, SettlementRefused, PayoutsBroken,
        EnclaveUnreachable.
        """
        calls.ask_for(
            "statement.begin",
            {
                **job_span(self.channel, self.head, self.period_start, self.period_end),
                "members": self.members.to_bytes(),
                "meter_keys": b"".join(self.meter_keys),
                "payees": b"".join(self.payees),
                "tariff": self.tariff,
                "allocation": self.allocation,
                "previous_payouts": self.previous_payouts,
                "terms_from": self.terms.valid_from,
                "terms_until": self.terms.valid_until,
                "terms_signature": self.terms.signature,
            },
        ).close()
        for batch in self.batches:
            self._cite(calls, batch)
        return calls.finish_job(None, {})

    @staticmethod
    def _cite(calls: JobCalls, batch: CitedBatch) -> None:
        calls.ask_for("statement.cite", {"header": batch.header.to_bytes(), "signature": batch.signature}).close()
        start = 0
        for step in steps_of(batch.blocks, len):
            end = start + len(step)
            params: dict[str, object] = {
                "entries": b"".join(batch.entries[start:end]),
                "blocks": step,
                "wrapped": b"".join(batch.wrapped_keys[start:end]),
            }
            calls.ask_for("statement.add", params).close()
            start = end
