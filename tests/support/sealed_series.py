"""Series of one batch as an enclave seals them, and as a forger with its key would: honest ones, and changed ones."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from wattest.crypto.p256 import P256PrivateKey
from wattest.errors import InputError, VerificationError
from wattest.metering.device_block import DEVICE_BLOCK_VERSION, GRID_BLOCK_VERSION, sign_device_block
from wattest.metering.entry import EntryKind, SeriesEntry, evidence_digest
from wattest.metering.meter import pseudonym
from wattest.metering.records import Records, is_estimated, make_device_records
from wattest.metering.series import build_series_tree
from wattest.metering.series_block import (
    PreviousState,
    SeriesBlock,
    device_block_of,
    parse_series_block,
    verify_series_block,
)
from wattest.sealing.bundle import open_block, seal_block
from wattest.sealing.checked_columns import CHECKED, CheckedRun, check_blocks, edited_again
from wattest.sealing.edited_series import edit_series, verify_edited
from wattest.workload.engine import EngineConfiguration
from wattest.workload.guests import load_guest

GUEST = load_guest("vee", EngineConfiguration.for_enclave())
START = 1_760_000_400
PERIOD_SLOTS = 8
CHANNEL = hashlib.sha256(b"channel").digest()
SEQUENCE = 7


@dataclass(frozen=True)
class Sealed:
    """One entry, the key of its block, and the block encrypted."""

    entry: bytes
    key: bytes
    ciphertext: bytes


@dataclass(frozen=True)
class Meter:
    """A meter by number: its signing key, and name and key of its series."""

    number: int

    @property
    def signer(self) -> P256PrivateKey:
        return P256PrivateKey.from_seed(hashlib.sha256(bytes([self.number])).digest())

    @property
    def name(self) -> bytes:
        return hashlib.sha256(b"name" + bytes([self.number])).digest()

    @property
    def series_key(self) -> bytes:
        return hashlib.sha256(b"key" + bytes([self.number])).digest()

    def block(self, slots: Sequence[int], previous: PreviousState | None = None, register: int = 10_000) -> SeriesBlock:
        """A sealed day of ``PERIOD_SLOTS`` quarter hours with readings in ``slots``, the others estimated."""
        return self.block_of(self.records(slots, register=register), START + 900 * PERIOD_SLOTS, previous)

    def records(self, slots: Sequence[int], *, duration_s: int = 900, register: int = 10_000) -> Records:
        """Readings of 7 mWh in slots of ``duration_s`` from ``START`` on."""
        starts = np.asarray(slots)
        return make_device_records(
            pseudonym(self.signer.public_key), start=START + duration_s * starts, duration_s=duration_s,
            import_register=register + 7 * starts + 7, export_register=3,
            import_milliwatt_hours=np.full(len(slots), 7), export_milliwatt_hours=0, quality=1,
        )  # fmt: skip

    def grid(self, count: int, previous: PreviousState | None = None, register: int = 10_000) -> SeriesBlock:
        """So many quarter hours without a gap, signed in a block of version 2 and sealed."""
        records = self.records(range(count), register=register)
        return self.block_of(records, START + 900 * count, previous, version=GRID_BLOCK_VERSION)

    def block_of(
        self, records: Records, period_end: int, previous: PreviousState | None, *, version: int = DEVICE_BLOCK_VERSION
    ) -> SeriesBlock:
        """These records signed and sealed."""
        signed = sign_device_block(self.signer, START, period_end, records, version=version)
        edited = edit_series(GUEST, records, signed.digest, signed.period_start, signed.period_end, previous)
        entry = SeriesEntry(
            EntryKind.SIGNED_DEVICE_BLOCK, self.name, signed.period_start, signed.period_end, edited.shape[0],
            build_series_tree(edited, self.series_key).root,
            evidence_digest(signed.digest, signed.signature, signed.public_key),
        )  # fmt: skip
        return SeriesBlock(entry, edited, previous, signed.public_key, signed.signature, block_version=signed.version)

    def sealed(self, plaintext: bytes) -> Sealed:
        """Any plaintext as this meter's block, beside the entry that it begins with."""
        entry = plaintext[2:120].ljust(118, b"\0")
        return Sealed(entry, self.series_key, seal_block(self.series_key, CHANNEL, SEQUENCE, entry[2:34], plaintext))

    def rooted(self, block: SeriesBlock) -> SeriesBlock:
        """The block under an entry that counts its records and has their root, as a forger's enclave would write it."""
        assert isinstance(block.entry, SeriesEntry)
        root = build_series_tree(block.records, self.series_key).root
        return replace(block, entry=replace(block.entry, interval_count=block.records.shape[0], series_root=root))

    def resigned(self, block: SeriesBlock) -> SeriesBlock:
        """The block with its measured records signed by the meter, their source and the evidence set to match."""
        assert isinstance(block.entry, SeriesEntry)
        digest = device_block_of(block).digest
        signature = self.signer.sign_digest(digest)
        records = block.records.copy()
        records["source_digest"][~is_estimated(records)] = np.frombuffer(digest, dtype=np.uint8)
        entry = replace(block.entry, evidence=evidence_digest(digest, signature, block.public_key))
        return self.rooted(replace(block, entry=entry, records=records, signature=signature))


def raw_bytes(block: SeriesBlock) -> bytes:
    """The block's bytes without the check that they can be read."""
    previous = block.previous
    is_grid = block.block_version == GRID_BLOCK_VERSION
    numbers = (
        () if previous is None else (previous.last_interval_end, previous.import_register, previous.export_register)
    )
    return b"".join(
        (
            bytes((1, (previous is not None) | is_grid << 1)), block.entry.pack(),
            *(number.to_bytes(8, "big") for number in numbers),
            block.records.shape[0].to_bytes(4, "big"), block.records.tobytes(), block.public_key, block.signature,
        )
    )  # fmt: skip


def plain_fault(sealed: Sealed, channel: bytes = CHANNEL, sequence: int = SEQUENCE) -> str | None:
    """The name of the error that the plain rules give for an entry, or None where it holds."""
    try:
        plaintext = open_block(sealed.key, channel, sequence, sealed.entry[2:34], sealed.ciphertext)
        block = parse_series_block(plaintext)
        if block.entry.pack() != sealed.entry:
            return "EntryForeign"
        verify_series_block(block, sealed.key)
        verify_edited(GUEST, block)
    except (InputError, VerificationError) as error:
        return error.code
    return None


def in_columns(
    batch: Sequence[Sealed], channel: bytes = CHANNEL, sequence: int = SEQUENCE, threads: int | None = None
) -> CheckedRun:
    """The same entries in columns, ``vee`` included."""
    run = check_blocks(
        channel,
        sequence,
        [one.entry for one in batch],
        [one.key for one in batch],
        [one.ciphertext for one in batch],
        threads=threads,
    )
    return edited_again(GUEST, run)


def none_held(count: int) -> CheckedRun:
    """A run of ``count`` series of which none holds in columns, so that each goes the plain way."""
    rows = np.zeros(count, dtype=CHECKED)
    rows["verdict"] = 1
    return CheckedRun(b"", b"", rows)
