"""From keys to committed batches of meters of one's own, by commands alone; then the deposit's way back."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from own_world import START_S, OwnWorld, build, refused, told
from waiting import HANG_S

from wattest.apps.cli import run
from wattest.apps.operator_file import read_operator_file
from wattest.apps.watcher_file import read_watcher_file
from wattest.chain.anvil import Anvil, free_port
from wattest.messages.acceptance import parse_acceptance, verify_acceptance

pytestmark = pytest.mark.e2e
HOMES = ("flat-1", "flat-2")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[OwnWorld]:
    with Anvil.create(tmp_path / "chain", genesis_timestamp_s=START_S, may_advance=True) as chain:
        world = build(tmp_path, chain)
        world.do("enclave", "measure", "--write-policy", world.path("policy.toml"))
        root = world.path("platform/root.pem")
        policy = ["chain", "policy", "set", world.path("policy.toml"), "--channel", "village", "--root", root]
        world.do(*policy, *world.keyed("manager.key"))
        world.do(*policy, *world.keyed("manager.key"))  # in force already: nothing is queued
        cards = world.households(*HOMES)
        book, members = world.path("deployment.json"), world.path("members.toml")
        world.do(
            "manager", "members", "add", *cards, "--members", members, "--channel", "village", "--deployment", book
        )
        out = world.path("members.bin")
        sign = ["manager", "sign", "--from", "2026-03-01", "--members", members, "--out", out]
        world.do(*sign, *world.keyed("manager.key"))
        yield world


def init(world: OwnWorld, *secrets: str, listen: str = "127.0.0.1:8547") -> list[str]:
    keys = [world.path(f"{name}/blinding.key") for name in secrets]
    return [
        "operator", "init", world.path("operator.toml"), *keys, "--members", world.path("members.bin"), "--platform",
        world.path("platform"), "--listen", listen, *world.keyed("operator.key"),
    ]  # fmt: skip


def money(world: OwnWorld, verb: str, *more: str) -> list[str]:
    return ["operator", verb, "--config", world.path("operator.toml"), *more]


def readings(path: Path) -> str:
    moments = [datetime.fromtimestamp(START_S, UTC) + timedelta(minutes=15 * one) for one in range(96)]
    path.write_text("start,import_kwh\n" + "".join(f"{one.isoformat()},0.1\n" for one in moments))
    return str(path)


def signed_day(world: OwnWorld, name: str) -> str:
    world.do(
        "meter", "sign", readings(world.folder / f"{name}.csv"), "--key-file", world.path(f"{name}/meter.key"), "--out",
        world.path(f"{name}/blocks"),
    )  # fmt: skip
    return world.path(f"{name}/blocks/2026-03-01.block")


def test_a_configuration_from_what_others_gave(world: OwnWorld, capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, *init(world, *HOMES[::-1]))
    settings = read_operator_file(world.folder / "operator.toml")
    assert settings.duties[0].first_period_start == START_S
    assert settings.data_dir == (world.folder / "data").resolve()
    secrets = world.folder / "meter-keys.txt"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    before = (world.folder / "operator.toml").read_bytes(), secrets.read_bytes()
    told(capsys, *init(world, *HOMES))
    other = refused(capsys, 7, *init(world, *HOMES, listen="127.0.0.1:9000"))
    assert other["error"] == "ConfigurationExists"
    assert before == ((world.folder / "operator.toml").read_bytes(), secrets.read_bytes())
    (world.folder / "operator.toml").unlink()
    missing = refused(capsys, 3, *init(world, "flat-1"))
    assert missing["error"] == "BlindingKeysMissing"
    assert len(missing["fields"]["members_without"]) == 1
    world.households("flat-3")
    strange = refused(capsys, 3, *init(world, *HOMES, "flat-3"))
    assert strange["fields"]["of_no_member"] == [world.path("flat-3/blinding.key")]
    assert not (world.folder / "operator.toml").exists()


def test_a_deposit_is_raised_once_and_taken_back_in_order(world: OwnWorld, capsys: pytest.CaptureFixture[str]) -> None:
    world.do(*init(world, *HOMES))
    small = refused(capsys, 5, *money(world, "deposit", "--ether", "1"))
    assert small["error"] == "DepositTooSmall"
    assert "1.21 ether" in small["fields"]["expected"]
    much = refused(capsys, 7, *money(world, "deposit", "--ether", "5000"))
    assert much["error"] == "AccountUnfunded"
    none = refused(capsys, 5, *money(world, "withdraw"))
    assert none["error"] == "OperatorStands"
    assert refused(capsys, 5, *money(world, "exit", "--yes"))["error"] == "OperatorStands"
    first = told(capsys, *money(world, "deposit", "--ether", "20"))
    assert (first["added_wei"], first["deposit_wei"]) == (20 * 10**18, 20 * 10**18)
    again = told(capsys, *money(world, "deposit", "--ether", "20"))
    assert (again["added_wei"], again["deposit_wei"]) == (0, 20 * 10**18)
    assert told(capsys, *money(world, "deposit", "--ether", "30.5"))["added_wei"] == 105 * 10**17
    other = told(capsys, *money(world, "deposit", "--ether", "5", "--channel", "village-bills"))
    assert other["channel"] != first["channel"]
    assert (
        refused(capsys, 3, *money(world, "deposit", "--ether", "5", "--channel", "town"))["error"] == "ChannelUnknown"
    )
    early = refused(capsys, 5, *money(world, "withdraw"))
    assert "wattest operator exit" in early["hint"]
    assert refused(capsys, 5, *money(world, "release"))["error"] == "NothingFinal"
    left = told(capsys, *money(world, "exit", "--yes"))
    assert left["operator_state"] == "exiting"
    assert told(capsys, *money(world, "exit"))["withdrawable_at"] == left["withdrawable_at"]
    assert refused(capsys, 5, *money(world, "deposit", "--ether", "40"))["error"] == "OperatorStands"
    soon = refused(capsys, 5, *money(world, "withdraw"))
    assert soon["error"] == "WithdrawalTooEarly"
    world.do("chain", "advance", str(world.chain.folder), "--days", "22")
    receiver = "0x" + "cd" * 20
    back = told(capsys, *money(world, "withdraw", "--to", receiver))
    assert (back["withdrawn_wei"], back["operator_state"]) == (305 * 10**17, "withdrawn")
    assert int(world.chain.rpc.request("eth_getBalance", receiver, "latest"), 16) == 305 * 10**17
    assert told(capsys, *money(world, "withdraw", "--to", receiver))["withdrawn_wei"] == 0
    assert told(capsys, *money(world, "withdraw", "--owed"))["withdrawn_wei"] == 0
    assert [path.name for path in world.folder.glob("*.sent*")] == []


def test_readings_of_one_s_own_are_committed(world: OwnWorld, capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    world.do(*init(world, *HOMES, listen=f"127.0.0.1:{port}"))
    world.do(*money(world, "deposit", "--ether", "20"))
    sending = [
        "--operator",
        f"http://127.0.0.1:{port}",
        "--channel",
        "village",
        "--deployment",
        world.path("deployment.json"),
    ]
    blocks = [signed_day(world, name) for name in HOMES]
    world.households("stranger")
    strange = signed_day(world, "stranger")
    process = subprocess.Popen(
        [sys.executable, "-m", "wattest.apps.cli", "operator", "run", "--config", world.path("operator.toml")],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "key active"
        sent = told(capsys, "meter", "send", *blocks, *sending)
        assert [one["file"] for one in sent] == blocks
        assert told(capsys, "meter", "send", *blocks, *sending) == sent
        for one in sent:
            kept = parse_acceptance(Path(one["acceptance"]).read_bytes())
            verify_acceptance(kept)
            assert one["acceptance"] == one["file"] + ".accepted.json"
            assert (f"0x{kept.acceptance.operator.hex()}", one["meter_checked"]) == (one["signed_by"], True)
            assert (kept.acceptance.period_start, kept.acceptance.block_digest.hex()) == (START_S, one["accepted"])
        Path(sent[0]["acceptance"]).unlink()
        other = refused(capsys, 4, "meter", "send", blocks[0], *sending, "--account", "0x" + "ab" * 20)
        assert (other["error"], other["fields"]["expected"]) == ("AcceptanceUnsigned", "0x" + "ab" * 20)
        another = ["--blinding-key", world.path("flat-2/blinding.key")]
        assert refused(capsys, 4, "meter", "send", blocks[0], *sending, *another)["error"] == "AcceptanceUnsigned"
        assert not Path(sent[0]["acceptance"]).exists()  # nothing is kept that holds nobody to anything
        apart = world.folder / "apart.block"
        apart.write_bytes(Path(blocks[0]).read_bytes())
        (alone,) = told(capsys, "meter", "send", str(apart), *sending)
        assert (alone["meter_checked"], alone["signed_by"]) == (False, sent[0]["signed_by"])
        foreign = refused(capsys, 4, "meter", "send", blocks[0], strange, *sending)
        assert (foreign["error"], foreign["fields"]["refusal"]) == ("BlockRefused", "ForeignMeter")
        assert (foreign["fields"]["file"], foreign["fields"]["accepted_before"]) == (strange, 1)
        assert "wattest manager members add" in foreign["hint"]
        elsewhere = [word if word != "village" else "village-bills" for word in sending]
        assert refused(capsys, 4, "meter", "send", blocks[0], *elsewhere)["fields"]["refusal"] == "NotServed"
        world.do("chain", "advance", str(world.chain.folder), "--to", "2026-03-02T00:10")
        events = [json.loads(process.stdout.readline()) for _ in range(2)]
        assert [one["event"] for one in events] == ["sealed", "committed"]
        (late,) = told(capsys, "meter", "send", blocks[0], *sending)
        assert (late["accepted"], late["acceptance"], late["signed_by"]) == (sent[0]["accepted"], None, None)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(HANG_S)
    assert refused(capsys, 6, "meter", "send", blocks[0], *sending)["error"] == "OperatorUnreachable"
    status = told(capsys, "operator", "status", "--config", world.path("operator.toml"))
    assert status["channels"][0]["head_sequence"] == 1
    assert refused(capsys, 5, *money(world, "release"))["error"] == "NothingFinal"
    world.do(*money(world, "exit", "--yes"))
    world.do("chain", "advance", str(world.chain.folder), "--days", "22")
    bound = refused(capsys, 5, *money(world, "withdraw"))
    assert "wattest operator release" in bound["hint"]
    released = told(capsys, *money(world, "release"))
    assert (released["released"], released["exposure_wei"]) == (1, 0)
    assert told(capsys, *money(world, "withdraw"))["withdrawn_wei"] == 20 * 10**18


def test_what_is_no_block_is_not_sent(world: OwnWorld, capsys: pytest.CaptureFixture[str]) -> None:
    block = Path(signed_day(world, "flat-1"))
    whole = block.read_bytes()
    block.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    to = ["--operator", "http://127.0.0.1:1", "--channel", "village", "--deployment", world.path("deployment.json")]
    assert refused(capsys, 4, "meter", "send", str(block), *to)["error"] == "DeviceSignatureInvalid"
    assert refused(capsys, 3, "meter", "send", world.path("policy.toml"), *to)["error"] == "MalformedDeviceBlock"
    assert run(["meter", "send", *to]) == 2


def test_a_watcher_s_configuration(world: OwnWorld, capsys: pytest.CaptureFixture[str]) -> None:
    for verb, file in (("new-key", "union.key"), ("new-reader-key", "reader.key")):
        world.do("watcher", verb, world.path(file))
    config = world.path("watcher.toml")
    watched = "0x" + "ab" * 20

    def words(operator: str, *more: str) -> list[str]:
        keys = ["--reader-key", world.path("reader.key"), *world.keyed("union.key")]
        return ["watcher", "init", config, "--operator", operator, *keys, *more]

    shown = told(capsys, *words(f"{watched}=http://127.0.0.1:9", "--policy", world.path("policy.toml")))
    assert shown["operators"] == [watched]
    settings = read_watcher_file(Path(config))
    assert settings.operators == {b"\xab" * 20: "http://127.0.0.1:9"}
    assert settings.policy == (world.folder / "policy.toml").read_bytes()
    before = Path(config).read_bytes()
    assert refused(capsys, 7, *words(f"{watched}=http://127.0.0.1:10"))["error"] == "ConfigurationExists"
    assert Path(config).read_bytes() == before
    assert refused(capsys, 7, *words("127.0.0.1:9"))["error"] == "SettingInvalid"
    assert refused(capsys, 3, *words("0x12=http://127.0.0.1:9"))["error"] == "HexInvalid"
    assert refused(capsys, 6, *words("http://127.0.0.1:1"))["error"] == "OperatorUnreachable"
