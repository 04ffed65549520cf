"""``wattest receipt``: verify households' receipts, link by link.

Decided here: how files and an RPC address become a verification, and how its links are shown. The judgement itself is
``wattest.receipt.verify``. Exit codes: 0 every link holds, 4 any failed, 8 some could not be checked (no --rpc), 3 for
a file that is no receipt; with ``--json`` even that prints a verdict (``valid`` false): a script reads one form, where
``valid`` is null if nothing failed and some links were not checked.
Several files get a result each and the worst one's exit code; what they have in common is asked of the chain and
appraised once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wattest.errors import EXIT_DONE, EXIT_INCOMPLETE, EXIT_VERIFICATION, InputError
from wattest.receipt.deployment import MAX_DEPLOYMENT_BYTES, Deployment, parse_deployment
from wattest.receipt.link import Link, LinkStatus
from wattest.receipt.receipt import MAX_RECEIPT_BYTES, Receipt, parse_receipt
from wattest.receipt.verify import ReceiptVerifier, exit_code, is_valid, verify_receipt

if TYPE_CHECKING:
    from wattest.receipt.chain_view import ChainView

_MARKS = {LinkStatus.OK: "✓", LinkStatus.FAILED: "✗", LinkStatus.UNCHECKED: "–"}  # noqa: RUF001 - a dash is what is meant
_COLOURS = {LinkStatus.OK: "green", LinkStatus.FAILED: "red", LinkStatus.UNCHECKED: "yellow"}
_NAME_WIDTH = 18
WORST_FIRST = (EXIT_VERIFICATION, InputError.exit_code, EXIT_INCOMPLETE)
"""Of several receipts' exit codes the first of these that occurs is the command's."""


class ReceiptFileUnreadable(InputError):
    """A file named on the command line that is missing, no file, or too long."""


def verify(files: Sequence[Path], *, address_book: Path, rpc: str | None, as_json: bool) -> int:
    """What ``wattest receipt verify`` does."""
    deployment = read_deployment_file(address_book)
    if len(files) > 1:
        return _verify_many(files, ReceiptVerifier(deployment, open_view(rpc, deployment)), as_json=as_json)
    (file,) = files
    try:
        parsed = read_receipt(file)
    except InputError as error:
        if as_json:
            click.echo(json.dumps(_report([_no_receipt(error)]), indent=2))
        raise
    links = verify_receipt(parsed, deployment, open_view(rpc, deployment))
    if as_json:
        click.echo(json.dumps(_report(links), indent=2))
    else:
        _explain(links)
    return exit_code(links)


def _verify_many(files: Sequence[Path], verifier: ReceiptVerifier, *, as_json: bool) -> int:
    """A result for each file, in their order; one that is no receipt does not keep the others from being judged."""
    reports: list[dict[str, object]] = []
    codes: Counter[int] = Counter()
    for file in files:
        try:
            links = verifier.verify(read_receipt(file))
            code = exit_code(links)
        except InputError as error:
            links, code = [_no_receipt(error)], error.exit_code
        codes[code] += 1
        if as_json:
            reports.append({"file": str(file), "exit_code": code, **_report(links)})
        else:
            _explain_briefly(file, links)
    if as_json:
        click.echo(json.dumps(reports, indent=2))
    else:
        click.echo(f"\n{_in_all(codes)}")
    return next((code for code in WORST_FIRST if codes[code]), EXIT_DONE)


def read_deployment_file(path: Path) -> Deployment:
    """The address book. Raises: ReceiptFileUnreadable; what ``parse_deployment`` raises, with the path."""
    try:
        return parse_deployment(_read(path, MAX_DEPLOYMENT_BYTES + 1, "name the address book: --deployment FILE"))
    except InputError as error:
        error.fields.setdefault("path", str(path))
        raise


def read_receipt(file: Path) -> Receipt:
    """A receipt's file. Raises: ReceiptFileUnreadable; what ``parse_receipt`` raises, with the path."""
    try:
        return parse_receipt(_read(file, MAX_RECEIPT_BYTES))
    except InputError as error:
        error.fields.setdefault("path", str(file))
        raise


def _no_receipt(error: InputError) -> Link:
    return Link("format", LinkStatus.FAILED, error.message)


def open_view(rpc: str | None, deployment: Deployment) -> ChainView | None:
    """The chain behind an RPC address, None without one."""
    if rpc is None:
        return None
    from wattest.chain.view import chain_view

    return chain_view(rpc, deployment)


def _report(links: list[Link]) -> dict[str, object]:
    return {"valid": is_valid(links), "links": [link.as_dict() for link in links]}


def _explain(links: list[Link]) -> None:
    for link in links:
        click.echo(f"{mark(link.status)} {link.name:<{_NAME_WIDTH}} {link.reason}")
    failed = sum(link.status is LinkStatus.FAILED for link in links)
    unchecked = sum(link.status is LinkStatus.UNCHECKED for link in links)
    if failed:
        verdict = f"The receipt does not hold: {failed} of {len(links)} links failed."
    elif unchecked:
        verdict = f"Nothing failed, but {unchecked} of {len(links)} links could not be checked."
    else:
        verdict = f"The receipt holds: all {len(links)} links were checked."
    click.echo(f"\n{verdict}")


def _explain_briefly(file: Path, links: list[Link]) -> None:
    """A line for a receipt, and one under it for each link that does not hold."""
    statuses = {link.status for link in links}
    status = next((one for one in (LinkStatus.FAILED, LinkStatus.UNCHECKED) if one in statuses), LinkStatus.OK)
    held = sum(link.status is LinkStatus.OK for link in links)
    said = f"all {held} links hold" if status is LinkStatus.OK else f"{held} of {len(links)} links hold"
    click.echo(f"{mark(status)} {_printable(str(file))}: {said}")
    for link in links:
        if link.status is not LinkStatus.OK:
            click.echo(f"    {mark(link.status)} {link.name:<{_NAME_WIDTH}} {link.reason}")


def _in_all(codes: Counter[int]) -> str:
    words = {
        EXIT_DONE: "good",
        EXIT_VERIFICATION: "false",
        InputError.exit_code: "no receipt",
        EXIT_INCOMPLETE: "not wholly checked",
    }
    told = ", ".join(f"{codes[code]} {words[code]}" for code in (EXIT_DONE, *WORST_FIRST) if codes[code])
    return f"{codes.total()} files: {told}."


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in text)


def mark(status: LinkStatus) -> str:
    """A status as one character."""
    return click.style(_MARKS[status], fg=_COLOURS[status], bold=True)


def _read(path: Path, limit: int, hint: str = "check the path") -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ReceiptFileUnreadable(f"cannot read {path}: {reason}", hint=hint, path=str(path)) from error
    if len(data) > limit:
        raise ReceiptFileUnreadable(
            f"{path} is longer than {limit} bytes",
            hint="check that this is the right file",
            path=str(path),
            limit=limit,
        )
    return data
