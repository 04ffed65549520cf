"""Configuration files of nodes: what is missing, unknown, exposed or malformed is said with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wattest.apps.operator_file import read_operator_file
from wattest.apps.settings_reader import FileMissing, SettingInvalid
from wattest.apps.watcher_file import read_watcher_file
from wattest.errors import ConfigError, InputError
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.receipt.deployment import Deployment

A, ROOT = b"\x0a" * 20, b"root"
DEPLOYMENT = Deployment(
    31_337, b"\x09" * 32, 0, A, A, A, A, A, A, A, A, (A,), 1, (ROOT,),
    (ChannelIdentity(A, ChannelKind.OPEN, bytes(32)),)
)  # fmt: skip
WATCHER = """
[chain]
rpc_url = "http://127.0.0.1:8545"

[watcher]
deployment = "deployment.json"
data = "data"
key = "key"
reader_key = "reader"

[[operator]]
address = "0x0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
url = "http://127.0.0.1:8547"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deployment.json").write_bytes(DEPLOYMENT.to_bytes())
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "node.toml"
    path.write_text(text)
    return path


def test_a_watcher_s_file(folder: Path) -> None:
    read = read_watcher_file(write(folder, WATCHER))
    assert read.operators == {A: "http://127.0.0.1:8547"}
    assert (read.data_dir, read.deployment, read.policy) == (folder / "data", DEPLOYMENT, None)
    assert (read.chain.confirmations, read.max_challenges_per_batch) == (1, 1)


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('data = "data"', "", "watcher.data"),
        ('data = "data"', "data = 7", "watcher.data"),
        ('data = "data"', 'data = "data"\ncolour = "red"', "watcher.colour"),
        ("[chain]", "[chain]\nconfirmations = -1", "chain.confirmations"),
        ("[chain]", "[chain]\nconfirmations = true", "chain.confirmations"),
        ("0x0a", "0xZa", "operator[0].address"),
        ("[[operator]]", "[[operators]]", "operator"),
        ('[watcher]', "[watchers]", "watcher"),
    ],
)  # fmt: skip
def test_mistakes_name_their_place(folder: Path, old: str, new: str, place: str) -> None:
    with pytest.raises(SettingInvalid) as caught:
        read_watcher_file(write(folder, WATCHER.replace(old, new, 1)))
    assert caught.value.fields["place"] == place


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        (
            "[watcher]",
            "[watcher]\nintervall_s = 3",
            "watcher.intervall_s: unknown key: did you mean 'interval_s'?",
            None,
        ),
        ("[[operator]]", "[[operators]]", "(is 'operators' meant?)", "add [[operator]]"),
        ("[watcher]", "[watchers]", "(is 'watchers' meant?)", "add [watcher]"),
        ('data = "data"', "data = 7", "watcher.data: text belongs here, not 7", None),
        ('data = "data"', 'data = "\\u0000"', "no path has a zero character", None),
    ],
)
def test_a_mistake_says_what_was_meant(folder: Path, old: str, new: str, message: str, hint: str | None) -> None:
    with pytest.raises(SettingInvalid) as caught:
        read_watcher_file(write(folder, WATCHER.replace(old, new, 1)))
    assert message in caught.value.message
    assert hint is None or caught.value.hint == hint


def test_files_that_are_not_there(folder: Path) -> None:
    with pytest.raises(FileMissing):
        read_watcher_file(folder / "absent.toml")
    with pytest.raises(FileMissing):
        read_watcher_file(write(folder, WATCHER.replace("deployment.json", "absent.json")))
    (folder / "deployment.json").write_bytes(b"{}")
    with pytest.raises(InputError):
        read_watcher_file(write(folder, WATCHER))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text(alphabet='[]="operatchinw.\n0x7 {}', max_size=120).map(str.encode))
def test_arbitrary_bytes(folder: Path, data: bytes) -> None:
    path = folder / "fuzz.toml"
    path.write_bytes(data)
    for read in (read_watcher_file, read_operator_file):
        with pytest.raises((ConfigError, InputError)):
            read(path)
