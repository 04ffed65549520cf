"""Plays a scenario of vectors/protocol/scenarios.json (docs/spec/lifecycles.md, "Scenarios") against an executor.

The player turns symbolic steps into protocol values; an executor carries out one call and says how it was refused, or
None. Two executors exist: the pure twin, and the contracts on an anvil chain.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any, Protocol

from wattest.crypto.p256 import P256PrivateKey
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.merkle import MerkleTree
from wattest.messages.channel import ChannelKind, channel_id
from wattest.messages.eip712 import Domain
from wattest.messages.evidence_verdict import EvidenceVerdict, Revocation, sign_verdict
from wattest.messages.header import BatchHeader, sign_header
from wattest.twin.batch import NO_BATCH, BatchRecord, BatchReference, BatchRun, EntryInclusion
from wattest.twin.challenge import ChallengeTerms, EvidenceOpening
from wattest.twin.history import History
from wattest.twin.history_proof import HistoryProof
from wattest.twin.modules import ALL_POWERS, CHALLENGE_POWERS, FRAUD_PROOF_POWERS, ModuleGrant
from wattest.twin.parameters import ChannelParameters
from wattest.twin.referee import RefereeState
from wattest.twin.signature_words import signature_words

DAY = 86_400
PARAMETERS = ChannelParameters(
    epoch_s=DAY,
    commit_deadline_s=7_200,
    challenge_window_s=7 * DAY,
    exit_delay_s=21 * DAY,
    stake_wei=10**18,
    catcher_reward_wei=2 * 10**17,
    gas_reserve_wei=10**16,
)
GAS_PRICE_WEI = 10**11
TERMS = ChallengeTerms(
    answer_window_s=DAY, base_bond_wei=10**15, answer_gas_cap_wei=5 * 10**14, max_gas_price_wei=GAS_PRICE_WEI
)
MODULES = {"challenges": CHALLENGE_POWERS, "fraud proofs": FRAUD_PROOF_POWERS, "auditor": ALL_POWERS}
"""What a channel names unless a step says otherwise; the auditor is nobody's module: whatever the story needs."""
IDLE_MODULES = ("second auditor", "third auditor", "fourth auditor", "fifth auditor")
"""Contracts that a channel can name, too."""
HALF_SECP256K1_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
ENTRY_COUNT = 5
SIGNED_ENTRY, FORGED_ENTRY, HIGH_S_ENTRY, UNSIGNED_ENTRY = 0, 1, 2, 3
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
APPRAISERS = 3
THRESHOLD = 2


def bytes_of(label: str, length: int = 32) -> bytes:
    return hashlib.shake_256(f"wattest scenario {label}".encode()).digest(length)


def key_of(name: str) -> Secp256k1PrivateKey:
    return Secp256k1PrivateKey.from_seed(bytes_of("key " + name))


def address_of(name: str) -> bytes:
    return key_of(name).address


WORKLOAD = bytes_of("workload")
METER = P256PrivateKey.from_seed(bytes_of("meter"))


