"""``wattest payouts``: a distribution made, funded, looked at and claimed from, by command.

Decided here: a distribution's salt, so that one operator's statements over one channel have one of each manager; that
escrow is brought to an amount, not added to, so that a command repeated pays once. Not decided here: what a
distribution is (``twin.payouts``), when a root is active (``settling.settler``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from wattest.apps.actions.chain_deployment import read_hex
from wattest.apps.actions.receipt_verify import read_receipt
from wattest.apps.address_book import list_distribution
from wattest.apps.key_use import connect_contracts_of, read_address_book, require_money, use_key
from wattest.chain.deploy import Contracts
from wattest.chain.payouts_once import PayoutsOnce
from wattest.crypto.hashing import sha256
from wattest.errors import ConfigError, ProtocolError
from wattest.messages.channel_name import find_channel
from wattest.metering.entry import parse_statement_entry
from wattest.receipt.deployment import Deployment, DistributionEntry
from wattest.twin.payouts import DistributionTerms, distribution_id
from wattest.units import SECONDS_PER_HOUR

_SALT_TAG = b"wattest/distribution-name/1"


class TokenMissing(ConfigError):
    """A deployment without a token: nothing can be paid out."""


class DistributionUnnamed(ConfigError):
    """No distribution, or several, are meant by what was said."""


class DistributionDiffers(ProtocolError):
    """The distribution is there, fixed to something else than what was asked for."""


class TokensShort(ProtocolError):
    """An account that holds fewer tokens than the escrow is to get from it."""


class NothingOwedHere(ProtocolError):
    """A receipt whose bill owes its household nothing."""


class RootNotActive(ProtocolError):
    """A receipt whose payouts cannot be claimed: another root is active, or none is yet."""


def create(
    *, statements: str, metering: str, operator: str, delay_hours: int, address_book: Path, rpc: str, key_file: Path,
    as_json: bool,
) -> None:  # fmt: skip
    """What ``wattest payouts create`` does."""
    book = read_address_book(address_book)
    if not any(book.token):
        raise TokenMissing("the deployment names no token that could pay", hint="deploy one: --demo-token CENTS")
    statement_channel, metering_channel = find_channel(book.channels, statements), find_channel(book.channels, metering)
    account = read_hex(operator, "--operator", 20)
    salt = sha256(_SALT_TAG + statement_channel.id + metering_channel.id + account)
    with use_key(key_file, book.genesis_hash) as key:
        contracts = connect_contracts_of(book, rpc, key.journal)
        identifier = distribution_id(key.signer.address, salt)
        terms = DistributionTerms(
            account, key.signer.address, book.token, book.referee, statement_channel.id, account,
            delay_hours * SECONDS_PER_HOUR, (metering_channel.id,), (),
        )  # fmt: skip
        held = _terms_of(contracts, identifier)
        if held is None:
            require_money(contracts.client, key.signer.address)
            once = PayoutsOnce(contracts.payouts, contracts.token, key.signer, key.done)
            once.create_distribution(identifier, salt, terms)
        elif held != terms:
            raise DistributionDiffers(
                "the distribution is there already, with another delay",
                distribution=identifier,
                expected=held.activation_delay_s,
                actual=terms.activation_delay_s,
                hint="ask for what it has: --delay-hours",
            )
    entry = DistributionEntry(identifier, statement_channel.id, account, (metering_channel.id,))
    list_distribution(address_book, entry)
    if as_json:
        click.echo(json.dumps({"distribution": identifier.hex(), "created": held is None}))
        return
    done = "created" if held is None else "exists already; nothing was sent"
    click.echo(f"distribution {done}: {identifier.hex()}")
    click.echo(f"{address_book} names it now: operators and households need it", err=True)


def fund(*, amount: int, distribution: str | None, address_book: Path, rpc: str, key_file: Path, as_json: bool) -> None:
    """What ``wattest payouts fund`` does."""
    book = read_address_book(address_book)
    entry = _meant(book, distribution)
    with use_key(key_file, book.genesis_hash) as key:
        contracts = connect_contracts_of(book, rpc, key.journal)
        account = contracts.payouts.account_of(entry.id)
        held = account.funded_amount - account.reclaimed_amount
        missing = max(0, amount - held)
        if missing:
            tokens = contracts.token.balance_of(key.signer.address)
            if tokens < missing:
                raise TokensShort(
                    "the account has too few tokens",
                    account=key.signer.address,
                    expected=missing,
                    actual=tokens,
                    hint="send it tokens first; with `wattest deploy --demo-token` the deployer has them all",
                )
            require_money(contracts.client, key.signer.address)
            once = PayoutsOnce(contracts.payouts, contracts.token, key.signer, key.done)
            once.fund(entry.id, account.funded_amount, missing)
    if as_json:
        click.echo(json.dumps({"distribution": entry.id.hex(), "added": missing, "escrow": held + missing}))
        return
    new = f", of it {missing} new" if missing else ": it was there; nothing was sent"
    click.echo(f"escrow {held + missing}{new}")


def show(*, address_book: Path, rpc: str, as_json: bool) -> None:
    """What ``wattest payouts show`` does."""
    book = read_address_book(address_book)
    contracts = connect_contracts_of(book, rpc)
    found = []
    for entry in book.distributions:
        account, pending = contracts.payouts.account_of(entry.id), contracts.payouts.pending_root_of(entry.id)
        found.append(
            {
                "distribution": entry.id.hex(),
                "statement_channel": entry.statement_channel.hex(),
                "metering_channels": [one.hex() for one in entry.metering_channels],
                "operator": "0x" + entry.statement_operator.hex(),
                "escrow": account.funded_amount - account.reclaimed_amount,
                "paid": account.paid_amount,
                "promised": account.active_total,
                "active_statement": account.active_sequence or None,
                "waiting_statement": pending.sequence or None,
                "waiting_total": pending.total if pending.sequence else None,
                "waiting_until": pending.activatable_at or None,
            }
        )
    if as_json:
        click.echo(json.dumps({"distributions": found}))
        return
    for one in found:
        sums = ", ".join(f"{name} {one[name]}" for name in ("escrow", "promised", "paid"))
        click.echo(f"distribution {one['distribution']}: {sums}")
        if one["waiting_statement"] is not None:
            click.echo(f"  the root of statement {one['waiting_statement']} waits, {one['waiting_total']} in all")
    if not found:
        click.echo("the address book names no distribution")


def claim(files: Sequence[Path], *, address_book: Path, rpc: str, key_file: Path, as_json: bool) -> None:
    """What ``wattest payouts claim`` does."""
    book = read_address_book(address_book)
    results = []
    with use_key(key_file, book.genesis_hash) as key:
        contracts = connect_contracts_of(book, rpc, key.journal)
        once = PayoutsOnce(contracts.payouts, contracts.token, key.signer, key.done)
        for file in files:
            results.append({"file": str(file)} | _claim_one(file, book, contracts, once))
    if as_json:
        click.echo(json.dumps({"claims": results}))
        return
    for one in results:
        paid = f"{one['paid']} paid to {one['account']}" if one["paid"] else f"{one['account']} was paid before"
        click.echo(f"{one['file']}: {paid}")


def _claim_one(file: Path, book: Deployment, contracts: Contracts, once: PayoutsOnce) -> dict[str, object]:
    receipt = read_receipt(file)
    payout, header = receipt.payout, receipt.statement.header
    if payout is None:
        raise NothingOwedHere("the bill owes its household nothing: there is nothing to claim", path=file)
    entry = book.distribution(header.channel, header.operator, receipt.days[0].header.channel)
    if entry is None:
        raise DistributionUnnamed(
            "the address book names no distribution for this receipt", path=file, hint="get deployment.json again"
        )
    account = contracts.payouts.account_of(entry.id)
    if account.active_root != payout.root:
        is_older = account.active_sequence > header.sequence
        raise RootNotActive(
            "a later period's payouts are active" if is_older else "the payouts of this receipt are not active yet",
            path=file,
            expected=header.sequence,
            actual=account.active_sequence,
            hint="claim with the newest receipt: amounts are of all periods together"
            if is_older
            else "see what they wait for: wattest payouts show, wattest settle --status",
        )
    before = contracts.payouts.paid_to(entry.id, payout.account)
    if before < payout.amount:
        require_money(contracts.client, once.signer.address)
        once.claim(
            entry.id, payout.account, payout.amount, payout.leaf_salt, payout.leaf_index,
            parse_statement_entry(payout.entry).count, payout.leaf_path,
        )  # fmt: skip
    return {"account": "0x" + payout.account.hex(), "paid": max(0, payout.amount - before)}


def _meant(book: Deployment, distribution: str | None) -> DistributionEntry:
    known = list(book.distributions)
    if distribution is not None:
        wanted = read_hex(distribution, "--distribution")
        known = [one for one in known if one.id == wanted]
    if len(known) != 1:
        raise DistributionUnnamed(
            "several distributions are named" if known else "the address book names no such distribution",
            expected=[one.id.hex() for one in book.distributions],
            actual=distribution,
            hint="name one with --distribution, or make one: wattest payouts create",
        )
    return known[0]


def _terms_of(contracts: Contracts, distribution: bytes) -> DistributionTerms | None:
    held = contracts.payouts.terms_of(distribution)
    return held if any(held.poster) else None
