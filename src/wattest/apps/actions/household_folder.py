"""``wattest meter new-key``: a household's folder, with its secrets and the card that it gives to its manager.

Decided here: which files there are, and that the folder is there whole or not at all. Not decided here: what the keys
are for (docs/spec/member-file.md). Invariant: no secret is printed, and none is in a file that others may read.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from pathlib import Path

import click

from wattest.apps.actions.chain_deployment import read_hex
from wattest.crypto.hpke import ReaderPrivateKey
from wattest.crypto.p256 import P256PrivateKey
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.errors import ConfigError
from wattest.io.files import DiskFailed, fsync_folder, write_atomically, write_key_file
from wattest.messages.member_file import NamedMember
from wattest.messages.member_list import Member
from wattest.metering.meter import meter_key_commitment

METER_KEY, BLINDING_KEY, READER_KEY, PAYEE_KEY, CARD = (
    "meter.key",
    "blinding.key",
    "reader.key",
    "payee.key",
    "member.toml",
)


class HouseholdExists(ConfigError):
    """The folder for a new household is there already."""


def new_household(folder: Path, *, name: str | None, payee: str | None, as_json: bool) -> None:
    """What ``wattest meter new-key`` does."""
    if os.path.lexists(folder):
        is_household = (folder / CARD).is_file()
        raise HouseholdExists(
            "the folder holds a household's keys already" if is_household else "the folder is there already",
            folder=folder,
            hint=f"give its card to the manager: wattest manager members add {folder / CARD}"
            if is_household
            else "name a new one",
        )
    path = folder.absolute()
    account = None if payee is None else read_hex(payee, "--payee", 20)
    meter, blinding, reader, paid = (secrets.token_bytes(32) for _ in range(4))
    if account is None:
        account = Secp256k1PrivateKey.from_seed(paid).address
        keys = {METER_KEY: meter, BLINDING_KEY: blinding, READER_KEY: reader, PAYEE_KEY: paid}
    else:
        keys = {METER_KEY: meter, BLINDING_KEY: blinding, READER_KEY: reader}
    public = Member(
        P256PrivateKey.from_seed(meter).public_key,
        meter_key_commitment(blinding),
        ReaderPrivateKey.from_seed(reader).public_key,
    )
    household = NamedMember(path.name if name is None else name, public, account)
    partial = path.parent / f".{path.name[:200]}.{os.getpid()}.partial"
    try:
        partial.mkdir(mode=0o700, parents=True)
        for file, key in keys.items():
            write_key_file(partial / file, key)
        write_atomically(partial / CARD, household.to_card())
        partial.rename(path)
        fsync_folder(path.parent)
    except OSError as error:
        raise DiskFailed(
            f"the household's folder cannot be made: {error.strerror}",
            retryable=False,
            path=folder,
            hint="name a new folder where you may write",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)  # gone already where all went well
    if as_json:
        shown = {
            "folder": str(folder),
            "name": household.name,
            "card": str(folder / CARD),
            "public_key": public.public_key.hex(),
            "payee": "0x" + account.hex(),
        }
        click.echo(json.dumps(shown))
        return
    click.echo(f"{household.name}: card {folder / CARD}, paid to 0x{account.hex()}")
    click.echo(f"the manager gets the card; the operator gets {folder / BLINDING_KEY}; the rest stays here", err=True)
