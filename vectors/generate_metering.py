"""Write vectors/metering/*.json by textbook arithmetic: each accepted case beside refusals that differ in one field.

Shares nothing with wattest: bytes by ``struct``, signatures and trees by the references beside this file. Everything
follows from fixed labels; ``--check`` writes nothing and exits 1 if a file differs. Formats: docs/spec/records.md,
docs/spec/entries.md, docs/spec/meter-files.md. The pages of the families: vectors/metering/README.md.
"""

from __future__ import annotations

import base64
import hmac
import json
import struct
import sys
from pathlib import Path

import crypto_reference as reference
from metering_grid import grid_blocks, grid_series
from metering_reference import (
    CHANNEL,
    KEY,
    METER_KEY,
    SERIES_KEY,
    START,
    Case,
    content,
    device_record,
    entry,
    series_root,
    sha256,
    sign,
    signed_digest,
)

OUT = Path(__file__).parent / "metering"


def block_bytes(key: bytes, start: int, end: int, records: list[bytes], signature: bytes) -> bytes:
    """A device block."""
    return b"\x01" + key + struct.pack(">QQI", start, end, len(records)) + b"".join(records) + signature


def device_blocks() -> list[Case]:
    """Blocks of four records; all but the first are refused, each for one reason."""
    end, name = START + 86_400, sha256(KEY)[:16]
    good = [device_record(name, index) for index in range(4)]

    def signed(records: list[bytes], start: int = START, stop: int = end) -> bytes:
        return block_bytes(KEY, start, stop, records, sign(signed_digest(KEY, start, stop, records)))

    def changed(index: int, **changes: int) -> list[bytes]:
        return [*good[:index], device_record(name, index, **changes), *good[index + 1 :]]

    right = signed(good)
    signature = right[-64:]
    high = int.from_bytes(signature[32:], "big")
    return [
        {"name": "accepted", "bytes": right, "digest": signed_digest(KEY, START, end, good), "outcome": "accepted"},
        {"name": "a gap is allowed", "bytes": signed([good[0], *good[2:]]), "outcome": "accepted"},
        {"name": "another signer", "bytes": right[:-64] + sign(signed_digest(KEY, START, end, good), content("other")),
         "outcome": "DeviceSignatureInvalid"},
        {"name": "one energy bit changed after signing", "bytes": right[:-65] + bytes((right[-65] ^ 1,)) + right[-64:],
         "outcome": "DeviceSignatureInvalid"},
        {"name": "high s", "bytes": right[:-32] + (reference.P256.n - high).to_bytes(32, "big"),
         "outcome": "DeviceSignatureInvalid"},
        {"name": "period end moved", "bytes": right[:73] + struct.pack(">Q", end + 1) + right[81:],
         "outcome": "DeviceSignatureInvalid"},
        {"name": "a record of another meter", "bytes": signed([*good[:3], device_record(content("x", 16), 3)]),
         "outcome": "ForeignRecord"},
        {"name": "records swapped", "bytes": signed([good[1], good[0], *good[2:]]), "outcome": "RecordsOutOfOrder"},
        {"name": "record repeated", "bytes": signed([good[0], good[0], *good[2:]]), "outcome": "RecordsOutOfOrder"},
        {"name": "records overlap", "bytes": signed(changed(1, duration=901)), "outcome": "RecordsOutOfOrder"},
        {"name": "record before the period", "bytes": signed(good, START + 1), "outcome": "RecordOutsidePeriod"},
        {"name": "record after the period", "bytes": signed(good, START, START + 3_599),
         "outcome": "RecordOutsidePeriod"},
        {"name": "no duration", "bytes": signed(changed(3, duration=0)), "outcome": "DeviceRecordInvalid"},
        {"name": "a flag of vee", "bytes": signed(changed(3, quality=0x0100)), "outcome": "DeviceRecordInvalid"},
        {"name": "record version 2", "bytes": signed(changed(3, version=2)), "outcome": "MalformedRecords"},
        {"name": "starts beyond 2**48", "bytes": signed(changed(3, start=2**48)), "outcome": "MalformedRecords"},
        {"name": "block version 3", "bytes": b"\x03" + right[1:], "outcome": "MalformedDeviceBlock"},
        {"name": "block version 0", "bytes": b"\x00" + right[1:], "outcome": "MalformedDeviceBlock"},
        {"name": "version 1's bytes as version 2", "bytes": b"\x02" + right[1:], "outcome": "MalformedDeviceBlock"},
        {"name": "truncated", "bytes": right[:-1], "outcome": "MalformedDeviceBlock"},
        {"name": "a byte follows", "bytes": right + b"\x00", "outcome": "MalformedDeviceBlock"},
        {"name": "count too large", "bytes": right[:81] + b"\xff" * 4 + right[85:], "outcome": "MalformedDeviceBlock"},
        {"name": "no records", "bytes": right[:81] + bytes(4) + signature, "outcome": "MalformedDeviceBlock"},
        {"name": "empty period", "bytes": right[:73] + right[65:73] + right[81:], "outcome": "MalformedDeviceBlock"},
    ]  # fmt: skip


