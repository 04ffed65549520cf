"""Device block: one P-256 signature of a meter over all its records of a period.

Decided here: the signed message of either version, the block's bytes, and when a block holds. Not decided here: the
columns of version 2 (``register_grid``), whether the readings are plausible or gaps matter (``vee``). Invariants of a
verified block: every record names the meter that signed, records ascend without overlap inside the period, durations
are positive, the high quality byte is zero. docs/spec/records.md
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from wattest.crypto.hashing import sha256
from wattest.crypto.p256 import verify_digest
from wattest.errors import InputError, VerificationError
from wattest.merkle import sha256_root
from wattest.metering.meter import PUBLIC_KEY_BYTES, meter_key_id, pseudonym
from wattest.metering.records import (
    DEVICE_RECORD,
    DEVICE_RECORD_BYTES,
    MAX_RECORDS,
    TIME_LIMIT_S,
    VEE_QUALITY_MASK,
    Records,
    parse_device_records,
    verify_order,
)
from wattest.metering.register_grid import GRID_HEAD_BYTES, MalformedGrid, grid_columns, parse_grid

DEVICE_BLOCK_VERSION = 1
GRID_BLOCK_VERSION = 2
VERSIONS = (DEVICE_BLOCK_VERSION, GRID_BLOCK_VERSION)
SIGNATURE_BYTES = 64
_DOMAIN = b"wattest/device-block/1"
_GRID_DOMAIN = b"wattest/device-block/2"
_HEAD_BYTES = 1 + PUBLIC_KEY_BYTES + 8 + 8 + 4  # 85
DEVICE_BLOCK_FRAME_BYTES = _HEAD_BYTES + SIGNATURE_BYTES
"""All of a block of version 1 but its records."""
GRID_BLOCK_FRAME_BYTES = 1 + PUBLIC_KEY_BYTES + GRID_HEAD_BYTES + SIGNATURE_BYTES
"""All of a block of version 2 but its rows."""


class MalformedDeviceBlock(InputError):
    """Device block bytes of a wrong length, version, count or period."""


class ForeignRecord(VerificationError):
    """A record that names another meter than the one whose key signs the block."""


class DeviceRecordInvalid(VerificationError):
    """A record that no device may sign: no duration, or a quality flag that belongs to ``vee``."""


class DeviceSignatureInvalid(VerificationError):
    """The meter's signature does not hold over these records, this period and this key."""


class DigestSigner(Protocol):
    """What signs a digest: a P-256 key in memory, in a TPM or behind PKCS#11."""

    @property
    def public_key(self) -> bytes:
        """X||Y, 64 bytes."""

    def sign_digest(self, digest: bytes) -> bytes:
        """r||s over a 32-byte digest, 64 bytes, s low."""


@dataclass(frozen=True, slots=True, eq=False)
class DeviceBlock:
    """One meter's signed records of one period; ``records`` has dtype ``DEVICE_RECORD``."""

    public_key: bytes
    period_start: int
    period_end: int
    records: Records = field(repr=False)
    signature: bytes
    version: int = DEVICE_BLOCK_VERSION

    def to_bytes(self) -> bytes:
        """The block's one encoding. Raises: GridInvalid for records that are no grid, in version 2."""
        if self.version == GRID_BLOCK_VERSION:
            columns = grid_columns(self.records, self.period_start, self.period_end)
            return bytes((GRID_BLOCK_VERSION,)) + self.public_key + columns + self.signature
        return b"".join(
            (
                bytes((DEVICE_BLOCK_VERSION,)),
                self.public_key,
                self.period_start.to_bytes(8, "big"),
                self.period_end.to_bytes(8, "big"),
                self.records.shape[0].to_bytes(4, "big"),
                self.records.tobytes(),
                self.signature,
            )
        )

    @property
    def digest(self) -> bytes:
        """The 32 bytes the meter signs, which are also the source digest of the block's interval records."""
        return device_block_digest(self.public_key, self.period_start, self.period_end, self.records, self.version)


def device_block_digest(
    public_key: bytes, period_start: int, period_end: int, records: Records, version: int = DEVICE_BLOCK_VERSION
) -> bytes:
    """SHA-256 of the signed message: domain and meter key id, then what the version signs of period and records.

    Raises ``MalformedDeviceBlock`` for a version, period, key or count outside the format, ``GridInvalid`` for records
    that are no grid, in version 2.
    """
    count = records.shape[0]
    _check_head(public_key, period_start, period_end, count)
    if records.dtype != DEVICE_RECORD:
        raise MalformedDeviceBlock("a device block is over device records", actual=str(records.dtype))
    if version == GRID_BLOCK_VERSION:
        return sha256(_GRID_DOMAIN + meter_key_id(public_key) + grid_columns(records, period_start, period_end))
    if version != DEVICE_BLOCK_VERSION:
        raise MalformedDeviceBlock("a device block of an unknown version", expected=list(VERSIONS), actual=version)
    root = sha256_root(records.tobytes(), DEVICE_RECORD_BYTES)
    return sha256(
        _DOMAIN
        + meter_key_id(public_key)
        + period_start.to_bytes(8, "big")
        + period_end.to_bytes(8, "big")
        + count.to_bytes(4, "big")
        + root
    )


