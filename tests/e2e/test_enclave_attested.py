"""An enclave's evidence under the one appraisal path, the Gramine back end in a process, and what a process maps."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from enclave_community import Community, secret
from gramine_folder import GramineFolder
from machines import shared_machine

from wattest.attestation.appraisal import Expectation, appraise
from wattest.attestation.appraisal_policy import parse_policy
from wattest.attestation.endorsements import endorse
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.formats.quote import parse_quote
from wattest.attestation.result import AppraisalResult
from wattest.attestation.roots import parse_root
from wattest.enclave.host.process import EnclaveProcess
from wattest.enclave.simulator.launch import PRODUCT, SIGNER, DeviceService
from wattest.enclave.simulator.measurement import LaunchSettings, measure
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.messages.report_data import KeyBinding, report_data

pytestmark = pytest.mark.e2e
NOW = 1_790_000_000


def judged(
    platform: SimulatedPlatform, evidence: bytes, measurement: bytes, binding: KeyBinding, key: bytes
) -> AppraisalResult:
    policy = f'version = 1\n[[enclave]]\nname = "ours"\nmr_enclave = "{measurement.hex()}"\n'
    return appraise(
        parse_evidence(evidence),
        endorse(platform.collateral(NOW)),
        parse_policy(policy.encode()),
        (parse_root(platform.root_certificate),),
        NOW + 3_600,
        expectation=Expectation(report_data=report_data(binding, key)),
    )


def test_evidence_is_accepted_for_its_key_its_measurement_and_its_platform_alone(tmp_path: Path) -> None:
    platform = shared_machine(tmp_path / "platform", NOW)
    other = SimulatedPlatform.create(tmp_path / "other", NOW)
    community = Community(2)
    binding = community.binding()
    with EnclaveProcess(platform, tmp_path / "state") as process:
        identity = process.client.create_identity(binding, community.channel)
        measurement = process.measurement.digest
    result = judged(platform, identity.evidence, measurement, binding, identity.address)
    assert result.genuine
    assert result.accepted, result.reasons
    assert measurement.hex() in str(result.measurement)
    assert result.platform_id == platform.platform_id
    for refused in (
        judged(platform, identity.evidence, secret("another measurement"), binding, identity.address),
        judged(platform, identity.evidence, measurement, replace(binding, nonce=secret("stale")), identity.address),
        judged(platform, identity.evidence, measurement, replace(binding, operator=bytes(20)), identity.address),
        judged(platform, identity.evidence, measurement, binding, bytes(20)),
        judged(other, identity.evidence, measurement, binding, identity.address),
    ):
        assert not refused.accepted
        assert refused.reasons


def test_a_debug_enclave_is_not_accepted(tmp_path: Path) -> None:
    platform = shared_machine(tmp_path / "platform", NOW)
    community = Community(2)
    with EnclaveProcess(platform, tmp_path / "state", debug=True) as process:
        identity = process.client.create_identity(community.binding(), community.channel)
        measurement = process.measurement.digest
    assert not judged(platform, identity.evidence, measurement, community.binding(), identity.address).accepted


def test_the_gramine_back_end_seals_and_survives_a_restart(tmp_path: Path) -> None:
    platform = shared_machine(tmp_path / "platform", NOW)
    community = Community(2)
    measured = measure(LaunchSettings(device="gramine"))
    folder = GramineFolder(tmp_path / "attestation", DeviceService(platform, measured.digest, debug=False))
    try:
        with EnclaveProcess(platform, tmp_path / "state", device_root=folder.folder) as process:
            identity = process.client.create_identity(community.binding(), community.channel)
            quote = parse_quote(identity.evidence)
            assert quote.report.report_data == report_data(community.binding(), identity.address)
            assert (quote.report.mr_enclave, quote.report.mr_signer) == (measured.digest, SIGNER)
            assert quote.report.product == PRODUCT
            batch = process.client.seal(community.seal_job(0))
            process.restart()
            assert process.client.describe().backend == "gramine"
            assert process.client.seal(community.seal_job(0)).header == batch.header
    finally:
        folder.close()


def test_what_the_process_maps_is_measured_or_belongs_to_the_system(tmp_path: Path) -> None:
    platform = SimulatedPlatform.create(tmp_path / "platform", int(time.time()))
    community = Community(2)
    with EnclaveProcess(platform, tmp_path / "state") as process:
        process.client.create_identity(community.binding(), community.channel)
        process.client.seal(community.seal_job(0))
        lines = Path(f"/proc/{process.process_id}/maps").read_text().splitlines()
        measured = {str(file.path.resolve()) for file in process.measurement.files}
        fds = [path.resolve() for path in Path(f"/proc/{process.process_id}/fd").iterdir()]
    mapped = {line.split(maxsplit=5)[5] for line in lines if len(line.split(maxsplit=5)) == 6}
    files = {str(Path(name).resolve()) for name in mapped if name.startswith("/")}
    system = ("/lib/", "/lib64/", "/usr/lib/x86_64-linux-gnu/", "/usr/lib/aarch64-linux-gnu/", "/usr/lib/locale/")
    assert {name for name in files - measured if not name.startswith(system)} == set()
    assert {"interpreter", "native", "package"} <= {
        file.category for file in process.measurement.files if str(file.path.resolve()) in files
    }
    assert not [path for path in fds if path.suffix in (".key", ".pem")]
