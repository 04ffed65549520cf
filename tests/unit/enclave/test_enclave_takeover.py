"""A new key takes over where the chain stands: after a lost machine, a new version, or a missed deadline."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from enclave_community import Community, LocalEnclave, secret

from wattest.enclave.host.client import ChainHead
from wattest.enclave.measured.errors import HeadMismatch, RequestInvalid
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.messages.header import recover_header_signer


def test_a_new_key_continues_a_scheduled_channel(
    enclave: LocalEnclave, enclave_platform: SimulatedPlatform, community: Community, tmp_path: Path
) -> None:
    first = enclave.seal(community.seal_job(0))
    lost = enclave.seal(community.seal_job(1, community.head(first)))  # signed, never committed in time
    heir = LocalEnclave(enclave_platform, tmp_path / "heir")
    identity = heir.create_identity(community.binding(), community.channel, community.head(first))
    assert identity.address != enclave.describe().identities[0].address
    with pytest.raises(HeadMismatch):
        heir.seal(community.seal_job(1, community.head(lost)))
    with pytest.raises(HeadMismatch):
        heir.seal(community.seal_job(1))
    job = community.seal_job(2, community.head(first))
    second = heir.seal(job)
    assert (second.header.sequence, second.header.previous) == (2, first.header.digest(community.domain))
    assert recover_header_signer(second.header, second.signature, community.domain) == identity.address
    assert heir.seal(job).header == second.header
    assert heir.seal(community.seal_job(3, community.head(second))).header.sequence == 3


def test_the_sealed_start_is_no_way_back(
    enclave_platform: SimulatedPlatform, community: Community, tmp_path: Path
) -> None:
    head = ChainHead(7, secret("head"))
    heir = LocalEnclave(enclave_platform, tmp_path / "heir")
    identity = heir.create_identity(community.binding(), community.channel, head)
    shutil.copytree(tmp_path / "heir", tmp_path / "old")
    eighth = heir.seal(community.seal_job(0, head))
    rolled_back = LocalEnclave(enclave_platform, tmp_path / "old")
    with pytest.raises(HeadMismatch):  # the chain has the eighth: an honest host cannot sign a second one by mistake
        rolled_back.seal(community.seal_job(1, community.head(eighth)))
    # Asking for the key again, with another head, does not move its start.
    again = rolled_back.create_identity(
        community.binding(nonce=secret("fresh")), community.channel, community.head(eighth)
    )
    assert again.address == identity.address
    with pytest.raises(HeadMismatch):
        rolled_back.seal(community.seal_job(1, community.head(eighth)))


def test_a_start_that_is_none_or_in_an_open_channel_is_refused(enclave: LocalEnclave, community: Community) -> None:
    other = Community(3, name="elsewhere")
    for start in (ChainHead(0, secret("digest")), ChainHead(3, bytes(32)), ChainHead(2**32, secret("digest"))):
        with pytest.raises(RequestInvalid):
            enclave.create_identity(other.binding(), other.channel, start)
    with pytest.raises(RequestInvalid):
        enclave.create_identity(
            community.binding(community.open_channel), community.open_channel, ChainHead(3, secret("digest"))
        )
    assert len(enclave.describe().identities) == 1
