"""From sealed days to money: the statement, the payout root and the claims.

Decided here: the demo's tariff and sharing rule, who funds the payouts, and in which order statement, root and claims
go on chain. Not decided here: the arithmetic (the ``settle`` guest inside the enclave) and the receipts (``receipts``).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from wattest.apps.demo.community import Community, Household
from wattest.apps.demo.result import HouseholdBill, QuarterHour
from wattest.apps.demo.site import OperatorSite
from wattest.apps.embedded import EmbeddedDeployment
from wattest.enclave.host.client import CitedBatch, SealedBatch, StatementJob
from wattest.messages.channel import ChannelIdentity
from wattest.messages.header import BatchHeader
from wattest.messages.settlement_terms import SettlementTerms, sign_terms
from wattest.receipt.deployment import DistributionEntry
from wattest.receipt.link import Link
from wattest.settlement.allocation import AllocationKey
from wattest.settlement.bill import Bill, parse_bill
from wattest.settlement.payout import PayoutTree
from wattest.settlement.tariff import Tariff
from wattest.store.batch_state import StoredBatch
from wattest.store.batch_tree import entry_inclusion
from wattest.twin.batch import BatchCitation
from wattest.twin.payouts import DistributionTerms, distribution_id
from wattest.units import QUARTER_HOUR_S, SECONDS_PER_DAY
from wattest.workload.settle import parse_payouts

TARIFF = Tariff(
    energy=24_000_000,
    grid=9_000_000,
    community=12_000_000,
    community_grid=4_000_000,
    feed_in=8_000_000,
    fixed_per_day=10_000_000,
    currency_decimals=2,
)
"""24 cents for energy and 9 for the grid; 12 and 4 within the community; 8 for feed-in; 10 cents a day."""
ACTIVATION_DELAY_S = SECONDS_PER_DAY
_SALT = bytes(32)


@dataclass(frozen=True)
class Settlement:
    """The statement batch on chain, the bills in member order, and the payout tree (None when nobody is owed)."""

    stored: StoredBatch
    sealed: SealedBatch
    bills: tuple[Bill, ...]
    payouts: PayoutTree | None
    citations: tuple[BatchCitation, ...]

    @cached_property
    def payees(self) -> frozenset[bytes]:
        """The addresses that are owed something."""
        return frozenset(payout.address for payout in self.payouts.payouts) if self.payouts is not None else frozenset()


class Settling:
    """Settles one community's days into the statement channel of its operator."""

    def __init__(
        self,
        deployment: EmbeddedDeployment,
        site: OperatorSite,
        community: Community,
        statement_channel: ChannelIdentity,
    ) -> None:
        self._deployment = deployment
        self._site = site
        self._community = community
        self._channel = statement_channel
        self.distribution = DistributionEntry(
            distribution_id(deployment.manager.address, _SALT),
            statement_channel.id,
            site.account.address,
            (community.channel.id,),
        )

    def open_distribution(self) -> None:
        """Create the payout distribution; its root comes from this operator's statements alone."""
        contracts, manager = self._deployment.contracts, self._deployment.manager
        terms = DistributionTerms(
            poster=self._site.account.address,
            disabler=manager.address,
            token=self._deployment.addresses.token,
            referee=contracts.referee.address,
            statement_channel=self._channel.id,
            statement_operator=self._site.account.address,
            activation_delay_s=ACTIVATION_DELAY_S,
            metering_channels=(self._community.channel.id,),
            import_channels=(),
        )
        contracts.payouts.create_distribution(manager.signer, _SALT, terms)

    def settle(self, days: int) -> Settlement:
        """Settle the first ``days`` days in the enclave, commit the statement, fund and post the payout root."""
        operator, community = self._site.operator, self._community
        batches = [operator.store.batch(community.channel.id, day + 1) for day in range(days)]
        keys = community.member_keys
        payees = [home.payee.address for home in community.households]
        tariff, allocation = TARIFF.to_bytes(), AllocationKey.dynamic(len(community.households)).to_bytes()
        period = community.readings.period(0)[0], community.readings.period(days - 1)[1]
        # The manager signs what the operator then cannot choose: prices, shares, payees, and whose meters count.
        manager, domain = self._deployment.manager, self._deployment.contracts.referee.domain
        listed = keys.members.member_list
        terms = SettlementTerms.over(self._channel.id, listed, tariff, allocation, payees, *period)
        job = StatementJob(
            channel=self._channel.id,
            head=operator.chain_head(self._channel.id),
            period_start=period[0],
            period_end=period[1],
            members=keys.members,
            meter_keys=keys.meter_keys,
            payees=payees,
            tariff=tariff,
            allocation=allocation,
            terms=sign_terms(manager.key, terms, domain),
            batches=self._cited(batches),
        )
        stored, sealed = operator.seal(job)
        bill_of = {
            member: parse_bill(sealed.results[entry]) for entry, member in enumerate(sealed.member_of) if member >= 0
        }
        citations = tuple(_citation(batch) for batch in batches)
        payouts = _payout_tree(sealed)
        settlement = Settlement(
            stored, sealed, tuple(bill_of[member] for member in range(len(bill_of))), payouts, citations
        )
        if payouts is not None:
            self._post(settlement, payouts)
        return settlement

    def activate(self, settlement: Settlement) -> None:
        """Make the payout root active: everything that it cites is final."""
        if settlement.payouts is not None:
            self._deployment.contracts.payouts.activate_root(
                self._site.account.signer, self.distribution.id, _citation(settlement.stored), settlement.citations
            )

    def claim(self, settlement: Settlement, home: Household) -> tuple[int, int]:
        """Claim what the active root promises a household: the amount that arrived, and the gas."""
        tree = settlement.payouts
        if tree is None or home.payee.address not in settlement.payees:
            return 0, 0
        contracts = self._deployment.contracts
        payout, salt, proof = tree.prove(home.payee.address)
        receipt = contracts.payouts.claim(
            self._site.account.signer,
            self.distribution.id,
            account=payout.address,
            cumulative_amount=payout.cumulative_amount,
            salt=salt,
            leaf_index=proof.index,
            leaf_count=proof.size,
            path=proof.path,
        )
        return contracts.token.balance_of(home.payee.address), receipt.gas_used

    def _cited(self, batches: Sequence[StoredBatch]) -> Iterator[CitedBatch]:
        storage_key = self._site.registered[self._community.channel.id].identity.storage_key
        for batch in batches:
            header, signature = _header(batch)
            entries, _ = self._site.store.entries(batch.channel, batch.sequence)
            wrapped = self._site.store.wrapped_keys(batch.channel, batch.sequence, storage_key)
            with self._site.bundles.open(header.content_id) as bundle:
                blocks = list(bundle.blocks())
            yield CitedBatch(header, signature, entries, blocks, [wrapped[place] for place in range(len(entries))])

    def _post(self, settlement: Settlement, tree: PayoutTree) -> None:
        contracts, manager = self._deployment.contracts, self._deployment.manager
        contracts.token.approve(manager.signer, contracts.payouts.address, tree.total)
        contracts.payouts.fund(manager.signer, self.distribution.id, tree.total)
        sealed = settlement.sealed
        if sealed.payouts is None:
            raise RuntimeError("a statement has a payout entry")
        contracts.payouts.post_root(
            self._site.account.signer,
            self.distribution.id,
            root=tree.root,
            total=tree.total,
            header=sealed.header,
            statement=settlement.stored.citation(self._site.account.address),
            entry=entry_inclusion(sealed.entries, sealed.entry_salts, sealed.payouts.entry),
            cited=settlement.citations,
        )


