"""What became of many transactions that were sent together, each under the name its sender knows it by.

Decided here: that one which fails, or a chain that goes away, is an outcome of its own and ends nothing else. Not
decided here: how transactions are sent and when they are believed (``chain.client``), what an outcome means.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import TypeVar

from wattest.chain.client import Delivery, Receipt, TransactionRequest
from wattest.chain.ports import ChainPort
from wattest.errors import WattestError

IN_FLIGHT = 128
"""Transactions of one operator that wait for a block at once. Nodes that hold fewer of an account are asked again."""

Name = TypeVar("Name", bound=Hashable)


def outcomes(
    chain: ChainPort, requests: Mapping[Name, TransactionRequest], *, in_flight: int = IN_FLIGHT
) -> Iterator[tuple[Name, Receipt | WattestError]]:
    """Send all of these, each with an intent of its own, and give every name once with its receipt or why it has none.

    Where the chain goes away, all that is left has that error; it is in the journal, and the same intents continue.
    """
    waiting = {request.intent: name for name, request in requests.items()}
    try:
        for delivery in chain.send_many(requests.values(), in_flight=in_flight):
            yield waiting.pop(delivery.request.intent), _outcome(delivery)
    except WattestError as error:
        for name in waiting.values():
            yield name, error


def _outcome(delivery: Delivery) -> Receipt | WattestError:
    try:
        return delivery.unwrap()
    except WattestError as error:
        return error
