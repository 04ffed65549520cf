"""A settlement as a job for the enclave, and what comes back as rows to keep.

Decided here: which pieces of which batch the enclave is given. Not decided here: what it checks
(``measured.seal_statement``), when it is asked (``settler``). The same settlement gives the same job, byte for byte, so
that one which was sealed before a crash is sealed again to the same header.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wattest.enclave.host.client import ChainHead, CitedBatch, EnclaveClient, SealedBatch, StatementJob
from wattest.errors import ConfigError, ProtocolError
from wattest.metering.meter import meter_key_commitment
from wattest.store.duty import Duty
from wattest.store.operator_port import OperatorView
from wattest.store.ports import BundleStore
from wattest.store.settlement import SettledPayouts, Settlement
from wattest.twin.batch import BatchCitation
from wattest.workload.settle import BILL_FIXED_BYTES


class MeterKeyMissing(ConfigError):
    """A member whose meter key the operator's configuration does not hold."""


class BatchNotReadable(ProtocolError):
    """A batch that was sealed for another enclave's key than the one that settles."""


class BatchGone(ProtocolError):
    """A batch of the settlement that is no longer on chain."""


def statement_job(
    settlement: Settlement, view: OperatorView, bundles: BundleStore, duty: Duty, enclave: EnclaveClient
) -> StatementJob:
    """The job; its batches are read as the enclave asks for them.

    Raises: MeterKeyMissing, BatchNotReadable.
    """
    storage_key = _storage_key(enclave, settlement.metering_channel)
    _require_readable(settlement, view, storage_key)
    return StatementJob(
        channel=settlement.statement_channel,
        head=ChainHead(settlement.sequence - 1, settlement.previous),
        period_start=settlement.period_start,
        period_end=settlement.period_end,
        members=settlement.members,
        meter_keys=_meter_keys(settlement, duty),
        payees=settlement.payees,
        tariff=settlement.tariff,
        allocation=settlement.allocation,
        terms=settlement.terms,
        batches=_cited(settlement, view, bundles, storage_key),
        previous_payouts=settlement.previous_payouts,
    )


def settled_rows(sealed: SealedBatch) -> tuple[tuple[int, ...], tuple[bytes, ...], SettledPayouts]:
    """Each entry's member, each member's bill without its intervals, and what is owed."""
    owed = sealed.payouts
    assert owed is not None  # a statement has a payouts entry
    bill_of = {
        member: sealed.results[entry][:BILL_FIXED_BYTES] for entry, member in enumerate(sealed.member_of) if member >= 0
    }
    return (
        tuple(sealed.member_of),
        tuple(bill_of[member] for member in range(len(bill_of))),
        SettledPayouts(owed.entry, owed.root, owed.total, owed.listed, owed.salts),
    )


def citations(settlement: Settlement, view: OperatorView) -> tuple[BatchCitation, ...]:
    """The cited batches as the payout contract is told of them. Raises: BatchGone."""
    return tuple(_citation(view, settlement.metering_channel, sequence) for sequence in settlement.cited_sequences)


def statement_citation(settlement: Settlement, view: OperatorView) -> BatchCitation:
    """The statement's own batch in the same form. Raises: BatchGone."""
    return _citation(view, settlement.statement_channel, settlement.sequence)


def _citation(view: OperatorView, channel: bytes, sequence: int) -> BatchCitation:
    batch = view.batch(channel, sequence)
    if batch.header is None or batch.record is None:
        raise BatchGone("a batch of the settlement is not on chain", sequence=sequence, state=batch.state.value)
    return BatchCitation(channel, batch.header.operator, sequence, batch.record)


def _storage_key(enclave: EnclaveClient, channel: bytes) -> bytes:
    for identity in enclave.describe().identities:
        if identity.channel == channel:
            return identity.storage_key
    raise BatchNotReadable(
        "the enclave that settles has no key of the metering channel",
        channel=channel,
        hint="statements are settled by the enclave that sealed the days: let it serve both channels",
    )


def _require_readable(settlement: Settlement, view: OperatorView, storage_key: bytes) -> None:
    for sequence in settlement.cited_sequences:
        header = view.batch(settlement.metering_channel, sequence).header
        count = 0 if header is None else header.entry_count
        if len(view.wrapped_keys(settlement.metering_channel, sequence, storage_key)) != count or not count:
            raise BatchNotReadable(
                "the enclave that settles cannot open a batch of the period",
                sequence=sequence,
                hint="it was sealed under an enclave key whose state was not handed over, or was erased: settle the"
                " days of one key at a time",
            )


def _meter_keys(settlement: Settlement, duty: Duty) -> Sequence[bytes]:
    known = {meter_key_commitment(key): key for keys in duty.member_lists for key in keys.meter_keys}
    members = settlement.members.member_list.members
    missing = [member for member in members if member.meter_key_commitment not in known]
    if missing:
        raise MeterKeyMissing(
            "the configuration no longer holds a member's meter key",
            member=missing[0].public_key,
            hint="put the member's line back into the meter keys' file until the period is settled",
        )
    return [known[member.meter_key_commitment] for member in members]


def _cited(
    settlement: Settlement, view: OperatorView, bundles: BundleStore, storage_key: bytes
) -> Iterator[CitedBatch]:
    for sequence in settlement.cited_sequences:
        batch = view.batch(settlement.metering_channel, sequence)
        if batch.header is None or batch.signature is None:
            raise BatchGone("a batch of the settlement is not sealed", sequence=sequence, state=batch.state.value)
        entries, _ = view.entries(batch.channel, sequence)
        wrapped = view.wrapped_keys(batch.channel, sequence, storage_key)
        with bundles.open(batch.header.content_id) as bundle:
            blocks = list(bundle.blocks())
        yield CitedBatch(batch.header, batch.signature, entries, blocks, [wrapped[at] for at in range(len(entries))])
