"""Imports: readings per second and core from a meter file's bytes to a sealed leaf, and signatures judged in bulk.

python bench/imports.py [--scale full|quick|tiny] [--json FILE]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256

from measure import HELPERS, Figure, Report, Scale, cpu_seconds, exhaust, rates, run_alone, scaled

sys.path.extend(HELPERS)

import imports_twin
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from wattest.apps.demo.charging import charging_sessions
from wattest.crypto import p256, secp256k1
from wattest.crypto.p256 import P256PrivateKey
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.crypto.signatures import Algorithm, judge_signatures
from wattest.merkle import leaf_hash
from wattest.metering.entry import ZERO_DIGEST, EntryKind, SeriesEntry
from wattest.metering.imported import ImportedSeries, imported_series
from wattest.metering.readers.public_key import MeterPublicKey, curve_by_name, parse_public_key
from wattest.metering.readers.recognise import read_meter_files
from wattest.metering.reading import MalformedMeterFile
from wattest.metering.series import build_series_tree
from wattest.metering.series_block import SeriesBlock, telegrams_evidence
from wattest.metering.series_key import entry_salt
from wattest.sealing.bundle import seal_block

TITLE = "Imports"
ABOUT = (
    "A meter file's bytes are read, judged and become a series, its records' tree, its encrypted block and its leaf, "
    "as in an enclave that imports it; all in one process, by the processor time of all its threads. OCMF files hold "
    "one signed reading a record, under one key. The floor is the twin of the tests: the same rules with an object for "
    "each reading, each signature verified by itself and again for the series, as imports went before columns. "
    "Signatures are judged over messages of 300 bytes under one key; the floor is the rule for a single one in a loop."
)
START = 1_780_272_000
SERIES_KEY = sha256(b"bench imports").digest()
CHANNEL = sha256(b"channel").digest()
SEED = sha256(b"meter").digest()

Files = list[tuple[bytes, MeterPublicKey | None]]
Way = Callable[[Files], list[ImportedSeries]]


def in_columns(files: Files) -> list[ImportedSeries]:
    """As imports go: the files of a step together."""
    found: list[ImportedSeries] = []
    for read in read_meter_files(files):
        if isinstance(read, MalformedMeterFile):
            raise read
        found += imported_series(read)
    return found


def one_by_one(files: Files) -> list[ImportedSeries]:
    """As the twin goes."""
    found: list[ImportedSeries] = []
    for data, key in files:
        found += imports_twin.imported_series(imports_twin.read_meter_file(data, key))
    return found


def seal(way: Way, files: Files) -> list[bytes]:
    """The leaves of the files' entries, their blocks encrypted, too."""
    return [sealed_leaf(series) for series in way(files)]


def sealed_leaf(series: ImportedSeries) -> bytes:
    """One series' tree, block and leaf."""
    evidence = telegrams_evidence(series.telegrams) if series.kind is EntryKind.SIGNED_TELEGRAMS else ZERO_DIGEST
    root = build_series_tree(series.records, SERIES_KEY).root
    entry = SeriesEntry(
        series.kind, SERIES_KEY, series.period_start, series.period_end, series.records.shape[0], root, evidence
    )
    block = SeriesBlock(
        entry, series.records, public_key=series.public_key, telegrams=series.telegrams, source=series.source
    )
    seal_block(SERIES_KEY, CHANNEL, 1, SERIES_KEY, block.to_bytes())
    return leaf_hash(entry_salt(SERIES_KEY), entry.pack())


def ocmf_file(curve: str, count: int) -> tuple[bytes, MeterPublicKey | None]:
    """Fiscal readings of one meter, a quarter hour apart, each a record signed over the curve."""
    private = P256PrivateKey.from_seed(SEED) if curve == "secp256r1" else Secp256k1PrivateKey.from_seed(SEED)
    records = []
    for number in range(count):
        time = datetime.fromtimestamp(START + 900 * number, UTC).strftime("%Y-%m-%dT%H:%M:%S,000+0000 S")
        reading = {"TM": time, "RV": f"{1000 + number / 4:.4f}", "RI": "1-b:1.8.0", "RU": "kWh", "EF": "", "ST": "G"}
        payload = json.dumps({"FV": "1.0", "GS": "1", "PG": f"F{number + 1}", "MS": "1", "IL": "NONE", "RD": [reading]})
        pair = private.sign_digest(sha256(payload.encode()).digest())
        der = encode_dss_signature(int.from_bytes(pair[:32], "big"), int.from_bytes(pair[32:64], "big"))
        records.append(f"OCMF|{payload}|" + json.dumps({"SA": f"ECDSA-{curve}-SHA256", "SD": der.hex()}))
    return "\n".join(records).encode(), MeterPublicKey(private.public_key, curve_by_name(curve))


