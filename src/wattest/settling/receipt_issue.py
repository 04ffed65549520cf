"""Households' receipts of a settled period, from what the operator keeps and what each household's reader key opens.

Decided here: what is made once for all receipts of a settlement, and who opens a household's own blocks: its reader, or
a reader of all that the member list names as a watcher. Not decided here: what a receipt holds (``receipt.build``) and
when it holds (``receipt.verify``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from wattest.crypto.hpke import ReaderPrivateKey
from wattest.errors import ProtocolError, VerificationError
from wattest.messages.eip712 import Domain
from wattest.messages.roster import ROSTER_ROW_BYTES
from wattest.metering.meter import blinded_meter, meter_key_id, statement_job_id
from wattest.receipt.build import (
    BatchPieces,
    DayPieces,
    MeteringBatchPieces,
    OwnBlock,
    PayoutPieces,
    StatementPieces,
    build_receipt,
)
from wattest.receipt.receipt import Receipt, RegistrationPart
from wattest.sealing.bundle import open_block
from wattest.sealing.wrapped_keys import unwrap_series_key
from wattest.settlement.bill import bill_head
from wattest.settling.settler import payout_tree
from wattest.store.operator_port import OperatorView
from wattest.store.ports import BundleStore
from wattest.store.settlement import SEALED_STATES, Settlement, SettlementState


class NotSettledYet(ProtocolError):
    """A settlement that is not on chain: there is nothing to make receipts of."""


class HouseholdNotSettled(VerificationError):
    """A household whose meter is not in the member list that was settled."""


class PayeeMissing(VerificationError):
    """A household that is owed money under terms that name no account for it: a receipt could not show the payout."""


class ReaderKeyForeign(VerificationError):
    """A reader key under which nothing of the household was wrapped."""


@dataclass(frozen=True, slots=True)
class HomeKeys:
    """A household: its name, its meter's public key (64 bytes), its meter key (32), and a key that may read it."""

    name: str
    public_key: bytes
    meter_key: bytes = field(repr=False)
    reader: ReaderPrivateKey = field(repr=False)


class OwnSource(Protocol):
    """From where a reader's wrapped keys and blocks come: an operator's server, or its folder."""

    def fetch_wrapped_keys(self, channel: bytes, sequence: int, reader: bytes, entry_count: int) -> dict[int, bytes]:
        """A reader's wrapped series keys by position."""

    def fetch_block(self, channel: bytes, sequence: int, position: int) -> bytes:
        """One ciphertext."""


class KeptSource:
    """An operator's own folder as such a source."""

    def __init__(self, view: OperatorView, bundles: BundleStore) -> None:
        self._view = view
        self._bundles = bundles

    def fetch_wrapped_keys(self, channel: bytes, sequence: int, reader: bytes, entry_count: int) -> dict[int, bytes]:
        """A reader's wrapped series keys by position."""
        return self._view.wrapped_keys(channel, sequence, reader, limit=entry_count)

    def fetch_block(self, channel: bytes, sequence: int, position: int) -> bytes:
        """One ciphertext."""
        content_id = self._view.batch(channel, sequence).content_id
        assert content_id is not None  # it is settled
        return self._bundles.block(content_id, position)


