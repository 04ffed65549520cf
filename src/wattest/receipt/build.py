"""Building a receipt from what a household, its operator and the appraisers hold: a pure function over pieces.

Decided here: which pieces are needed and where each goes. Not decided here: where they are stored and fetched
(``operator``). Nothing is verified on the way: ``verify_receipt`` is for that.
Source: docs/spec/receipt.md, section "Building".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from wattest.errors import InputError
from wattest.merkle import MerkleTree, sha256_inclusion
from wattest.messages.eip712 import Domain
from wattest.messages.header import BatchHeader, recover_header_signer
from wattest.messages.roster import ROSTER_ITEM_BYTES, roster_items
from wattest.metering.meter import blinded_meter, statement_job_id
from wattest.receipt.receipt import Day, PayoutPart, Receipt, RegistrationPart, StatementPart, parse_receipt
from wattest.sealing.bundle import parse_manifest
from wattest.sealing.statement_block import payout_job_id
from wattest.settlement.payout import PayoutTree


class PieceMissing(InputError):
    """A piece that the receipt needs is not among those given."""


@dataclass(frozen=True)
class BatchPieces:
    """A sealed batch as its operator holds it; lists are in the order of entries.

    ``entries`` are 118-byte payloads, ``entry_salts`` 16 bytes, ``manifest`` the bundle's root block. What follows from
    them is made once, however many receipts are built over the same pieces.
    """

    header: BatchHeader
    signature: bytes
    entries: Sequence[bytes] = field(repr=False)
    entry_salts: Sequence[bytes] = field(repr=False)
    manifest: bytes = field(repr=False)

    def placed(self, name: bytes) -> tuple[int, tuple[bytes, ...]]:
        """Index and path of the entry of that name (32 bytes). Raises PieceMissing."""
        if name not in self._index_of:
            raise PieceMissing("the batch has no such entry", sequence=self.header.sequence, actual=name)
        index = self._index_of[name]
        return index, tuple(self._tree.prove(index).path)

    @cached_property
    def block_digests(self) -> tuple[bytes, ...]:
        """Of the bundle's encrypted blocks, as the manifest names them."""
        return parse_manifest(self.manifest).block_digests

    @cached_property
    def _index_of(self) -> dict[bytes, int]:
        return {entry[2:34]: index for index, entry in reversed(list(enumerate(self.entries)))}

    @cached_property
    def _tree(self) -> MerkleTree:
        return MerkleTree.from_payloads(list(self.entries), list(self.entry_salts))


@dataclass(frozen=True)
class MeteringBatchPieces(BatchPieces):
    """A metering batch with the meters' public keys (64 bytes) and roster salts (16), in the order of its entries."""

    public_keys: Sequence[bytes] = field(repr=False)
    roster_salts: Sequence[bytes] = field(repr=False)

    def roster_path(self, index: int) -> tuple[bytes, ...]:
        """The path of one entry's name and key in the header's roster. Raises PieceMissing."""
        return tuple(sha256_inclusion(self._roster, ROSTER_ITEM_BYTES, index).path)

    @cached_property
    def _roster(self) -> bytes:
        if not len(self.public_keys) == len(self.roster_salts) == len(self.entries):
            raise PieceMissing(
                "the roster needs every entry's public key and salt",
                expected=len(self.entries),
                actual=[len(self.public_keys), len(self.roster_salts)],
            )
        return roster_items((entry[2:34] for entry in self.entries), self.roster_salts, self.public_keys)


@dataclass(frozen=True, slots=True)
class OwnBlock:
    """What the household opened of one batch: its series key (32 bytes) and its series block."""

    series_key: bytes = field(repr=False)
    block: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class DayPieces:
    """One metering batch, and the household's own block in it."""

    batch: MeteringBatchPieces
    own: OwnBlock


@dataclass(frozen=True, slots=True)
class StatementPieces:
    """The statement batch, the household's own block in it, and the tariff (50 bytes)."""

    batch: BatchPieces
    own: OwnBlock
    tariff: bytes


@dataclass(frozen=True, slots=True)
class PayoutPieces:
    """The tree over the statement's payout list, and the household's payout address (20 bytes)."""

    tree: PayoutTree = field(repr=False)
    account: bytes


def build_receipt(
    domain: Domain,
    meter_key: bytes,
    public_key: bytes,
    days: Sequence[DayPieces],
    statement: StatementPieces,
    registrations: Sequence[RegistrationPart],
    payout: PayoutPieces | None,
) -> Receipt:
    """Put the pieces together; ``domain`` is the referee's, days ascend, registrations may hold more than is needed.

    ``payout`` is None exactly if the bill owes the household nothing.

    Raises: PieceMissing; the errors of ``parse_receipt`` for pieces that do not fit the format.
    """
    if not days:
        raise PieceMissing("a receipt needs at least one day")
    batches = [*(piece.batch for piece in days), statement.batch]
    headers = [(batch.header, batch.signature) for batch in batches]
    receipt = Receipt(
        chain_id=domain.chain_id,
        referee=domain.verifying_contract,
        meter_key=meter_key,
        public_key=public_key,
        first_blocks=days[0].batch.block_digests,
        days=tuple(_day(meter_key, piece) for piece in days),
        registrations=_needed(domain, headers, registrations),
        statement=_statement(meter_key, statement),
        payout=None if payout is None else _payout(statement.batch, payout),
    )
    return parse_receipt(receipt.to_bytes())


def _day(meter_key: bytes, piece: DayPieces) -> Day:
    batch = piece.batch
    index, path = batch.placed(blinded_meter(meter_key, batch.header.channel, batch.header.period_start))
    roster_path = batch.roster_path(index)
    return Day(piece.own.block, piece.own.series_key, index, path, batch.header, batch.signature, roster_path)


def _statement(meter_key: bytes, piece: StatementPieces) -> StatementPart:
    batch = piece.batch
    index, path = batch.placed(statement_job_id(meter_key, batch.header.channel, batch.header.period_start))
    return StatementPart(
        piece.own.block, piece.own.series_key, index, path, batch.header, batch.signature, piece.tariff
    )


def _payout(batch: BatchPieces, piece: PayoutPieces) -> PayoutPart:
    index, path = batch.placed(payout_job_id(batch.header.channel, batch.header.period_start))
    payout, salt, proof = piece.tree.prove(piece.account)
    return PayoutPart(
        entry=batch.entries[index],
        entry_salt=batch.entry_salts[index],
        index=index,
        path=path,
        root=piece.tree.root,
        total=piece.tree.total,
        account=payout.address,
        amount=payout.cumulative_amount,
        leaf_salt=salt,
        leaf_index=proof.index,
        leaf_path=tuple(proof.path),
    )


def _needed(
    domain: Domain, headers: Sequence[tuple[BatchHeader, bytes]], registrations: Sequence[RegistrationPart]
) -> tuple[RegistrationPart, ...]:
    """The registrations of the keys that signed, in order; two of one key stay, since either may have been in force."""
    wanted = {
        (recover_header_signer(header, signature, domain), header.channel, header.operator, header.workload)
        for header, signature in headers
    }
    held = {
        (part.verdict.enclave_key, part.verdict.channel, part.verdict.operator, part.verdict.workload): part
        for part in registrations
    }
    if missing := sorted(wanted - set(held)):
        raise PieceMissing("no registration of an enclave key that signed", actual=missing[0][0])
    kept = [
        part
        for part in registrations
        if (part.verdict.enclave_key, part.verdict.channel, part.verdict.operator, part.verdict.workload) in wanted
    ]
    return tuple(sorted(kept, key=lambda part: (part.verdict.enclave_key, part.verdict.issued_at)))
