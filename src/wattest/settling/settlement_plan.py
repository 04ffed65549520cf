"""What a settlement will do, found out and judged before anything is asked of an enclave.

Decided here: that terms, member list, batches, distribution and token belong together, and what is said where they do
not. Not decided here: which batches a period has (``coverage``), the steps that follow (``settler``). Nothing is
changed by planning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wattest.chain.payouts_port import PayoutsPort
from wattest.chain.ports import RefereePort
from wattest.errors import ConfigError, ProtocolError, VerificationError
from wattest.messages.channel import ChannelIdentity
from wattest.messages.member_list import SignedMemberList
from wattest.messages.settlement_terms import SettlementTerms, SignedTerms, TermsUnsigned, verify_terms
from wattest.metering.meter import meter_key_id
from wattest.receipt.deployment import Deployment
from wattest.settlement.tariff import parse_tariff
from wattest.settling.billing_period import BillingPeriod, local_date
from wattest.settling.coverage import Coverage, cover
from wattest.store.batch_state import StoredBatch, StoredState
from wattest.store.duty import Duty, MemberKeys
from wattest.store.operator_port import OperatorView
from wattest.store.refusals import settled_already
from wattest.store.settlement import Settlement, SettlementState
from wattest.twin.batch import BatchState
from wattest.units import SECONDS_PER_DAY

_IN_CHAIN = frozenset({StoredState.COMMITTED, StoredState.FINAL, StoredState.SLASHED})


class MembersUnknown(VerificationError):
    """Terms over a member list that the operator does not serve."""


class MembersChanged(ProtocolError):
    """A period in which the channel's members changed: a statement of today's format has one member list."""


class StatementChannelUnknown(ConfigError):
    """Terms for a statement channel that the deployment does not list."""


class DistributionMissing(ConfigError):
    """No payout distribution takes this operator's statements over this metering channel."""


class DistributionForeign(ConfigError):
    """The distribution on chain is fixed to something else than the deployment says."""


class CurrencyMismatch(ConfigError):
    """A tariff that counts in other decimals than the token that pays."""


class StatementInFlight(ProtocolError):
    """The statement channel's last batch is not on chain, or its last settlement is not sealed."""


class StatementChannelSpoiled(ProtocolError):
    """A statement channel whose payout list holds what must not be paid: every later list would hold it, too."""


