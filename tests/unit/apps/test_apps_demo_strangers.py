"""Strangers judge what they are given, and what they say is not believed blindly."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from receipt_world import World

from wattest.apps.demo import receipts
from wattest.apps.demo.receipts import ReceiptsRefused, Strangers
from wattest.receipt.receipt import Receipt


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("strangers")
    world = World(folder / "world", days=1)
    world.seal()
    deployment = world.deployment()
    parts = world.registrations(deployment.registry_domain)
    (folder / "deployment.json").write_bytes(deployment.to_bytes())
    for member in range(2):
        receipt: Receipt = world.receipt(member, parts)
        (folder / f"household-{member}.json").write_bytes(receipt.to_bytes())
    return folder


def said(names: list[str], status: str = "ok") -> str:
    links = [{"name": "records", "status": status, "reason": "because"}]
    return json.dumps([{"file": name, "exit_code": 0, "valid": True, "links": links} for name in names])


def strangers(folder: Path, *answers: str) -> Strangers:
    """Strangers that say these, one piece each, instead of judging."""
    found = Strangers(folder / "deployment.json", "http://127.0.0.1:9")
    left, lock = list(answers), threading.Lock()

    def run(names: list[str], _: Path) -> tuple[str, str]:
        with lock:
            return left.pop(0), "the complaint"

    found._run = run  # type: ignore[method-assign, assignment]
    return found


def test_a_node_that_cannot_be_reached_is_no_result(folder: Path) -> None:
    files = sorted(folder.glob("household-*.json"))
    with pytest.raises(ReceiptsRefused, match=r"no result.*ChainUnreachable"):
        Strangers(folder / "deployment.json", "http://127.0.0.1:9").judge(files, lambda _: None)


def test_all_are_told_in_pieces(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "FILES_AT_ONCE", 2)
    files = [folder / name for name in ("a.json", "b.json", "c.json")]
    alone = json.dumps({"valid": True, "links": json.loads(said(["c.json"]))[0]["links"]})  # one file has no array
    monkeypatch.setattr(receipts.os, "cpu_count", lambda: 1)
    told: list[int] = []
    judged = strangers(folder, said(["a.json", "b.json"]), alone).judge(files, told.append)
    assert list(judged) == ["a.json", "b.json", "c.json"]
    assert told == [2, 1]


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (said(["a.json", "b.json"], "failed"), "2 of 2 receipts do not verify"),
        (said(["a.json", "b.json"], "unchecked"), "2 of 2 receipts do not verify"),
        (said(["a.json"]), "other receipts"),
        (said(["b.json", "a.json"]), "other receipts"),
        ("", "no result: the complaint"),
    ],
)
def test_what_does_not_hold_or_was_not_judged_is_refused(answer: str, complaint: str, folder: Path) -> None:
    with pytest.raises(ReceiptsRefused, match=complaint):
        strangers(folder, answer).judge([folder / "a.json", folder / "b.json"], lambda _: None)
