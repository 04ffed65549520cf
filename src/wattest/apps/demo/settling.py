"""The demo's money: its tariff and sharing rule, what its manager signs, and who funds the payouts.

Decided here: prices, shares, the activation delay, and that the days are settled before their windows are over. Not
decided here: how a period is settled, posted, activated and claimed (``wattest.settling``).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from wattest.apps.demo.community import Community, Household
from wattest.apps.demo.result import HouseholdBill, QuarterHour
from wattest.apps.demo.site import OperatorSite
from wattest.apps.embedded import EmbeddedDeployment
from wattest.messages.channel import ChannelIdentity
from wattest.messages.settlement_terms import SettlementTerms, sign_terms
from wattest.receipt.deployment import Deployment, DistributionEntry
from wattest.receipt.link import Link
from wattest.settlement.allocation import AllocationKey
from wattest.settlement.bill import Bill
from wattest.settlement.tariff import Tariff
from wattest.settling.billing_period import days_from
from wattest.settling.claims import Claimed, claim_for
from wattest.settling.settlement_plan import Agreement, Place, plan_settlement
from wattest.store.settlement import Settlement
from wattest.twin.payouts import DistributionTerms, distribution_id
from wattest.units import QUARTER_HOUR_S, SECONDS_PER_DAY

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

    def settle(self, days: int, address_book: Deployment) -> Settlement:
        """Settle the first ``days`` days: the statement on chain, its root posted, the escrow funded."""
        site, contracts = self._site, self._deployment.contracts
        first = datetime.fromtimestamp(self._community.readings.start, UTC).date().isoformat()
        place = Place(
            site.account.address, self._community.duty, address_book, site.store, contracts.referee, contracts.payouts,
            contracts.token.decimals(),
        )  # fmt: skip
        plan = plan_settlement(
            place,
            self._agreement(days),
            days_from(first, days, "UTC"),
            now=self._deployment.client.now(),
            before_final=True,  # the windows pass later, and a batch that fell would make it void
        )
        site.settler.begin(plan.settlement)
        site.operator.step().raise_first()
        settlement = self.settlement
        if settlement.payouts is not None and settlement.payouts.total:
            manager, total = self._deployment.manager, settlement.payouts.total
            contracts.token.approve(manager.signer, contracts.payouts.address, total)
            contracts.payouts.fund(manager.signer, self.distribution.id, total)
        return settlement

    @property
    def settlement(self) -> Settlement:
        """The one settlement, as far as it is."""
        (one,) = self._site.store.settlements.all(self._channel.id)
        return one

    def claim(self, home: Household) -> Claimed:
        """Have a household paid what the active root promises it."""
        payouts, signer = self._deployment.contracts.payouts, self._site.account.signer
        return claim_for(payouts, signer, self.settlement, home.payee.address)

    def _agreement(self, days: int) -> Agreement:
        """The manager signs what the operator then cannot choose: prices, shares, payees, and whose meters count."""
        community, manager = self._community, self._deployment.manager
        payees = tuple(home.payee.address for home in community.households)
        tariff, allocation = TARIFF.to_bytes(), AllocationKey.dynamic(len(payees)).to_bytes()
        listed = community.member_keys.members.member_list
        span = community.readings.period(0)[0], community.readings.period(days - 1)[1]
        terms = SettlementTerms.over(self._channel.id, listed, tariff, allocation, payees, *span)
        signed = sign_terms(manager.signer, terms, self._deployment.contracts.referee.domain)
        return Agreement(self._channel.id, community.channel.id, listed.struct_hash, payees, tariff, allocation, signed)


def household_bills(
    bills: Mapping[str, Bill], paid: Mapping[str, int], checks: Mapping[str, Sequence[Link]]
) -> list[HouseholdBill]:
    """The bills in the order of names; ``paid`` maps names to what arrived, ``checks`` to what a stranger found."""
    return [HouseholdBill(name, bills[name], paid.get(name, 0), tuple(checks[name])) for name in sorted(bills)]


def quarter_hours(community: Community, bills: Mapping[str, Bill], days: int) -> list[QuarterHour]:
    """The community as a whole, each quarter hour: use, what of it was shared, and exports."""
    rows = [home.row for home in community.households]
    count = days * SECONDS_PER_DAY // QUARTER_HOUR_S
    use = community.readings.imports[rows, :count].sum(axis=0)
    exported = community.readings.exports[rows, :count].sum(axis=0)
    shared = [sum(bill.shared[place] for bill in bills.values()) for place in range(count)]
    return [
        QuarterHour(
            community.readings.start + place * QUARTER_HOUR_S, int(use[place]), shared[place], int(exported[place])
        )
        for place in range(count)
    ]


def new_salt() -> bytes:
    """32 fresh bytes for a channel id."""
    return secrets.token_bytes(32)