class PayoutListUnknown(ProtocolError):
    """The statement channel has statements that this operator's folder knows no payout list of."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a manager signed for a statement channel, with the parameters it was signed over.

    Channels 32 bytes; ``members`` the member list's EIP-712 hashStruct; ``payees`` 20 bytes each in member order, zero
    for none; ``tariff`` and ``allocation`` their canonical bytes.
    """

    statement_channel: bytes
    metering_channel: bytes
    members: bytes
    payees: tuple[bytes, ...]
    tariff: bytes
    allocation: bytes
    terms: SignedTerms


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operator settles: its address and duty, the address book, and the ports."""

    operator: bytes
    duty: Duty
    deployment: Deployment
    view: OperatorView
    referee: RefereePort
    payouts: PayoutsPort
    token_decimals: int | None
    """None where the deployment names no token."""


@dataclass(frozen=True, slots=True)
class SettlementPlan:
    """A settlement that can begin, with what is worth knowing before it does."""

    settlement: Settlement
    coverage: Coverage
    households: int
    escrow: int
    promised_before: int


def plan_settlement(
    place: Place,
    agreement: Agreement,
    period: BillingPeriod,
    *,
    now: int,
    is_rounded: bool = False,
    before_final: bool = False,
) -> SettlementPlan:
    """Plan a period's settlement; ``now`` is the chain's time.

    Raises: what ``coverage.cover`` raises; TermsUnsigned, MembersUnknown, MembersChanged, StatementChannelUnknown,
    DistributionMissing, DistributionForeign, CurrencyMismatch, StatementInFlight, StatementChannelSpoiled,
    PayoutListUnknown, SettledAlready.
    """
    duty, view = place.duty, place.view
    statements = _statement_channel(place.deployment, agreement)
    keys = _members(duty, agreement)
    version = place.referee.channel_head(duty.channel.id).parameters_version
    window = place.referee.parameters_of(duty.channel.id, version).challenge_window_s
    coverage = cover(
        view.batches(duty.channel.id), period, duty.epoch_s,
        households=len(keys.meter_keys), now=now, challenge_window_s=window, is_rounded=is_rounded,
        is_final=None if before_final else lambda batch: _is_final(place, batch, window, now),
    )  # fmt: skip
    _require_members(view, duty, keys, coverage.batches, period.zone)
    _require_terms(place, agreement, statements, keys.members, coverage, period.zone)
    distribution = _distribution(place, agreement)
    decimals = parse_tariff(agreement.tariff).currency_decimals
    if place.token_decimals is not None and decimals != place.token_decimals:
        raise CurrencyMismatch(
            "the tariff counts in other decimals than the token that pays",
            expected=place.token_decimals,
            actual=decimals,
            hint="let the manager sign terms with the token's decimals",
        )
    wanted = Settlement(
        statement_channel=agreement.statement_channel,
        sequence=0,
        previous=bytes(32),
        metering_channel=duty.channel.id,
        period_start=coverage.start,
        period_end=coverage.end,
        cited=coverage.cited,
        zone=period.zone,
        distribution=distribution,
        members=keys.members,
        payees=agreement.payees,
        tariff=agreement.tariff,
        allocation=agreement.allocation,
        terms=agreement.terms,
        previous_payouts=b"",
    )
    settlement = _begun(view, wanted)
    if settlement is None:
        sequence, previous, payouts_before = _standing(place, agreement.statement_channel)
        settlement = replace(wanted, sequence=sequence, previous=previous, previous_payouts=payouts_before)
    account = place.payouts.account_of(distribution)
    return SettlementPlan(
        settlement,
        coverage,
        len(keys.meter_keys),
        account.funded_amount - account.reclaimed_amount,
        max(account.active_total, place.payouts.pending_root_of(distribution).total),
    )


def _statement_channel(deployment: Deployment, agreement: Agreement) -> ChannelIdentity:
    found = deployment.channel(agreement.statement_channel)
    if found is None:
        raise StatementChannelUnknown(
            "the deployment lists no such statement channel",
            channel=agreement.statement_channel,
            hint="get deployment.json again from the manager, or terms of this deployment",
        )
    return found


def _members(duty: Duty, agreement: Agreement) -> MemberKeys:
    if agreement.metering_channel != duty.channel.id:
        raise TermsUnsigned(
            "the terms are over another metering channel",
            expected=duty.channel.id,
            actual=agreement.metering_channel,
            hint="name the channel with --channel, or get the terms for this one",
        )
    for keys in duty.member_lists:
        if keys.members.member_list.struct_hash == agreement.members:
            return keys
    raise MembersUnknown(
        "the terms were signed over another member list than the operator serves",
        expected=[keys.members.member_list.struct_hash for keys in duty.member_lists],
        actual=agreement.members,
        hint="let the manager sign terms over the list in force: wattest manager terms",
    )


def _require_members(
    view: OperatorView, duty: Duty, keys: MemberKeys, batches: Sequence[StoredBatch], zone: str
) -> None:
    """Every batch was sealed over this very list of meters."""
    own = frozenset(map(meter_key_id, keys.public_keys))
    others = [
        batch
        for batch in batches
        if _meters(view.roster(batch.channel, batch.sequence)) != own or not _is_in_force(duty, keys, batch)
    ]
    if not others:
        return
    first = others[0]
    same = [batch for batch in batches if batch not in others]
    days = sum(batch.period_end - batch.period_start for batch in same) // SECONDS_PER_DAY
    part = (
        f"settle {days} days with these terms, from {local_date(same[0].period_start, zone)} on, and the rest with"
        " terms over the other list"
        if same
        else "settle with terms over the list of that time"
    )
    raise MembersChanged(
        "another member list was in force for a part of the period, and a statement has one",
        sequence=first.sequence,
        period_start=first.period_start,
        batches=len(others),
        hint=f"from {local_date(first.period_start, zone)} on the members are others: {part}",
    )


def _is_in_force(duty: Duty, keys: MemberKeys, batch: StoredBatch) -> bool:
    return keys.members.member_list.valid_from <= batch.period_start and duty.members_at(batch.period_start) is keys


def _meters(roster: bytes) -> frozenset[bytes]:
    return frozenset(roster[at : at + 32] for at in range(0, len(roster), 32))


def _require_terms(
    place: Place,
    agreement: Agreement,
    statements: ChannelIdentity,
    members: SignedMemberList,
    coverage: Coverage,
    zone: str,
) -> None:
    signed = agreement.terms
    over = SettlementTerms.over(
        statements.id, members.member_list, agreement.tariff, agreement.allocation, agreement.payees,
        signed.valid_from, signed.valid_until,
    )  # fmt: skip
    try:
        verify_terms(over, signed.signature, statements, place.referee.domain, (coverage.start, coverage.end))
    except TermsUnsigned as error:
        if isinstance(error.fields.get("actual"), list):  # the signature holds, the times do not
            last = local_date(signed.valid_until - 1, zone)
            error.hint = (
                f"they hold from {local_date(signed.valid_from, zone)} to {last}: settle days among these, or let the"
                " manager sign terms over this period (wattest manager terms)"
            )
        raise


def _distribution(place: Place, agreement: Agreement) -> bytes:
    found = place.deployment.distribution(agreement.statement_channel, place.operator, agreement.metering_channel)
    if found is None:
        raise DistributionMissing(
            "the deployment names no distribution for this operator's statements over this channel",
            operator=place.operator,
            statement_channel=agreement.statement_channel,
            metering_channel=agreement.metering_channel,
            hint="let the manager make one: wattest payouts create",
        )
    terms = place.payouts.terms_of(found.id)
    if not any(terms.poster):
        raise DistributionMissing(
            "the deployment names a distribution that is not on this chain",
            distribution=found.id,
            hint="get deployment.json of this chain, or let the manager make one: wattest payouts create",
        )
    expected = (place.operator, agreement.statement_channel, place.operator, agreement.metering_channel)
    actual = (terms.poster, terms.statement_channel, terms.statement_operator, *terms.metering_channels)
    if actual != expected or terms.referee != place.referee.address:
        raise DistributionForeign(
            "the distribution is fixed to another operator, channel or referee",
            distribution=found.id,
            expected=list(expected),
            actual=list(actual),
            hint="let the manager make one for this operator: wattest payouts create",
        )
    return found.id


def _is_final(place: Place, batch: StoredBatch, window_s: int, now: int) -> bool:
    """Whether a batch is final, also where the operator has not looked since."""
    if batch.state is StoredState.FINAL:
        return True
    record = batch.record
    if record is None or now < record.committed_at + window_s:
        return False
    return place.referee.state_of(batch.citation(place.operator)) is BatchState.FINAL


def _begun(view: OperatorView, wanted: Settlement) -> Settlement | None:
    """The settlement that was begun over the very same, None when none was.

    Raises: SettledAlready where another one has a part of the period.
    """
    for known in view.settlements.all(wanted.statement_channel):
        if known.is_same_work(wanted):
            return known
        if known.overlaps(wanted):
            raise settled_already(known)
    return None


def _standing(place: Place, channel: bytes) -> tuple[int, bytes, bytes]:
    """The next statement's sequence, the digest of the header before it, and the payout list that it continues."""
    view = place.view
    head = place.referee.operator_head(channel, place.operator).sequence
    settlements = view.settlements.all(channel)
    begun = [one for one in settlements if one.state is SettlementState.PLANNED]
    spoiled = [one for one in settlements if one.state in {SettlementState.VOID, SettlementState.DISABLED}]
    if spoiled:
        raise StatementChannelSpoiled(
            "the channel's payout list goes on from a statement that must not be paid",
            sequence=spoiled[0].sequence,
            state=spoiled[0].state.value,
            hint="let the manager open another statement channel, with a distribution of its own",
        )
    last = view.last_batch(channel)
    if last is not None and (last.state not in _IN_CHAIN or last.sequence != head):
        raise StatementInFlight(
            "the statement channel's last batch is not on chain yet",
            sequence=last.sequence,
            state=last.state.value,
            hint="let the operator go on: wattest operator run, or wattest settle --continue",
        )
    if begun:
        raise StatementInFlight(
            "a settlement was begun and is not sealed",
            sequence=begun[0].sequence,
            state=begun[0].state.value,
            hint="go on with it: wattest settle --continue",
        )
    if head == 0:
        return 1, bytes(32), b""
    known = [one for one in settlements if one.sequence == head and one.payouts is not None]
    if not known or last is None or last.header_digest is None:
        raise PayoutListUnknown(
            "the statement channel goes on from a statement that this folder did not settle",
            sequence=head,
            hint="settle with the data folder that made it, or let the manager open another statement channel",
        )
    payouts = known[0].payouts
    assert payouts is not None  # chosen for it
    return head + 1, last.header_digest, payouts.listed
