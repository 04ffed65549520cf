"""The links from the readings to the bill, and from the bill to the payout.

Decided here: what a statement must have been computed from, that the bill follows from the household's own readings,
and that what it is owed lies under the root that the statement names. Not decided here: the bill's rules
(``settlement``). What a receipt cannot show: the other households' readings; that the shares are right rests on the
enclave, and on the watchers who see them all.
Source: docs/spec/receipt.md, section "Links".
"""

from __future__ import annotations

import numpy as np

from wattest.crypto.hashing import sha256
from wattest.merkle import InclusionProof, leaf_hash, verify_inclusion
from wattest.messages.channel import ChannelKind
from wattest.messages.fields import WORD
from wattest.metering.entry import EntryKind, StatementEntry, parse_statement_entry
from wattest.metering.meter import statement_job_id
from wattest.metering.series_block import parse_series_block, verify_series_block
from wattest.receipt.deployment import Deployment, DistributionEntry
from wattest.receipt.link import LinkBroken, LinkUnchecked, require
from wattest.receipt.metering_links import blocks_of, known_workload, verify_placed
from wattest.receipt.receipt import PayoutPart, Receipt
from wattest.sealing.edited_series import GRID_S
from wattest.sealing.statement_block import (
    STATEMENT_INPUT_TAG,
    citations_root,
    payout_job_id,
    payout_leaf,
    payout_result,
)
from wattest.settlement.bill import Bill, parse_bill, verify_bill
from wattest.settlement.tariff import parse_tariff

MAX_INTERVALS = 2**17


def statement_entry(receipt: Receipt) -> tuple[StatementEntry, bytes, bytes]:
    """The statement's entry, the bill's bytes and the input description, as its block holds them.

    Raises: the metering room's errors; LinkBroken for a block that is no statement.
    """
    block = parse_series_block(receipt.statement.block)
    if not isinstance(block.entry, StatementEntry) or block.entry.kind != EntryKind.STATEMENT:
        raise LinkBroken("the statement's block is no statement", actual=int(block.entry.kind))
    if block.previous is not None:
        raise LinkBroken("a statement continues from no meter state")
    return block.entry, block.result, block.source


def check_statement(receipt: Receipt, deployment: Deployment) -> str:
    """The statement was computed from exactly these days, for this household, and lies in its batch."""
    part, header = receipt.statement, receipt.statement.header
    entry, _, source = statement_entry(receipt)
    verify_series_block(parse_series_block(part.block), part.series_key)
    identity = deployment.channel(header.channel)
    if identity is None or identity.kind is not ChannelKind.OPEN:
        raise LinkBroken("the statement is of no statement channel of this deployment", actual=header.channel)
    distribution_of(receipt, deployment)
    span = receipt.days[0].header.period_start, receipt.days[-1].header.period_end
    require("the statement's batch is of another period", span, (header.period_start, header.period_end))
    require("the statement is of another period", span, (entry.period_start, entry.period_end))
    job_id = statement_job_id(receipt.meter_key, header.channel, header.period_start)
    require("the statement is another household's", job_id, entry.job_id)
    digests = [day.header.digest(deployment.referee_domain) for day in receipt.days]
    require("the statement cites other batches", citations_root(digests), header.inputs)
    cited = [(digest, day.index) for digest, day in zip(digests, receipt.days, strict=True)]
    require("the statement was computed from other entries", _described(part.tariff, source, cited), source)
    verify_placed(part, entry.pack())
    if header.workload != known_workload("settle"):
        raise LinkUnchecked(
            f"the bill was computed by a workload that this version does not ship: {header.workload.hex()[:16]}..."
        )
    return f"computed from the {len(cited)} entries above, and found in its batch"


def check_bill(receipt: Receipt) -> str:
    """Every line of the bill follows from the household's own readings and the tariff."""
    entry, data, _ = statement_entry(receipt)
    bill = parse_bill(data)
    header = receipt.statement.header
    require("the bill is another household's", entry.job_id, bill.job_id)
    require(
        "the bill is of another period", (header.period_start, header.period_end), (bill.period_start, bill.period_end)
    )
    require("the bill has other intervals than the readings", GRID_S, bill.interval_s)
    require("the entry counts other intervals", len(bill.shared), entry.count)
    imports, exports = own_energy(receipt)
    tariff = parse_tariff(receipt.statement.tariff)
    verify_bill(bill, imports, exports, tariff)
    return f"{len(bill.lines)} lines over {len(imports)} intervals add up to {_money(bill.total_cents)}"


