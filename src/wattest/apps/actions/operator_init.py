"""``wattest operator init``: an operator's configuration file, from what the manager and the households gave.

Decided here: which settings are written out, and that the households' secrets are put into the list's order by their
commitments. Not decided here: what a setting means (docs/howto/run-an-operator.md). Invariant: neither file is written
over another, and the secrets have mode 0600.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import click

from wattest.apps.actions.bounded_file import read_bounded
from wattest.apps.actions.household_folder import BLINDING_KEY
from wattest.apps.channel_tables import MAX_MEMBER_LIST_BYTES
from wattest.apps.key_use import chain_settings, connect_contracts_of, read_address_book
from wattest.apps.settings_reader import parse_address
from wattest.chain.signers import open_signer
from wattest.crypto.toml_text import dump_toml
from wattest.errors import ConfigError, InputError
from wattest.io.files import read_key_file, write_atomically
from wattest.messages.member_list import MemberList, parse_signed_member_list, verify_member_list
from wattest.metering.meter import meter_key_commitment

METER_KEYS_FILE = "meter-keys.txt"


class ConfigurationExists(ConfigError):
    """A configuration or a file of meter keys is there, and another one than would be written."""


class BlindingKeysMissing(InputError):
    """The blinding keys that were named are not those of the list's members, one for each."""


def init(
    config: Path,
    secrets: Sequence[Path],
    *,
    members: Path,
    platform: Path,
    enclave: str,
    listen: str,
    data: Path | None,
    appraisers: Sequence[str],
    address_book: Path,
    rpc: str,
    key_file: Path,
    as_json: bool,
) -> None:
    """What ``wattest operator init`` does."""
    parse_address(listen, "--listen", "127.0.0.1:8547")
    book = read_address_book(address_book)
    signed = parse_signed_member_list(
        read_bounded(members, MAX_MEMBER_LIST_BYTES, "the list that `wattest manager sign` wrote")
    )
    verify_member_list(signed, book.referee_domain)
    keys = _in_list_order(signed.member_list, secrets)
    operator = open_signer(key_file).address
    if appraisers and book.is_judged_by_quote:
        raise click.UsageError("this deployment's evidence is judged by a contract: leave --appraiser out")
    if not appraisers and not book.is_judged_by_quote:
        raise click.UsageError("this deployment's evidence is judged by appraisers: name their servers by --appraiser")
    channel = signed.identity.id
    head = connect_contracts_of(book, rpc).referee.channel_head(channel)
    folder = config.absolute().parent
    if not folder.is_dir():
        raise ConfigurationExists(
            "the folder for the configuration is not there", path=config, hint=f"mkdir -p {folder}"
        )

    def placed(path: Path) -> str:
        return str(path) if path.is_absolute() else os.path.relpath(path.absolute(), folder)

    kept = "data" if data is None else placed(data)
    document = {
        "production": False,
        "chain": {"rpc_url": rpc, "confirmations": chain_settings(book.chain_id).confirmations},
        "operator": {
            "deployment": placed(address_book),
            "data": kept,
            "key": placed(key_file),
            "listen": listen,
        },
        "enclave": {"kind": enclave, "platform": placed(platform), "state": f"{kept}/enclave"},
        "registration": {"appraisers": list(appraisers)},
        "channel": [
            {
                "members": placed(members),
                "meter_keys": METER_KEYS_FILE,
                "epoch_s": head.epoch_s,
                "first_period_start": signed.member_list.valid_from,
            }
        ],
    }
    lead = "# Made by `wattest operator init`; what each setting means: docs/howto/run-an-operator.md\n"
    text = (lead + dump_toml(document)).encode()
    lines = "".join(key.hex() + "\n" for key in keys).encode()
    key_lines = folder / METER_KEYS_FILE
    for path, wanted in ((key_lines, lines), (config, text)):
        if path.exists() and path.read_bytes() != wanted:
            raise ConfigurationExists(
                f"{path.name} is there, and it is another one",
                path=path,
                hint="edit it: it is text; or name a configuration in another folder",
            )
    write_atomically(key_lines, lines, mode=0o600)
    write_atomically(config, text)
    if as_json:
        shown = {
            "config": str(config),
            "operator": "0x" + operator.hex(),
            "channel": channel.hex(),
            "members": len(keys),
            "url": f"http://{listen}",
        }
        click.echo(json.dumps(shown))
        return
    click.echo(f"{config}: operator 0x{operator.hex()} for {len(keys)} members of {channel.hex()}")
    click.echo(f"next: wattest operator deposit --config {config} --ether 20", err=True)


def _in_list_order(listed: MemberList, secrets: Sequence[Path]) -> list[bytes]:
    found: dict[bytes, bytes] = {}
    named: dict[bytes, Path] = {}
    for path in secrets:
        key = read_key_file(path / BLINDING_KEY if path.is_dir() else path)
        found[meter_key_commitment(key)] = key
        named[meter_key_commitment(key)] = path
    wanted = {member.meter_key_commitment: member for member in listed.members}
    missing = [member.public_key.hex()[:16] for at, member in wanted.items() if at not in found]
    strangers = [str(path) for at, path in named.items() if at not in wanted]
    if missing or strangers:
        raise BlindingKeysMissing(
            "the blinding keys are not those of the list's members, one for each",
            expected=len(wanted),
            actual=len(found),
            members_without=missing[:20],
            of_no_member=strangers[:20],
            hint="name every household's blinding.key, or its folder: FOLDER/blinding.key",
        )
    return [found[member.meter_key_commitment] for member in listed.members]
