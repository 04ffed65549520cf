"""Settles a billing period over own batches: cited bundles in, bills and payouts out, as entries of a statement batch.

Decided here: that every cited batch is this enclave's own and gives its own root again, that the citations tile the
period, how intervals line up, and what an entry of kind 18 commits to. Not decided here: the arithmetic (the ``settle``
guest), prices, shares and payees (the manager's ``settlement_terms``). Invariants: no reading enters a bill that was
not read out of a recomputed batch; nothing is settled under terms that the statement channel's manager did not sign;
the payout list continues the one this enclave sealed before.
Source: docs/spec/sealed-blocks.md, section "Statements"; docs/spec/settlement.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wattest.crypto.hashing import sha256
from wattest.crypto.strict_fields import Fields
from wattest.enclave.measured.batch_builder import ZERO, BatchBuilder, Job, Roots
from wattest.enclave.measured.errors import (
    CitationRefused,
    PayoutsBroken,
    PeriodOverlaps,
    RequestInvalid,
    SettlementRefused,
    TermsRefused,
)
from wattest.enclave.measured.identity import Identities
from wattest.enclave.measured.job_kind import MAX_BLOCKS_PER_STEP, MAX_MEMBER_LIST_BYTES, JobKind, JobTools, read_span
from wattest.enclave.measured.release import Head
from wattest.enclave.measured.seal_series import NO_RECORDS, read_members, readers_of
from wattest.enclave.measured.sealed_state import PendingBatch, Standing
from wattest.enclave.measured.stop_points import StopPoints
from wattest.errors import InputError, VerificationError
from wattest.merkle import MerkleTree, sha256_root
from wattest.messages.channel import ChannelKind
from wattest.messages.header import HEADER_BYTES, MAX_ENTRIES, BatchHeader, parse_header, recover_header_signer
from wattest.messages.member_list import parse_signed_member_list
from wattest.messages.settlement_terms import SettlementTerms, SignedTerms, verify_terms
from wattest.metering.entry import ENTRY_BYTES, EntryKind, StatementEntry
from wattest.metering.meter import blinded_meter, statement_job_id
from wattest.metering.records import Records
from wattest.metering.series_block import MAX_SERIES_BLOCK_BYTES, SeriesBlock, parse_series_block, verify_series_block
from wattest.metering.series_key import entry_salt
from wattest.sealing.bundle import open_block
from wattest.sealing.checked_columns import check_blocks, runs_of_blocks
from wattest.sealing.edited_series import GRID_S
from wattest.sealing.statement_block import bill_blinding, commit_payouts, payout_job_id, statement_input
from wattest.sealing.wrapped_keys import WRAPPED_BYTES, SeriesKeyOpener
from wattest.workload.engine import Guest, Limits
from wattest.workload.settle import (
    MAX_CELLS,
    MAX_PREVIOUS_PAYOUTS,
    PAYOUT_BYTES,
    HouseholdInput,
    StatementInput,
    StatementOutput,
    encode_payouts,
    parse_payouts,
    run_settle,
)

MAX_PARAMETER_BYTES = 1024 * 1024
SETTLE_LIMITS = Limits(fuel=200_000_000_000, deadline_s=100.0)


@dataclass(slots=True)
class _Citation:
    """A cited batch while its bundle arrives."""

    header: BatchHeader
    digest: bytes
    member_of: dict[bytes, int] = field(repr=False)
    entries: list[bytes] = field(default_factory=list)
    salts: list[bytes] = field(default_factory=list, repr=False)

    @property
    def is_whole(self) -> bool:
        return len(self.entries) == self.header.entry_count


class StatementSession:
    """One statement: ``statement.begin``, then ``cite`` and ``add`` for each batch in turn, then ``batch.finish``."""

    def __init__(
        self,
        identities: Identities,
        faults: StopPoints,
        guest: Guest,
        channel: bytes,
        head: Head,
        period: tuple[int, int],
        *,
        members: bytes,
        meter_keys: list[bytes],
        payees: list[bytes],
        tariff: bytes,
        allocation: bytes,
        previous_payouts: bytes,
        terms: tuple[int, int, bytes],
    ) -> None:
        own = identities.get(channel)
        if own.channel.kind != ChannelKind.OPEN:
            raise RequestInvalid("statements go into open channels", field="channel")
        count, rest = divmod(max(period[1] - period[0], 0), GRID_S)
        if rest or not 0 < count * len(meter_keys) <= MAX_CELLS or len(payees) != len(meter_keys):
            raise RequestInvalid(
                "a statement is over whole quarter hours, one payee to each member, at most 2**21 cells",
                actual=[period[1] - period[0], len(meter_keys), len(payees)],
            )
        self._identities, self._faults, self._guest = identities, faults, guest
        self._channel, self._head, self._period = channel, head, period
        self._metering = identities.get(parse_signed_member_list(members).identity.id)
        self._opener = SeriesKeyOpener(identities.storage_key(self._metering), self._metering.channel.id)
        self._list = read_members(self._metering, members, meter_keys, period[0]).member_list
        try:
            signed = SignedTerms(*terms)
            agreed = SettlementTerms.over(
                channel, self._list, tariff, allocation, payees, signed.valid_from, signed.valid_until
            )
            verify_terms(agreed, signed.signature, own.channel, own.domain, period)
        except (InputError, VerificationError) as error:
            raise TermsRefused(
                f"the settlement terms do not hold: {error.message}", hint=error.hint, **error.fields
            ) from error
        self._meter_keys, self._payees = meter_keys, payees
        self._tariff, self._allocation = tariff, allocation
        self._previous = previous_payouts
        parts = (members, b"".join(meter_keys), b"".join(payees), tariff, allocation, previous_payouts)
        self._content = sha256(b"".join(sha256(part) for part in parts))
        self._imports: NDArray[np.uint64] = np.zeros((len(meter_keys), count), dtype=np.uint64)
        self._exports: NDArray[np.uint64] = np.zeros_like(self._imports)
        self._cited: list[list[tuple[bytes, int]]] = [[] for _ in meter_keys]
        self._all: list[tuple[bytes, int]] = []
        self._digests: list[bytes] = []
        self._covered = period[0]
        self._open: _Citation | None = None
        self._builder: BatchBuilder | None = None
        self._results: dict[str, object] = {}

    def cite(self, header: BatchHeader, signature: bytes) -> None:
        """Begin the next batch of the period.

        Raises: CitationRefused when it is not this enclave's, of another channel, or leaves a gap.
        """
        if self._open is not None:
            raise CitationRefused("the batch before is not whole", expected=self._open.header.entry_count)
        own = self._metering
        if header.channel != own.channel.id or header.operator != own.operator:
            raise CitationRefused("a cited batch is of another channel or operator", actual=header.channel)
        signer = recover_header_signer(header, signature, own.domain)
        if signer not in own.signers:
            raise CitationRefused(
                "a cited batch was not signed by this enclave, nor by one whose state it took over",
                expected=list(own.signers),
                actual=signer,
            )
        if header.period_start != self._covered or header.period_end > self._period[1]:
            raise CitationRefused(
                "cited batches must tile the period, ascending and without a gap",
                expected=[self._covered, self._period[1]],
                actual=[header.period_start, header.period_end],
            )
        names = {
            blinded_meter(meter_key, header.channel, header.period_start): member
            for member, meter_key in enumerate(self._meter_keys)
        }
        self._open = _Citation(header, header.digest(own.domain), names)

    def add(self, entries: list[bytes], blocks: list[bytes], wrapped: list[bytes]) -> None:
        """Take the next entries of the open batch with their blocks and this enclave's wrapped keys.

        Raises: CitationRefused, also when the last entry came and the batch does not give its root.
        """
        citation = self._open
        if citation is None:
            raise CitationRefused("no batch is being cited")
        if not len(entries) == len(blocks) == len(wrapped):
            raise CitationRefused("entries, blocks and keys come together", actual=[len(entries), len(blocks)])
        for run in runs_of_blocks([len(block) for block in blocks]):
            part = slice(run.start, run.stop)
            held = self._held(citation, entries[part], blocks[part], wrapped[part])
            for place in run:
                self._take(citation, entries[place], blocks[place], wrapped[place], held.get(place - run.start))
        if citation.is_whole:
            self._close(citation)

    def finish(self) -> PendingBatch:
        """Settle and release."""
        if self._open is not None or self._covered != self._period[1]:
            raise CitationRefused(
                "the cited batches do not cover the period", expected=self._period[1], actual=self._covered
            )
        start = self._period[0]
        job_ids = [statement_job_id(meter_key, self._channel, start) for meter_key in self._meter_keys]
        output = self._settle(job_ids)
        names = [*job_ids, payout_job_id(self._channel, start)]
        order = sorted(range(len(names)), key=names.__getitem__)
        own_key = self._identities.storage_key(self._identities.get(self._channel)).public_key
        watchers = self._list.watcher_reader_keys
        readers = [readers_of(member, own_key, watchers) for member in self._list.members]
        readers.append(list(dict.fromkeys((own_key, *watchers))))
        citations = b"".join(self._digests)
        builder = BatchBuilder(
            self._identities,
            self._faults,
            Job(self._channel, self._head, *self._period, sha256(self._content + citations)),
            [names[item] for item in order],
            [readers[item] for item in order],
            self._guest.workload,
        )
        listed = self._require_previous(builder, output)
        self._builder = builder
        for index, item in enumerate(order):
            if item < len(job_ids):
                self._put_bill(builder, index, item, output.bills[item])
            else:
                self._put_payouts(builder, index, output, listed)
        self._results["order"] = np.asarray(
            [item if item < len(job_ids) else 2**32 - 1 for item in order], dtype=">u4"
        ).tobytes()
        return builder.finish(
            Roots(inputs=sha256_root(citations, 32)), Standing(payouts=sha256(listed), settled_until=self._period[1])
        )

    def results(self) -> dict[str, object]:
        """Order of entries, payout root, total (32 bytes), and the salts of its tree."""
        return self._results

    def page(self, start: int, count: int) -> dict[str, object]:
        """A page of the batch.

        Raises: RequestInvalid before the batch was finished.
        """
        if self._builder is None:
            raise RequestInvalid("the statement is not finished")
        return self._builder.page(start, count)

    def _held(
        self, citation: _Citation, entries: list[bytes], blocks: list[bytes], wrapped: list[bytes]
    ) -> dict[int, tuple[bytes, Records]]:
        """The series key and records of the signed series that hold in columns, by their places."""
        header, first = citation.header, len(citation.entries)
        places: list[int] = []
        keys: list[bytes] = []
        for place, (entry, key) in enumerate(zip(entries, wrapped, strict=True)):
            if entry[1] != EntryKind.SIGNED_DEVICE_BLOCK:
                continue
            try:
                keys.append(self._opener.unwrap(key, header.sequence, first + place, entry[2:34]))
            except (InputError, VerificationError):
                continue  # the plain way says why
            places.append(place)
        run = check_blocks(
            header.channel, header.sequence, [entries[at] for at in places], keys, [blocks[at] for at in places]
        )
        return {place: (keys[at], run.records(at)) for place, at in run.held_of(places).items()}

    def _take(
        self, citation: _Citation, entry: bytes, block: bytes, wrapped: bytes, held: tuple[bytes, Records] | None
    ) -> None:
        header, index = citation.header, len(citation.entries)
        if citation.is_whole:
            raise CitationRefused("more entries than the header counts", expected=header.entry_count)
        member = citation.member_of.get(entry[2:34])
        if member is None:
            raise CitationRefused("an entry is of no listed member", batch=citation.digest, entry=index)
        key, records = held or self._open_plainly(citation, entry, block, wrapped)
        citation.entries.append(entry)
        citation.salts.append(entry_salt(key))
        self._cited[member].append((citation.digest, index))
        self._all.append((citation.digest, index))
        if entry[1] != EntryKind.ABSENT:
            self._place(member, records, citation, index)

    def _open_plainly(self, citation: _Citation, entry: bytes, block: bytes, wrapped: bytes) -> tuple[bytes, Records]:
        """The series key and records of one entry by the plain rules. Raises: CitationRefused."""
        header, index = citation.header, len(citation.entries)
        name = entry[2:34]
        try:
            key = self._opener.unwrap(wrapped, header.sequence, index, name)
            content = parse_series_block(open_block(key, header.channel, header.sequence, name, block))
            if content.entry.pack() != entry:
                raise CitationRefused("a block holds another entry", batch=citation.digest, entry=index)
            verify_series_block(content, key)
        except (InputError, VerificationError) as error:
            if isinstance(error, CitationRefused):
                raise
            raise CitationRefused(
                f"a block does not hold: {error.message}", hint=error.hint, batch=citation.digest, entry=index
            ) from error
        return key, content.records

    def _place(self, member: int, records: Records, citation: _Citation, index: int) -> None:
        offset = records["start"].astype(np.int64) - self._period[0]
        cells, rest = np.divmod(offset, GRID_S)
        off_grid = (rest != 0) | (records["duration_s"] != GRID_S) | (cells < 0) | (cells >= self._imports.shape[1])
        if bool(off_grid.any()):
            raise CitationRefused(
                "a record does not lie on the quarter-hour grid", batch=citation.digest, entry=index,
                record=int(np.argmax(off_grid)),
            )  # fmt: skip
        self._imports[member, cells] = records["import_milliwatt_hours"]
        self._exports[member, cells] = records["export_milliwatt_hours"]

    def _close(self, citation: _Citation) -> None:
        root = MerkleTree.build(b"".join(citation.entries), ENTRY_BYTES, b"".join(citation.salts)).root
        if root != citation.header.root:
            raise CitationRefused(
                "a cited bundle does not give its batch's root", expected=citation.header.root, actual=root
            )
        self._digests.append(citation.digest)
        self._covered = citation.header.period_end
        self._open = None

    def _settle(self, job_ids: list[bytes]) -> StatementOutput:
        start, end = self._period
        try:
            households = [
                HouseholdInput(
                    job_ids[member],
                    bill_blinding(self._meter_keys[member], self._channel, start),
                    self._imports[member],
                    self._exports[member],
                )
                for member in range(len(job_ids))
            ]
            previous = parse_payouts(self._previous)
            job = StatementInput(start, end, GRID_S, self._tariff, self._allocation, self._payees, households, previous)
            return run_settle(self._guest, job, SETTLE_LIMITS)
        except (InputError, VerificationError) as error:
            raise SettlementRefused(
                f"the settlement was refused: {error.message}", hint=error.hint, reason=error.code
            ) from error

    def _require_previous(self, builder: BatchBuilder, output: StatementOutput) -> bytes:
        before = builder.before
        if self._period[0] < before.settled_until:
            raise PeriodOverlaps(
                "part of the period was settled before, and would be paid twice",
                expected=before.settled_until,
                actual=self._period[0],
            )
        expected = before.payouts
        actual = sha256(self._previous) if self._previous or expected != ZERO else ZERO
        if actual != expected:
            raise PayoutsBroken(
                "the payout list is not the one that this channel's last statement sealed",
                hint="pass the previous statement's list, unchanged",
                expected=expected,
                actual=actual,
            )
        return encode_payouts(output.payouts)

    def _put_bill(self, builder: BatchBuilder, index: int, member: int, bill: bytes) -> None:
        source = statement_input(self._tariff, self._allocation, self._cited[member])
        self._put(builder, index, self._imports.shape[1], sha256(bill), source, bill)

    def _put_payouts(self, builder: BatchBuilder, index: int, output: StatementOutput, listed: bytes) -> None:
        commitment = commit_payouts(output.payouts, builder.series_key(index))
        self._results.update(
            payout_entry=index,
            payout_root=commitment.root,
            payout_total=commitment.total.to_bytes(32, "big"),
            payout_salts=commitment.salts,
        )
        source = statement_input(self._tariff, self._allocation, self._all)
        self._put(builder, index, len(output.payouts), commitment.result, source, listed)

    def _put(
        self, builder: BatchBuilder, index: int, count: int, result_digest: bytes, source: bytes, result: bytes
    ) -> None:
        entry = StatementEntry(
            EntryKind.STATEMENT, builder.names[index], *self._period, count, result_digest, sha256(source)
        )
        block = SeriesBlock(entry, NO_RECORDS, source=source, result=result)
        builder.put_late(index, entry.pack(), block.to_bytes(), result)


def _begin(tools: JobTools, fields: Fields) -> tuple[StatementSession, dict[str, object]]:
    channel, head, period = read_span(fields)
    session = StatementSession(
        tools.identities,
        tools.stop_points,
        tools.guests["settle"],
        channel,
        head,
        period,
        members=fields["members"].blob(MAX_MEMBER_LIST_BYTES),
        meter_keys=fields["meter_keys"].rows(32, MAX_ENTRIES),
        payees=fields["payees"].rows(20, MAX_ENTRIES),
        tariff=fields["tariff"].blob(MAX_PARAMETER_BYTES),
        allocation=fields["allocation"].blob(MAX_PARAMETER_BYTES),
        previous_payouts=fields["previous_payouts"].blob(MAX_PREVIOUS_PAYOUTS * PAYOUT_BYTES),
        terms=(fields["terms_from"].uint(), fields["terms_until"].uint(), fields["terms_signature"].octets(65)),
    )
    fields.close()
    return session, {}


def _cite(session: StatementSession, fields: Fields) -> dict[str, object]:
    header = parse_header(fields["header"].octets(HEADER_BYTES))
    signature = fields["signature"].octets(65)
    fields.close()
    session.cite(header, signature)
    return {}


def _add(session: StatementSession, fields: Fields) -> dict[str, object]:
    entries = fields["entries"].rows(ENTRY_BYTES, MAX_BLOCKS_PER_STEP)
    blocks = fields["blocks"].blobs(MAX_BLOCKS_PER_STEP, MAX_SERIES_BLOCK_BYTES + 16)
    wrapped = fields["wrapped"].rows(WRAPPED_BYTES, MAX_BLOCKS_PER_STEP)
    fields.close()
    session.add(entries, blocks, wrapped)
    return {}


KIND = JobKind("statement", _begin, {"cite": _cite, "add": _add})
