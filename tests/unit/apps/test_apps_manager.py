"""``wattest manager permit-hand-over``: what it signs is what enclaves and the operator's file take."""

from __future__ import annotations

import json
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

from wattest.apps.cli import run
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.io.files import write_key_file
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.hand_over_permit import HandOverPermit, PermitKind, SignedPermit, verify_permit
from wattest.messages.peer_policy import PeerPolicy, verify_peer_policy
from wattest.receipt.deployment import Deployment

SECRET = b"\x07" * 32
MANAGER = Secp256k1PrivateKey.from_seed(SECRET)
CHANNEL = ChannelIdentity(MANAGER.address, ChannelKind.SCHEDULED, b"\x08" * 32)
GIVER, TAKER, PLATFORM, OPERATOR = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32, b"\x04" * 20
BOOK = Deployment(
    chain_id=31337,
    genesis_hash=b"\x11" * 32,
    deployed_at_block=1,
    referee=b"\x12" * 20,
    challenges=b"\x19" * 20,
    fraud_proofs=b"\x1a" * 20,
    registry=b"\x13" * 20,
    verifier=b"\x14" * 20,
    payouts=b"\x15" * 20,
    first_light=b"\x16" * 20,
    token=b"\x17" * 20,
    appraisers=(b"\x18" * 20,),
    threshold=1,
    trust_roots=(b"a root", b"another"),
    channels=(CHANNEL,),
)


def policy(*measurements: bytes) -> bytes:
    named = "".join(f'[[enclave]]\nname = "e{i}"\nmr_enclave = "{m.hex()}"\n' for i, m in enumerate(measurements))
    return f"version = 1\n{named}".encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_key_file(tmp_path / "manager.key", SECRET)
    (tmp_path / "deployment.json").write_bytes(BOOK.to_bytes())
    (tmp_path / "policy.toml").write_bytes(policy(GIVER, TAKER))
    return tmp_path


def command(folder: Path, *more: str, **changed: str) -> list[str]:
    options = {
        "key-file": str(folder / "manager.key"),
        "deployment": str(folder / "deployment.json"),
        "channel": CHANNEL.id.hex(),
        "operator": "0x" + OPERATOR.hex(),
        "policy": str(folder / "policy.toml"),
        "from": GIVER.hex(),
        "to": TAKER.hex(),
        "platform": PLATFORM.hex(),
        **changed,
    }
    return ["manager", "permit-hand-over", *(word for name in options for word in (f"--{name}", options[name])), *more]


def verify(table: dict[str, Any], kind: PermitKind) -> None:
    """As both enclaves do."""
    now = int(time.time())
    assert now + 6 * 86_400 < table["policy_until"] == table["permit_until"] <= now + 7 * 86_400
    agreed = PeerPolicy.over(CHANNEL.id, policy(GIVER, TAKER), BOOK.trust_roots, table["policy_until"])
    verify_peer_policy(agreed, bytes.fromhex(table["policy_signature"]), CHANNEL, BOOK.referee_domain, now)
    octets = {name: bytes.fromhex(table[name]) for name in ("from_measurement", "to_measurement", "to_platform")}
    permit = HandOverPermit(
        CHANNEL.id, bytes.fromhex(table["operator"]), kind, **octets, valid_until=table["permit_until"]
    )
    signed = SignedPermit(permit, bytes.fromhex(table["permit_signature"]))
    verify_permit(signed, CHANNEL, OPERATOR, kind, BOOK.referee_domain, now)


def test_the_table_for_the_operators_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command(folder)) == 0
    table = tomllib.loads("[[channel]]\n" + capsys.readouterr().out)["channel"][0]["hand_over"]
    assert table["policy"] == str(folder / "policy.toml")
    verify(table, PermitKind.HAND_OVER)


@pytest.mark.parametrize("name", ["policy.toml", 'pol"icy \\ 🌞\t.toml'])
@pytest.mark.parametrize("kind", [PermitKind.HAND_OVER, PermitKind.STANDBY])
def test_the_table_is_the_one_that_was_asked_for(
    kind: PermitKind, name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where the policy's name holds what TOML escapes, or what JSON writes as two surrogates."""
    path = folder / name
    path.write_bytes(policy(GIVER, TAKER))
    assert run(command(folder, *(["--standby"] if kind is PermitKind.STANDBY else []), policy=str(path))) == 0
    text = capsys.readouterr().out
    (channel,) = tomllib.loads("[[channel]]\n" + text)["channel"]
    assert list(channel) == [kind.name.lower()]
    table = channel[kind.name.lower()]
    assert table["policy"] == str(path)
    verify(table, kind)
    assert CHANNEL.id.hex() in text


def test_a_standby_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command(folder, "--standby", "--json")) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["kind"], shown["channel"]) == ("standby", CHANNEL.id.hex())
    verify(shown, PermitKind.STANDBY)


@pytest.mark.parametrize(
    ("changed", "code", "error"),
    [
        ({"channel": "00" * 32}, 3, "ChannelUnknown"),
        ({"channel": "00"}, 3, "ChannelUnknown"),
        ({"operator": "nobody"}, 7, "SettingInvalid"),
        ({"to": "05" * 32}, 4, "PolicyTooNarrow"),
        ({"from": "05" * 32}, 4, "PolicyTooNarrow"),
        ({"policy": "/nowhere"}, 3, "FileUnreadable"),
        ({"key-file": "/nowhere"}, 7, "KeyFileMissing"),
    ],
)
def test_what_is_not_signed(
    folder: Path, capsys: pytest.CaptureFixture[str], changed: dict[str, str], code: int, error: str
) -> None:
    assert run(command(folder, "--json", **changed)) == code
    said = capsys.readouterr()
    assert json.loads(said.err)["error"] == error
    assert not said.out


def test_a_key_that_is_not_the_managers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_key_file(folder / "other.key", b"\x09" * 32)
    assert run(command(folder, "--json", **{"key-file": str(folder / "other.key")})) == 4
    assert json.loads(capsys.readouterr().err)["error"] == "NotTheManager"


def test_the_manager_s_signer_may_be_named_by_its_kind(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(command(folder, "--json", **{"key-file": f"key_file:{folder / 'manager.key'}"})) == 0
    verify(json.loads(capfd.readouterr().out), PermitKind.HAND_OVER)
    assert run(command(folder, "--json", **{"key-file": f"no_kind:{folder / 'manager.key'}"})) == 7
    assert json.loads(capfd.readouterr().err)["error"] == "KeyFileMissing"
