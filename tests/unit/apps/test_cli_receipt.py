"""wattest receipt verify: exit codes, the JSON form, and what people read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from receipt_world import World

from wattest.apps.cli import run
from wattest.receipt.verify import verify_receipt


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("receipt-files")
    world = World(folder, days=1)
    world.seal()
    deployment = world.deployment()
    receipt = world.receipt(1, world.registrations(deployment.registry_domain))
    assert verify_receipt(receipt, deployment, None)
    (folder / "receipt.json").write_bytes(receipt.to_bytes())
    (folder / "deployment.json").write_bytes(deployment.to_bytes())
    return folder / "receipt.json", folder / "deployment.json"


def verify(receipt: Path, deployment: Path, *options: str) -> int:
    return run(["receipt", "verify", str(receipt), "--deployment", str(deployment), *options])


def test_without_a_node_it_is_incomplete(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(*files) == 8
    shown = capsys.readouterr().out
    assert "✓ meter signature" in shown
    assert "– commitment" in shown  # noqa: RUF001
    assert "needs the chain" in shown
    assert "✗" not in shown


def test_json_has_one_object(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(*files, "--json") == 8
    report = json.loads(capsys.readouterr().out)
    assert set(report) == {"valid", "links"}
    assert report["valid"] is None
    assert {link["status"] for link in report["links"]} == {"ok", "unchecked"}
    assert all(set(link) == {"name", "status", "reason"} for link in report["links"])


def test_a_tampered_receipt_fails(files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = files[0].read_bytes()
    value = json.loads(data)
    key = value["meter_key"]
    other = key[:-1] + ("0" if key[-1] != "0" else "1")
    tampered = tmp_path / "tampered.json"
    tampered.write_bytes(data.replace(key.encode(), other.encode()))
    assert verify(tampered, files[1]) == 4
    assert "✗ series" in capsys.readouterr().out
    assert verify(tampered, files[1], "--json") == 4
    report = json.loads(capsys.readouterr().out)
    assert report["valid"] is False
    assert "failed" in {link["status"] for link in report["links"]}


@pytest.mark.parametrize("content", [b"", b"{}", b"no json", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_receipt_is_an_input_error(
    content: bytes, files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.json"
    broken.write_bytes(content)
    assert verify(broken, files[1]) == 3
    assert verify(files[0], broken) == 3
    capsys.readouterr()
    assert verify(broken, files[1], "--json") == 3
    captured = capsys.readouterr()
    assert json.loads(captured.out)["valid"] is False
    assert "Traceback" not in captured.err


def test_missing_files_are_named(files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(tmp_path / "absent.json", files[1]) == 3
    assert "absent.json" in capsys.readouterr().err
    assert verify(files[0], tmp_path) == 3


def test_an_unreachable_node_is_a_transport_error(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from wattest.chain import rpc

    monkeypatch.setattr(rpc.time, "sleep", lambda _: None)
    assert verify(*files, "--rpc", "http://127.0.0.1:9") == 6
    assert "Traceback" not in capsys.readouterr().err


def verify_many(files: list[Path], deployment: Path, *options: str) -> int:
    return run(["receipt", "verify", *map(str, files), "--deployment", str(deployment), *options])


def test_several_files_have_a_result_each_and_the_worst_exit_code(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, book = files
    key = json.loads(whole.read_bytes())["meter_key"]
    false, broken, absent = tmp_path / "false.json", tmp_path / "broken.json", tmp_path / "absent.json"
    false.write_bytes(whole.read_bytes().replace(key.encode(), b"0" * 64))
    broken.write_bytes(b"{}")
    capsys.readouterr()
    for given, code in (
        ([whole, whole], 8),
        ([whole, broken, whole], 3),
        ([whole, absent], 3),
        ([broken, false, whole], 4),  # what is false is worse than what is no receipt
    ):
        assert verify_many(given, book, "--json") == code
        shown = capsys.readouterr()
        assert shown.err == ""
        reports = json.loads(shown.out)
        assert [report["file"] for report in reports] == [str(path) for path in given]
        assert all(set(report) == {"file", "exit_code", "valid", "links"} for report in reports)
        for path, report in zip(given, reports, strict=True):
            assert verify(path, book, "--json") == report["exit_code"]  # as it is alone
            alone = json.loads(capsys.readouterr().out)
            assert alone == {"valid": report["valid"], "links": report["links"]}


def test_several_files_are_told_in_a_line_each(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "bro\nken.json"
    broken.write_bytes(b"{}")
    assert verify_many([files[0], broken], files[1]) == 3
    shown = capsys.readouterr().out
    assert f"{files[0]}: 10 of 14 links hold" in shown
    assert "bro?ken.json: 0 of 1 links hold" in shown
    assert "    – commitment" in shown  # noqa: RUF001
    assert shown.endswith("2 files: 1 no receipt, 1 not wholly checked.\n")
    assert verify_many([], files[1]) == 2
