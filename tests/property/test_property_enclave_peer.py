"""Whatever an accepted peer, or the host in between, says: a typed error, and nothing is handed over by accident."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from enclave_community import MEASUREMENT, OPERATOR, Community, LocalEnclave
from enclave_peers import NOW, peer_settings, permit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wattest.crypto.strict_fields import Fields
from wattest.enclave.host.peer import take
from wattest.enclave.measured import cbor
from wattest.enclave.measured.hand_over import Giver, Taker
from wattest.enclave.measured.peer import Peer
from wattest.enclave.measured.schema import read_map
from wattest.enclave.measured.witness import Witness
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.errors import WattestError
from wattest.workload.engine import EngineConfiguration
from wattest.workload.guests import load_guest

Platforms = tuple[SimulatedPlatform, SimulatedPlatform]
Pair = tuple[LocalEnclave, LocalEnclave]
COMMUNITY = Community(2)
FIXTURES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
GUEST = load_guest("vee", EngineConfiguration.for_enclave())

TAKE = {"method": "take", "channel": COMMUNITY.channel.id, "kind": 1, "successor": bytes(20)}
STATE = {
    "method": "state", "channel": COMMUNITY.channel.id, "operator": OPERATOR,
    "chain_id": COMMUNITY.domain.chain_id.to_bytes(32, "big"), "referee": COMMUNITY.domain.verifying_contract,
    "sequence": 1, "digest": b"\x01" * 32, "standing": {"meters": b"", "payouts": bytes(32), "settled_until": 0},
    "storage_seed": b"\x02" * 32, "signers": bytes(20), "covered_until": 0,
}  # fmt: skip
WORK = {
    "method": "witness", "header": bytes(480), "seed": bytes(32), "indices": bytes(4), "nodes": b"",
    "keys": bytes(32), "blocks": [b""],
}  # fmt: skip
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.binary(max_size=80), st.text(max_size=20),
    st.lists(st.binary(max_size=40), max_size=3), st.just(b"\xff" * 480),
    st.dictionaries(st.text(max_size=8), st.binary(max_size=8), max_size=3),
)  # fmt: skip


@st.composite
def messages(draw: st.DrawFn, like: dict[str, Any]) -> dict[str, Any]:
    """A message with one to three fields changed, added or gone."""
    changed = dict(like)
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from([*like, "other"]))
        if name in changed and draw(st.integers(0, 3)) == 0:
            del changed[name]
        else:
            changed[name] = draw(VALUES)
    return changed


@pytest.fixture(scope="module")
def platforms(tmp_path_factory: pytest.TempPathFactory) -> Platforms:
    folder = tmp_path_factory.mktemp("platforms")
    return SimulatedPlatform.create(folder / "a", NOW), SimulatedPlatform.create(folder / "b", NOW)


@pytest.fixture
def pair(platforms: Platforms, tmp_path: Path) -> Pair:
    giver, taker = (LocalEnclave(each, tmp_path / str(index)) for index, each in enumerate(platforms))
    giver.create_identity(COMMUNITY.binding(), COMMUNITY.channel)
    taker.prepare_successor(COMMUNITY.binding(), COMMUNITY.channel)
    return giver, taker


def said(message: dict[str, Any]) -> Fields:
    return read_map(cbor.parse(cbor.encode(message)), "message")


def phase(enclave: LocalEnclave) -> str:
    return enclave.describe().identities[0].phase


def is_same(message: dict[str, Any], like: dict[str, Any], *names: str) -> bool:
    return message.keys() == like.keys() and all(message[name] == like[name] for name in names)


@FIXTURES
@given(messages(TAKE))
def test_a_giver(platforms: Platforms, pair: Pair, message: dict[str, Any]) -> None:
    peer = Peer(MEASUREMENT, platforms[1].platform_id, MEASUREMENT)
    giver = Giver(pair[0].service._identities, COMMUNITY.channel.id, permit(COMMUNITY, platforms[1]), NOW, None)
    before = phase(pair[0])
    try:
        giver.answer(said(message), peer)
    except WattestError:
        assert phase(pair[0]) == before
        return
    assert is_same(message, TAKE, "method", "channel", "kind")
    assert len(message["successor"]) == 20


@FIXTURES
@given(messages(STATE))
def test_a_taker(platforms: Platforms, pair: Pair, message: dict[str, Any]) -> None:
    peer = Peer(MEASUREMENT, platforms[0].platform_id, MEASUREMENT)
    identities = pair[1].service._identities
    waiting = identities.get(COMMUNITY.channel.id)
    taker = Taker(identities, COMMUNITY.channel.id, permit(COMMUNITY, platforms[1]), NOW)
    try:
        taker.answer(said(message), peer)
    except WattestError:
        assert phase(pair[1]) == "awaiting"
        return
    assert is_same(message, STATE, "method", "channel", "operator", "chain_id", "referee")
    assert phase(pair[1]) == "active"
    again = LocalEnclave(platforms[1], identities._store._folder)  # what was sealed can be opened
    assert again.service._identities.get(COMMUNITY.channel.id).start == (message["sequence"], message["digest"])
    identities.save(waiting)


@FIXTURES
@given(messages(WORK))
def test_a_witness(pair: Pair, message: dict[str, Any]) -> None:
    witness = Witness(pair[0].service._identities, GUEST, COMMUNITY.channel.id)
    with pytest.raises(WattestError):
        witness.answer(said(message), Peer(MEASUREMENT, bytes(32), MEASUREMENT))
    assert witness.result is None


@FIXTURES
@given(data=st.binary(max_size=200), framed=st.booleans())
def test_any_hello_of_another_host(platforms: Platforms, pair: Pair, data: bytes, *, framed: bool) -> None:
    here, there = socket.socketpair()
    ours, signed = peer_settings(COMMUNITY, platforms[1], platforms), permit(COMMUNITY, platforms[1])
    with here, there:
        there.sendall(len(data).to_bytes(4, "big") + data if framed else data)
        there.shutdown(socket.SHUT_WR)
        with pytest.raises(WattestError):
            take(pair[1], ours, here, signed)
    assert phase(pair[1]) == "awaiting"
