"""``wattest attest token open``: whose signature, how old, how good, and in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from wattest.apps.cli import run

ROOT = Path(__file__).resolve().parents[3]
FILE = json.loads((ROOT / "vectors" / "ear" / "ear.json").read_text())
CASES = {case["name"]: case for case in FILE["cases"]}
KEY, THEN = FILE["public_key"], 1_790_000_000
ENDING = "claims that are not known, an end, an overall status"


@pytest.fixture
def token(tmp_path: Path) -> Path:
    return write(tmp_path, "up to date")


def write(folder: Path, name: str) -> Path:
    path = folder / "token.jwt"
    path.write_text(CASES[name]["token"] + "\n")
    return path


def command(token: Path, *more: str, key: str = KEY) -> list[str]:
    return ["attest", "token", "open", str(token), "--key", key, *more]


def test_a_good_token_in_words_and_as_json(token: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command(token, "--at", str(THEN + 90_000), "--require", "affirming")) == 0
    said = capsys.readouterr().out
    assert said.startswith("AFFIRMING (accepted)")
    assert "2026-09-21 14:13:20Z, 1 d 1 h ago" in said
    assert "hardware:          affirming (2): genuine, supported hardware and firmware" in said
    assert run(command(token, "--json")) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["status"], shown["accepted"], shown["codes"]) == ("affirming", True, ["accepted"])
    assert shown["vector"]["executables"] == {
        "value": 2,
        "tier": "affirming",
        "words": "only approved code is loaded",
    }
    assert shown["claims"] == CASES["up to date"]["claims"]


@pytest.mark.parametrize("name", sorted(CASES))
def test_what_is_required_decides_the_exit_code(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    token = write(tmp_path, name)
    status = next(iter(CASES[name]["claims"]["submods"].values()))["ear_status"]
    good = {"affirming": 2, "warning": 1, "contraindicated": 0}[status]
    assert run(command(token)) == 0
    assert run(command(token, "--require", "warning")) == (0 if good >= 1 else 4)
    assert run(command(token, "--require", "affirming", "--json")) == (0 if good == 2 else 4)
    assert status.upper() in capsys.readouterr().out


def test_keys_come_in_hex_in_a_file_or_in_pem(token: Path, tmp_path: Path) -> None:
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + bytes.fromhex(KEY))
    pem = tmp_path / "key.pem"
    pem.write_bytes(point.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert run(command(token, key=str(pem))) == 0
    text = tmp_path / "key.hex"
    text.write_text(KEY + "\n")
    assert run(command(token, key=str(text))) == 0
    other = tmp_path / "rsa.pem"
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048).public_key()
    other.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    for bad in (str(other), KEY[:-2], KEY.upper(), str(tmp_path / "nowhere"), str(token)):
        assert run(command(token, key=bad)) == 3


def test_a_token_that_is_not_the_verifier_s_says_nothing(token: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stranger = ec.generate_private_key(ec.SECP256R1()).public_key()
    named = stranger.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:].hex()
    assert run(command(token, "--json", key=named)) == 4
    caught = capsys.readouterr()
    assert caught.out == ""
    assert json.loads(caught.err)["error"] == "EarForged"
    for refused in FILE["refused"]:
        token.write_text(refused["token"])
        assert run(command(token, "--json")) == (4 if refused["error"] == "EarForged" else 3)
        caught = capsys.readouterr()
        assert (caught.out, json.loads(caught.err)["error"]) == ("", refused["error"])


@pytest.mark.parametrize(
    ("name", "more", "code"),
    [
        ("up to date", ("--at", str(THEN)), 0),
        ("up to date", ("--at", str(THEN - 1)), 4),
        ("up to date", ("--at", str(THEN + 60), "--maximum-age", "60"), 0),
        ("up to date", ("--at", str(THEN + 61), "--maximum-age", "60"), 4),
        ("up to date", ("--maximum-age", "60"), 2),
        (ENDING, ("--at", str(THEN + 599)), 0),
        (ENDING, ("--at", str(THEN + 600)), 4),
    ],
)
def test_time(name: str, more: tuple[str, ...], code: int, tmp_path: Path) -> None:
    assert run(command(write(tmp_path, name), *more)) == code


def test_what_verify_prints_opens_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    examples = ROOT / "examples" / "attestation"
    key = tmp_path / "verifier.key"
    key.write_text("07".rjust(64, "0"))
    key.chmod(0o600)
    verify = ["attest", "verify", str(examples / "enclave.quote"), "--collateral", str(examples / "collateral.json")]
    verify += ["--at", str(THEN), "--root", "simulator", "--policy", str(examples / "policy.toml"), "--ear"]
    for minimal in ([], ["--ear-minimal"]):
        assert run([*verify, "--sign-key", str(key), *minimal]) == 0
        path = tmp_path / "token"
        path.write_text(capsys.readouterr().out)
        assert run(command(path, "--json")) == 0
        shown = json.loads(capsys.readouterr().out)
        assert shown["accepted"] is (None if minimal else True)
        assert shown["status"] == "contraindicated"  # no hardware: a simulator's
        assert ("mr_enclave" in json.dumps(shown)) is not bool(minimal)
    assert run([part for part in verify if part != "--ear"] + ["--ear-minimal"]) == 2
