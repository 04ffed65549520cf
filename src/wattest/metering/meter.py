"""Names of a meter: key id, pseudonym, and the blinded name that changes every period.

Decided here: how each name follows from a key. Not decided here: who holds which key. ``meter_key`` is a secret shared
by the household and its enclave; nothing here prints it. docs/spec/entries.md
"""

from __future__ import annotations

from wattest.crypto.hashing import hmac_sha256, sha256
from wattest.errors import InputError
from wattest.units import U64_MAX

PUBLIC_KEY_BYTES = 64
METER_KEY_BYTES = 32
CHANNEL_BYTES = 32
_STATEMENT_DOMAIN = b"wattest/statement/1"
_UNSIGNED_DOMAIN = b"wattest/unsigned-meter/1"
ROSTER_SALT_BYTES = 16
_ROSTER_SALT_DOMAIN = b"wattest/roster-salt/1"
_METER_KEY_DOMAIN = b"wattest/meter-key/1"


class MalformedMeterName(InputError):
    """A key, channel or period of the wrong size for the name that is derived from it."""


def meter_key_id(public_key: bytes) -> bytes:
    """SHA-256 of the meter's public key (X||Y), 32 bytes."""
    if not public_key or len(public_key) % 2 or len(public_key) > 144:
        raise MalformedMeterName("a public key is X||Y, two coordinates of one length", actual=len(public_key))
    return sha256(public_key)


def pseudonym(public_key: bytes) -> bytes:
    """The first 16 bytes of the meter key id: the meter's name inside records."""
    return meter_key_id(public_key)[:16]


def unsigned_pseudonym(identification: bytes) -> bytes:
    """A 16-byte name for a meter that has no key, from what its source says about itself."""
    return sha256(_UNSIGNED_DOMAIN + identification)[:16]


def blinded_meter(meter_key: bytes, channel: bytes, period_start: int) -> bytes:
    """The meter's 32-byte name in one period's batch; without ``meter_key`` no two periods can be linked."""
    return hmac_sha256(_checked_key(meter_key), _channel_period(channel, period_start))


def roster_salt(meter_key: bytes, channel: bytes, period_start: int) -> bytes:
    """The 16 bytes that hide the meter's public key in one period's roster."""
    message = _ROSTER_SALT_DOMAIN + _channel_period(channel, period_start)
    return hmac_sha256(_checked_key(meter_key), message)[:ROSTER_SALT_BYTES]


def statement_job_id(meter_key: bytes, channel: bytes, period_start: int) -> bytes:
    """The household's 32-byte name in a statement batch, unlinkable to its meter's names."""
    return hmac_sha256(_checked_key(meter_key), _STATEMENT_DOMAIN + _channel_period(channel, period_start))


def meter_key_commitment(meter_key: bytes) -> bytes:
    """What the member list shows of ``meter_key``, 32 bytes."""
    return sha256(_METER_KEY_DOMAIN + _checked_key(meter_key))


def _checked_key(meter_key: bytes) -> bytes:
    if len(meter_key) != METER_KEY_BYTES:
        raise MalformedMeterName("a meter key has 32 bytes", expected=METER_KEY_BYTES, actual=len(meter_key))
    return meter_key


def _channel_period(channel: bytes, period_start: int) -> bytes:
    if len(channel) != CHANNEL_BYTES:
        raise MalformedMeterName("a channel id has 32 bytes", expected=CHANNEL_BYTES, actual=len(channel))
    if not 0 <= period_start <= U64_MAX:
        raise MalformedMeterName("a period start is an unsigned 64-bit number", actual=period_start)
    return channel + period_start.to_bytes(8, "big")
