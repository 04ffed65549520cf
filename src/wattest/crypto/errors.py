"""What this room refuses.

Invariants: nothing secret is ever a field or part of a message; lengths and public values are.
"""

from __future__ import annotations

from collections.abc import Mapping

from wattest.errors import ConfigError, InputError, VerificationError


class BufferRefused(InputError):
    """An object that is not a plain run of bytes: wrong item size, strides, or a wrong length."""


class SimdUnavailable(ConfigError):
    """``WATTEST_SIMD`` names a kernel that this processor or this build has not."""


class ThreadsInvalid(ConfigError):
    """A number of threads that is not 1 to 256, as an argument or in ``WATTEST_THREADS``."""


class KeyMaterialInvalid(InputError):
    """Key bytes of a wrong length or outside the curve's range."""


class PublicKeyInvalid(VerificationError):
    """Public key bytes that are not a point of the curve."""


class SignatureInvalid(VerificationError):
    """A signature that does not hold, or is not in the one accepted form (1 <= r < n, 1 <= s <= n/2)."""


class AuthenticationFailed(VerificationError):
    """A ciphertext that was not made with this key, nonce and associated data."""


class CanonicalJsonInvalid(InputError):
    """A value or text outside canonical JSON (RFC 8785) as this project narrows it."""


class TomlUnwritable(InputError):
    """A value that no TOML file can hold: of another kind, or text that is not Unicode."""


_SETTINGS: dict[str, tuple[type[ConfigError], str]] = {
    "SimdUnavailable": (SimdUnavailable, "unset WATTEST_SIMD, or set it to one of those available"),
    "ThreadsInvalid": (ThreadsInvalid, "leave the number of threads out, and WATTEST_THREADS, to use every core"),
}


def refused_setting(name: str, message: str, fields: Mapping[str, object]) -> ConfigError | None:
    """The error for a fault of the native core that is about a setting; None for another fault."""
    if name not in _SETTINGS:
        return None
    kind, hint = _SETTINGS[name]
    return kind(message, hint=hint, **fields)
