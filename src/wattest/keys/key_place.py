"""In which slot the enclave of a new key lives.

Decided here: a first key stands beside the channel that it settles, whose batches only that enclave can open, else with
all others in slot 0; a successor gets a slot that no key of any channel lives in, since making it ready removes what
lies there. Not decided here: what a slot is (``enclave_slots``), when a key is made (``key_keeper``).
"""

from __future__ import annotations

from wattest.store.duty import OpenDuty
from wattest.store.enclave_key import KeyState
from wattest.store.operator_port import KeyStore


def first_slot(keys: KeyStore, duty: OpenDuty | None) -> int:
    """Of a channel's first key; ``duty`` None: of a scheduled channel."""
    beside = None if duty is None or duty.beside is None else keys.key_in(duty.beside, KeyState.ACTIVE)
    return 0 if beside is None else beside.slot


def free_slot(keys: KeyStore) -> int:
    """Of a successor."""
    return max((key.slot for channel in keys.channels() for key in keys.keys(channel)), default=0) + 1
