"""Tagged evidence: the content of the DICE evidence extension, OID 2.23.133.5.4.9, in a certificate for RA-TLS.

Decided here: the one CBOR form that is written, and the forms that are read (the public key's hash by SHA-256, SHA-384
or SHA-512; the claims in either order). Not decided here: the certificate around it (``ra_tls``) and whether the quote
is believed (``appraisal``). Invariants: nothing over ``MAX_TAGGED_EVIDENCE_BYTES`` is looked at, no length is believed
before the bytes are there, every head is in its shortest form, and no byte is left over.
Specification: docs/spec/ra-tls.md; sources: RFC 8949, TCG DICE Attestation Architecture, CCC "Interoperable RA-TLS".
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from wattest.errors import InputError

TAGGED_EVIDENCE_OID = "2.23.133.5.4.9"
TEE_QUOTE_TAG = 60_000
MAX_TAGGED_EVIDENCE_BYTES = 65_536
MAX_NONCE_BYTES = 64
PUBLIC_KEY_HASH_CLAIM = "pubkey-hash"
NONCE_CLAIM = "nonce"
HASH_ALGORITHMS = {1: hashlib.sha256, 7: hashlib.sha384, 8: hashlib.sha512}
"""By their ids in IANA's Named Information Hash Algorithm Registry."""

_UINT, _BYTES, _TEXT, _ARRAY, _MAP, _TAG = 0, 2, 3, 4, 5, 6
_SHA256 = 1


class TaggedEvidenceMalformed(InputError):
    """An extension's content that is not tagged evidence; ``offset`` is where the reading ended."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What the attester says besides its quote: the hash of its certificate's public key, and a nonce if it was asked.

    ``hash_algorithm`` is a key of ``HASH_ALGORITHMS``, ``public_key_hash`` that hash of the DER SubjectPublicKeyInfo.
    """

    hash_algorithm: int
    public_key_hash: bytes
    nonce: bytes | None = None

    @classmethod
    def over(cls, public_key_info: bytes, nonce: bytes | None = None) -> Claims:
        """The claims of a certificate with this SubjectPublicKeyInfo (DER), by SHA-256."""
        return cls(_SHA256, hashlib.sha256(public_key_info).digest(), nonce)

    def to_bytes(self) -> bytes:
        """The claims buffer: a CBOR map of one or two byte strings, the shorter name first."""
        entry = _head(_ARRAY, 2) + _head(_UINT, self.hash_algorithm) + _octets(self.public_key_hash)
        claims = b"" if self.nonce is None else _text(NONCE_CLAIM) + _octets(self.nonce)
        return _head(_MAP, 1 + (self.nonce is not None)) + claims + _text(PUBLIC_KEY_HASH_CLAIM) + _octets(entry)

    def names(self, public_key_info: bytes) -> bool:
        """Whether the hash is that of this SubjectPublicKeyInfo (DER)."""
        return HASH_ALGORITHMS[self.hash_algorithm](public_key_info).digest() == self.public_key_hash


@dataclass(frozen=True, slots=True)
class TaggedEvidence:
    """A quote and the claims buffer that its report data hashes; ``claims`` is that buffer, read."""

    quote: bytes
    claims_buffer: bytes
    claims: Claims

    @property
    def report_data(self) -> bytes:
        """The 64 bytes that the quote must carry: SHA-256 of the claims buffer, then zeros."""
        return claims_report_data(self.claims_buffer)


def claims_report_data(claims_buffer: bytes) -> bytes:
    """SHA-256 of a claims buffer, then 32 zero bytes."""
    return hashlib.sha256(claims_buffer).digest() + bytes(32)


def encode_tagged_evidence(quote: bytes, claims_buffer: bytes) -> bytes:
    """60000([quote, claims buffer]) in deterministic CBOR."""
    return _head(_TAG, TEE_QUOTE_TAG) + _head(_ARRAY, 2) + _octets(quote) + _octets(claims_buffer)


