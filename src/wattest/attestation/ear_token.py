"""A signed attestation result: an EAR as JSON Web Token (RFC 7519), compact, ES256 and nothing else.

Decided here: the one header, the one base64url form, and that a signature's s is low, so that a token exists in one
form only. Not decided here: the claims (``ear``) and whose key counts (the caller's).

Invariants: the header is compared byte for byte and never interpreted: no ``none``, no other algorithm, no key or
certificate out of the token itself (RFC 8725, sections 3.1, 3.2 and 3.10).
"""

from __future__ import annotations

import base64
import hashlib
import re

from wattest.attestation.ear import MAX_EAR_BYTES, Ear, EarMalformed, parse_ear
from wattest.crypto.errors import SignatureInvalid
from wattest.crypto.p256 import P256PrivateKey, verify_digest
from wattest.errors import VerificationError

TOKEN_HEADER = b'{"alg":"ES256","typ":"eat+jwt"}'
MAX_TOKEN_BYTES = MAX_EAR_BYTES // 3 * 4 + 256
_BASE64URL = re.compile(rb"[A-Za-z0-9_-]+")


class EarForged(VerificationError):
    """A token that is not signed by the expected key with ES256 over exactly these bytes."""


def sign_ear(encoded: bytes, key: P256PrivateKey) -> bytes:
    """The token of encoded claims (``ear.encode_ear``): header, claims, signature, joined by dots.

    Raises:
        EarMalformed: claims that no reader would take.
    """
    parse_ear(encoded)
    signed = _encode(TOKEN_HEADER) + b"." + _encode(encoded)
    return signed + b"." + _encode(key.sign_digest(hashlib.sha256(signed).digest()))


def open_ear(token: bytes, public_key: bytes) -> Ear:
    """Check a token under a 64-byte public key X || Y, and only then read it.

    Raises:
        EarMalformed: too long, not three parts of base64url, or claims that are no EAR.
        EarForged: another header, or a signature that does not hold.
        PublicKeyInvalid: a public key that is none.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise EarMalformed("token", f"{len(token)} bytes, at most {MAX_TOKEN_BYTES}")
    parts = bytes(token).split(b".")
    if len(parts) != 3:
        raise EarMalformed("token", f"{len(parts)} parts, three belong here")
    # An unsigned token ends in nothing: that is a forgery to name, not a slip of form.
    header = _decode(parts[0], "header")
    if header != TOKEN_HEADER:
        raise EarForged(
            "the token's header is not the one that is admitted",
            hint="only ES256 with type eat+jwt is taken; see docs/spec/ear.md",
            expected=TOKEN_HEADER.decode(),
            actual=header[:80].decode("ascii", "replace"),
        )
    claims, signature = _decode(parts[1], "claims"), _decode(parts[2], "signature")
    try:
        verify_digest(public_key, hashlib.sha256(parts[0] + b"." + parts[1]).digest(), signature)
    except SignatureInvalid as error:
        raise EarForged(
            f"the attestation result is not signed by this key: {error.message}", public_key=bytes(public_key)
        ) from error
    return parse_ear(claims)


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decode(text: bytes, what: str) -> bytes:
    if not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise EarMalformed(what, "base64url without padding belongs here")
    data = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    if _encode(data) != text:
        raise EarMalformed(what, "base64url with bits that mean nothing")
    return data
