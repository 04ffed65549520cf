"""The links from the meter's signature to the header that commits it.

Decided here: what a day's block, entry, roster place and header must have to do with each other. Not decided here: the
formats (``metering``, ``merkle``), nor whether the header is on chain (``chain_links``). Invariant: the first day's
block is bound whole by the bundle's content id; every later day continues from the day before.
Source: docs/spec/receipt.md, section "Links".
"""

from __future__ import annotations

from itertools import pairwise

from wattest.crypto.hashing import sha256
from wattest.errors import InputError, VerificationError
from wattest.merkle import InclusionProof, leaf_hash, verify_inclusion, verify_sha256_inclusion
from wattest.messages.channel import ChannelKind
from wattest.messages.roster import roster_items
from wattest.metering.device_block import verify_device_block
from wattest.metering.entry import EntryKind, SeriesEntry
from wattest.metering.meter import blinded_meter, meter_key_id, roster_salt
from wattest.metering.series_block import (
    SeriesBlock,
    device_block_of,
    parse_series_block,
    verify_series_block,
)
from wattest.metering.series_key import entry_salt
from wattest.receipt.deployment import Deployment
from wattest.receipt.link import LinkBroken, LinkUnchecked, require
from wattest.receipt.receipt import Day, Inclusion, Receipt
from wattest.sealing.bundle import BundleManifest, seal_block
from wattest.sealing.edited_series import last_measured, verify_edited
from wattest.workload.configuration import EngineConfiguration, workload_digest
from wattest.workload.guests import GuestName, load_guest, load_guest_bytes


def known_workload(name: GuestName) -> bytes:
    """The workload digest of the guest that this installation ships, in the enclave's form of the engine."""
    return workload_digest(load_guest_bytes(name), EngineConfiguration.for_enclave())


def blocks_of(receipt: Receipt) -> list[SeriesBlock]:
    """Every day's block, read.

    Raises: the metering room's errors; LinkBroken for a block of another kind than a series.
    """
    blocks = [parse_series_block(day.block) for day in receipt.days]
    for position, block in enumerate(blocks):
        if not isinstance(block.entry, SeriesEntry):
            raise LinkBroken(f"day {position + 1} holds a result, not a series", actual=int(block.entry.kind))
    return blocks


def check_meter_signature(receipt: Receipt) -> str:
    """Each day's readings are signed by the receipt's meter, or the meter was absent."""
    signed = absent = 0
    for position, block in enumerate(blocks_of(receipt)):
        kind = block.entry.kind
        if kind == EntryKind.ABSENT:
            absent += 1
            continue
        if kind != EntryKind.SIGNED_DEVICE_BLOCK:
            raise LinkBroken(
                f"day {position + 1} rests on no signed device block", expected="kind 1", actual=f"kind {int(kind)}"
            )
        require(f"day {position + 1} is signed by another meter", receipt.public_key, block.public_key)
        verify_device_block(device_block_of(block))
        signed += 1
    return f"{_days(signed)} signed by the meter's key" + (f", {_days(absent)} without data" if absent else "")


def check_records(receipt: Receipt) -> str:
    """The records are what the attested editing makes of the signed ones, each day continuing from the one before."""
    blocks = blocks_of(receipt)
    _check_first_block(receipt)
    before = blocks[0].previous
    count = 0
    for position, (day, block) in enumerate(zip(receipt.days, blocks, strict=True)):
        if position:
            require(f"day {position + 1} does not continue from the day before", before, block.previous)
        if block.entry.kind == EntryKind.ABSENT:
            continue
        before = last_measured(block.records)
        count += block.records.shape[0]
        if day.header.workload != known_workload("vee"):
            raise LinkUnchecked(
                f"day {position + 1} was edited by a workload that this version does not ship: "
                f"{day.header.workload.hex()[:16]}..."
            )
        verify_edited(load_guest("vee", EngineConfiguration.for_host()), block)
    return f"{count} records follow from the signed readings by running the attested module again"