def table_file(count: int) -> bytes:
    """Interval energies of one meter, a quarter hour apart."""
    times = (
        datetime.fromtimestamp(START + 900 * number, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for number in range(count)
    )
    rows = (f"{time},{37 * number % 1000 / 1000:.3f},0" for number, time in enumerate(times))
    return "\n".join(("start,import_kwh,export_kwh", *rows)).encode()


def imported(scale: Scale) -> list[Figure]:
    """Files of four kinds, both ways, interleaved."""
    signed, rows, sessions, runs = scale.pick((5_000, 35_040, 500, 5), (1_000, 10_000, 200, 3), (4, 20, 2, 1))
    steps: list[tuple[str, int, Files]] = [
        (f"OCMF, {curve}", signed, [ocmf_file(curve, signed)]) for curve in ("secp256k1", "secp256r1")
    ]
    charged = charging_sessions(sessions, START, START + 30 * 86_400)
    each = [(session.telegram, parse_public_key(session.public_key)) for session in charged]
    steps += [
        ("OCMF, secp256r1, a file and a key for two readings", 2 * sessions, each),
        ("interval CSV", rows, [(table_file(rows), None)]),
    ]
    figures = []
    for name, count, files in steps:
        taken: dict[Way, list[float]] = {in_columns: [], one_by_one: []}
        for _ in range(runs):
            for way, samples in taken.items():
                samples.extend(cpu_seconds(1, partial(seal, way, files)))
        figures.append(
            Figure(
                f"{name}: readings per second and core, file to sealed leaf", "1/s", rates(count, taken[in_columns]),
                floor="the rate of one reading at a time", floor_samples=rates(count, taken[one_by_one]),
            )
        )  # fmt: skip
    return figures


def judged(scale: Scale) -> list[Figure]:
    """Signatures in bulk and in a loop."""
    count, runs = scale.pick((2_000, 5), (1_000, 3), (8, 1))
    messages = [number.to_bytes(4, "big") * 75 for number in range(count)]
    digests = [sha256(message).digest() for message in messages]
    meter, account = P256PrivateKey.from_seed(SEED), Secp256k1PrivateKey.from_seed(SEED)
    edwards = Ed25519PrivateKey.from_private_bytes(SEED)
    raw = edwards.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    by_p256 = [meter.sign_digest(digest) for digest in digests]
    by_account = [account.sign_digest(digest)[:64] for digest in digests]
    by_edwards = [edwards.sign(message) for message in messages]

    def alone(verify: Callable[[bytes, bytes, bytes], None], key: bytes, signatures: list[bytes]) -> None:
        for message, signature in zip(messages, signatures, strict=True):
            verify(key, sha256(message).digest(), signature)

    cases: list[tuple[Algorithm, bytes, list[bytes], Callable[[], object]]] = [
        (Algorithm.P256, meter.public_key, by_p256, lambda: alone(p256.verify_digest, meter.public_key, by_p256)),
        (
            Algorithm.SECP256K1, account.public_key, by_account,
            lambda: alone(secp256k1.verify_digest, account.public_key, by_account),
        ),
        (
            Algorithm.ED25519, raw, by_edwards,
            lambda: exhaust(edwards.public_key().verify, zip(by_edwards, messages, strict=True)),
        ),
    ]  # fmt: skip
    figures = []
    for algorithm, key, signatures, loop in cases:
        keys = [key] * count
        bulk: list[float] = []
        singly: list[float] = []
        for _ in range(runs):
            bulk += cpu_seconds(1, partial(judge_signatures, algorithm, keys, messages, signatures))
            singly += cpu_seconds(1, loop)
        figures.append(
            Figure(
                f"{algorithm.name.lower()}: one signature, judged in bulk", "µs", scaled(1e6 / count, bulk),
                floor="one by one", floor_samples=scaled(1e6 / count, singly),
            )
        )  # fmt: skip
    return figures


def measure(scale: Scale) -> Report:
    """Files, then signatures."""
    return Report(TITLE, ABOUT, (*imported(scale), *judged(scale)))


if __name__ == "__main__":
    run_alone(measure, __doc__)
