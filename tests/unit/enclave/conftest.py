from __future__ import annotations

from pathlib import Path

import pytest
from enclave_community import Community, LocalEnclave

from wattest.enclave.simulator.platform import SimulatedPlatform

CREATED_AT = 1_750_000_000


@pytest.fixture(scope="session")
def enclave_platform(tmp_path_factory: pytest.TempPathFactory) -> SimulatedPlatform:
    """One simulated machine for the room."""
    return SimulatedPlatform.create(tmp_path_factory.mktemp("platform"), CREATED_AT)


@pytest.fixture(scope="session")
def community() -> Community:
    """Five households and a watcher."""
    return Community(5)


@pytest.fixture
def enclave(enclave_platform: SimulatedPlatform, tmp_path: Path, community: Community) -> LocalEnclave:
    """An enclave in this process with a key for the community's metering channel."""
    made = LocalEnclave(enclave_platform, tmp_path / "state")
    made.create_identity(community.binding(), community.channel)
    return made
