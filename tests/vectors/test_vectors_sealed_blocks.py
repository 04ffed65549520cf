"""The sealed-block vectors: this package agrees with them, and so does a check that shares no code with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import check_sealed_blocks
import generate_sealed_blocks
import pytest

from wattest.crypto.errors import AuthenticationFailed, BufferRefused
from wattest.crypto.hpke import ReaderPrivateKey
from wattest.errors import InputError, VerificationError
from wattest.sealing.bundle import open_block, parse_manifest, seal_block
from wattest.sealing.wrapped_keys import WRAPPED_BYTES, SeriesKeyOpener, unwrap_series_key

VECTORS: dict[str, Any] = json.loads(
    (Path(check_sealed_blocks.__file__).parent / "sealed_blocks" / "sealed_blocks.json").read_text()
)


def test_an_independent_check_agrees() -> None:
    check_sealed_blocks.main()


def test_the_generator_writes_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "sealed_blocks" / "sealed_blocks.json"
    monkeypatch.setattr(generate_sealed_blocks, "OUT", out)
    generate_sealed_blocks.main()
    assert json.loads(out.read_text()) == VECTORS


def _place(case: dict[str, Any]) -> tuple[bytes, bytes, int, bytes]:
    return (
        bytes.fromhex(case["series_key"]),
        bytes.fromhex(case["channel"]),
        int(case["sequence"]),
        bytes.fromhex(case["name"]),
    )


@pytest.mark.parametrize("case", VECTORS["blocks"], ids=lambda case: case["label"])
def test_blocks_open_as_what_they_are_and_as_nothing_else(case: dict[str, Any]) -> None:
    plaintext, ciphertext = bytes.fromhex(case["plaintext"]), bytes.fromhex(case["ciphertext"])
    assert seal_block(*_place(case), plaintext) == ciphertext
    assert open_block(*_place(case), ciphertext) == plaintext
    for bad in case["refused"]:
        changed = {**case, bad["part"]: bad["value"]}
        with pytest.raises((VerificationError, InputError)):
            open_block(*_place(changed), bytes.fromhex(changed["ciphertext"]))


def _entry(case: dict[str, Any]) -> tuple[bytes, int, int, bytes]:
    return (
        bytes.fromhex(case["channel"]),
        int(case["sequence"]),
        int(case["index"]),
        bytes.fromhex(case["name"]),
    )


def _opened(case: dict[str, Any]) -> bytes:
    reader = ReaderPrivateKey.from_seed(bytes.fromhex(case["reader_seed"]))
    return unwrap_series_key(reader, bytes.fromhex(case["wrapped"]), *_entry(case))


@pytest.mark.parametrize("case", VECTORS["wrapped_keys"], ids=lambda case: case["label"])
def test_a_wrapped_key_opens_for_its_reader_and_entry(case: dict[str, Any]) -> None:
    assert _opened(case).hex() == case["series_key"]
    for bad in case["refused"]:
        whole = bad["part"] != "wrapped" or len(bad["value"]) == 2 * WRAPPED_BYTES
        with pytest.raises(AuthenticationFailed if whole else BufferRefused):
            _opened({**case, bad["part"]: bad["value"]})


def test_one_opener_opens_all_keys_of_a_context_in_any_order() -> None:
    cases = [case for case in VECTORS["wrapped_keys"] if "last number" not in case["label"]]
    reader = ReaderPrivateKey.from_seed(bytes.fromhex(cases[0]["reader_seed"]))
    opener = SeriesKeyOpener(reader, bytes.fromhex(cases[0]["channel"]))
    for case in [*cases, *reversed(cases)]:
        assert opener.unwrap(bytes.fromhex(case["wrapped"]), *_entry(case)[1:]).hex() == case["series_key"]


@pytest.mark.parametrize("case", VECTORS["manifests"]["accepted"])
def test_manifests_read_and_write_as_written(case: dict[str, Any]) -> None:
    manifest = parse_manifest(case["text"].encode())
    assert manifest.to_bytes().decode() == case["text"]
    assert manifest.content_id.hex() == case["content_id"]
    assert [digest.hex() for digest in manifest.block_digests] == case["block_digests"]
    assert (manifest.channel.hex(), str(manifest.period_start)) == (case["channel"], case["period_start"])


@pytest.mark.parametrize("case", VECTORS["manifests"]["refused"], ids=lambda case: case["label"])
def test_every_other_manifest_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        parse_manifest(case["text"].encode())
