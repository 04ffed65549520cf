"""``wattest receipt issue``: write the receipts of a settled period into files.

Decided here: which settlement is meant, the files' names, and that a run which was interrupted goes on: a file that is
there is kept if it is of that settlement, and never overwritten. Not decided here: what a receipt holds
(``settling.receipt_issue``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import click

from wattest.apps.actions.bounded_file import read_bounded
from wattest.apps.actions.operator_keys import MAX_POLICY_BYTES, connect_contracts
from wattest.apps.actions.settle import NothingSettledHere
from wattest.apps.households import read_all_households, read_household
from wattest.apps.production_files import open_operator_file
from wattest.apps.terminal import Progress
from wattest.attestation.appraisal_policy import parse_policy
from wattest.chain.client import MemoryJournal
from wattest.errors import ConfigError, InputError
from wattest.io.files import DiskFailed, write_atomically
from wattest.receipt.receipt import MAX_RECEIPT_BYTES, parse_receipt
from wattest.settling.billing_period import BillingPeriod, local_date
from wattest.settling.receipt_issue import HomeKeys, ReceiptIssuer, require_settled
from wattest.settling.registration_parts import registration_parts
from wattest.store.settlement import Settlement

_UNSAFE = re.compile(r"[^a-z0-9._-]+", re.ASCII)


class SettlementUnknown(ConfigError):
    """No settlement, or several, are meant by what was said."""


class ReceiptFileTaken(ConfigError):
    """A file where a receipt is to be written is another one's."""


class PolicyNotText(InputError):
    """A policy file that is no UTF-8 text."""


def issue(
    config_path: Path,
    *,
    folders: Sequence[Path],
    members: Path | None,
    reader_key: Path | None,
    period: BillingPeriod | None,
    statement: int | None,
    policies: Sequence[Path],
    out: Path,
    as_json: bool,
) -> None:
    """What ``wattest receipt issue`` does."""
    if bool(folders) == (members is not None) or (members is None) != (reader_key is None):
        raise click.UsageError("name households' folders, or --members and --reader-key")
    settings, _ = open_operator_file(config_path)
    texts = _policy_texts(policies)
    if members is not None and reader_key is not None:
        homes = read_all_households(members, reader_key, settings.duties)
    else:
        homes = [read_household(folder) for folder in folders]
    if not settings.data.has_tables:
        raise NothingSettledHere("no operator has run here yet", path=settings.data_dir)
    contracts = connect_contracts(settings, MemoryJournal())
    view = settings.data.view()
    try:
        settlement = _meant(view.settlements.all(), period, statement)
        require_settled(settlement)
        parts = registration_parts(
            settlement, view, contracts.registry, contracts.referee.domain, texts,
            is_by_quote=settings.deployment.is_judged_by_quote,
        )  # fmt: skip
        issuer = ReceiptIssuer(settlement, view, settings.data.open_bundles(), contracts.referee.domain, parts)
        written, kept = _write(issuer, settlement, homes, _folder(out))
    finally:
        view.close()
    if as_json:
        shown = {"statement": settlement.sequence, "written": list(map(str, written)), "kept": list(map(str, kept))}
        click.echo(json.dumps(shown))
        return
    click.echo(f"{len(written)} receipts written to {out}" + (f", {len(kept)} were there" if kept else ""))


def _write(
    issuer: ReceiptIssuer, settlement: Settlement, homes: Sequence[HomeKeys], out: Path
) -> tuple[list[Path], list[Path]]:
    written: list[Path] = []
    kept: list[Path] = []
    paths = [out / _file_name(home.name, settlement) for home in homes]
    twice = {path for path in paths if paths.count(path) > 1}
    if twice:
        raise ReceiptFileTaken("two households' receipts would have one name", path=sorted(twice)[0])
    with Progress() as progress:
        for number, (home, path) in enumerate(zip(homes, paths, strict=True), start=1):
            progress.tell("receipts", number - 1, len(homes))
            if path.exists():
                _require_same(path, home, settlement)
                kept.append(path)
                continue
            write_atomically(path, issuer.issue(home).to_bytes(), mode=0o600)
            written.append(path)
        progress.tell("receipts", len(homes), len(homes))
    return written, kept


def _require_same(path: Path, home: HomeKeys, settlement: Settlement) -> None:
    try:
        known = parse_receipt(read_bounded(path, MAX_RECEIPT_BYTES))
        header = known.statement.header
        is_same = (header.channel, header.sequence, known.public_key) == (
            settlement.statement_channel,
            settlement.sequence,
            home.public_key,
        )
    except InputError:
        is_same = False
    if not is_same:
        raise ReceiptFileTaken(
            "a file that is no receipt of this household and period is where it would be written",
            path=path,
            household=home.name,
            hint="name another folder with --out, or move the file away",
        )


def _file_name(name: str, settlement: Settlement) -> str:
    plain = _UNSAFE.sub("-", name.lower()).strip(".-") or "household"
    return f"{plain}-{local_date(settlement.period_start, settlement.zone)}.json"


def _meant(known: Sequence[Settlement], period: BillingPeriod | None, statement: int | None) -> Settlement:
    """The settlement of a statement's sequence, or of a period; the newest when neither is said."""
    found = list(known)
    if statement is not None:
        found = [one for one in found if one.sequence == statement]
    elif period is not None:
        found = [one for one in found if period.start <= (one.period_start + one.period_end) // 2 < period.end]
    else:
        found = found[-1:]
    if len(found) != 1:
        raise SettlementUnknown(
            "several settlements are meant" if found else "no such settlement",
            expected=[one.sequence for one in known],
            hint="see what is settled: wattest settle --status; and name one: --statement N",
        )
    return found[0]


def _policy_texts(paths: Sequence[Path]) -> dict[bytes, str]:
    texts = {}
    for path in paths:
        data = read_bounded(path, MAX_POLICY_BYTES)
        try:
            texts[parse_policy(data).digest] = data.decode()
        except UnicodeDecodeError as error:
            raise PolicyNotText("a policy is UTF-8 text", path=path) from error
    return texts


def _folder(out: Path) -> Path:
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DiskFailed(
            f"the folder for receipts cannot be made: {error.strerror}",
            retryable=False,
            path=out,
            hint="name another one with --out",
        ) from error
    return out
