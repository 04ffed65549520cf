"""Collateral that renews itself: before it ends, with patience, never beyond its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from http_faults import FaultyProxy, status, whole

from wattest.attestation.endorsements import Endorsements, endorse, parse_endorsements
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.platform_model import model_of
from wattest.attestation.roots import parse_root
from wattest.collateral.collateral_file import CollateralFile
from wattest.collateral.collateral_supply import LONGEST_PAUSE_S, CollateralSupply, CollateralUnusable, SupplySettings
from wattest.collateral.pccs import CollateralService, ServiceSettings
from wattest.collateral.pccs_server import PccsServer
from wattest.enclave.simulator.collateral import CollateralOptions
from wattest.enclave.simulator.pki import SimulatedPki
from wattest.enclave.simulator.platform import SimulatedPlatform

NOW, DAY = 1_790_000_000, 86_400
PLATFORM = SimulatedPlatform(SimulatedPki.create(bytes(range(32)), NOW))
QUOTE = PLATFORM.quote(measurement=bytes(32), signer=bytes(32), product=0, svn=0, report_data=bytes(64))
SETTINGS = SupplySettings(model_of(parse_evidence(QUOTE)), parse_root(PLATFORM.root_certificate))


class World:
    """A service whose clock, and what it serves, the test sets."""

    def __init__(self, folder: Path) -> None:
        self.issued_at = NOW
        self.evaluation_number = 20
        self.clock = 0.0
        self.said: list[str] = []
        self.file = CollateralFile(folder / "collateral.json")
        self.server = PccsServer(lambda _: [self.collateral()])

    def collateral(self) -> Endorsements:
        options = CollateralOptions(evaluation_number=self.evaluation_number)
        return endorse(PLATFORM.collateral(self.issued_at, options))

    def supply(self, url: str | None, settings: SupplySettings = SETTINGS) -> CollateralSupply:
        service = None if url is None else CollateralService(ServiceSettings(url, max_attempts=1))
        return CollateralSupply(self.file, service, settings, report=self.said.append, clock=lambda: self.clock)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    with made.server:
        yield made


def issued(collateral: bytes) -> int:
    return parse_endorsements(collateral).platform_statement().issued_at


def test_it_is_fetched_once_and_renewed_before_it_ends(world: World) -> None:
    with FaultyProxy(world.server.url, {}) as proxy:
        supply = world.supply(proxy.url)
        assert issued(supply(NOW)) == NOW
        for day in range(5):
            assert issued(supply(NOW + day * DAY)) == NOW
        assert len(proxy.requests) == 4  # one collateral
        world.issued_at = NOW + 5 * DAY
        world.clock = LONGEST_PAUSE_S
        assert issued(supply(NOW + 5 * DAY + 1)) == NOW + 5 * DAY
        assert len(proxy.requests) == 8
    assert world.said == [f"collateral renewed for {SETTINGS.model}"] * 2


def test_a_service_that_is_down_is_left_alone_for_longer_and_longer(world: World) -> None:
    world.file.replace(world.collateral())
    with FaultyProxy(world.server.url, {"/tcb": [status(503), status(500), whole]}) as proxy:
        supply = world.supply(proxy.url)
        late = NOW + 6 * DAY
        for clock, requests in ((0, 1), (59, 1), (60, 2), (179, 2)):
            world.clock = clock
            assert issued(supply(late)) == NOW  # what is there is used meanwhile
            assert len(proxy.requests) == requests
        world.clock, world.issued_at = 180, late
        assert issued(supply(late)) == late
    assert next(line for line in world.said if "not renewed" in line).endswith("asking again in 60 s or more")
    assert sum("can be used for 1 d 0 h more" in line for line in world.said) == 2
    assert world.said[-1].startswith("collateral renewed")


def test_nothing_is_handed_out_that_has_ended(world: World) -> None:
    world.file.replace(world.collateral())
    with FaultyProxy(world.server.url, {"/": [status(503)]}) as proxy:
        supply = world.supply(proxy.url)
        assert issued(supply(NOW + 7 * DAY)) == NOW
        with pytest.raises(CollateralUnusable) as unusable:
            supply(NOW + 7 * DAY + 1)
        assert unusable.value.retryable
        assert unusable.value.fields["usable_until"] == NOW + 7 * DAY
        world.clock = 10_000
        with pytest.raises(CollateralUnusable) as unusable:
            supply(NOW + 7 * DAY + 1)
        assert "gives no" in str(unusable.value.fields["cause"])
    assert world.file.read() == world.collateral()


def test_older_collateral_does_not_get_in(world: World) -> None:
    world.file.replace(world.collateral())
    world.issued_at, world.evaluation_number = NOW + 6 * DAY, 19
    supply = world.supply(world.server.url)
    assert issued(supply(NOW + 6 * DAY)) == NOW
    assert "goes back" in world.said[0]
    with pytest.raises(CollateralUnusable):
        supply(NOW + 8 * DAY)


def test_without_a_service_it_warns_once_a_day(world: World) -> None:
    with pytest.raises(CollateralUnusable):
        world.supply(None)(NOW)
    world.file.replace(world.collateral())
    supply = world.supply(None)
    for hours in range(7 * 24 + 1):
        supply(NOW + hours * 3_600)
    assert len(world.said) == 2  # under two days left, under one
    with pytest.raises(CollateralUnusable):
        supply(NOW + 7 * DAY + 1)


def test_a_clock_that_is_behind_is_tolerated_as_far_as_it_is_told(world: World) -> None:
    world.file.replace(world.collateral())
    with pytest.raises(CollateralUnusable) as unusable:
        world.supply(None)(NOW - 60)
    assert unusable.value.fields["issued_ahead_s"] == 60
    tolerant = SupplySettings(SETTINGS.model, SETTINGS.root, clock_tolerance_s=60)
    assert issued(world.supply(None, tolerant)(NOW - 60)) == NOW
