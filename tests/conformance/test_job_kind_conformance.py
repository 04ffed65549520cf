"""Every kind of job that the enclave takes passes the one suite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from job_kind_conformance import JOB_KIND_SUITE, JOB_MAKERS, Bench, JobMaker
from suites import every

from wattest.enclave.measured.job_kinds import JOB_KINDS
from wattest.enclave.simulator.platform import SimulatedPlatform

CREATED_AT = 1_750_000_000


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> SimulatedPlatform:
    return SimulatedPlatform.create(tmp_path_factory.mktemp("platform"), CREATED_AT)


def test_every_kind_has_a_maker() -> None:
    assert {kind.name for kind in JOB_KINDS} == set(JOB_MAKERS)


@every(JOB_KIND_SUITE, JOB_MAKERS)
def test_a_kind_of_job(
    check: Callable[[JobMaker, Bench], None], maker: JobMaker, platform: SimulatedPlatform, tmp_path: Path
) -> None:
    check(maker, Bench(platform, tmp_path / "state"))
