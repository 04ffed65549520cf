"""The referee's channels and operators with protocol types: what is set up, deposited, and asked of heads.

Decided here: how each of these functions maps to protocol values. Not decided here: batches and what modules do with
them (``referee``), the rules (``twin.referee`` is their twin).

Source: contracts/src/interfaces/IReferee.sol.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from wattest.chain.contract_face import ContractFace
from wattest.chain.transactions import Receipt
from wattest.crypto.signer import Signer
from wattest.messages.channel import ChannelKind
from wattest.messages.eip712 import Domain
from wattest.twin.gwei import WEI_PER_GWEI
from wattest.twin.modules import ModuleGrant
from wattest.twin.operator import OperatorHead, OperatorState
from wattest.twin.parameters import ChannelParameters


@dataclass(frozen=True, slots=True)
class ChannelHead:
    """The channel's slot: kind, version of the parameters in force (zero: no such channel), roster counts, exposure.

    ``margin_gwei`` is what a batch binds of a deposit beyond its stake: catcher's reward and gas reserve.
    """

    kind: ChannelKind
    parameters_version: int
    roster_count: int
    next_roster_count: int
    next_roster_from: int
    epoch_s: int
    commit_deadline_s: int
    stake_gwei: int
    margin_gwei: int

    @property
    def exposure_wei(self) -> int:
        """What a batch binds of a deposit, for an operator whose stake no module set."""
        return (self.stake_gwei + self.margin_gwei) * WEI_PER_GWEI

    def exposure_of(self, operator: OperatorHead) -> int:
        """What this operator's next batch binds of its deposit, wei."""
        return (operator.next_stake_gwei(self.stake_gwei) + self.margin_gwei) * WEI_PER_GWEI

    def roster_count_at(self, period_start: int) -> int:
        """Entries due in a batch for the period that starts then; zero in an open channel."""
        if self.next_roster_from and period_start >= self.next_roster_from:
            return self.next_roster_count
        return self.roster_count


class RefereeCore(ContractFace):
    """Channels and operators of the referee at one address of one chain."""

    contract = "Referee"

    @cached_property
    def domain(self) -> Domain:
        """The EIP-712 domain that headers are signed for."""
        return Domain(self.client.chain_id, self.address)

    # channels

    def create_channel(
        self,
        signer: Signer,
        kind: ChannelKind,
        salt: bytes,
        parameters: ChannelParameters,
        modules: Sequence[ModuleGrant],
        terms: Sequence[bytes],
    ) -> Receipt:
        """Create the channel whose manager is the signer; its id is ``messages.channel.channel_id``.

        ``terms`` is each module's word of terms, in the order of ``modules``.
        """
        return self._send(signer, "createChannel", kind, salt, parameters, list(modules), list(terms))

    def queue_parameters(
        self, signer: Signer, channel: bytes, parameters: ChannelParameters, terms: Sequence[bytes]
    ) -> Receipt:
        """Queue new parameters and terms behind the timelock."""
        return self._send(signer, "queueParameters", channel, parameters, list(terms))

    def apply_parameters(
        self, signer: Signer, channel: bytes, parameters: ChannelParameters, terms: Sequence[bytes]
    ) -> Receipt:
        """Make queued parameters current once the timelock is over; the chain keeps their digest alone."""
        return self._send(signer, "applyParameters", channel, parameters, list(terms))

    def set_roster_count(self, signer: Signer, channel: bytes, count: int, from_period_start: int) -> Receipt:
        """Set how many entries batches have from a period on."""
        return self._send(signer, "setRosterCount", channel, count, from_period_start)

    def manager_of(self, channel: bytes) -> bytes:
        """The manager's address, zero when there is no such channel."""
        manager: bytes = self._one("managerOf", channel)
        return manager

    def modules_of(self, channel: bytes) -> tuple[ModuleGrant, ...]:
        """The contracts that may act on the channel's batches and operators, and what each may."""
        return tuple(ModuleGrant(*grant) for grant in self._one("modulesOf", channel))

    def channel_head(self, channel: bytes) -> ChannelHead:
        """The channel's current values."""
        return _channel_head(self._one("channelHead", channel))

    def parameters_of(self, channel: bytes, version: int) -> ChannelParameters:
        """One version of a channel's parameters, from 1."""
        return ChannelParameters(*self._one("parametersOf", channel, version))

    def roster_count_at(self, channel: bytes, period_start: int) -> int:
        """Entries due in a batch for the period that starts then; zero in an open channel."""
        return int(self._one("rosterCountAt", channel, period_start))

    # operators

    def deposit(self, signer: Signer, channel: bytes, amount_wei: int) -> Receipt:
        """Add to the signer's deposit, whole gwei."""
        return self._send(signer, "deposit", channel, value_wei=amount_wei)

    def request_exit(self, signer: Signer, channel: bytes) -> Receipt:
        """End committing; the deposit stays slashable until it is withdrawn."""
        return self._send(signer, "requestExit", channel)

    def withdraw(self, signer: Signer, channel: bytes, to: bytes) -> Receipt:
        """Take the deposit back after the exit delay."""
        return self._send(signer, "withdraw", channel, to)

    def operator_head(self, channel: bytes, operator: bytes) -> OperatorHead:
        """State, last sequence, exposure and deposit of an operator."""
        return _operator_head(self._one("operatorHead", channel, operator))

    def heads_of(self, channels: Sequence[bytes], operator: bytes) -> dict[bytes, tuple[ChannelHead, OperatorHead]]:
        """``channel_head`` and ``operator_head`` of many channels, in one round trip for each fifty."""
        calls = [(one, of) for at in channels for one, of in (("channelHead", (at,)), ("operatorHead", (at, operator)))]
        answers = [value for (value,) in self.client.call_many(self.abi, self.address, calls)]
        heads = zip(map(_channel_head, answers[::2]), map(_operator_head, answers[1::2]), strict=True)
        return dict(zip(channels, heads, strict=True))

    def owed_here(self, account: bytes) -> int:
        """Wei that the account can withdraw from this contract."""
        return int(self._one("owed", account))

    def withdrawable_at(self, channel: bytes, operator: bytes) -> int:
        """When an exiting or banned operator can withdraw, unix seconds; zero before."""
        return int(self._one("withdrawableAt", channel, operator))


def _channel_head(values: Sequence[Any]) -> ChannelHead:
    return ChannelHead(ChannelKind(values[0]), *values[1:])


def _operator_head(values: Sequence[Any]) -> OperatorHead:
    return OperatorHead(OperatorState(values[0]), *values[1:])
