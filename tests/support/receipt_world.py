"""A settled billing period made by the real enclave program in this process, and receipts over it.

Everything is real but the chain: enclave, quotes, collateral, appraisers, guests. ``FakeChain`` answers the chain port
from memory; the same receipts meet the contracts in tests/e2e/test_receipt_chain.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from enclave_community import DAY_S, MEASUREMENT, NONCE, OPERATOR, TARIFF, Community, LocalEnclave, secret

from wattest.appraiser.appraiser import Appraiser, RegistrationRequest, collect_verdict
from wattest.attestation.roots import parse_root
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.enclave.host.client import ChainHead, Identity, SealedBatch
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.messages.channel import ChannelIdentity
from wattest.messages.eip712 import Domain
from wattest.messages.header import BatchHeader
from wattest.messages.report_data import KeyBinding
from wattest.metering.meter import blinded_meter, statement_job_id
from wattest.receipt.build import (
    BatchPieces,
    DayPieces,
    MeteringBatchPieces,
    OwnBlock,
    PayoutPieces,
    StatementPieces,
    build_receipt,
)
from wattest.receipt.chain_view import CommittedBatchView, PayoutRootView, RegistrationView
from wattest.receipt.deployment import Deployment, DistributionEntry
from wattest.receipt.receipt import Receipt, RegistrationPart
from wattest.sealing.bundle import open_block
from wattest.sealing.wrapped_keys import unwrap_series_key
from wattest.settlement.bill import parse_bill
from wattest.settlement.payout import PayoutTree
from wattest.twin.batch import BatchState
from wattest.workload.configuration import EngineConfiguration
from wattest.workload.guests import load_guest
from wattest.workload.settle import parse_payouts

NOW = 1_750_000_000
GENESIS = b"\x07" * 32
REGISTRY = b"\x09" * 20

POSTED = PayoutRootView(NOW + 9 * DAY_S, NOW + 17 * DAY_S, None)


def pieces_of(batch: SealedBatch) -> BatchPieces:
    return BatchPieces(batch.header, batch.signature, batch.entries, batch.entry_salts, batch.manifest)


@dataclass
class World:
    """``days`` sealed days and their statement; household 2 is absent on the second day."""

    folder: Path
    days: int = 3
    community: Community = field(default_factory=lambda: Community(5))
    warm_up_days: int = 1
    now: int = NOW
    operator: bytes = OPERATOR
    nonce: bytes = NONCE

    def __post_init__(self) -> None:
        self.platform = SimulatedPlatform.create(self.folder / "platform", self.now)
        self.enclave = LocalEnclave(self.platform, self.folder / "state")
        community = self.community
        self.identities = {
            channel.id: self.enclave.create_identity(self.binding(channel), channel)
            for channel in (community.channel, community.open_channel)
        }
        self.appraisers = [
            Appraiser(
                Secp256k1PrivateKey.from_seed(secret("appraiser", number)),
                f'version = 1\n[[enclave]]\nname = "wattest"\nmr_enclave = "{MEASUREMENT.hex()}"\n'.encode(),
                [parse_root(self.platform.root_certificate)],
                frozenset(self.workloads.values()),
            )
            for number in range(3)
        ]

    def binding(self, channel: ChannelIdentity) -> KeyBinding:
        return self.community.binding(channel, operator=self.operator, nonce=self.nonce)

    @property
    def workloads(self) -> dict[bytes, bytes]:
        """The workload digest of each channel's headers."""
        enclave_form = EngineConfiguration.for_enclave()
        return {
            self.community.channel.id: load_guest("vee", enclave_form).workload,
            self.community.open_channel.id: load_guest("settle", enclave_form).workload,
        }

    def seal(self) -> None:
        """Seal warm-up days, the period's days and the statement."""
        head = ChainHead()
        sealed: list[SealedBatch] = []
        for day in range(self.warm_up_days + self.days):
            absent = frozenset({2}) if day == self.warm_up_days + 1 else frozenset()
            batch = self.enclave.seal(self.community.seal_job(day, head, absent=absent))
            head = self.community.head(batch)
            sealed.append(batch)
        self.warm_up, self.batches = sealed[: self.warm_up_days], sealed[self.warm_up_days :]
        identity = self.identities[self.community.channel.id]
        self.statement = self.enclave.seal(self.community.statement_job(self.batches, identity))

    def register(self, channel: ChannelIdentity, registry: Domain, nonce_block: int = 7) -> RegistrationPart:
        """Have the three appraisers judge the channel's key."""
        identity: Identity = self.identities[channel.id]
        collateral = self.platform.collateral(self.now).to_json()
        request = RegistrationRequest(
            self.binding(channel),
            identity.address,
            identity.evidence,
            collateral,
            nonce_block,
            self.workloads[channel.id],
        )
        verdict, signatures = collect_verdict(self.appraisers, request, registry, self.now)
        policy = self.appraisers[0].policy.decode()
        return RegistrationPart(verdict, tuple(signatures), identity.evidence, collateral.decode(), policy)

    def registrations(self, registry: Domain) -> list[RegistrationPart]:
        return [self.register(channel, registry) for channel in (self.community.channel, self.community.open_channel)]

    def deployment(self, registry: bytes = REGISTRY, genesis: bytes = GENESIS) -> Deployment:
        community = self.community
        return Deployment(
            chain_id=community.domain.chain_id,
            genesis_hash=genesis,
            deployed_at_block=1,
            referee=community.domain.verifying_contract,
            challenges=b"\x08" * 20,
            fraud_proofs=b"\x09" * 20,
            registry=registry,
            verifier=b"\x0a" * 20,
            payouts=b"\x0b" * 20,
            first_light=b"\x0c" * 20,
            token=b"\x0d" * 20,
            appraisers=tuple(sorted(appraiser.key.address for appraiser in self.appraisers)),
            threshold=2,
            trust_roots=(parse_root(self.platform.root_certificate).certificate,),
            channels=(community.channel, community.open_channel),
            distributions=(
                DistributionEntry(
                    b"\x0e" * 32, community.open_channel.id, self.statement.header.operator, (community.channel.id,)
                ),
            ),
        )

    def own(self, batch: SealedBatch, member: int, name: bytes) -> OwnBlock:
        """What the household opens with its own reader key."""
        index = next(at for at, entry in enumerate(batch.entries) if entry[2:34] == name)
        reader, header = self.community.readers[member], batch.header
        wrapped = next(key for key in (batch.wrapped_keys[index].get(reader.public_key),) if key is not None)
        key = unwrap_series_key(reader, wrapped, header.channel, header.sequence, index, name)
        return OwnBlock(key, open_block(key, header.channel, header.sequence, name, batch.blocks[index]))

    def receipt(self, member: int, registrations: Sequence[RegistrationPart]) -> Receipt:
        """The receipt of one household."""
        community = self.community
        meter_key = community.meter_keys[member]
        members = community.members.member_list.members
        days = []
        for batch in self.batches:
            name = blinded_meter(meter_key, batch.header.channel, batch.header.period_start)
            keys = [members[at].public_key for at in batch.member_of]
            metering = MeteringBatchPieces(
                batch.header, batch.signature, batch.entries, batch.entry_salts, batch.manifest, keys
            )
            days.append(DayPieces(metering, self.own(batch, member, name)))
        header = self.statement.header
        job = statement_job_id(meter_key, header.channel, header.period_start)
        own = self.own(self.statement, member, job)
        index = next(at for at, entry in enumerate(self.statement.entries) if entry[2:34] == job)
        payout = None
        if parse_bill(self.statement.results[index]).total_cents < 0:
            listed = self.statement.payouts
            assert listed is not None
            salts = [listed.salts[at : at + 16] for at in range(0, len(listed.salts), 16)]
            payout = PayoutPieces(PayoutTree.build(parse_payouts(listed.listed), salts), secret("payee", member)[:20])
        return build_receipt(
            community.domain,
            meter_key,
            members[member].public_key,
            days,
            StatementPieces(pieces_of(self.statement), own, TARIFF.to_bytes()),
            registrations,
            payout,
        )


