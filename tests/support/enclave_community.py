"""A community for enclave tests: a manager, meters, readers, device blocks, jobs; and an enclave inside this process.

Keys follow from names, so that two runs make the same community.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from wattest.crypto.hpke import ReaderPrivateKey
from wattest.crypto.p256 import P256PrivateKey
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.crypto.strict_fields import Fields
from wattest.enclave.host.client import (
    ChainHead,
    CitedBatch,
    EnclaveClient,
    Identity,
    SealedBatch,
    SealJob,
    StatementJob,
)
from wattest.enclave.measured import cbor
from wattest.enclave.measured.schema import read_map
from wattest.enclave.measured.service import Service
from wattest.enclave.measured.stop_points import StopPoints
from wattest.enclave.simulator.launch import DeviceService
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.eip712 import Domain
from wattest.messages.member_list import Member, MemberList, SignedMemberList, sign_member_list
from wattest.messages.report_data import KeyBinding
from wattest.messages.settlement_terms import SettlementTerms, SignedTerms, sign_terms
from wattest.metering.device_block import sign_device_block
from wattest.metering.meter import meter_key_commitment, pseudonym
from wattest.metering.records import make_device_records
from wattest.settlement.allocation import AllocationKey
from wattest.settlement.tariff import Tariff

DAY_S = 86_400
FIRST_DAY = 20_000 * DAY_S
OPERATOR = b"\x04" * 20
NONCE = b"\x05" * 32
MEASUREMENT = b"\x06" * 32
TARIFF = Tariff(24_000_000, 9_000_000, 12_000_000, 4_000_000, 8_000_000, 10_000_000)


def secret(*parts: object) -> bytes:
    """32 bytes that follow from ``parts``."""
    return hashlib.sha256(repr(parts).encode()).digest()


@dataclass
class Community:
    """``count`` households whose manager, meters and readers follow from ``name``."""

    count: int
    name: str = "community"
    watcher_count: int = 1
    domain: Domain = field(default_factory=lambda: Domain(31337, b"\x03" * 20))

    def __post_init__(self) -> None:
        self.manager = Secp256k1PrivateKey.from_seed(secret(self.name, "manager"))
        self.channel = ChannelIdentity(self.manager.address, ChannelKind.SCHEDULED, secret(self.name, "salt"))
        self.open_channel = ChannelIdentity(self.manager.address, ChannelKind.OPEN, secret(self.name, "open"))
        meters = [P256PrivateKey.from_seed(secret(self.name, "meter", index)) for index in range(self.count)]
        self.meters = sorted(meters, key=lambda key: key.public_key)
        self.meter_keys = [secret(self.name, "meter key", index) for index in range(self.count)]
        self.readers = [ReaderPrivateKey.from_seed(secret(self.name, "reader", index)) for index in range(self.count)]
        watchers = [ReaderPrivateKey.from_seed(secret(self.name, "watcher", i)) for i in range(self.watcher_count)]
        self.watchers = sorted(watchers, key=lambda key: key.public_key)
        self.members = self.signed_members()

    def signed_members(self, valid_from: int = 0, signer: Secp256k1PrivateKey | None = None) -> SignedMemberList:
        listed = MemberList(
            self.channel.id,
            valid_from,
            tuple(
                Member(meter.public_key, meter_key_commitment(key), reader.public_key)
                for meter, key, reader in zip(self.meters, self.meter_keys, self.readers, strict=True)
            ),
            tuple(watcher.public_key for watcher in self.watchers),
        )
        if signer is None:
            return sign_member_list(self.manager, listed, self.channel, self.domain)
        return SignedMemberList(listed, self.channel, signer.sign_digest(listed.digest(self.domain)))

    def binding(self, of: ChannelIdentity | None = None, /, **changed: object) -> KeyBinding:
        values: dict[str, object] = {
            "chain_id": self.domain.chain_id,
            "referee": self.domain.verifying_contract,
            "channel": (of or self.channel).id,
            "operator": OPERATOR,
            "nonce": NONCE,
        }
        return KeyBinding(**{**values, **changed})  # type: ignore[arg-type]

    def block(self, member: int, day: int, *, scale: int = 1, count: int = 96) -> bytes:
        """The member's signed device block of one day; ``scale`` multiplies its imports."""
        meter = self.meters[member]
        start = FIRST_DAY + day * DAY_S
        step = np.arange(count)
        imports = (step % 7 + 1) * (member % 5 + 1) * 10_000 * scale
        exports = (step % 3) * (member % 2) * 4_000_000
        base = day * 10_000_000_000
        records = make_device_records(
            pseudonym(meter.public_key),
            start=start + 900 * step,
            duration_s=900,
            import_register=base + np.cumsum(imports),
            export_register=base + np.cumsum(exports),
            import_milliwatt_hours=imports,
            export_milliwatt_hours=exports,
        )
        version = 2 if member % 2 and count == 96 else 1  # both are read everywhere
        return sign_device_block(meter, start, start + DAY_S, records, version=version).to_bytes()

    def seal_job(
        self, day: int, head: ChainHead | None = None, *, absent: frozenset[int] = frozenset(), scale: int = 1
    ) -> SealJob:
        start = FIRST_DAY + day * DAY_S
        blocks = [self.block(index, day, scale=scale) for index in range(self.count) if index not in absent]
        return SealJob(head or ChainHead(), start, start + DAY_S, self.members, self.meter_keys, blocks)

    def head(self, batch: SealedBatch) -> ChainHead:
        return ChainHead(batch.header.sequence, batch.header.digest(self.domain))

    def statement_job(
        self,
        batches: list[SealedBatch],
        identity: Identity,
        head: ChainHead | None = None,
        previous: bytes = b"",
    ) -> StatementJob:
        cited = [
            CitedBatch(
                batch.header,
                batch.signature,
                batch.entries,
                batch.blocks,
                [keys[identity.storage_key] for keys in batch.wrapped_keys],
            )
            for batch in batches
        ]
        return self.agreed(
            StatementJob(
                channel=self.open_channel.id,
                head=head or ChainHead(),
                period_start=batches[0].header.period_start,
                period_end=batches[-1].header.period_end,
                members=self.members,
                meter_keys=self.meter_keys,
                payees=[secret("payee", index)[:20] for index in range(self.count)],
                tariff=TARIFF.to_bytes(),
                allocation=AllocationKey.dynamic(self.count).to_bytes(),
                terms=SignedTerms(0, 0, bytes(65)),
                batches=cited,
                previous_payouts=previous,
            )
        )

    def agreed(self, job: StatementJob, *, signer: Secp256k1PrivateKey | None = None) -> StatementJob:
        """The same job under terms that the manager (or ``signer``) signed over its very parameters, for ever."""
        terms = SettlementTerms.over(
            job.channel, job.members.member_list, job.tariff, job.allocation, list(job.payees), 0, 2**64 - 1
        )
        return replace(job, terms=sign_terms(signer or self.manager, terms, self.domain))


class LocalEnclave(EnclaveClient):
    """The measured program's methods without a process: the same service, codec and simulated device."""

    def __init__(
        self,
        platform: SimulatedPlatform,
        state_dir: Path,
        *,
        debug: bool = False,
        measurement: bytes = MEASUREMENT,
        faults: StopPoints | None = None,
    ) -> None:
        super().__init__(Path("/nowhere"))
        state_dir.mkdir(parents=True, exist_ok=True)
        self.service = Service(
            device=DeviceService(platform, measurement, debug=debug),
            backend="simulator",
            measurement=measurement,
            state_dir=state_dir,
            faults=faults or StopPoints(debug=debug),
            debug=debug,
        )

    def _ask(self, method: str, params: dict[str, object]) -> Fields:
        result = self.service.call(method, cbor.parse(cbor.encode(params)))
        return read_map(cbor.parse(cbor.encode(result)), method)
