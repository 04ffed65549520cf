from __future__ import annotations

import numpy as np
import pytest

from wattest.apps.demo.charging import charging_sessions
from wattest.apps.demo.households import (
    MAX_DAYS,
    MAX_HOUSEHOLDS,
    SHIPPED_HOUSEHOLDS,
    HouseholdsUnavailable,
    load_households,
)
from wattest.crypto.p256 import P256PrivateKey
from wattest.metering.device_block import sign_device_block, verify_device_block
from wattest.metering.imported import imported_series
from wattest.metering.meter import pseudonym
from wattest.metering.readers.public_key import parse_public_key
from wattest.metering.readers.recognise import read_meter_file


def test_the_shipped_households_look_like_households() -> None:
    homes = load_households(SHIPPED_HOUSEHOLDS, MAX_DAYS)
    assert homes.start == 1_780_272_000
    assert homes.load.shape == homes.generation.shape == (24, 1344)
    daily = homes.load.sum(axis=1) / MAX_DAYS / 1e6
    assert ((daily > 2) & (daily < 40)).all()
    roofs = np.array(homes.peak_watts) > 0
    assert 6 <= roofs.sum() <= 18
    assert (homes.generation[~roofs] == 0).all()
    yearly_hours = homes.generation[roofs].sum(axis=1) / 1000 / np.array(homes.peak_watts)[roofs]
    assert ((yearly_hours > 14) & (yearly_hours < 14 * 9)).all()  # kWh per kW of roof in two weeks of June
    night = homes.generation.reshape(24, MAX_DAYS, 96)[:, :, :8]
    assert (night == 0).all()
    assert len({row.tobytes() for row in homes.load}) == 24


def test_the_meter_shows_the_net_and_registers_run_on() -> None:
    homes = load_households(20, 2)
    assert (homes.imports * homes.exports == 0).all()
    assert (homes.imports - homes.exports == homes.load - homes.generation).all()
    key = P256PrivateKey.from_seed(bytes(range(1, 33)))
    name = pseudonym(key.public_key)
    before, after = (homes.device_records(0, day, name) for day in (0, 1))
    assert int(after["import_register"][0] - after["import_milliwatt_hours"][0]) == int(before["import_register"][-1])
    for day, records in enumerate((before, after)):
        verify_device_block(sign_device_block(key, *homes.period(day), records))


def test_derived_households_are_others_and_always_the_same() -> None:
    homes, again = load_households(200, 2), load_households(200, 2)
    assert homes.load.tobytes() == again.load.tobytes()
    assert len({row.tobytes() for row in homes.load}) == 200
    assert (homes.load[:24] == load_households(24, 2).load).all()


@pytest.mark.parametrize(("count", "days"), [(0, 1), (MAX_HOUSEHOLDS + 1, 1), (1, 0), (1, MAX_DAYS + 1)])
def test_more_than_there_is(count: int, days: int) -> None:
    with pytest.raises(HouseholdsUnavailable):
        load_households(count, days)


def test_charging_sessions_are_valid_inside_the_period_and_repeatable() -> None:
    homes = load_households(1, 2)
    end = homes.period(1)[1]
    sessions = charging_sessions(25, homes.start, end, seed=3)
    assert sessions == charging_sessions(25, homes.start, end, seed=3)
    assert sessions != charging_sessions(25, homes.start, end, seed=4)
    for session in sessions:
        imported = read_meter_file(session.telegram, parse_public_key(session.public_key))
        assert (imported.signature, imported.billable) == ("valid", True)
        series = imported_series(imported)[0]
        assert homes.start <= series.period_start < series.period_end <= end
        assert int(series.records["import_milliwatt_hours"][0]) > 0
