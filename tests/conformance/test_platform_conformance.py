"""Every platform passes the suite of its port: the simulator, and Gramine as far as that goes without SGX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from machines import shared_machine
from platform_conformance import CHECKS, PLATFORM_MAKERS, PlatformMaker, keeps_its_state_over_a_stop
from suites import every

from wattest.apps.collateral_source import CollateralUnnamed, collateral_source
from wattest.enclave.host.gramine_platform import EnclaveStateElsewhere
from wattest.enclave.host.platforms import PLATFORMS, PlatformName
from wattest.enclave.host.process import EnclaveProcess
from wattest.enclave.host.simulator_platform import SimulatorPlatform
from wattest.enclave.simulator.platform import PlatformFileMalformed, SimulatedPlatform

pytestmark = pytest.mark.e2e


def test_every_kind_has_a_maker() -> None:
    assert set(PLATFORM_MAKERS) == set(PLATFORMS)


@every(CHECKS, PLATFORM_MAKERS)
def test_a_platform(check: Callable[[PlatformMaker, Path], None], maker: PlatformMaker, tmp_path: Path) -> None:
    check(maker, tmp_path)


class Forgetful(SimulatorPlatform):
    """Must be refused: every start has a state of its own."""

    def enclave(self, state_dir: Path) -> EnclaveProcess:
        class Process(EnclaveProcess):
            def stop(self) -> None:
                super().stop()
                for file in state_dir.glob("*"):
                    file.unlink()

        return Process(self.simulated, state_dir)


def test_the_suite_refuses_a_platform_that_forgets(tmp_path: Path) -> None:
    def make(folder: Path) -> object:
        yield Forgetful(shared_machine(folder / "platform", 1_790_000_000)), folder / "state"

    maker = PLATFORM_MAKERS["simulator"]
    flawed = PlatformMaker(maker.kind, maker.backend, make, maker.broken, maker.process_id)  # type: ignore[arg-type]
    with pytest.raises(AssertionError):
        keeps_its_state_over_a_stop(flawed, tmp_path)


def test_gramine_has_one_state_folder_and_no_collateral(tmp_path: Path) -> None:
    with PLATFORM_MAKERS["gramine"].opened(tmp_path) as (platform, _):
        with pytest.raises(EnclaveStateElsewhere):
            platform.enclave(tmp_path / "another")
        with pytest.raises(CollateralUnnamed):
            collateral_source(None, platform, print)(1_790_000_000)


def test_a_name_opens_its_kind(tmp_path: Path) -> None:
    SimulatedPlatform.create(tmp_path / "platform", 1_790_000_000)
    assert PlatformName("simulator", tmp_path / "platform").open().name == "simulator"
    with pytest.raises(PlatformFileMalformed):
        PlatformName("simulator", tmp_path).open()
