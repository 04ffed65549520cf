"""``wattest chain collateral`` and ``wattest chain policy``: what a contract needs to judge quotes without appraisers.

Decided here: what is asked for, what is printed. Not decided here: how collateral is brought
(``chain.collateral_registry``), what a policy becomes on chain (``attestation.chain_policy``), who may do it (the
contract).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from wattest.apps.cli.attest_roots import ROOT_OPTION, read_root
from wattest.apps.cli.bounded_file import read_bounded
from wattest.apps.cli.chain_options import CHANNEL_OPTION, KEY_OPTION, connect, deployment_options, moment, read_hex
from wattest.attestation.chain_policy import DEFAULT_REGISTRATION_S, channel_policy
from wattest.attestation.formats.collateral import MAX_COLLATERAL_BYTES, Collateral, parse_collateral
from wattest.attestation.policy import MAX_POLICY_BYTES, parse_policy
from wattest.chain.signer import LocalSigner
from wattest.units import SECONDS_PER_DAY
from wattest.workload.configuration import EngineConfiguration
from wattest.workload.engine import workload_digest
from wattest.workload.guests import load_guest_bytes

DEFAULT_DAYS = DEFAULT_REGISTRATION_S // SECONDS_PER_DAY


@click.group("collateral")
def chain_collateral() -> None:
    """Collateral on chain: anyone may bring it, the contract checks every signature."""


@chain_collateral.command()
@click.argument("file", type=click.Path(path_type=Path))
@ROOT_OPTION
@KEY_OPTION
@deployment_options
def publish(file: Path, *, root: str, key_file: Path, address_book: Path, rpc: str, as_json: bool) -> None:
    """Bring what FILE has and the contract has not; what is not newer is passed over and costs nothing."""
    _, verifier = connect(address_book, rpc)
    signer = LocalSigner.from_file(key_file)
    brought = verifier.collateral.publish(signer, read_root(root), _collateral(file))
    if as_json:
        click.echo(json.dumps({"brought": [asdict(one) for one in brought]}, sort_keys=True))
        return
    for one in brought:
        click.echo(f"{one.part}: {one.gas_used:,} gas")
    if not brought:
        click.echo("the contract has all of it already")


@chain_collateral.command()
@click.argument("file", type=click.Path(path_type=Path))
@ROOT_OPTION
@deployment_options
def show(file: Path, *, root: str, address_book: Path, rpc: str, as_json: bool) -> None:
    """Say what the contract has of the platform model, the CA and the root that FILE is about."""
    _, verifier = connect(address_book, rpc)
    stored = {
        kind.name: asdict(value)  # type: ignore[call-overload]
        for kind, value in verifier.collateral.stored_for(read_root(root), _collateral(file)).items()
    }
    if as_json:
        click.echo(json.dumps(stored, sort_keys=True))
        return
    for name, fields in stored.items():
        shown = ", ".join(f"{field} {_shown(field, value)}" for field, value in fields.items())
        click.echo(f"{name}: {shown}")


@click.group("policy")
def chain_policy() -> None:
    """A channel's policy on chain: which enclaves the contract registers there."""


@chain_policy.command("set")
@click.argument("file", type=click.Path(path_type=Path))
@CHANNEL_OPTION
@click.option("--root", "roots", multiple=True, default=("intel",), show_default=True, help="Trust domains.")
@click.option("--workload", "workloads", multiple=True, metavar="HEX", help="Workloads; our vee if left out.")
@click.option(
    "--collateral",
    "collateral_files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Where the advisories of allowed statuses are found.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 90),
    default=DEFAULT_DAYS,
    show_default=True,
    help="Longest registration.",
)
@click.option("--apply", "is_applied", is_flag=True, help="Put the same policy in force that was queued before.")
@KEY_OPTION
@deployment_options
def set_policy(
    file: Path,
    *,
    channel: str,
    roots: Sequence[str],
    workloads: Sequence[str],
    collateral_files: Sequence[Path],
    days: int,
    is_applied: bool,
    key_file: Path,
    address_book: Path,
    rpc: str,
    as_json: bool,
) -> None:
    """Set the channel's first policy from the policy file FILE, or queue the next one; as the channel's manager."""
    contracts, verifier = connect(address_book, rpc)
    signer = LocalSigner.from_file(key_file)
    wanted = [read_hex(text, "--workload") for text in workloads]
    policy = channel_policy(
        parse_policy(read_bounded(file, MAX_POLICY_BYTES)),
        roots=[read_root(root) for root in roots],
        workloads=wanted or [workload_digest(load_guest_bytes("vee"), EngineConfiguration.for_enclave())],
        collateral=[_collateral(path) for path in collateral_files],
        max_registration_s=days * SECONDS_PER_DAY,
    )
    name, referee = read_hex(channel, "--channel"), contracts.referee.address
    if is_applied:
        verb, receipt = "applied", verifier.apply_policy(signer, referee, name, policy)
    elif verifier.policy_of(referee, name).is_set:
        verb, receipt = "queued", verifier.queue_policy(signer, referee, name, policy)
    else:
        verb, receipt = "set", verifier.set_policy(signer, referee, name, policy)
    ready_at = verifier.queued_policy_of(referee, name)[1]
    if as_json:
        value = {"done": verb, "digest": policy.digest.hex(), "gas": receipt.gas_used, "ready_at": ready_at or None}
        click.echo(json.dumps(value, sort_keys=True))
        return
    waits = f"; it can be applied from {moment(ready_at)}" if ready_at else ""
    click.echo(f"policy {policy.digest.hex()} {verb}, {receipt.gas_used:,} gas{waits}")


@chain_policy.command("show")
@CHANNEL_OPTION
@deployment_options
def show_policy(*, channel: str, address_book: Path, rpc: str, as_json: bool) -> None:
    """Say which policy is in force in the channel, and everything that ever happened to it."""
    contracts, verifier = connect(address_book, rpc)
    name = read_hex(channel, "--channel")
    held = verifier.policy_of(contracts.referee.address, name)
    changes = verifier.policy_changes(contracts.referee.address, name)
    value = {
        "version": held.head.version,
        "digest": held.digest.hex() if held.is_set else None,
        "production": held.head.production,
        "max_collateral_age_s": held.head.max_collateral_age_s,
        "min_evaluation_number": held.head.min_evaluation_number,
        "max_registration_s": held.head.max_registration_s,
        "changes": [{"event": change.name, "block": change.block_number} for change in changes],
    }
    if as_json:
        click.echo(json.dumps(value, sort_keys=True))
        return
    if not held.is_set:
        click.echo("no policy: no enclave can be registered in this channel")
    for field, shown in value.items():
        if field != "changes" and held.is_set:
            click.echo(f"{field}: {shown}")
    for change in changes:
        click.echo(f"block {change.block_number}: {change.name}")


def _collateral(path: Path) -> Collateral:
    return parse_collateral(read_bounded(path, MAX_COLLATERAL_BYTES))


def _shown(field: str, value: object) -> str:
    dated = field in {"not_after", "issued_at", "next_update", "this_update"}
    return moment(value) if dated and isinstance(value, int) and value else str(value)