def sign_device_block(
    signer: DigestSigner,
    period_start: int,
    period_end: int,
    records: Records,
    *,
    version: int = DEVICE_BLOCK_VERSION,
) -> DeviceBlock:
    """Sign records as the meter does; checks first what ``verify_device_block`` will check."""
    public_key = signer.public_key
    digest = device_block_digest(public_key, period_start, period_end, records, version)
    _verify_records(public_key, period_start, period_end, records)
    return DeviceBlock(public_key, period_start, period_end, records, signer.sign_digest(digest), version)


def verify_device_block(block: DeviceBlock) -> None:
    """Check a block's records and its signature.

    Raises ``ForeignRecord``, ``DeviceRecordInvalid``, ``RecordsOutOfOrder``, ``RecordOutsidePeriod``, ``GridInvalid``
    or ``DeviceSignatureInvalid``; ``MalformedDeviceBlock`` when the block was not made by ``parse_device_block``.
    """
    digest = block.digest
    _verify_records(block.public_key, block.period_start, block.period_end, block.records)
    verify_device_signature(block.public_key, digest, block.signature)


def verify_device_signature(public_key: bytes, digest: bytes, signature: bytes) -> None:
    """Check r||s (low s) over ``digest``; raises ``DeviceSignatureInvalid`` also for a key off the curve."""
    try:
        verify_digest(public_key, digest, signature)
    except (VerificationError, InputError) as error:
        raise DeviceSignatureInvalid(
            f"the meter's signature does not hold: {error.message}",
            hint="the records were changed after signing, or signed by another meter",
            meter_key_id=meter_key_id(public_key),
            digest=digest,
        ) from error


def parse_device_block(data: bytes) -> DeviceBlock:
    """Read a device block; the signature is not checked here.

    At most 100,000 records. Raises ``MalformedDeviceBlock`` or ``MalformedRecords``. docs/spec/records.md
    """
    if data and data[0] not in VERSIONS:
        raise MalformedDeviceBlock("a device block of an unknown version", expected=list(VERSIONS), actual=data[0])
    version = data[0] if data else DEVICE_BLOCK_VERSION
    least = GRID_BLOCK_FRAME_BYTES if version == GRID_BLOCK_VERSION else DEVICE_BLOCK_FRAME_BYTES
    if len(data) < least:
        raise MalformedDeviceBlock(
            f"these bytes are no device block of version {version}", expected=least, actual=len(data)
        )
    data = bytes(data)
    if version == GRID_BLOCK_VERSION:
        return _parse_grid_block(data)
    public_key = data[1:65]
    period_start = int.from_bytes(data[65:73], "big")
    period_end = int.from_bytes(data[73:81], "big")
    count = int.from_bytes(data[81:85], "big")
    _check_head(public_key, period_start, period_end, count)
    records_end = _HEAD_BYTES + count * DEVICE_RECORD_BYTES
    if len(data) != records_end + SIGNATURE_BYTES:
        raise MalformedDeviceBlock(
            "the block's length does not follow from its count",
            hint="the bytes are truncated or followed by others",
            expected=records_end + SIGNATURE_BYTES,
            actual=len(data),
        )
    records = parse_device_records(data[_HEAD_BYTES:records_end])
    return DeviceBlock(public_key, period_start, period_end, records, data[records_end:])


def _parse_grid_block(data: bytes) -> DeviceBlock:
    public_key, columns = data[1:65], data[65:-SIGNATURE_BYTES]
    try:
        records = parse_grid(columns, pseudonym(public_key))
    except MalformedGrid as error:
        raise MalformedDeviceBlock(error.message, hint=error.hint, **error.fields) from error
    start, end = int(records["start"][0]), int(records["start"][-1]) + int(records["duration_s"][-1])
    return DeviceBlock(public_key, start, end, records, data[-SIGNATURE_BYTES:], GRID_BLOCK_VERSION)


def _check_head(public_key: bytes, period_start: int, period_end: int, count: int) -> None:
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise MalformedDeviceBlock("a device key has 64 bytes (X||Y)", actual=len(public_key))
    if not 0 <= period_start < period_end < TIME_LIMIT_S:
        raise MalformedDeviceBlock("a period ends after it starts", actual=[period_start, period_end])
    if not 1 <= count <= MAX_RECORDS:
        raise MalformedDeviceBlock("a block holds 1 to 100,000 records", actual=count)


def _verify_records(public_key: bytes, period_start: int, period_end: int, records: Records) -> None:
    own = np.frombuffer(pseudonym(public_key), dtype=np.uint8)
    foreign = (records["pseudonym"] != own).any(axis=1)
    if bool(foreign.any()):
        index = int(np.argmax(foreign))
        raise ForeignRecord(
            f"record {index} names another meter",
            index=index,
            expected=own.tobytes(),
            actual=records["pseudonym"][index].tobytes(),
        )
    flagged = (records["duration_s"] == 0) | ((records["quality"] & VEE_QUALITY_MASK) != 0)
    if bool(flagged.any()):
        index = int(np.argmax(flagged))
        raise DeviceRecordInvalid(
            f"record {index} has no duration, or a quality flag that only vee sets",
            index=index,
            duration_s=int(records["duration_s"][index]),
            quality=int(records["quality"][index]),
        )
    verify_order(records, period_start, period_end)
