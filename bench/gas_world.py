"""A chain with everything that gas is measured on: contracts, channels of several sizes, operators, batches.

Headers are signed here with keys that appraisers' verdicts registered: what a transaction costs does not depend on who
made the signature. Entries and trees are real, windows are the demo's; only the chain's clock is moved.
"""

from __future__ import annotations

import hashlib
import random
import shlex
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from measure import REPOSITORY

from wattest.apps.embedded import APPRAISERS, CHALLENGE_TERMS, OPEN_PARAMETERS, PARAMETERS, THRESHOLD
from wattest.chain.anvil import Anvil, find_anvil
from wattest.chain.client import ChainClient, Receipt, Reorganised
from wattest.chain.deploy import Contracts, deploy_all
from wattest.chain.local_signer import LocalSigner
from wattest.config import ChainConfig
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.merkle import MerkleTree
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.evidence_verdict import EvidenceVerdict, sign_verdict
from wattest.messages.header import BatchHeader, sign_header
from wattest.twin.batch import BatchCitation, BatchRecord, EntryInclusion
from wattest.units import SECONDS_PER_DAY

FIRST_PERIOD = 20_001 * SECONDS_PER_DAY
MINUTE_S = 60
ETHER = 10**18
ENTRY_BYTES, SALT_BYTES = 118, 16
ZERO = bytes(32)
TOKEN_SUPPLY = 10**12
CALLDATA_ATTEMPTS = 50


def octets(*parts: object, length: int = 32) -> bytes:
    """Bytes that follow from ``parts``: as good as random, the same in every run."""
    return hashlib.shake_256(repr(parts).encode()).digest(length)


@dataclass
class Operator:
    """An operator of one channel, its registered enclave key, and the batches that it committed."""

    signer: LocalSigner
    enclave: Secp256k1PrivateKey
    channel: ChannelIdentity
    count: int
    workload: bytes
    headers: list[BatchHeader] = field(default_factory=list)
    records: list[BatchRecord] = field(default_factory=list)

    def citation(self, position: int) -> BatchCitation:
        """A committed batch and where it lies."""
        header = self.headers[position]
        return BatchCitation(header.channel, header.operator, header.sequence, self.records[position])


class Entries:
    """The entries of one batch: payloads, salts, tree."""

    def __init__(self, payloads: bytes, label: str) -> None:
        self.payloads = payloads
        self.count = len(payloads) // ENTRY_BYTES
        self.salts = octets(label, "salts", length=SALT_BYTES * self.count)
        self.tree = MerkleTree.build(payloads, ENTRY_BYTES, self.salts)

    @classmethod
    def arbitrary(cls, count: int, label: str) -> Entries:
        """Entries that nothing opens."""
        return cls(random.Random(label).randbytes(ENTRY_BYTES * count), label)

    def inclusion(self, index: int) -> EntryInclusion:
        """What an answer shows."""
        return EntryInclusion(
            index,
            self.salts[index * SALT_BYTES : (index + 1) * SALT_BYTES],
            self.payloads[index * ENTRY_BYTES : (index + 1) * ENTRY_BYTES],
            tuple(self.tree.prove(index).path),
        )


def native_anvil() -> Path:
    """Anvil itself: npm's wrapper, which PATH may name, ends before the process that it started."""
    beside = sorted(REPOSITORY.glob("node_modules/@foundry-rs/anvil-*/bin/anvil"))
    return beside[0] if beside else find_anvil()


