"""``wattest watcher init``: a watcher's configuration file.

Decided here: which settings are written out. Not decided here: what a setting means (docs/howto/run-a-watcher.md).
Invariant: the file is not written over another.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import click

from wattest.apps.actions.chain_deployment import read_hex
from wattest.apps.actions.operator_init import ConfigurationExists
from wattest.apps.key_use import chain_settings, connect_contracts_of, read_address_book
from wattest.apps.settings_reader import SettingInvalid
from wattest.chain.signers import open_signer
from wattest.crypto.toml_text import dump_toml
from wattest.io.files import read_key_file, write_atomically
from wattest.store.remote_operator import OperatorRemote
from wattest.url_text import show_url

_SCHEMES = ("http://", "https://")


def init(
    config: Path,
    *,
    operators: Sequence[str],
    reader_key: Path,
    policy: Path | None,
    data: Path | None,
    address_book: Path,
    rpc: str,
    key_file: Path,
    as_json: bool,
) -> None:
    """What ``wattest watcher init`` does."""
    watched = [_operator(text) for text in operators]
    book = read_address_book(address_book)
    connect_contracts_of(book, rpc)
    address = open_signer(key_file).address
    read_key_file(reader_key)
    folder = config.absolute().parent
    if not folder.is_dir():
        raise ConfigurationExists(
            "the folder for the configuration is not there", path=config, hint=f"mkdir -p {folder}"
        )

    def placed(path: Path) -> str:
        return str(path) if path.is_absolute() else os.path.relpath(path.absolute(), folder)

    watcher = {
        "deployment": placed(address_book),
        "data": "watched" if data is None else placed(data),
        "key": placed(key_file),
        "reader_key": placed(reader_key),
    }
    document = {
        "production": False,
        "chain": {"rpc_url": rpc, "confirmations": chain_settings(book.chain_id).confirmations},
        "watcher": watcher if policy is None else watcher | {"policy": placed(policy)},
        "operator": [{"address": one, "url": url} for one, url in watched],
    }
    lead = "# Made by `wattest watcher init`; what each setting means: docs/howto/run-a-watcher.md\n"
    text = (lead + dump_toml(document)).encode()
    if config.exists() and config.read_bytes() != text:
        raise ConfigurationExists(
            f"{config.name} is there, and it is another one", path=config, hint="edit it: it is text; or name another"
        )
    write_atomically(config, text)
    if as_json:
        shown = {"config": str(config), "watcher": "0x" + address.hex(), "operators": [one for one, _ in watched]}
        click.echo(json.dumps(shown))
        return
    click.echo(f"{config}: watcher 0x{address.hex()} of {len(watched)} operators")
    click.echo(f"next: wattest watcher run --config {config}", err=True)


def _operator(text: str) -> tuple[str, str]:
    """The address and the server of an operator; a server alone is asked whose it is."""
    if text.startswith(_SCHEMES):
        said = OperatorRemote(text).fetch_status().get("operator")
        address, url = (said if isinstance(said, str) else "").removeprefix("0x"), text
        click.echo(f"{show_url(url)} says that it is the operator 0x{address[:40]}", err=True)
    else:
        address, _, url = text.partition("=")
    if not url.startswith(_SCHEMES):
        raise SettingInvalid(
            "an operator is ADDRESS=URL, or a URL",
            place="--operator",
            actual=text[:120],
            hint="one such as http://127.0.0.1:8547",
        )
    return "0x" + read_hex(address, "--operator", 20).hex(), url
