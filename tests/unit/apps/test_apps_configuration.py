"""Where settings come from, in which order, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from wattest.apps.configuration import MAX_CONFIG_BYTES, load_config
from wattest.config import Config
from wattest.errors import ConfigError


def test_nothing_set_gives_the_defaults() -> None:
    assert load_config({}) == Config()


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "wattest.toml"
    path.write_text('production = true\n[chain]\nrpc_url = "http://127.0.0.1:1"\nconfirmations = 3\n')
    config = load_config({"WATTEST_RPC_URL": "http://127.0.0.1:2"}, path)
    assert config.production
    assert config.chain.rpc_url == "http://127.0.0.1:2"
    assert config.chain.confirmations == 3


@pytest.mark.parametrize(
    "text",
    [
        "produktion = true",
        "[chain]\nrpc = 'x'",
        "[unknown]\na = 1",
        "production = 'maybe'",
        "[chain]\nconfirmations = true",
    ],
)
def test_unknown_keys_and_wrong_types_are_refused_with_their_place(tmp_path: Path, text: str) -> None:
    path = tmp_path / "wattest.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config({}, path)
    assert str(path) in str(caught.value.fields["place"])


def test_an_oversized_or_broken_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wattest.toml"
    for content in (b"#" * (MAX_CONFIG_BYTES + 1), b"\xff\xfe", b"= = ="):
        path.write_bytes(content)
        with pytest.raises(ConfigError):
            load_config({}, path)
    with pytest.raises(ConfigError):
        load_config({}, tmp_path / "absent.toml")