class GasWorld:
    """Anvil with options of its own, one that keeps every step of a transaction, and one set of contracts on it."""

    def __init__(self, folder: Path, stack: ExitStack, anvil_options: str = "--steps-tracing") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        optioned = folder / "anvil-with-options"
        optioned.write_text(f'#!/bin/sh\nexec {shlex.quote(str(native_anvil()))} {anvil_options} "$@"\n')
        optioned.chmod(0o755)
        chain = Anvil.create(folder / "chain", genesis_timestamp_s=FIRST_PERIOD - 3_600, binary=optioned)
        self.anvil = stack.enter_context(chain)
        self.client = ChainClient.connect(self.anvil.url, config=ChainConfig(confirmations=0))
        self.manager = self.account("manager")
        self.appraisers = [Secp256k1PrivateKey.from_seed(octets("appraiser", number)) for number in range(APPRAISERS)]
        self.appraisers.sort(key=lambda key: key.address)
        addresses = deploy_all(
            self.client, self.manager, appraisers=[key.address for key in self.appraisers], threshold=THRESHOLD,
            demo_token_supply=TOKEN_SUPPLY,
        )  # fmt: skip
        self.contracts = Contracts.at(self.client, addresses)
        self.deployment_gas = addresses.gas_used
        self.domain = self.contracts.referee.domain
        self.gas: dict[str, list[int]] = {}

    def account(self, label: str) -> LocalSigner:
        """A funded account."""
        signer = LocalSigner(octets("account", label))
        self.anvil.fund(signer.address, 10_000 * ETHER)
        return signer

    def note(self, name: str, receipt: Receipt) -> Receipt:
        """Keep what a transaction cost under ``name``."""
        self.gas.setdefault(name, []).append(receipt.gas_used)
        return receipt

    def channel(
        self, label: str, count: int, *, epoch_s: int = SECONDS_PER_DAY, kind: ChannelKind = ChannelKind.SCHEDULED
    ) -> ChannelIdentity:
        """A channel with its roster count set."""
        channel = ChannelIdentity(self.manager.address, kind, octets("channel", label))
        scheduled = kind is ChannelKind.SCHEDULED
        deadline = min(PARAMETERS.commit_deadline_s, epoch_s // 2)
        parameters = replace(PARAMETERS, epoch_s=epoch_s, commit_deadline_s=deadline) if scheduled else OPEN_PARAMETERS
        referee = self.contracts.referee
        created = referee.create_standard_channel(self.manager, kind, channel.salt, parameters, CHALLENGE_TERMS)
        self.note("create a channel", created)
        if scheduled:
            start = self.client.now() // epoch_s * epoch_s + epoch_s
            self.note("set a roster count", referee.set_roster_count(self.manager, channel.id, count, start))
        return channel

    def operator(self, label: str, channel: ChannelIdentity, count: int, workload: bytes | None = None) -> Operator:
        """An operator with a deposit and a registered enclave key."""
        signer = self.account(label)
        enclave = Secp256k1PrivateKey.from_seed(octets("enclave", label))
        operator = Operator(signer, enclave, channel, count, workload or octets("workload"))
        self.register(operator)
        self.note("deposit, first", self.contracts.referee.deposit(signer, channel.id, 100 * ETHER))
        return operator

    def register(self, operator: Operator) -> None:
        """Register the operator's enclave key with two of three appraisers."""
        registry = self.contracts.registry
        nonce, now = registry.recent_nonce(), self.client.now()
        digests = (octets("evidence"), octets("endorsements"), octets("policy"))
        verdict = EvidenceVerdict(
            operator.enclave.address, self.contracts.referee.address, operator.channel.id, operator.signer.address,
            octets("measurement"), operator.workload, octets("platform"), now, now + 29 * SECONDS_PER_DAY,
            nonce.number, nonce.hash, *digests,
        )  # fmt: skip
        signatures = [sign_verdict(key, verdict, registry.domain) for key in self.appraisers[:THRESHOLD]]
        self.note("register an enclave key", registry.register(operator.signer, verdict, signatures))

    def header(self, operator: Operator, period: tuple[int, int], root: bytes, **changed: object) -> BatchHeader:
        """The operator's next header."""
        scheduled = operator.channel.kind is ChannelKind.SCHEDULED
        label = (operator.signer.address, len(operator.headers), root)
        header = BatchHeader(
            channel=operator.channel.id,
            operator=operator.signer.address,
            sequence=len(operator.headers) + 1,
            previous=operator.headers[-1].digest(self.domain) if operator.headers else ZERO,
            period_start=period[0],
            period_end=period[1],
            root=root,
            entry_count=operator.count,
            roster=octets("roster", *label) if scheduled else ZERO,
            inputs=ZERO,
            state=octets("state", *label) if scheduled else ZERO,
            workload=operator.workload,
            content_id=octets("content", *label),
            witnesses=ZERO,
            zk_root=ZERO,
        )
        return replace(header, **changed)  # type: ignore[arg-type]

    def commit(self, operator: Operator, header: BatchHeader) -> Receipt:
        """Commit a header; the operator keeps it with its record."""
        referee = self.contracts.referee
        receipt = referee.commit(operator.signer, header, sign_header(operator.enclave, header, self.domain))
        (event,) = referee.events_of(receipt)
        operator.headers.append(header)
        operator.records.append(event.record)  # type: ignore[union-attr]
        return receipt

    def commit_days(self, operators: Sequence[Operator], days: int) -> dict[int, list[Receipt]]:
        """Whole days, each committed by every operator a minute after its end; receipts by entry count."""
        receipts: dict[int, list[Receipt]] = {}
        start = self.client.now() // SECONDS_PER_DAY * SECONDS_PER_DAY + SECONDS_PER_DAY
        for day in range(days):
            period = start + day * SECONDS_PER_DAY, start + (day + 1) * SECONDS_PER_DAY
            self.anvil.advance_to(period[1] + MINUTE_S)
            for operator in operators:
                header = self.header(operator, period, octets("root", operator.signer.address, day))
                receipts.setdefault(operator.count, []).append(self.commit(operator, header))
        return receipts

    def calldata(self, receipt: Receipt) -> bytes:
        """The input of a mined transaction, which anvil may show as still pending for a moment."""
        for _ in range(CALLDATA_ATTEMPTS - 1):
            try:
                return self.client.transaction_input(receipt.transaction_hash)
            except Reorganised:
                time.sleep(0.05)
        return self.client.transaction_input(receipt.transaction_hash)

    def trace(self, receipt: Receipt) -> dict[str, object]:
        """Every step that a mined transaction took."""
        options = {"disableStack": False, "enableMemory": False, "disableStorage": True}
        return self.client.rpc.request(  # type: ignore[no-any-return]
            "debug_traceTransaction", "0x" + receipt.transaction_hash.hex(), options
        )
