"""``wattest chain new``, ``fund`` and ``advance``: an embedded chain of one's own, its money and its time.

Decided here: that these reach an embedded chain's folder and no other chain, served or not, and that time is moved only
where the folder was made for it. Not decided here: the chain's process (``chain.anvil``), what a served one takes
(``chain.chain_control``). Invariant: each is done once however often it is asked for. Development only.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from wattest.apps.actions.chain_deployment import moment, read_hex
from wattest.apps.amounts import read_ether, read_moment, show_ether
from wattest.apps.interrupts import SteadyStack
from wattest.chain import chain_control
from wattest.chain.anvil import START_TIMEOUT_S, Anvil, ChainFolderInUse
from wattest.chain.chain_folder import METADATA_FILE, ChainMetadata, NotAChainFolder, is_in_use, served_url
from wattest.chain.client import ChainClient
from wattest.chain.rpc import JsonRpc
from wattest.chain.signers import open_signer
from wattest.errors import ConfigError
from wattest.units import SECONDS_PER_DAY


class TimeStandsFixed(ConfigError):
    """A chain whose time people may not move by command."""


def new(folder: Path, *, start: str | None, may_advance: bool, binary: Path | None, as_json: bool) -> None:
    """What ``wattest chain new`` does."""
    genesis_s = int(time.time()) if start is None else read_moment(start, "--start")
    if folder.is_dir() and not (folder / METADATA_FILE).exists() and any(_foreign(folder)):
        raise NotAChainFolder(
            "the folder holds other things already", folder=folder, hint="name a new or an empty folder"
        )
    if (folder / METADATA_FILE).exists():
        raise ChainFolderInUse(
            "the folder holds a chain already",
            folder=folder,
            hint=f"serve it: wattest chain serve {folder}; or name another folder",
        )
    with SteadyStack() as stack:
        chain = Anvil.create(folder, genesis_timestamp_s=genesis_s, may_advance=may_advance, binary=binary)
        stack.enter_context(chain)
    made = ChainMetadata.read(folder)
    if as_json:
        shown = {
            "folder": str(folder),
            "chain_id": made.chain_id,
            "genesis_hash": made.genesis_hash,
            "start": made.genesis_timestamp_s,
            "may_advance": made.may_advance,
        }
        click.echo(json.dumps(shown))
        return
    click.echo(f"chain {made.chain_id} in {folder}, for development; its time begins at {moment(genesis_s)}")
    click.echo(f"serve it: wattest chain serve {folder} --port 8545", err=True)


def fund(folder: Path, *, address: str | None, key_file: Path | None, ether: str, as_json: bool) -> None:
    """What ``wattest chain fund`` does."""
    if (address is None) == (key_file is None):
        raise click.UsageError("name an ADDRESS or a --key-file, one of the two")
    account = open_signer(key_file).address if key_file is not None else read_hex(address or "", "ADDRESS", 20)
    wanted = read_ether(ether)
    with _at(folder) as rpc:
        before = chain_control.balance(rpc, account)
        if before < wanted:
            chain_control.set_balance(rpc, account, wanted)
        after = chain_control.balance(rpc, account)
    if as_json:
        click.echo(json.dumps({"account": "0x" + account.hex(), "given_wei": after - before, "balance_wei": after}))
        return
    given = f"got {show_ether(after - before)} ether and has" if after > before else "has already"
    click.echo(f"0x{account.hex()} {given} {show_ether(after)} ether")


def advance(folder: Path, *, to: str | None, days: int | None, hours: int | None, as_json: bool) -> None:
    """What ``wattest chain advance`` does."""
    if (to is None) == (days is None and hours is None):
        raise click.UsageError("say --to MOMENT, or --days and --hours")
    if not ChainMetadata.read(folder).may_advance:
        raise TimeStandsFixed(
            "this chain's time is not to be moved: it was not made for that",
            folder=folder,
            hint="make another for trying things out: wattest chain new FOLDER --advance",
        )
    with _at(folder) as rpc:
        before = chain_control.now(rpc)
        by_s = (days or 0) * SECONDS_PER_DAY + (hours or 0) * 3_600
        target = before + by_s if to is None else read_moment(to, "--to")
        if target > before:
            chain_control.advance_to(rpc, target)
        after = chain_control.now(rpc)
    if as_json:
        click.echo(json.dumps({"before": before, "now": after}))
        return
    click.echo(f"chain time is {moment(after)}" + ("" if target > before else f", past {moment(target)} already"))


def _foreign(folder: Path) -> Iterator[Path]:
    """What no start of a chain that was cut short leaves."""
    return (one for one in folder.iterdir() if one.name not in {"lock", "anvil.log", "state.json", "served"})


@contextmanager
def _at(folder: Path) -> Iterator[JsonRpc]:
    """The folder's chain: where it is served, or started for as long as this takes, and its state kept.

    Raises: WrongChain, when another one answers where it was served.
    """
    made = ChainMetadata.read(folder)
    url = _served_at(folder)
    if url is None:
        with SteadyStack() as stack:
            yield stack.enter_context(Anvil.open(folder)).rpc
        return
    rpc = ChainClient.connect(url, genesis_hash=bytes.fromhex(made.genesis_hash.removeprefix("0x"))).rpc
    try:
        yield rpc
    finally:
        rpc.close()


def _served_at(folder: Path) -> str | None:
    """Where the folder's chain is served, once a process that is starting it says so; None where nobody serves it.

    Raises: ChainFolderInUse, when it is never said.
    """
    give_up_at = time.monotonic() + START_TIMEOUT_S
    while (url := served_url(folder)) is None and is_in_use(folder):
        if time.monotonic() > give_up_at:
            raise ChainFolderInUse(
                "another process has this chain and does not say where it serves it",
                folder=folder,
                hint="end it, and serve the folder again",
            )
        time.sleep(0.05)
    return url
