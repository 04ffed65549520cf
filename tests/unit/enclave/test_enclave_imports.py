"""Imported files sealed into an open channel: verified again inside, by the rules of their own formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from enclave_community import DAY_S, FIRST_DAY, Community, LocalEnclave, secret

from wattest.apps.demo.charging import charging_sessions
from wattest.crypto.hpke import ReaderPrivateKey
from wattest.enclave.host.client import ChainHead, ImportItem, ImportJob
from wattest.enclave.measured.errors import ImportRefused, RequestInvalid, SessionInvalid
from wattest.metering.entry import EntryKind, SeriesEntry
from wattest.metering.meter import blinded_meter
from wattest.metering.readers import recognise
from wattest.metering.readers.recognise import read_meter_file
from wattest.metering.readers.signature_batch import Check
from wattest.metering.series_block import parse_series_block, verify_series_block
from wattest.sealing.bundle import open_block
from wattest.sealing.wrapped_keys import unwrap_series_key

SESSIONS = charging_sessions(2, FIRST_DAY, FIRST_DAY + DAY_S)
CSV = b"start,import_kwh,export_kwh\n2024-10-04T00:00:00Z,0.25,0\n2024-10-04T00:15:00Z,0.5,0.125\n"
READER = ReaderPrivateKey.from_seed(secret("import reader"))


@pytest.fixture
def importer(enclave: LocalEnclave, community: Community) -> LocalEnclave:
    enclave.create_identity(community.binding(community.open_channel), community.open_channel)
    return enclave


def item(file: bytes, name: str, public_key: str | None = None) -> ImportItem:
    return ImportItem(file, secret("import", name), READER.public_key, public_key)


def job(community: Community, *items: ImportItem) -> ImportJob:
    return ImportJob(
        community.open_channel.id,
        ChainHead(),
        FIRST_DAY,
        FIRST_DAY + DAY_S,
        items,
        (community.watchers[0].public_key,),
    )


def standard(community: Community) -> ImportJob:
    """Two signed charging sessions and a table that nobody signed."""
    return job(
        community,
        *(item(session.telegram, session.file_name, session.public_key) for session in SESSIONS),
        item(CSV, "table"),
    )


def test_signed_and_unsigned_files_become_entries_that_verify(importer: LocalEnclave, community: Community) -> None:
    given = standard(community)
    batch = importer.seal(given)
    header = batch.header
    assert (header.roster, header.state, header.inputs) == (bytes(32),) * 3
    kinds = {}
    for index, entry in enumerate(batch.entries):
        source = given.items[batch.member_of[index]]
        for reader in (READER, community.watchers[0]):
            wrapped = batch.wrapped_keys[index][reader.public_key]
            key = unwrap_series_key(reader, wrapped, header.channel, header.sequence, index, entry[2:34])
        block = parse_series_block(open_block(key, header.channel, header.sequence, entry[2:34], batch.blocks[index]))
        assert isinstance(block.entry, SeriesEntry)
        assert block.entry.pack() == entry
        assert block.entry.blinded_meter == blinded_meter(source.meter_key, header.channel, FIRST_DAY)
        verify_series_block(block, key)
        kinds[batch.member_of[index]] = block.entry.kind
    assert kinds == {0: EntryKind.SIGNED_TELEGRAMS, 1: EntryKind.SIGNED_TELEGRAMS, 2: EntryKind.UNSIGNED_SOURCE}


def test_the_same_import_again_is_the_same(importer: LocalEnclave, community: Community) -> None:
    first, again = importer.seal(standard(community)), importer.seal(standard(community))
    assert (first.header, first.signature, list(first.blocks)) == (again.header, again.signature, list(again.blocks))


def test_a_file_without_a_key_is_unsigned(importer: LocalEnclave, community: Community) -> None:
    batch = importer.seal(job(community, item(SESSIONS[0].telegram, "a")))
    assert batch.entries[0][1] == EntryKind.UNSIGNED_SOURCE


@pytest.mark.parametrize(
    ("file", "key"),
    [
        (SESSIONS[0].telegram, SESSIONS[1].public_key),
        (SESSIONS[0].telegram.replace(b"DEMO0000", b"DEMO0001"), SESSIONS[0].public_key),
        (SESSIONS[0].telegram[:-4], SESSIONS[0].public_key),
        (SESSIONS[0].telegram, "no key"),
        (b"", None),
        (b"\x00\x01\x02", None),
        (CSV.replace(b"2024-10-04", b"2024-10-05"), None),
    ],
    ids=["another key", "changed payload", "cut short", "no key", "empty", "no format", "another day"],
)
def test_a_file_that_does_not_hold_is_refused_by_its_index(
    importer: LocalEnclave, community: Community, file: bytes, key: str | None
) -> None:
    with pytest.raises(ImportRefused) as caught:
        importer.seal(job(community, item(CSV, "good"), item(file, "bad", key)))
    assert caught.value.fields["item"] == 1
    assert importer.last_release(community.open_channel.id) is None


def test_a_refusal_names_the_rule_that_the_reader_names(importer: LocalEnclave, community: Community) -> None:
    backwards = b"start;import;import_register\n2026-06-01T00:00Z;1;5\n2026-06-01T00:15Z;1;4\n"
    (objection,) = read_meter_file(backwards).found
    with pytest.raises(ImportRefused) as caught:
        importer.seal(job(community, item(CSV, "good"), item(backwards, "bad")))
    assert caught.value.fields["rule"] == objection.rule == "register-backwards"
    with pytest.raises(ImportRefused) as caught:
        importer.seal(job(community, item(b"nothing", "bad")))
    assert "rule" not in caught.value.fields


def test_the_signatures_of_all_files_of_a_step_are_verified_at_once(
    importer: LocalEnclave, community: Community, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[int] = []
    together = recognise.hold_together

    def counted(checks: Sequence[Check | None]) -> list[bool]:
        judged.append(len(checks))
        return together(checks)

    monkeypatch.setattr(recognise, "hold_together", counted)
    importer.seal(standard(community))
    assert judged == [2]


def test_the_first_file_that_does_not_hold_is_named(importer: LocalEnclave, community: Community) -> None:
    forged = SESSIONS[0].telegram.replace(b"DEMO0000", b"DEMO0001")
    items = [
        item(SESSIONS[1].telegram, "good", SESSIONS[1].public_key),
        item(forged, "forged", SESSIONS[0].public_key),
        item(CSV, "no key", "no key"),
        item(b"", "empty"),
    ]
    for first in (1, 2, 3):
        with pytest.raises(ImportRefused) as caught:
            importer.seal(job(community, items[0], *items[first:]))
        assert caught.value.fields["item"] == 1
        with pytest.raises(ImportRefused) as turned:
            importer.seal(job(community, *reversed(items[first:]), items[0]))
        assert turned.value.fields["item"] == 0


def test_one_meter_key_for_two_files_is_refused(importer: LocalEnclave, community: Community) -> None:
    with pytest.raises(RequestInvalid):
        importer.seal(job(community, item(CSV, "same"), item(CSV, "same")))


def test_an_import_into_a_scheduled_channel_is_refused(importer: LocalEnclave, community: Community) -> None:
    with pytest.raises(RequestInvalid):
        importer.seal(replace(standard(community), channel=community.channel.id))


def test_an_item_that_never_came_keeps_the_batch_open(importer: LocalEnclave, community: Community) -> None:
    given = standard(community)
    importer._ask(
        "import.begin",
        {
            "channel": given.channel, "head_sequence": 0, "head_digest": bytes(32), "period_start": FIRST_DAY,
            "period_end": FIRST_DAY + DAY_S, "meter_keys": b"".join(each.meter_key for each in given.items),
            "readers": READER.public_key * 3, "watchers": b"",
        },
    )["order"].octets(12)  # fmt: skip
    with pytest.raises(SessionInvalid):
        importer._ask("batch.finish", {})
