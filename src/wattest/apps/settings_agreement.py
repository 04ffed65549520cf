"""A node's configuration against the chain, before it does anything: operator, watcher, appraiser.

Decided here: what is fetched for each of them, whose data folder counts, and that an operator who has to answer for
batches on chain is not kept from it by what somebody else may have changed there. Not decided here: what is compared
(``chain.shared_settings``), and the operator's own look at every step (``operator.operator``).
"""

from __future__ import annotations

from wattest.apps.appraiser_file import AppraiserFile
from wattest.apps.operator_file import OperatorFile
from wattest.apps.watcher_file import WatcherFile
from wattest.chain.client import ChainClient
from wattest.chain.deploy import Contracts
from wattest.chain.referee_core import ChannelHead
from wattest.chain.shared_settings import (
    Difference,
    appraiser_differences,
    channel_differences,
    deployment_differences,
    longest_registration_s,
    margin_differences,
    operator_differences,
    pace_differences,
    permit_differences,
    policy_differences,
    require_agreement,
    roster_differences,
    signed_differences,
    watcher_differences,
)
from wattest.keys.carry_over import CarryTerms
from wattest.messages.hand_over_permit import PermitKind
from wattest.messages.peer_policy import PeerPolicy
from wattest.operator.due import next_period
from wattest.operator.witness_service import WitnessTerms
from wattest.receipt.deployment import Deployment
from wattest.store.belonging import Owner
from wattest.store.duty import Duty
from wattest.store.operator_port import OperatorView


def owner_of(deployment: Deployment, account: bytes) -> Owner:
    """Whose data a folder must be."""
    return Owner(account, deployment.genesis_hash, deployment.referee)


def require_operator_agreement(
    settings: OperatorFile, contracts: Contracts, operator: bytes, store: OperatorView
) -> list[Difference]:
    """Refuse to run an operator whose settings differ from the chain's.

    What may have been changed on chain meanwhile does not stop one that has committed: it must be able to answer. Such
    differences are given back to be told, and hold back their channel at each step.

    Raises: SettingsDisagree with every difference; ``TransportError`` when the chain does not answer.
    """
    found = operator_file_differences(settings, contracts, operator, store)
    heads = contracts.referee.heads_of([duty.channel.id for duty in settings.duties], operator)
    if any(own.sequence for _, own in heads.values()) and all(one.may_change for one in found):
        return found
    require_agreement(found)
    return []


def operator_file_differences(
    settings: OperatorFile, contracts: Contracts, operator: bytes, store: OperatorView
) -> list[Difference]:
    """Everything in an operator's file that the chain has differently; changes nothing."""
    deployment, client = settings.deployment, contracts.client
    domain, now = deployment.referee_domain, client.now()
    heads = contracts.referee.heads_of([duty.channel.id for duty in settings.duties], operator)
    found = deployment_differences(client, deployment)
    found += margin_differences(settings.keys.inclusion_margin_s, longest_registration_s(client, deployment))
    by_operator: list[Difference] = []
    for number, duty in enumerate(settings.duties):
        place, (head, own) = f"channel[{number}]", heads[duty.channel.id]
        lists = [keys.members for keys in duty.member_lists]
        fixed = channel_differences(place, duty.channel, duty.epoch_s, head)
        found += fixed + signed_differences(place, duty.channel, lists, domain)
        if not fixed:
            found += roster_differences(place, lists, _next_start(duty, store, head, now), head)
        if head.parameters_version:
            by_operator += operator_differences(place, operator, own, head)
        found += _signed_terms(place, settings, duty, operator)
    found += pace_differences(settings.collect_grace_s, settings.interval_s, [head for head, _ in heads.values()])
    return found + list({(one.setting, one.here, one.chain): one for one in by_operator}.values())


def require_watcher_agreement(settings: WatcherFile, contracts: Contracts, watcher: bytes) -> None:
    """Refuse to run a watcher whose settings differ from the chain's. Raises as ``require_operator_agreement``."""
    deployment, referee = settings.deployment, contracts.referee
    found = deployment_differences(contracts.client, deployment)
    channels = [channel.id for channel in deployment.channels]
    heads = {address: referee.heads_of(channels, address) for address in settings.operators}
    versions = {at: head.parameters_version for one in heads.values() for at, (head, _) in one.items()}
    windows = [referee.parameters_of(at, version).challenge_window_s for at, version in versions.items() if version]
    found += watcher_differences(
        settings.operators,
        {address: [own for _, own in one.values()] for address, one in heads.items()},
        watcher,
        settings.unreachable_grace_s,
        windows,
    )
    require_agreement(found)


def require_appraiser_agreement(settings: AppraiserFile, client: ChainClient, appraiser: bytes) -> None:
    """Refuse to run an appraiser whose verdicts would not count. Raises as ``require_operator_agreement``."""
    deployment = settings.deployment
    Contracts.at(client, deployment)
    longest = longest_registration_s(client, deployment)
    found = deployment_differences(client, deployment)
    require_agreement(found + appraiser_differences(appraiser, settings.registration_s, longest, deployment))


def _next_start(duty: Duty, store: OperatorView, head: ChannelHead, now: int) -> int:
    last = store.last_batch(duty.channel.id)
    start = duty.first_period_start if last is None else duty.period_of(last.period_end)[0]
    return next_period(start, duty.epoch_s, head.commit_deadline_s, now)[0]


def _signed_terms(place: str, settings: OperatorFile, duty: Duty, operator: bytes) -> list[Difference]:
    """What the channel's manager signed for this operator's enclaves: three tables below its channel."""
    channel, domain = duty.channel, settings.deployment.referee_domain
    standby, hand_over = settings.standbys.get(channel.id), settings.hand_overs.get(channel.id)
    found: list[Difference] = []
    permits: list[tuple[str, PermitKind, CarryTerms]] = []
    if hand_over is not None:
        permits.append((f"{place}.hand_over", PermitKind.HAND_OVER, hand_over))
    if standby is not None:
        permits.append((f"{place}.standby", PermitKind.STANDBY, standby.terms))
    for at, kind, terms in permits:
        found += permit_differences(at, channel, terms.permit, kind, operator, domain)
    signed_policies: list[tuple[str, CarryTerms | WitnessTerms]] = [(at, terms) for at, _, terms in permits]
    if channel.id in settings.witnesses:
        signed_policies.append((f"{place}.witness", settings.witnesses[channel.id]))
    for at, signed in signed_policies:
        policy = PeerPolicy.over(channel.id, signed.policy, signed.roots, signed.valid_until)
        found += policy_differences(at, channel, policy, signed.signature, domain)
    return found
