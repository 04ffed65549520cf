"""Device blocks as meters send them, and series blocks as a forger with an enclave's key may seal them.

Columns and plain rules must give one verdict.

A mutated plaintext is encrypted under its own entry, and checked both ways; where it can be read at all it is checked
once more with root, evidence and the meter's signature made right again, so that no check hides those behind it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from fuzz_mutators import mutate_bytes
from fuzz_target import Target

from wattest.crypto.hashing import sha256
from wattest.crypto.p256 import P256PrivateKey
from wattest.errors import InputError, VerificationError, WattestError
from wattest.metering.device_block import (
    DEVICE_BLOCK_VERSION,
    GRID_BLOCK_VERSION,
    DeviceBlock,
    parse_device_block,
    sign_device_block,
    verify_device_block,
)
from wattest.metering.entry import ENTRY_BYTES, EntryKind, SeriesEntry, evidence_digest
from wattest.metering.meter import pseudonym
from wattest.metering.records import INTERVAL_RECORD, is_estimated, make_device_records
from wattest.metering.series import build_series_tree
from wattest.metering.series_block import (
    PreviousState,
    SeriesBlock,
    device_block_of,
    parse_series_block,
    verify_series_block,
)
from wattest.sealing.bundle import seal_block
from wattest.sealing.checked_columns import check_blocks, edited_again
from wattest.sealing.edited_series import edit_series, verify_edited
from wattest.sealing.series_columns import open_device_blocks
from wattest.workload.configuration import EngineConfiguration
from wattest.workload.engine import Guest
from wattest.workload.guests import load_guest

START, SLOTS = 1_760_000_400, 8
CHANNEL, SEQUENCE, KEY = bytes(range(32)), 3, bytes(range(1, 33))
SIGNER = P256PrivateKey.from_seed(bytes([7] * 32))


@cache
def guest() -> Guest:
    """``vee`` as enclaves run it."""
    return load_guest("vee", EngineConfiguration.for_enclave())


def seeds() -> dict[str, bytes]:
    """Plaintexts that hold: with and without gaps, with and without a state before, and of an absent meter."""
    before = PreviousState(START - 900, 9_990, 3)
    made = {
        "whole": _sealed(list(range(SLOTS)), None),
        "gaps": _sealed([1, 2, 5], before),
        "grid": _sealed(list(range(SLOTS)), before, GRID_BLOCK_VERSION),
        "absent": SeriesBlock(
            SeriesEntry(EntryKind.ABSENT, bytes([9] * 32), START, START + 900, 0, bytes(32), bytes(32)),
            np.zeros(0, dtype=INTERVAL_RECORD),
            before,
        ),
    }
    return {f"series-block/seed-{name}.bin": block.to_bytes() for name, block in made.items()} | {
        f"device-block/seed-{name}.bin": _signed(slots, version).to_bytes()
        for name, slots, version in (
            ("tree", list(range(SLOTS)), DEVICE_BLOCK_VERSION),
            ("gaps", [1, 2, 5], DEVICE_BLOCK_VERSION),
            ("grid", list(range(SLOTS)), GRID_BLOCK_VERSION),
        )
    }


def _signed(slots: list[int], version: int) -> DeviceBlock:
    records = make_device_records(
        pseudonym(SIGNER.public_key), start=[START + 900 * slot for slot in slots], duration_s=900,
        import_register=[10_000 + 7 * slot for slot in slots], export_register=3,
        import_milliwatt_hours=[7] * len(slots), export_milliwatt_hours=0,
    )  # fmt: skip
    return sign_device_block(SIGNER, START, START + 900 * SLOTS, records, version=version)


def _sealed(slots: list[int], previous: PreviousState | None, version: int = DEVICE_BLOCK_VERSION) -> SeriesBlock:
    signed = _signed(slots, version)
    edited = edit_series(guest(), signed.records, signed.digest, signed.period_start, signed.period_end, previous)
    entry = SeriesEntry(
        EntryKind.SIGNED_DEVICE_BLOCK, bytes([8] * 32), signed.period_start, signed.period_end, edited.shape[0],
        build_series_tree(edited, KEY).root, evidence_digest(signed.digest, signed.signature, signed.public_key),
    )  # fmt: skip
    return SeriesBlock(entry, edited, previous, signed.public_key, signed.signature, block_version=version)


def judge_device_block(data: bytes) -> str:
    """A block as it came: the columns say what the plain rules say, and what was read is written the same."""
    (row,) = open_device_blocks([data], threads=1).rows
    try:
        block = parse_device_block(data)
        assert block.to_bytes() == data
        verify_device_block(block)
    except (InputError, VerificationError):
        assert row["verdict"] != 0
        raise
    assert row["verdict"] == 0
    assert row["digest"].item() == block.digest
    assert int(row["count"]) == block.records.shape[0]
    assert (int(row["period_start"]), int(row["period_end"])) == (block.period_start, block.period_end)
    return f"{block.version}"


def judge_series(data: bytes) -> str:
    """A plaintext as it is, then as a forger with the meter's key would mend it."""
    fault = _agreed(data)
    block = _readable(data)
    if block is None:
        assert fault is not None
        raise fault
    mended = _mended(block)
    if mended is not None:
        second = _agreed(mended)
        assert second is None or fault is not None
    if fault is not None:
        raise fault
    return f"{int(block.entry.kind)} {block.previous is None}"


