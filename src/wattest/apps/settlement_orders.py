"""A settlement that is asked for: the period, the signed terms, and what is allowed; left for a running operator.

Decided here: the file's form, and that it is planned anew when the operator takes it. Not decided here: what is planned
(``settling.settlement_plan``) and the steps that follow (``settling.settler``). The database has one writer, the
running node; a command beside it leaves its wish here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from wattest.crypto.canonical import encode
from wattest.crypto.strict_fields import Reader, Refusal
from wattest.errors import InputError, TransportError, WattestError
from wattest.io.files import write_atomically
from wattest.settlement.terms_file import MAX_TERMS_FILE_BYTES, TermsFile, parse_terms_file
from wattest.settling.billing_period import LONGEST_DAYS, BillingPeriod, days_from
from wattest.settling.settlement_plan import Agreement, Place, SettlementPlan, plan_settlement
from wattest.store.duty import Duty, OpenDuty, OpenUse

if TYPE_CHECKING:
    from wattest.apps.operator_node import OperatorNode

ORDER_FORMAT = "wattest/settle-order/1"
MAX_ORDER_BYTES = 2 * MAX_TERMS_FILE_BYTES
_SUFFIX, _REFUSED = ".settle", ".refused"


class SettlementOrderUnreadable(InputError):
    """An order that is none: it is put aside."""


class StatementChannelUnserved(InputError):
    """A statement channel that the operator's configuration does not have."""


class MeteringChannelMissing(InputError):
    """Terms over a metering channel that the operator's configuration does not have."""


def _refuse(refusal: Refusal) -> SettlementOrderUnreadable:
    return SettlementOrderUnreadable(f"{refusal.where or 'the order'}: {refusal.message}", **refusal.details)


_READER = Reader(_refuse, shows_text=True)


@dataclass(frozen=True, slots=True)
class SettlementOrder:
    """A period to settle under a terms file's text."""

    terms: str = field(repr=False)
    period: BillingPeriod
    is_rounded: bool = False
    before_final: bool = False

    @property
    def file(self) -> TermsFile:
        """The terms, read. Raises: what ``parse_terms_file`` raises."""
        return parse_terms_file(self.terms.encode())

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return encode(
            {
                "format": ORDER_FORMAT,
                "terms": self.terms,
                "zone": self.period.zone,
                "first": self.period.first.isoformat(),
                "days": (self.period.until - self.period.first).days,
                "whole_batches": self.is_rounded,
                "before_final": self.before_final,
            }
        )

    def plan(self, place: Place, now: int) -> SettlementPlan:
        """Plan it as things stand. Raises: as ``plan_settlement`` does."""
        return plan_settlement(
            place, agreement_of(self.file), self.period,
            now=now, is_rounded=self.is_rounded, before_final=self.before_final,
        )  # fmt: skip


def parse_order(data: bytes) -> SettlementOrder:
    """Read an order. Raises: SettlementOrderUnreadable, BillingPeriodInvalid, ZoneUnknown."""
    table = _READER.json(data, MAX_ORDER_BYTES).fields(
        "format", "terms", "zone", "first", "days", "whole_batches", "before_final"
    )
    table["format"].one_of({ORDER_FORMAT})
    return SettlementOrder(
        table["terms"].text(MAX_TERMS_FILE_BYTES),
        days_from(table["first"].text(10), table["days"].integer(1, LONGEST_DAYS), table["zone"].text(64)),
        table["whole_batches"].boolean(),
        table["before_final"].boolean(),
    )


def agreement_of(file: TermsFile) -> Agreement:
    """What a terms file says, as the enclave is told of it."""
    return Agreement(
        file.statement_channel,
        file.metering_channel,
        file.members_hash,
        file.payee_addresses,
        file.tariff.to_bytes(),
        file.allocation.to_bytes(),
        file.signed,
    )


def statement_channels(open_duties: Sequence[OpenDuty]) -> list[bytes]:
    """The open channels that statements go into."""
    return [duty.channel.id for duty in open_duties if duty.use is OpenUse.STATEMENTS]


def duty_of_terms(file: TermsFile, duties: Sequence[Duty], served: Sequence[bytes]) -> Duty:
    """The duty that is settled. Raises: MeteringChannelMissing, StatementChannelUnserved."""
    if file.statement_channel not in served:
        raise StatementChannelUnserved(
            "the configuration has no [[open_channel]] for the terms' statement channel",
            expected=list(served),
            actual=file.statement_channel,
            hint=f'add: [[open_channel]] channel = "{file.statement_channel.hex()}" use = "statements"',
        )
    for duty in duties:
        if duty.channel.id == file.metering_channel:
            return duty
    raise MeteringChannelMissing(
        "the configuration has no [[channel]] that the terms are over",
        expected=[duty.channel.id for duty in duties],
        actual=file.metering_channel,
        hint="get terms for the channel that this operator serves: wattest manager terms",
    )


class SettlementOrders:
    """A folder of orders, each in a file of its own; what is refused stays beside, with the reason."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def leave(self, order: SettlementOrder) -> Path:
        """Ask for a settlement; durable when it returns, and asked twice it is asked once."""
        name = f"{order.file.statement_channel.hex()[:16]}-{order.period.first}"
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{name}{_SUFFIX}"
        for refused in (path.with_suffix(_REFUSED), path.with_suffix(_REFUSED + ".json")):
            refused.unlink(missing_ok=True)
        write_atomically(path, order.to_bytes(), mode=0o600)
        return path

    def take(self, node: OperatorNode) -> list[WattestError]:
        """Begin every settlement that is asked for; what is refused is put aside, and told."""
        failures: list[WattestError] = []
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            try:
                self._begin(path, node)
            except TransportError as error:  # it is tried again
                failures.append(error)
                continue
            except WattestError as error:
                failures.append(error)
                reason = json.dumps(error.as_dict(), sort_keys=True).encode()
                write_atomically(path.with_suffix(_REFUSED + ".json"), reason, mode=0o600)
                path.replace(path.with_suffix(_REFUSED))
                continue
            path.unlink(missing_ok=True)
        return failures

    def _begin(self, path: Path, node: OperatorNode) -> None:
        from wattest.apps.operator_node import settling_place

        try:
            with path.open("rb") as file:
                data = file.read(MAX_ORDER_BYTES + 1)
        except OSError as error:
            raise TransportError(
                f"an order cannot be read: {error.strerror}", retryable=True, path=str(path)
            ) from error
        order = parse_order(data)
        duty = duty_of_terms(order.file, node.settings.duties, statement_channels(node.settings.open_duties))
        place = settling_place(node.settings, node.contracts, node.store, duty, node.signer.address)
        node.settler.begin(order.plan(place, node.contracts.client.now()).settlement)