def own_energy(receipt: Receipt) -> tuple[list[int], list[int]]:
    """The household's import and export per quarter hour of the period, milliwatt-hours; zero where data is absent.

    Raises: LinkBroken for a record off the grid or outside the period.
    """
    start, end = receipt.days[0].header.period_start, receipt.days[-1].header.period_end
    count, rest = divmod(end - start, GRID_S)
    if rest or not 0 < count <= MAX_INTERVALS:
        raise LinkBroken("the period is no whole number of quarter hours", expected=GRID_S, actual=end - start)
    imports, exports = np.zeros(count, dtype=np.uint64), np.zeros(count, dtype=np.uint64)
    for block in blocks_of(receipt):
        records = block.records
        cells, offsets = np.divmod(records["start"].astype(np.int64) - start, GRID_S)
        on_grid = (offsets == 0) & (records["duration_s"] == GRID_S) & (cells >= 0) & (cells < count)
        if not bool(on_grid.all()):
            raise LinkBroken("a record does not lie on the quarter-hour grid", record=int(np.argmin(on_grid)))
        imports[cells] = records["import_milliwatt_hours"]
        exports[cells] = records["export_milliwatt_hours"]
    return [int(value) for value in imports], [int(value) for value in exports]


def check_payout(receipt: Receipt) -> str:
    """What the bill says the household is owed lies under the root that the statement's payout entry names."""
    bill = _bill(receipt)
    payout = receipt.payout
    if bill.total_cents >= 0:
        if payout is not None:
            raise LinkBroken("a payout is shown, but the bill owes the household nothing")
        return "nothing is owed to the household"
    if payout is None:
        raise LinkBroken("the household is owed money, but no payout is shown", actual=_money(bill.total_cents))
    header = receipt.statement.header
    entry = parse_statement_entry(payout.entry)
    require("the payout entry is of another kind", EntryKind.STATEMENT, entry.kind)
    require("the payout entry has another name", payout_job_id(header.channel, header.period_start), entry.job_id)
    require(
        "the payout entry names another root or total", payout_result(payout.root, payout.total), entry.result_digest
    )
    place = InclusionProof(payout.index, header.entry_count, payout.path)
    verify_inclusion(header.root, leaf_hash(payout.entry_salt, payout.entry), place)
    leaf = payout_leaf(payout.leaf_salt, payout.account, payout.amount)
    verify_inclusion(payout.root, leaf, InclusionProof(payout.leaf_index, entry.count, payout.leaf_path))
    owed = -bill.total_cents * parse_tariff(receipt.statement.tariff).units_per_cent
    if not owed <= payout.amount <= payout.total:
        raise LinkBroken(
            "the payout is smaller than what the bill owes, or larger than all payouts",
            expected=owed,
            actual=payout.amount,
        )
    return f"{_money(-bill.total_cents)} are within the {payout.amount} units promised to 0x{payout.account.hex()}"


def distribution_of(receipt: Receipt, deployment: Deployment) -> DistributionEntry:
    """The distribution that this statement's payouts go through.

    Raises: LinkBroken when the deployment has none for this operator and these channels.
    """
    header = receipt.statement.header
    found = deployment.distribution(header.channel, header.operator, receipt.days[0].header.channel)
    if found is None:
        raise LinkBroken(
            "the deployment names no distribution for this operator's statements over this metering channel",
            actual=header.operator,
        )
    return found


def owed_payout(receipt: Receipt) -> PayoutPart | None:
    """The payout that must be on chain, None if nothing is owed."""
    return receipt.payout if _bill(receipt).total_cents < 0 else None


def _described(tariff: bytes, source: bytes, cited: list[tuple[bytes, int]]) -> bytes:
    """The input description of these citations, with the allocation key's digest taken from ``source``.

    The key itself holds every household's share and is not in a receipt.
    """
    at = len(STATEMENT_INPUT_TAG) + WORD
    indices = b"".join(digest + index.to_bytes(4, "big") for digest, index in cited)
    return STATEMENT_INPUT_TAG + sha256(tariff) + source[at : at + WORD] + len(cited).to_bytes(4, "big") + indices


def _bill(receipt: Receipt) -> Bill:
    _, data, _ = statement_entry(receipt)
    return parse_bill(data)


def _money(cents: int) -> str:
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"
