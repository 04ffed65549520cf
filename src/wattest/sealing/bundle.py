"""What a reader of a bundle needs: the manifest, and how a block is encrypted.

Decided here: the manifest's fields and one encoding, CIDs as text, block encryption. Not decided here: the CAR file
(``store.bundle_store``), what a block says (``metering.series_block``), where series keys come from (the enclave) and
how they reach a reader (``wrapped_keys``). Invariants: ``content_id`` fixes every block and their order; a block opens
only as the entry it is. Source: docs/spec/sealed-blocks.md.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wattest.crypto import aead, canonical
from wattest.crypto.hashing import hmac_sha256, sha256
from wattest.crypto.strict_fields import Reader, Refusal
from wattest.errors import InputError
from wattest.messages.fields import WORD, require_bytes, require_uint
from wattest.messages.header import MAX_ENTRIES

MANIFEST_VERSION = "1"
MAX_MANIFEST_BYTES = 64 * 1024 * 1024 + 64
MAX_BLOCK_BYTES = 64 * 1024 * 1024
CID_PREFIX = b"\x01\x55\x12\x20"
"""CIDv1, raw codec, SHA-256, 32 bytes."""

_CID = re.compile("b[a-z2-7]{58}")
_DIGITS = str.maketrans("abcdefghijklmnopqrstuvwxyz234567", "0123456789abcdefghijklmnopqrstuv")
"""Base32 as Python counts in 32: ``base64`` decodes it in a loop of its own, six times as slow."""

_CID_BYTES, _CID_DIGITS = 36, 58
_BASE32 = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz234567", np.uint8)
_FIVE_BITS = np.array([16, 8, 4, 2, 1], np.uint8)
_BLOCK_KEY_TAG = b"\x04"
_BLOCK_DOMAIN = b"wattest/series-block/1"
_ZERO_NONCE = bytes(aead.NONCE_BYTES)  # each block key encrypts one plaintext, ever
_FIELDS = ("version", "channel", "period_start", "period_end", "count", "blocks")


class ManifestInvalid(InputError):
    """A bundle manifest that is not the canonical JSON of its fields, or over a limit."""


def _refuse(refusal: Refusal) -> ManifestInvalid:
    where = refusal.where or "the manifest"
    return ManifestInvalid(f"{where}: {refusal.message}", field=where, **refusal.details)


_MANIFEST = Reader(_refuse, shows_text=True)


@dataclass(frozen=True, slots=True)
class BundleManifest:
    """The plain root block: channel (32 bytes), period, and the SHA-256 of every block in the order of entries."""

    channel: bytes
    period_start: int
    period_end: int
    block_digests: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """The canonical JSON."""
        return canonical.encode(
            {
                "version": MANIFEST_VERSION,
                "channel": self.channel.hex(),
                "period_start": str(self.period_start),
                "period_end": str(self.period_end),
                "count": str(len(self.block_digests)),
                "blocks": cid_texts(self.block_digests),
            }
        )

    @property
    def content_id(self) -> bytes:
        """SHA-256 of the canonical JSON, 32 bytes: the header's ``contentId``."""
        return sha256(self.to_bytes())


def parse_manifest(data: bytes) -> BundleManifest:
    """Read a manifest.

    Raises: ManifestInvalid; CanonicalJsonInvalid.
    """
    value = canonical.parse(data, MAX_MANIFEST_BYTES)
    fields = _MANIFEST.fields(value, *_FIELDS)
    fields["version"].one_of((MANIFEST_VERSION,))
    blocks, count = fields["blocks"].raw_items(MAX_ENTRIES, 1), fields["count"].decimal(64)
    if count != len(blocks):
        raise ManifestInvalid("the count is not that of the blocks", expected=len(blocks), actual=count)
    return BundleManifest(
        fields["channel"].hex(WORD),
        fields["period_start"].decimal(64),
        fields["period_end"].decimal(64),
        tuple(parse_cid_text(block) for block in blocks),
    )


def cid_text(digest: bytes) -> str:
    """The CID of a block by its SHA-256 (32 bytes): ``b`` and lower-case base32 without padding."""
    require_bytes("block digest", digest, WORD)
    return "b" + base64.b32encode(CID_PREFIX + digest).decode().rstrip("=").lower()


def cid_texts(digests: Sequence[bytes]) -> list[str]:
    """The same for many blocks, in columns: a manifest is mostly this."""
    for digest in digests:
        require_bytes("block digest", digest, WORD)
    cids = np.frombuffer(b"".join(CID_PREFIX + digest for digest in digests), np.uint8).reshape(-1, _CID_BYTES)
    # 36 bytes are 57 digits of five bits and three bits more, which two zeros fill up.
    bits = np.unpackbits(np.pad(cids, ((0, 0), (0, 1))), axis=1)[:, : 5 * _CID_DIGITS]
    values = bits.reshape(-1, _CID_DIGITS, 5) @ _FIVE_BITS
    text = _BASE32[values].tobytes().decode("ascii")
    return ["b" + text[start : start + _CID_DIGITS] for start in range(0, len(text), _CID_DIGITS)]


def parse_cid_text(text: object) -> bytes:
    """The SHA-256 inside a CID's text.

    Raises: ManifestInvalid for any other text than ``cid_text`` writes.
    """
    if isinstance(text, str) and _CID.fullmatch(text):
        number = int(text[1:].translate(_DIGITS), 32)
        data = (number >> 2).to_bytes(36, "big")
        if data.startswith(CID_PREFIX) and number & 3 == 0:  # 58 digits hold two bits more than 36 bytes
            return data[4:]
    raise ManifestInvalid("not the CID of a raw SHA-256 block", actual=str(text)[:64])


def seal_block(series_key: bytes, channel: bytes, sequence: int, name: bytes, plaintext: bytes) -> bytes:
    """Encrypt a block as the entry ``name`` (blinded meter or job id) of one batch; 16 bytes longer than the plaintext.

    A series key belongs to one series and is used for one plaintext: the nonce is fixed.
    """
    return aead.seal(_block_key(series_key), _ZERO_NONCE, plaintext, _context(channel, sequence, name))


def open_block(series_key: bytes, channel: bytes, sequence: int, name: bytes, ciphertext: bytes) -> bytes:
    """Decrypt a block.

    Raises: AuthenticationFailed for another key, batch or entry, or changed bytes; BufferRefused for a wrong length.
    """
    return aead.open_sealed(_block_key(series_key), _ZERO_NONCE, ciphertext, _context(channel, sequence, name))


def _block_key(series_key: bytes) -> bytes:
    require_bytes("series key", series_key, WORD)
    return hmac_sha256(series_key, _BLOCK_KEY_TAG)


def _context(channel: bytes, sequence: int, name: bytes) -> bytes:
    require_bytes("channel", channel, WORD)
    require_uint("sequence", sequence, 64)
    require_bytes("entry name", name, WORD)
    return _BLOCK_DOMAIN + channel + sequence.to_bytes(8, "big") + name