def _readable(data: bytes) -> SeriesBlock | None:
    try:
        return parse_series_block(data)
    except (InputError, VerificationError):
        return None


def _agreed(data: bytes) -> WattestError | None:
    """What the plain rules have against a block; the columns accept it when they do, and it is of kind 1."""
    entry = data[2 : 2 + ENTRY_BYTES].ljust(ENTRY_BYTES, b"\0")
    ciphertext = seal_block(KEY, CHANNEL, SEQUENCE, entry[2:34], data)
    run = edited_again(guest(), check_blocks(CHANNEL, SEQUENCE, [entry], [KEY], [ciphertext], threads=1))
    fault = None
    try:
        block = parse_series_block(data)
        verify_series_block(block, KEY)
        verify_edited(guest(), block)
    except (InputError, VerificationError) as error:
        fault = error
    assert bool(run.held) == (fault is None and entry[1] == EntryKind.SIGNED_DEVICE_BLOCK)
    if run.held:
        assert run.records(0).tobytes() == block.records.tobytes()
        assert run.standing(0)[0] == block.previous
        assert run.rows["meter"].tolist() == [sha256(block.public_key)]
    return fault


def _mended(block: SeriesBlock) -> bytes | None:
    """The block with key, pseudonyms, source, evidence, signature, count and root set to fit its records."""
    entry = block.entry
    if not isinstance(entry, SeriesEntry) or entry.kind != EntryKind.SIGNED_DEVICE_BLOCK:
        return None
    records = block.records.copy()
    records["pseudonym"] = np.frombuffer(pseudonym(SIGNER.public_key), dtype=np.uint8)
    block = replace(block, public_key=SIGNER.public_key, records=records)
    try:
        digest = device_block_of(block).digest
    except (InputError, VerificationError):
        return None  # a period or a number of measured records that no device block has
    signature = SIGNER.sign_digest(digest)
    records["source_digest"] = np.where(
        is_estimated(records)[:, np.newaxis], np.uint8(0), np.frombuffer(digest, dtype=np.uint8)
    )
    entry = replace(
        entry, interval_count=records.shape[0], series_root=build_series_tree(records, KEY).root,
        evidence=evidence_digest(digest, signature, SIGNER.public_key),
    )  # fmt: skip
    return replace(block, entry=entry, signature=signature).to_bytes()


TARGETS = (
    Target("device-block-opened", judge_device_block, mutate_bytes, "device-block"),
    Target("series-block-judged", judge_series, mutate_bytes, "series-block"),
)
