"""A statement over own batches: the guest's bills against the plain twin, and citations that must not count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from enclave_community import FIRST_DAY, TARIFF, Community, LocalEnclave, secret
from sealed_series import none_held

from wattest.crypto.hashing import sha256
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.enclave.host.client import CitedBatch, Identity, ImportItem, ImportJob, SealedBatch, StatementJob
from wattest.enclave.measured import seal_statement as measured
from wattest.enclave.measured.errors import (
    CitationRefused,
    JobConflict,
    MeterKeyRefused,
    PayoutsBroken,
    PeriodOverlaps,
    RequestInvalid,
    SettlementRefused,
)
from wattest.errors import WattestError
from wattest.merkle import MerkleTree, sha256_root
from wattest.messages.header import recover_header_signer, sign_header
from wattest.metering.device_block import parse_device_block
from wattest.metering.entry import EntryKind, parse_statement_entry
from wattest.metering.meter import statement_job_id
from wattest.metering.series_block import parse_series_block
from wattest.metering.series_key import entry_salt
from wattest.sealing.bundle import open_block
from wattest.sealing.statement_block import (
    PayoutBlockMismatch,
    bill_blinding,
    is_payout_entry,
    payout_job_id,
    payout_result,
    verify_payout_block,
)
from wattest.sealing.wrapped_keys import unwrap_series_key
from wattest.settlement.allocation import AllocationKey
from wattest.settlement.settle_twin import settle
from wattest.workload.settle import HouseholdInput, StatementInput, parse_payouts

CSV = b"start,import_kwh,export_kwh\n2024-10-04T00:00:00Z,0.25,0\n"


@pytest.fixture
def metering(enclave: LocalEnclave, community: Community) -> tuple[Identity, list[SealedBatch]]:
    """Two sealed days; household 2 is absent on the second. The enclave has a key for the statement channel too."""
    identity = enclave.describe().identities[0]
    enclave.create_identity(community.binding(community.open_channel), community.open_channel)
    first = enclave.seal(community.seal_job(0))
    second = enclave.seal(community.seal_job(1, community.head(first), absent=frozenset({2})))
    return identity, [first, second]


def expected_input(community: Community, job: StatementJob) -> StatementInput:
    """The settlement's input from the device blocks themselves."""
    count = (job.period_end - job.period_start) // 900
    households = []
    for member in range(community.count):
        imports, exports = np.zeros(count, dtype=np.uint64), np.zeros(count, dtype=np.uint64)
        for day in range(2):
            if (member, day) == (2, 1):
                continue
            records = parse_device_block(community.block(member, day)).records
            imports[96 * day : 96 * day + 96] = records["import_milliwatt_hours"]
            exports[96 * day : 96 * day + 96] = records["export_milliwatt_hours"]
        key = community.meter_keys[member]
        households.append(
            HouseholdInput(
                statement_job_id(key, job.channel, job.period_start),
                bill_blinding(key, job.channel, job.period_start),
                imports,
                exports,
            )
        )
    return StatementInput(job.period_start, job.period_end, 900, job.tariff, job.allocation, job.payees, households)


def test_bills_and_payouts_are_what_the_plain_twin_computes(
    enclave: LocalEnclave, community: Community, metering: tuple[Identity, list[SealedBatch]]
) -> None:
    identity, batches = metering
    job = community.statement_job(batches, identity)
    statement = enclave.seal(job)
    header = statement.header
    twin = settle(expected_input(community, job))
    digests = [batch.header.digest(community.domain) for batch in batches]
    assert header.inputs == sha256_root(b"".join(digests), 32)
    assert (header.roster, header.state, header.entry_count) == (bytes(32), bytes(32), 6)
    assert header.workload == enclave.describe().settle_workload
    own = next(found for found in enclave.describe().identities if found.channel == community.open_channel.id)
    assert recover_header_signer(header, statement.signature, community.domain) == own.address

    assert statement.payouts is not None
    seen = set()
    salts = []
    for index, payload in enumerate(statement.entries):
        entry, member = parse_statement_entry(payload), statement.member_of[index]
        reader = community.watchers[0]
        wrapped = statement.wrapped_keys[index][reader.public_key]
        key = unwrap_series_key(reader, wrapped, header.channel, 1, index, entry.job_id)
        salts.append(entry_salt(key))
        block = parse_series_block(open_block(key, header.channel, 1, entry.job_id, statement.blocks[index]))
        assert block.entry == entry
        assert block.result == statement.results[index]
        assert sha256(block.source) == entry.input_digest
        assert entry.kind == EntryKind.STATEMENT
        seen.add(member)
        if member == -1:
            assert index == statement.payouts.entry
            assert entry.job_id == payout_job_id(header.channel, header.period_start)
            assert entry.result_digest == payout_result(statement.payouts.root, statement.payouts.total)
            cited = [(digest, at) for digest, batch in zip(digests, batches, strict=True) for at in range(5)]
        else:
            assert entry.job_id == statement_job_id(community.meter_keys[member], header.channel, header.period_start)
            assert statement.results[index] == twin.bills[member]
            assert entry.result_digest == sha256(twin.bills[member])
            cited = [
                (digest, list(batch.member_of).index(member)) for digest, batch in zip(digests, batches, strict=True)
            ]
        assert block.source == (
            b"wattest/statement-input/1" + sha256(job.tariff) + sha256(job.allocation) + len(cited).to_bytes(4, "big")
            + b"".join(digest + at.to_bytes(4, "big") for digest, at in cited)
        )  # fmt: skip
    assert seen == {-1, 0, 1, 2, 3, 4}
    assert MerkleTree.build(b"".join(statement.entries), 118, b"".join(salts)).root == header.root

    listed = parse_payouts(statement.payouts.listed)
    assert listed == list(twin.payouts)
    assert listed, "the test's exporters must be owed something"
    leaves = b"".join(payout.leaf_payload() for payout in listed)
    assert MerkleTree.build(leaves, 53, statement.payouts.salts).root == statement.payouts.root
    assert statement.payouts.total == twin.payout_total


