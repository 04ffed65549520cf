"""``wattest chain collateral`` and ``wattest chain policy``: what a contract needs to judge quotes without appraisers.

Decided here: what is asked for, what is printed. Not decided here: how collateral is brought
(``chain.collateral_registry``), what a policy becomes on chain (``attestation.policy_for_chain``), who may do it (the
contract).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from wattest.apps.actions.attest_roots import read_root
from wattest.apps.actions.bounded_file import read_bounded
from wattest.apps.actions.chain_deployment import connect, moment, read_channel, read_hex
from wattest.apps.actions.evidence_files import read_collateral
from wattest.apps.key_use import read_address_book
from wattest.apps.terminal import Progress
from wattest.attestation.appraisal_policy import MAX_POLICY_BYTES, parse_policy
from wattest.attestation.policy_for_chain import channel_policy
from wattest.chain.signers import open_signer
from wattest.messages.channel import ChannelKind
from wattest.units import SECONDS_PER_DAY
from wattest.workload.configuration import EngineConfiguration
from wattest.workload.engine import workload_digest
from wattest.workload.guests import load_guest_bytes


def publish(file: Path, *, root: str, key_file: Path, address_book: Path, rpc: str, as_json: bool) -> None:
    """What ``wattest chain collateral publish`` does."""
    _, verifier = connect(address_book, rpc)
    signer = open_signer(key_file)
    collateral, trusted = read_collateral(file).collateral, read_root(root)
    with Progress() as progress:
        brought = verifier.collateral.publish(signer, trusted, collateral, progress.say)
    if as_json:
        click.echo(json.dumps({"brought": [asdict(one) for one in brought]}, sort_keys=True))
        return
    for one in brought:
        click.echo(f"{one.part}: {one.gas_used:,} gas")
    if not brought:
        click.echo("the contract has all of it already")


def show(file: Path, *, root: str, address_book: Path, rpc: str, as_json: bool) -> None:
    """What ``wattest chain collateral show`` does."""
    _, verifier = connect(address_book, rpc)
    stored = {
        kind.name: asdict(value)  # type: ignore[call-overload]
        for kind, value in verifier.collateral.stored_for(read_root(root), read_collateral(file).collateral).items()
    }
    if as_json:
        click.echo(json.dumps(stored, sort_keys=True))
        return
    for name, fields in stored.items():
        shown = ", ".join(f"{field} {_shown(field, value)}" for field, value in fields.items())
        click.echo(f"{name}: {shown}")


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
    """What ``wattest chain policy set`` does."""
    contracts, verifier = connect(address_book, rpc)
    signer = open_signer(key_file)
    wanted = [read_hex(text, "--workload") for text in workloads]
    policy = channel_policy(
        parse_policy(read_bounded(file, MAX_POLICY_BYTES)),
        roots=[read_root(root) for root in roots],
        workloads=wanted or _workloads(channel, address_book),
        collateral=[read_collateral(path).collateral for path in collateral_files],
        max_registration_s=days * SECONDS_PER_DAY,
    )
    name, referee = read_channel(channel, address_book), contracts.referee.address
    held = verifier.policy_of(referee, name)
    if held.is_set and held.digest == policy.digest and not is_applied:
        verb, gas = "held", 0
    elif is_applied:
        verb, gas = "applied", verifier.apply_policy(signer, referee, name, policy).gas_used
    elif held.is_set:
        verb, gas = "queued", verifier.queue_policy(signer, referee, name, policy).gas_used
    else:
        verb, gas = "set", verifier.set_policy(signer, referee, name, policy).gas_used
    ready_at = verifier.queued_policy_of(referee, name)[1]
    if as_json:
        value = {"done": verb, "digest": policy.digest.hex(), "gas": gas, "ready_at": ready_at or None}
        click.echo(json.dumps(value, sort_keys=True))
        return
    waits = f"; it can be applied from {moment(ready_at)}" if ready_at else ""
    click.echo(f"policy {policy.digest.hex()} {'in force already' if verb == 'held' else verb}, {gas:,} gas{waits}")


def show_policy(*, channel: str, address_book: Path, rpc: str, as_json: bool) -> None:
    """What ``wattest chain policy show`` does."""
    contracts, verifier = connect(address_book, rpc)
    name = read_channel(channel, address_book)
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


def _shown(field: str, value: object) -> str:
    dated = field in {"not_after", "issued_at", "next_update", "this_update"}
    return moment(value) if dated and isinstance(value, int) and value else str(value)


def _workloads(channel: str, address_book: Path) -> list[bytes]:
    """What this program's enclave runs in the channel: editing, and in an open one settling, too."""
    listed = read_address_book(address_book).channel(read_channel(channel, address_book))
    is_open = listed is not None and listed.kind is ChannelKind.OPEN
    form = EngineConfiguration.for_enclave()
    return [workload_digest(load_guest_bytes(guest), form) for guest in (("vee", "settle") if is_open else ("vee",))]
