"""Where one transaction's gas went: every step of its trace put under a heading, and calldata counted byte by byte.

Invariant: the headings sum up to the receipt's gas, or GasUnexplained is raised.
Source: EIP-2028 (calldata), EIP-2929 (cold and warm access), EIP-7623 (calldata floor).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

TRANSACTION_GAS = 21_000
ZERO_BYTE_GAS, NONZERO_BYTE_GAS = 4, 16
FLOOR_PER_TOKEN_GAS, TOKENS_PER_NONZERO_BYTE = 10, 4
COLD_WRITE_OF_NEW_SLOT_GAS = 20_000
ECRECOVER = 1

FLAT = "transaction, flat"
CALLDATA = "calldata"
READS = "storage: reads"
NEW_SLOT = "storage: one new slot, the batch's record"
OLD_SLOT = "storage: one slot written again, the operator's head"
REGISTRY = "reaching the registry, a cold account"
SIGNATURE = "ecrecover"
LOG = "log"
HASHING = "keccak256"
REST = "everything else: decoding, checks, memory"


class GasUnexplained(Exception):
    """The parts do not sum up to what the transaction cost."""


def calldata_gas(data: bytes) -> int:
    """What a transaction pays for its input."""
    zeros = data.count(0)
    return ZERO_BYTE_GAS * zeros + NONZERO_BYTE_GAS * (len(data) - zeros)


def floor_gas(data: bytes) -> int:
    """What a transaction pays at least for its input, however little it runs."""
    zeros = data.count(0)
    return TRANSACTION_GAS + FLOOR_PER_TOKEN_GAS * (zeros + TOKENS_PER_NONZERO_BYTE * (len(data) - zeros))


def commit_breakdown(trace: dict[str, Any], data: bytes, gas_used: int) -> dict[str, int]:
    """The headings of a commit and their gas; the storage headings name what a commit reads and writes."""
    steps = trace["structLogs"]
    parts = dict.fromkeys((FLAT, CALLDATA, READS, NEW_SLOT, OLD_SLOT, REGISTRY, SIGNATURE, LOG, HASHING, REST), 0)
    parts[FLAT], parts[CALLDATA] = TRANSACTION_GAS, calldata_gas(data)
    for at, step in enumerate(steps):
        parts[_heading(step)] += _own_gas(steps, at)
    if sum(parts.values()) != gas_used:
        raise GasUnexplained(f"{sum(parts.values())} of {gas_used} gas")
    return parts


def _heading(step: dict[str, Any]) -> str:
    operation = step["op"]
    if operation == "SSTORE":
        return NEW_SLOT if step["gasCost"] >= COLD_WRITE_OF_NEW_SLOT_GAS else OLD_SLOT
    if operation == "STATICCALL":
        return SIGNATURE if int(step["stack"][-2], 16) == ECRECOVER else REGISTRY
    if operation.startswith("LOG"):
        return LOG
    return {"SLOAD": READS, "KECCAK256": HASHING}.get(operation, REST)


def _own_gas(steps: Sequence[dict[str, Any]], at: int) -> int:
    """What one step took itself: for a call, without the steps inside it, but with a precompile's work."""
    step, depth = steps[at], steps[at]["depth"]
    if at + 1 == len(steps) or steps[at + 1]["depth"] < depth:
        return int(step["gasCost"])
    if steps[at + 1]["depth"] == depth:
        return int(step["gas"] - steps[at + 1]["gas"])
    after = next(later for later in range(at + 1, len(steps)) if steps[later]["depth"] == depth)
    inside = sum(_own_gas(steps, inner) for inner in range(at + 1, after) if steps[inner]["depth"] > depth)
    return int(step["gas"] - steps[after]["gas"]) - inside
