"""A sealed batch, recomputed by a reader from the outside; and every input that must not be sealed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from enclave_community import DAY_S, FIRST_DAY, Community, LocalEnclave, secret

from wattest.crypto.errors import AuthenticationFailed
from wattest.crypto.hpke import ReaderPrivateKey
from wattest.crypto.p256 import P256PrivateKey
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.enclave.host.client import ChainHead, SealedBatch, SealJob
from wattest.enclave.measured.errors import (
    DeviceBlockRefused,
    IdentityUnknown,
    MemberListRefused,
    MeterKeyRefused,
    PeriodOverlaps,
    ReaderKeyRefused,
    RequestInvalid,
    SeriesRefused,
    SessionInvalid,
)
from wattest.errors import WattestError
from wattest.merkle import MerkleTree
from wattest.messages.header import recover_header_signer
from wattest.messages.member_list import sign_member_list
from wattest.messages.roster import roster_root
from wattest.metering.device_block import DeviceBlock, parse_device_block, sign_device_block
from wattest.metering.entry import ENTRY_BYTES, EntryKind, parse_series_entry
from wattest.metering.meter import blinded_meter, meter_key_id, roster_salt
from wattest.metering.series import STATE_BYTES, state_payload
from wattest.metering.series_block import SeriesBlock, parse_series_block, verify_series_block
from wattest.metering.series_key import entry_salt, state_salt
from wattest.sealing.bundle import open_block, parse_manifest
from wattest.sealing.edited_series import EditingMismatch, verify_edited
from wattest.sealing.wrapped_keys import unwrap_series_key
from wattest.workload.configuration import EngineConfiguration
from wattest.workload.guests import load_guest


def opened(batch: SealedBatch, reader: ReaderPrivateKey, index: int) -> tuple[bytes, SeriesBlock]:
    header, name = batch.header, batch.entries[index][2:34]
    wrapped = batch.wrapped_keys[index][reader.public_key]
    key = unwrap_series_key(reader, wrapped, header.channel, header.sequence, index, name)
    return key, parse_series_block(open_block(key, header.channel, header.sequence, name, batch.blocks[index]))


def test_a_watcher_recomputes_the_whole_batch(enclave: LocalEnclave, community: Community) -> None:
    first = enclave.seal(community.seal_job(0))
    batch = enclave.seal(community.seal_job(1, community.head(first), absent=frozenset({3})))
    header = batch.header
    identity = enclave.describe().identities[0]
    assert recover_header_signer(header, batch.signature, community.domain) == identity.address
    assert header.previous == first.header.digest(community.domain)
    assert (header.sequence, header.entry_count) == (2, 5)
    assert (header.period_start, header.period_end) == (FIRST_DAY + DAY_S, FIRST_DAY + 2 * DAY_S)
    assert (header.inputs, header.witnesses, header.zk_root) == (bytes(32),) * 3

    guest = load_guest("vee", EngineConfiguration.for_host())
    watcher = community.watchers[0]
    salts, states, state_salts, meters = [], [], [], []
    for index, entry in enumerate(batch.entries):
        member = batch.member_of[index]
        key, block = opened(batch, watcher, index)
        assert block.entry.pack() == entry
        assert block.entry.name == blinded_meter(community.meter_keys[member], header.channel, header.period_start)
        verify_series_block(block, key)
        verify_edited(guest, block)
        assert batch.entry_salts[index] == entry_salt(key)
        kind = EntryKind.ABSENT if member == 3 else EntryKind.SIGNED_DEVICE_BLOCK
        assert block.entry.kind == kind
        assert block.previous is not None
        last = block.records[-1] if kind == EntryKind.SIGNED_DEVICE_BLOCK else None
        state = (
            (
                int(last["start"]) + int(last["duration_s"]),
                int(last["import_register"]),
                int(last["export_register"]),
            )
            if last is not None
            else (
                block.previous.last_interval_end,
                block.previous.import_register,
                block.previous.export_register,
            )
        )
        assert block.previous.last_interval_end == header.period_start
        states.append(state_payload(block.entry.name, *state))
        state_salts.append(state_salt(key))
        salts.append(entry_salt(key))
        meters.append(community.meters[member].public_key)
    assert list(batch.entries) == sorted(batch.entries, key=lambda entry: entry[2:34])
    assert MerkleTree.build(b"".join(batch.entries), ENTRY_BYTES, b"".join(salts)).root == header.root
    assert MerkleTree.build(b"".join(states), STATE_BYTES, b"".join(state_salts)).root == header.state
    place = header.channel, header.period_start
    roster = [roster_salt(community.meter_keys[member], *place) for member in batch.member_of]
    assert roster_root([entry[2:34] for entry in batch.entries], roster, meters) == header.roster
    assert roster_root([entry[2:34] for entry in batch.entries], roster[1:] + roster[:1], meters) != header.roster
    manifest = parse_manifest(batch.manifest)
    assert manifest.content_id == header.content_id == batch.content_id
    assert (manifest.channel, manifest.period_start) == (header.channel, header.period_start)


def test_a_household_opens_its_own_entry_and_no_other(enclave: LocalEnclave, community: Community) -> None:
    batch = enclave.seal(community.seal_job(0))
    for index, member in enumerate(batch.member_of):
        reader = community.readers[member]
        key, block = opened(batch, reader, index)
        verify_series_block(block, key)
        other = (index + 1) % len(batch.entries)
        assert reader.public_key not in batch.wrapped_keys[other]
        with pytest.raises(AuthenticationFailed):
            open_block(key, batch.header.channel, 1, batch.entries[other][2:34], batch.blocks[other])


def test_editing_that_was_not_done_by_the_guest_shows(enclave: LocalEnclave, community: Community) -> None:
    batch = enclave.seal(community.seal_job(0))
    _, block = opened(batch, community.watchers[0], 0)
    records = block.records.copy()
    records["quality"][5] |= 0x0400
    with pytest.raises(EditingMismatch):
        verify_edited(load_guest("vee", EngineConfiguration.for_host()), replace(block, records=records))


def test_gaps_are_estimated_and_carry_no_source(enclave: LocalEnclave, community: Community) -> None:
    job = community.seal_job(0)
    blocks = [community.block(0, 0, count=90), *list(job.blocks)[1:]]
    batch = enclave.seal(replace(job, blocks=blocks))
    index = list(batch.member_of).index(0)
    key, block = opened(batch, community.watchers[0], index)
    verify_series_block(block, key)
    assert block.entry.interval_count == 96  # type: ignore[union-attr]
    assert not block.records["source_digest"][90:].any()
    assert block.records["source_digest"][:90].any(axis=1).all()


def refused(enclave: LocalEnclave, job: SealJob, kind: type[WattestError]) -> WattestError:
    """The error with which ``job`` is refused; nothing may have been signed."""
    before = enclave.last_release(job.members.member_list.channel)
    with pytest.raises(kind) as caught:
        enclave.seal(job)
    assert enclave.last_release(job.members.member_list.channel) == before
    return caught.value


def test_an_unsigned_member_list_is_refused(enclave: LocalEnclave, community: Community) -> None:
    stranger = Secp256k1PrivateKey.from_seed(secret("stranger"))
    job = replace(community.seal_job(0), members=community.signed_members(signer=stranger))
    refused(enclave, job, MemberListRefused)


def test_a_member_list_of_a_later_period_is_refused(enclave: LocalEnclave, community: Community) -> None:
    job = replace(community.seal_job(0), members=community.signed_members(valid_from=FIRST_DAY + 1))
    refused(enclave, job, MemberListRefused)
    enclave.seal(replace(job, members=community.signed_members(valid_from=FIRST_DAY)))


def test_a_member_list_for_another_chain_is_refused(enclave: LocalEnclave, community: Community) -> None:
    other = Community(5, domain=replace(community.domain, chain_id=1))
    refused(enclave, replace(community.seal_job(0), members=other.members), MemberListRefused)


def test_a_meter_key_that_is_not_the_committed_one_is_refused(enclave: LocalEnclave, community: Community) -> None:
    keys = list(community.meter_keys)
    keys[2] = secret("another")
    error = refused(enclave, replace(community.seal_job(0), meter_keys=keys), MeterKeyRefused)
    assert error.fields["member"] == 2
    assert keys[2].hex() not in repr(error.as_dict())
    refused(enclave, replace(community.seal_job(0), meter_keys=keys[:4]), MeterKeyRefused)


@pytest.mark.parametrize("whose", ["household", "watcher"])
def test_a_reader_key_that_takes_no_secret_is_refused_before_anything_is_signed(
    enclave: LocalEnclave, community: Community, whose: str
) -> None:
    small_order = bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")
    listed = community.members.member_list
    if whose == "household":
        changed = replace(listed, members=(*listed.members[:-1], replace(listed.members[-1], reader_key=small_order)))
    else:
        changed = replace(listed, watcher_reader_keys=(small_order,))
    members = sign_member_list(community.manager, changed, community.channel, community.domain)
    error = refused(enclave, replace(community.seal_job(0), members=members), ReaderKeyRefused)
    assert error.fields["reader"] == small_order


def test_a_channel_without_a_key_is_refused(enclave: LocalEnclave) -> None:
    other = Community(2, name="other")
    with pytest.raises(IdentityUnknown):
        enclave.seal(other.seal_job(0))


def test_an_open_channel_takes_no_device_blocks(enclave: LocalEnclave, community: Community) -> None:
    enclave.create_identity(community.binding(community.open_channel), community.open_channel)
    params = {
        "channel": community.open_channel.id, "head_sequence": 0, "head_digest": bytes(32), "period_start": FIRST_DAY,
        "period_end": FIRST_DAY + DAY_S, "members": community.members.to_bytes(),
        "meter_keys": b"".join(community.meter_keys),
    }  # fmt: skip
    with pytest.raises(RequestInvalid):
        enclave._ask("seal.begin", params)


def _changed(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize("at", [0, 70, 85, 85 + 63 * 3 + 40, -1], ids=["version", "period", "count", "record", "sig"])
def test_a_changed_device_block_is_refused(enclave: LocalEnclave, community: Community, at: int) -> None:
    blocks = list(community.seal_job(0).blocks)
    at = at % len(blocks[1])
    blocks[1] = _changed(blocks[1], at)
    refused(enclave, replace(community.seal_job(0), blocks=blocks), DeviceBlockRefused)


def test_a_block_signed_by_another_meter_is_refused_by_its_member(enclave: LocalEnclave, community: Community) -> None:
    good = parse_device_block(community.block(1, 0))
    other = parse_device_block(community.block(2, 0))
    forged = replace(good, signature=other.signature)
    blocks = [forged.to_bytes() if index == 1 else community.block(index, 0) for index in range(5)]
    error = refused(enclave, replace(community.seal_job(0), blocks=blocks), DeviceBlockRefused)
    assert error.fields["member"] == 1


def test_a_meter_that_is_no_member_is_refused(enclave: LocalEnclave, community: Community) -> None:
    stranger = Community(1, name="stranger")
    blocks = [*community.seal_job(0).blocks, stranger.block(0, 0)]
    error = refused(enclave, replace(community.seal_job(0), blocks=blocks), DeviceBlockRefused)
    assert error.fields["meter"] == meter_key_id(stranger.meters[0].public_key)


def test_a_block_given_twice_is_refused(enclave: LocalEnclave, community: Community) -> None:
    blocks = [*community.seal_job(0).blocks, community.block(0, 0)]
    refused(enclave, replace(community.seal_job(0), blocks=blocks), SessionInvalid)


def test_a_block_of_another_period_is_refused(enclave: LocalEnclave, community: Community) -> None:
    blocks = [community.block(0, 1), *list(community.seal_job(0).blocks)[1:]]
    error = refused(enclave, replace(community.seal_job(0), blocks=blocks), DeviceBlockRefused)
    assert error.fields["member"] == 0


def test_registers_that_run_backwards_are_refused_by_the_guest(enclave: LocalEnclave, community: Community) -> None:
    good = parse_device_block(community.block(4, 0))
    records = good.records.copy()
    records["import_register"][50] = 0
    block: DeviceBlock = sign_device_block(
        P256PrivateKey.from_seed(secret(community.name, "meter", _seed_of(community, 4))),
        good.period_start,
        good.period_end,
        records,
    )
    blocks = [*list(community.seal_job(0).blocks)[:4], block.to_bytes()]
    error = refused(enclave, replace(community.seal_job(0), blocks=blocks), SeriesRefused)
    assert error.fields["member"] == 4


def _seed_of(community: Community, member: int) -> int:
    wanted = community.meters[member].public_key
    return next(
        index
        for index in range(community.count)
        if P256PrivateKey.from_seed(secret(community.name, "meter", index)).public_key == wanted
    )


def test_a_period_that_overlaps_the_last_one_is_refused(enclave: LocalEnclave, community: Community) -> None:
    first = enclave.seal(community.seal_job(1))
    refused(enclave, community.seal_job(0, community.head(first)), PeriodOverlaps)


def test_an_empty_period_is_refused(enclave: LocalEnclave, community: Community) -> None:
    job = community.seal_job(0)
    refused(enclave, replace(job, period_end=job.period_start), RequestInvalid)


def test_all_members_absent_still_makes_a_batch(enclave: LocalEnclave, community: Community) -> None:
    batch = enclave.seal(community.seal_job(0, absent=frozenset(range(5))))
    assert {parse_series_entry(entry).kind for entry in batch.entries} == {EntryKind.ABSENT}


def test_steps_out_of_order_are_refused(enclave: LocalEnclave) -> None:
    for method, params in (
        ("seal.add", {"blocks": []}),
        ("batch.finish", {}),
        ("batch.page", {"start": 0, "count": 1}),
        ("import.add", {"items": [{"item": 0, "file": b"", "public_key": None}]}),
        ("statement.add", {"entries": b"", "blocks": [], "wrapped": b""}),
    ):
        with pytest.raises(SessionInvalid):
            enclave._ask(method, params)


def test_a_failed_step_ends_the_job(enclave: LocalEnclave, community: Community) -> None:
    job = replace(community.seal_job(0), blocks=[b"no block"])
    refused(enclave, job, DeviceBlockRefused)
    with pytest.raises(SessionInvalid):
        enclave._ask("batch.finish", {})
    assert enclave.seal(community.seal_job(0, ChainHead())).header.sequence == 1
