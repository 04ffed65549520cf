"""A channel's policy with its lists, which the contract keeps as hashes only: read back from the contract's log.

Decided here: which entry of the log has the policy in force and the queued one, and what later entries took away. Not
decided here: what holds (the contract has the word, and refuses what is not there). Source: IDcapVerifier.sol, events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from wattest.chain.dcap_verifier import PolicyChange
from wattest.messages.channel_policy import AllowedStatus, ChannelPolicy, EnclaveReference, TcbStatus


def logged_policy_in_force(changes: Sequence[PolicyChange]) -> ChannelPolicy | None:
    """The policy in force less what was withdrawn and tightened since, None before the first is set.

    ``changes`` are all of one channel, oldest first. Raises: FieldInvalid for what no contract of ours writes.
    """
    policy: ChannelPolicy | None = None
    for change in changes:
        if change.name == "PolicySet":
            policy = _policy(change.arguments["policy"])
        elif policy is not None:
            policy = _less(policy, change)
    return policy


def logged_queued_policy(changes: Sequence[PolicyChange]) -> ChannelPolicy | None:
    """The policy that is queued now, None without one."""
    queued: ChannelPolicy | None = None
    for change in changes:
        if change.name == "PolicyQueued":
            queued = _policy(change.arguments["policy"])
        elif change.name in {"PolicySet", "PolicyCancelled"}:
            queued = None
    return queued


def _less(policy: ChannelPolicy, change: PolicyChange) -> ChannelPolicy:
    arguments = change.arguments
    match change.name:
        case "ReferenceWithdrawn":
            gone = _entry(EnclaveReference(*arguments["reference_"]))
            return replace(policy, references=tuple(one for one in policy.references if _entry(one) != gone))
        case "StatusWithdrawn":
            level = TcbStatus(arguments["status"]), arguments["advisories"]
            return replace(
                policy, statuses=tuple(one for one in policy.statuses if (one.status, one.advisories) != level)
            )
        case "PlatformWithdrawn":
            return replace(policy, platforms=tuple(p for p in policy.platforms if p != arguments["platform"]))
        case "LimitsTightened":
            return replace(
                policy,
                max_collateral_age_s=arguments["maxCollateralAgeS"],
                min_evaluation_number=arguments["minEvaluationNumber"],
                max_registration_s=arguments["maxRegistrationS"],
            )
    return policy


def _entry(reference: EnclaveReference) -> tuple[object, ...]:
    """What the contract finds a reference by: not its end, nor the least SVN."""
    if any(reference.measurement):
        return reference.root, reference.measurement, reference.workload
    return reference.root, reference.signer, reference.product, reference.workload


def _policy(values: Sequence[Any]) -> ChannelPolicy:
    plain = ChannelPolicy(*values)  # as the log has it: its references and statuses are still tuples
    return replace(
        plain,
        references=tuple(EnclaveReference(*one) for one in values[10]),
        statuses=tuple(AllowedStatus(TcbStatus(status), *rest) for status, *rest in values[11]),
    )
