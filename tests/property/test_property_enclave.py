"""Whatever bytes arrive, the enclave's parsers give a value or a typed refusal, within bounds."""

from __future__ import annotations

import contextlib
from pathlib import Path

import cbor2
import pytest
from enclave_community import Community, LocalEnclave, secret
from hypothesis import given
from hypothesis import strategies as st

from wattest.enclave.measured import cbor, wire
from wattest.enclave.measured.errors import FrameMalformed
from wattest.enclave.measured.sealed_state import SealedState, open_state, seal_state
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.errors import InputError, ProtocolError, VerificationError, WattestError
from wattest.sealing.bundle import BundleManifest, parse_manifest

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=80) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_cbor_round_trips_and_an_independent_library_reads_it(value: object) -> None:
    with contextlib.suppress(FrameMalformed):  # only where hypothesis nested it too deeply
        assert cbor.parse(cbor.encode(value)) == value
    assert cbor2.loads(cbor.encode(value)) == value


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_a_value_of_one_encoding_or_refused(data: bytes) -> None:
    with contextlib.suppress(FrameMalformed):
        assert cbor.encode(cbor.parse(data)) == data


@given(VALUES, st.integers(0, 10_000), st.integers(1, 255))
def test_changed_bytes_never_give_the_same_value(value: object, at: int, mask: int) -> None:
    data = bytearray(cbor.encode(value))
    data[at % len(data)] ^= mask
    with contextlib.suppress(FrameMalformed):
        assert cbor.encode(cbor.parse(bytes(data))) == bytes(data)


@given(st.binary(max_size=200) | VALUES.map(cbor.encode))
def test_envelopes_are_read_or_refused(data: bytes) -> None:
    for parse in (wire.parse_request, wire.parse_reply):
        with contextlib.suppress(InputError):
            parse(data)


@pytest.fixture(scope="module")
def small_enclave(tmp_path_factory: pytest.TempPathFactory) -> LocalEnclave:
    platform = SimulatedPlatform.create(tmp_path_factory.mktemp("fuzz-platform"), 1_750_000_000)
    enclave = LocalEnclave(platform, tmp_path_factory.mktemp("fuzz-state"))
    community = Community(2, name="fuzz")
    enclave.create_identity(community.binding(), community.channel)
    enclave.create_identity(community.binding(community.open_channel), community.open_channel)
    return enclave


def _methods(enclave: LocalEnclave) -> list[str]:
    return [*enclave.service._methods, "no.such"]


@given(st.data())
def test_any_parameters_of_any_method_give_a_result_or_a_typed_error(
    small_enclave: LocalEnclave, data: st.DataObject
) -> None:
    method = data.draw(st.sampled_from(_methods(small_enclave)))
    with contextlib.suppress(WattestError):
        small_enclave.service.call(method, data.draw(VALUES))  # type: ignore[arg-type]


@given(st.data())
def test_a_seal_job_with_one_changed_field_is_sealed_or_typed(small_enclave: LocalEnclave, data: st.DataObject) -> None:
    community = Community(2, name="fuzz")
    job = community.seal_job(0)
    params: dict[str, cbor.Value] = {
        "channel": community.channel.id, "head_sequence": 0, "head_digest": bytes(32), "period_start": job.period_start,
        "period_end": job.period_end, "members": community.members.to_bytes(),
        "meter_keys": b"".join(community.meter_keys),
    }  # fmt: skip
    name = data.draw(st.sampled_from(sorted(params)))
    old = params[name]
    if isinstance(old, bytes) and data.draw(st.booleans()):
        changed = bytearray(old)
        changed[data.draw(st.integers(0, len(old) - 1))] ^= data.draw(st.integers(1, 255))
        params[name] = bytes(changed)
    else:
        params[name] = data.draw(st.integers(0, 2**64 - 1) | st.binary(max_size=400) | st.none())
    with contextlib.suppress(InputError, VerificationError, ProtocolError):
        small_enclave.service.call("seal.begin", params)
        block = bytearray(community.block(0, 0))
        block[data.draw(st.integers(0, len(block) - 1))] ^= data.draw(st.integers(0, 255))
        small_enclave.service.call("seal.add", {"blocks": [bytes(block)]})


@pytest.fixture(scope="module")
def sealed(small_enclave: LocalEnclave) -> tuple[SealedState, bytes]:
    state = small_enclave.service._identities.all()[0]
    return state, seal_state(state, secret("key"))


@given(st.data())
def test_changed_sealed_state_never_opens(sealed: tuple[SealedState, bytes], data: st.DataObject) -> None:
    state, sealed_bytes = sealed
    assert open_state(sealed_bytes, secret("key")).private_key.address == state.private_key.address
    at = data.draw(st.integers(0, len(sealed_bytes) - 1))
    changed = bytearray(sealed_bytes)
    changed[at] ^= data.draw(st.integers(1, 255))
    for bad in (bytes(changed), sealed_bytes[:at], data.draw(st.binary(max_size=100))):
        with pytest.raises(VerificationError):
            open_state(bad, secret("key"))


@given(st.data())
def test_a_changed_manifest_is_another_one_or_refused(data: st.DataObject) -> None:
    digests = data.draw(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=3))
    manifest = BundleManifest(secret("channel"), 5, 2**64 - 1, tuple(digests))
    text = bytearray(manifest.to_bytes())
    assert parse_manifest(bytes(text)) == manifest
    text[data.draw(st.integers(0, len(text) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(InputError):
        again = parse_manifest(bytes(text))
        assert again != manifest
        assert again.to_bytes() == bytes(text)


def test_no_file_is_left_by_refused_jobs(small_enclave: LocalEnclave) -> None:
    folder: Path = small_enclave.service._identities._store._folder
    assert {path.suffix for path in folder.iterdir()} == {".sealed"}