def check_series(receipt: Receipt) -> str:
    """Each entry follows from its block and series key, and is this household's."""
    for position, (day, block) in enumerate(zip(receipt.days, blocks_of(receipt), strict=True)):
        entry = block.entry
        named = blinded_meter(receipt.meter_key, day.header.channel, day.header.period_start)
        require(f"the entry of day {position + 1} is another household's", named, entry.name)
        inside = day.header.period_start <= entry.period_start < entry.period_end <= day.header.period_end
        if not inside:
            raise LinkBroken(
                f"the entry of day {position + 1} lies outside its batch's period",
                expected=[day.header.period_start, day.header.period_end],
                actual=[entry.period_start, entry.period_end],
            )
        verify_series_block(block, day.series_key)
    return f"{len(receipt.days)} series roots and evidence digests recomputed"


def check_batch(receipt: Receipt, deployment: Deployment) -> str:
    """Each entry and the meter's key lie in their batch, and the batches follow each other without a gap."""
    for position, (day, block) in enumerate(zip(receipt.days, blocks_of(receipt), strict=True)):
        identity = deployment.channel(day.header.channel)
        if identity is None or identity.kind is not ChannelKind.SCHEDULED:
            raise LinkBroken(
                f"day {position + 1} is of no metering channel of this deployment", actual=day.header.channel
            )
        verify_placed(day, block.entry.pack())
        salt = roster_salt(receipt.meter_key, day.header.channel, day.header.period_start)
        item = roster_items([block.entry.name], [salt], [receipt.public_key])
        proof = InclusionProof(day.index, day.header.entry_count, day.roster_path)
        _require_no_old_roster(position, day, block.entry.name + meter_key_id(receipt.public_key), proof)
        verify_sha256_inclusion(day.header.roster, item, proof)
    for before, after in pairwise(receipt.days):
        require("two days are of different channels", before.header.channel, after.header.channel)
        require("two days are of different operators", before.header.operator, after.header.operator)
        require("there is a gap between two days", before.header.period_end, after.header.period_start)
        require("two days are not neighbours", before.header.sequence + 1, after.header.sequence)
        digest = before.header.digest(deployment.referee_domain)
        require("a day does not name the batch before it", digest, after.header.previous)
    return f"{len(receipt.days)} entries found in their batches, at their places in the roster"


def _require_no_old_roster(position: int, day: Day, item: bytes, proof: InclusionProof) -> None:
    try:
        verify_sha256_inclusion(day.header.roster, item, proof)
    except (InputError, VerificationError):
        return
    raise LinkBroken(
        f"the batch of day {position + 1} has a roster of an earlier version, without salts",
        expected="80 bytes an item",
        actual="64 bytes an item",
        hint="verify this receipt with the version that made it",
    )


def verify_placed(part: Inclusion, payload: bytes) -> None:
    """Check that an entry's payload lies at its index under the header's root.

    Raises: the merkle room's errors.
    """
    proof = InclusionProof(part.index, part.header.entry_count, part.path)
    verify_inclusion(part.header.root, leaf_hash(entry_salt(part.series_key), payload), proof)


def _check_first_block(receipt: Receipt) -> None:
    """The first day's block, its previous state included, is the one whose ciphertext the header's content id fixes."""
    day: Day = receipt.days[0]
    header = day.header
    require("the first batch has another number of blocks", header.entry_count, len(receipt.first_blocks))
    manifest = BundleManifest(header.channel, header.period_start, header.period_end, receipt.first_blocks)
    require("the first batch's blocks are not the bundle's", header.content_id, manifest.content_id)
    name = parse_series_block(day.block).entry.name
    sealed = seal_block(day.series_key, header.channel, header.sequence, name, day.block)
    if day.index >= len(receipt.first_blocks):
        raise LinkBroken("the first day's index is beyond its batch", actual=day.index)
    require("the first day's block is not the sealed one", receipt.first_blocks[day.index], sha256(sealed))


def _days(count: int) -> str:
    return f"{count} day" if count == 1 else f"{count} days"


__all__ = [
    "blocks_of",
    "check_batch",
    "check_meter_signature",
    "check_records",
    "check_series",
    "known_workload",
    "verify_placed",
]
