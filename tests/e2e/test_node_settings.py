"""A node whose configuration and chain differ says everything that differs, and does nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from node_channels import Fleet, add_channels
from node_community import EPOCH_S, FIRST_PERIOD, Community, build_community, destroy, write_operator_files

from wattest.apps.cli import run
from wattest.chain.local_signer import LocalSigner
from wattest.io.files import write_key_file
from wattest.receipt.deployment import parse_deployment
from wattest.store.inbox import InboxFolder
from wattest.store.operator_store import SqliteOperatorStore

pytestmark = pytest.mark.e2e
STRANGER = b"\x77" * 32
Edit = Callable[[Path], None]


@pytest.fixture(scope="module")
def community(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Community]:
    built = build_community(tmp_path_factory.mktemp("settings") / "site")
    built.process.stop()
    yield built
    destroy(built)


def toml(old: str, new: str, count: int = 1) -> Edit:
    def edit(config: Path) -> None:
        text = config.read_text()
        assert old in text
        config.write_text(text.replace(old, new, count))

    return edit


def deployment(**changes: Any) -> Edit:
    def edit(config: Path) -> None:
        path = config.parent / "deployment.json"
        path.write_bytes(replace(parse_deployment(path.read_bytes()), **changes).to_bytes())

    return edit


def key(name: str, secret: bytes) -> Edit:
    def edit(config: Path) -> None:
        (config.parent / name).unlink()
        write_key_file(config.parent / name, secret)

    return edit


def both(*edits: Edit) -> Edit:
    return lambda config: [edit(config) for edit in edits] and None


def refused(capfd: pytest.CaptureFixture[str], *words: str) -> list[dict[str, str]]:
    """The differences of a command that ends with exit code 7 and says nothing on standard output."""
    capfd.readouterr()
    assert run([*words]) == 7
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "Traceback" not in shown.err
    text = shown.err[shown.err.index("error: ") :]
    found = [line for line in text.splitlines() if line.startswith("    ")]
    return [dict(part.split(": ", 1) for part in line.strip().split("; ") if ": " in part) for line in found]


OPERATORS = {
    "period length": (toml(f"epoch_s = {EPOCH_S}", "epoch_s = 8640"), ["channel[0].epoch_s"]),
    "longer period": (toml(f"epoch_s = {EPOCH_S}", f"epoch_s = {5 * EPOCH_S}"), ["channel[0].epoch_s"]),
    "grace": (toml("collect_grace_s = 0", "collect_grace_s = 7200"), ["operator.collect_grace_s"]),
    "another key": (key("operator.key", STRANGER), ["operator.key"]),
    "threshold": (
        deployment(appraisers=(b"\x01" * 20, b"\x02" * 20), threshold=2),
        ["deployment.json: threshold", "deployment.json: appraisers", "deployment.json: appraisers",
         "deployment.json: appraisers"],
    ),
    "verifier": (deployment(verifier=b"\x01" * 20), ["deployment.json: verifier"]),
    "log": (deployment(deployed_at_block=10**9), ["deployment.json: deployed_at_block"]),
    "first period": (
        toml(f"first_period_start = {FIRST_PERIOD}", f"first_period_start = {FIRST_PERIOD - EPOCH_S}"),
        ["channel[0].first_period_start"],
    ),
    "everything": (
        both(
            toml(f"epoch_s = {EPOCH_S}", "epoch_s = 900"),
            key("operator.key", STRANGER),
            deployment(deployed_at_block=10**9),
        ),
        ["deployment.json: deployed_at_block", "channel[0].epoch_s", "operator.key"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_does_nothing(
    community: Community, tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    edit, expected = OPERATORS[name]
    config = write_operator_files(community, tmp_path / "operator")
    edit(config)
    inbox, channel = InboxFolder(config.parent / "data" / "inbox"), community.channel.id
    waiting = sorted(inbox.put(channel, home.block(FIRST_PERIOD)) for home in community.households)
    found = refused(capfd, "operator", "run", "--config", str(config), "--once")
    assert [one["setting"] for one in found] == expected
    assert all(one["here"] and one["chain"] and one["do"] for one in found)
    assert inbox.waiting(channel) == waiting
    assert not (inbox.folder / "refused").exists()
    store = SqliteOperatorStore(config.parent / "data" / "operator.sqlite", read_only=True)
    assert not store.channels()
    store.close()


def test_a_corrected_setting_goes_on_with_the_same_folder(
    community: Community, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = write_operator_files(community, tmp_path / "operator")
    key("operator.key", STRANGER)(config)
    refused(capfd, "operator", "run", "--config", str(config), "--once")
    key("operator.key", community.operator_key)(config)
    assert run(["operator", "run", "--config", str(config), "--once"]) == 0
    key("operator.key", STRANGER)(config)  # now the folder is known to be another's
    (found,) = refused(capfd, "operator", "run", "--config", str(config), "--once")
    assert found["what"] == "account"
    assert found["data"] == "0x" + LocalSigner(community.operator_key).address.hex()


def test_a_watcher_and_an_appraiser_do_nothing(
    community: Community, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = write_operator_files(community, tmp_path / "operator")
    operator = LocalSigner(community.operator_key).address.hex()
    write_key_file(tmp_path / "watcher.key", STRANGER)
    write_key_file(tmp_path / "reader.key", community.extra["watcher_reader_seed"])
    watcher = tmp_path / "watcher.toml"
    text = f"""
