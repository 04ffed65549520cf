"""A key in use by a command that sends transactions and ends: its signer, its journal, and the chain it acts on.

Decided here: where the journal lies (beside the key file), that one command at a time uses a key, and how many blocks a
transaction waits for. Not decided here: what is sent. A running node has a journal of its own and does not come here.
Invariant: what a killed command sent is remembered, and found again by the same command.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wattest.apps.actions.bounded_file import read_bounded
from wattest.apps.exclusive import Claimed, exclusive
from wattest.chain.anvil import DEFAULT_CHAIN_ID
from wattest.chain.client import AccountUnfunded, ChainClient
from wattest.chain.deploy import Contracts
from wattest.chain.file_journal import FileJournal
from wattest.chain.signers import KEY_FILE, SignerName, signer_name
from wattest.config import ChainConfig
from wattest.crypto.signer import Signer
from wattest.errors import ConfigError
from wattest.receipt.deployment import MAX_DEPLOYMENT_BYTES, Deployment, parse_deployment

JOURNAL_SUFFIX = ".sent"


class KeyInUse(ConfigError):
    """Another command sends with this key right now."""


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A signer, and what it has sent and is not done with."""

    signer: Signer
    journal: FileJournal

    def done(self, *intents: str) -> None:
        """These need not be remembered any more: the chain shows that they happened."""
        for intent in intents:
            self.journal.forget(self.signer.address, intent)


@contextmanager
def use_key(key_file: Path, genesis_hash: bytes) -> Iterator[KeyUse]:
    """The key that ``--key-file`` names, for one command at a time. Raises: as ``use_signer``."""
    with use_signer(signer_name(str(key_file)), genesis_hash) as key:
        yield key


@contextmanager
def use_signer(named: SignerName, genesis_hash: bytes) -> Iterator[KeyUse]:
    """A signer for one command at a time. Raises: KeyInUse; what opening the key or its journal raises."""
    signer = named.open()
    beside = named.folder / named.where if named.kind == KEY_FILE else named.folder / f"0x{signer.address.hex()}"
    journal = beside.with_name(beside.name + JOURNAL_SUFFIX)
    try:
        with exclusive(journal.with_name(journal.name + ".lock")):
            yield KeyUse(signer, FileJournal(journal, genesis_hash))
    except Claimed as error:
        raise KeyInUse(
            "another command sends with this key right now", path=beside, hint="wait until it has ended"
        ) from error


def read_address_book(path: Path) -> Deployment:
    """The deployment that an option names. Raises: FileUnreadable; what ``parse_deployment`` raises."""
    hint = "check the path; `wattest deploy` makes one"
    return parse_deployment(read_bounded(path, MAX_DEPLOYMENT_BYTES + 1, hint))


def chain_settings(chain_id: int) -> ChainConfig:
    """How long commands wait for a transaction: a block on top, and none on the embedded chain, which makes none."""
    return ChainConfig(confirmations=0 if chain_id == DEFAULT_CHAIN_ID else 1)


def connect_contracts_of(deployment: Deployment, rpc: str, journal: FileJournal | None = None) -> Contracts:
    """The contracts of a deployment at a node. Raises: WrongChain, NoContractThere; TransportError."""
    client = ChainClient.connect(
        rpc,
        chain_id=deployment.chain_id,
        genesis_hash=deployment.genesis_hash,
        config=chain_settings(deployment.chain_id),
        journal=journal,
    )
    return Contracts.at(client, deployment)


def require_money(client: ChainClient, account: bytes, wei: int = 1) -> None:
    """Raises ``AccountUnfunded``, with what to type, unless the account (20 bytes) has at least so many wei."""
    held = client.balance(account)
    if held < wei:
        named = "0x" + account.hex()
        raise AccountUnfunded(
            "the account of this key has no money to pay for transactions"
            if not held
            else "the account of this key has too little money",
            account=account,
            expected=f"at least {wei} wei",
            actual=f"{held} wei",
            hint=f"on an embedded chain: wattest chain fund FOLDER {named}; elsewhere send it some"
            if client.chain_id == DEFAULT_CHAIN_ID
            else f"send {named} some of this chain's coin",
        )
