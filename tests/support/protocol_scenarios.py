"""Plays a scenario of vectors/protocol/scenarios.json (docs/spec/lifecycles.md, "Scenarios") against an executor.

The player turns symbolic steps into protocol values; an executor carries out one call and says how it was refused, or
None. Two executors exist: the pure twin, and the contracts on an anvil chain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from wattest.crypto.p256 import P256PrivateKey
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.errors import WattestError
from wattest.merkle import MerkleTree
from wattest.messages.channel import ChannelKind, channel_id
from wattest.messages.eip712 import Domain
from wattest.messages.evidence_verdict import EvidenceVerdict, Revocation, sign_verdict
from wattest.messages.header import BatchHeader, sign_header
from wattest.twin.batch import EMPTY_RECORD, BatchRecord, BatchState, EntryInclusion
from wattest.twin.challenge import EvidenceOpening
from wattest.twin.parameters import ChannelParameters
from wattest.twin.referee import (
    Call,
    RefereeState,
    apply_answer,
    apply_apply_parameters,
    apply_cancel_parameters,
    apply_challenge,
    apply_commit,
    apply_create_channel,
    apply_deposit,
    apply_equivocation,
    apply_expire,
    apply_invalid_evidence,
    apply_queue_parameters,
    apply_refund,
    apply_release,
    apply_request_exit,
    apply_set_roster_count,
    apply_withdraw,
    apply_withdraw_owed,
)
from wattest.twin.registry import (
    AppraiserQuorum,
    RegistryState,
    active_key,
    apply_register,
    apply_revoke,
    apply_revoke_with_evidence,
)

DAY = 86_400
PARAMETERS = ChannelParameters(
    epoch_s=DAY,
    commit_deadline_s=7_200,
    challenge_window_s=7 * DAY,
    answer_window_s=DAY,
    exit_delay_s=21 * DAY,
    stake_wei=10**18,
    catcher_reward_wei=2 * 10**17,
    gas_reserve_wei=10**16,
    base_bond_wei=10**15,
    answer_gas_cap_wei=5 * 10**14,
)
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


class Executor(Protocol):
    """Carries out one call at a time."""

    domain: Domain
    registry_domain: Domain
    start: int

    def recent_block(self) -> tuple[int, bytes]: ...

    @property
    def twin(self) -> TwinExecutor: ...

    def run(self, call: str, caller: bytes, now: int, value: int, arguments: tuple[Any, ...]) -> str | None: ...


class Player:
    """One scenario's memory: labels, records, heads, the clock."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.now = executor.start
        self.batches: dict[str, Batch] = {}
        self.records: dict[str, BatchRecord] = {}
        self.heads: dict[tuple[bytes, bytes], tuple[int, bytes, BatchRecord]] = {}
        self.kind = ChannelKind.SCHEDULED
        self.channel = b""
        self.versions = 1

    def play(self, steps: list[dict[str, Any]]) -> None:
        for number, step in enumerate(steps):
            wanted = step.get("refused")
            refused = getattr(self, "do_" + step["do"])(step)
            assert refused == wanted, f"step {number} {step}: refused with {refused}, the vector says {wanted}"

    def run(self, call: str, step: dict[str, Any], *arguments: Any, by: str = "operator", value: int = 0) -> str | None:
        wanted = self.executor.start + step["at"] if "at" in step else 0
        assert wanted == 0 or wanted > self.now, f"the scenario's time goes back at {step}"
        self.now = wanted or self.now + 1
        caller = address_of(step.get("by", by))
        refused = self.executor.run(call, caller, self.now, step.get("value", value), arguments)
        if refused is None:
            self._sync()
        return refused

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
        return self.run("createChannel", step, self.kind, salt, self.parameters(step), by="manager")

    def do_queue_parameters(self, step: dict[str, Any]) -> str | None:
        return self.run("queueParameters", step, self._channel(step), self.parameters(step), by="manager")

    def do_cancel_parameters(self, step: dict[str, Any]) -> str | None:
        return self.run("cancelParameters", step, self._channel(step), by="manager")

    def do_apply_parameters(self, step: dict[str, Any]) -> str | None:
        refused = self.run("applyParameters", step, self._channel(step), by="manager")
        self.versions += refused is None
        return refused

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
        return self.run("withdrawOwed", step, address_of("somewhere"))

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
        sequence, previous, _ = self.heads.get((self.channel, operator), (0, bytes(32), EMPTY_RECORD))
        start = self.executor.start + step.get("period", 0) * DAY
        scheduled = self.kind is ChannelKind.SCHEDULED
        period = (start, start + DAY) if scheduled else (start - DAY, start)
        tree, payloads, salts = entries(step.get("content", label), period)
        header = BatchHeader(
            channel=self._channel(step),
            operator=operator,
            sequence=step.get("sequence", sequence + 1),
            previous=previous,
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
            case "high s":
                order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
                s = order - int.from_bytes(signature[32:64], "big")
                signature = signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])
            case "other chain":
                elsewhere = Domain(1, self.executor.domain.verifying_contract)
                signature = sign_header(key_of("enclave"), header, elsewhere)
            case "other contract":
                signature = sign_header(key_of("enclave"), header, self.executor.registry_domain)
        return Batch(header, signature, tree, payloads, salts)

    def do_commit(self, step: dict[str, Any]) -> str | None:
        batch = self.make(step)
        head = self.heads.get((self.channel, batch.header.operator), (0, bytes(32), EMPTY_RECORD))
        previous = head[2]
        if "previous_record" in step:
            previous = EMPTY_RECORD if step["previous_record"] == "empty" else self.records[step["previous_record"]]
        if step.get("sent_by"):
            step = {**step, "by": step["sent_by"]}
        refused = self.run("commit", step, batch.header, batch.signature, previous)
        if refused is None:
            digest = batch.header.digest(self.executor.domain)
            record = BatchRecord(digest, self.now, self.versions, BatchState.COMMITTED)
            self.records[step["label"]] = record
            self.heads[self.channel, batch.header.operator] = (batch.header.sequence, digest, record)
        self.batches[step["label"]] = batch
        return refused

    def do_sign(self, step: dict[str, Any]) -> str | None:
        """A header that is signed and never committed."""
        self.batches[step["label"]] = self.make(step)
        return None

    def do_release(self, step: dict[str, Any]) -> str | None:
        records = [self._record(label, step) for label in step["batches"]]
        operator = address_of(step.get("operator", "operator"))
        return self.run("release", step, self.channel, operator, records, by="anyone")

    def _record(self, label: str, step: dict[str, Any]) -> BatchRecord:
        record = self.records[label]
        match step.get("record"):
            case "before the slash":
                return replace(record, state=BatchState.COMMITTED)
            case "slashed":
                return replace(record, state=BatchState.SLASHED)
            case "another time":
                return replace(record, committed_at=record.committed_at + 1)
        return record

    def _sync(self) -> None:
        """Learn from the twin which records are slashed by now."""
        twin = self.executor.twin
        for label, record in self.records.items():
            header = self.batches[label].header
            key = (header.channel, header.operator, header.sequence)
            if record.state is BatchState.COMMITTED and twin.state.batches[key] == record.slashed().digest:
                self.records[label] = record.slashed()
                sequence, digest, _ = self.heads[key[:2]]
                if sequence == header.sequence:
                    self.heads[key[:2]] = (sequence, digest, record.slashed())

    # -------------------------------------------------- challenges and proofs

    def do_challenge(self, step: dict[str, Any]) -> str | None:
        header = self._header(step)
        record = self._record(step["batch"], step)
        bond = PARAMETERS.base_bond_wei
        return self.run("challenge", step, header, record, step["index"], by="challenger", value=bond)

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
        arguments = (self._header(step), self._record(step["batch"], step), self._entry(step))
        return self.run("answer", step, *arguments)

    def _challenge_key(self, step: dict[str, Any]) -> tuple[bytes, bytes, int, BatchRecord, int]:
        header = self.batches[step["batch"]].header
        record = self._record(step["batch"], step)
        return header.channel, header.operator, header.sequence, record, step["index"]

    def do_expire(self, step: dict[str, Any]) -> str | None:
        return self.run("expire", step, *self._challenge_key(step), by="anyone")

    def do_refund(self, step: dict[str, Any]) -> str | None:
        return self.run("refund", step, *self._challenge_key(step), by="anyone")

    def do_equivocate(self, step: dict[str, Any]) -> str | None:
        first, second = self.batches[step["first"]], self.batches[step["second"]]
        label = step.get("batch")
        record = EMPTY_RECORD if label is None else self._record(label, step)
        arguments = (first.header, first.signature, second.header, second.signature, record)
        return self.run("proveEquivocation", step, *arguments, by="watcher")

    def do_invalid_evidence(self, step: dict[str, Any]) -> str | None:
        opening = openings()[step.get("opening", step["index"])]
        arguments = (self._header(step), self._record(step["batch"], step), self._entry(step), opening)
        return self.run("proveInvalidEvidence", step, *arguments, by="watcher")


