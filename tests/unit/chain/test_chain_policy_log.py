"""A policy with its lists, read back from a channel's log."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from wattest.chain.channel_policy_log import logged_policy_in_force, logged_queued_policy
from wattest.chain.dcap_verifier import PolicyChange
from wattest.messages.channel_policy import AllowedStatus, ChannelPolicy, EnclaveReference, TcbStatus

ROOT, PROGRAM, VENDOR, VEE, SETTLE = (bytes([at]) * 32 for at in range(1, 6))
BY_PROGRAM = EnclaveReference(ROOT, PROGRAM, bytes(32), 0, 0, VEE, 99)
OTHER_WORKLOAD = replace(BY_PROGRAM, workload=SETTLE)
BY_VENDOR = EnclaveReference(ROOT, bytes(32), VENDOR, 7, 3, VEE)
OTHER_PRODUCT = replace(BY_VENDOR, product=8)
HARDENING = AllowedStatus(TcbStatus.SWHardeningNeeded, PROGRAM)
OTHER_ADVISORIES = replace(HARDENING, advisories=VENDOR)
POLICY = ChannelPolicy(
    PROGRAM, False, 7, 20, 30, bytes(8), bytes(8), bytes(8), bytes(4), True,
    (BY_PROGRAM, OTHER_WORKLOAD, BY_VENDOR, OTHER_PRODUCT), (HARDENING, OTHER_ADVISORIES), (ROOT, VENDOR),
)  # fmt: skip
NEXT = replace(POLICY, digest=VENDOR)


def logged(value: Any) -> Any:
    """As a log has it: tuples without names, enumerations as numbers."""
    if isinstance(value, tuple):
        return tuple(logged(one) for one in value)
    if isinstance(value, TcbStatus):
        return int(value)
    names = getattr(value, "__dataclass_fields__", None)
    return value if names is None else tuple(logged(getattr(value, name)) for name in names)


def change(name: str, **arguments: Any) -> PolicyChange:
    return PolicyChange(name, 1, {field: logged(value) for field, value in arguments.items()})


SET, QUEUED = change("PolicySet", policy=POLICY), change("PolicyQueued", policy=NEXT)


def test_the_last_that_was_set_is_in_force_less_what_was_withdrawn_since() -> None:
    assert logged_policy_in_force([]) is None
    assert logged_policy_in_force([QUEUED]) is None
    assert logged_policy_in_force([SET, QUEUED]) == POLICY
    gone = [
        # The contract finds a reference by neither its end nor its least SVN.
        change("ReferenceWithdrawn", reference_=replace(BY_PROGRAM, until=1, signer=VENDOR, product=9)),
        change("ReferenceWithdrawn", reference_=replace(BY_VENDOR, minimum_svn=0)),
        change("StatusWithdrawn", status=HARDENING.status, advisories=HARDENING.advisories),
        change("PlatformWithdrawn", platform=ROOT),
        change("LimitsTightened", maxCollateralAgeS=6, minEvaluationNumber=21, maxRegistrationS=29),
    ]
    assert logged_policy_in_force([SET, *gone]) == replace(
        POLICY,
        references=(OTHER_WORKLOAD, OTHER_PRODUCT),
        statuses=(OTHER_ADVISORIES,),
        platforms=(VENDOR,),
        max_collateral_age_s=6,
        min_evaluation_number=21,
        max_registration_s=29,
    )
    assert logged_policy_in_force([SET, *gone, change("PolicySet", policy=NEXT)]) == NEXT


def test_what_is_queued_is_queued_until_it_is_applied_or_taken_back() -> None:
    assert logged_queued_policy([SET]) is None
    assert logged_queued_policy([SET, QUEUED]) == NEXT
    assert logged_queued_policy([SET, QUEUED, change("PolicyQueued", policy=POLICY)]) == POLICY
    assert logged_queued_policy([SET, QUEUED, change("PolicyCancelled")]) is None
    assert logged_queued_policy([SET, QUEUED, change("PolicySet", policy=NEXT)]) is None