def parse_tagged_evidence(data: bytes) -> TaggedEvidence:
    """Read the content of the extension.

    Raises: TaggedEvidenceMalformed.
    """
    if len(data) > MAX_TAGGED_EVIDENCE_BYTES:
        raise TaggedEvidenceMalformed(
            "the evidence extension is too large", limit_bytes=MAX_TAGGED_EVIDENCE_BYTES, actual=len(data)
        )
    reader = _Reader(data)
    tag = reader.head(_TAG, "a CBOR tag")
    if tag != TEE_QUOTE_TAG:
        raise TaggedEvidenceMalformed(
            "evidence of another kind", hint="only TEE quotes are read here", expected=TEE_QUOTE_TAG, actual=tag
        )
    if reader.head(_ARRAY, "an array") != 2:
        raise TaggedEvidenceMalformed("tagged evidence is a quote and a claims buffer", offset=reader.offset)
    quote = reader.octets("the quote")
    buffer = reader.octets("the claims buffer")
    reader.end()
    return TaggedEvidence(quote, buffer, parse_claims(buffer))


def parse_claims(data: bytes) -> Claims:
    """Read a claims buffer.

    Raises: TaggedEvidenceMalformed for a missing, repeated or unknown claim, or a hash of a wrong length.
    """
    reader = _Reader(data)
    count = reader.head(_MAP, "a map of claims")
    found: dict[str, bytes] = {}
    for _ in range(min(count, 3)):  # the third is refused below, whatever it is
        name = reader.text()
        if name in found or name not in (PUBLIC_KEY_HASH_CLAIM, NONCE_CLAIM):
            raise TaggedEvidenceMalformed("a claim is repeated or unknown", claim=name[:64], offset=reader.offset)
        found[name] = reader.octets("a claim")
    reader.end()
    if PUBLIC_KEY_HASH_CLAIM not in found:
        raise TaggedEvidenceMalformed("the claims do not name the public key", expected=PUBLIC_KEY_HASH_CLAIM)
    nonce = found.get(NONCE_CLAIM)
    if nonce is not None and not 0 < len(nonce) <= MAX_NONCE_BYTES:
        raise TaggedEvidenceMalformed("a nonce has 1 to 64 bytes", actual=len(nonce))
    entry = _Reader(found[PUBLIC_KEY_HASH_CLAIM])
    if entry.head(_ARRAY, "a hash entry") != 2:
        raise TaggedEvidenceMalformed("a hash entry is an algorithm and a hash", offset=entry.offset)
    algorithm, value = entry.head(_UINT, "a hash algorithm"), entry.octets("a hash")
    entry.end()
    if algorithm not in HASH_ALGORITHMS or len(value) != HASH_ALGORITHMS[algorithm]().digest_size:
        raise TaggedEvidenceMalformed(
            "the public key's hash is of an unknown algorithm or a wrong length",
            expected=sorted(HASH_ALGORITHMS),
            actual=[algorithm, len(value)],
        )
    return Claims(algorithm, value, nonce)


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes((major << 5 | argument,))
    size = next(size for size in (1, 2, 4) if argument < 1 << 8 * size)
    return bytes((major << 5 | 23 + size.bit_length(),)) + argument.to_bytes(size, "big")


def _octets(data: bytes) -> bytes:
    return _head(_BYTES, len(data)) + data


def _text(text: str) -> bytes:
    return _head(_TEXT, len(text)) + text.encode("ascii")


class _Reader:
    """CBOR heads and strings, one after another; nothing is nested that this format does not name."""

    __slots__ = ("_data", "offset")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.offset = 0

    def head(self, major: int, what: str) -> int:
        initial = self._take(1, what)[0]
        code = initial & 0x1F
        if initial >> 5 != major or code > 27:
            raise TaggedEvidenceMalformed(f"{what} was expected", offset=self.offset - 1)
        if code < 24:
            return code
        size = 1 << code - 24
        value = int.from_bytes(self._take(size, what), "big")
        if value < 24 or (size > 1 and value < 1 << 4 * size):
            raise TaggedEvidenceMalformed(f"{what} is not in its shortest form", offset=self.offset - size)
        return value

    def octets(self, what: str) -> bytes:
        return self._take(self.head(_BYTES, what), what)

    def text(self) -> str:
        data = self._take(self.head(_TEXT, "a claim's name"), "a claim's name")
        return "".join(chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in data[:64])

    def end(self) -> None:
        if self.offset != len(self._data):
            raise TaggedEvidenceMalformed("bytes follow the evidence", offset=self.offset, expected=len(self._data))

    def _take(self, length: int, what: str) -> bytes:
        if length > len(self._data) - self.offset:
            raise TaggedEvidenceMalformed(f"{what} reaches past the end", offset=self.offset)
        self.offset += length
        return self._data[self.offset - length : self.offset]
