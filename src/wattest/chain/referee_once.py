"""Calls of the referee that people make by command, each done once however often the command is killed and repeated.

Decided here: the intent of each call. Not decided here: what the calls mean (``referee``), when an intent is done with
(``apps.key_use``). Invariant: an intent names contract, channel and what is wanted, so that the same wish has the same
one and another wish has not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wattest.chain.client import Receipt
from wattest.chain.contract_face import ContractFace
from wattest.chain.referee import Referee, standard_terms
from wattest.crypto.signer import Signer
from wattest.messages.channel import ChannelIdentity
from wattest.twin.challenge import ChallengeTerms
from wattest.twin.parameters import ChannelParameters


@dataclass(frozen=True, slots=True)
class RefereeOnce:
    """The referee for one signer; ``done`` is told each intent once the chain has it."""

    referee: Referee
    signer: Signer
    done: Callable[[str], None]

    def create_channel(self, channel: ChannelIdentity, parameters: ChannelParameters, terms: ChallengeTerms) -> Receipt:
        """Create the channel, whose manager is the signer, with the modules that come with the referee."""
        granted, words = list(self.referee.standard_modules), list(standard_terms(terms))
        arguments = (channel.kind, channel.salt, parameters, granted, words)
        return self._once(channel.id, "createChannel", *arguments, wish="create")

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

    def withdraw_owed(self, to: bytes) -> list[Receipt]:
        """Take what referee and module of challenges owe the signer now; nothing where neither does."""
        purses = (self.referee, self.referee.challenges)
        return [
            self._once(b"", "withdrawOwed", to, wish=f"owed:{owed_wei}", of=purse)
            for purse in purses
            if (owed_wei := purse.owed_here(self.signer.address))
        ]

    def _once(
        self,
        channel: bytes,
        function: str,
        *arguments: object,
        wish: str,
        value_wei: int = 0,
        of: ContractFace | None = None,
    ) -> Receipt:
        contract = self.referee if of is None else of
        intent = f"{wish}:{contract.address.hex()}:{channel.hex()}"
        receipt = contract.client.send(
            self.signer, contract.abi, contract.address, function, *arguments, value_wei=value_wei, intent=intent
        )
        self.done(intent)
        return receipt
