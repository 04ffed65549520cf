"""Contracts, channels, operators and batches for measuring gas in real time: windows of seconds, no clock to move.

Only what every node has is used. Headers are signed here with keys that appraisers' verdicts registered.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from gas_node import ETHER, GWEI, Called, Deployed, GasNode, TransactionFailed, hexed

from wattest.chain.local_signer import LocalSigner
from wattest.crypto.p256 import P256PrivateKey
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.merkle import MerkleTree
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.eip712 import Domain
from wattest.messages.evidence_verdict import EvidenceVerdict, sign_verdict
from wattest.messages.header import BatchHeader, sign_header
from wattest.metering.entry import EntryKind, SeriesEntry, StatementEntry
from wattest.sealing.statement_block import citations_root, payout_job_id, payout_result
from wattest.settlement.payout import Payout, PayoutTree
from wattest.twin.batch import BatchRecord, EntryInclusion
from wattest.twin.challenge import ChallengeTerms, EvidenceOpening
from wattest.twin.history import History
from wattest.twin.modules import ModuleGrant, Power
from wattest.twin.parameters import ChannelParameters
from wattest.twin.payouts import distribution_id
from wattest.twin.signature_words import signature_words
from wattest.units import SECONDS_PER_DAY

ENTRY_BYTES, SALT_BYTES = 118, 16
ENTRIES = 20
ZERO = bytes(32)
WINDOW_S, ANSWER_S, EXIT_S = 45, 6, 3_600
DELAY_S = 3_600
PARAMETERS = ChannelParameters(SECONDS_PER_DAY, 7_200, WINDOW_S, EXIT_S, ETHER, ETHER // 5, ETHER // 20)
TERMS = ChallengeTerms(ANSWER_S, ETHER // 50, ETHER // 100, 200 * GWEI)
SIMULATED_GAS = 10_000_000

Note = Callable[[str, Called], Called]


def octets(*parts: object, length: int = 32) -> bytes:
    """Bytes that follow from ``parts``: as good as random, the same in every run."""
    return hashlib.shake_256(repr(parts).encode()).digest(length)


def unnoted(_name: str, called: Called) -> Called:
    """Nothing is kept."""
    return called


@dataclass
class Entries:
    """The entries of one batch: payloads, salts, tree."""

    payloads: bytes
    salts: bytes
    tree: MerkleTree

    @classmethod
    def over(cls, payloads: bytes, label: object) -> Entries:
        """With salts that follow from the label."""
        salts = octets(label, "salts", length=SALT_BYTES * (len(payloads) // ENTRY_BYTES))
        return cls(payloads, salts, MerkleTree.build(payloads, ENTRY_BYTES, salts))

    def inclusion(self, index: int) -> EntryInclusion:
        """What an answer shows."""
        return EntryInclusion(
            index,
            self.salts[index * SALT_BYTES : (index + 1) * SALT_BYTES],
            self.payloads[index * ENTRY_BYTES : (index + 1) * ENTRY_BYTES],
            tuple(self.tree.prove(index).path),
        )


@dataclass
class Operator:
    """An operator of one channel with its registered enclave key, its batches and their history."""

    signer: LocalSigner
    enclave: Secp256k1PrivateKey
    channel: ChannelIdentity
    history: History
    workload: bytes
    headers: list[BatchHeader] = field(default_factory=list)
    entries: list[Entries] = field(default_factory=list)


class World:
    """One set of contracts on one node."""

    def __init__(self, node: GasNode) -> None:
        self.node = node
        self.manager, self.catcher = self.account("manager"), self.account("catcher")
        appraisers = [Secp256k1PrivateKey.from_seed(octets("appraiser", number)) for number in range(3)]
        self.appraisers = sorted(appraisers, key=lambda key: key.address)
        self.deployment_gas: dict[str, int] = {}
        quorum = self._deploy("AppraiserQuorum", [key.address for key in self.appraisers], 2)
        self.registry = self._deploy("EnclaveRegistry", quorum.address, 30 * SECONDS_PER_DAY)
        self.referee = self._deploy("Referee", self.registry.address)
        self.challenges = self._deploy("DirectedChallenges", self.referee.address)
        self.fraud = self._deploy("FraudProofs", self.referee.address)
        self.payouts = self._deploy("Payouts")
        self.token = self._deploy("DemoToken", 10**12)
        self.domain = Domain(node.chain_id, self.referee.address)

    def account(self, label: str) -> LocalSigner:
        """A funded account."""
        signer = LocalSigner(octets("account", label))
        self.node.fund(signer.address)
        return signer

    def channel(self, label: str, kind: ChannelKind, *, note: Note = unnoted) -> ChannelIdentity:
        """A channel with both modules."""
        channel = ChannelIdentity(self.manager.address, kind, octets("channel", label))
        parameters = (
            PARAMETERS if kind is ChannelKind.SCHEDULED else replace(PARAMETERS, epoch_s=0, commit_deadline_s=0)
        )
        grants = (
            ModuleGrant(self.challenges.address, Power.CONVICT | Power.HOLD),
            ModuleGrant(self.fraud.address, Power.CONVICT | Power.FINE),
        )
        created = self.referee.send(
            self.manager, "createChannel", int(kind), channel.salt, parameters, grants, (TERMS.word, ZERO)
        )
        note("create a channel with two modules", created)
        if kind is ChannelKind.SCHEDULED:
            start = int(self.node.block()["timestamp"], 16) // SECONDS_PER_DAY * SECONDS_PER_DAY
            self.referee.send(self.manager, "setRosterCount", channel.id, ENTRIES, start)
        return channel

    def operator(
        self, label: str, channel: ChannelIdentity, *, note: Note = unnoted, workload: str = "vee"
    ) -> Operator:
        """An operator with a deposit and a registered enclave key."""
        signer = self.account(label)
        enclave = Secp256k1PrivateKey.from_seed(octets("enclave", label, channel.id))
        operator = Operator(signer, enclave, channel, History(channel.id, signer.address), octets("workload", workload))
        note("deposit, first", self.referee.send(signer, "deposit", channel.id, value_wei=100 * ETHER))
        note("deposit, more", self.referee.send(signer, "deposit", channel.id, value_wei=ETHER))
        note("register an enclave key", self._register(operator))
        return operator

    def header(self, operator: Operator, root: bytes, **changed: object) -> BatchHeader:
        """The operator's next header, of an open channel."""
        label = (operator.signer.address, len(operator.headers), root)
        header = BatchHeader(
            channel=operator.channel.id,
            operator=operator.signer.address,
            sequence=operator.history.size + 1,
            previous=operator.history.last_header_digest(),
            period_start=20_000 * SECONDS_PER_DAY,
            period_end=20_001 * SECONDS_PER_DAY,
            root=root,
            entry_count=ENTRIES,
            roster=ZERO,
            inputs=ZERO,
            state=ZERO,
            workload=operator.workload,
            content_id=octets("content", *label),
            witnesses=ZERO,
            zk_root=ZERO,
        )
        return replace(header, **changed)  # type: ignore[arg-type]

    def commit(
        self, operator: Operator, *, forged: bool = False, entries: Entries | None = None, **changed: object
    ) -> Called:
        """The operator's next batch, in a block of a later second than the one before."""
        number = operator.history.size + 1
        label = (operator.signer.address, number)
        if entries is None:
            payloads = random.Random(repr(label)).randbytes(ENTRY_BYTES * ENTRIES)
            if forged:
                payloads = _forged_entry() + payloads[ENTRY_BYTES:]
            entries = Entries.over(payloads, label)
        header = self.header(operator, entries.tree.root, **changed)
        r, vs = signature_words(sign_header(operator.enclave, header, self.domain))
        if operator.history.size:
            self.node.wait_until(operator.history.record(operator.history.size).committed_at + 1)
        called = self.referee.send(operator.signer, "commit", header, r, vs, operator.history.peaks())
        stake = self.referee.call("stakeOf", operator.channel.id, operator.signer.address)[0] // GWEI
        record = BatchRecord(header.digest(self.domain), called.timestamp, 1, stake)
        operator.history.append(record)
        if (
            self.referee.call("historyOf", operator.channel.id, operator.signer.address, number)[0]
            != operator.history.word()
        ):
            raise AssertionError("the chain keeps another history")
        operator.headers.append(header)
        operator.entries.append(entries)
        return called

    def challenge(self, operator: Operator, index: int) -> Called:
        """The entry of the operator's last batch."""
        arguments = (operator.channel.id, operator.signer.address, 1)
        bond = self.challenges.call("bondFor", *arguments)[0]
        reference = operator.history.reference(operator.history.size)
        return self.challenges.send(self.catcher, "challenge", operator.headers[-1], reference, index, value_wei=bond)

    def answer(self, operator: Operator, index: int) -> Called:
        """By the operator itself."""
        return self.challenges.send(
            operator.signer, "answer", operator.headers[-1], operator.entries[-1].inclusion(index)
        )

    def expire(self, operator: Operator, index: int) -> Called:
        """After the deadline."""
        digest = operator.headers[-1].digest(self.domain)
        deadline = self.challenges.call("challengeOf", digest, index)[0][1]
        self.node.wait_until(deadline + 1)
        return self.challenges.send(self.catcher, "expire", operator.history.reference(operator.history.size), index)

    def wait_for_finality(self, operator: Operator) -> None:
        """Until the last batch's window is over."""
        self.node.wait_until(operator.history.record(operator.history.size).committed_at + WINDOW_S + 2)

    def release(self, operator: Operator, first: int, count: int) -> Called:
        """By anyone."""
        return self.referee.send(self.catcher, "release", operator.history.run(first, count))

    def equivocate(self, operator: Operator, sequence: int) -> Called:
        """A second header for the sequence."""
        first = operator.headers[sequence - 1]
        second = replace(first, content_id=octets("fork"))
        signatures = [sign_header(operator.enclave, header, self.domain) for header in (first, second)]
        reference = operator.history.reference(sequence)
        return self.fraud.send(
            self.catcher, "proveEquivocation", first, signatures[0], second, signatures[1], reference
        )

    def prove_invalid_evidence(self, operator: Operator) -> Called:
        """Of the first entry of the operator's last batch."""
        opening = _opening()
        words = (
            opening.message_digest, opening.signature[:32], opening.signature[32:],
            opening.public_key[:32], opening.public_key[32:],
        )  # fmt: skip
        reference, inclusion = operator.history.reference(operator.history.size), operator.entries[-1].inclusion(0)
        return self.fraud.send(self.catcher, "proveInvalidEvidence", operator.headers[-1], reference, inclusion, words)

    def payout(self, metering: ChannelIdentity) -> Iterator[tuple[str, Called]]:
        """A statement over two batches of an operator of its own: post, fund, activate, claim."""
        operator = self.operator("metering", metering)
        self.commit(operator)
        self.commit(operator)
        channel = self.channel("statements", ChannelKind.OPEN)
        settler = self.operator("settler", channel, workload="settle")
        listed = sorted(
            (Payout(octets("payee", n, length=20), 1_000 + n) for n in range(20)), key=lambda one: one.address
        )
        tree = PayoutTree.build(listed, [octets("payout salt", n, length=16) for n in range(20)])
        start, end = 20_000 * SECONDS_PER_DAY, 20_001 * SECONDS_PER_DAY
        carrier = StatementEntry(
            EntryKind.STATEMENT, payout_job_id(channel.id, start), start, end, 20,
            payout_result(tree.root, tree.total), octets("input"),
        )  # fmt: skip
        payloads = carrier.pack() + random.Random("bills").randbytes(ENTRY_BYTES * (ENTRIES - 1))
        inputs = citations_root([header.digest(self.domain) for header in operator.headers])
        entries = Entries.over(payloads, "statement")
        yield "commit of a statement", self.commit(settler, entries=entries, inputs=inputs)
        terms = (
            self.manager.address, self.catcher.address, self.token.address, self.referee.address, channel.id,
            settler.signer.address, DELAY_S, (metering.id,), (),
        )  # fmt: skip
        yield "create a distribution", self.payouts.send(self.manager, "createDistribution", ZERO, terms)
        distribution = distribution_id(self.manager.address, ZERO)
        yield (
            "post a payout root, two citations",
            self.payouts.send(
                self.manager, "postRoot", distribution, tree.root, tree.total, settler.headers[0],
                settler.history.reference(1), entries.inclusion(0), (operator.history.run(1, 2),),
            ),
        )  # fmt: skip
        self.token.send(self.manager, "approve", self.payouts.address, tree.total)
        yield "fund a distribution", self.payouts.send(self.manager, "fund", distribution, tree.total)
        path = tuple(tree.tree.prove(0).path)
        claimed = (listed[0].address, listed[0].cumulative_amount, octets("payout salt", 0, length=16), 0, 20, path)
        later = int(self.node.block()["timestamp"], 16) + DELAY_S
        activate = self.payouts.abi.encode_call(
            "activateRoot", distribution, settler.history.reference(1), (operator.history.run(1, 2),)
        )
        claim = self.payouts.abi.encode_call("claim", distribution, *claimed)
        calls = [self.call(self.catcher, self.payouts, data) for data in (activate, claim)]
        names = "activate a payout root, two citations", "claim, first of an account"
        yield from zip(names, self.simulate(later, calls), strict=True)

    def call(self, signer: LocalSigner, contract: Deployed, data: bytes) -> dict[str, str]:
        """A call as a node simulates it."""
        sender, to = hexed(signer.address), hexed(contract.address)
        return {"from": sender, "to": to, "input": hexed(data), "gas": hex(SIMULATED_GAS)}

    def simulate(
        self, timestamp: int, calls: list[dict[str, str]], overrides: dict[str, Any] | None = None
    ) -> list[Called]:
        """What the calls would use in a block of that time, one after the other, on the state of now."""
        block = {"blockOverrides": {"time": hex(timestamp)}, "stateOverrides": overrides or {}, "calls": calls}
        blocks = self.node.rpc.request("eth_simulateV1", {"blockStateCalls": [block]}, "latest")
        results = blocks[-1]["calls"]
        for result in results:
            if int(result["status"], 16) != 1:
                raise TransactionFailed(f"a simulated call was refused: {result}")
        return [Called(int(result["gasUsed"], 16), b"", timestamp, ()) for result in results]

    def _deploy(self, name: str, *arguments: object) -> Deployed:
        deployed = Deployed(self.node, self.manager, name, *arguments)
        self.deployment_gas[name] = deployed.deployment_gas
        return deployed

    def _register(self, operator: Operator) -> Called:
        block = self.node.block()
        issued = int(block["timestamp"], 16)
        verdict = EvidenceVerdict(
            operator.enclave.address, self.referee.address, operator.channel.id, operator.signer.address,
            octets("measurement"), operator.workload, octets("platform"), issued, issued + 29 * SECONDS_PER_DAY,
            int(block["number"], 16), bytes.fromhex(block["hash"][2:]), octets("evidence"), octets("endorsements"),
            octets("policy"),
        )  # fmt: skip
        domain = Domain(self.node.chain_id, self.registry.address)
        signatures = b"".join(sign_verdict(key, verdict, domain) for key in self.appraisers[:2])
        return self.registry.send(operator.signer, "register", verdict, signatures)


def _opening() -> EvidenceOpening:
    """A meter's signature over something else than its digest says."""
    meter = P256PrivateKey.from_seed(octets("meter"))
    return EvidenceOpening(octets("the block"), meter.sign_digest(octets("another block")), meter.public_key)


def _forged_entry() -> bytes:
    start, end = 20_000 * SECONDS_PER_DAY, 20_001 * SECONDS_PER_DAY
    return SeriesEntry(
        EntryKind.SIGNED_DEVICE_BLOCK, octets("blinded"), start, end, 96, octets("series"), _opening().digest
    ).pack()
