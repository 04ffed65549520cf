"""The referee's pure twin: every call of the contract as a function from state to state.

Decided here: nothing; this gathers ``apply_*`` from the books. Each takes (state, call, ...) and returns the new state,
or raises the ``Reverted`` error whose name the contract's custom error has. Invariant: the twin and the contract accept
and refuse the same calls, with the same error and the same state after (``vectors/protocol/scenarios.json`` is run
against both).
"""

from wattest.twin.referee.batches import apply_commit, apply_release, batch_is_final
from wattest.twin.referee.challenges import apply_answer, apply_challenge, apply_expire, apply_refund, bond_for
from wattest.twin.referee.channels import (
    apply_apply_parameters,
    apply_cancel_parameters,
    apply_create_channel,
    apply_queue_parameters,
    apply_set_roster_count,
    roster_count_at,
)
from wattest.twin.referee.fraud import apply_equivocation, apply_invalid_evidence
from wattest.twin.referee.ledger import apply_deposit, apply_request_exit, apply_withdraw, apply_withdraw_owed
from wattest.twin.referee.state import Call, ChannelRecord, RefereeState

__all__ = [
    "Call",
    "ChannelRecord",
    "RefereeState",
    "apply_answer",
    "apply_apply_parameters",
    "apply_cancel_parameters",
    "apply_challenge",
    "apply_commit",
    "apply_create_channel",
    "apply_deposit",
    "apply_equivocation",
    "apply_expire",
    "apply_invalid_evidence",
    "apply_queue_parameters",
    "apply_refund",
    "apply_release",
    "apply_request_exit",
    "apply_set_roster_count",
    "apply_withdraw",
    "apply_withdraw_owed",
    "batch_is_final",
    "bond_for",
    "roster_count_at",
]
