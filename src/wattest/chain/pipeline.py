"""Many transactions in flight at once: as many as asked for and no more, each handed out when it is deep enough.

Decided here: how many wait for a block at once, when a transaction is believed, when the chain is asked again and when
what was dropped is brought back. Not decided here: nonces, fees and the journal (``sending``). Invariants: a request is
in flight from ``submit`` until its ``Delivery`` is handed out, and never more of them than the bound; transactions of
one sender are mined in the order in which they were submitted, since that is the order of their nonces; whatever raises
here, what was submitted is in the journal, and submitting the same intents again continues with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from wattest.chain.errors import AccountUnfunded, IntentRepeated, TransactionPending
from wattest.chain.rpc import RpcFailed
from wattest.chain.sending import Flight, Outlook, Sending
from wattest.chain.transactions import Delivery, TransactionRequest
from wattest.chain.wire import (
    field_of,
    has_succeeded,
    hex_data,
    parse_data,
    parse_quantity,
    parse_receipt,
    refusal_of,
)
from wattest.errors import InputError

MAX_IN_FLIGHT = 1_024
DEFAULT_IN_FLIGHT = 16
"""Enough to keep a chain busy; anvil grows slower with what waits in its pool (``wattest bench chain``)."""
FIRST_POLL_S = 0.002
RECEIPTS_EVERY_S = 0.25
LONGEST_POLL_S = 1.0
FIRST_REVIVAL_S = 2.0
LONGEST_REVIVAL_S = 30.0


class _Lane:
    """What one sender has in flight: when it last moved, and when to look after it."""

    def __init__(self, now: float) -> None:
        self.progress_at = now
        self.revival_s = FIRST_REVIVAL_S
        self.revive_at = now + FIRST_REVIVAL_S


class Pipeline:
    """Transactions on their way; used by one thread.

    ``confirmations`` counts blocks on top of a transaction's own, ``timeout_s`` how long nothing of one sender may land
    before what it has in flight is given up with ``TransactionPending`` (its intents stay bound to their nonces).
    """

    def __init__(
        self,
        sending: Sending,
        *,
        confirmations: int,
        timeout_s: float,
        in_flight: int = DEFAULT_IN_FLIGHT,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not 1 <= in_flight <= MAX_IN_FLIGHT:
            raise InputError(
                "an impossible number of transactions in flight", expected=f"1 to {MAX_IN_FLIGHT}", actual=in_flight
            )
        self._sending = sending
        self._confirmations = confirmations
        self._timeout_s = timeout_s
        self._bound = in_flight
        self._sleep = sleep
        self._flights: list[Flight] = []
        self._done: list[Delivery] = []
        self._lanes: dict[bytes, _Lane] = {}
        self._outlook: Outlook | None = None
        self._look_at = 0.0
        self._left_at = time.monotonic()

    @property
    def in_flight(self) -> int:
        """How many were submitted and not handed out."""
        return len(self._flights) + len(self._done)

    @property
    def room(self) -> int:
        """How many more may be submitted without waiting."""
        return max(0, self._bound - self.in_flight)

    def submit(self, requests: Sequence[TransactionRequest]) -> list[Delivery]:
        """Send these; waits while there is no room, and then returns what landed meanwhile.

        Raises ``IntentRepeated`` for an intent that is in flight already, ``ChainUnreachable``, ``WrongChain``.
        """
        landed: list[Delivery] = []
        waiting = list(requests)
        while waiting:
            if not self.room:
                landed += self.collect()
                continue
            batch, waiting = waiting[: self.room], waiting[self.room :]
            self._refuse_repeated(batch)
            self._take(self._sending.admit(batch, self._outlook))
        return landed

    def collect(self, at_least: int = 1) -> list[Delivery]:
        """What has landed since; waits until that is ``at_least`` so many, or all that is in flight.

        Raises ``ChainUnreachable`` when the node stays silent; calling again continues.
        """
        away_s = (
            time.monotonic() - self._left_at
        )  # what the caller did meanwhile is no sign that the chain stands still
        for lane in self._lanes.values():
            lane.progress_at += away_s
            lane.revive_at += away_s
        poll_s = FIRST_POLL_S
        try:
            while self._flights and len(self._done) < at_least:
                landed = self._look(at_least - len(self._done))
                self._tend(time.monotonic())
                if self._flights and len(self._done) < at_least:
                    self._sleep(poll_s)
                    poll_s = FIRST_POLL_S if landed else min(poll_s * 1.5, LONGEST_POLL_S)
        finally:
            self._left_at = time.monotonic()
        done, self._done = self._done, []
        return done

    def drain(self) -> Iterator[Delivery]:
        """Everything that is still in flight, as it lands."""
        while self.in_flight:
            yield from self.collect()

    def _look(self, wanted: int) -> bool:
        """Take out what is mined and deep enough; asks for receipts once ``wanted`` may be there, or time passes."""
        head, passed = self._passed()
        now = time.monotonic()
        if len(passed) < min(wanted, len(self._flights)) and now < self._look_at:
            return False
        self._look_at = now + RECEIPTS_EVERY_S
        asked = [(flight, sent) for flight in passed for sent in flight.broadcasts]
        answers = self._sending.rpc.batch([("eth_getTransactionReceipt", [hex_data(sent.hash)]) for _, sent in asked])
        mined: dict[int, tuple[Flight, dict[str, Any]]] = {}
        for (flight, _), receipt in zip(asked, answers, strict=True):
            if receipt is not None:
                mined[id(flight)] = flight, receipt
        landed = self._deep_enough(list(mined.values()), head)
        for flight, receipt in landed:
            self._land(flight, receipt)
        if landed:
            gone = {id(flight) for flight, _ in landed}
            self._flights = [flight for flight in self._flights if id(flight) not in gone]
            flying = {flight.sender for flight in self._flights}
            for sender in {flight.sender for flight, _ in landed}:
                if sender in flying:
                    self._lanes[sender] = _Lane(time.monotonic())
                else:
                    del self._lanes[sender]
        return bool(landed)

    def _passed(self) -> tuple[int, list[Flight]]:
        """The head, and the flights whose nonce is spent."""
        outlook = self._outlook = self._sending.outlook(self._lanes)
        return outlook.head, [flight for flight in self._flights if flight.newest.nonce < outlook.spent[flight.sender]]

    def _deep_enough(
        self, mined: Sequence[tuple[Flight, dict[str, Any]]], head: int
    ) -> list[tuple[Flight, dict[str, Any]]]:
        if not self._confirmations:
            return list(mined)
        deep = [
            (number, each)
            for each in mined
            if (number := parse_quantity(field_of(each[1], "blockNumber"))) + self._confirmations <= head
        ]
        numbers = sorted({number for number, _ in deep})
        blocks = self._sending.rpc.batch([("eth_getBlockByNumber", [hex(number), False]) for number in numbers])
        held = {
            number: parse_data(field_of(block, "hash"))
            for number, block in zip(numbers, blocks, strict=True)
            if block is not None
        }
        return [each for number, each in deep if held.get(number) == parse_data(field_of(each[1], "blockHash"))]

    def _land(self, flight: Flight, receipt: dict[str, Any]) -> None:
        self._sending.has_landed(flight)
        if has_succeeded(receipt):
            self._done.append(Delivery(flight.request, parse_receipt(receipt)))
        else:
            self._outlook = None  # its nonce is nobody's now, and must not be given out by a count from before
            self._done.append(Delivery(flight.request, failure=self._sending.failure_of(flight, receipt)))

    def _take(self, outcomes: Sequence[Flight | Delivery]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, Flight) and isinstance(failure := self._pending(outcome), AccountUnfunded):
                self._done.append(Delivery(outcome.request, failure=failure))  # waiting would not fill the account
            elif isinstance(outcome, Flight):
                self._flights.append(outcome)
                self._lanes.setdefault(outcome.sender, _Lane(time.monotonic()))
            else:
                self._done.append(outcome)

    def _tend(self, now: float) -> None:
        """Bring back what a lane lost that stands still, and give up one that stood still for too long."""
        for sender, lane in list(self._lanes.items()):
            if now - lane.progress_at > self._timeout_s:
                self._done += [Delivery(each.request, failure=self._pending(each)) for each in self._leave([sender])]
            elif now > lane.revive_at:
                lane.revival_s = min(lane.revival_s * 2, LONGEST_REVIVAL_S)
                lane.revive_at = now + lane.revival_s
                lost = self._sending.revive([flight for flight in self._flights if flight.sender == sender])
                if lost:
                    gone = {id(flight) for flight in lost}
                    self._flights = [flight for flight in self._flights if id(flight) not in gone]
                    self._take(self._sending.admit([flight.request for flight in lost]))

    def _leave(self, senders: Sequence[bytes]) -> list[Flight]:
        """Take every flight of these senders out."""
        left = [flight for flight in self._flights if flight.sender in senders]
        self._flights = [flight for flight in self._flights if flight.sender not in senders]
        for sender in senders:
            del self._lanes[sender]
        return left

    def _pending(self, flight: Flight) -> Exception:
        refusal: RpcFailed | None = flight.refusal
        if refusal is not None:
            known = refusal_of(flight.request.abi, refusal, hex_data(flight.sender))
            if known is not refusal:
                return known
        return TransactionPending(
            "the transaction is not mined, or not deep enough yet",
            retryable=True,
            transaction=flight.newest.hash,
            waited_s=self._timeout_s,
            confirmations=self._confirmations,
            reason=None if refusal is None else refusal.rpc_message,
            hint="it goes on when it is asked for again; a development chain that makes blocks for transactions only "
            "needs a block time, or confirmations = 0",
        )

    def _refuse_repeated(self, requests: Sequence[TransactionRequest]) -> None:
        known = {(flight.sender, flight.request.intent) for flight in self._flights}
        for request in requests:
            name = request.signer.address, request.intent
            if request.intent is not None and name in known:
                raise IntentRepeated(
                    "this intent is in flight already",
                    intent=request.intent,
                    account=request.signer.address,
                    hint="wait for its delivery",
                )
            known.add(name)
