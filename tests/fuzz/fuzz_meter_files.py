"""Meter files as strangers hand them in, and OCMF payloads that a meter signed whatever they say.

A file that is read keeps what every report promises (``meter_report``); reading it again, or among others, gives the
same. A mutated payload is signed again with the meter's key, so that no signature hides what lies behind it.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from fuzz_mutators import mutate_bytes, mutate_json, one_of
from fuzz_target import Target
from meter_report import verify_report

from wattest.apps.demo.charging import ChargingSession, charging_sessions
from wattest.crypto.p256 import P256PrivateKey
from wattest.metering.readers.dsmr import crc16
from wattest.metering.readers.public_key import DEFAULT_CURVE, MeterPublicKey, parse_public_key
from wattest.metering.readers.recognise import read_meter_file, read_meter_files
from wattest.metering.reading import ImportedFile
from wattest.metering.verdicts import SignatureVerdict

SIGNER = P256PrivateKey.from_seed(bytes([9] * 32))
SIGNER_KEY = MeterPublicKey(SIGNER.public_key, DEFAULT_CURVE)


@cache
def session() -> ChargingSession:
    """A charging session of the demo."""
    return charging_sessions(1, 1_780_272_000, 1_780_444_800)[0]


def seeds() -> dict[str, bytes]:
    """Files of every format that is read, and the payload of a session."""
    record = session().telegram
    opening = b"<?xml version='1.0'?><values><value><signedData format='OCMF' encoding='plain'><![CDATA["
    closing = b"]]></signedData><publicKey>" + session().public_key.encode() + b"</publicKey></value></values>"
    body = (
        b"/TST5\\2METER\r\n\r\n1-3:0.2.8(50)\r\n0-0:1.0.0(260701120000S)\r\n0-0:96.1.1(4B38)\r\n"
        b"1-0:1.8.1(000001.500*kWh)\r\n1-0:2.8.1*255(000000.125*kWh)\r\n0-1:24.2.1(260701120000S)(00012.345*m3)\r\n!"
    )
    telegram = body + f"{crc16(body):04X}\r\n".encode()
    files = {
        "record.ocmf": record,
        "values.xml": opening + record + closing,
        "telegram.p1": telegram,
        "table.csv": b"start;duration;import_kwh;import_register\n2026-06-01T00:00Z;900;0.25;7\n"
        b"2026-06-01T00:15Z;900;0.5;8\n",
    }
    made = {f"meter-file/seed-{name}": data for name, data in files.items()}
    return made | {"ocmf-payload/seed-session.json": record.split(b"|")[1]}


def read_file(data: bytes) -> str:
    """A file under the key of the session, alone and among others."""
    key = parse_public_key(session().public_key)
    others = read_meter_files([(data, key), (session().telegram, key), (data, None)])
    word = "refused"
    for each in (others[0], others[2]):
        if isinstance(each, ImportedFile):
            verify_report(each)
            word = f"{each.format} {each.signature} {each.crc} {each.exit_code} {each.records is None}"
    first, genuine = others[:2]
    assert isinstance(genuine, ImportedFile)
    assert genuine.billable
    if not isinstance(first, ImportedFile):
        assert type(others[2]) is type(first) or isinstance(others[2], ImportedFile)
        raise first
    assert read_meter_file(data, key).as_dict("x") == first.as_dict("x")
    if first.billable:
        assert list(first.readings) == list(genuine.readings), "a bill for what was not signed"
    return word


def judge_payload(data: bytes) -> str:
    """A payload that the meter signed, whatever it says."""
    pair = SIGNER.sign_digest(hashlib.sha256(data).digest())
    der = encode_dss_signature(int.from_bytes(pair[:32], "big"), int.from_bytes(pair[32:64], "big"))
    record = b"OCMF|" + data + b"|" + json.dumps({"SA": "ECDSA-secp256r1-SHA256", "SD": der.hex()}).encode()
    read = read_meter_file(record, SIGNER_KEY)
    verify_report(read)
    assert read.signature is SignatureVerdict.VALID or len(read.telegrams) > 1 or read.malformed
    return " ".join(sorted({str(objection.rule) for objection in read.objections})) or "billable"


TARGETS = (
    Target("meter-file-judged", read_file, mutate_bytes, "meter-file"),
    Target("ocmf-payload-judged", judge_payload, one_of(mutate_json, mutate_bytes), "ocmf-payload"),
)