def entries() -> list[Case]:
    """Entries of every kind, and combinations the format refuses."""
    root, evidence, zero = content("root"), content("evidence"), bytes(32)
    return [
        {"name": "kind 1", "bytes": entry(1, 96, root, evidence), "outcome": "accepted"},
        {"name": "kind 2", "bytes": entry(2, 1, root, evidence), "outcome": "accepted"},
        {"name": "kind 3", "bytes": entry(3, 1, root, zero), "outcome": "accepted"},
        {"name": "kind 4", "bytes": entry(4, 0, zero, zero), "outcome": "accepted"},
        {"name": "kind 18", "bytes": entry(18, 0, root, evidence), "outcome": "accepted"},
        {"name": "kind 1 without evidence", "bytes": entry(1, 96, root, zero), "outcome": "MalformedEntry"},
        {"name": "kind 1 without root", "bytes": entry(1, 96, zero, evidence), "outcome": "MalformedEntry"},
        {"name": "kind 1 without records", "bytes": entry(1, 0, root, evidence), "outcome": "MalformedEntry"},
        {"name": "kind 3 with evidence", "bytes": entry(3, 1, root, evidence), "outcome": "MalformedEntry"},
        {"name": "kind 4 with a count", "bytes": entry(4, 1, zero, zero), "outcome": "MalformedEntry"},
        {"name": "kind 4 with a root", "bytes": entry(4, 0, root, zero), "outcome": "MalformedEntry"},
        {"name": "unknown kind", "bytes": entry(5, 1, root, evidence), "outcome": "MalformedEntry"},
        {"name": "version 2", "bytes": entry(1, 96, root, evidence, version=2), "outcome": "MalformedEntry"},
        {"name": "empty period", "bytes": entry(1, 96, root, evidence, end=START), "outcome": "MalformedEntry"},
        {"name": "117 bytes", "bytes": entry(1, 96, root, evidence)[:-1], "outcome": "MalformedEntry"},
        {"name": "119 bytes", "bytes": entry(1, 96, root, evidence) + b"\x00", "outcome": "MalformedEntry"},
    ]


def names() -> list[Case]:
    """Names of a meter."""
    period = struct.pack(">Q", START)
    return [
        {
            "name": "meter",
            "public_key": KEY,
            "meter_key": METER_KEY,
            "channel": CHANNEL,
            "period_start": START,
            "meter_key_id": sha256(KEY),
            "pseudonym": sha256(KEY)[:16],
            "blinded_meter": hmac.digest(METER_KEY, CHANNEL + period, "sha256"),
            "roster_salt": hmac.digest(METER_KEY, b"wattest/roster-salt/1" + CHANNEL + period, "sha256")[:16],
            "statement_job_id": hmac.digest(METER_KEY, b"wattest/statement/1" + CHANNEL + period, "sha256"),
            "meter_key_commitment": sha256(b"wattest/meter-key/1" + METER_KEY),
        }
    ]


