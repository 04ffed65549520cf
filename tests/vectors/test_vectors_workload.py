"""vectors/workload and vectors/settlement: engine, guests and twin agree with them, and so do independent checks."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from wattest.merkle import MerkleTree
from wattest.settlement.bill import parse_bill
from wattest.settlement.payout import payout_result_digest
from wattest.settlement.settle_twin import settle_bytes
from wattest.workload import engine
from wattest.workload.engine import EngineConfiguration, Guest, Limits, workload_digest
from wattest.workload.failures import GuestFailure
from wattest.workload.guests import load_guest, load_guest_bytes
from wattest.workload.settle import parse_statement_output

VECTORS = Path(__file__).parents[2] / "vectors"
FORMS = {"host": EngineConfiguration.for_host(), "enclave": EngineConfiguration.for_enclave()}
ENGINE: dict[str, Any] = json.loads((VECTORS / "workload" / "engine.json").read_text())
VEE: list[dict[str, str]] = json.loads((VECTORS / "workload" / "vee.json").read_text())
SETTLEMENT: dict[str, list[dict[str, Any]]] = json.loads((VECTORS / "settlement" / "settlement.json").read_text())


@pytest.mark.parametrize("vector", ENGINE["configurations"], ids=lambda v: v["name"])
def test_configurations(vector: dict[str, str]) -> None:
    form = FORMS[vector["name"]]
    assert form.to_bytes().decode() == vector["canonical"]
    assert form.digest.hex() == vector["digest"]


@pytest.mark.parametrize("vector", ENGINE["workloads"], ids=lambda v: f"{v['guest']} {v['configuration']}")
def test_workload_digests(vector: dict[str, Any]) -> None:
    digest = workload_digest(
        load_guest_bytes(vector["guest"]), FORMS[vector["configuration"]], vector["engine_version"]
    )
    assert digest.hex() == vector["workload"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("vector", ENGINE["guests"], ids=lambda v: v["name"])
def test_guests(vector: dict[str, Any], form: str) -> None:
    guest = Guest.load(bytes.fromhex(vector["wasm"]), FORMS[form])
    data = bytes.fromhex(vector["input"])
    if "failure" in vector:
        with pytest.raises(GuestFailure) as caught:
            guest.run(data, Limits(**ENGINE["limits"]))
        assert caught.value.code == vector["failure"]
    else:
        outcome = guest.run(data, Limits(**ENGINE["limits"]))
        assert (outcome.output.hex(), outcome.fuel_used) == (vector["output"], vector["fuel_used"])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("vector", VEE, ids=lambda v: v["name"])
def test_vee(vector: dict[str, str], form: str) -> None:
    assert load_guest("vee", FORMS[form]).run(bytes.fromhex(vector["input"])).output.hex() == vector["output"]


@pytest.mark.parametrize("vector", SETTLEMENT["settled"] + SETTLEMENT["refused"], ids=lambda v: v["name"])
def test_settle(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["input"])
    assert settle_bytes(data).hex() == vector["output"]
    for form in FORMS.values():
        assert load_guest("settle", form).run(data).output.hex() == vector["output"]


@pytest.mark.parametrize("vector", SETTLEMENT["settled"], ids=lambda v: v["name"])
def test_what_the_entries_commit_to(vector: dict[str, Any]) -> None:
    result = parse_statement_output(bytes.fromhex(vector["output"]))
    assert [parse_bill(bill).digest.hex() for bill in result.bills] == vector["bill_digests"]
    salts = [bytes.fromhex(salt) for salt in vector["payout_salts"]]
    if result.payouts:
        root = MerkleTree.from_payloads([payout.leaf_payload() for payout in result.payouts], salts).root
        assert root.hex() == vector["payout_root"]
        assert payout_result_digest(root, result.payout_total).hex() == vector["payout_result_digest"]


@pytest.mark.parametrize("name", ["workload", "settlement"])
def test_the_independent_check_agrees(name: str) -> None:
    runpy.run_path(str(VECTORS / f"check_{name}.py"), run_name="__main__")


def test_another_back_end_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's portable interpreter instead of this machine's code: outputs and fuel do not know the processor."""
    settings = FORMS["enclave"].engine_settings()
    settings.target = "pulley64"
    interpreter = wasmtime.Engine(settings)
    assert interpreter.is_pulley()
    families = (("vee", VEE), ("settle", SETTLEMENT["settled"]))
    compiled = {name: Guest.load(load_guest_bytes(name), FORMS["enclave"]) for name, _ in families}
    monkeypatch.setattr(engine, "_engine", lambda _: interpreter)
    for name, vectors in families:
        interpreted = Guest.load(load_guest_bytes(name), FORMS["enclave"])
        for vector in vectors:
            outcome = interpreted.run(bytes.fromhex(vector["input"]))
            assert outcome.output.hex() == vector["output"]
            assert outcome == compiled[name].run(bytes.fromhex(vector["input"]))
