"""A forger with a stolen enclave key signs what it likes: a watcher judges it, and never falls over.

Each forgery is judged in columns, in one run and in several, and by the plain rules alone: findings, their order and
their words are the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from enclave_community import Community, LocalEnclave
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sealed_series import none_held

from wattest.crypto import native
from wattest.crypto.hashing import sha256
from wattest.enclave.host.client import SealedBatch
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.merkle import MerkleTree, sha256_root
from wattest.messages.header import BatchHeader
from wattest.messages.roster import roster_root, roster_rows
from wattest.metering.entry import EntryKind, SeriesEntry, evidence_digest
from wattest.metering.meter import roster_salt
from wattest.metering.series_block import device_block_of, parse_series_block
from wattest.metering.series_key import entry_salt
from wattest.sealing.bundle import BundleManifest, open_block, seal_block
from wattest.sealing.checked_columns import CheckedRun
from wattest.sealing.wrapped_keys import unwrap_series_key
from wattest.twin.challenge import EvidenceOpening
from wattest.watcher import check_entries
from wattest.watcher.check_batch import Judgement, check_batch
from wattest.watcher.check_entries import ServedBatch
from wattest.watcher.finding import FindingKind
from wattest.workload.configuration import EngineConfiguration
from wattest.workload.engine import Guest
from wattest.workload.guests import load_guest

RECORDS_AT = 2 + 118 + 4  # version, flags, entry, count; the first day continues from nothing
RECORD_BYTES, QUALITY_AT, SOURCE_AT = 95, 61, 63


def nothing_in_columns(header: BatchHeader, vee: Guest, given: list[check_entries._Served]) -> CheckedRun:
    """A run in which no series holds, so that each goes the plain way."""
    return none_held(sum(one.is_for_columns for one in given))


@dataclass
class Forgery:
    """A sealed batch of three meters whose blocks can be made to say anything under the same keys."""

    community: Community
    sealed: SealedBatch

    def __post_init__(self) -> None:
        self.watcher = self.community.watchers[0]
        self.place = (self.community.channel.id, 1)
        self.wrapped = {at: keys[self.watcher.public_key] for at, keys in enumerate(self.sealed.wrapped_keys)}
        self.names = [entry[2:34] for entry in self.sealed.entries]
        self.keys = [
            unwrap_series_key(self.watcher, self.wrapped[at], *self.place, at, name)
            for at, name in enumerate(self.names)
        ]
        self.plain = [
            open_block(self.keys[at], *self.place, name, self.sealed.blocks[at]) for at, name in enumerate(self.names)
        ]
        self.vee = load_guest("vee", EngineConfiguration.for_enclave())

    def salts(self) -> list[bytes]:
        """Of the roster, in the order of the entries."""
        place = self.sealed.header.channel, self.sealed.header.period_start
        return [roster_salt(self.community.meter_keys[member], *place) for member in self.sealed.member_of]

    def roster(self) -> bytes:
        """As an operator serves it."""
        return roster_rows(self.sealed.member_of, self.salts())

    def judged(self, changed: int, plaintext: bytes) -> Judgement:
        """The judgement of a batch with one block changed, the same in columns and by the plain rules alone."""
        return self.judged_all({changed: plaintext})

    def judged_all(self, changed: dict[int, bytes], **served_otherwise: Any) -> Judgement:
        plain = [changed.get(at, block) for at, block in enumerate(self.plain)]
        entries = [block[2:120] for block in plain]
        blocks = [
            seal_block(self.keys[at], *self.place, name, plain[at]) for at, name in enumerate(self.names)
        ]  # fmt: skip
        signed = self.sealed.header
        manifest = BundleManifest(
            signed.channel, signed.period_start, signed.period_end, tuple(sha256(block) for block in blocks)
        )
        salts = b"".join(entry_salt(key) for key in self.keys)
        root = MerkleTree.build(b"".join(entry.ljust(118, b"\0") for entry in entries), 118, salts).root
        header = replace(signed, root=root, content_id=manifest.content_id)
        served = ServedBatch(
            manifest.to_bytes(), dict(enumerate(blocks)), b"".join(entries), self.wrapped,
            self.roster(), self.community.members,
        )  # fmt: skip
        header = replace(header, roster=served_otherwise.pop("root_of_roster", header.roster))
        served = replace(served, **served_otherwise)
        judgements = []
        for run, threads, least in (
            (check_entries._check_run, 1, 16),
            (check_entries._check_run, 2, 1),
            (nothing_in_columns, 2, 16),
        ):
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(check_entries, "_check_run", run)
                patched.setattr(native, "default_threads", lambda threads=threads: threads)
                patched.setattr(check_entries, "MIN_RUN_SERIES", least)  # down to several runs of a batch of three
                judgements.append(
                    check_batch(
                        header, served, self.watcher, self.vee,
                        workloads=frozenset({header.workload}), meters_before={},
                    )
                )  # fmt: skip
        assert judgements[0] == judgements[1] == judgements[2]
        return judgements[0]


@pytest.fixture(scope="module")
def forgery(tmp_path_factory: pytest.TempPathFactory) -> Forgery:
    folder = tmp_path_factory.mktemp("forgery")
    platform = SimulatedPlatform.create(folder / "platform", 1_750_000_000)
    community = Community(3)
    enclave = LocalEnclave(platform, folder / "state")
    enclave.create_identity(community.binding(), community.channel)
    return Forgery(community, enclave.seal(community.seal_job(0)))


def test_what_the_enclave_sealed_is_clean(forgery: Forgery) -> None:
    assert forgery.judged(0, forgery.plain[0]).is_clean


def test_a_series_of_estimates_alone_is_judged(forgery: Forgery) -> None:
    block = bytearray(forgery.plain[1])
    count = int.from_bytes(block[RECORDS_AT - 4 : RECORDS_AT], "big")
    assert count == 96
    for at in range(RECORDS_AT, RECORDS_AT + count * RECORD_BYTES, RECORD_BYTES):
        block[at + QUALITY_AT] |= 0x01
        block[at + SOURCE_AT : at + RECORD_BYTES] = bytes(32)
    judgement = forgery.judged(1, bytes(block))
    assert {finding.kind for finding in judgement.findings} == {FindingKind.INCONSISTENT}
    assert any(finding.position == 1 for finding in judgement.findings)


def test_findings_come_in_the_order_of_entries(forgery: Forgery) -> None:
    signature = forgery.plain[0][:-64] + bytes(64)
    record = bytearray(forgery.plain[2])
    record[RECORDS_AT + 50] ^= 1
    judgement = forgery.judged_all({0: signature, 2: bytes(record)})
    assert [(finding.position, finding.code) for finding in judgement.findings] == [
        (0, "SeriesMismatch"),
        (2, "SeriesMismatch"),
    ]
    unopened = forgery.judged_all({0: signature, 1: forgery.plain[1][:-1], 2: bytes(record)})
    assert [finding.position for finding in unopened.findings] == [1, 0, 2]  # what does not open is said first
    assert unopened.opened.keys() == {0, 2}


def test_a_signature_that_does_not_hold_is_provable(forgery: Forgery) -> None:
    block = parse_series_block(forgery.plain[1])
    signature = forgery.community.meters[0].sign_digest(bytes(32))
    digest = device_block_of(block).digest
    assert isinstance(block.entry, SeriesEntry)
    entry = replace(block.entry, evidence=evidence_digest(digest, signature, block.public_key))
    judgement = forgery.judged(1, replace(block, entry=entry, signature=signature).to_bytes())
    (finding,) = judgement.findings
    assert (finding.kind, finding.position) == (FindingKind.INVALID_EVIDENCE, 1)
    assert finding.opening == EvidenceOpening(digest, signature, block.public_key)


def test_a_series_of_telegrams_in_a_channel_of_meters_is_judged(forgery: Forgery) -> None:
    block = parse_series_block(forgery.plain[1])
    entry = replace(block.entry, kind=EntryKind.SIGNED_TELEGRAMS)
    key = b"\x30" * 91  # of odd length, as a DER key is
    changed = replace(block, entry=entry, public_key=key, signature=b"", telegrams=(b"one",), block_version=1)
    codes = [finding.code for finding in forgery.judged(1, changed.to_bytes()).findings]
    assert codes[0] == "SeriesMismatch"
    assert "MeterForeign" in codes


def test_what_is_not_served_is_withheld(forgery: Forgery) -> None:
    wrapped = dict(forgery.wrapped)
    wrapped[2] = wrapped[0]
    del wrapped[1]
    judgement = forgery.judged_all({}, wrapped_keys=wrapped)
    assert [(finding.kind, finding.position, finding.code) for finding in judgement.findings] == [
        (FindingKind.WITHHELD, 1, "KeyMissing"),
        (FindingKind.WITHHELD, 2, "AuthenticationFailed"),
    ]
    assert forgery.judged_all({}, wrapped_keys=wrapped, blocks={}).findings[0].code == "BlockMissing"
    entries = b"".join(plain[2:120] for plain in forgery.plain)
    shown = entries[:-1] + bytes([entries[-1] ^ 1])
    assert [(one.position, one.code) for one in forgery.judged_all({}, entries=shown).findings] == [(2, "EntryForeign")]


def test_a_roster_is_the_header_s_over_the_manager_s_list(forgery: Forgery) -> None:
    rows, places, salts = forgery.roster(), list(forgery.sealed.member_of), forgery.salts()
    assert not forgery.judged_all({}).findings

    def codes(**served: Any) -> list[str]:
        return [finding.code for finding in forgery.judged_all({}, **served).findings]

    for unreadable in (b"", rows[:-1], rows + bytes(20), bytes(32 * 3), b"\xff" * 4 + rows[4:]):
        assert codes(roster=unreadable) == ["RosterMissing"]
    for other in (
        roster_rows(places[::-1], salts),
        roster_rows(places, salts[::-1]),
        roster_rows([places[0]] * 3, salts),
        rows[:-1] + bytes([rows[-1] ^ 1]),
    ):
        assert codes(roster=other) == ["RosterMismatch"]
    public_keys = [forgery.community.meters[places[0]].public_key] * 3
    root = roster_root(forgery.names, salts, public_keys)
    twice = codes(roster=roster_rows([places[0]] * 3, salts), root_of_roster=root)
    assert twice[0] == "RosterForeign"
    assert set(twice[1:]) == {"MeterForeign"}
    old = sha256_root(b"".join(map(bytes.__add__, forgery.names, map(sha256, public_keys))), 64)
    assert codes(root_of_roster=old) == ["RosterMismatch"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_block_is_judged(forgery: Forgery, data: st.DataObject) -> None:
    changed = data.draw(st.integers(0, 2))
    block = bytearray(forgery.plain[changed])
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, 124) | st.integers(0, len(block) - 1))
        block[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([len(block)] * 4 + [len(block) - 1, 130, 120]))
    assert isinstance(forgery.judged(changed, bytes(block[:cut])).findings, tuple)
