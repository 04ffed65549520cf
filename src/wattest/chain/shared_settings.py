"""Settings that a configuration and the chain share: which they are, where each place has them, and what differs.

Decided here: every value that is written down twice, what counts as a difference, what is to be done about it, and the
one error that names them all. Not decided here: who asks when (``operator`` before it takes blocks in or seals,
``apps.settings_agreement`` at the start of operator, watcher and appraiser), and chain id, genesis and code at the
addresses, without which nothing can be compared (``client``, ``deploy``).

| setting | here | on chain |
| --- | --- | --- |
| channel, manager, kind, salt | the member list, whose channel id binds all three | the channel's record |
| period length | ``epoch_s`` | the channel's parameters |
| entries of a period | the member list's members | roster count at the period |
| time to commit in | ``collect_grace_s``, ``interval_s`` | the channel's commit deadline |
| who operates | ``operator.key``, permits | deposit and state of the address |
| who judges evidence | ``deployment.json``, the appraiser's key | registry's verifier, its set and threshold |
| length of a registration | ``registration_days``, ``inclusion_margin_s`` | the registry's longest |
| what belongs together | ``deployment.json`` | referee's and first light's registry |
| who is watched, how patiently | ``[[operator]]``, ``unreachable_grace_s`` | state of the address, challenge window |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattest.chain.abi import load_abi
from wattest.chain.referee_core import ChannelHead
from wattest.errors import ConfigError, InputError, VerificationError
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.eip712 import Domain
from wattest.messages.hand_over_permit import PermitKind, SignedPermit, verify_permit
from wattest.messages.member_list import SignedMemberList, verify_member_list
from wattest.messages.peer_policy import PeerPolicy, verify_peer_policy
from wattest.twin.operator import OperatorHead, OperatorState

if TYPE_CHECKING:
    from wattest.chain.client import ChainClient
    from wattest.receipt.deployment import Deployment

_EVER = 0
"""A moment at which nothing that was signed has ended yet."""


class SettingsDisagree(ConfigError):
    """Configuration and chain have a setting differently; ``differences`` has every one with what to do."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting that two places have differently; bytes are shown in hex.

    ``may_change``: somebody else may have changed it on chain, or still can: it keeps nobody from answering for what
    stands on chain already.
    """

    setting: str
    here: object
    chain: object
    remedy: str
    may_change: bool = False

    def shown(self) -> dict[str, object]:
        """For an error's fields."""
        return {"setting": self.setting, "here": _text(self.here), "chain": _text(self.chain), "do": self.remedy}


def require_agreement(differences: Sequence[Difference]) -> None:
    """Refuse any difference, all of them in one error.

    Raises: SettingsDisagree.
    """
    if differences:
        count = len(differences)
        raise SettingsDisagree(
            f"configuration and chain differ in {'a setting' if count == 1 else f'{count} settings'}",
            differences=[difference.shown() for difference in differences],
            hint="correct what is named; nothing was sealed, sent or set aside",
        )


def channel_differences(place: str, channel: ChannelIdentity, epoch_s: int, head: ChannelHead) -> list[Difference]:
    """What of a scheduled channel can never be mended on chain: that it is there, its kind, its period length."""
    if channel.kind is not ChannelKind.SCHEDULED:
        kind = channel.kind.name.lower()
        return [Difference(f"{place}.members", f"a channel that is {kind}", kind, "serve scheduled channels here")]
    if head.parameters_version == 0:
        remedy = (
            "use member list and deployment.json of one and the same referee, or let the manager create the channel"
        )
        return [Difference(f"{place}.members", channel.id, "no such channel", remedy)]
    if head.epoch_s != epoch_s:
        return [Difference(f"{place}.epoch_s", epoch_s, head.epoch_s, f"write epoch_s = {head.epoch_s}")]
    return []


def roster_differences(
    place: str, lists: Sequence[SignedMemberList], period_start: int, head: ChannelHead
) -> list[Difference]:
    """Whether the member list that holds for a period has as many members as the contract wants entries."""
    valid = [signed.member_list for signed in lists if signed.member_list.valid_from <= period_start]
    if not valid:
        earliest = min(signed.member_list.valid_from for signed in lists)
        remedy = f"begin with a period from {earliest} on, or get the manager's list for the period before"
        return [Difference(f"{place}.first_period_start", period_start, f"no list before {earliest}", remedy)]
    here, there = len(max(valid, key=lambda one: one.valid_from).members), head.roster_count_at(period_start)
    if here == there:
        return []
    remedy = (
        f"get the manager's member list for the period from {period_start} on, or let the manager set the roster count"
        " (before that period ends)"
    )
    return [Difference(f"{place}.members", f"{here} members", f"{there} entries", remedy, may_change=True)]


