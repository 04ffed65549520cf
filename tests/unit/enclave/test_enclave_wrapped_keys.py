"""Readers' contexts in an enclave: kept for later batches, and no message number under one of them means two keys.

A host here does what it can: asks for pages as it likes, makes batches again, restarts the enclave, restores old state,
hands it over. ``Numbers`` holds every wrapped key that came out of any of it.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from enclave_community import Community, LocalEnclave
from enclave_peers import NOW, peer_settings, permit

from wattest.crypto.errors import AuthenticationFailed
from wattest.enclave.host.client import ChainHead, SealedBatch
from wattest.enclave.host.peer import hand_over
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.messages.hand_over_permit import PermitKind
from wattest.metering.series_key import entry_salt
from wattest.sealing.wrapped_keys import WRAPPED_BYTES, SeriesKeyOpener, unwrap_series_key


class Numbers:
    """What every (enc, sequence, index) was seen to be."""

    def __init__(self) -> None:
        self.seen: dict[tuple[bytes, int, int], tuple[bytes, bytes]] = {}

    def take(self, batch: SealedBatch) -> set[bytes]:
        """Add a batch's wrapped keys; the encs in it."""
        found = set()
        for index, (keys, entry) in enumerate(zip(batch.wrapped_keys, batch.entries, strict=True)):
            for wrapped in keys.values():
                place = (wrapped[:32], batch.header.sequence, index)
                assert self.seen.setdefault(place, (wrapped, entry[2:34])) == (wrapped, entry[2:34])
                found.add(wrapped[:32])
        return found


def verify_readable(community: Community, batch: SealedBatch) -> None:
    """Household and watcher get the key whose salt the entry has, as that entry alone."""
    header = batch.header
    for index, member in enumerate(batch.member_of):
        name = batch.entries[index][2:34]
        for reader in (community.readers[member], community.watchers[0]):
            wrapped = batch.wrapped_keys[index][reader.public_key]
            key = unwrap_series_key(reader, wrapped, header.channel, header.sequence, index, name)
            assert entry_salt(key) == batch.entry_salts[index]
            for sequence, other in ((header.sequence + 1, index), (header.sequence, index ^ 1)):
                with pytest.raises(AuthenticationFailed):
                    unwrap_series_key(reader, wrapped, header.channel, sequence, other, name)


def kept(enclave: LocalEnclave, community: Community) -> int:
    return len(enclave.service._identities.reader_contexts(community.channel.id))


def page(enclave: LocalEnclave, start: int, count: int) -> list[bytes]:
    return enclave._ask("batch.page", {"start": start, "count": count})["wrapped"].blobs(count, WRAPPED_BYTES * 128)


def test_later_batches_use_the_contexts_of_the_first(enclave: LocalEnclave, community: Community) -> None:
    numbers, head, first = Numbers(), ChainHead(), set[bytes]()
    for day in range(4):
        batch = enclave.seal(community.seal_job(day, head))
        verify_readable(community, batch)
        found = numbers.take(batch)
        first = first or found
        assert found == first
        assert len(found) == kept(enclave, community) == 5 + 2  # households, the enclave, the watcher
        head = community.head(batch)
    assert len(numbers.seen) == 4 * 5 * 3


def test_a_page_asked_for_again_or_in_another_order_is_the_same_bytes(
    enclave: LocalEnclave, community: Community
) -> None:
    batch = enclave.seal(community.seal_job(0))
    rows = [b"".join(keys.values()) for keys in batch.wrapped_keys]
    for start, count in ((3, 2), (0, 5), (4, 1), (0, 1), (1, 3), (0, 5)):
        assert page(enclave, start, count) == rows[start : start + count]


def test_a_batch_made_again_gets_new_contexts(enclave: LocalEnclave, community: Community) -> None:
    numbers = Numbers()
    job = community.seal_job(0)
    batches = [enclave.seal(job) for _ in range(3)]
    encs = [numbers.take(batch) for batch in batches]
    assert encs[0].isdisjoint(encs[1])
    assert encs[2].isdisjoint(encs[0] | encs[1])
    for batch in batches:
        assert batch.header == batches[0].header
        verify_readable(community, batch)
    following = enclave.seal(community.seal_job(1, community.head(batches[0])))
    assert numbers.take(following) == encs[2]
    assert kept(enclave, community) == 7


def test_one_reader_opens_pages_of_both_makings(enclave: LocalEnclave, community: Community) -> None:
    """A crash between pages leaves a store with keys of two contexts: both open, with one opener."""
    job = community.seal_job(0)
    one, other = enclave.seal(job), enclave.seal(job)
    watcher = community.watchers[0]
    opener = SeriesKeyOpener(watcher, community.channel.id)
    for index, entry in enumerate(one.entries):
        wrapped = (one if index < 2 else other).wrapped_keys[index][watcher.public_key]
        assert entry_salt(opener.unwrap(wrapped, 1, index, entry[2:34])) == one.entry_salts[index]


