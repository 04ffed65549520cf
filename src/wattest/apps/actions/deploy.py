"""``wattest deploy``: every contract of a deployment, once, and the address book that names them.

Decided here: what an interrupted deployment leaves (``FILE.journal``, and what its key sent), when it goes on, and that
the address book is written last and whole. Not decided here: which contracts there are (``chain.deploy``), how a
transaction is sent once (``chain.sending``). Invariant: however often and wherever it is killed, the same command ends
with one contract of each kind; with other options it goes on with nothing.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from wattest.apps.actions.attest_roots import read_root
from wattest.apps.actions.bounded_file import read_bounded
from wattest.apps.actions.chain_deployment import read_hex
from wattest.apps.exclusive import Claimed, exclusive
from wattest.apps.key_use import KeyUse, chain_settings, read_address_book, require_money, use_key
from wattest.apps.terminal import Progress
from wattest.chain.client import ChainClient, WrongChain
from wattest.chain.deploy import ContractAddresses, Contracts, DeploymentPlan, deploy_planned
from wattest.chain.signers import open_signer
from wattest.crypto.strict_fields import Reader, Refusal
from wattest.errors import ConfigError, InputError
from wattest.io.files import DiskFailed, fsync_folder, write_atomically
from wattest.receipt.deployment import Deployment
from wattest.units import SECONDS_PER_DAY

JOURNAL_FORMAT = "wattest/deploying/2"
MAX_JOURNAL_BYTES = 256 * 1024
_TAG_BYTES = 8


class DeploymentExists(ConfigError):
    """An address book is where the new one is to be written."""


class DeploymentDiffers(ConfigError):
    """An interrupted deployment was begun with other options, another key or another chain."""


class DeploymentFolderMissing(ConfigError):
    """The address book is to be written into a folder that is not there."""


class DeploymentUnderWay(ConfigError):
    """Another process is making this very deployment."""


class DeployingUnreadable(InputError):
    """The journal of an interrupted deployment is damaged, or of another version."""


@dataclass(frozen=True, slots=True)
class Deploying:
    """What a deployment was begun with; texts as the journal has them. ``tag`` tells its transactions from others'."""

    tag: str
    first_block: int
    options: dict[str, str]

    def to_bytes(self) -> bytes:
        """The JSON text."""
        return (
            json.dumps(
                {
                    "format": JOURNAL_FORMAT,
                    "tag": self.tag,
                    "first_block": self.first_block,
                    "options": self.options,
                },
                indent=1,
            )
            + "\n"
        ).encode()


def deploy(
    *,
    rpc: str,
    key_file: Path,
    roots: Sequence[str],
    appraisers: Sequence[str],
    threshold: int | None,
    registration_days: int,
    demo_token: int,
    chain_id: int | None,
    out: Path,
    as_json: bool,
) -> None:
    """What ``wattest deploy`` does."""
    if (threshold is not None) != bool(appraisers):
        raise click.UsageError("--appraiser and --threshold go together")
    journal_file = out.with_name(out.name + ".journal")
    if out.exists() and not journal_file.exists():
        raise _exists(out)
    if not out.absolute().parent.is_dir():
        raise DeploymentFolderMissing(
            "the folder for the address book is not there", path=out, hint=f"make it: mkdir -p {out.parent}"
        )
    trusted = [read_root(root).certificate for root in dict.fromkeys(roots)]
    plan = DeploymentPlan(
        tuple(sorted({read_hex(one, "--appraiser", 20) for one in appraisers})),
        threshold or 0,
        registration_days * SECONDS_PER_DAY,
        demo_token,
    )
    signer = open_signer(key_file)
    client = ChainClient.connect(rpc, chain_id=chain_id)
    genesis_hash = client.block(0).hash
    options = {
        "deployer": "0x" + signer.address.hex(),
        "chain_id": str(client.chain_id),
        "genesis_hash": genesis_hash.hex(),
        "--appraiser": " ".join("0x" + one.hex() for one in plan.appraisers),
        "--threshold": str(plan.threshold),
        "--registration-days": str(registration_days),
        "--demo-token": str(demo_token),
    }
    try:
        with exclusive(out.with_name(f".{out.name}.claim")), use_key(key_file, genesis_hash) as key:
            require_money(client, signer.address)
            begun = _begin(journal_file, options, client, key)
            sending = ChainClient.connect(
                rpc, chain_id=client.chain_id, config=chain_settings(client.chain_id), journal=key.journal
            )
            intents = f"deploy:{begun.tag}"
            with Progress() as progress:
                found = deploy_planned(
                    sending,
                    signer,
                    plan,
                    first_block=begun.first_block,
                    intents=intents,
                    tell=lambda contract, done, steps: progress.say(f"{contract} ({done + 1} of {steps})"),
                )
            book = _book(sending, genesis_hash, found, plan, trusted)
            Contracts.at(sending, book)
            if out.exists() and read_address_book(out) != book:
                raise _exists(out)
            write_atomically(out, book.to_bytes() + b"\n")
            _forget(journal_file)
            key.done(*(f"{intents}:{step.contract}" for step in plan.steps))
    except Claimed as error:
        raise DeploymentUnderWay(
            "another process is making this deployment", path=out, hint="wait for it, or name another --out"
        ) from error
    _say(out, book, found, as_json=as_json)


