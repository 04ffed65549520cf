"""Nodes' files and commands' options under production: refusals with places, before anything is opened or sent."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from wattest.apps.cli import run
from wattest.apps.production import ProductionRefused
from wattest.apps.production_files import open_appraiser_file, open_operator_file, open_watcher_file
from wattest.apps.settings_reader import SettingInvalid
from wattest.attestation.roots import development_root, intel_root
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.io.files import KeyFileExposed, write_key_file
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.eip712 import Domain
from wattest.messages.member_list import Member, MemberList, sign_member_list
from wattest.metering.meter import meter_key_commitment
from wattest.receipt.deployment import Deployment

A = b"\x0a" * 20
MANAGER = Secp256k1PrivateKey.from_seed(b"\x01" * 32)
CHANNEL = ChannelIdentity(MANAGER.address, ChannelKind.SCHEDULED, bytes(32))
METER_KEY = b"\x02" * 32
POLICY = 'version = 1\nproduction = true\n[[enclave]]\nname = "vee"\nmr_enclave = "' + "22" * 32 + '"\n'
TERMS = f"""
policy = "policy.toml"
policy_until = 2000000000
policy_signature = "{"11" * 65}"
"""
OPERATOR = f"""
production = true
[chain]
rpc_url = "https://node.example"
[operator]
deployment = "deployment.json"
data = "data"
key = "key"
listen = "127.0.0.1:8547"
[enclave]
kind = "gramine"
platform = "platform"
state = "enclave"
[registration]
appraisers = ["https://one.example", "https://two.example"]
[collateral]
file = "kept.json"
url = "https://pccs.example"
service = "pccs"
[[channel]]
members = "members.bin"
meter_keys = "keys.txt"
epoch_s = 900
first_period_start = 900
[channel.witness]{TERMS}
"""
WATCHER = """
production = true
[chain]
rpc_url = "https://node.example"
[watcher]
deployment = "deployment.json"
data = "data"
key = "key"
reader_key = "reader"
policy = "policy.toml"
[[operator]]
address = "0x0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
url = "https://operator.example"
"""
APPRAISER = """
production = true
[chain]
rpc_url = "https://node.example"
[appraiser]
deployment = "deployment.json"
key = "key"
policy = "policy.toml"
"""


def deployment(folder: Path, chain_id: int, root: bytes) -> Deployment:
    book = Deployment(chain_id, b"\x09" * 32, 0, A, A, A, A, A, A, A, A, (A,), 1, (root,), (CHANNEL,))
    (folder / "deployment.json").write_bytes(book.to_bytes())
    return book


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("WATTEST_PRODUCTION", raising=False)
    book = deployment(tmp_path, 1, intel_root().certificate)
    (tmp_path / "policy.toml").write_text(POLICY)
    for name in ("key", "reader"):
        write_key_file(tmp_path / name, b"\x03" * 32)
    member = Member(b"\x05" * 64, meter_key_commitment(METER_KEY), b"\x06" * 32)
    members = MemberList(CHANNEL.id, 0, (member,), ())
    signed = sign_member_list(MANAGER, members, CHANNEL, Domain(book.chain_id, book.referee))
    (tmp_path / "members.bin").write_bytes(signed.to_bytes())
    (tmp_path / "keys.txt").touch(mode=0o600)
    (tmp_path / "keys.txt").write_text(METER_KEY.hex() + "\n")
    return tmp_path


def write(folder: Path, text: str, *changes: tuple[str, str]) -> Path:
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path = folder / "node.toml"
    path.write_text(text)
    return path


def places(error: ProductionRefused) -> list[str]:
    refused = error.fields["refused"]
    assert isinstance(refused, list)
    return [one["place"] for one in refused]


def test_what_is_for_production_is_opened(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for settings, standing in (
        open_operator_file(write(folder, OPERATOR)),
        open_watcher_file(write(folder, WATCHER)),
        open_appraiser_file(write(folder, APPRAISER)),
    ):
        assert settings.production is True
        assert standing.as_dict() == {"production": True, "unsafe": []}
        standing.say()
    assert capfd.readouterr() == ("", "")


def test_an_operator_s_refusals_come_all_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment(folder, 31_337, development_root().certificate)
    (folder / "key").chmod(0o644)
    (folder / "keys.txt").chmod(0o640)
    (folder / "policy.toml").write_text(POLICY.replace("true", "false"))
    monkeypatch.setenv("WATTEST_UNSAFE_FAULT", "batch.sealed")
    monkeypatch.setenv("PAYER_KEY", "ab" * 32)
    path = write(
        folder, OPERATOR, ("https://", "http://"), ('service = "pccs"', 'service = "pccs"\nunsafe_http = true'),
        ('kind = "gramine"\n', ""), ("127.0.0.1:8547", "0.0.0.0:8547"),
    )  # fmt: skip
    with pytest.raises(ProductionRefused) as caught:
        open_operator_file(path, faulty=True)
    assert places(caught.value) == [
        "enclave.kind",
        "operator.deployment: trust_roots[0]",
        "operator.deployment",
        "channel[0].witness.policy",
        "--unsafe-development-faults",
        "WATTEST_UNSAFE_FAULT",
        "collateral.unsafe_http",
        "chain.rpc_url",
        "registration.appraisers[0]",
        "registration.appraisers[1]",
        "collateral.url",
        "operator.key",
        "channel[0].meter_keys",
        "environment variable PAYER_KEY",
    ]
    said = write(folder, path.read_text(), ("production = true\n", ""))
    with pytest.raises(KeyFileExposed):  # which nobody may have, in production or not
        open_operator_file(said, faulty=True)
    (folder / "keys.txt").chmod(0o600)
    settings, standing = open_operator_file(said, faulty=True)
    assert settings.production is None
    assert [one.place for one in standing.unsafe] == [
        *(place for place in places(caught.value) if place != "channel[0].meter_keys"),
        "operator.listen",
    ]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (("https://node.example", "http://node.example"), "chain.rpc_url"),
        (("https://operator.example", "http://operator.example"), "operator[0].url"),
    ],
)
def test_a_watcher_s_refusals(folder: Path, change: tuple[str, str], place: str) -> None:
    with pytest.raises(ProductionRefused) as caught:
        open_watcher_file(write(folder, WATCHER, change))
    assert places(caught.value) == [place]


def test_keys_and_policies_of_watcher_and_appraiser(folder: Path) -> None:
    (folder / "reader").chmod(0o604)
    (folder / "policy.toml").write_text("version = 1\n")
    with pytest.raises(ProductionRefused) as caught:
        open_watcher_file(write(folder, WATCHER))
    assert places(caught.value) == ["watcher.policy", "watcher.reader_key"]
    (folder / "key").chmod(0o640)
    with pytest.raises(ProductionRefused) as caught:
        open_appraiser_file(write(folder, APPRAISER))
    assert places(caught.value) == ["appraiser.policy", "appraiser.key"]
    assert "chmod 600" in str(caught.value.fields["refused"])


def test_nothing_is_opened_bound_or_sent(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as node:
        url = f"http://127.0.0.1:{node.getsockname()[1]}"
        path = write(
            folder, WATCHER, ("https://node.example", url), ("https://operator.example", "http://operator.example")
        )
        before = sorted(folder.iterdir())
        assert run(["watcher", "run", "--config", str(path), "--once"]) == 7
        node.setblocking(False)
        with pytest.raises(BlockingIOError):
            node.accept()
    assert sorted(folder.iterdir()) == before
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "plain HTTP to http://operator.example" in shown.err


def test_the_host_s_switch_holds_for_every_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = write(folder, WATCHER, ("production = true\n", ""), ("https://operator", "http://operator"))
    assert not open_watcher_file(silent)[1].production
    monkeypatch.setenv("WATTEST_PRODUCTION", "1")
    with pytest.raises(ProductionRefused):
        open_watcher_file(silent)
    off = write(folder, WATCHER, ("production = true", "production = false"))
    assert run(["watcher", "verdicts", "--config", str(off)]) == 7
    monkeypatch.delenv("WATTEST_PRODUCTION")
    assert not open_watcher_file(off)[1].production


def test_the_setting_is_true_or_false(folder: Path) -> None:
    with pytest.raises(SettingInvalid) as caught:
        open_watcher_file(write(folder, WATCHER, ("production = true", 'production = "yes"')))
    assert caught.value.fields["place"] == "production"


def test_what_is_said_without_production(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write(folder, OPERATOR, ("production = true\n", ""), ('kind = "gramine"\n', ""))
    open_operator_file(path)[1].say()
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err == "not for production: simulated platform (simulator), whose keys lie on this host\n"


BOOK = "--deployment book --rpc"
COMMANDS = [
    ("first-light hello", ["command"]),
    ("demo --households 1", ["command"]),
    ("chain serve chain", ["command"]),
    ("bench merkle", ["command"]),
    ("enclave measure --debug", ["--debug"]),
    (f"receipt verify receipt {BOOK} http://node.example", ["--deployment: trust_roots[0]", "--deployment", "--rpc"]),
    (f"receipt verify receipt {BOOK} http://127.0.0.1:1", ["--deployment: trust_roots[0]", "--deployment"]),
    ("attest verify quote --collateral c --at 1 --root simulator", ["--root simulator"]),
    ("attest verify quote --collateral c --at 1 --policy loose.toml", ["policy loose.toml"]),
    ("attest verify quote --collateral c --at 1 --sign-key open.key --ear", ["--sign-key"]),
    (
        "attest collateral fetch --tee sgx --fmspc 00906ed50000 --ca platform --out o --url http://p.io --unsafe-http",
        ["--unsafe-http", "--url"],
    ),
    ("attest collateral serve --platform platform", ["--platform"]),
    (
        f"chain policy set loose.toml --channel 00 --key-file open.key {BOOK} https://node.example",
        ["--deployment: trust_roots[0]", "--deployment", "policy loose.toml", "--key-file"],
    ),
    (
        f"chain policy set loose.toml --channel 00 --key-file key_file:open.key {BOOK} https://node.example",
        ["--deployment: trust_roots[0]", "--deployment", "policy loose.toml", "--key-file"],
    ),
    (
        f"chain revoke --channel 00 --operator 00 --key 00 --key-file key {BOOK} http://node.example",
        ["--deployment: trust_roots[0]", "--deployment", "--rpc"],
    ),
]


@pytest.mark.parametrize(("words", "wanted"), COMMANDS, ids=[words for words, _ in COMMANDS])
@pytest.mark.parametrize("by_host", [False, True])
def test_options(
    words: str,
    wanted: list[str],
    by_host: bool,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    deployment(folder, 31_337, development_root().certificate)
    (folder / "deployment.json").rename(folder / "book")
    (folder / "loose.toml").write_text("version = 1\n")
    write_key_file(folder / "open.key", b"\x04" * 32)
    (folder / "open.key").chmod(0o644)
    before = sorted(folder.rglob("*"))
    if by_host:
        monkeypatch.setenv("WATTEST_PRODUCTION", "1")
    assert run([*words.split(), *([] if by_host else ["--production"]), "--json"]) == 7
    shown = capfd.readouterr()
    assert shown.out == ""
    error = json.loads(shown.err)
    assert error["error"] == "ProductionRefused"
    assert [one["place"] for one in error["fields"]["refused"]] == wanted
    assert sorted(folder.rglob("*")) == before


def test_options_that_are_for_production(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert run(["enclave", "measure", "--production", "--json"]) == 0
    words = "attest verify quote --collateral c --at 1 --policy policy.toml --production"
    assert run(words.split()) == 3  # the switch lets it pass, and there is no such file
