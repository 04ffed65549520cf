"""Answers to a verifier's questions, read from the contracts' state and logs over RPC.

Decided here: which log or slot answers which question of ``receipt.chain_view``. Not decided here: what follows from
the answers. Invariants: every time in an answer is that of the block the event lies in; a batch, however old, is told
from the logs only as far as they hash to the one word that the referee keeps of the operator's history now, so that no
node need keep the state of earlier blocks.
"""

from __future__ import annotations

from collections.abc import Sequence

from wattest.chain.abi import AbiEvent, ContractAbi
from wattest.chain.client import ChainClient, Log
from wattest.chain.deploy import AddressBook, Contracts
from wattest.chain.errors import Reorganised
from wattest.config import ChainConfig
from wattest.receipt.chain_view import ChainView, CommittedBatchView, PayoutRootView, RegistrationView
from wattest.twin.batch import BatchCitation, BatchState


class RpcChainView:
    """The chain as a receipt's verifier sees it."""

    def __init__(self, client: ChainClient, addresses: AddressBook) -> None:
        self._client = client
        self._contracts = Contracts.at(client, addresses)
        self._from_block = addresses.deployed_at_block
        self._times: dict[int, int] = {}

    @classmethod
    def connect(cls, url: str, addresses: AddressBook, *, config: ChainConfig | None = None) -> RpcChainView:
        """Reach the chain at ``url``; whether it is the right one is a question the verifier asks.

        Raises ``ChainUnreachable``, ``NoContractThere``.
        """
        return cls(ChainClient.connect(url, config=config), addresses)

    def chain_id(self) -> int:
        """The chain's id."""
        return self._client.chain_id

    def genesis_hash(self) -> bytes:
        """The hash of block 0."""
        return self._client.block(0).hash

    def batch(self, channel: bytes, operator: bytes, sequence: int) -> CommittedBatchView | None:
        """The batch that the referee holds there, if any."""
        referee = self._contracts.referee
        known = referee.histories.of(channel, operator)
        if not 0 < sequence <= known.size:
            return None
        record = known.history.record(sequence)
        state = referee.state_of(BatchCitation(channel, operator, sequence, record))
        if state is BatchState.NONE:
            raise Reorganised("the chain dropped this batch just now", retryable=True, sequence=sequence)
        return CommittedBatchView(record.header_digest, record.committed_at, state)

    def registrations(self, enclave_key: bytes) -> Sequence[RegistrationView]:
        """Every registration of the key, oldest first."""
        registry = self._contracts.registry
        key_topic = bytes(12) + enclave_key
        revoked_at: dict[tuple[bytes, ...], int] = {}
        for log, event in self._events(registry.abi, registry.address, "EnclaveRevoked", [None, None, key_topic]):
            revoked_at.setdefault(_binding(event), self._time(log))
        return [
            RegistrationView(
                event.arguments["verdictDigest"],
                self._time(log),
                event.arguments["expiresAt"],
                revoked_at.get(_binding(event)),
            )
            for log, event in self._events(registry.abi, registry.address, "EnclaveRegistered", [None, None, key_topic])
        ]

    def payout_root(self, distribution: bytes, root: bytes, total: int) -> PayoutRootView | None:
        """When that root with that total was last posted to the distribution, and what became of it."""
        payouts = self._contracts.payouts
        found: PayoutRootView | None = None
        happened = [
            pair
            for name in ("RootPosted", "RootActivated", "RootDisabled")
            for pair in self._events(payouts.abi, payouts.address, name, [distribution])
        ]
        for log, event in sorted(happened, key=lambda pair: (pair[0].block_number, pair[0].log_index)):
            if event.arguments["root"] != root or event.arguments.get("total", total) != total:
                continue
            time_s = self._time(log)
            if event.name == "RootPosted":
                found = PayoutRootView(time_s, None, None)
            elif found is not None and event.name == "RootActivated":
                found = PayoutRootView(found.posted_at, time_s, None)
            elif found is not None:
                found = PayoutRootView(found.posted_at, found.activated_at, time_s)
        return found

    def _events(
        self, abi: ContractAbi, address: bytes, name: str, indexed: Sequence[bytes | None]
    ) -> list[tuple[Log, AbiEvent]]:
        head = self._client.block().number
        logs = self._client.logs(address, [abi.event_topic(name), *indexed], self._from_block, head)
        decoded = ((log, abi.decode_log(log.topics, log.data)) for log in logs)
        return [(log, event) for log, event in decoded if event is not None]

    def _time(self, log: Log) -> int:
        if log.block_number not in self._times:
            self._times[log.block_number] = self._client.block(log.block_number).timestamp_s
        return self._times[log.block_number]


def _binding(event: AbiEvent) -> tuple[bytes, ...]:
    """What a registration or its end is for; the same key may be anything to anybody in a channel of their own."""
    return tuple(event.arguments[name] for name in ("referee", "channel", "operator"))


def chain_view(url: str, addresses: AddressBook, *, config: ChainConfig | None = None) -> ChainView:
    """The port for ``verify_receipt``, over RPC."""
    return RpcChainView.connect(url, addresses, config=config)


__all__ = ["RpcChainView", "chain_view"]