class ReceiptIssuer:
    """Makes the receipts of one settlement; ``referee`` is the domain that headers are signed for."""

    def __init__(
        self,
        settlement: Settlement,
        view: OperatorView,
        bundles: BundleStore,
        referee: Domain,
        registrations: Sequence[RegistrationPart],
        *,
        own: OwnSource | None = None,
    ) -> None:
        """``own`` None: from the operator's folder. Raises: NotSettledYet."""
        require_settled(settlement)
        self._settlement = settlement
        self._referee = referee
        self._registrations = list(registrations)
        self._own = own or KeptSource(view, bundles)
        members = settlement.members.member_list.members
        self._member_of = {member.public_key: at for at, member in enumerate(members)}
        key_of = {meter_key_id(member.public_key): member.public_key for member in members}
        self._days = []
        for sequence in settlement.cited_sequences:
            batch = _pieces(view, bundles, settlement.metering_channel, sequence)
            roster = view.roster(settlement.metering_channel, sequence)
            keys = [key_of[roster[at : at + 32]] for at in range(0, len(roster), 32)]
            rows = view.roster_rows(settlement.metering_channel, sequence)
            salts = [rows[at + 4 : at + ROSTER_ROW_BYTES] for at in range(0, len(rows), ROSTER_ROW_BYTES)]
            self._days.append(
                MeteringBatchPieces(
                    batch.header, batch.signature, batch.entries, batch.entry_salts, batch.manifest, keys, salts
                )
            )
        self._statement = _pieces(view, bundles, settlement.statement_channel, settlement.sequence)
        self._tree = payout_tree(settlement)
        self._reader = b""
        self._wrapped: dict[tuple[bytes, int], dict[int, bytes]] = {}

    def issue(self, home: HomeKeys) -> Receipt:
        """One household's receipt.

        Raises: HouseholdNotSettled, PayeeMissing, ReaderKeyForeign; what opening a block raises.
        """
        member = self._member_of.get(home.public_key)
        if member is None:
            raise HouseholdNotSettled(
                "the household's meter is not among those that were settled",
                household=home.name,
                actual=home.public_key,
                hint="name a household of the channel's member list in that period",
            )
        days = []
        for batch in self._days:
            name = blinded_meter(home.meter_key, batch.header.channel, batch.header.period_start)
            days.append(DayPieces(batch, self._opened(batch, home, name)))
        header = self._statement.header
        job_id = statement_job_id(home.meter_key, header.channel, header.period_start)
        payee = self._settlement.payees[member]
        is_owed = bill_head(self._settlement.bills[member]).total_cents < 0
        if is_owed and not any(payee):
            raise PayeeMissing(
                "the household is owed money, and the settled terms name no account for it",
                household=home.name,
                hint="name one in the terms of the next period: what this one owes is nowhere to be claimed",
            )
        return build_receipt(
            self._referee,
            home.meter_key,
            home.public_key,
            days,
            StatementPieces(self._statement, self._opened(self._statement, home, job_id), self._settlement.tariff),
            self._registrations,
            PayoutPieces(self._tree, payee) if self._tree is not None and is_owed else None,
        )

    def _opened(self, batch: BatchPieces, home: HomeKeys, name: bytes) -> OwnBlock:
        """The household's series key and block; ``name`` is what only it and its operator know its entry by."""
        header = batch.header
        place = header.channel, header.sequence
        position, _ = batch.placed(name)
        reader = home.reader.public_key
        if reader != self._reader:  # one that reads all comes again for each household
            self._reader, self._wrapped = reader, {}
        if place not in self._wrapped:
            self._wrapped[place] = self._own.fetch_wrapped_keys(*place, reader, header.entry_count)
        wrapped = self._wrapped[place].get(position)
        if wrapped is None:
            raise ReaderKeyForeign(
                "nothing of the household was encrypted for this reader key",
                household=home.name,
                sequence=header.sequence,
                actual=reader,
                hint="use the household's own reader.key, or that of a watcher of the member list of that time",
            )
        key = unwrap_series_key(home.reader, wrapped, *place, position, name)
        return OwnBlock(key, open_block(key, *place, name, self._own.fetch_block(*place, position)))


def require_settled(settlement: Settlement) -> None:
    """Raises ``NotSettledYet`` unless the statement is on chain and stands."""
    if settlement.state not in SEALED_STATES - {SettlementState.SEALED, SettlementState.VOID}:
        raise NotSettledYet(
            "the period's statement is not on chain, or fell",
            sequence=settlement.sequence,
            state=settlement.state.value,
            hint="go on with it: wattest settle --continue",
        )


def _pieces(view: OperatorView, bundles: BundleStore, channel: bytes, sequence: int) -> BatchPieces:
    batch = view.batch(channel, sequence)
    header, signature = batch.signed
    entries, salts = view.entries(channel, sequence)
    with bundles.open(header.content_id) as bundle:
        manifest = bundle.manifest()
    return BatchPieces(header, signature, entries, salts, manifest)
