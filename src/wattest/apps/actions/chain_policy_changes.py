"""``wattest chain policy withdraw``, ``tighten``, ``apply`` and ``cancel``: a manager's changes of a policy on chain.

Decided here: what is asked for, what is printed. Not decided here: what the policy has (``chain.channel_policy_log``),
who may change it (the contract). Invariant: nothing here loosens a policy but ``apply``, whose wait the contract keeps.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from wattest.apps.actions.chain_deployment import connect, read_channel, read_hex
from wattest.chain.channel_policy_log import logged_policy_in_force, logged_queued_policy
from wattest.chain.client import Receipt
from wattest.chain.dcap_verifier import DcapVerifier
from wattest.chain.signers import open_signer
from wattest.errors import InputError, ProtocolError
from wattest.messages.channel_policy import ChannelPolicy, TcbStatus
from wattest.twin.dcap_errors import PolicyMissing, PolicyNotQueued
from wattest.units import SECONDS_PER_DAY


class WithdrawalAmbiguous(InputError):
    """Not exactly one of the options that say what is withdrawn."""


class NothingToTighten(InputError):
    """No limit is given."""


class NothingToWithdraw(ProtocolError):
    """The policy in force has no entry of that name."""


@dataclass(frozen=True, slots=True)
class _Entry:
    what: str
    send: Callable[[], Receipt]


def withdraw(
    *,
    channel: str,
    measurement: str | None,
    signer: str | None,
    workload: str | None,
    status: str | None,
    platform: str | None,
    key_file: Path,
    address_book: Path,
    rpc: str,
    as_json: bool,
) -> None:
    """What ``wattest chain policy withdraw`` does."""
    if sum(one is not None for one in (measurement, signer, status, platform)) != 1:
        raise WithdrawalAmbiguous("give one of --measurement, --signer, --status, --platform")
    if workload is not None and measurement is None and signer is None:
        raise WithdrawalAmbiguous("--workload narrows --measurement or --signer")
    contracts, verifier = connect(address_book, rpc)
    manager, name = open_signer(key_file), read_channel(channel, address_book)
    referee = contracts.referee.address
    policy = _in_force(verifier, referee, name)
    wanted = None if workload is None else read_hex(workload, "--workload")
    entries: list[_Entry]
    if status is not None:
        entries = [
            _Entry(
                f"status {one.status.name}, advisories {one.advisories.hex()}",
                partial(verifier.withdraw_status, manager, referee, name, one),
            )
            for one in policy.statuses
            if one.status is TcbStatus[status]
        ]
    elif platform is not None:
        one_platform = read_hex(platform, "--platform")
        entries = [
            _Entry(
                f"platform {one_platform.hex()}",
                lambda: verifier.withdraw_platform(manager, referee, name, one_platform),
            )
            for one in policy.platforms
            if one == one_platform
        ]
    else:
        field, text = ("measurement", measurement) if measurement is not None else ("signer", signer)
        enclave = read_hex(str(text), f"--{field}")
        entries = [
            _Entry(
                f"{field} {enclave.hex()}, root {one.root.hex()}, workload {one.workload.hex()}",
                partial(verifier.withdraw_reference, manager, referee, name, one),
            )
            for one in policy.references
            if getattr(one, field) == enclave and wanted in {None, one.workload}
        ]
    if not entries:
        raise NothingToWithdraw(
            "the policy in force has no such entry",
            references=len(policy.references),
            statuses=sorted({one.status.name for one in policy.statuses}),
            platforms=len(policy.platforms),
            hint="wattest chain policy show says what it has",
        )
    done = [{"entry": entry.what, "gas": entry.send().gas_used} for entry in entries]
    if as_json:
        click.echo(json.dumps({"withdrawn": done}, sort_keys=True))
        return
    for each in done:
        click.echo(f"withdrawn: {each['entry']}; {each['gas']:,} gas")


def tighten(
    *,
    channel: str,
    collateral_days: int | None,
    evaluation_number: int | None,
    days: int | None,
    key_file: Path,
    address_book: Path,
    rpc: str,
    as_json: bool,
) -> None:
    """What ``wattest chain policy tighten`` does."""
    if collateral_days is None and evaluation_number is None and days is None:
        raise NothingToTighten("give --collateral-days, --evaluation-number or --days")
    contracts, verifier = connect(address_book, rpc)
    manager, name = open_signer(key_file), read_channel(channel, address_book)
    referee = contracts.referee.address
    head = verifier.policy_of(referee, name).head
    age_s = head.max_collateral_age_s if collateral_days is None else collateral_days * SECONDS_PER_DAY
    number = head.min_evaluation_number if evaluation_number is None else evaluation_number
    longest_s = head.max_registration_s if days is None else days * SECONDS_PER_DAY
    receipt = verifier.tighten_limits(
        manager,
        referee,
        name,
        max_collateral_age_s=age_s,
        min_evaluation_number=number,
        max_registration_s=longest_s,
    )
    value = {
        "max_collateral_age_s": age_s,
        "min_evaluation_number": number,
        "max_registration_s": longest_s,
        "gas": receipt.gas_used,
    }
    if as_json:
        click.echo(json.dumps(value, sort_keys=True))
        return
    for field, shown in value.items():
        click.echo(f"{field}: {shown:,}")


def apply_policy(*, channel: str, key_file: Path, address_book: Path, rpc: str, as_json: bool) -> None:
    """What ``wattest chain policy apply`` does."""
    contracts, verifier = connect(address_book, rpc)
    manager, name = open_signer(key_file), read_channel(channel, address_book)
    referee = contracts.referee.address
    queued = logged_queued_policy(verifier.policy_changes(referee, name))
    if queued is None:
        raise PolicyNotQueued()
    _say("applied", queued, verifier.apply_policy(manager, referee, name, queued), as_json)


def cancel(*, channel: str, key_file: Path, address_book: Path, rpc: str, as_json: bool) -> None:
    """What ``wattest chain policy cancel`` does."""
    contracts, verifier = connect(address_book, rpc)
    manager, name = open_signer(key_file), read_channel(channel, address_book)
    referee = contracts.referee.address
    queued = logged_queued_policy(verifier.policy_changes(referee, name))
    if queued is None:
        raise PolicyNotQueued()
    _say("cancelled", queued, verifier.cancel_policy(manager, referee, name), as_json)


def _in_force(verifier: DcapVerifier, referee: bytes, channel: bytes) -> ChannelPolicy:
    policy = logged_policy_in_force(verifier.policy_changes(referee, channel))
    if policy is None:
        raise PolicyMissing(referee, channel)
    return policy


def _say(verb: str, policy: ChannelPolicy, receipt: Receipt, as_json: bool) -> None:
    if as_json:
        value = {"done": verb, "digest": policy.digest.hex(), "gas": receipt.gas_used}
        click.echo(json.dumps(value, sort_keys=True))
        return
    click.echo(f"policy {policy.digest.hex()} {verb}, {receipt.gas_used:,} gas")
