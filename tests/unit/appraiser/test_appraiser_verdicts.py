"""The appraiser signs what its policy accepts and binds to the request, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wattest.appraiser.appraiser import Appraiser, RegistrationRequest, collect_verdict
from wattest.attestation.result import EvidenceRefused
from wattest.attestation.roots import parse_root
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.messages.eip712 import Domain
from wattest.messages.evidence_verdict import verify_quorum
from wattest.messages.report_data import KeyBinding, report_data

NOW = 1_780_272_000
MEASUREMENT, SIGNER, WORKLOAD = b"\x11" * 32, b"\x22" * 32, b"\x33" * 32
BINDING = KeyBinding(31337, b"\x01" * 20, b"\x02" * 32, b"\x03" * 20, b"\x04" * 32)
ENCLAVE_KEY = b"\x05" * 20
REGISTRY = Domain(31337, b"\x06" * 20)


def policy(measurement: bytes = MEASUREMENT) -> bytes:
    return f'version = 1\n[[enclave]]\nname = "wattest"\nmr_enclave = "{measurement.hex()}"\n'.encode()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> SimulatedPlatform:
    return SimulatedPlatform.create(tmp_path_factory.mktemp("platform") / "p", NOW)


@pytest.fixture
def request_(platform: SimulatedPlatform) -> RegistrationRequest:
    quote = platform.quote(
        measurement=MEASUREMENT, signer=SIGNER, product=1, svn=1, report_data=report_data(BINDING, ENCLAVE_KEY)
    )
    return RegistrationRequest(BINDING, ENCLAVE_KEY, quote, platform.collateral(NOW).to_json(), 7, WORKLOAD)


def appraiser(platform: SimulatedPlatform, seed: int = 1, text: bytes | None = None) -> Appraiser:
    key = Secp256k1PrivateKey.from_seed(bytes([seed]) * 32)
    return Appraiser(key, text or policy(), [parse_root(platform.root_certificate)], frozenset({WORKLOAD}))


def test_three_appraisers_make_a_quorum(platform: SimulatedPlatform, request_: RegistrationRequest) -> None:
    appraisers = [appraiser(platform, seed) for seed in (1, 2, 3)]
    verdict, signatures = collect_verdict(appraisers, request_, REGISTRY, NOW)
    verify_quorum(verdict, signatures, REGISTRY, {one.key.address for one in appraisers}, 2)
    assert verdict.measurement == MEASUREMENT
    assert verdict.platform == platform.platform_id
    assert verdict.expires_at == NOW + 30 * 86_400


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"enclave_key": b"\x07" * 20}, "report_data"),
        ({"binding": replace(BINDING, chain_id=1)}, "report_data"),
        ({"binding": replace(BINDING, referee=b"\x07" * 20)}, "report_data"),
        ({"binding": replace(BINDING, operator=b"\x07" * 20)}, "report_data"),
        ({"binding": replace(BINDING, nonce=b"\x07" * 32)}, "report_data"),
    ],
)
def test_evidence_for_another_binding_is_refused(
    platform: SimulatedPlatform, request_: RegistrationRequest, change: dict[str, object], code: str
) -> None:
    with pytest.raises(EvidenceRefused) as caught:
        appraiser(platform).verdict(replace(request_, **change), NOW)  # type: ignore[arg-type]
    assert caught.value.fields["codes"] == [code]


def test_an_unknown_workload_or_measurement_is_refused(
    platform: SimulatedPlatform, request_: RegistrationRequest
) -> None:
    with pytest.raises(EvidenceRefused, match="workload"):
        appraiser(platform).verdict(replace(request_, workload=b"\x08" * 32), NOW)
    with pytest.raises(EvidenceRefused, match="measurement"):
        appraiser(platform, text=policy(b"\x09" * 32)).verdict(request_, NOW)


def test_appraisers_with_different_policies_do_not_sign_one_verdict(
    platform: SimulatedPlatform, request_: RegistrationRequest
) -> None:
    other = appraiser(platform, 2, policy() + b"\n# the same rules, another file\n")
    with pytest.raises(EvidenceRefused, match="different policies"):
        collect_verdict([appraiser(platform), other], request_, REGISTRY, NOW)


def test_nobody_to_ask_is_refused(request_: RegistrationRequest) -> None:
    with pytest.raises(EvidenceRefused):
        collect_verdict([], request_, REGISTRY, NOW)


def test_warnings_of_accepted_evidence_are_reported(platform: SimulatedPlatform, request_: RegistrationRequest) -> None:
    said: list[str] = []
    reporting = replace(appraiser(platform), report=said.append)
    reporting.verdict(request_, NOW)
    assert not [line for line in said if "fetch it again" in line]
    said.clear()
    reporting.verdict(request_, NOW + 6 * 86_400)
    assert any("can be used for" in line and "fetch it again" in line for line in said)
    assert all(line.startswith("evidence of operator 0x") for line in said)
