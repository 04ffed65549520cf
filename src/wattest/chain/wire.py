"""JSON values of a node and what they stand for: quantities, data, logs, receipts, refusals.

Decided here: what of an answer is checked before it is used. Not decided here: which method answers what (``client``).
Invariant: an answer of another shape than its method's ends as ``MalformedRpcResponse``.

Source: execution-apis, base types (QUANTITY, DATA).
"""

from __future__ import annotations

import re
from typing import Any

from wattest.chain.abi import ContractAbi
from wattest.chain.errors import AccountUnfunded
from wattest.chain.rpc import MalformedRpcResponse, RpcFailed
from wattest.chain.transactions import Block, Log, Receipt

_DATA = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")


def hex_data(data: bytes) -> str:
    """Bytes as a node reads them."""
    return "0x" + data.hex()


def parse_data(text: object) -> bytes:
    """Bytes from ``0x`` and two hex digits for each."""
    if not isinstance(text, str) or not text.startswith("0x"):
        raise MalformedRpcResponse("the node answered no hex string", retryable=False, actual=str(text)[:80])
    if _DATA.fullmatch(text) is None:
        raise MalformedRpcResponse("the node answered malformed hex", retryable=False, actual=text[:80])
    return bytes.fromhex(text[2:])


def parse_quantity(text: object) -> int:
    """A number from ``0x`` and 1 to 64 hex digits; zeros in front, which some nodes write, mean nothing."""
    if not isinstance(text, str) or _QUANTITY.fullmatch(text) is None:
        raise MalformedRpcResponse("the node answered no number", retryable=False, actual=str(text)[:80])
    return int(text, 16)


def field_of(value: object, name: str) -> Any:
    """One member of an object."""
    if not isinstance(value, dict) or name not in value:
        raise MalformedRpcResponse("the node's answer lacks a field", retryable=False, field=name)
    return value[name]


def items_of(value: object) -> list[Any]:
    """The members of a list."""
    if not isinstance(value, list):
        raise MalformedRpcResponse("the node's answer is no list", retryable=False, actual=type(value).__name__)
    return value


def parse_block(value: object) -> Block:
    """A block's place, its parent and its time."""
    return Block(
        parse_quantity(field_of(value, "number")),
        parse_data(field_of(value, "hash")),
        parse_data(field_of(value, "parentHash")),
        parse_quantity(field_of(value, "timestamp")),
    )


def parse_log(value: object) -> Log:
    """One log."""
    return Log(
        parse_data(field_of(value, "address")),
        tuple(parse_data(topic) for topic in items_of(field_of(value, "topics"))),
        parse_data(field_of(value, "data")),
        parse_quantity(field_of(value, "blockNumber")),
        parse_data(field_of(value, "blockHash")),
        parse_data(field_of(value, "transactionHash")),
        parse_quantity(field_of(value, "logIndex")),
    )


def has_succeeded(receipt: object) -> bool:
    """Whether a mined transaction did what it should, by its receipt."""
    return parse_quantity(field_of(receipt, "status")) == 1


def parse_receipt(value: dict[str, Any]) -> Receipt:
    """The receipt of a transaction that succeeded."""
    address = value.get("contractAddress")
    return Receipt(
        parse_data(field_of(value, "transactionHash")),
        parse_quantity(field_of(value, "blockNumber")),
        parse_data(field_of(value, "blockHash")),
        parse_quantity(field_of(value, "gasUsed")),
        parse_quantity(value.get("effectiveGasPrice", "0x0")),
        None if address is None else parse_data(address),
        tuple(parse_log(item) for item in items_of(field_of(value, "logs"))),
    )


def refusal_of(abi: ContractAbi, error: RpcFailed, sender: object = None) -> Exception:
    """What a node's error means: the contract's custom error, an empty account, or the error itself."""
    text = error.rpc_message.lower()
    if "insufficient funds" in text:
        return AccountUnfunded(
            "the account cannot pay for the transaction",
            account=sender,
            reason=error.rpc_message,
            hint="send it some of the chain's coin, for gas and for the stake or bond",
        )
    data = error.data
    if isinstance(data, dict):
        data = data.get("data")
    if isinstance(data, str) and data.startswith("0x") and len(data) >= 10:
        return abi.error_from(parse_data(data))
    return abi.error_from(b"") if "revert" in text else error


def is_known_already(error: RpcFailed) -> bool:
    """Whether a node refused a transaction because it has it, or had it: no reason to do anything."""
    text = error.rpc_message.lower()
    return any(
        words in text
        for words in (
            "already known",
            "already imported",
            "known transaction",
            "nonce too low",
            "already in the pool",
            "transaction already",
        )
    )
