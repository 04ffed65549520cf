"""CAR reader: round trips, and arbitrary or mutated bytes give a value or a typed error, never anything else."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattest.errors import InputError, VerificationError
from wattest.sealing.bundle import ManifestInvalid, cid_text, cid_texts, parse_cid_text
from wattest.store.bundle_group import FolderGroup
from wattest.store.bundle_store import Bundle, BundleFolder, parse_bundle
from wattest.store.car import BlockDigestMismatch, CarLimits, CarTooLarge
from wattest.store.ports import BlockIndexInvalid, BundleMissing

BLOCKS = st.lists(st.binary(max_size=300), max_size=6).map(tuple)


def bundle_of(manifest: bytes, blocks: tuple[bytes, ...]) -> Bundle:
    return Bundle(manifest, blocks, hashlib.sha256(manifest).digest())


@given(st.binary(max_size=300), BLOCKS)
def test_round_trip(manifest: bytes, blocks: tuple[bytes, ...]) -> None:
    bundle = bundle_of(manifest, blocks)
    assert parse_bundle(bundle.to_bytes()) == bundle


@given(st.binary(max_size=400))
def test_arbitrary_bytes(data: bytes) -> None:
    with contextlib.suppress(InputError, VerificationError):
        parse_bundle(data)


@given(st.binary(min_size=1, max_size=80), BLOCKS, st.data())
def test_any_changed_byte_is_refused(manifest: bytes, blocks: tuple[bytes, ...], data: st.DataObject) -> None:
    good = bundle_of(manifest, blocks).to_bytes()
    at = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises((InputError, VerificationError)):
        parse_bundle(bytes(bad))


@given(st.text(max_size=70))
def test_cid_text(text: str) -> None:
    with contextlib.suppress(ManifestInvalid):
        assert cid_text(parse_cid_text(text)) == text


def test_limits() -> None:
    data = bundle_of(b"m", (b"x" * 100, b"y")).to_bytes()
    assert parse_bundle(data, CarLimits(100, 3, len(data)))
    for limits in (CarLimits(99, 3, len(data)), CarLimits(100, 2, len(data)), CarLimits(100, 3, len(data) - 1)):
        with pytest.raises(CarTooLarge):
            parse_bundle(data, limits)


def test_store_keeps_and_checks(tmp_path: Path) -> None:
    store = BundleFolder(tmp_path / "bundles")
    for _ in range(2):
        with FolderGroup(store) as group:
            content_id = group.add(b"manifest", [b"one", b"two"])
            group.store()
        assert store.has(content_id)
    with store.open(content_id) as stored:
        assert (stored.manifest(), list(stored.blocks()), stored.block_count) == (b"manifest", [b"one", b"two"], 2)
        with pytest.raises(BlockIndexInvalid):
            stored.block(2)
        with pytest.raises(BlockIndexInvalid):
            stored.block(-1)
    with pytest.raises(BundleMissing), store.open(bytes(32)):
        pass
    path = store.path(content_id)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with store.open(content_id) as stored, pytest.raises(BlockDigestMismatch):
        stored.block(1)
    assert not list(store.folder.glob(".*.partial"))


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=40))
def test_many_cids_are_those_of_each(digests: list[bytes]) -> None:
    assert cid_texts(digests) == [cid_text(digest) for digest in digests]
    assert [parse_cid_text(text) for text in cid_texts(digests)] == digests
