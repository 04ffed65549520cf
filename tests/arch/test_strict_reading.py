"""Maps that others wrote are taken apart by the one strict reader: who looks into a dict by hand has a reason here."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "wattest"
BY_HAND = {
    "crypto/strict_fields.py": "the reader",
    "crypto/canonical.py": "encodes and checks JSON values, whatever they mean",
    "crypto/toml_text.py": "writes TOML",
    "errors.py": "shows an error's fields",
    "apps/cli/__init__.py": "shows an error's fields",
    "apps/actions/operator_keys.py": "shows what it made itself",
    "receipt/link.py": "shows an error's fields",
    "receipt/json_fields.py": "recognises a file that is good for something else, before it is read as what it is not",
    "receipt/deployment.py": "tells the two versions apart by a field, before the fields are read",
    "store/inbox.py": "looks for one word in a note of its own; anything else is no such note",
    "chain/abi.py": "artifacts of the contracts, which the package ships",
    "chain/client.py": "parameters that the caller made",
    "chain/rpc.py": "answers of a node: matched with their requests, be they of whatever form",
    "chain/wire.py": "answers of a node, which have hex for numbers and fields beyond those wanted",
    "enclave/measured/cbor.py": "writes CBOR",
    "enclave/measured/wire.py": "the fields of an error, whatever they are",
    "enclave/simulator/measurement.py": "a manifest that it made itself",
    "enclave/host/gramine_manifest.py": "lists every fault of a manifest, where the reader stops at the first",
    "metering/readers/ocmf_payload.py": "OCMF, whose readings inherit fields and whose numbers come as text, too",
}


def looks_into_maps(source: str) -> bool:
    """Whether a module asks for ``dict`` or ``Mapping`` with ``isinstance`` or with ``type(...) is``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
            asked: list[ast.AST] = [node.args[1]]
        elif isinstance(node, ast.Compare):
            asked = list(node.comparators)
        else:
            continue
        names = {inner.id for each in asked for inner in ast.walk(each) if isinstance(inner, ast.Name)}
        if names & {"dict", "Mapping", "MutableMapping"}:
            return True
    return False


def test_maps_are_read_by_the_strict_reader() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if looks_into_maps(path.read_text(encoding="utf-8"))
    }
    assert found == set(BY_HAND), "read it with wattest.crypto.strict_fields, or give the reason here"


@pytest.mark.parametrize(
    "source", ["isinstance(v, dict)", "x = isinstance(v, list | dict)", "isinstance(v, (Mapping,))", "type(v) is dict"]
)
def test_a_look_into_a_map_would_be_seen(source: str) -> None:
    assert looks_into_maps(source)
    assert not looks_into_maps("v: dict[str, int] = dict(a=1); isinstance(v, list)")