def test_a_process_that_starts_again_has_other_contexts(
    enclave: LocalEnclave, enclave_platform: SimulatedPlatform, community: Community, tmp_path: Path
) -> None:
    numbers = Numbers()
    first = enclave.seal(community.seal_job(0))
    before = numbers.take(first)
    restarted = LocalEnclave(enclave_platform, tmp_path / "state")
    assert kept(restarted, community) == 0
    again = numbers.take(restarted.seal(community.seal_job(0)))
    later = restarted.seal(community.seal_job(1, community.head(first)))
    verify_readable(community, later)
    assert before.isdisjoint(again)
    assert numbers.take(later) == again


def test_state_rolled_back_for_a_new_process_meets_no_old_context(
    enclave: LocalEnclave, enclave_platform: SimulatedPlatform, community: Community, tmp_path: Path
) -> None:
    numbers = Numbers()
    first = enclave.seal(community.seal_job(0))
    shutil.copytree(tmp_path / "state", tmp_path / "old")
    second = enclave.seal(community.seal_job(1, community.head(first)))
    rolled_back = LocalEnclave(enclave_platform, tmp_path / "old")
    other = rolled_back.seal(community.seal_job(1, community.head(first), scale=2))
    assert other.header.sequence == second.header.sequence
    assert (numbers.take(first) | numbers.take(second)).isdisjoint(numbers.take(other))
    verify_readable(community, other)


def test_state_rolled_back_under_a_running_process_gets_new_contexts(
    enclave: LocalEnclave, community: Community
) -> None:
    """More than a host can do: the process itself believes the older state, and keeps its contexts."""
    numbers = Numbers()
    first = enclave.seal(community.seal_job(0))
    identities = enclave.service._identities
    older = identities.get(community.channel.id)
    second = enclave.seal(community.seal_job(1, community.head(first)))
    third = enclave.seal(community.seal_job(2, community.head(second)))
    before = numbers.take(first) | numbers.take(second) | numbers.take(third)
    identities._states[community.channel.id] = older
    other = enclave.seal(community.seal_job(1, community.head(first), scale=2))
    assert other.header.sequence == 2
    assert numbers.take(other).isdisjoint(before)
    following = enclave.seal(community.seal_job(2, community.head(other), scale=2))
    assert numbers.take(following) == numbers.take(other)
    for batch in (other, following):
        verify_readable(community, batch)


def test_readers_that_left_are_forgotten_and_get_a_new_context_when_they_return(
    enclave: LocalEnclave, community: Community
) -> None:
    other = Community(5)
    other.readers = [*other.readers[:4], Community(1, name="moved in").readers[0]]
    moved = replace(community.seal_job(1), members=other.signed_members())
    first = enclave.seal(community.seal_job(0))
    second = enclave.seal(replace(moved, head=community.head(first)))
    assert kept(enclave, community) == 7
    third = enclave.seal(community.seal_job(2, community.head(second)))
    numbers = Numbers()
    one, two, three = (numbers.take(batch) for batch in (first, second, third))
    assert len(one & two) == len(two & three) == len(one & three) == 6


@pytest.mark.parametrize("kind", [PermitKind.HAND_OVER, PermitKind.STANDBY])
def test_contexts_do_not_go_over_to_a_successor_or_standby(
    tmp_path: Path, community: Community, kind: PermitKind
) -> None:
    platforms = tuple(SimulatedPlatform.create(tmp_path / name, NOW) for name in ("a", "b"))
    giver, taker = (LocalEnclave(platform, tmp_path / f"state {at}") for at, platform in enumerate(platforms))
    giver.create_identity(community.binding(), community.channel)
    taker.prepare_successor(community.binding(), community.channel)
    numbers = Numbers()
    first = giver.seal(community.seal_job(0))
    before = numbers.take(first)
    ours, theirs = (peer_settings(community, platform, platforms) for platform in platforms)
    hand_over(giver, ours, taker, theirs, permit(community, platforms[1], kind), community.head(first))
    if kind is PermitKind.STANDBY:
        taker.activate_standby(community.channel.id, community.head(first))
    second = taker.seal(community.seal_job(1, community.head(first)))
    assert before.isdisjoint(numbers.take(second))
    verify_readable(community, second)
    assert numbers.take(giver.seal(community.seal_job(0))).isdisjoint(before)
    if kind is PermitKind.STANDBY:  # both sign on: two headers of one sequence, and still no number twice
        rival = giver.seal(community.seal_job(1, community.head(first), scale=2))
        assert numbers.take(rival).isdisjoint(numbers.take(second))
