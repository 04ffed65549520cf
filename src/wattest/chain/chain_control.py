"""What only an embedded chain lets people do: move its time, make blocks, give out money.

Decided here: the calls, and that time moves forward only. Not decided here: who may (``apps.actions.chain_folder``, by
the folder), which process answers (``anvil``). Development and demonstrations only: no other kind of node takes these
calls.
"""

from __future__ import annotations

from wattest.chain.rpc import JsonRpc
from wattest.chain.wire import field_of, hex_data, parse_quantity
from wattest.errors import InputError
from wattest.units import U64_MAX


class TimeRunsForward(InputError):
    """The chain was asked to move to a time before its latest block."""


def now(rpc: JsonRpc) -> int:
    """The latest block's timestamp, unix seconds: the only clock that windows are measured by."""
    return parse_quantity(field_of(rpc.request("eth_getBlockByNumber", "latest", False), "timestamp"))


def advance_to(rpc: JsonRpc, timestamp_s: int) -> None:
    """Mine one block at exactly ``timestamp_s``, after the latest block's time; the clock runs on from there.

    Raises: TimeRunsForward.
    """
    latest = now(rpc)
    if not latest < timestamp_s <= U64_MAX:
        raise TimeRunsForward("a chain's time only moves forward", expected=f"after {latest}", actual=timestamp_s)
    rpc.batch([("evm_setNextBlockTimestamp", [timestamp_s]), ("evm_mine", [])])


def mine(rpc: JsonRpc, blocks: int = 1) -> None:
    """Mine empty blocks, at most 10,000."""
    if not 1 <= blocks <= 10_000:
        raise InputError("a number of blocks between 1 and 10000 is needed", actual=blocks)
    rpc.batch([("evm_mine", [])] * blocks)


def balance(rpc: JsonRpc, address: bytes) -> int:
    """Wei held by ``address``, 20 bytes."""
    return parse_quantity(rpc.request("eth_getBalance", hex_data(address), "latest"))


def set_balance(rpc: JsonRpc, address: bytes, wei: int) -> None:
    """Set the balance of ``address`` (20 bytes): money from nothing."""
    rpc.request("anvil_setBalance", hex_data(address), hex(wei))
