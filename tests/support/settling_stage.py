"""An operator that settles, on a simulated chain: real enclave, keeper of keys, loop and store; no chain process."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
from memory_bundles import MemoryBundles
from memory_inbox import MemoryInbox
from node_community import EPOCH_S, ETHER, FIRST_PERIOD, GENESIS_S, PARAMETERS, TERMS, Household, seed

from wattest.appraiser.appraiser import Appraiser
from wattest.attestation.roots import parse_root
from wattest.chain.local_signer import LocalSigner
from wattest.chain.simulated import SimulatedChain
from wattest.chain.simulated_payouts import SimulatedPayouts
from wattest.chain.simulated_referee import SimulatedReferee
from wattest.chain.simulated_registry import SimulatedRegistry
from wattest.crypto.hpke import ReaderPrivateKey
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.enclave.host.simulator_platform import SimulatorPlatform
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.keys.enclave_slots import ProcessSlots
from wattest.keys.key_keeper import KeyKeeper
from wattest.keys.key_life import KeySettings
from wattest.keys.key_standing import sealing_workload, settling_workload
from wattest.keys.registrar import QuorumRegistrar
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.member_list import Member, MemberList, SignedMemberList, sign_member_list
from wattest.messages.settlement_terms import SettlementTerms, sign_terms
from wattest.metering.device_block import sign_device_block
from wattest.metering.meter import meter_key_commitment, pseudonym
from wattest.metering.records import make_device_records
from wattest.operator.operator import Operator, OperatorSettings
from wattest.operator.step_report import StepReport
from wattest.receipt.deployment import Deployment, DistributionEntry
from wattest.settlement.allocation import AllocationKey
from wattest.settlement.tariff import Tariff
from wattest.settling.billing_period import BillingPeriod, days_from
from wattest.settling.settlement_plan import Agreement, Place, SettlementPlan, plan_settlement
from wattest.settling.settler import Settler
from wattest.store.back_ends import DataPlace
from wattest.store.duty import Duty, MemberKeys, OpenDuty, OpenUse
from wattest.store.settlement import SettlementState
from wattest.twin.payouts import DistributionTerms, distribution_id
from wattest.twin.registry import AppraiserQuorum

MANAGER, OPERATOR = LocalSigner(seed("manager")), LocalSigner(seed("operator"))
TARIFF = Tariff(24_000_000, 9_000_000, 12_000_000, 4_000_000, 8_000_000, 10_000_000, currency_decimals=2)
FIRST_DATE = "2023-11-14"
"""The date of ``FIRST_PERIOD`` in UTC."""
DELAY_S = 86_400


def energy_block(home: Household, period: int, imports_wh: int, exports_wh: int) -> bytes:
    """A signed day of quarter hours, the same energy in each, with registers that go on from day to day."""
    day = (period - FIRST_PERIOD) // EPOCH_S
    count = np.arange(96, dtype=np.uint64) + 1 + day * 96
    records = make_device_records(
        pseudonym(home.meter.public_key),
        start=period + 900 * np.arange(96, dtype=np.uint64),
        duration_s=900,
        import_register=count * (imports_wh * 1000),
        export_register=count * (exports_wh * 1000),
        import_milliwatt_hours=imports_wh * 1000,
        export_milliwatt_hours=exports_wh * 1000,
    )
    return sign_device_block(home.meter, period, period + EPOCH_S, records).to_bytes()


class SettlingStage:
    """Three households, one with solar power; an operator with a statement channel and its payout distribution."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        appraiser_key = Secp256k1PrivateKey.from_seed(seed("appraiser"))
        self.chain = SimulatedChain(GENESIS_S, AppraiserQuorum((appraiser_key.address,), 1))
        self.referee, self.registry = SimulatedReferee(self.chain), SimulatedRegistry(self.chain)
        self.payouts = SimulatedPayouts(self.chain)
        self.channel = ChannelIdentity(MANAGER.address, ChannelKind.SCHEDULED, seed("channel"))
        self.statements = ChannelIdentity(MANAGER.address, ChannelKind.OPEN, seed("statements"))
        self.homes = sorted((Household.make(str(at)) for at in range(3)), key=lambda home: home.meter.public_key)
        for channel in (self.channel, self.statements):
            parameters = PARAMETERS if channel is self.channel else replace(PARAMETERS, epoch_s=0, commit_deadline_s=0)
            self.referee.create_standard_channel(MANAGER, channel.kind, channel.salt, parameters, TERMS)
            self.referee.deposit(OPERATOR, channel.id, 40 * ETHER)
        self.referee.set_roster_count(MANAGER, self.channel.id, len(self.homes), FIRST_PERIOD)
        self.distribution = distribution_id(MANAGER.address, bytes(32))
        self.payouts.create_distribution(
            MANAGER,
            bytes(32),
            DistributionTerms(
                OPERATOR.address, MANAGER.address, b"\x70" * 20, self.referee.address, self.statements.id,
                OPERATOR.address, DELAY_S, (self.channel.id,), (),
            ),
        )  # fmt: skip
        self.members = self.signed_members()
        keys = MemberKeys(self.members, [home.meter_key for home in self.homes])
        self.duty = Duty(self.channel, EPOCH_S, FIRST_PERIOD, (keys,))
        self.open_duty = OpenDuty(self.statements, OpenUse.STATEMENTS, self.channel.id)
        self.platform = SimulatedPlatform.create(folder / "platform", GENESIS_S)
        self.slots = ProcessSlots(SimulatorPlatform(self.platform), folder / "enclave")
        stack.callback(self.slots.stop)
        measurement = self.slots.client(0).describe().measurement
        policy = f'version = 1\n[[enclave]]\nname = "wattest"\nmr_enclave = "{measurement.hex()}"\n'
        root = parse_root(self.platform.root_certificate)
        workloads = frozenset({sealing_workload(), settling_workload()})
        self.appraiser = Appraiser(appraiser_key, policy.encode(), [root], workloads)
        self.data, self.bundles, self.inbox = DataPlace(folder / "node"), MemoryBundles(), MemoryInbox()
        self.store = self.data.write()
        stack.callback(self.store.close)
        self.operator = self.open_operator()
        self.deployment = Deployment(
            chain_id=self.chain.chain_id, genesis_hash=self.chain.block(0).hash, deployed_at_block=0,
            referee=self.referee.address, challenges=self.referee.challenges, fraud_proofs=self.referee.fraud_proofs,
            registry=self.registry.address, verifier=b"\x0a" * 20,
            payouts=b"\x0b" * 20, first_light=b"\x0c" * 20, token=b"\x70" * 20,
            appraisers=(appraiser_key.address,), threshold=1, trust_roots=(self.platform.root_certificate,),
            channels=(self.channel, self.statements),
            distributions=(
                DistributionEntry(self.distribution, self.statements.id, OPERATOR.address, (self.channel.id,)),
            ),
        )  # fmt: skip

    def open_operator(self) -> Operator:
        """An operator over the store as it is, as after a restart."""
        keeper = KeyKeeper(
            self.store, self.referee, self.registry, OPERATOR, self.slots,
            registrar=QuorumRegistrar([self.appraiser], 1, self.registry.domain),
            endorsements=lambda now: self.platform.collateral(now).to_json(),
            settings=KeySettings(first_backoff_s=0.0),
            open_duties=[self.open_duty],
        )  # fmt: skip
        self.settler = Settler(self.store, self.bundles, self.payouts, OPERATOR, [self.duty])
        return Operator(
            self.store, self.bundles, self.inbox, self.referee, OPERATOR, lambda: self.slots.client(0),
            duties=[self.duty], open_duties=[self.open_duty], settler=self.settler,
            settings=OperatorSettings(collect_grace_s=0), keys=keeper,
        )  # fmt: skip

    def signed_members(self, valid_from: int = FIRST_PERIOD) -> SignedMemberList:
        """The manager's list of all households."""
        members = tuple(
            Member(home.meter.public_key, meter_key_commitment(home.meter_key), home.reader.public_key)
            for home in self.homes
        )
        watcher = ReaderPrivateKey.from_seed(seed("watcher reader"))
        listed = MemberList(self.channel.id, valid_from, members, (watcher.public_key,))
        return sign_member_list(MANAGER, listed, self.channel, self.referee.domain)

    def step(self) -> StepReport:
        """One step that must not fail."""
        report = self.operator.step()
        report.raise_first()
        return report

    def commit_day(self, day: int) -> None:
        """A day goes on chain; the first household exports more than all others use."""
        period = FIRST_PERIOD + day * EPOCH_S
        for at, home in enumerate(self.homes):
            block = energy_block(home, period, 0 if at == 0 else 250, 900 if at == 0 else 0)
            self.operator.ingest(self.channel.id, block)
        self.chain.advance_to(period + EPOCH_S)
        assert self.step().sealed == [day + 1]

    def pass_windows(self) -> None:
        """Everything on chain becomes final; the days that pass meanwhile are empty."""
        self.chain.advance_to(self.chain.now() + PARAMETERS.challenge_window_s + 1)
        self.step()

    def payees(self) -> tuple[bytes, ...]:
        """A payout address for each household."""
        return tuple(seed(f"payee {at}", 20) for at in range(len(self.homes)))

    def agreement(
        self,
        *,
        members: SignedMemberList | None = None,
        key: LocalSigner = MANAGER,
        days: tuple[int, int] = (0, 31),
        tariff: Tariff = TARIFF,
    ) -> Agreement:
        """What the manager (or ``key``) signed, for days of the channel."""
        listed = (members or self.members).member_list
        allocation = AllocationKey.dynamic(len(listed.members)).to_bytes()
        terms = SettlementTerms.over(
            self.statements.id, listed, tariff.to_bytes(), allocation, self.payees(),
            FIRST_PERIOD + days[0] * EPOCH_S, FIRST_PERIOD + days[1] * EPOCH_S,
        )  # fmt: skip
        return Agreement(
            self.statements.id, self.channel.id, listed.struct_hash, self.payees(), tariff.to_bytes(), allocation,
            sign_terms(key, terms, self.referee.domain),
        )  # fmt: skip

    def place(self) -> Place:
        """What planning looks at."""
        return Place(
            OPERATOR.address, self.duty, self.deployment, self.store, self.referee, self.payouts, token_decimals=2
        )

    def plan(
        self,
        period: BillingPeriod | None = None,
        agreement: Agreement | None = None,
        *,
        days: int = 2,
        before_final: bool = False,
    ) -> SettlementPlan:
        """Plan the first days, or another period."""
        return plan_settlement(
            self.place(),
            agreement or self.agreement(),
            period or days_from(FIRST_DATE, days, "UTC"),
            now=self.chain.now(),
            before_final=before_final,
        )

    def states(self) -> list[SettlementState]:
        """How far the settlements are, in order."""
        return [one.state for one in self.store.settlements.all()]