def test_the_same_statement_again_is_the_same(
    enclave: LocalEnclave, community: Community, metering: tuple[Identity, list[SealedBatch]]
) -> None:
    identity, batches = metering
    job = community.statement_job(batches, identity)
    first, again = enclave.seal(job), enclave.seal(job)
    assert (first.header, first.signature, first.payouts) == (again.header, again.signature, again.payouts)
    other = replace(job, tariff=replace(TARIFF, energy=1).to_bytes())
    with pytest.raises(JobConflict):
        enclave.seal(community.agreed(other))


def test_payouts_continue_the_sealed_list(
    enclave: LocalEnclave, community: Community, metering: tuple[Identity, list[SealedBatch]]
) -> None:
    identity, batches = metering
    with pytest.raises(PayoutsBroken):
        enclave.seal(community.statement_job(batches, identity, previous=b"\x01" * 20 + (5).to_bytes(32, "big")))
    first = enclave.seal(community.statement_job(batches, identity))
    third = enclave.seal(community.seal_job(2, community.head(batches[1])))
    head = community.head(first)
    assert first.payouts is not None
    with pytest.raises(PayoutsBroken):
        enclave.seal(community.statement_job([third], identity, head))
    job = community.statement_job([third], identity, head, first.payouts.listed)
    second = enclave.seal(job)
    assert second.payouts is not None
    assert second.payouts.total > first.payouts.total
    assert enclave.seal(job).header == second.header


def test_no_time_is_settled_twice(
    enclave: LocalEnclave, community: Community, metering: tuple[Identity, list[SealedBatch]]
) -> None:
    identity, batches = metering
    first = enclave.seal(community.statement_job(batches, identity))
    assert first.payouts is not None
    for again in (batches, batches[1:]):
        with pytest.raises(PeriodOverlaps):
            enclave.seal(community.statement_job(again, identity, community.head(first), first.payouts.listed))


def test_an_import_between_statements_keeps_the_payout_list(
    enclave: LocalEnclave, community: Community, metering: tuple[Identity, list[SealedBatch]]
) -> None:
    identity, batches = metering
    first = enclave.seal(community.statement_job(batches, identity))
    assert first.payouts is not None
    items = (ImportItem(CSV, secret("import"), community.readers[0].public_key),)
    job = ImportJob(community.open_channel.id, community.head(first), FIRST_DAY, FIRST_DAY + 86_400, items)
    between = enclave.seal(job)
    with pytest.raises(PeriodOverlaps):
        enclave.seal(community.statement_job(batches, identity, community.head(between), first.payouts.listed))
    third = enclave.seal(community.seal_job(2, community.head(batches[1])))
    second = enclave.seal(community.statement_job([third], identity, community.head(between), first.payouts.listed))
    assert second.payouts is not None
    assert second.payouts.total > first.payouts.total


def _cited(job: StatementJob) -> list[CitedBatch]:
    return list(job.batches)


def _swap_entries(job: StatementJob) -> StatementJob:
    first, *rest = _cited(job)
    order = [1, 0, 2, 3, 4]
    changed = replace(
        first,
        entries=[first.entries[at] for at in order],
        blocks=[first.blocks[at] for at in order],
        wrapped_keys=[first.wrapped_keys[at] for at in order],
    )
    return replace(job, batches=[changed, *rest])


def _change_block(job: StatementJob) -> StatementJob:
    first, *rest = _cited(job)
    blocks = [first.blocks[0][:-1] + bytes([first.blocks[0][-1] ^ 1]), *first.blocks[1:]]
    return replace(job, batches=[replace(first, blocks=blocks), *rest])


def _change_entry(job: StatementJob) -> StatementJob:
    first, *rest = _cited(job)
    entries = [first.entries[0][:-1] + bytes([first.entries[0][-1] ^ 1]), *first.entries[1:]]
    return replace(job, batches=[replace(first, entries=entries), *rest])