def _begin(journal_file: Path, options: dict[str, str], client: ChainClient, key: KeyUse) -> Deploying:
    """What an interrupted run began, or a beginning that is durable now; one that had sent nothing is begun anew."""
    begun = _read(journal_file) if journal_file.exists() else None
    differing = {} if begun is None else {n: v for n, v in options.items() if begun.options.get(n) != v}
    is_elsewhere = bool({"deployer", "chain_id", "genesis_hash"} & differing.keys())
    sent = begun is not None and any(
        one.startswith(f"deploy:{begun.tag}:") for one in key.journal.intents(key.signer.address)
    )
    if begun is None or (differing and not sent and not is_elsewhere):
        begun = Deploying(secrets.token_hex(_TAG_BYTES), client.block().number, options)
        write_atomically(journal_file, begun.to_bytes())
        return begun
    if not differing:
        click.echo("going on with the deployment that was interrupted", err=True)
        return begun
    hint = f"give the same options again; to begin anew, and leave what is there, remove {journal_file}"
    if {"chain_id", "genesis_hash"} & differing.keys():
        raise WrongChain(
            "the interrupted deployment is on another chain",
            expected=begun.options.get("chain_id"),
            actual=options["chain_id"],
            path=journal_file,
            hint=hint,
        )
    raise DeploymentDiffers(
        f"the interrupted deployment was begun with another {', '.join(differing)}",
        expected={name: begun.options.get(name) for name in differing},
        actual=differing,
        path=journal_file,
        hint=hint,
    )


def _read(journal_file: Path) -> Deploying:
    def refuse(refusal: Refusal) -> DeployingUnreadable:
        return DeployingUnreadable(
            f"{journal_file}, {refusal.where or 'the whole'}: {refusal.message}",
            path=journal_file,
            hint="remove it to begin anew, and leave what is there",
            **refusal.details,
        )

    top = (
        Reader(refuse, shows_text=True)
        .json(read_bounded(journal_file, MAX_JOURNAL_BYTES), MAX_JOURNAL_BYTES)
        .fields("format", "tag", "first_block", "options")
    )
    top["format"].one_of({JOURNAL_FORMAT})
    options = top["options"].fields()
    return Deploying(
        top["tag"].hex(_TAG_BYTES).hex(),
        top["first_block"].uint(64),
        {name: options[name].text(MAX_JOURNAL_BYTES) for name in options.names(64)},
    )


def _forget(journal_file: Path) -> None:
    try:
        journal_file.unlink(missing_ok=True)
        fsync_folder(journal_file.absolute().parent)
    except OSError as error:
        raise DiskFailed("the deployment's journal could not be removed", retryable=False, path=journal_file) from error


def _book(
    client: ChainClient, genesis_hash: bytes, found: ContractAddresses, plan: DeploymentPlan, roots: Sequence[bytes]
) -> Deployment:
    return Deployment(
        chain_id=client.chain_id,
        genesis_hash=genesis_hash,
        deployed_at_block=found.deployed_at_block,
        referee=found.referee,
        challenges=found.challenges,
        fraud_proofs=found.fraud_proofs,
        registry=found.registry,
        verifier=found.verifier,
        payouts=found.payouts,
        first_light=found.first_light,
        token=found.token,
        appraisers=plan.appraisers,
        threshold=plan.threshold,
        trust_roots=tuple(roots),
        collateral=found.collateral,
    )


def _exists(out: Path) -> DeploymentExists:
    book = read_address_book(out)
    return DeploymentExists(
        f"{out} names a deployment already, on chain {book.chain_id}",
        path=out,
        hint="use it (next: wattest manager create-channel NAME), or name another file with --out",
    )


def _say(out: Path, book: Deployment, found: ContractAddresses, *, as_json: bool) -> None:
    names = ("referee", "registry", "verifier", "collateral", "payouts", "first_light", "token")
    contracts = {name: "0x" + getattr(book, name).hex() for name in names if any(getattr(book, name))}
    if as_json:
        shown = {
            "deployment": str(out),
            "chain_id": book.chain_id,
            "deployed_at_block": book.deployed_at_block,
            "contracts": contracts,
            "gas": found.gas_used,
        }
        click.echo(json.dumps(shown))
        return
    for name, address in contracts.items():
        click.echo(f"{name.replace('_', ' '):<12} {address}")
    click.echo(f"{sum(found.gas_used.values()):,} gas; the address book is {out}")
    click.echo("next: wattest manager create-channel NAME", err=True)
