"""Fixtures and settings that every test room shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile(
    "short", max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("deep", max_examples=20_000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("deep" if os.environ.get("WATTEST_DEEP") else "short")


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
