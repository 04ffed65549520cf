"""Bundles read and written by go-car, an implementation of CAR that shares nothing with ours.

What we write it reads, what it writes we read, byte for byte the same. What we accept it accepts; what it accepts and
we do not is no bundle: another encoding, another hash, or a root that is not the first block.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import gocar
import pytest
from gocar import CarRead
from waiting import HANG_S

from wattest.errors import InputError, VerificationError
from wattest.sealing.bundle import cid_text
from wattest.store.bundle_group import FolderGroup
from wattest.store.bundle_store import Bundle, BundleFolder, parse_bundle

ROOT = Path(__file__).resolve().parents[2]
VECTORS: dict[str, list[dict[str, Any]]] = json.loads((ROOT / "vectors" / "bundle" / "bundle.json").read_text())


def bundle_of(manifest: bytes, blocks: tuple[bytes, ...]) -> Bundle:
    return Bundle(manifest, blocks, hashlib.sha256(manifest).digest())


def assert_same(bundle: Bundle, found: CarRead) -> None:
    blocks = (bundle.manifest, *bundle.blocks)
    cids = tuple(cid_text(hashlib.sha256(block).digest()) for block in blocks)
    assert found == CarRead(1, (cid_text(bundle.content_id),), cids, blocks, "")


def test_accepted_vectors_are_read_and_written_alike() -> None:
    bundles = [parse_bundle(bytes.fromhex(vector["bytes"])) for vector in VECTORS["accepted"]]
    for bundle, found in zip(bundles, gocar.read([bundle.to_bytes() for bundle in bundles]), strict=True):
        assert_same(bundle, found)
    written = gocar.write([(bundle.manifest, bundle.blocks) for bundle in bundles])
    assert [data.hex() for data in written] == [vector["bytes"] for vector in VECTORS["accepted"]]


def test_refused_vectors() -> None:
    """``general`` says which of them a general reader takes to the end: CAR allows more than a bundle."""
    found = gocar.read([bytes.fromhex(vector["bytes"]) for vector in VECTORS["refused"]])
    taken = {vector["name"] for vector, answer in zip(VECTORS["refused"], found, strict=True) if is_whole(answer)}
    assert taken == {vector["name"] for vector in VECTORS["refused"] if vector["general"]}
    assert 5 < len(taken) < len(found) - 15


def is_whole(found: CarRead) -> bool:
    return not found.error and found.version == 1


def test_files_of_a_store_are_read(tmp_path: Path) -> None:
    source = random.Random(1)
    contents = [[source.randbytes(source.choice([0, 1, 90, 5000])) for _ in range(count)] for count in (0, 1, 40)]
    contents.append([source.randbytes(2**20)])
    store = BundleFolder(tmp_path / "bundles")
    with FolderGroup(store) as group:
        ids = [group.add(b"manifest %d" % at, blocks) for at, blocks in enumerate(contents)]
        group.store()
    found = gocar.read([store.path(content_id).read_bytes() for content_id in ids])
    for at, (blocks, answer) in enumerate(zip(contents, found, strict=True)):
        assert_same(bundle_of(b"manifest %d" % at, tuple(blocks)), answer)


@pytest.mark.parametrize("seed", [2026])
def test_altered_files(seed: int) -> None:
    compare(seed, 1500)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(12))
def test_altered_files_deep(seed: int) -> None:
    compare(seed, 12_000)


def compare(seed: int, count: int) -> None:
    """Every altered file judged by both; what go-car takes it writes again, to see whether that was the one form."""
    source = random.Random(seed)
    files = [altered(source) for _ in range(count)]
    found = gocar.read(files)
    again = gocar.write([(answer.blocks[0], answer.blocks[1:]) for answer in found if answer.blocks])
    written = iter(again)
    seen: Counter[tuple[str, bool]] = Counter()
    for data, answer in zip(files, found, strict=True):
        rewritten = next(written) if answer.blocks else b""
        is_bundle = is_whole(answer) and rewritten == data
        bundle, said = judged(data)
        assert (bundle is not None) == is_bundle, (data.hex(), said, answer)
        if bundle is not None:
            assert_same(bundle, answer)
        seen[said, is_whole(answer)] += 1
    assert set(seen) >= {("accepted", True), ("MalformedCar", False), ("MalformedCar", True),
                         ("BlockDigestMismatch", False)}, seen  # fmt: skip


def judged(data: bytes) -> tuple[Bundle | None, str]:
    """Our reader's bundle, or the name of its refusal."""
    try:
        return parse_bundle(data), "accepted"
    except (InputError, VerificationError) as error:
        return None, error.code


def altered(source: random.Random) -> bytes:
    """A bundle, most of them with one thing changed: an octet, a cut, octets put in, sections moved or renamed."""
    blocks = [source.randbytes(source.randrange(120)) for _ in range(source.randrange(5))]
    manifest = source.randbytes(source.randrange(60))
    data = bytearray(bundle_of(manifest, tuple(blocks)).to_bytes())
    at, header = source.randrange(len(data)), 59
    match source.randrange(9):
        case 0 | 1:
            data[at] ^= 1 << source.randrange(8)
        case 2:
            data[source.randrange(min(len(data), header + 40))] = source.randrange(256)
        case 3:
            del data[at:]
        case 4:
            data[at:at] = source.randbytes(source.randrange(1, 4))
        case 5:
            del data[at : at + source.randrange(1, 4)]
        case 6:  # another root block, or none, before the rest
            other = bytearray(bundle_of(source.randbytes(9), tuple(blocks)).to_bytes())
            data[header:] = other[header:] if source.randrange(2) else b""
        case 7:  # another codec in the last block's CID
            last = blocks[-1] if blocks else manifest
            place = len(data) - len(last) - 36
            data[place + 1] = source.choice([0x51, 0x55, 0x70, 0x71])
    return bytes(data)


def test_the_program_is_built_once_or_says_what_is_missing(tmp_path: Path) -> None:
    """Where the peer is there to be asked; the other half is that a machine without Go is told so."""
    bash = shutil.which("bash")
    assert bash
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("dirname", "mkdir", "awk", "sort", "head", "cat", "cmp"):
        found = shutil.which(name)
        assert found
        (tools / name).symlink_to(found)
    script = [bash, str(ROOT / "tools" / "gocar.sh"), str(tmp_path / "built")]
    done = subprocess.run(script, env={"PATH": str(tools)}, capture_output=True, text=True, check=False, timeout=HANG_S)
    assert done.returncode == 7
    assert "missing: Go" in done.stderr
    assert "what to do" in done.stderr
    (tools / "go").write_text(f"#!{bash}\nprintf 'go1.19.1\\n'\n")
    (tools / "go").chmod(0o755)
    done = subprocess.run(script, env={"PATH": str(tools)}, capture_output=True, text=True, check=False, timeout=HANG_S)
    assert done.returncode == 7
    assert "found: go1.19.1" in done.stderr
