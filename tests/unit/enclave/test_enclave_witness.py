"""Drawn series go to another operator's enclave, which runs all of it again and signs its verdict."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from enclave_community import DAY_S, FIRST_DAY, Community, LocalEnclave, secret
from enclave_peers import NOW, meet, peer_settings

from wattest.apps.demo.charging import charging_sessions
from wattest.crypto.p256 import P256PrivateKey
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.enclave.host.client import ChainHead, Identity, ImportItem, ImportJob, SealedBatch
from wattest.enclave.host.jobs import WitnessJob
from wattest.enclave.host.peer import ask_witness, serve_witness
from wattest.enclave.measured import witness
from wattest.enclave.measured.errors import IdentityUnknown, PeerMisspoke, PhaseRefused, RequestInvalid, WitnessRefused
from wattest.enclave.measured.witness import Witness, Work, judge
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.merkle import MerkleTree
from wattest.messages.header import sign_header
from wattest.messages.witness_verdict import recover_witness
from wattest.metering.entry import ENTRY_BYTES, SeriesEntry
from wattest.metering.series import build_series_tree
from wattest.metering.series_block import SeriesBlock, parse_series_block
from wattest.metering.series_key import entry_salt
from wattest.sealing.bundle import open_block
from wattest.sealing.wrapped_keys import unwrap_series_key
from wattest.workload.engine import EngineConfiguration, Guest
from wattest.workload.guests import load_guest

COMMUNITY = Community(5)
OTHER_OPERATOR = b"\x0e" * 20
SESSIONS = charging_sessions(2, FIRST_DAY, FIRST_DAY + DAY_S)
CSV = b"start,import_kwh,export_kwh\n2024-10-04T00:00:00Z,0.25,0\n2024-10-04T00:15:00Z,0.5,0.125\n"
SEED = b"\x0f" * 32
Platforms = tuple[SimulatedPlatform, SimulatedPlatform]


@pytest.fixture(scope="module")
def platforms(tmp_path_factory: pytest.TempPathFactory) -> Platforms:
    folder = tmp_path_factory.mktemp("platforms")
    return SimulatedPlatform.create(folder / "a", NOW), SimulatedPlatform.create(folder / "b", NOW)


@pytest.fixture(scope="module")
def guest() -> Guest:
    return load_guest("vee", EngineConfiguration.for_enclave())


class Neighbours:
    """Two operators of one channel; the first has sealed a day in which a meter was absent."""

    def __init__(self, platforms: Platforms, folder: Path) -> None:
        self.platforms = platforms
        self.asker = LocalEnclave(platforms[0], folder / "asker")
        self.witness = LocalEnclave(platforms[1], folder / "witness")
        self.identity: Identity = self.asker.create_identity(COMMUNITY.binding(), COMMUNITY.channel)
        binding = COMMUNITY.binding(operator=OTHER_OPERATOR)
        self.other: Identity = self.witness.create_identity(binding, COMMUNITY.channel)
        self.first = self.asker.seal(COMMUNITY.seal_job(0))
        second = COMMUNITY.seal_job(1, COMMUNITY.head(self.first), absent=frozenset({2}))
        self.batch = self.asker.seal(second)

    def job(self, indices: tuple[int, ...] = (0, 2, 3)) -> WitnessJob:
        return witness_job(self.batch, self.identity, indices)

    def ask(self, job: WitnessJob) -> tuple[dict[str, object], dict[str, object]]:
        """What both hosts are told."""
        ours, theirs = (peer_settings(COMMUNITY, each, self.platforms) for each in self.platforms)
        self.asker.load_witness(job)
        found = meet(self.asker, ours, "ask", self.witness, theirs, "witness")
        told = []
        for fields in found:
            told.append(
                {
                    "header": fields["header"].octets(32), "seed": fields["seed"].octets(32),
                    "entries": fields["entries"].rows(4, 64), "ok": fields["ok"].boolean(),
                    "reason": fields["reason"].text(500), "witness": fields["witness"].octets(20),
                    "signature": fields["signature"].octets(65),
                }
            )  # fmt: skip
            fields.close()
        return told[0], told[1]


def witness_job(batch: SealedBatch, identity: Identity, indices: tuple[int, ...]) -> WitnessJob:
    """Drawn entries of a batch, as its operator's store has them."""
    tree = MerkleTree.build(b"".join(batch.entries), ENTRY_BYTES, b"".join(batch.entry_salts))
    return WitnessJob(
        batch.header,
        batch.signature,
        SEED,
        indices,
        tree.prove_many(list(indices)).nodes,
        [batch.entries[index] for index in indices],
        [batch.blocks[index] for index in indices],
        [batch.wrapped_keys[index][identity.storage_key] for index in indices],
    )


@pytest.fixture
def neighbours(platforms: Platforms, tmp_path: Path) -> Neighbours:
    return Neighbours(platforms, tmp_path)


