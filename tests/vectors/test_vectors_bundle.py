"""vectors/bundle: accepted files round-trip, refused ones raise what they name, an independent check agrees."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

import wattest.store.car as car
from wattest.errors import WattestError
from wattest.sealing.bundle import cid_text, parse_cid_text
from wattest.store.bundle_store import Bundle, parse_bundle

VECTORS = Path(__file__).parents[2] / "vectors"
FILE: dict[str, list[dict[str, Any]]] = json.loads((VECTORS / "bundle" / "bundle.json").read_text())


@pytest.mark.parametrize("vector", FILE["accepted"], ids=lambda v: v["name"])
def test_accepted(vector: dict[str, Any]) -> None:
    bundle = parse_bundle(bytes.fromhex(vector["bytes"]))
    assert bundle == Bundle(
        bytes.fromhex(vector["manifest"]),
        tuple(bytes.fromhex(block) for block in vector["blocks"]),
        bytes.fromhex(vector["content_id"]),
    )
    assert bundle.to_bytes().hex() == vector["bytes"]
    assert cid_text(bundle.content_id) == vector["cid"]
    assert parse_cid_text(vector["cid"]) == bundle.content_id


@pytest.mark.parametrize("vector", FILE["refused"], ids=lambda v: v["name"])
def test_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(WattestError) as caught:
        parse_bundle(bytes.fromhex(vector["bytes"]))
    assert caught.value.code == vector["error"]
    assert isinstance(caught.value, getattr(car, vector["error"]))


def test_independent_check_agrees() -> None:
    runpy.run_path(str(VECTORS / "check_bundle.py"), run_name="__main__")
