"""Write the meter files of examples/: a signed charging session with its key, a P1 telegram, an interval table.

Everything is invented and follows from the constants here, so that making the files again gives the same bytes. What
makes them valid is computed by means other than the readers': the session is signed by the demo's charge point, the
telegram's checksum is taken bit by bit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from wattest.apps.demo.charging import ChargingSession, charging_sessions

OUT = Path(__file__).resolve().parents[1] / "examples"
SESSION_DAY = 1_778_716_800  # 2026-05-14T00:00:00Z
SESSION_SEED = 2026
TABLE_START = datetime(2026, 5, 14, tzinfo=UTC)

# Watt-hours from and to the grid, a quarter of an hour a value: one sunny day of a house with a roof.
_IMPORT_WATT_HOURS = (
    [62] * 24 + [148, 175, 131, 96] + [40] * 4 + [0] * 36 + [55, 120, 260, 315] + [210] * 12 + [85] * 12
)
_EXPORT_WATT_HOURS = [0] * 32 + [35, 90, 160, 240] + [410] * 24 + [330, 220, 120, 45] + [0] * 32

# The same day of a flat and of a shop, without roofs of their own.
_FLAT_WATT_HOURS = (
    [30] * 26 + [110, 145, 90, 60] + [35] * 18 + [95, 130, 70] + [40] * 21 + [180, 220, 205, 160] * 3 + [45] * 12
)
_SHOP_WATT_HOURS = [80] * 28 + [190] * 8 + [420, 455, 440, 410] * 10 + [230] * 4 + [85] * 16

_TELEGRAM_LINES = (
    "/XMX5WTDEMO0000001",
    "",
    "1-3:0.2.8(50)",
    "0-0:1.0.0(260514120000S)",
    "0-0:96.1.1(4530303030303030303030303030303031)",
    "1-0:1.8.1(004211.087*kWh)",
    "1-0:1.8.2(003790.412*kWh)",
    "1-0:2.8.1(000612.905*kWh)",
    "1-0:2.8.2(001488.330*kWh)",
    "0-0:96.14.0(0002)",
    "1-0:1.7.0(00.000*kW)",
    "1-0:2.7.0(01.640*kW)",
    "0-0:96.7.21(00003)",
    "0-0:96.7.9(00001)",
    "1-0:32.7.0(231.4*V)",
    "1-0:31.7.0(007*A)",
    "0-1:24.1.0(003)",
    "0-1:96.1.0(4730303030303030303030303030303031)",
    "0-1:24.2.1(260514115500S)(02817.554*m3)",
    "!",
)


def files() -> dict[str, bytes]:
    """The files by name."""
    session = _session()
    keys = {"samples": [{"file": "charging.ocmf", "public_key": session.public_key}]}
    return {
        "charging.ocmf": session.telegram + b"\n",
        "keys.json": json.dumps(keys, indent=2).encode() + b"\n",
        "household.p1": _telegram(),
        "intervals.csv": _table(),
        "flat.csv": _import_table(_FLAT_WATT_HOURS),
        "shop.csv": _import_table(_SHOP_WATT_HOURS),
    }


def _session() -> ChargingSession:
    (session,) = charging_sessions(1, SESSION_DAY, SESSION_DAY + 86_400, SESSION_SEED)
    return session


def _telegram() -> bytes:
    body = "\r\n".join(_TELEGRAM_LINES).encode("ascii")
    return body + f"{_crc(body):04X}\r\n".encode("ascii")


def _crc(data: bytes) -> int:
    """CRC-16/ARC bit by bit, as the P1 companion standard words it: x16 + x15 + x2 + 1, least significant bit first."""
    crc = 0
    for byte in data:
        for bit in range(8):
            carry = (crc ^ byte >> bit) & 1
            crc >>= 1
            if carry:
                crc ^= 0xA001
    return crc


def _import_table(watt_hours: Sequence[int]) -> bytes:
    rows = ["start,import_kwh"]
    for quarter, imported in enumerate(watt_hours):
        moment = TABLE_START + timedelta(minutes=15 * quarter)
        rows.append(f"{moment:%Y-%m-%dT%H:%M:%SZ},{imported / 1000:.3f}")
    return "\n".join(rows).encode() + b"\n"


def _table() -> bytes:
    if len(_IMPORT_WATT_HOURS) != 96 or len(_EXPORT_WATT_HOURS) != 96:
        raise ValueError("a day has 96 quarter hours")
    rows = ["time,import_kwh,export_kwh"]
    for index, (imported, exported) in enumerate(zip(_IMPORT_WATT_HOURS, _EXPORT_WATT_HOURS, strict=True)):
        begun = TABLE_START + timedelta(minutes=15 * index)
        rows.append(f"{begun:%Y-%m-%dT%H:%M:%SZ},{_kilowatt_hours(imported)},{_kilowatt_hours(exported)}")
    return ("\n".join(rows) + "\n").encode("ascii")


def _kilowatt_hours(watt_hours: int) -> str:
    return f"{watt_hours // 1000}.{watt_hours % 1000:03d}"


def main() -> None:
    """Write them."""
    OUT.mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        (OUT / name).write_bytes(content)


if __name__ == "__main__":
    main()
