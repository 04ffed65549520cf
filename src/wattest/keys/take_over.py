"""A standby becomes the operator's enclave: activated at the chain's head, noted as the key to be registered.

Decided here: when a primary counts as silent, and what is written down so that the keeper does the rest: it registers
the new key, which ends the old key's turn in the same transaction, and revokes the old one. Not decided here: whether
the replica is of the chain's head (the enclave says so), the steps of a succession (``key_keeper``).
Invariant: nothing is activated while the primary may be committing, unless somebody says that it is dead.
Source: docs/spec/ra-tls.md, section "Standby"; docs/spec/lifecycles.md.
"""

from __future__ import annotations

from wattest.chain.ports import RefereePort, RegistryPort
from wattest.enclave.host.client import ChainHead, EnclaveClient
from wattest.errors import ProtocolError
from wattest.keys.key_standing import sealing_workload
from wattest.store.duty import Duty
from wattest.store.enclave_key import Cause, EnclaveKey, KeyState
from wattest.store.operator_port import OperatorStore

PRIMARY_SLOT = 1
"""Where the primary's key stands in this host's books; its enclave is on the other host."""


class PrimaryStillCommits(ProtocolError):
    """The primary has missed nothing: it may be alive."""


class NothingReplicated(ProtocolError):
    """The operator has committed nothing in the channel: there is nothing to take over."""


def fetch_silence(referee: RefereePort, operator: bytes, duty: Duty, now: int) -> tuple[ChainHead, int]:
    """The operator's head on chain, and for how long (seconds of chain time) a period's batch has been due since.

    Negative while none is due. Raises: NothingReplicated; ``TransportError`` when the chain does not answer.
    """
    channel = duty.channel.id
    sequence = referee.operator_head(channel, operator).sequence
    committed = referee.committed_batch(channel, operator, sequence) if sequence else None
    if committed is None:
        raise NothingReplicated(
            "the operator has committed nothing in this channel yet",
            channel=channel,
            hint="without the primary, run this host as the operator",
        )
    header = referee.committed_header(committed).header
    return ChainHead(sequence, committed.header_digest), now - (header.period_end + duty.epoch_s)


def take_over(
    store: OperatorStore,
    referee: RefereePort,
    registry: RegistryPort,
    enclave: EnclaveClient,
    operator: bytes,
    duty: Duty,
    now: int,
    *,
    is_primary_dead: bool,
) -> EnclaveKey:
    """Activate the standby and note its key; ``operator run`` on this host then registers it. Safe to repeat.

    Raises: PrimaryStillCommits, NothingReplicated; HeadMismatch when the replica is not of the chain's head.
    """
    channel = duty.channel.id
    head, silent_s = fetch_silence(referee, operator, duty, now)
    if silent_s < 0 and not is_primary_dead:
        raise PrimaryStillCommits(
            "the primary has missed nothing yet",
            next_due_in_s=-silent_s,
            head=head.sequence,
            hint="see that it is dead and stays so, then: --primary-is-dead",
        )
    identity = enclave.activate_standby(channel, head)
    before, _ = registry.active_key(referee.address, channel, operator, sealing_workload())
    key = EnclaveKey(
        channel, 0, identity.address, KeyState.CREATED, Cause.TAKE_OVER, (head.sequence, head.digest), now, carried=True
    )
    with store.transaction():
        if any(before) and before != identity.address:
            store.keys.add(EnclaveKey(channel, PRIMARY_SLOT, before, KeyState.ACTIVE, Cause.FIRST, (0, bytes(32)), now))
        store.keys.add(key)
    return key