@pytest.mark.parametrize("indices", [(0,), (0, 2, 3), (0, 1, 2, 3, 4)])
def test_an_honest_batch_gets_a_good_verdict(neighbours: Neighbours, indices: tuple[int, ...]) -> None:
    told, heard = neighbours.ask(neighbours.job(indices))
    assert told == heard
    assert told["ok"] is True
    assert told["reason"] == ""
    assert told["witness"] == neighbours.other.address
    assert told["header"] == neighbours.batch.header.digest(COMMUNITY.domain)
    assert told["entries"] == [index.to_bytes(4, "big") for index in indices]


def test_the_verdict_is_signed_by_the_registered_key(platforms: Platforms, tmp_path: Path) -> None:
    neighbours = Neighbours(platforms, tmp_path)
    ours, theirs = (peer_settings(COMMUNITY, each, platforms) for each in platforms)
    left, right = socket.socketpair()
    served = []
    thread = threading.Thread(target=lambda: served.append(serve_witness(neighbours.witness, theirs, right)))
    thread.start()
    outcome = ask_witness(neighbours.asker, ours, left, neighbours.job())
    thread.join()
    assert served == [outcome]
    assert recover_witness(outcome.verdict, outcome.signature, COMMUNITY.domain) == neighbours.other.address
    assert outcome.verdict.ok
    left.close()
    right.close()


def shown(neighbours: Neighbours, job: WitnessJob) -> Work:
    """What the asker's enclave shows, opened here with a household's keys."""
    header = job.header
    keys, blocks = [], []
    for index, entry, block in zip(job.indices, job.entries, job.blocks, strict=True):
        reader = COMMUNITY.readers[list(neighbours.batch.member_of)[index]]
        wrapped = neighbours.batch.wrapped_keys[index][reader.public_key]
        key = unwrap_series_key(reader, wrapped, header.channel, header.sequence, index, entry[2:34])
        keys.append(key)
        blocks.append(open_block(key, header.channel, header.sequence, entry[2:34], block))
    return Work(header, job.seed, tuple(job.indices), tuple(job.nodes), tuple(keys), tuple(blocks))


def forged(work: Work, at: int, change: Callable[[SeriesBlock], SeriesBlock]) -> Work:
    """What an operator with an extracted key would show: one series changed, and a header over it."""
    blocks = [parse_series_block(block) for block in work.blocks]
    block = change(blocks[at])
    entry = block.entry
    if isinstance(entry, SeriesEntry) and block.records.shape[0]:
        entry = replace(entry, series_root=build_series_tree(block.records, work.keys[at]).root)
        block = replace(block, entry=entry)
    blocks[at] = block
    salts = b"".join(entry_salt(key) for key in work.keys)
    tree = MerkleTree.build(b"".join(each.entry.pack() for each in blocks), ENTRY_BYTES, salts)
    header = replace(work.header, root=tree.root, entry_count=len(blocks))
    indices = tuple(range(len(blocks)))
    return replace(
        work,
        header=header,
        indices=indices,
        nodes=tree.prove_many(list(indices)).nodes,
        blocks=tuple(each.to_bytes() for each in blocks),
    )


def more_energy(block: SeriesBlock) -> SeriesBlock:
    records = block.records.copy()
    records["import_milliwatt_hours"][5] += 1
    return replace(block, records=records)


def another_signature(block: SeriesBlock) -> SeriesBlock:
    key = P256PrivateKey.from_seed(secret("forger"))
    return replace(block, signature=key.sign_digest(bytes(32)))


def estimated_up(block: SeriesBlock) -> SeriesBlock:
    """A high quality byte is vee's, not the meter's: only running the guest again shows this one."""
    records = block.records.copy()
    records["quality"][5] |= 0x0400
    return replace(block, records=records)


@pytest.mark.parametrize(
    ("change", "reason"),
    [(more_energy, "Mismatch|Refused|Invalid"), (another_signature, ""), (estimated_up, "EditingMismatch")],
)
def test_a_forged_series_gets_a_bad_verdict(
    neighbours: Neighbours, guest: Guest, change: Callable[[SeriesBlock], SeriesBlock], reason: str
) -> None:
    work = shown(neighbours, neighbours.job((0, 1, 2)))
    at = next(i for i, block in enumerate(work.blocks) if parse_series_block(block).signature)
    state = neighbours.witness.service._identities.get(COMMUNITY.channel.id)
    assert judge(state, guest, forged(work, at, lambda block: block)) is None
    found = judge(state, guest, forged(work, at, change))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(witness, "_held", lambda *_: frozenset())
        assert judge(state, guest, forged(work, at, change)) == found  # in the words of the plain rules
        assert judge(state, guest, work) is None
    assert found is not None
    assert found.startswith(f"entry {at}: ")
    assert re.search(reason, found)


