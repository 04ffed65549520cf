"""A host that stole an enclave key: it seals in plain Python what no enclave would sign."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from node_community import EPOCH_S, ETHER, Community

from wattest.chain.local_signer import LocalSigner
from wattest.chain.registry import EnclaveRegistry
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.enclave.host.client import SealedBatch
from wattest.merkle import MerkleTree
from wattest.messages.evidence_verdict import sign_verdict
from wattest.messages.header import BatchHeader, sign_header
from wattest.messages.roster import roster_root
from wattest.metering.device_block import parse_device_block
from wattest.metering.entry import EntryKind, SeriesEntry, evidence_digest
from wattest.metering.meter import blinded_meter, roster_salt
from wattest.metering.series import build_series_tree, state_payload
from wattest.metering.series_block import SeriesBlock
from wattest.metering.series_key import entry_salt, state_salt
from wattest.sealing.bundle import BundleManifest, seal_block
from wattest.sealing.edited_series import edit_series, last_measured
from wattest.sealing.wrapped_keys import wrap_series_key, wrapping_context
from wattest.workload.configuration import EngineConfiguration
from wattest.workload.guests import load_guest


class Forger:
    """An operator of its own, registered with a key that this test holds."""

    def __init__(self, community: Community, label: str) -> None:
        self.community = community
        self.signer = LocalSigner(self._seed(f"{label} operator"))
        self.enclave_key = Secp256k1PrivateKey.from_seed(self._seed(f"{label} enclave"))
        community.anvil.fund(self.signer.address, 100 * ETHER)
        client = community.client()
        registry = EnclaveRegistry(client, community.contracts.registry)
        nonce = registry.recent_nonce()
        now = client.now()
        verdict = replace(
            community.extra["verdict"],
            enclave_key=self.enclave_key.address,
            operator=self.signer.address,
            nonce_block=nonce.number,
            nonce=nonce.hash,
            issued_at=now,
            expires_at=now + 20 * 86_400,
        )
        appraiser = Secp256k1PrivateKey.from_seed(community.extra["appraiser_seed"])
        registry.register(self.signer, verdict, [sign_verdict(appraiser, verdict, registry.domain)])
        community.referee(client).deposit(self.signer, community.channel.id, 20 * ETHER)
        self.verdict = verdict

    @staticmethod
    def _seed(label: str) -> bytes:
        return hashlib.sha256(label.encode()).digest()

    def seal(self, period_start: int, *, tamper: bool) -> SealedBatch:
        """A first batch of the channel; with ``tamper`` one meter's readings are not what it signed."""
        community = self.community
        channel = community.channel.id
        guest = load_guest("vee", EngineConfiguration.for_enclave())
        rows = []
        for index, home in enumerate(community.households):
            block = parse_device_block(home.block(period_start))
            if tamper and index == 1:
                records = block.records.copy()
                records["import_register"][-1] += 7
                records["import_milliwatt_hours"][-1] += 7
                block = replace(block, records=records)
            rows.append((blinded_meter(home.meter_key, channel, period_start), home, block))
        rows.sort(key=lambda row: row[0])
        entries, salts, states, blocks, wrapped = [], [], [], [], []
        for name, home, block in rows:
            key = self._seed(f"series {name.hex()}")
            edited = edit_series(guest, block.records, block.digest, period_start, period_start + EPOCH_S, None)
            entry = SeriesEntry(
                EntryKind.SIGNED_DEVICE_BLOCK,
                name,
                period_start,
                period_start + EPOCH_S,
                edited.shape[0],
                build_series_tree(edited, key).root,
                evidence_digest(block.digest, block.signature, block.public_key),
            )
            plaintext = SeriesBlock(entry, edited, None, block.public_key, block.signature).to_bytes()
            stands = last_measured(edited)
            entries.append(entry.pack())
            salts.append(entry_salt(key))
            states.append(
                (
                    state_payload(name, stands.last_interval_end, stands.import_register, stands.export_register),
                    state_salt(key),
                )
            )
            blocks.append(seal_block(key, channel, 1, name, plaintext))
            readers = (home.reader.public_key, community.watcher_reader.public_key)
            contexts = {reader: wrapping_context(reader, channel) for reader in readers}
            wrapped.append(
                {reader: wrap_series_key(each, key, 1, len(wrapped), name) for reader, each in contexts.items()}
            )
        digests = tuple(hashlib.sha256(block).digest() for block in blocks)
        manifest = BundleManifest(channel, period_start, period_start + EPOCH_S, digests)
        header = BatchHeader(
            channel=channel,
            operator=self.signer.address,
            sequence=1,
            previous=bytes(32),
            period_start=period_start,
            period_end=period_start + EPOCH_S,
            root=MerkleTree.from_payloads(entries, salts).root,
            entry_count=len(entries),
            roster=roster_root(
                [row[0] for row in rows],
                [roster_salt(row[1].meter_key, channel, period_start) for row in rows],
                [row[2].public_key for row in rows],
            ),
            inputs=bytes(32),
            state=MerkleTree.from_payloads([s for s, _ in states], [s for _, s in states]).root,
            workload=self.verdict.workload,
            content_id=manifest.content_id,
            witnesses=bytes(32),
            zk_root=bytes(32),
        )
        public_keys = [member.public_key for member in community.members.member_list.members]
        return SealedBatch(
            header=header,
            signature=self.sign(header),
            entries=entries,
            entry_salts=salts,
            blocks=blocks,
            manifest=manifest.to_bytes(),
            content_id=manifest.content_id,
            wrapped_keys=wrapped,
            member_of=[public_keys.index(row[2].public_key) for row in rows],
        )

    def sign(self, header: BatchHeader) -> bytes:
        return sign_header(self.enclave_key, header, self.community.referee().domain)
