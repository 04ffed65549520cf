"""``wattest meter new-key``: the folder is whole or not there, its secrets its own, its card the public half."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from wattest.apps.cli import run
from wattest.crypto.hpke import ReaderPrivateKey
from wattest.crypto.p256 import P256PrivateKey
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.io.files import DiskFailed, read_key_file
from wattest.messages.member_file import parse_member_card
from wattest.metering.meter import meter_key_commitment


def test_the_card_is_the_public_half(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "flat-1"
    assert run(["meter", "new-key", str(folder), "--json"]) == 0
    said = capsys.readouterr()
    shown = json.loads(said.out)
    card = parse_member_card((folder / "member.toml").read_bytes())
    secrets = {name: read_key_file(folder / f"{name}.key") for name in ("meter", "blinding", "reader", "payee")}
    assert card.name == shown["name"] == "flat-1"
    assert card.member.public_key == P256PrivateKey.from_seed(secrets["meter"]).public_key
    assert card.member.meter_key_commitment == meter_key_commitment(secrets["blinding"])
    assert card.member.reader_key == ReaderPrivateKey.from_seed(secrets["reader"]).public_key
    assert card.payee == Secp256k1PrivateKey.from_seed(secrets["payee"]).address
    assert shown["payee"] == "0x" + card.payee.hex()
    assert len(set(secrets.values())) == 4
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for secret in secrets.values():
        assert secret.hex() not in said.out + said.err + (folder / "member.toml").read_text()


def test_an_account_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "flat-1"
    assert run(["meter", "new-key", str(folder), "--payee", "0x" + "ab" * 20, "--name", "Ground floor"]) == 0
    card = parse_member_card((folder / "member.toml").read_bytes())
    assert (card.name, card.payee) == ("Ground floor", b"\xab" * 20)
    assert not (folder / "payee.key").exists()


def test_never_over_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "flat-1"
    assert run(["meter", "new-key", str(folder)]) == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert run(["meter", "new-key", str(folder)]) == 7
    assert f"wattest manager members add {folder / 'member.toml'}" in capsys.readouterr().err
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
    (tmp_path / "other").mkdir()
    assert run(["meter", "new-key", str(tmp_path / "other")]) == 7
    assert "name a new one" in capsys.readouterr().err


@pytest.mark.parametrize(("options", "code"), [(["--payee", "0x12"], 3), (["--name", "a\tb"], 3)])
def test_mistakes_leave_nothing(options: list[str], code: int, tmp_path: Path) -> None:
    assert run(["meter", "new-key", str(tmp_path / "flat-1"), *options]) == code
    assert list(tmp_path.iterdir()) == []


def test_a_failure_in_the_middle_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(path: Path, data: bytes) -> None:
        raise DiskFailed("no room", retryable=False)

    monkeypatch.setattr("wattest.apps.actions.household_folder.write_atomically", fails)
    assert run(["meter", "new-key", str(tmp_path / "flat-1")]) == 6
    assert list(tmp_path.iterdir()) == []


def test_a_manager_s_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "manager.key"
    assert run(["manager", "new-key", str(file)]) == 0
    assert capsys.readouterr().out.strip() == "0x" + Secp256k1PrivateKey.from_seed(read_key_file(file)).address.hex()
    assert run(["manager", "new-key", str(file)]) == 7