class TwinExecutor:
    """The pure twin."""

    def __init__(self, domain: Domain, registry_domain: Domain, start: int) -> None:
        self.domain, self.registry_domain, self.start = domain, registry_domain, start
        appraisers = tuple(sorted(address_of(f"appraiser {n}") for n in range(APPRAISERS)))
        self.state = RefereeState(domain)
        self.registry = RegistryState(registry_domain, AppraiserQuorum(appraisers, THRESHOLD))
        self.blocks: Mapping[int, bytes] = {7: bytes_of("block 7")}

    @property
    def twin(self) -> TwinExecutor:
        return self

    def recent_block(self) -> tuple[int, bytes]:
        return max(self.blocks.items())

    def run(self, call: str, caller: bytes, now: int, value: int, arguments: tuple[Any, ...]) -> str | None:
        try:
            self._apply(call, Call(caller, now, value), arguments)
        except WattestError as error:
            return error.code
        return None

    def _apply(self, call: str, by: Call, arguments: tuple[Any, ...]) -> None:
        match call:
            case "register":
                self.registry = apply_register(self.registry, by.caller, by.now, self.blocks, *arguments)
            case "revoke":
                self.registry = apply_revoke(self.registry, by.caller, *arguments)
            case "revokeWithEvidence":
                self.registry = apply_revoke_with_evidence(self.registry, *arguments)
            case "commit":
                self.state = apply_commit(self.state, by, self.registry, *arguments)
            case "proveEquivocation":
                self.state = apply_equivocation(self.state, by, self.registry, *arguments)
            case "answer":
                # The scenario's gas price makes every answer cost more than the cap.
                self.state = apply_answer(self.state, by, *arguments, gas_cost_wei=10**18)
            case "withdraw":
                self.state = apply_withdraw(self.state, by, arguments[0])
            case "withdrawOwed":
                self.state = apply_withdraw_owed(self.state, by)
            case _:
                self.state = _PLAIN[call](self.state, by, *arguments)


