"""Hands drawn series to another operator's enclave, which checks them again and signs what it found.

Decided here: what crosses, what is checked again, and when there is no verdict at all. Not decided here: who is drawn,
from which seed, and how verdicts count (the audit). Invariants: a verdict is about entries that were shown to be in the
header's tree; a witness judges no batch of its own operator and none of another guest; series keys cross to an attested
enclave of the channel only, and are forgotten with the conversation.
Source: docs/spec/ra-tls.md, section "Witness"; docs/spec/entries.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from wattest.crypto.strict_fields import Fields
from wattest.enclave.measured.errors import PeerMisspoke, WitnessRefused
from wattest.enclave.measured.identity import Identities
from wattest.enclave.measured.peer import Peer
from wattest.enclave.measured.sealed_state import SealedState, require_active
from wattest.errors import InputError, VerificationError
from wattest.merkle import MultiProof, leaf_hash, verify_multiproof
from wattest.messages.header import HEADER_BYTES, BatchHeader, parse_header, recover_header_signer
from wattest.messages.witness_verdict import MAX_DRAWN, WitnessVerdict, recover_witness, sign_witness_verdict
from wattest.metering.entry import EntryKind, SeriesEntry
from wattest.metering.series_block import SeriesBlock, parse_series_block, verify_series_block
from wattest.metering.series_key import entry_salt
from wattest.sealing.bundle import open_block
from wattest.sealing.checked_columns import check_plaintexts, edited_again, runs_of_blocks
from wattest.sealing.edited_series import verify_edited
from wattest.sealing.wrapped_keys import WRAPPED_BYTES, SeriesKeyOpener
from wattest.workload.engine import Guest

MAX_WORK_BYTES = 48 * 1024 * 1024
MAX_NODES = 32 * MAX_DRAWN
MAX_REASON = 500


@dataclass(frozen=True, slots=True)
class Work:
    """What one witness gets: a header, the audit's seed (32), where the entries stand, and each one's key and block.

    ``indices`` ascend strictly; ``nodes`` is the multiproof; ``keys`` 32 bytes each, ``blocks`` in plain.
    """

    header: BatchHeader
    seed: bytes
    indices: tuple[int, ...]
    nodes: tuple[bytes, ...]
    keys: tuple[bytes, ...] = field(repr=False)
    blocks: tuple[bytes, ...] = field(repr=False)


def open_work(identities: Identities, fields: Fields) -> Work:
    """Open drawn entries of one of this enclave's own batches, from their bundle as the host brings it.

    Raises: WitnessRefused when the header or a block is not this enclave's or one is repeated; RequestInvalid.
    """
    header = parse_header(fields["header"].octets(HEADER_BYTES))
    signature = fields["signature"].octets(65)
    seed = fields["seed"].octets(32)
    indices = tuple(int.from_bytes(row, "big") for row in fields["indices"].rows(4, MAX_DRAWN))
    nodes = tuple(fields["nodes"].rows(32, MAX_NODES))
    entries = fields["entries"].rows(118, MAX_DRAWN)
    blocks = fields["blocks"].blobs(MAX_DRAWN, MAX_WORK_BYTES)
    wrapped = fields["wrapped"].rows(WRAPPED_BYTES, MAX_DRAWN)
    fields.close()
    own = identities.get(header.channel)
    signer = recover_header_signer(header, signature, own.domain)
    if header.operator != own.operator or signer not in own.signers:
        raise WitnessRefused(
            "the batch was not signed by this enclave, nor by one whose state it took over",
            expected=list(own.signers),
            actual=signer,
        )
    if not len(indices) == len(entries) == len(blocks) == len(wrapped):
        raise WitnessRefused("entries, blocks and keys come together", expected=len(indices), actual=len(entries))
    if sum(map(len, blocks)) > MAX_WORK_BYTES:
        raise WitnessRefused("the drawn series are too large for one conversation", limit_bytes=MAX_WORK_BYTES)
    opener = SeriesKeyOpener(identities.storage_key(own), header.channel)
    keys: list[bytes] = []
    plain: list[bytes] = []
    for index, entry, block, key in zip(indices, entries, blocks, wrapped, strict=True):
        name = entry[2:34]
        try:
            series_key = opener.unwrap(key, header.sequence, index, name)
            plaintext = open_block(series_key, header.channel, header.sequence, name, block)
            if parse_series_block(plaintext).entry.pack() != entry:
                raise WitnessRefused("a block holds another entry", entry=index)
        except (InputError, VerificationError) as error:
            raise WitnessRefused(f"a drawn block does not open: {error.message}", entry=index) from error
        keys.append(series_key)
        plain.append(plaintext)
    return Work(header, seed, indices, nodes, tuple(keys), tuple(plain))


class Asker:
    """The operator's end: it shows the work and takes the verdict; it speaks first."""

    def __init__(self, identities: Identities, work: Work) -> None:
        self._state = identities.get(work.header.channel)
        self._work = work
        self.result: dict[str, object] | None = None

    def open(self, peer: Peer) -> dict[str, object]:  # noqa: ARG002 - any enclave that the policy accepts may witness
        """The work."""
        work = self._work
        return {
            "method": "witness",
            "header": work.header.to_bytes(),
            "seed": work.seed,
            "indices": _rows(work.indices),
            "nodes": b"".join(work.nodes),
            "keys": b"".join(work.keys),
            "blocks": list(work.blocks),
        }

    def answer(self, message: Fields, peer: Peer) -> None:  # noqa: ARG002 - judged at opening
        """Take the verdict, if it is of this work and signed by the key it names.

        Raises: PeerMisspoke.
        """
        method = message["method"].text(32)
        if method != "verdict":
            raise PeerMisspoke("a witness gives a verdict", expected="verdict", actual=method)
        ok, reason = message["ok"].boolean(), message["reason"].text(MAX_REASON)
        witness, signature = message["witness"].octets(20), message["signature"].octets(65)
        message.close()
        header = self._work.header.digest(self._state.domain)
        verdict = WitnessVerdict(header, self._work.seed, self._work.indices, ok)
        if recover_witness(verdict, signature, self._state.domain) != witness:
            raise PeerMisspoke("the verdict is not signed by the key that it names", expected=witness)
        self.result = _result(verdict, reason, witness, signature)


