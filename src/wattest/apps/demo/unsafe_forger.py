"""A host that took the enclave's key out of the simulator and signs what no meter signed. Development only.

Decided here: the forgery: one household's last reading is raised after its meter signed, and the batch is made outside
the measured code, with the key that the platform's secret opened. On hardware this takes a broken processor; evidence
cannot show it. What catches it is that the meter's signature no longer holds, and that the header binds it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from wattest.crypto.hashing import sha256
from wattest.enclave.host.client import EnclaveClient, Job, SealedBatch, SealJob
from wattest.enclave.simulator.launch import unsafe_open_sealed_state
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.merkle import MerkleTree
from wattest.messages.header import BatchHeader, sign_header
from wattest.messages.roster import roster_root
from wattest.metering.device_block import DeviceBlock, parse_device_block
from wattest.metering.entry import EntryKind, SeriesEntry, evidence_digest
from wattest.metering.meter import blinded_meter, roster_salt
from wattest.metering.series import build_series_tree, state_payload
from wattest.metering.series_block import SeriesBlock
from wattest.metering.series_key import entry_salt, state_salt
from wattest.sealing.bundle import BundleManifest, seal_block
from wattest.sealing.edited_series import edit_series, last_measured
from wattest.sealing.wrapped_keys import wrap_series_key, wrapping_context
from wattest.units import MILLIWATT_HOURS_PER_KILOWATT_HOUR
from wattest.workload.configuration import EngineConfiguration
from wattest.workload.guests import load_guest

STOLEN_MILLIWATT_HOURS = 5 * MILLIWATT_HOURS_PER_KILOWATT_HOUR
_ZERO = bytes(32)


class UnsafeForger(EnclaveClient):
    """Stands where an operator expects its enclave, and seals the first batch of a channel as the forger likes.

    ``state_file`` is the enclave's sealed state, ``measurement`` that of the program which sealed it.
    """

    def __init__(self, platform: SimulatedPlatform, measurement: bytes, state_file: Path) -> None:
        super().__init__(Path("/nonexistent"))
        self._state = unsafe_open_sealed_state(platform, measurement, state_file)
        self._vee = load_guest("vee", EngineConfiguration.for_enclave())

    def seal(self, job: Job) -> SealedBatch:
        """A batch like the enclave's own, but for one reading that its meter never signed."""
        if not isinstance(job, SealJob):
            raise TypeError("only days of meters are forged")
        members = job.members.member_list
        block_of = {block.public_key: block for block in map(parse_device_block, job.blocks)}
        names = [blinded_meter(key, members.channel, job.period_start) for key in job.meter_keys]
        order = sorted(range(len(names)), key=names.__getitem__)
        blocks = [block_of[members.members[index].public_key] for index in order]
        blocks[0] = _raised(blocks[0])
        sequence = job.head.sequence + 1
        keys = [secrets.token_bytes(32) for _ in order]
        sealed = [
            self._series(block, names[index], key, job) for index, block, key in zip(order, blocks, keys, strict=True)
        ]
        ciphertexts = [
            seal_block(key, members.channel, sequence, names[index], plain.to_bytes())
            for index, key, (plain, _) in zip(order, keys, sealed, strict=True)
        ]
        entries = [plain.entry.pack() for plain, _ in sealed]
        salts = [entry_salt(key) for key in keys]
        manifest = BundleManifest(
            members.channel, job.period_start, job.period_end, tuple(sha256(block) for block in ciphertexts)
        )
        header = BatchHeader(
            channel=members.channel,
            operator=self._state.operator,
            sequence=sequence,
            previous=job.head.digest,
            period_start=job.period_start,
            period_end=job.period_end,
            root=MerkleTree.from_payloads(entries, salts).root,
            entry_count=len(entries),
            roster=roster_root(
                [names[index] for index in order],
                [roster_salt(job.meter_keys[index], members.channel, job.period_start) for index in order],
                [block.public_key for block in blocks],
            ),
            inputs=_ZERO,
            state=MerkleTree.from_payloads([state for _, state in sealed], [state_salt(key) for key in keys]).root,
            workload=self._vee.workload,
            content_id=manifest.content_id,
            witnesses=_ZERO,
            zk_root=_ZERO,
        )
        readers = [(members.members[index].reader_key, *members.watcher_reader_keys) for index in order]
        return SealedBatch(
            header=header,
            signature=sign_header(self._state.private_key, header, self._state.domain),
            entries=entries,
            entry_salts=salts,
            blocks=ciphertexts,
            manifest=manifest.to_bytes(),
            content_id=manifest.content_id,
            wrapped_keys=_wrapped(readers, keys, members.channel, sequence, [names[index] for index in order]),
            member_of=order,
        )

    def _series(self, block: DeviceBlock, name: bytes, key: bytes, job: SealJob) -> tuple[SeriesBlock, bytes]:
        # The digest is over the raised records: what the signature is checked against, and fails.
        records = edit_series(self._vee, block.records, block.digest, job.period_start, job.period_end, None)
        entry = SeriesEntry(
            EntryKind.SIGNED_DEVICE_BLOCK,
            name,
            block.period_start,
            block.period_end,
            records.shape[0],
            build_series_tree(records, key).root,
            evidence_digest(block.digest, block.signature, block.public_key),
        )
        end = last_measured(records)
        state = state_payload(name, end.last_interval_end, end.import_register, end.export_register)
        return SeriesBlock(entry, records, None, block.public_key, block.signature), state


def _raised(block: DeviceBlock) -> DeviceBlock:
    records = block.records.copy()
    records["import_register"][-1] += STOLEN_MILLIWATT_HOURS
    records["import_milliwatt_hours"][-1] += STOLEN_MILLIWATT_HOURS
    return replace(block, records=records)


def _wrapped(
    readers: Sequence[Sequence[bytes]], keys: Sequence[bytes], channel: bytes, sequence: int, names: Sequence[bytes]
) -> list[dict[bytes, bytes]]:
    contexts = {reader: wrapping_context(reader, channel) for row in readers for reader in row}
    return [
        {reader: wrap_series_key(contexts[reader], key, sequence, index, name) for reader in row}
        for index, (row, key, name) in enumerate(zip(readers, keys, names, strict=True))
    ]