def test_what_a_witness_gives_no_verdict_on(neighbours: Neighbours, guest: Guest) -> None:
    work = shown(neighbours, neighbours.job((0, 1, 2)))
    state = neighbours.witness.service._identities.get(COMMUNITY.channel.id)
    own = neighbours.asker.service._identities.get(COMMUNITY.channel.id)
    assert judge(state, guest, work) is None
    with pytest.raises(WitnessRefused, match="other operators"):
        judge(own, guest, work)
    for changed in (
        {"header": replace(work.header, channel=bytes(32))},
        {"header": replace(work.header, workload=bytes(32))},
        {"header": replace(work.header, root=bytes(32))},
        {"nodes": work.nodes[:-1]},
        {"indices": (0, 1, 3)},
        {"indices": (1, 0, 2)},
        {"indices": ()},
        {"keys": (*work.keys[:2], bytes(32))},
        {"blocks": (*work.blocks[:2], b"")},
        {"blocks": (*work.blocks[:2], work.blocks[0])},
    ):
        with pytest.raises(WitnessRefused):
            judge(state, guest, replace(work, **changed))


def test_an_asker_opens_its_own_batches_only(neighbours: Neighbours) -> None:
    job = neighbours.job()
    stranger = Secp256k1PrivateKey.from_seed(secret("stranger"))
    for changed in (
        {"signature": sign_header(stranger, job.header, COMMUNITY.domain)},
        {"header": replace(job.header, operator=OTHER_OPERATOR)},
        {"blocks": [*job.blocks[:2], b"x" * 200]},
        {"entries": [job.entries[1], job.entries[0], job.entries[2]]},
        {"wrapped": job.wrapped[:2]},
    ):
        with pytest.raises(WitnessRefused):
            neighbours.asker.load_witness(replace(job, **changed))
    with pytest.raises(IdentityUnknown):
        neighbours.asker.load_witness(replace(job, header=replace(job.header, channel=bytes(32))))
    with pytest.raises(RequestInvalid):
        neighbours.asker.load_witness(replace(job, indices=range(65)))


def test_a_witness_has_an_active_key(platforms: Platforms, tmp_path: Path) -> None:
    neighbours = Neighbours(platforms, tmp_path)
    late = LocalEnclave(platforms[1], tmp_path / "late")
    theirs = peer_settings(COMMUNITY, platforms[1], platforms)
    with pytest.raises(IdentityUnknown):
        late.open_peer(theirs, "witness")
    late.prepare_successor(COMMUNITY.binding(operator=OTHER_OPERATOR), COMMUNITY.channel)
    with pytest.raises(PhaseRefused):
        late.open_peer(theirs, "witness")
    assert neighbours.witness.open_peer(theirs, "witness")


def test_a_verdict_under_another_name_is_not_taken(neighbours: Neighbours, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Witness.answer

    def answer(self: Witness, *given: object) -> dict[str, object]:
        return {**plain(self, *given), "witness": bytes(20)}  # type: ignore[arg-type]

    monkeypatch.setattr(Witness, "answer", answer)
    with pytest.raises(PeerMisspoke):
        neighbours.ask(neighbours.job())


def test_imports_are_judged_too(platforms: Platforms, tmp_path: Path) -> None:
    """Signed charging sessions and an unsigned table of an open channel, in one conversation."""
    neighbours = Neighbours(platforms, tmp_path)
    channel = COMMUNITY.open_channel
    identity = neighbours.asker.create_identity(COMMUNITY.binding(channel), channel)
    neighbours.witness.create_identity(COMMUNITY.binding(channel, operator=OTHER_OPERATOR), channel)
    items = [
        ImportItem(file, secret("import", name), COMMUNITY.readers[0].public_key, key)
        for file, name, key in (
            *((session.telegram, session.file_name, session.public_key) for session in SESSIONS),
            (CSV, "table", None),
        )
    ]
    sealed = neighbours.asker.seal(ImportJob(channel.id, ChainHead(), FIRST_DAY, FIRST_DAY + DAY_S, items, ()))
    ours, theirs = (peer_settings(COMMUNITY, each, platforms, channel=channel) for each in platforms)
    neighbours.asker.load_witness(witness_job(sealed, identity, (0, 1, 2)))
    told, _ = meet(neighbours.asker, ours, "ask", neighbours.witness, theirs, "witness")
    assert told["ok"].boolean()


def test_results_are_not_judged(platforms: Platforms, tmp_path: Path) -> None:
    neighbours = Neighbours(platforms, tmp_path)
    channel = COMMUNITY.open_channel
    neighbours.asker.create_identity(COMMUNITY.binding(channel), channel)
    neighbours.witness.create_identity(COMMUNITY.binding(channel, operator=OTHER_OPERATOR), channel)
    statement = neighbours.asker.seal(COMMUNITY.statement_job([neighbours.first], neighbours.identity))
    identity = next(each for each in neighbours.asker.describe().identities if each.channel == channel.id)
    ours, theirs = (peer_settings(COMMUNITY, each, platforms, channel=channel) for each in platforms)
    neighbours.asker.load_witness(witness_job(statement, identity, (0,)))
    with pytest.raises(WitnessRefused, match="another guest"):
        meet(neighbours.asker, ours, "ask", neighbours.witness, theirs, "witness")
