"""The core's pure twin: every call of the contract as a function from state to state.

Decided here: nothing; this gathers ``apply_*`` from the books. Each takes (state, call, ...) and returns the new state,
or raises the ``Reverted`` error whose name the contract's custom error has. Invariant: the twin and the contract accept
and refuse the same calls, with the same error and the same state after (``vectors/protocol/scenarios.json`` is run
against both). The modules are beside: ``twin.directed_challenges``, ``twin.fraud_proofs``.
"""

from wattest.twin.referee.batches import apply_commit, apply_release, committed_record
from wattest.twin.referee.channels import (
    apply_apply_parameters,
    apply_cancel_parameters,
    apply_create_channel,
    apply_queue_parameters,
    apply_set_roster_count,
    roster_count_at,
)
from wattest.twin.referee.powers import (
    apply_convict,
    apply_fine,
    apply_hold,
    apply_let_go,
    apply_set_stake,
)
from wattest.twin.referee.stakes import (
    apply_deposit,
    apply_request_exit,
    apply_withdraw,
    apply_withdraw_burned,
    apply_withdraw_owed,
)
from wattest.twin.referee.state import (
    Call,
    ChannelRecord,
    RefereeState,
    final_count,
    require_batch,
    require_run,
    state_of,
)

__all__ = [
    "Call",
    "ChannelRecord",
    "RefereeState",
    "apply_apply_parameters",
    "apply_cancel_parameters",
    "apply_commit",
    "apply_convict",
    "apply_create_channel",
    "apply_deposit",
    "apply_fine",
    "apply_hold",
    "apply_let_go",
    "apply_queue_parameters",
    "apply_release",
    "apply_request_exit",
    "apply_set_roster_count",
    "apply_set_stake",
    "apply_withdraw",
    "apply_withdraw_burned",
    "apply_withdraw_owed",
    "committed_record",
    "final_count",
    "require_batch",
    "require_run",
    "roster_count_at",
    "state_of",
]
