from __future__ import annotations

import pytest
from receipt_world import FakeChain, World

from wattest.receipt.deployment import Deployment
from wattest.receipt.receipt import Receipt, RegistrationPart


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Three settled days of five households, after one that is not billed."""
    made = World(tmp_path_factory.mktemp("receipt-world"))
    made.seal()
    return made


@pytest.fixture(scope="session")
def deployment(world: World) -> Deployment:
    return world.deployment()


@pytest.fixture(scope="session")
def parts(world: World, deployment: Deployment) -> list[RegistrationPart]:
    return world.registrations(deployment.registry_domain)


@pytest.fixture(scope="session")
def chain(world: World, deployment: Deployment, parts: list[RegistrationPart]) -> FakeChain:
    headers = [*(batch.header for batch in world.batches), world.statement.header]
    return FakeChain(deployment, headers, parts)


@pytest.fixture(scope="session")
def paid(world: World, parts: list[RegistrationPart]) -> Receipt:
    """Household 1 exports, and is owed money."""
    return world.receipt(1, parts)


@pytest.fixture(scope="session")
def billed(world: World, parts: list[RegistrationPart]) -> Receipt:
    """Household 2 pays, and has no data on the second day."""
    return world.receipt(2, parts)