def series_blocks() -> list[Case]:
    """Series blocks of kinds 1, 3, 4 and 18; each refusal changes one thing of an accepted one."""
    name, end = sha256(KEY)[:16], START + 86_400
    signed = [device_record(name, index) for index in (0, 1, 3)]
    digest = signed_digest(KEY, START, end, signed)
    signature = sign(digest)
    estimated = device_record(name, 2, quality=0x0100) + bytes(32)
    records = [signed[0] + digest, signed[1] + digest, estimated, signed[2] + digest]
    evidence = sha256(digest + signature + KEY)
    previous = struct.pack(">QQQ", START, 5_000_000, 0)

    def block(rows: list[bytes], entry_: bytes, tail: bytes, flags: int = 1) -> bytes:
        before = previous if flags & 1 else b""
        return bytes((1, flags)) + entry_ + before + struct.pack(">I", len(rows)) + b"".join(rows) + tail

    right = block(records, entry(1, 4, series_root(records), evidence), KEY + signature)
    flagged = [records[0][:61] + b"\x08\x00" + records[0][63:], *records[1:]]
    sourceless = [*records[:3], signed[2] + bytes(32)]
    sourced = [*records[:2], estimated[:63] + digest, records[3]]
    wrong = [*records[:3], signed[2] + content("digest")]
    tail = KEY + signature
    source = b"start,import_kwh\n2026-06-01T00:00Z,1.5\n"
    unsigned = [device_record(content("unsigned", 16), 0) + sha256(source)]
    kept = struct.pack(">I", len(source)) + source
    result, job = b'{"bill":1}', b'{"batches":[]}'
    parts = struct.pack(">I", len(result)) + result + struct.pack(">I", len(job)) + job
    return [
        {"name": "kind 1", "bytes": right, "outcome": "accepted"},
        {"name": "kind 1, flagged by vee", "outcome": "accepted",
         "bytes": block(flagged, entry(1, 4, series_root(flagged), evidence), tail)},
        {"name": "kind 1, no previous state", "outcome": "accepted",
         "bytes": block(records, entry(1, 4, series_root(records), evidence), tail, flags=0)},
        {"name": "one reading changed", "outcome": "SeriesMismatch",
         "bytes": block([records[0][:52] + b"\x01" + records[0][53:], *records[1:]],
                        entry(1, 4, series_root(records), evidence), tail)},
        {"name": "one reading changed, root made again", "outcome": "SeriesMismatch",
         "bytes": block([records[0][:52] + b"\x01" + records[0][53:], *records[1:]],
                        entry(1, 4, series_root([records[0][:52] + b"\x01" + records[0][53:], *records[1:]]), evidence),
                        tail)},
        {"name": "evidence of another block", "outcome": "SeriesMismatch",
         "bytes": block(records, entry(1, 4, series_root(records), content("evidence")), tail)},
        {"name": "signature that fails, evidence made again", "outcome": "DeviceSignatureInvalid",
         "bytes": block(records, entry(1, 4, series_root(records), sha256(digest + signature[::-1] + KEY)),
                        KEY + signature[::-1])},
        {"name": "interval count", "outcome": "SeriesMismatch",
         "bytes": block(records, entry(1, 5, series_root(records), evidence), tail)},
        {"name": "a measured record without source", "outcome": "SeriesMismatch",
         "bytes": block(sourceless, entry(1, 4, series_root(sourceless), evidence), tail)},
        {"name": "an estimated record with a source", "outcome": "SeriesMismatch",
         "bytes": block(sourced, entry(1, 4, series_root(sourced), evidence), tail)},
        {"name": "a record of another source", "outcome": "SeriesMismatch",
         "bytes": block(wrong, entry(1, 4, series_root(wrong), evidence), tail)},
        {"name": "unknown flag", "outcome": "MalformedSeriesBlock",
         "bytes": right[:1] + b"\x05" + right[2:]},
        {"name": "truncated", "bytes": right[:-1], "outcome": "MalformedSeriesBlock"},
        {"name": "a byte follows", "bytes": right + b"\x00", "outcome": "MalformedSeriesBlock"},
        {"name": "kind 3", "outcome": "accepted",
         "bytes": block(unsigned, entry(3, 1, series_root(unsigned), bytes(32)), kept, flags=0)},
        {"name": "kind 3, another source", "outcome": "SeriesMismatch",
         "bytes": block(unsigned, entry(3, 1, series_root(unsigned), bytes(32)), kept[:-1] + b" ", flags=0)},
        {"name": "kind 4", "outcome": "accepted", "bytes": block([], entry(4, 0, bytes(32), bytes(32)), b"")},
        {"name": "kind 4 with records", "outcome": "MalformedSeriesBlock",
         "bytes": block(unsigned, entry(4, 0, bytes(32), bytes(32)), b"")},
        *grid_series(block),
        {"name": "kind 18", "outcome": "accepted",
         "bytes": block([], entry(18, 1, sha256(result), sha256(job)), parts, flags=0)},
        {"name": "kind 18, another result", "outcome": "SeriesMismatch",
         "bytes": block([], entry(18, 1, sha256(result[::-1]), sha256(job)), parts, flags=0)},
    ]  # fmt: skip


