"""Fixtures and settings that every test room shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from machines import keep_machines_in

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile(
    "short", max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("deep", max_examples=20_000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("deep" if os.environ.get("WATTEST_DEEP") else "short")

LONGEST_FIRST = tuple(ROOT / "tests" / room for room in ("e2e", "differential", "vectors"))
"""Rooms whose files take long, in the order in which workers take them; of the others any file is short."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, so that no worker is left alone with one at the end."""
    rooms = {room: place for place, room in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: min(rooms.get(one, len(rooms)) for one in item.path.parents))


@pytest.fixture(scope="session", autouse=True)
def machines(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The simulated machines that this session's tests share."""
    base = tmp_path_factory.getbasetemp()
    keep_machines_in((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "machines")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of shared test vectors."""
    return ROOT / "vectors"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real samples, which stays outside the project; tests skip where it is not named."""
    named = os.environ.get("WATTEST_TEST_DATA")
    if not named:
        pytest.skip("WATTEST_TEST_DATA is not set: the real samples are not part of the project")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"WATTEST_TEST_DATA names {folder}, which is not a folder")
    return folder
