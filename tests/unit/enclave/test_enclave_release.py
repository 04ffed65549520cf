"""One header per sequence: the same job again, another job, a chain that stands elsewhere, rolled-back state."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from enclave_community import MEASUREMENT, OPERATOR, Community, LocalEnclave, secret

from wattest.crypto.secp256k1 import recover_address
from wattest.enclave.host.client import ChainHead
from wattest.enclave.measured.errors import (
    DebugRefused,
    HeadMismatch,
    IdentityConflict,
    IdentityUnknown,
    JobConflict,
    RequestInvalid,
    SealedStateInvalid,
)
from wattest.enclave.measured.identity import first_light_digest
from wattest.enclave.measured.release import sign_and_seal
from wattest.enclave.measured.sealed_state import STATE_PURPOSE, Standing, open_state, seal_state
from wattest.enclave.measured.stop_points import StopPoints
from wattest.enclave.simulator.launch import sealing_key, unsafe_open_sealed_state
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.messages.header import HEADER_BYTES, sign_header


def state_file(folder: Path, community: Community) -> Path:
    return folder / f"{community.channel.id.hex()}.sealed"


def restarted(platform: SimulatedPlatform, folder: Path, *, debug: bool = False) -> LocalEnclave:
    return LocalEnclave(platform, folder, debug=debug)


def test_the_identical_job_gives_the_identical_batch_also_after_a_restart(
    enclave: LocalEnclave, enclave_platform: SimulatedPlatform, community: Community, tmp_path: Path
) -> None:
    job = community.seal_job(0, absent=frozenset({1}))
    first = enclave.seal(job)
    for again in (enclave.seal(job), restarted(enclave_platform, tmp_path / "state").seal(job)):
        assert (again.header, again.signature) == (first.header, first.signature)
        assert list(again.blocks) == list(first.blocks)
        assert list(again.entry_salts) == list(first.entry_salts)


def test_the_order_of_blocks_does_not_matter(enclave: LocalEnclave, community: Community) -> None:
    job = community.seal_job(0)
    first = enclave.seal(job)
    assert enclave.seal(replace(job, blocks=list(reversed(list(job.blocks))))).header == first.header


@pytest.mark.parametrize("change", ["readings", "absent", "period", "members"])
def test_another_job_for_a_sealed_sequence_is_refused(enclave: LocalEnclave, community: Community, change: str) -> None:
    first = enclave.seal(community.seal_job(0))
    job = {
        "readings": lambda: community.seal_job(0, scale=2),
        "absent": lambda: community.seal_job(0, absent=frozenset({0})),
        "period": lambda: community.seal_job(1),
        "members": lambda: replace(community.seal_job(0), members=community.signed_members(valid_from=1)),
    }[change]()
    with pytest.raises(JobConflict):
        enclave.seal(job)
    release = enclave.last_release(community.channel.id)
    assert release is not None
    assert (release.header, release.signature) == (first.header, first.signature)


def test_no_block_of_another_job_is_encrypted_under_a_sealed_key(enclave: LocalEnclave, community: Community) -> None:
    enclave.seal(community.seal_job(0))
    job = community.seal_job(0, scale=2)
    enclave._ask(
        "seal.begin",
        {
            "channel": community.channel.id, "head_sequence": 0, "head_digest": bytes(32),
            "period_start": job.period_start, "period_end": job.period_end,
            "members": community.members.to_bytes(), "meter_keys": b"".join(community.meter_keys),
        },
    )["order"].octets(20)  # fmt: skip
    with pytest.raises(JobConflict):
        enclave._ask("seal.add", {"blocks": list(job.blocks)})


def test_a_job_that_is_ended_twice_signs_and_seals_once(
    enclave: LocalEnclave, enclave_platform: SimulatedPlatform, community: Community, tmp_path: Path
) -> None:
    job = community.seal_job(0)
    begin = {
        "channel": community.channel.id, "head_sequence": 0, "head_digest": bytes(32),
        "period_start": job.period_start, "period_end": job.period_end,
        "members": community.members.to_bytes(), "meter_keys": b"".join(community.meter_keys),
    }  # fmt: skip
    enclave._ask("seal.begin", begin)
    enclave._ask("seal.add", {"blocks": list(job.blocks)})
    first = enclave._ask("batch.finish", {})["header"].octets(HEADER_BYTES)
    assert enclave.erase(community.channel.id, 1) is True
    assert enclave._ask("batch.finish", {})["header"].octets(HEADER_BYTES) == first
    key = sealing_key(enclave_platform, MEASUREMENT, STATE_PURPOSE, debug=False)
    kept = open_state(state_file(tmp_path / "state", community).read_bytes(), key).last
    assert kept is not None
    assert kept.series_keys == ()


def test_nothing_is_signed_over_a_state_that_moved_on(enclave: LocalEnclave, community: Community) -> None:
    """Whatever became of the state since the job began is looked at when it is signed."""
    identities = enclave.service._identities
    before = identities.get(community.channel.id)
    enclave.seal(community.seal_job(0))
    sealed = identities.get(community.channel.id)
    assert sealed.last is not None
    other = replace(sealed.last.header, root=secret("another root"))
    with pytest.raises(HeadMismatch):
        sign_and_seal(identities, before, other, bytes(32), (), (), Standing(), StopPoints(debug=False))
    assert identities.get(community.channel.id) is sealed


def test_a_chain_that_stands_elsewhere_is_refused_with_what_was_expected(
    enclave: LocalEnclave, community: Community
) -> None:
    first = enclave.seal(community.seal_job(0))
    second = enclave.seal(community.seal_job(1, community.head(first)))
    for head in (
        ChainHead(2, secret("fork")),
        ChainHead(3, secret("ahead")),
        ChainHead(0, bytes(32)),
        ChainHead(1, secret("other first")),
        ChainHead(0, secret("x")),
    ):
        with pytest.raises(HeadMismatch) as caught:
            enclave.seal(community.seal_job(2, head))
        assert caught.value.fields["expected"] == [2, second.header.digest(community.domain)]
        assert caught.value.fields["actual"] == [head.sequence, head.digest]
    assert enclave.seal(community.seal_job(2, community.head(second))).header.sequence == 3


def test_rolled_back_state_is_refused_and_a_lying_host_gets_two_headers(
    enclave: LocalEnclave, enclave_platform: SimulatedPlatform, community: Community, tmp_path: Path
) -> None:
    folder = tmp_path / "state"
    kept = tmp_path / "kept"
    first = enclave.seal(community.seal_job(0))
    shutil.copy(state_file(folder, community), kept)
    second = enclave.seal(community.seal_job(1, community.head(first)))
    shutil.copy(kept, state_file(folder, community))
    rolled_back = restarted(enclave_platform, folder)
    with pytest.raises(HeadMismatch):
        rolled_back.seal(community.seal_job(2, community.head(second)))
    # A host that shows the old head as the chain's gets a second header: the evidence that convicts its operator.
    other = rolled_back.seal(community.seal_job(1, community.head(first), scale=2))
    assert other.header.sequence == second.header.sequence
    assert other.header != second.header


def test_sealed_state_opens_on_its_platform_and_measurement_alone(
    enclave: LocalEnclave, enclave_platform: SimulatedPlatform, community: Community, tmp_path: Path
) -> None:
    enclave.seal(community.seal_job(0))
    data = state_file(tmp_path / "state", community).read_bytes()
    key = sealing_key(enclave_platform, MEASUREMENT, STATE_PURPOSE, debug=False)
    state = open_state(data, key)
    assert state.operator == OPERATOR
    assert open_state(seal_state(state, key), key).last == state.last
    other_platform = SimulatedPlatform.create(tmp_path / "other", 1_750_000_000)
    for other in (
        sealing_key(enclave_platform, MEASUREMENT, STATE_PURPOSE, debug=True),
        sealing_key(enclave_platform, secret("other measurement"), STATE_PURPOSE, debug=False),
        sealing_key(enclave_platform, MEASUREMENT, b"storage", debug=False),
        sealing_key(other_platform, MEASUREMENT, STATE_PURPOSE, debug=False),
    ):
        with pytest.raises(SealedStateInvalid):
            open_state(data, other)


@pytest.mark.parametrize("at", [0, 15, 16, 30, -1])
def test_a_changed_sealed_file_stops_the_enclave(
    enclave: LocalEnclave, enclave_platform: SimulatedPlatform, community: Community, tmp_path: Path, at: int
) -> None:
    path = state_file(tmp_path / "state", community)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises(SealedStateInvalid) as caught:
        restarted(enclave_platform, tmp_path / "state")
    assert caught.value.fields["path"] == str(path)


def test_a_sealed_file_under_another_channels_name_is_refused(
    enclave: LocalEnclave, enclave_platform: SimulatedPlatform, community: Community, tmp_path: Path
) -> None:
    path = state_file(tmp_path / "state", community)
    path.rename(path.with_name(secret("channel").hex() + ".sealed"))
    with pytest.raises(SealedStateInvalid):
        restarted(enclave_platform, tmp_path / "state")


def test_erasure_drops_the_series_keys_and_keeps_the_head(
    enclave: LocalEnclave, enclave_platform: SimulatedPlatform, community: Community, tmp_path: Path
) -> None:
    job = community.seal_job(0)
    first = enclave.seal(job)
    assert enclave.erase(community.channel.id, 7) is False
    assert enclave.erase(community.channel.id, 1) is True
    assert enclave.erase(community.channel.id, 1) is False
    path = state_file(tmp_path / "state", community)
    held = unsafe_open_sealed_state(enclave_platform, MEASUREMENT, path).last
    assert held is not None
    assert held.series_keys == ()
    with pytest.raises(JobConflict):
        enclave.seal(job)
    assert enclave.seal(community.seal_job(1, community.head(first))).header.sequence == 2


def test_an_identity_is_attested_again_and_bound_to_one_operator(enclave: LocalEnclave, community: Community) -> None:
    first = enclave.describe().identities[0]
    again = enclave.create_identity(community.binding(nonce=secret("fresh")), community.channel)
    assert (again.address, again.storage_key) == (first.address, first.storage_key)
    assert again.evidence
    for change in ({"operator": b"\x09" * 20}, {"chain_id": 1}, {"referee": b"\x09" * 20}):
        with pytest.raises(IdentityConflict):
            enclave.create_identity(community.binding(**change), community.channel)
    with pytest.raises(RequestInvalid):
        enclave.create_identity(community.binding(channel=secret("other")), community.channel)


def test_every_channel_has_a_key_of_its_own(enclave: LocalEnclave, community: Community) -> None:
    second = enclave.create_identity(community.binding(community.open_channel), community.open_channel)
    first = next(found for found in enclave.describe().identities if found.channel == community.channel.id)
    assert {first.address, first.storage_key}.isdisjoint({second.address, second.storage_key})


def test_first_light_is_signed_by_the_named_identity(
    enclave: LocalEnclave, enclave_platform: SimulatedPlatform, community: Community, tmp_path: Path
) -> None:
    light = enclave.first_light("hello")
    assert recover_address(first_light_digest(light.digest), light.signature) == light.address
    assert light.address == enclave.describe().identities[0].address
    assert enclave.first_light("hallo").digest != light.digest
    with pytest.raises(IdentityUnknown):
        enclave.first_light("hello", secret("no channel"))
    with pytest.raises(IdentityUnknown):
        LocalEnclave(enclave_platform, tmp_path / "empty").first_light("hello")


def test_the_simulators_host_can_forge_and_nobody_else_can(
    enclave: LocalEnclave, enclave_platform: SimulatedPlatform, community: Community, tmp_path: Path
) -> None:
    batch = enclave.seal(community.seal_job(0))
    stolen = unsafe_open_sealed_state(enclave_platform, MEASUREMENT, state_file(tmp_path / "state", community))
    forged = replace(batch.header, root=secret("forged"))
    signature = sign_header(stolen.private_key, forged, community.domain)
    assert recover_address(forged.digest(community.domain), signature) == enclave.describe().identities[0].address
    assert stolen.secret.hex() not in repr(stolen)
    other = SimulatedPlatform.create(tmp_path / "other", 1_750_000_000)
    with pytest.raises(SealedStateInvalid):
        unsafe_open_sealed_state(other, MEASUREMENT, state_file(tmp_path / "state", community))


def test_faults_are_for_debug_enclaves(
    enclave: LocalEnclave, enclave_platform: SimulatedPlatform, tmp_path: Path
) -> None:
    with pytest.raises(DebugRefused):
        enclave.unsafe_arm_fault("before_seal")
    debug = LocalEnclave(enclave_platform, tmp_path / "debug", debug=True)
    with pytest.raises(RequestInvalid):
        debug.unsafe_arm_fault("nowhere")
    debug.unsafe_arm_fault("before_seal")