SPKI = {
    "secp256r1": bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004"),
    "secp256k1": bytes.fromhex("3056301006072a8648ce3d020106052b8104000a03420004"),
    "secp192k1": bytes.fromhex("3046301006072a8648ce3d020106052b8104001f03320004"),
}
PAYLOAD = (
    b'{"FV":"1.0","GI":"vector","GS":"1","PG":"T7","MS":"2","IS":false,"IL":"NONE","IF":[],"IT":"NONE","RD":['
    b'{"TM":"2026-06-01T02:00:00,000+0200 S","TX":"B","RV":100.10,"RI":"1-b:1.8.0","RU":"kWh","EF":"","ST":"G"},'
    b'{"TM":"2026-06-01T03:00:00,250+0200 S","TX":"E","RV":"  102.3004"}]}'
)
READINGS = [
    {"obis": "1-b:1.8.0", "value_milliwatt_hours": "100100000", "time": "2026-06-01T00:00:00+00:00", "status": "G"},
    {"obis": "1-b:1.8.0", "value_milliwatt_hours": "102300400", "time": "2026-06-01T01:00:00.250+00:00", "status": "G"},
]


def integer(value: int, strict: bool = True) -> bytes:
    """DER INTEGER; not strict: one superfluous zero octet."""
    body = value.to_bytes(value.bit_length() // 8 + 1, "big")
    body = body if strict else b"\x00" + body
    return bytes((2, len(body))) + body


def ocmf_signature(payload: bytes, curve: str) -> tuple[bytes, int, int]:
    """Public point and the pair (r, s) over SHA-256 of the payload."""
    digest, seed = sha256(payload), content(f"ocmf {curve}")
    if curve == "secp192k1":
        scalar, nonce = int.from_bytes(seed[:23], "big"), int.from_bytes(content("nonce")[:23], "big")
        public, commitment = (reference.SECP192K1.multiply(factor, reference.SECP192K1.g) for factor in (scalar, nonce))
        assert public is not None
        assert commitment is not None
        s = (
            pow(nonce, -1, reference.SECP192K1.n)
            * (int.from_bytes(digest[:24], "big") + commitment[0] * scalar)
            % reference.SECP192K1.n
        )
        return public[0].to_bytes(24, "big") + public[1].to_bytes(24, "big"), commitment[0] % reference.SECP192K1.n, s
    group = reference.P256 if curve == "secp256r1" else reference.SECP256K1
    r, s, _ = group.sign(seed, digest)
    return group.public_key(seed), r, s


def changed_payloads() -> list[tuple[str, str | None, bytes]]:
    """What a payload may say that keeps it from being billed, each beside what it may say; the rule, or None."""
    end = b'"TX":"E","RV":"  102.3004"'

    def changed(name: str, rule: str | None, *pairs: tuple[bytes, bytes]) -> tuple[str, str | None, bytes]:
        payload = PAYLOAD
        for old, new in pairs:
            assert payload.count(old) >= 1, old
            payload = payload.replace(old, new, 1)
        return name, rule, payload

    return [
        changed("status not good", "meter-status", (b'"ST":"G"', b'"ST":"M"')),
        changed("energy error flag", "error-flag", (b'"EF":""', b'"EF":"E"')),
        changed("exception during charging", "exception", (b'"TX":"E"', b'"TX":"X"')),
        changed("user not assigned", "user-assignment", (b'"NONE"', b'"MISMATCH"')),
        changed("no such level of assignment", "user-assignment", (b'"NONE"', b'"Verified"')),
        changed("version 0.1, level in IS", None, (b'"1.0"', b'"0.1"'), (b'"IS":false', b'"IS":"VERIFIED"')),
        changed(
            "version 0.1, level in IS, not assigned", "user-assignment", (b'"1.0"', b'"0.1"'),
            (b'"IS":false', b'"IS":"MISMATCH"'),
        ),
        changed("version 1.4", None, (b'"1.0"', b'"1.4"')),
        changed("version 2.0", "format-version", (b'"1.0"', b'"2.0"')),
        changed("loss reset at the begin", None, (b'"RV":100.10', b'"CL":0.0,"RV":100.10')),
        changed("loss not reset at the begin", "cumulated-loss", (b'"RV":100.10', b'"CL":0.1,"RV":100.10')),
        changed("no known clock status", "clock-mark", (b'02:00:00,000+0200 S"', b'02:00:00,000+0200 Z"')),
        changed("end below begin", "register-backwards", (b"102.3004", b"100.0999")),
        changed("end before begin", "time-backwards", (b"T03:00:00", b"T01:00:00")),
        changed("end without time", "time-missing", (b'{"TM":"2026-06-01T03:00:00,250+0200 S",', b'{"TM":null,')),
        changed("end on the other register", "registers-differ", (end, end + b',"RI":"1-b:2.8.0"')),
        changed("registers of another quantity", "no-register", (b"1-b:1.8.0", b"1-b:3.8.0")),
    ]  # fmt: skip


def ocmf() -> list[Case]:
    """OCMF records under a registered key, in the encodings meters write."""

    verdicts = {"unchecked": ["signature-unchecked"], "invalid": ["signature-invalid"]}

    def case(
        name: str, signature: str, curve: str = "secp256r1", payload: bytes = PAYLOAD, *, signed: bytes | None = None,
        form: str = "der", section: dict[str, str] | None = None, key: str | None = None, objects: str | None = None,
    ) -> Case:  # fmt: skip
        point, r, s = ocmf_signature(payload if signed is None else signed, curve)
        size = len(point) // 2
        pair = integer(r, form != "superfluous") + integer(s)
        data = {"der": bytes((0x30, len(pair))) + pair, "superfluous": bytes((0x30, len(pair))) + pair,
                "raw": r.to_bytes(size, "big") + s.to_bytes(size, "big"),
                "padded": bytes((0x30, len(pair))) + pair + bytes(2),
                "truncated": (bytes((0x30, len(pair))) + pair)[:-1]}[form]  # fmt: skip
        fields = {} if curve == "secp256r1" else {"SA": f"ECDSA-{curve}-SHA256"}
        fields |= section or {}
        text = base64.b64encode(data).decode() if fields.get("SE") == "base64" else data.hex().upper()
        record = b"OCMF|" + payload + b"|" + json.dumps(fields | {"SD": text}).encode()
        spki = (SPKI[curve] + point).hex()
        return {"name": name, "record": record.decode(), "public_key": spki if key is None else key,
                "signature": signature, "objections": [objects] if objects else verdicts.get(signature, []),
                "readings": READINGS if payload == PAYLOAD else None}  # fmt: skip

    other = (SPKI["secp256r1"] + reference.P256.public_key(content("other meter"))).hex()
    point = ocmf_signature(PAYLOAD, "secp256r1")[0]
    spki = SPKI["secp256r1"] + point
    return [
        case("secp256r1, default algorithm", "valid"),
        case("secp256r1, named", "valid", section={"SA": "ECDSA-secp256r1-SHA256"}),
        case("secp256k1", "valid", "secp256k1"),
        case("secp192k1", "valid", "secp192k1"),
        case("base64 signature", "valid", section={"SE": "base64"}),
        case("superfluous zero octet", "valid", form="superfluous"),
        case("zero octets follow", "valid", form="padded"),
        case("bare r||s", "valid", form="raw"),
        case("bare r||s, secp192k1", "valid", "secp192k1", form="raw"),
        case("key as bare point", "valid", key=point.hex()),
        case("key as 04||X||Y", "valid", key="04" + point.hex()),
        case("key in base64", "valid", key=base64.b64encode(spki).decode()),
        case("key in spaced hex", "valid", key=spki.hex(" ", 2).upper()),
        case("no key", "unchecked", key=""),
        case("another meter's key", "invalid", key=other),
        case("a digit changed", "invalid", signed=PAYLOAD.replace(b"100.10", b"100.11")),
        case("a blank added", "invalid", signed=PAYLOAD.replace(b":[{", b": [{")),
        case("trailing zero dropped", "invalid", signed=PAYLOAD.replace(b"100.10", b"100.1")),
        case("algorithm contradicts the key", "invalid", section={"SA": "ECDSA-secp256k1-SHA256"}),
        case("default contradicts the key", "invalid", "secp256k1", section={"SA": "ECDSA-secp256r1-SHA256"}),
        case("unknown algorithm", "invalid", section={"SA": "RSA-4096-SHA256"}),
        case("signature truncated", "invalid", form="truncated"),
        *(case(name, "valid", payload=payload, objects=rule) for name, rule, payload in changed_payloads()),
    ]


def plain(value: object) -> object:
    """Bytes as lower-case hex."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return value


def main() -> int:
    """Write or compare every file."""
    families: dict[str, list[Case]] = {
        "device_blocks": device_blocks() + grid_blocks(), "entries": entries(), "names": names(),
        "series_blocks": [case | {"series_key": SERIES_KEY} for case in series_blocks()], "ocmf": ocmf(),
    }  # fmt: skip
    changed = []
    for family, cases in families.items():
        file = OUT / f"{family}.json"
        text = json.dumps(plain({"cases": cases}), indent=1) + "\n"
        if "--check" not in sys.argv:
            file.write_text(text)
        elif not file.is_file() or file.read_text() != text:
            changed.append(file.name)
    if changed:
        sys.stderr.write(f"differ from what the reference makes: {', '.join(changed)}\n")
    return 1 if changed else 0


if __name__ == "__main__":
    raise SystemExit(main())
