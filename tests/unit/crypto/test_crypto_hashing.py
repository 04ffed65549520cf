"""Digests, salts and sealing: known values and limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wattest.crypto import aead, hashing
from wattest.crypto.errors import BufferRefused


def test_known_digests() -> None:
    assert hashing.keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert hashing.sha256(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    # RFC 4231, test case 2.
    known = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert hashing.hmac_sha256(b"Jefe", b"what do ya want for nothing?").hex() == known


def test_long_inputs_hash_the_same_without_the_gil() -> None:
    data = bytes(200_000)
    assert hashing.keccak256(bytearray(data)) == hashing.keccak256(data)
    assert hashing.keccak256(data) != hashing.keccak256(data[1:])


@pytest.mark.parametrize("strange", [np.zeros(8, dtype=np.uint32), np.zeros(8, dtype=np.uint8)[::2]])
def test_strange_buffers(strange: Any) -> None:
    with pytest.raises(BufferRefused):
        hashing.keccak256(strange)
    with pytest.raises(BufferRefused):
        hashing.derive_salts(strange, 1, 1)


@pytest.mark.parametrize(
    ("key", "tag", "count"),
    [(31, 1, 1), (33, 1, 1), (0, 1, 1), (32, -1, 1), (32, 256, 1), (32, 1, -1), (32, 1, 2**24 + 1), (32, 1, 2**64)],
)
def test_salts_out_of_range(key: int, tag: int, count: int) -> None:
    with pytest.raises(BufferRefused):
        hashing.derive_salts(bytes(key), tag, count)


def test_salts_are_hmacs() -> None:
    key = bytes(range(32))
    salts = hashing.derive_salts(key, 1, 1000)
    for index in (0, 1, 255, 256, 999):
        expected = hashing.hmac_sha256(key, b"\x01" + index.to_bytes(4, "big"))[:16]
        assert salts[index * 16 : index * 16 + 16] == expected
    assert hashing.derive_salts(key, 1, 0) == b""


def test_sealing_binds_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = aead.seal(bytes(32), bytes(12), b"", b"")
    assert len(sealed) == 16
    monkeypatch.setattr(aead, "PLAINTEXT_MAX_BYTES", 4)
    assert aead.open_sealed(bytes(32), bytes(12), aead.seal(bytes(32), bytes(12), b"1234")) == b"1234"
    with pytest.raises(BufferRefused):
        aead.seal(bytes(32), bytes(12), b"12345")
    with pytest.raises(BufferRefused):
        aead.open_sealed(bytes(32), bytes(12), bytes(21))
