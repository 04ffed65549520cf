"""A new key's enclave never takes the slot that another channel's key lives in."""

from __future__ import annotations

from pathlib import Path

from wattest.keys.key_place import first_slot, free_slot
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.store.duty import OpenDuty, OpenUse
from wattest.store.enclave_key import Cause, EnclaveKey, KeyState
from wattest.store.operator_store import SqliteOperatorStore

METERING, OTHER = b"\x01" * 32, b"\x02" * 32
STATEMENTS = ChannelIdentity(b"\x03" * 20, ChannelKind.OPEN, bytes(32))


def key(channel: bytes, slot: int, state: KeyState) -> EnclaveKey:
    return EnclaveKey(channel, slot, bytes([slot + 1]) * 20, state, Cause.FIRST, (0, bytes(32)), 0)


def test_a_successor_s_slot_is_nobody_s(tmp_path: Path) -> None:
    store = SqliteOperatorStore(tmp_path / "operator.sqlite")
    assert free_slot(store.keys) == 1
    store.keys.add(key(METERING, 0, KeyState.RETIRED))
    store.keys.add(key(METERING, 1, KeyState.ACTIVE))
    store.keys.add(key(OTHER, 0, KeyState.ACTIVE))
    assert free_slot(store.keys) == 2  # not 1, in which the other channel's key signs
    store.close()


def test_a_first_key_stands_beside_what_it_settles(tmp_path: Path) -> None:
    store = SqliteOperatorStore(tmp_path / "operator.sqlite")
    beside = OpenDuty(STATEMENTS, OpenUse.STATEMENTS, METERING)
    assert first_slot(store.keys, beside) == 0
    store.keys.add(key(METERING, 0, KeyState.RETIRED))
    store.keys.add(key(METERING, 3, KeyState.ACTIVE))
    assert first_slot(store.keys, beside) == 3
    assert first_slot(store.keys, OpenDuty(STATEMENTS, OpenUse.IMPORTS)) == first_slot(store.keys, None) == 0
    store.close()
