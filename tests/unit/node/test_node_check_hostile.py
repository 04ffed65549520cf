"""A forger with a stolen enclave key signs what it likes: a watcher judges it, and never falls over."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from enclave_community import Community, LocalEnclave
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wattest.crypto.hashing import sha256
from wattest.enclave.host.client import SealedBatch
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.merkle import MerkleTree
from wattest.metering.series import entry_salt
from wattest.node.check import FindingKind, Judgement, ServedBatch, check_batch
from wattest.protocol.bundle import BundleManifest, open_block, seal_block
from wattest.protocol.wrapped_keys import unwrap_series_key
from wattest.workload.configuration import EngineConfiguration
from wattest.workload.guests import load_guest

RECORDS_AT = 2 + 118 + 4  # version, flags, entry, count; the first day continues from nothing
RECORD_BYTES, QUALITY_AT, SOURCE_AT = 95, 61, 63


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

    def judged(self, changed: int, plaintext: bytes) -> Judgement:
        plain = [plaintext if at == changed else block for at, block in enumerate(self.plain)]
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
        meters = [self.community.meters[member].public_key for member in self.sealed.member_of]
        served = ServedBatch(
            manifest.to_bytes(), dict(enumerate(blocks)), b"".join(entries), self.wrapped,
            b"".join(sha256(meter) for meter in meters), self.community.members,
        )  # fmt: skip
        return check_batch(
            header, served, self.watcher, self.vee, workloads=frozenset({header.workload}), meters_before={}
        )


@pytest.fixture(scope="module")
def forgery(tmp_path_factory: pytest.TempPathFactory) -> Forgery:
    folder = tmp_path_factory.mktemp("forgery")
    platform = SimulatedPlatform.create(folder / "platform", 1_750_000_000)
    community = Community(3)
    enclave = LocalEnclave(platform, folder / "state")
    enclave.create_identity(community.binding(), community.channel)
    return Forgery(community, enclave.seal_batch(community.seal_job(0)))


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
