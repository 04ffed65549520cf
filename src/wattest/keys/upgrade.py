"""An upgrade that was ordered waits for the new program: a key of the old one, under that order, would upgrade nothing.

Decided here: what counts as the new program, by the measurement of what would start here. Not decided here: how a
successor is made (``key_keeper``), what an owner is shown before the order (``apps.actions.operator_keys``).
"""

from __future__ import annotations

from wattest.chain.ports import RegistryPort
from wattest.errors import ProtocolError
from wattest.keys.enclave_slots import EnclaveSlots
from wattest.keys.key_place import free_slot
from wattest.store.enclave_key import KeyState
from wattest.store.operator_port import KeyStore
from wattest.twin.registry import Binding


class UpgradeNotInstalled(ProtocolError):
    """An upgrade is ordered, and the program that runs is the registered one; ``actual`` is its measurement."""


def require_new_program(keys: KeyStore, registry: RegistryPort, bound: Binding, slots: EnclaveSlots) -> None:
    """Refuse an upgrade to the program that is registered; a successor that is under way already is let be.

    ``bound``: referee, channel, operator. The next slot's enclave is started to be asked, and is gone after a refusal.
    Raises: UpgradeNotInstalled; what starting an enclave and asking the chain raise.
    """
    channel = bound[1]
    active = keys.key_in(channel, KeyState.ACTIVE)
    if active is None or keys.key_in(channel, KeyState.CREATED) is not None:
        return
    registered, slot = registry.registered_verdicts(bound, active.address), free_slot(keys)
    measurement = slots.client(slot).describe().measurement
    if registered and measurement == registered[-1].verdict.measurement:
        slots.discard(slot)
        raise UpgradeNotInstalled(
            "an upgrade is ordered, and the program that runs is the registered one",
            channel=channel,
            actual=measurement,
            hint="stop this operator and start the new program: it takes the order up; the old key goes on until then",
        )