def _swap_keys(job: StatementJob) -> StatementJob:
    first, *rest = _cited(job)
    wrapped = [first.wrapped_keys[1], first.wrapped_keys[0], *first.wrapped_keys[2:]]
    return replace(job, batches=[replace(first, wrapped_keys=wrapped), *rest])


def _change_header(job: StatementJob) -> StatementJob:
    first, *rest = _cited(job)
    return replace(job, batches=[replace(first, header=replace(first.header, root=secret("root"))), *rest])


def _foreign_signature(job: StatementJob) -> StatementJob:
    from wattest.messages.eip712 import Domain

    first, *rest = _cited(job)
    stranger = Secp256k1PrivateKey.from_seed(secret("stranger"))
    signature = sign_header(stranger, first.header, Domain(31337, b"\x03" * 20))
    return replace(job, batches=[replace(first, signature=signature), *rest])


REFUSALS: dict[str, tuple[Callable[[StatementJob], StatementJob], type[WattestError]]] = {
    "entries in another order": (_swap_entries, CitationRefused),
    "a changed block": (_change_block, CitationRefused),
    "a changed entry": (_change_entry, CitationRefused),
    "keys of one another": (_swap_keys, CitationRefused),
    "a changed header": (_change_header, CitationRefused),
    "a header of another key": (_foreign_signature, CitationRefused),
    "a day left out": (lambda job: replace(job, batches=_cited(job)[:1]), CitationRefused),
    "the first day left out": (lambda job: replace(job, batches=_cited(job)[1:]), CitationRefused),
    "a day twice": (lambda job: replace(job, batches=[*_cited(job)[:1], *_cited(job)]), CitationRefused),
    "a longer period": (lambda job: replace(job, period_end=job.period_end + 86_400), CitationRefused),
    "a shorter period": (lambda job: replace(job, period_end=job.period_end - 86_400), CitationRefused),
    "half a quarter hour": (lambda job: replace(job, period_end=job.period_end - 450), RequestInvalid),
    "a payee too few": (lambda job: replace(job, payees=job.payees[:-1]), RequestInvalid),
    "another meter key": (
        lambda job: replace(job, meter_keys=[secret("other"), *job.meter_keys[1:]]),
        MeterKeyRefused,
    ),
    "a tariff of another version": (lambda job: replace(job, tariff=b"\x02" + job.tariff[1:]), SettlementRefused),
    "a tariff cut short": (lambda job: replace(job, tariff=job.tariff[:-1]), SettlementRefused),
    "weights that do not add up": (
        lambda job: replace(job, allocation=b"\x01" + job.allocation[1:]),
        SettlementRefused,
    ),
    "a key for other households": (
        lambda job: replace(job, allocation=AllocationKey.dynamic(4).to_bytes()),
        SettlementRefused,
    ),
    "previous payouts cut short": (lambda job: replace(job, previous_payouts=b"\x01" * 51), SettlementRefused),
}


@pytest.mark.parametrize(("change", "kind"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_statement_that_must_not_count_is_refused(
    enclave: LocalEnclave,
    community: Community,
    metering: tuple[Identity, list[SealedBatch]],
    change: Callable[[StatementJob], StatementJob],
    kind: type[WattestError],
) -> None:
    identity, batches = metering
    job = community.statement_job(batches, identity)
    with pytest.raises(kind) as in_columns:
        enclave.seal(community.agreed(change(job)))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(measured, "check_blocks", lambda _channel, _sequence, entries, *_: none_held(len(entries)))
        with pytest.raises(kind) as plainly:
            enclave.seal(community.agreed(change(job)))
    assert (str(plainly.value), plainly.value.fields) == (str(in_columns.value), in_columns.value.fields)
    assert enclave.last_release(community.open_channel.id) is None
    assert enclave.seal(job).header.sequence == 1


def test_a_payout_block_holds_or_says_what_differs(
    enclave: LocalEnclave, community: Community, metering: tuple[Identity, list[SealedBatch]]
) -> None:
    identity, batches = metering
    statement = enclave.seal(community.statement_job(batches, identity))
    assert statement.payouts is not None
    index, reader = statement.payouts.entry, community.watchers[0]
    name = statement.entries[index][2:34]
    place = (statement.header.channel, 1, name)
    wrapped = statement.wrapped_keys[index][reader.public_key]
    key = unwrap_series_key(reader, wrapped, statement.header.channel, 1, index, name)
    block = parse_series_block(open_block(key, *place, statement.blocks[index]))
    assert is_payout_entry(block.entry, statement.header.channel)
    assert not is_payout_entry(block.entry, secret("other channel"))
    assert verify_payout_block(block, key).root == statement.payouts.root
    more = block.result[:-1] + bytes([block.result[-1] ^ 1])
    for changed, changed_key in (
        (replace(block, result=more), key),
        (replace(block, result=block.result[52:]), key),
        (replace(block, source=block.source + b"\x00"), key),
        (block, secret("other key")),
    ):
        with pytest.raises(PayoutBlockMismatch):
            verify_payout_block(changed, changed_key)
