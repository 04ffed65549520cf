"""``wattest receipt``: verify a household's receipt, link by link.

Decided here: how files and an RPC address become a verification, and how its links are shown. The judgement itself is
``wattest.receipt.verify``. Exit codes: 0 every link holds, 4 any failed, 8 some could not be checked (no --rpc), 3 for
a file that is no receipt; with ``--json`` even that prints a verdict (``valid`` false): a script reads one form.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from wattest.errors import EXIT_DONE, InputError
from wattest.receipt.chain_view import ChainView
from wattest.receipt.deployment import MAX_DEPLOYMENT_BYTES, Deployment, parse_deployment
from wattest.receipt.link import Link, LinkStatus
from wattest.receipt.receipt import MAX_RECEIPT_BYTES, parse_receipt
from wattest.receipt.verify import exit_code, verify_receipt

_MARKS = {LinkStatus.OK: "✓", LinkStatus.FAILED: "✗", LinkStatus.UNCHECKED: "–"}  # noqa: RUF001 - a dash is what is meant
_COLOURS = {LinkStatus.OK: "green", LinkStatus.FAILED: "red", LinkStatus.UNCHECKED: "yellow"}
_NAME_WIDTH = 18


class ReceiptFileUnreadable(InputError):
    """A file named on the command line that is missing, no file, or too long."""


def verify(file: Path, *, address_book: Path, rpc: str | None, as_json: bool) -> int:
    """What ``wattest receipt verify`` does."""
    try:
        deployment = parse_deployment(_read(address_book, MAX_DEPLOYMENT_BYTES + 1))
    except InputError as error:
        error.fields.setdefault("path", str(address_book))
        raise
    try:
        parsed = parse_receipt(_read(file, MAX_RECEIPT_BYTES))
    except InputError as error:
        error.fields.setdefault("path", str(file))
        if as_json:
            click.echo(json.dumps(_report([Link("format", LinkStatus.FAILED, error.message)]), indent=2))
        raise
    links = verify_receipt(parsed, deployment, _view(rpc, deployment))
    if as_json:
        click.echo(json.dumps(_report(links), indent=2))
    else:
        _explain(links)
    return exit_code(links)


def _view(rpc: str | None, deployment: Deployment) -> ChainView | None:
    if rpc is None:
        return None
    from wattest.chain.view import chain_view

    return chain_view(rpc, deployment)


def _report(links: list[Link]) -> dict[str, object]:
    return {"valid": exit_code(links) == EXIT_DONE, "links": [link.as_dict() for link in links]}


def _explain(links: list[Link]) -> None:
    for link in links:
        mark = click.style(_MARKS[link.status], fg=_COLOURS[link.status], bold=True)
        click.echo(f"{mark} {link.name:<{_NAME_WIDTH}} {link.reason}")
    failed = sum(link.status is LinkStatus.FAILED for link in links)
    unchecked = sum(link.status is LinkStatus.UNCHECKED for link in links)
    if failed:
        verdict = f"The receipt does not hold: {failed} of {len(links)} links failed."
    elif unchecked:
        verdict = f"Nothing failed, but {unchecked} of {len(links)} links could not be checked."
    else:
        verdict = f"The receipt holds: all {len(links)} links were checked."
    click.echo(f"\n{verdict}")


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ReceiptFileUnreadable(f"cannot read {path}: {reason}", hint="check the path", path=str(path)) from error
    if len(data) > limit:
        raise ReceiptFileUnreadable(
            f"{path} is longer than {limit} bytes",
            hint="check that this is the right file",
            path=str(path),
            limit=limit,
        )
    return data
