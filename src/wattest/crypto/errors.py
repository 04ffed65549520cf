"""What this room refuses.

Invariants: nothing secret is ever a field or part of a message; lengths and public values are.
"""

from __future__ import annotations

from wattest.errors import InputError, VerificationError


class BufferRefused(InputError):
    """An object that is not a plain run of bytes: wrong item size, strides, or a wrong length."""


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
