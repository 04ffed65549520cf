"""Files of every registered meter format as they ought to be, all made here; keys and numbers mean nothing."""

from __future__ import annotations

import base64
from datetime import UTC

from meter_format_conformance import Sample

from wattest.apps.demo.charging import charging_sessions
from wattest.metering.readers.dsmr import crc16
from wattest.metering.readers.interval_csv import TableOptions
from wattest.metering.readers.public_key import parse_public_key

_SESSION = charging_sessions(1, 1_780_272_000, 1_780_444_800)[0]
_KEY = parse_public_key(_SESSION.public_key)


def values_file(value: bytes, declared: str = "OCMF", encoding: str = "plain", key: str = "") -> bytes:
    """One signed value as transparency software takes it."""
    inner = b"<![CDATA[" + value + b"]]>" if encoding == "plain" else value
    opening = f"<signedData format='{declared}' encoding='{encoding}'>".encode()
    closing = f"</signedData><publicKey encoding='hex'>{key}</publicKey></value></values>".encode()
    return b"<?xml version='1.0'?>\n<values><value transactionId='1'>" + opening + inner + closing


def telegram(minute: int, register: str, version: str = "50") -> bytes:
    """A telegram of version 5 with both directions and a gas meter."""
    lines = (
        f"1-3:0.2.8({version})", f"0-0:1.0.0(2607011{minute:03d}00S)", "0-0:96.1.1(4B384547303034303436333935353037)",
        f"1-0:1.8.1({register}*kWh)", "1-0:1.8.2(000002.000*kWh)", "1-0:2.8.1(000000.125*kWh)",
        "0-1:24.2.1(260701120000S)(00012.345*m3)",
    )  # fmt: skip
    body = ("/TST5\\2METER\r\n\r\n" + "".join(f"{line}\r\n" for line in lines) + "!").encode()
    return body + f"{crc16(body):04X}\r\n".encode()


_TABLE = b"start;duration;import_kwh;export_kwh\n2026-06-01T00:00Z;900;0.25;0\n2026-06-01T00:15Z;900;0.5;0.125\n"
_PORTAL = b"Zeit;Bezug\n01.06.2026 02:00;0,25\n01.06.2026 02:15;1,5\n"

SAMPLES: dict[str, list[Sample]] = {
    "ocmf": [
        Sample(_SESSION.telegram, _KEY),
        Sample(values_file(_SESSION.telegram, key=_SESSION.public_key), _KEY),
        Sample(values_file(_SESSION.telegram, key=_SESSION.public_key)),
        Sample(values_file(base64.b64encode(_SESSION.telegram), encoding="base64"), _KEY),
        Sample(values_file(_SESSION.telegram.hex().encode(), encoding="hex"), _KEY),
    ],
    "edl40": [
        Sample(values_file(b"0901454d48", declared, "hex"), unread=True) for declared in ("EDL_40_P", "ISA_EDL_40_P")
    ],
    "alfen": [Sample(values_file(b"AP;0;3;ALCV3ABBBISHMA2R", "ALFEN"), unread=True)],
    "pcdf": [Sample(values_file(b"(AA:1)(BB:2)", "PCDF"), unread=True)],
    "dsmr": [
        Sample(telegram(200, "000001.500")),
        Sample(telegram(200, "000001.500") + telegram(215, "000001.750")),
    ],
    "csv": [
        Sample(_TABLE),
        Sample(_PORTAL, table=TableOptions({"start": "1", "import": "2"}, "kWh", True, UTC, "%d.%m.%Y %H:%M")),
    ],
}
"""By the format's name."""