def household_bills(
    community: Community, settlement: Settlement, paid: Mapping[str, int], checks: Mapping[str, Sequence[Link]]
) -> list[HouseholdBill]:
    """The bills in the order of names; ``paid`` maps names to what arrived, ``checks`` to what a stranger found."""
    bill_of = dict(zip((home.name for home in community.households), settlement.bills, strict=True))
    return [HouseholdBill(name, bill_of[name], paid.get(name, 0), tuple(checks[name])) for name in sorted(bill_of)]


def quarter_hours(community: Community, settlement: Settlement, days: int) -> list[QuarterHour]:
    """The community as a whole, each quarter hour: use, what of it was shared, and exports."""
    rows = [home.row for home in community.households]
    count = days * SECONDS_PER_DAY // QUARTER_HOUR_S
    use = community.readings.imports[rows, :count].sum(axis=0)
    exported = community.readings.exports[rows, :count].sum(axis=0)
    shared = [sum(bill.shared[place] for bill in settlement.bills) for place in range(count)]
    return [
        QuarterHour(
            community.readings.start + place * QUARTER_HOUR_S, int(use[place]), shared[place], int(exported[place])
        )
        for place in range(count)
    ]


def _payout_tree(sealed: SealedBatch) -> PayoutTree | None:
    if sealed.payouts is None:
        return None
    listed = parse_payouts(sealed.payouts.listed)
    salts = sealed.payouts.salts
    if not listed:
        return None
    return PayoutTree.build(listed, [salts[at : at + 16] for at in range(0, len(salts), 16)])


def _header(batch: StoredBatch) -> tuple[BatchHeader, bytes]:
    if batch.header is None or batch.signature is None:
        raise RuntimeError(f"batch {batch.sequence} is not sealed")
    return batch.header, batch.signature


def _citation(batch: StoredBatch) -> BatchCitation:
    header, _ = _header(batch)
    return batch.citation(header.operator)


def new_salt() -> bytes:
    """32 fresh bytes for a channel id."""
    return secrets.token_bytes(32)