def openings() -> list[EvidenceOpening]:
    """Of the five entries: good, forged, high s, and two that are not of kind 1 but sign well."""
    digests = [bytes_of(f"message {n}") for n in range(ENTRY_COUNT)]
    good = [EvidenceOpening(digest, METER.sign_digest(digest), METER.public_key) for digest in digests]
    forged = replace(good[FORGED_ENTRY], message_digest=bytes_of("another message"))
    signature = good[HIGH_S_ENTRY].signature
    high = (P256_ORDER - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
    return [good[0], forged, replace(good[HIGH_S_ENTRY], signature=signature[:32] + high), *good[3:]]


def entries(label: str, period: tuple[int, int]) -> tuple[MerkleTree, list[bytes], list[bytes]]:
    payloads, salts = [], []
    for number, opening in enumerate(openings()):
        kind = 2 if number >= UNSIGNED_ENTRY else 1
        subject = number.to_bytes(1, "big") + bytes_of(f"blinded {number}", 31)
        times = b"".join(time.to_bytes(8, "big") for time in period)
        payloads.append(
            bytes([1, kind])
            + subject
            + times
            + (96).to_bytes(4, "big")
            + bytes_of(f"{label} {number}")
            + opening.digest
        )
        salts.append(bytes_of(f"{label} salt {number}", 16))
    return MerkleTree.from_payloads(payloads, salts), payloads, salts


@dataclass(frozen=True)
class Batch:
    """What the player knows of a label: header, signature, signer's name, tree."""

    header: BatchHeader
    signature: bytes
    tree: MerkleTree
    payloads: list[bytes]
    salts: list[bytes]


class TwinState(Protocol):
    """What a player looks up in the twin."""

    state: RefereeState


class Executor(Protocol):
    """Carries out one call at a time."""

    domain: Domain
    registry_domain: Domain
    start: int
    modules: dict[str, bytes]

    def recent_block(self) -> tuple[int, bytes]: ...

    @property
    def twin(self) -> TwinState: ...

    def run(self, call: str, caller: bytes, now: int, value: int, arguments: tuple[Any, ...]) -> str | None: ...


class Player:
    """One scenario's memory: labels, histories, the clock."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.now = executor.start
        self.batches: dict[str, Batch] = {}
        self.histories: dict[tuple[bytes, bytes], History] = {}
        self.kind = ChannelKind.SCHEDULED
        self.channel = b""
        self.queued: tuple[ChannelParameters, tuple[bytes, ...]] | None = None

    def play(self, steps: list[dict[str, Any]]) -> None:
        for number, step in enumerate(steps):
            wanted = step.get("refused")
            refused = getattr(self, "do_" + step["do"])(step)
            assert refused == wanted, f"step {number} {step}: refused with {refused}, the vector says {wanted}"

    def run(self, call: str, step: dict[str, Any], *arguments: Any, by: str = "operator", value: int = 0) -> str | None:
        wanted = self.executor.start + step["at"] if "at" in step else 0
        assert wanted == 0 or wanted > self.now, f"the scenario's time goes back at {step}"
        self.now = wanted or self.now + 1
        return self.executor.run(call, self._account(step.get("by", by)), self.now, step.get("value", value), arguments)

    def _account(self, name: str) -> bytes:
        return self.executor.modules.get(name) or address_of(name)

    def history(self, channel: bytes, operator: bytes) -> History:
        return self.histories.setdefault((channel, operator), History(channel, operator))

    @property
    def committed(self) -> list[str]:
        """Labels of the batches that the chain holds."""
        return [label for label, batch in self.batches.items() if self._stands(batch.header)]

    def _stands(self, header: BatchHeader) -> bool:
        history = self.history(header.channel, header.operator)
        at, digest = header.sequence, header.digest(self.executor.domain)
        return 0 < at <= history.size and history.record(at).header_digest == digest

    # ------------------------------------------------------------------ set-up

    def do_world(self, step: dict[str, Any]) -> str | None:
        """A channel, its roster, one operator with a deposit and a registered key; all must be accepted."""
        self.kind = ChannelKind[step.get("kind", "scheduled").upper()]
        assert self.do_create_channel({}) is None
        if self.kind is ChannelKind.SCHEDULED:
            assert self.do_roster({"period": 0, "count": ENTRY_COUNT}) is None
        assert self.do_deposit({"value": step.get("value", 3 * PARAMETERS.exposure_wei)}) is None
        return self.do_register({})

    def parameters(self, step: dict[str, Any]) -> ChannelParameters:
        base = PARAMETERS
        if self.kind is ChannelKind.OPEN:
            base = replace(base, epoch_s=0, commit_deadline_s=0)
        return replace(base, **step.get("parameters", {}))

    def do_create_channel(self, step: dict[str, Any]) -> str | None:
        salt = bytes_of(step.get("salt", "salt"))
        if not self.channel:
            self.channel = channel_id(address_of("manager"), self.kind, salt)
        named = step.get("modules", list(MODULES.items()))
        modules = [ModuleGrant(self._account(name), powers) for name, powers in named]
        arguments = (self.kind, salt, self.parameters(step), modules, self.terms(step, [name for name, _ in named]))
        return self.run("createChannel", step, *arguments, by="manager")

    def terms(self, step: dict[str, Any], named: list[str] | None = None) -> tuple[bytes, ...]:
        """One word for each module: ``terms`` changes those of challenges, ``words`` gives all."""
        if "words" in step:
            return tuple(bytes.fromhex(word) for word in step["words"])
        own = replace(TERMS, **step.get("terms", {})).word
        return tuple(own if name == "challenges" else bytes(32) for name in (MODULES if named is None else named))

    def do_queue_parameters(self, step: dict[str, Any]) -> str | None:
        version = self.parameters(step), self.terms(step)
        refused = self.run("queueParameters", step, self._channel(step), *version, by="manager")
        if refused is None:
            self.queued = version
        return refused

    def do_cancel_parameters(self, step: dict[str, Any]) -> str | None:
        return self.run("cancelParameters", step, self._channel(step), by="manager")

    def do_apply_parameters(self, step: dict[str, Any]) -> str | None:
        brought = self.queued or (self.parameters(step), self.terms(step))
        if "parameters" in step or "terms" in step:
            brought = self.parameters(step), self.terms(step)
        return self.run("applyParameters", step, self._channel(step), *brought, by="manager")

    def do_roster(self, step: dict[str, Any]) -> str | None:
        start = self.executor.start + step["period"] * DAY + step.get("shift", 0)
        return self.run("setRosterCount", step, self._channel(step), step["count"], start, by="manager")

    def do_deposit(self, step: dict[str, Any]) -> str | None:
        return self.run("deposit", step, self._channel(step))

    def do_request_exit(self, step: dict[str, Any]) -> str | None:
        return self.run("requestExit", step, self._channel(step))

    def do_withdraw(self, step: dict[str, Any]) -> str | None:
        return self.run("withdraw", step, self._channel(step), address_of("somewhere"))

    def do_withdraw_owed(self, step: dict[str, Any]) -> str | None:
        return self.run("withdrawOwed", step, step.get("of", "referee"), address_of("somewhere"))

    def do_withdraw_burned(self, step: dict[str, Any]) -> str | None:
        return self.run("withdrawBurned", step, step.get("of", "referee"), by="anyone")

    def _channel(self, step: dict[str, Any]) -> bytes:
        return bytes_of("no channel") if step.get("channel") == "unknown" else self.channel

    # --------------------------------------------------------------- registry

    def do_register(self, step: dict[str, Any]) -> str | None:
        number, block_hash = self.executor.recent_block()
        now = self.now
        verdict = EvidenceVerdict(
            enclave_key=address_of(step.get("key", "enclave")),
            referee=self.executor.domain.verifying_contract,
            channel=bytes_of("other channel") if step.get("channel") == "other" else self.channel,
            operator=address_of(step.get("operator", "operator")),
            measurement=bytes_of("measurement"),
            workload=WORKLOAD,
            platform=bytes_of("platform"),
            issued_at=now + step.get("issued_after", 0),
            expires_at=now + step.get("expires_after", 20 * DAY),
            nonce_block=number,
            nonce=block_hash,
            evidence_digest=bytes_of("quote"),
            endorsements_digest=bytes_of("collateral"),
            policy_digest=bytes_of("policy"),
        )
        changes = {name: bytes.fromhex(text) for name, text in step.get("fields", {}).items()}
        verdict = replace(verdict, **changes)
        if step.get("again"):
            verdict = self.last_verdict
        self.last_verdict = verdict
        return self.run("register", step, verdict, self._evidence(verdict, step))

    def do_revoke(self, step: dict[str, Any]) -> str | None:
        return self.run("revoke", step, self._revocation(step), address_of("manager"))

    def do_revoke_with_evidence(self, step: dict[str, Any]) -> str | None:
        revocation = self._revocation(step)
        return self.run("revokeWithEvidence", step, revocation, self._evidence(revocation, step))

    def _revocation(self, step: dict[str, Any]) -> Revocation:
        operator = address_of(step.get("operator", "operator"))
        key = address_of(step.get("key", "enclave"))
        return Revocation(key, self.executor.domain.verifying_contract, self.channel, operator)

    def _evidence(self, signed: EvidenceVerdict | Revocation, step: dict[str, Any]) -> bytes:
        names = step.get("signers", ["appraiser 0", "appraiser 1"])
        keys = [key_of(name) for name in names]
        if not step.get("unsorted"):
            keys.sort(key=lambda key: key.address, reverse=bool(step.get("descending")))
        evidence = b"".join(sign_verdict(key, signed, self.executor.registry_domain) for key in keys)
        return evidence[: len(evidence) - step.get("truncated", 0)]

    # ---------------------------------------------------------------- batches

    def make(self, step: dict[str, Any]) -> Batch:
        label, operator = step["label"], address_of(step.get("by", "operator"))
        history = self.history(self.channel, operator)
        start = self.executor.start + step.get("period", 0) * DAY
        scheduled = self.kind is ChannelKind.SCHEDULED
        period = (start, start + DAY) if scheduled else (start - DAY, start)
        tree, payloads, salts = entries(step.get("content", label), period)
        header = BatchHeader(
            channel=self._channel(step),
            operator=operator,
            sequence=step.get("sequence", history.size + 1),
            previous=history.last_header_digest(),
            period_start=period[0] + step.get("shift_start", 0),
            period_end=period[1] + step.get("shift_end", 0),
            root=tree.root,
            entry_count=step.get("entry_count", ENTRY_COUNT),
            roster=bytes_of("roster") if scheduled else bytes(32),
            inputs=bytes(32),
            state=bytes_of("state") if scheduled else bytes(32),
            workload=WORKLOAD,
            content_id=bytes_of("content " + label),
            witnesses=bytes(32),
            zk_root=bytes(32),
        )
        header = replace(header, **{name: bytes.fromhex(text) for name, text in step.get("fields", {}).items()})
        signature = sign_header(key_of(step.get("key", "enclave")), header, self.executor.domain)
        match step.get("signature"):
            case "truncated":
                signature = signature[:64]
            case "v":
                signature = signature[:64] + bytes([signature[64] - 27])
            case "other chain":
                elsewhere = Domain(1, self.executor.domain.verifying_contract)
                signature = sign_header(key_of("enclave"), header, elsewhere)
            case "other contract":
                signature = sign_header(key_of("enclave"), header, self.executor.registry_domain)
        return Batch(header, signature, tree, payloads, salts)

    def do_commit(self, step: dict[str, Any]) -> str | None:
        batch = self.make(step)
        header = batch.header
        history = self.history(header.channel, header.operator)
        r, vs = signature_words(batch.signature)
        match step.get("words"):
            case "high s":
                vs = (HALF_SECP256K1_ORDER + 1).to_bytes(32, "big")
            case "no r":
                r = bytes(32)
            case "other parity":
                vs = bytes([vs[0] ^ 0x80]) + vs[1:]
        if step.get("sent_by"):
            step = {**step, "by": step["sent_by"]}
        refused = self.run("commit", step, header, r, vs, self._peaks(history, step))
        if refused is None:
            channel = self.executor.twin.state.channels[header.channel]
            stake = self.executor.twin.state.head_of(header.channel, header.operator).next_stake_gwei(
                channel.parameters.stake_gwei
            )
            history.append(BatchRecord(header.digest(self.executor.domain), self.now, channel.version, stake))
        self.batches[step["label"]] = batch
        return refused

    def _peaks(self, history: History, step: dict[str, Any]) -> tuple[bytes, ...]:
        peaks = history.peaks(max(0, history.size + step.get("peaks_of", 0)))
        match step.get("peaks"):
            case "none":
                return ()
            case "one more":
                return (*peaks, bytes_of("peak"))
            case "changed":
                return (bytes_of("peak"), *peaks[1:])
            case "reversed":
                return peaks[::-1]
        return peaks

    def do_sign(self, step: dict[str, Any]) -> str | None:
        """A header that is signed and never committed."""
        self.batches[step["label"]] = self.make(step)
        return None

    def do_release(self, step: dict[str, Any]) -> str | None:
        return self.run("release", step, self.run_of(step["batches"], step), by="anyone")

    def run_of(self, labels: list[str], step: dict[str, Any]) -> BatchRun:
        """These batches, which follow one another, with the proof that the step asks for."""
        header = self.batches[labels[0]].header
        history = self.history(header.channel, header.operator)
        run = history.run(header.sequence, len(labels), size=step.get("size"))
        records = tuple(self._changed(record, step) for record in run.records)
        run = replace(run, records=records, history=self._spoiled(run.history, step))
        return replace(run, records=()) if step.get("run") == "empty" else run

    def reference(self, label: str, step: dict[str, Any]) -> BatchReference:
        """The batch that has this label; of one that was never committed, the place alone."""
        header = self.batches[label].header
        history = self.history(header.channel, header.operator)
        if not self._stands(header):
            return replace(NO_BATCH, channel=header.channel, operator=header.operator, sequence=header.sequence)
        found = history.reference(header.sequence, size=step.get("size"))
        found = replace(found, record=self._changed(found.record, step), history=self._spoiled(found.history, step))
        return replace(found, sequence=step.get("as_sequence", found.sequence))

    def _changed(self, record: BatchRecord, step: dict[str, Any]) -> BatchRecord:
        match step.get("record"):
            case "another time":
                return replace(record, committed_at=record.committed_at + 1)
            case "another version":
                return replace(record, parameters_version=record.parameters_version + 1)
            case "another stake":
                return replace(record, stake_gwei=record.stake_gwei - 1)
        return record

    def _spoiled(self, proof: HistoryProof, step: dict[str, Any]) -> HistoryProof:
        match step.get("proof"):
            case "one node more":
                return replace(proof, nodes=(*proof.nodes, bytes_of("node")))
            case "one node less":
                return replace(proof, nodes=proof.nodes[:-1])
            case "another node":
                return replace(proof, nodes=(bytes_of("node"), *proof.nodes[1:]))
            case "another peak":
                return replace(proof, peaks=(bytes_of("peak"), *proof.peaks[1:]))
            case "another last header":
                return replace(proof, last_header_digest=bytes_of("header"))
            case "a size to come":
                return replace(proof, size=proof.size + 1)
            case "no size":
                return replace(proof, size=0)
        return proof

    # ----------------------------------------------------------------- powers

    def do_convict(self, step: dict[str, Any]) -> str | None:
        arguments = (self.reference(step["batch"], step), bytes_of("cause"), step.get("bans", False))
        return self.run("convict", step, *arguments, address_of("watcher"), by="auditor")

    def do_fine(self, step: dict[str, Any]) -> str | None:
        operator, matter = address_of(step.get("operator", "operator")), bytes_of(step["matter"])
        arguments = (self._channel(step), operator, matter, step["amount"], bytes_of("cause"), step.get("bans", False))
        return self.run("fine", step, *arguments, address_of("watcher"), by="auditor")

    def do_hold(self, step: dict[str, Any]) -> str | None:
        until = self.executor.start + step["until"]
        return self.run("hold", step, self.reference(step["batch"], step), until, by="auditor")

    def do_let_go(self, step: dict[str, Any]) -> str | None:
        header = self.batches[step["batch"]].header
        return self.run("letGo", step, header.channel, header.operator, header.sequence, by="auditor")

    def do_set_stake(self, step: dict[str, Any]) -> str | None:
        operator = address_of(step.get("operator", "operator"))
        return self.run("setStake", step, self._channel(step), operator, step["stake"], by="auditor")

    # -------------------------------------------------- challenges and proofs

    def do_challenge(self, step: dict[str, Any]) -> str | None:
        arguments = (self._header(step), self.reference(step["batch"], step), step["index"])
        return self.run("challenge", step, *arguments, by="challenger", value=TERMS.base_bond_wei)

    def _header(self, step: dict[str, Any]) -> BatchHeader:
        header = self.batches[step["batch"]].header
        return replace(header, root=bytes_of("another root")) if step.get("header") == "changed" else header

    def _entry(self, step: dict[str, Any]) -> EntryInclusion:
        batch, index = self.batches[step["batch"]], step["index"]
        source = step.get("source", index)
        proof = batch.tree.prove(source)
        entry = EntryInclusion(index, batch.salts[source], batch.payloads[source], tuple(proof.path))
        match step.get("spoiled"):
            case "payload":
                return replace(entry, payload=entry.payload[:-1] + bytes([entry.payload[-1] ^ 1]))
            case "length":
                return replace(entry, payload=entry.payload[:-1])
            case "salt":
                return replace(entry, salt=bytes(16))
            case "sibling":
                return replace(entry, path=(bytes(32), *entry.path[1:]))
            case "short path":
                return replace(entry, path=entry.path[:-1])
        return entry

    def do_answer(self, step: dict[str, Any]) -> str | None:
        return self.run("answer", step, self._header(step), self._entry(step))

    def do_expire(self, step: dict[str, Any]) -> str | None:
        return self.run("expire", step, self.reference(step["batch"], step), step["index"], by="anyone")

    def do_refund(self, step: dict[str, Any]) -> str | None:
        return self.run("refund", step, self.reference(step["batch"], step), step["index"], by="anyone")

    def do_equivocate(self, step: dict[str, Any]) -> str | None:
        first, second = self.batches[step["first"]], self.batches[step["second"]]
        batch = self.reference(step["batch"], step) if step.get("batch") else NO_BATCH
        arguments = (first.header, first.signature, second.header, second.signature, batch)
        return self.run("proveEquivocation", step, *arguments, by="watcher")

    def do_invalid_evidence(self, step: dict[str, Any]) -> str | None:
        opening = openings()[step.get("opening", step["index"])]
        arguments = (self._header(step), self.reference(step["batch"], step), self._entry(step), opening)
        return self.run("proveInvalidEvidence", step, *arguments, by="watcher")
