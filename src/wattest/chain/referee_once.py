"""Calls of the referee that people make by command, each done once however often the command is killed and repeated.

Decided here: the intent of each call. Not decided here: what the calls mean (``referee``), when an intent is done with
(``apps.key_use``). Invariant: an intent names contract, channel and what is wanted, so that the same wish has the same
one and another wish has not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wattest.chain.client import Receipt
from wattest.chain.referee import Referee
from wattest.crypto.signer import Signer
from wattest.messages.channel import ChannelIdentity
from wattest.twin.parameters import ChannelParameters


@dataclass(frozen=True, slots=True)
class RefereeOnce:
    """The referee for one signer; ``done`` is told each intent once the chain has it."""

    referee: Referee
    signer: Signer
    done: Callable[[str], None]

    def create_channel(self, channel: ChannelIdentity, parameters: ChannelParameters) -> Receipt:
        """Create the channel, whose manager is the signer."""
        return self._once(channel.id, "createChannel", channel.kind, channel.salt, parameters, wish="create")

    def set_roster_count(self, channel: bytes, count: int, from_period_start: int) -> Receipt:
        """Set how many entries batches have from a period on."""
        wish = f"roster:{from_period_start}:{count}"
        return self._once(channel, "setRosterCount", channel, count, from_period_start, wish=wish)

    def deposit(self, channel: bytes, amount_wei: int, held_wei: int) -> Receipt:
        """Add to the signer's deposit, of which ``held_wei`` is there now."""
        return self._once(channel, "deposit", channel, wish=f"deposit:{held_wei}:{amount_wei}", value_wei=amount_wei)

    def request_exit(self, channel: bytes) -> Receipt:
        """End committing; the deposit stays slashable until it is withdrawn."""
        return self._once(channel, "requestExit", channel, wish="exit")

    def withdraw(self, channel: bytes, to: bytes) -> Receipt:
        """Take the deposit back after the exit delay."""
        return self._once(channel, "withdraw", channel, to, wish="withdraw")

    def withdraw_owed(self, to: bytes, owed_wei: int) -> Receipt:
        """Take what the contract owes the signer, ``owed_wei`` now."""
        return self._once(b"", "withdrawOwed", to, wish=f"owed:{owed_wei}")

    def _once(self, channel: bytes, function: str, *arguments: object, wish: str, value_wei: int = 0) -> Receipt:
        referee = self.referee
        intent = f"{wish}:{referee.address.hex()}:{channel.hex()}"
        receipt = referee.client.send(
            self.signer, referee.abi, referee.address, function, *arguments, value_wei=value_wei, intent=intent
        )
        self.done(intent)
        return receipt