class Witness:
    """The other operator's end: it checks what it is shown, and signs with its own key of the channel."""

    def __init__(self, identities: Identities, guest: Guest, channel: bytes) -> None:
        self._state = identities.get(channel)
        require_active(self._state)
        self._guest = guest
        self.result: dict[str, object] | None = None

    def open(self, peer: Peer) -> None:
        """Nothing: the asker speaks first."""

    def answer(self, message: Fields, peer: Peer) -> dict[str, object]:  # noqa: ARG002 - judged at opening
        """The signed verdict.

        Raises: PeerMisspoke, WitnessRefused.
        """
        method = message["method"].text(32)
        if method != "witness":
            raise PeerMisspoke("an asker asks for a verdict", expected="witness", actual=method)
        work = Work(
            parse_header(message["header"].octets(HEADER_BYTES)),
            message["seed"].octets(32),
            tuple(int.from_bytes(row, "big") for row in message["indices"].rows(4, MAX_DRAWN)),
            tuple(message["nodes"].rows(32, MAX_NODES)),
            tuple(message["keys"].rows(32, MAX_DRAWN)),
            tuple(message["blocks"].blobs(MAX_DRAWN, MAX_WORK_BYTES)),
        )
        message.close()
        reason = judge(self._state, self._guest, work)
        verdict = WitnessVerdict(work.header.digest(self._state.domain), work.seed, work.indices, reason is None)
        signature = sign_witness_verdict(self._state.private_key, verdict, self._state.domain)
        address = self._state.private_key.address
        self.result = _result(verdict, reason or "", address, signature)
        return {
            "method": "verdict", "ok": verdict.ok, "reason": reason or "", "witness": address, "signature": signature,
        }  # fmt: skip


def judge(state: SealedState, guest: Guest, work: Work) -> str | None:
    """Why the shown entries are bad, or None when every check holds.

    Who signed the header is the chain's to know: a verdict names its digest. Raises: WitnessRefused when there is
    nothing to judge: another channel or guest, the witness's own operator, entries that are not shown to be in the
    tree.
    """
    header = work.header
    if header.channel != state.channel.id or header.operator == state.operator:
        raise WitnessRefused(
            "a witness judges batches of other operators of its channel",
            expected=state.channel.id,
            actual=[header.channel, header.operator],
        )
    if header.workload != guest.workload:
        raise WitnessRefused("the batch was made by another guest", expected=guest.workload, actual=header.workload)
    if not len(work.indices) == len(work.keys) == len(work.blocks) or not work.indices:
        raise WitnessRefused("entries, blocks and keys come together", expected=len(work.indices))
    try:
        blocks = [parse_series_block(data) for data in work.blocks]
        leaves = {
            index: leaf_hash(entry_salt(key), block.entry.pack())
            for index, key, block in zip(work.indices, work.keys, blocks, strict=True)
        }
        verify_multiproof(header.root, leaves, MultiProof(work.indices, header.entry_count, work.nodes))
    except (InputError, VerificationError) as error:
        raise WitnessRefused(f"the entries are not shown to be in the batch: {error.message}") from error
    held = _held(guest, work, blocks)
    for place, (index, key, block) in enumerate(zip(work.indices, work.keys, blocks, strict=True)):
        entry = block.entry
        if not isinstance(entry, SeriesEntry) or entry.kind > EntryKind.ABSENT:
            raise WitnessRefused("a witness judges series, not results", entry=index, actual=int(entry.kind))
        try:
            if place not in held:
                verify_series_block(block, key)
                verify_edited(guest, block)
        except (InputError, VerificationError) as error:
            return f"entry {index}: {error.code}: {error.message}"[:MAX_REASON]
        if not header.period_start <= entry.period_start < entry.period_end <= header.period_end:
            return f"entry {index}: it reaches outside the batch's period"
    return None


def _held(guest: Guest, work: Work, blocks: list[SeriesBlock]) -> set[int]:
    """The places of the signed series that hold in columns; whatever else is judged the plain way, which says why."""
    signed = [place for place, block in enumerate(blocks) if block.entry.kind == EntryKind.SIGNED_DEVICE_BLOCK]
    held: set[int] = set()
    for run in runs_of_blocks([len(work.blocks[place]) for place in signed]):
        places = signed[run.start : run.stop]
        checked = check_plaintexts(
            [blocks[place].entry.pack() for place in places],
            [work.keys[place] for place in places],
            [work.blocks[place] for place in places],
        )
        held.update(edited_again(guest, checked).held_of(places))
    return held


def _result(verdict: WitnessVerdict, reason: str, witness: bytes, signature: bytes) -> dict[str, object]:
    return {
        "header": verdict.header,
        "seed": verdict.seed,
        "entries": _rows(verdict.entries),
        "ok": verdict.ok,
        "reason": reason,
        "witness": witness,
        "signature": signature,
    }


def _rows(indices: tuple[int, ...]) -> bytes:
    return b"".join(index.to_bytes(4, "big") for index in indices)