[chain]
rpc_url = "{community.anvil.url}"
[watcher]
deployment = "operator/deployment.json"
data = "watched"
key = "watcher.key"
reader_key = "reader.key"
unreachable_grace_s = 604800
[[operator]]
address = "0x{operator[:-1]}{"0" if operator[-1] != "0" else "1"}"
url = "http://127.0.0.1:1"
"""
    watcher.write_text(text)
    found = refused(capfd, "watcher", "run", "--config", str(watcher), "--once")
    assert [one["setting"] for one in found] == ["operator[0].address", "watcher.unreachable_grace_s"]
    good = text.replace("unreachable_grace_s = 604800\n", "").replace(text.split('address = "0x')[1][:40], operator)
    watcher.write_text(good)
    assert run(["watcher", "run", "--config", str(watcher), "--once"]) in {0, 6}  # nobody serves there
    key("watcher.key", community.operator_key)(watcher)
    (found_one,) = refused(capfd, "watcher", "run", "--config", str(watcher), "--once")
    assert found_one["what"] == "account"

    (tmp_path / "policy.toml").write_text(community.extra["policy"])
    appraiser = tmp_path / "appraiser.toml"
    appraiser.write_text(
        f'[chain]\nrpc_url = "{community.anvil.url}"\n[appraiser]\ndeployment = "{config.parent}/deployment.json"\n'
        'key = "watcher.key"\npolicy = "policy.toml"\nregistration_days = 31\nlisten = "127.0.0.1:0"\n'
    )
    found = refused(capfd, "appraiser", "run", "--config", str(appraiser))
    assert [one["setting"] for one in found] == ["appraiser.key", "appraiser.registration_days"]


def test_a_running_operator_seals_nothing_that_the_contract_would_not_take(
    community: Community, tmp_path: Path
) -> None:
    """The manager sets another roster count: that channel stands still until list and count agree; others go on."""
    community.process.start()
    good, changed = add_channels(community, 2)
    referee = community.referee()
    with ExitStack() as stack:
        fleet = Fleet(
            community, [good, changed, replace(add_channels(community, 1)[0], epoch_s=8_640)], tmp_path, stack
        )
        fleet.hand_in(0, [good.channel.id, changed.channel.id])
        for home in community.households:
            fleet.operator.inbox.put(fleet.channels[2], home.block(FIRST_PERIOD))
        community.anvil.advance_to(FIRST_PERIOD + 2 * 3_600)  # commits of the period before are over
        referee.set_roster_count(community.manager, changed.channel.id, 4, FIRST_PERIOD)
        fleet.end_day(0)
        for _ in range(2):
            errors = fleet.operator.step().errors
            assert {error.code for error in errors} == {"SettingsDisagree"}
            settings = [json.dumps(error.as_dict()) for error in errors]
            assert any("4 entries" in one for one in settings)
            assert any("epoch_s" in one for one in settings)
        assert [state is not None for state in fleet.states(1)] == [True, False, False]
        assert [event.channel for event in fleet.commits()] == [good.channel.id]
        waiting = list((fleet.operator.inbox.folder / fleet.channels[2].hex()).iterdir())
        assert len(waiting) == len(community.households)
    community.process.stop()