def signed_differences(
    place: str, channel: ChannelIdentity, lists: Sequence[SignedMemberList], domain: Domain
) -> list[Difference]:
    """Member lists that the channel's manager did not sign for this chain and referee."""
    found = []
    for signed in lists:
        try:
            verify_member_list(signed, domain)
        except (VerificationError, InputError) as error:
            remedy = "ask the channel's manager for a list signed for this chain and this referee"
            found.append(Difference(f"{place}.members", error.message, channel.manager, remedy))
    return found


def pace_differences(collect_grace_s: int, interval_s: float, heads: Sequence[ChannelHead]) -> list[Difference]:
    """Whether a period that lacks a block is collected before its commit deadline is over."""
    deadline_s = min((head.commit_deadline_s for head in heads if head.commit_deadline_s), default=None)
    if deadline_s is None or collect_grace_s + interval_s < deadline_s:
        return []
    return [
        Difference(
            "operator.collect_grace_s",
            f"{collect_grace_s}, looked at every {interval_s:g} s",
            f"committed within {deadline_s} s of a period's end",
            "wait for late blocks well below that: 300 is the default",
            may_change=True,
        )
    ]


def operator_differences(place: str, address: bytes, own: OperatorHead, head: ChannelHead) -> list[Difference]:
    """Whether the key's address is an operator of the channel, with a deposit for one batch at least."""
    shown = "0x" + address.hex()
    if own.state is OperatorState.NONE:
        remedy = f"make the deposit with this key (wattest operator deposit), or name another one's key file ({place})"
        return [Difference("operator.key", shown, "no deposit of this address", remedy)]
    if own.state in {OperatorState.REGISTERED, OperatorState.ACTIVE} and own.deposit_wei < head.exposure_of(own):
        wanted = f"a batch binds {head.exposure_of(own)} wei"
        return [
            Difference(
                place,
                f"{own.deposit_wei} wei of deposit",
                wanted,
                "add to the deposit: wattest operator deposit",
                may_change=True,
            ),
        ]
    return []


def policy_differences(
    place: str, channel: ChannelIdentity, policy: PeerPolicy, signature: bytes, domain: Domain
) -> list[Difference]:
    """Whether the channel's manager signed what enclaves are to accept in each other; its end is not looked at."""
    try:
        verify_peer_policy(policy, signature, channel, domain, _EVER)
    except (VerificationError, InputError) as error:
        remedy = "use the table and the policy file as the manager's command printed and read them"
        return [Difference(f"{place}.policy_signature", error.message, channel.manager, remedy)]
    return []


def permit_differences(
    place: str, channel: ChannelIdentity, permit: SignedPermit, kind: PermitKind, operator: bytes, domain: Domain
) -> list[Difference]:
    """Whether the channel's manager signed the permit, for this operator; its end is not looked at."""
    try:
        verify_permit(permit, channel, operator, kind, domain, _EVER)
    except (VerificationError, InputError) as error:
        remedy = "ask the manager for a permit for this operator, and copy its table unchanged"
        of_key = error.fields.get("field") == "operator"
        setting, there = (f"{place}.operator", operator) if of_key else (f"{place}.permit_signature", channel.manager)
        return [Difference(setting, permit.permit.operator if of_key else error.message, there, remedy)]
    return []


def deployment_differences(client: ChainClient, deployment: Deployment) -> list[Difference]:
    """Whether the contracts that ``deployment.json`` names belong together, and who judges evidence."""
    remedy = "get deployment.json again, from somebody you trust"

    def differ(setting: str, here: object, there: object) -> list[Difference]:
        return [] if here == there else [Difference(f"deployment.json: {setting}", here, there, remedy)]

    found: list[Difference] = []
    newest = client.block().number
    if deployment.deployed_at_block > newest:
        found += differ("deployed_at_block", deployment.deployed_at_block, f"block {newest} is the newest")
    verifier = client.call(load_abi("EnclaveRegistry"), deployment.registry, "verifier")[0]
    found += differ("verifier", deployment.verifier, verifier)
    for name, address in (("Referee", deployment.referee), ("FirstLight", deployment.first_light)):
        asked = client.call(load_abi(name), address, "registry")[0]
        found += differ(f"registry, as {name} asks it", deployment.registry, asked)
    if verifier == deployment.verifier and not deployment.is_judged_by_quote:
        found += _quorum_differences(client, deployment, remedy)
    return found


