"""``wattest receipt show``: a receipt as its household reads it.

Decided here: what is shown of a file, and that what nobody checked is said so. Not decided here: the words
(``apps.receipt_words``), the judgement (``receipt.verify``). Exit codes: as ``receipt verify``; without an address book
nothing is checked, which is 8.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from wattest.apps.actions.bounded_file import read_bounded
from wattest.apps.actions.receipt_verify import mark, open_view, read_deployment_file, read_receipt
from wattest.apps.receipt_words import link_sentence, receipt_json, receipt_lines
from wattest.errors import EXIT_INCOMPLETE
from wattest.messages.member_file import MAX_CARD_BYTES, MAX_MEMBER_FILE_BYTES, parse_member_card, parse_member_file
from wattest.receipt.link import Link
from wattest.receipt.receipt import Receipt
from wattest.receipt.verify import exit_code, is_valid, verify_receipt
from wattest.settling.billing_period import read_zone

CARD = "member.toml"


def show(
    file: Path, *, address_book: Path | None, rpc: str | None, members: Path | None, zone: str, as_json: bool
) -> int:
    """What ``wattest receipt show`` does."""
    if rpc is not None and address_book is None:
        raise click.UsageError("--rpc needs the address book, too: --deployment FILE")
    read_zone(zone)
    receipt = read_receipt(file)
    name = None if members is None else _name(receipt, members)
    links: list[Link] = []
    if address_book is not None:
        deployment = read_deployment_file(address_book)
        links = verify_receipt(receipt, deployment, open_view(rpc, deployment))
    if as_json:
        judged = {
            "valid": is_valid(links),
            "links": [{**one.as_dict(), "meaning": link_sentence(one)} for one in links],
        }
        click.echo(json.dumps(receipt_json(receipt, name, zone) | judged, indent=2))
    else:
        for line in receipt_lines(receipt, name, zone):
            click.echo(line)
        _judged(links)
    return exit_code(links) if links else EXIT_INCOMPLETE


def _judged(links: list[Link]) -> None:
    click.echo()
    if not links:
        click.echo("Nothing of this was checked: give the address book and a node, --deployment FILE --rpc URL.")
        return
    for link in links:
        click.echo(f"{mark(link.status)} {link_sentence(link)}")
    said = {
        True: "All of it was checked, and holds.",
        False: "THIS BILL DOES NOT HOLD. Show it to somebody who can help: wattest receipt verify has the reasons.",
        None: "Nothing is wrong with what was checked. For the rest a node of the chain is needed: --rpc URL.",
    }
    click.echo(f"\n{said[is_valid(links)]}")


def _name(receipt: Receipt, path: Path) -> str | None:
    """What a member file, or a household's folder or card, calls the meter; None where it has another one."""
    if path.is_dir() or path.name == CARD:
        card = parse_member_card(read_bounded(path / CARD if path.is_dir() else path, MAX_CARD_BYTES))
        return card.name if card.member.public_key == receipt.public_key else None
    found = parse_member_file(read_bounded(path, MAX_MEMBER_FILE_BYTES)).named(receipt.public_key)
    return None if found is None else found.name
