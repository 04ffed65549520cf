"""CARv1 with one root: the byte layout of a bundle, read and written piece by piece.

Decided here: varints, CIDv1 (raw codec, SHA-256), the CAR header, sections, and every limit. Not decided here: what the
blocks mean (``bundle``). Invariants: one sequence of blocks has exactly one encoding; a block that reaches a caller has
the digest its CID names; no length is believed before it is checked against a limit.

Source: docs/spec/bundle.md; CARv1 and CIDv1 of the IPLD and multiformats specifications.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from wattest.errors import InputError, VerificationError
from wattest.sealing.bundle import CID_PREFIX

DIGEST_BYTES = 32
CID_BYTES = len(CID_PREFIX) + DIGEST_BYTES
# dag-cbor {"roots": [42(h'00' CID)], "version": 1}: with one root of one kind only the digest varies
_HEADER_HEAD = b"\xa2\x65roots\x81\xd8\x2a\x58\x25\x00" + CID_PREFIX
_HEADER_TAIL = b"\x67version\x01"
HEADER_BYTES = len(_HEADER_HEAD) + DIGEST_BYTES + len(_HEADER_TAIL)
MAX_BLOCK_BYTES = 64 * 1024 * 1024 + 64  # the largest series block and its AEAD tag
MAX_BLOCKS = 2**20 + 1  # a manifest and one block per entry
MAX_CAR_BYTES = 16 * 1024**3
_VARINT_BYTES = 9


class MalformedCar(InputError):
    """Bytes that are not a CARv1 file of the one shape that a bundle has."""


class CarTooLarge(InputError):
    """A block, a number of blocks or a file over its limit."""


class BlockDigestMismatch(VerificationError):
    """A block whose bytes do not have the digest that its CID names."""


@dataclass(frozen=True, slots=True)
class CarLimits:
    """What a reader accepts: bytes of one block, number of blocks with the root, bytes of the whole file."""

    block_bytes: int = MAX_BLOCK_BYTES
    blocks: int = MAX_BLOCKS
    total_bytes: int = MAX_CAR_BYTES


@dataclass(frozen=True, slots=True)
class Section:
    """Where a block lies in its file: its digest, the offset of its bytes and their number."""

    digest: bytes
    offset: int
    length: int


def cid_of(digest: bytes) -> bytes:
    """CIDv1 of a raw block with this SHA-256 digest, 36 bytes."""
    return CID_PREFIX + digest


def car_header(root_digest: bytes) -> bytes:
    """The length-prefixed CAR header that names one root."""
    return encode_varint(HEADER_BYTES) + _HEADER_HEAD + root_digest + _HEADER_TAIL


def encode_varint(number: int) -> bytes:
    """Unsigned LEB128 of a number below 2**63."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def section(data: bytes) -> tuple[bytes, bytes]:
    """One block as (prefix, digest): the prefix is its length and CID and is followed by ``data`` itself."""
    digest = hashlib.sha256(data).digest()
    return encode_varint(CID_BYTES + len(data)) + cid_of(digest), digest


def write_car(file: BinaryIO, root: bytes, blocks: Iterable[bytes]) -> bytes:
    """Write the root block and then ``blocks`` in order; return the root's digest."""
    prefix, root_digest = section(root)
    file.write(car_header(root_digest))
    file.write(prefix)
    file.write(root)
    for block in blocks:
        prefix, _ = section(block)
        file.write(prefix)
        file.write(block)
    return root_digest


class CarReader:
    """Reads a CAR file from its start; ``sections`` walks it without the blocks' bytes, ``blocks`` with them."""

    def __init__(self, file: BinaryIO, limits: CarLimits | None = None) -> None:
        self._file = file
        self._limits = limits or CarLimits()
        self._at = 0
        length = self._varint()
        header = self._take(HEADER_BYTES) if length == HEADER_BYTES else b""
        digest = header[len(_HEADER_HEAD) : len(_HEADER_HEAD) + DIGEST_BYTES]
        if header != _HEADER_HEAD + digest + _HEADER_TAIL or len(digest) != DIGEST_BYTES:
            raise MalformedCar("not a CARv1 header with one raw SHA-256 root")
        self.root_digest = digest

    def blocks(self) -> Iterator[tuple[Section, bytes]]:
        """Every block in file order, the root first, each checked against its CID."""
        for part in self._sections():
            data = self._take(part.length)
            verify_block(data, part.digest)
            yield part, data

    def sections(self) -> Iterator[Section]:
        """Every section in file order; the file must be seekable and the blocks' bytes are skipped, not checked."""
        for part in self._sections():
            self._file.seek(part.length, 1)
            self._at += part.length
            yield part

    def _sections(self) -> Iterator[Section]:
        count = 0
        while (length := self._varint(end_allowed=True)) is not None:
            count += 1
            if count > self._limits.blocks:
                raise CarTooLarge("the file holds too many blocks", limit=self._limits.blocks)
            if length < CID_BYTES:
                raise MalformedCar("a section is shorter than a CID", offset=self._at, actual=length)
            if length - CID_BYTES > self._limits.block_bytes:
                raise CarTooLarge("a block is too large", limit=self._limits.block_bytes, actual=length - CID_BYTES)
            if self._at + length > self._limits.total_bytes:
                raise CarTooLarge("the file is too large", limit=self._limits.total_bytes)
            cid = self._take(CID_BYTES)
            if cid[: len(CID_PREFIX)] != CID_PREFIX:
                raise MalformedCar("a block's CID is not CIDv1, raw, SHA-256", offset=self._at - CID_BYTES)
            digest = cid[len(CID_PREFIX) :]
            if count == 1 and digest != self.root_digest:
                raise MalformedCar("the first block is not the root", expected=self.root_digest, actual=digest)
            yield Section(digest, self._at, length - CID_BYTES)
        if count == 0:
            raise MalformedCar("the root block is missing", expected=self.root_digest)

    def _varint(self, *, end_allowed: bool = False) -> int | None:
        value = 0
        for position in range(_VARINT_BYTES):
            octet = self._file.read(1)
            if not octet:
                if end_allowed and position == 0:
                    return None
                raise MalformedCar("the file is truncated in a length", offset=self._at)
            self._at += 1
            value |= (octet[0] & 0x7F) << (7 * position)
            if octet[0] < 0x80:
                if octet[0] == 0 and position > 0:
                    raise MalformedCar("a length is not in its shortest form", offset=self._at)
                return value
        raise MalformedCar("a length has too many bytes", offset=self._at)

    def _take(self, length: int) -> bytes:
        data = self._file.read(length)
        self._at += len(data)
        if len(data) != length:
            raise MalformedCar("the file is truncated", offset=self._at, expected=length, actual=len(data))
        return data


def verify_block(data: bytes, digest: bytes) -> None:
    """Check a block against the digest its CID names; raises ``BlockDigestMismatch``."""
    actual = hashlib.sha256(data).digest()
    if actual != digest:
        raise BlockDigestMismatch(
            "a block is not what its CID names",
            expected=digest,
            actual=actual,
            hint="the file was changed or damaged; fetch it again",
        )