def _quorum_differences(client: ChainClient, deployment: Deployment, remedy: str) -> list[Difference]:
    abi, named = load_abi("AppraiserQuorum"), deployment.appraisers
    calls: list[tuple[str, tuple[object, ...]]] = [("threshold", ()), ("appraiserCount", ())]
    calls += [("isAppraiser", (appraiser,)) for appraiser in named]
    threshold, count, *known = (value for (value,) in client.call_many(abi, deployment.verifier, calls))
    found = []
    if threshold != deployment.threshold:
        found.append(Difference("deployment.json: threshold", deployment.threshold, threshold, remedy))
    if count != len(named):
        found.append(Difference("deployment.json: appraisers", f"{len(named)} of them", f"{count} of them", remedy))
    return found + [
        Difference("deployment.json: appraisers", appraiser, "no appraiser of the registry", remedy)
        for appraiser, is_known in zip(named, known, strict=True)
        if not is_known
    ]


def longest_registration_s(client: ChainClient, deployment: Deployment) -> int:
    """How long the registry lets a key be registered, seconds."""
    return int(client.call(load_abi("EnclaveRegistry"), deployment.registry, "maxRegistrationS")[0])


def margin_differences(inclusion_margin_s: int, longest_s: int) -> list[Difference]:
    """Whether a key is ever registered for longer than commits stop before its end."""
    if inclusion_margin_s < longest_s:
        return []
    there = f"registrations of at most {longest_s} s"
    remedy = "commits would always stop: the default is 120"
    return [Difference("registration.inclusion_margin_s", inclusion_margin_s, there, remedy)]


def appraiser_differences(
    address: bytes, registration_s: int, longest_s: int, deployment: Deployment
) -> list[Difference]:
    """Whether an appraiser's verdicts count: it is one of the registry's, and signs for no longer than that takes."""
    if deployment.is_judged_by_quote:
        there = "the contract judges quotes by itself"
        return [Difference("appraiser.deployment", "an appraiser", there, "run no appraiser for this deployment")]
    found = []
    if address not in deployment.appraisers:
        remedy = "name the key file of one of the appraisers that deployment.json lists"
        found.append(Difference("appraiser.key", address, "no appraiser of the registry", remedy))
    if registration_s > longest_s:
        there = f"registrations of at most {longest_s} s"
        remedy = f"write registration_days = {longest_s // 86_400} or less"
        found.append(Difference("appraiser.registration_days", f"{registration_s} s", there, remedy))
    return found


def watcher_differences(
    operators: dict[bytes, str],
    heads: dict[bytes, Sequence[OperatorHead]],
    own_address: bytes,
    unreachable_grace_s: int,
    challenge_windows_s: Sequence[int],
) -> list[Difference]:
    """Whether those who are watched operate somewhere, are others, and can be challenged in time.

    ``heads``: of each operator, how it stands in the channels that ``deployment.json`` lists.
    """
    found = []
    for number, address in enumerate(operators):
        place, known = f"operator[{number}].address", heads[address]
        if address == own_address:
            found.append(
                Difference("watcher.key", address, "an operator that is watched", "give the watcher a key of its own")
            )
        elif known and all(own.state is OperatorState.NONE for own in known):
            there = "no operator in any channel that deployment.json lists"
            remedy = "correct the address, or get a deployment.json that lists its channel"
            found.append(Difference(place, address, there, remedy))
    window_s = min(challenge_windows_s, default=None)
    if window_s is not None and unreachable_grace_s >= window_s:
        there = f"a challenge is open to {window_s} s after the commit"
        remedy = "what is withheld would never be challenged: 3600 is the default"
        found.append(Difference("watcher.unreachable_grace_s", unreachable_grace_s, there, remedy))
    return found


def _text(value: object) -> object:
    return "0x" + value.hex() if isinstance(value, bytes) else value
