"""The demo's charging sessions: valid OCMF records of charge points that exist nowhere.

Decided here: what a session looks like and that it is signed as a charge point signs, over the payload's raw bytes.
Not decided here: how it is read back (``wattest.metering.readers.ocmf``). Keys and sessions follow from a seed, so a
demo can be repeated; such keys protect nothing.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from wattest.crypto.p256 import P256PrivateKey
from wattest.metering.readers.public_key import DEFAULT_CURVE, MeterPublicKey

MAX_SESSIONS = 1_000
_DOMAIN = b"wattest/demo-charging/1"
_QUARTER_S = 900


@dataclass(frozen=True, slots=True)
class ChargingSession:
    """One session: a file name, the OCMF record, and the charge point's public key (DER SPKI, hex)."""

    file_name: str
    telegram: bytes
    public_key: str


def charging_sessions(count: int, start: int, end: int, seed: int = 1) -> list[ChargingSession]:
    """``count`` sessions (at most 1,000), each with a charge point of its own, all inside [start, end).

    ``start`` and ``end`` are unix seconds at least a day apart. Each session lasts one to six hours at 3.7 to 11 kW.
    """
    if not 0 <= count <= MAX_SESSIONS or end - start < 86_400:
        raise ValueError("at most 1,000 sessions, over at least a day")
    return [_session(index, start, end, seed) for index in range(count)]


def _session(index: int, start: int, end: int, seed: int) -> ChargingSession:
    drawn = hashlib.sha256(_DOMAIN + seed.to_bytes(8, "big") + index.to_bytes(4, "big")).digest()
    key = P256PrivateKey.from_seed(hashlib.sha256(b"key" + drawn).digest())
    duration = (4 + drawn[0] % 21) * _QUARTER_S + drawn[1]
    latest = end - start - duration - 1
    begun = start + int.from_bytes(drawn[2:6], "big") % latest
    watts = (3_700, 7_400, 11_000)[drawn[6] % 3]
    watt_hours = watts * duration // 3_600
    register = 100_000 + int.from_bytes(drawn[7:10], "big") % 9_000_000
    payload = {
        "FV": "1.0",
        "GI": "wattest demo charge point",
        "GS": f"DEMO{index:04d}",
        "GV": "1.0",
        "PG": f"T{1 + drawn[10]}",
        "MV": "wattest",
        "MM": "demo",
        "MS": f"D{int.from_bytes(drawn[11:15], 'big'):010d}",
        "IS": False,
        "IL": "NONE",
        "IF": [],
        "IT": "NONE",
        "RD": [
            {
                "TM": _ocmf_time(begun),
                "TX": "B",
                "RV": "@begin",
                "RI": "1-b:1.8.0",
                "RU": "kWh",
                "RT": "AC",
                "EF": "",
                "ST": "G",
            },
            {"TM": _ocmf_time(begun + duration), "TX": "E", "RV": "@end"},
        ],
    }
    text = json.dumps(payload, separators=(",", ":"))
    # numbers are written as text, so that no binary fraction rounds a register
    text = text.replace('"@begin"', _kilowatt_hours(register)).replace('"@end"', _kilowatt_hours(register + watt_hours))
    signed = text.encode()
    signature = key.sign_digest(hashlib.sha256(signed).digest())
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    section = json.dumps({"SA": "ECDSA-secp256r1-SHA256", "SD": der.hex()}, separators=(",", ":"))
    public_key = MeterPublicKey(key.public_key, DEFAULT_CURVE).to_spki().hex()
    return ChargingSession(f"charging-{index:04d}.ocmf", b"OCMF|" + signed + b"|" + section.encode(), public_key)


def _kilowatt_hours(watt_hours: int) -> str:
    return f"{watt_hours // 1000}.{watt_hours % 1000:03d}"


def _ocmf_time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S,000+0000 S")