_PLAIN: dict[str, Any] = {
    "createChannel": apply_create_channel,
    "queueParameters": apply_queue_parameters,
    "cancelParameters": apply_cancel_parameters,
    "applyParameters": apply_apply_parameters,
    "setRosterCount": apply_set_roster_count,
    "deposit": apply_deposit,
    "requestExit": apply_request_exit,
    "release": apply_release,
    "challenge": apply_challenge,
    "expire": apply_expire,
    "refund": apply_refund,
    "proveInvalidEvidence": apply_invalid_evidence,
}

ACCOUNTS = ("operator", "second operator", "challenger", "watcher", "anyone", "manager")


def observed(state: RefereeState, registry: RegistryState, channel: bytes) -> dict[str, Any]:
    """What both sides can be asked after a step, in plain values."""
    shown: dict[str, Any] = {"burned": state.burned_wei, "held": state.held_wei}
    for name in ACCOUNTS:
        address = address_of(name)
        head, extra = state.head_of(channel, address), state.extra_of(channel, address)
        shown[f"head {name}"] = (
            int(head.state), head.sequence, head.first_unreleased, head.open_exposure_wei, head.deposit_wei
        )  # fmt: skip
        shown[f"extra {name}"] = (extra.withdrawable_at, extra.open_challenges)
        shown[f"owed {name}"] = state.owed.get(address, 0)
        shown[f"key {name}"] = active_key(registry, state.referee, channel, address, WORKLOAD)
    return shown