@dataclass
class FakeChain:
    """The chain port from memory: registered a minute after the verdict, committed in time, all final."""

    deployment: Deployment
    headers: list[BatchHeader]
    parts: Sequence[RegistrationPart]
    now: int = NOW
    id: int = 31337
    states: dict[int, CommittedBatchView] = field(default_factory=dict)
    root: PayoutRootView | None = POSTED
    registered: list[RegistrationView] | None = None

    def chain_id(self) -> int:
        return self.id

    def genesis_hash(self) -> bytes:
        return self.deployment.genesis_hash

    def batch(self, channel: bytes, operator: bytes, sequence: int) -> CommittedBatchView | None:
        for position, header in enumerate(self.headers):
            if (header.channel, header.operator, header.sequence) == (channel, operator, sequence):
                digest = header.digest(self.deployment.referee_domain)
                view = CommittedBatchView(digest, self.now + 3600 + position, BatchState.FINAL)
                return self.states.get(position, view)
        return None

    def registrations(self, enclave_key: bytes) -> list[RegistrationView]:
        if self.registered is not None:
            return self.registered
        return [
            RegistrationView(
                part.verdict.digest(self.deployment.registry_domain), self.now + 60, part.verdict.expires_at, None
            )
            for part in self.parts
            if part.verdict.enclave_key == enclave_key
        ]

    def payout_root(self, distribution: bytes, root: bytes, total: int) -> PayoutRootView | None:
        return self.root

    def with_state(self, position: int, **changes: object) -> FakeChain:
        header = self.headers[position]
        view = self.batch(header.channel, header.operator, header.sequence)
        assert view is not None
        return replace(self, states={position: replace(view, **changes)})  # type: ignore[arg-type]
