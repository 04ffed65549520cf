"""Seals one period of a scheduled channel: member list, device blocks, series, batch.

Decided here: what is checked before a series counts, and what an absent meter leaves. Not decided here: the batch
around it (``batch``), editing (``sealing.edited_series``). Invariants: whose meters count is what the channel's
manager signed, and every member has an entry; one block that fails fails the job, by the member's index, and nothing is
signed; no Python object lives per reading.
Source: docs/spec/enclave-socket.md, methods ``seal.*``; docs/spec/sealed-blocks.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wattest.crypto.errors import BufferRefused
from wattest.crypto.hashing import sha256
from wattest.crypto.strict_fields import Fields
from wattest.enclave.measured.batch_builder import BatchBuilder, Job, Roots
from wattest.enclave.measured.errors import (
    DeviceBlockRefused,
    MemberListRefused,
    MeterKeyRefused,
    PeriodOverlaps,
    RequestInvalid,
    SeriesRefused,
)
from wattest.enclave.measured.identity import Identities
from wattest.enclave.measured.job_kind import MAX_BLOCKS_PER_STEP, MAX_MEMBER_LIST_BYTES, JobKind, JobTools, read_span
from wattest.enclave.measured.release import Head
from wattest.enclave.measured.sealed_state import METER_STATE, MeterStates, PendingBatch, SealedState, Standing
from wattest.enclave.measured.stop_points import StopPoints
from wattest.errors import InputError, VerificationError
from wattest.merkle import MerkleTree
from wattest.messages.channel import ChannelKind
from wattest.messages.header import MAX_ENTRIES
from wattest.messages.member_list import Member, SignedMemberList, parse_signed_member_list, verify_member_list
from wattest.messages.roster import roster_root
from wattest.metering.device_block import DeviceBlock, parse_device_block, verify_device_block
from wattest.metering.entry import ZERO_DIGEST, EntryKind, SeriesEntry, evidence_digest
from wattest.metering.meter import blinded_meter, meter_key_commitment, meter_key_id, roster_salt
from wattest.metering.records import INTERVAL_RECORD
from wattest.metering.series import STATE_BYTES, build_series_tree, state_payloads
from wattest.metering.series_block import MAX_SERIES_BLOCK_BYTES, PreviousState, SeriesBlock
from wattest.metering.series_key import state_salts
from wattest.sealing.edited_series import edit_series, last_measured
from wattest.sealing.series_columns import (
    PREVIOUS,
    edit_in_columns,
    open_device_blocks,
    runs_of,
    seal_in_columns,
)
from wattest.workload.engine import Guest
from wattest.workload.failures import GuestFailure

NO_RECORDS = np.zeros(0, dtype=INTERVAL_RECORD)


def read_members(state: SealedState, data: bytes, meter_keys: list[bytes], period_start: int) -> SignedMemberList:
    """The member list of the state's channel, with the meter keys checked against its commitments.

    Raises: MemberListRefused, MeterKeyRefused.
    """
    try:
        signed = parse_signed_member_list(data)
        if signed.identity != state.channel:
            raise MemberListRefused(
                "the member list is of another channel", expected=state.channel.id, actual=signed.identity.id
            )
        verify_member_list(signed, state.domain)
    except (InputError, VerificationError) as error:
        if isinstance(error, MemberListRefused):
            raise
        raise MemberListRefused(f"the member list does not hold: {error.message}", hint=error.hint) from error
    if signed.member_list.valid_from > period_start:
        raise MemberListRefused(
            "the member list begins after the period", expected=period_start, actual=signed.member_list.valid_from
        )
    members = signed.member_list.members
    if len(meter_keys) != len(members):
        raise MeterKeyRefused("one meter key belongs to each member", expected=len(members), actual=len(meter_keys))
    for index, (member, meter_key) in enumerate(zip(members, meter_keys, strict=True)):
        if meter_key_commitment(meter_key) != member.meter_key_commitment:
            raise MeterKeyRefused("a meter key does not open its commitment", member=index)
    return signed


def readers_of(member: Member, storage_key: bytes, watchers: tuple[bytes, ...]) -> list[bytes]:
    """Who may open the member's entry: this enclave, the household, the channel's watchers; each once."""
    return list(dict.fromkeys((storage_key, member.reader_key, *watchers)))


class SealSession:
    """One batch of one period: made by ``seal.begin``, fed by ``seal.add``, ended by ``batch.finish``."""

    def __init__(
        self,
        identities: Identities,
        faults: StopPoints,
        guest: Guest,
        channel: bytes,
        head: Head,
        period: tuple[int, int],
        member_list: bytes,
        meter_keys: list[bytes],
    ) -> None:
        state = identities.get(channel)
        if state.channel.kind != ChannelKind.SCHEDULED:
            raise RequestInvalid("meters report in scheduled channels", field="channel")
        self._period = period
        self._guest = guest
        signed = read_members(state, member_list, meter_keys, period[0])
        members = signed.member_list.members
        blinded = [blinded_meter(meter_key, channel, period[0]) for meter_key in meter_keys]
        self._order = sorted(range(len(members)), key=blinded.__getitem__)
        self._members = [members[index] for index in self._order]
        self._roster_salts = [roster_salt(meter_keys[index], channel, period[0]) for index in self._order]
        storage_key = identities.storage_key(state).public_key
        watchers = signed.member_list.watcher_reader_keys
        self.builder = BatchBuilder(
            identities,
            faults,
            Job(channel, head, period[0], period[1], sha256(sha256(member_list) + sha256(b"".join(meter_keys)))),
            [blinded[index] for index in self._order],
            [readers_of(member, storage_key, watchers) for member in self._members],
            guest.workload,
        )
        if not self.builder.is_again and period[0] < state.covered_until:
            raise PeriodOverlaps(
                "the period begins before the last sealed one ends",
                expected=state.covered_until,
                actual=period[0],
            )
        self._index_of = {member.public_key: index for index, member in enumerate(self._members)}
        before = self.builder.before.meters
        standing = zip(*(before[name].tolist() for name in ("end", "import_register", "export_register")), strict=True)
        self._previous = {
            meter: PreviousState(*numbers) for meter, numbers in zip(before["meter"].tolist(), standing, strict=True)
        }
        self._after = dict(self._previous)

    def order(self) -> bytes:
        """For every entry its member's index in the list, u32 each."""
        return np.asarray(self._order, dtype=">u4").tobytes()

    def add(self, blocks: list[bytes]) -> dict[str, object]:
        """Seal device blocks; the entries they became (u32 each) and their ciphertexts.

        Raises: DeviceBlockRefused, SeriesRefused, SessionInvalid.
        """
        indices: list[int] = []
        ciphertexts: list[bytes] = []
        for run in runs_of(blocks):
            # In columns what holds; whatever does not goes the plain way, which says why.
            placed = self._seal_run(run) or [self._seal(data) for data in run]
            indices += [index for index, _ in placed]
            ciphertexts += [ciphertext for _, ciphertext in placed]
        return {"indices": np.asarray(indices, dtype=">u4").tobytes(), "blocks": ciphertexts}

    def finish(self) -> PendingBatch:
        """Add the absent meters, build roster and state, release the header."""
        for index, member in enumerate(self._members):
            if not self.builder.has(index):
                self._absent(index, member)
        keys = [self.builder.series_key(index) for index in range(len(self._members))]
        states = [self._after.get(meter_key_id(member.public_key)) for member in self._members]
        payloads = state_payloads(
            self.builder.names,
            [
                (state.last_interval_end, state.import_register, state.export_register) if state else (0, 0, 0)
                for state in states
            ],
        )
        roots = Roots(
            roster=roster_root(self.builder.names, self._roster_salts, [member.public_key for member in self._members]),
            state=MerkleTree.build(payloads, STATE_BYTES, state_salts(keys)).root,
        )
        return self.builder.finish(roots, Standing(self._meters()))

    def results(self) -> dict[str, object]:
        """Nothing beyond the batch."""
        return {}

    def page(self, start: int, count: int) -> dict[str, object]:
        """A page of the batch."""
        return self.builder.page(start, count)

    def _seal_run(self, blocks: Sequence[bytes]) -> list[tuple[int, bytes]] | None:
        """Seal blocks together, or None where one of them does not hold or does not belong here."""
        opened = open_device_blocks(blocks)
        rows = opened.rows
        found = [self._index_of.get(key) for key in rows["public_key"].tolist()]
        indices = [index for index in found if index is not None and not self.builder.has(index)]
        inside = (rows["period_start"] >= self._period[0]) & (rows["period_end"] <= self._period[1])
        if not opened.hold or len(set(indices)) != len(blocks) or not inside.all():
            return None
        meters = rows["meter"].tolist()
        previous = np.zeros(len(blocks), dtype=PREVIOUS)
        for place, meter in enumerate(meters):
            before = self._previous.get(meter)
            if before is not None:
                previous[place] = (1, before.last_interval_end, before.import_register, before.export_register)
        try:
            edited = edit_in_columns(self._guest, opened, previous)
            sealed = seal_in_columns(
                self.builder.job.channel,
                self.builder.sequence,
                opened,
                edited,
                previous,
                [self.builder.names[index] for index in indices],
                [self.builder.series_key(index) for index in indices],
                self.builder.expected(indices),
            )
        except (GuestFailure, BufferRefused):
            return None
        if not sealed.holds:
            return None
        self.builder.put_sealed(indices, sealed)
        standing = zip(
            *(sealed.rows[name].tolist() for name in ("end", "import_register", "export_register")), strict=True
        )
        self._after.update(zip(meters, (PreviousState(*numbers) for numbers in standing), strict=True))
        return list(zip(indices, sealed.blocks, strict=True))

    def _seal(self, data: bytes) -> tuple[int, bytes]:
        try:
            block = parse_device_block(data)
        except InputError as error:
            raise DeviceBlockRefused(f"a device block cannot be read: {error.message}", hint=error.hint) from error
        index = self._index_of.get(block.public_key)
        if index is None:
            raise DeviceBlockRefused(
                "a device block of a meter that is not a member", meter=meter_key_id(block.public_key)
            )
        member = self._order[index]
        if not self._period[0] <= block.period_start < block.period_end <= self._period[1]:
            raise DeviceBlockRefused(
                "a device block reaches outside the period",
                member=member,
                expected=list(self._period),
                actual=[block.period_start, block.period_end],
            )
        try:
            verify_device_block(block)
        except (InputError, VerificationError) as error:
            raise DeviceBlockRefused(
                f"a device block does not hold: {error.message}", hint=error.hint, member=member
            ) from error
        return index, self._put(index, member, block)

    def _put(self, index: int, member: int, block: DeviceBlock) -> bytes:
        meter = meter_key_id(block.public_key)
        previous = self._previous.get(meter)
        digest = block.digest
        try:
            records = edit_series(self._guest, block.records, digest, block.period_start, block.period_end, previous)
        except (InputError, VerificationError) as error:
            raise SeriesRefused(f"vee refuses the series: {error.message}", hint=error.hint, member=member) from error
        entry = SeriesEntry(
            EntryKind.SIGNED_DEVICE_BLOCK,
            self.builder.names[index],
            block.period_start,
            block.period_end,
            records.shape[0],
            build_series_tree(records, self.builder.series_key(index)).root,
            evidence_digest(digest, block.signature, block.public_key),
        )
        content = SeriesBlock(entry, records, previous, block.public_key, block.signature, block_version=block.version)
        ciphertext = self.builder.put(index, entry.pack(), content.to_bytes())
        self._after[meter] = last_measured(records)
        return ciphertext

    def _absent(self, index: int, member: Member) -> None:
        entry = SeriesEntry(
            EntryKind.ABSENT, self.builder.names[index], self._period[0], self._period[1], 0, ZERO_DIGEST, ZERO_DIGEST
        )
        previous = self._previous.get(meter_key_id(member.public_key))
        self.builder.put_late(index, entry.pack(), SeriesBlock(entry, NO_RECORDS, previous).to_bytes())

    def _meters(self) -> MeterStates:
        rows = sorted(self._after.items())
        meters = np.zeros(len(rows), dtype=METER_STATE)
        meters["meter"] = np.frombuffer(b"".join(meter for meter, _ in rows), dtype="V32") if rows else meters["meter"]
        meters["end"] = [state.last_interval_end for _, state in rows]
        meters["import_register"] = np.array([state.import_register for _, state in rows], dtype=np.uint64)
        meters["export_register"] = np.array([state.export_register for _, state in rows], dtype=np.uint64)
        return meters


def _begin(tools: JobTools, fields: Fields) -> tuple[SealSession, dict[str, object]]:
    channel, head, period = read_span(fields)
    members = fields["members"].blob(MAX_MEMBER_LIST_BYTES)
    meter_keys = fields["meter_keys"].rows(32, MAX_ENTRIES)
    fields.close()
    session = SealSession(
        tools.identities, tools.stop_points, tools.guests["vee"], channel, head, period, members, meter_keys
    )
    return session, {"order": session.order()}


def _add(session: SealSession, fields: Fields) -> dict[str, object]:
    blocks = fields["blocks"].blobs(MAX_BLOCKS_PER_STEP, MAX_SERIES_BLOCK_BYTES)
    fields.close()
    return session.add(blocks)


KIND = JobKind("seal", _begin, {"add": _add})
