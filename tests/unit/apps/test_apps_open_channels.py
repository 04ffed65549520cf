"""Open channels of an operator's file, and orders to settle: what is read, and what is refused by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from wattest.apps.open_channel_tables import read_open_channels
from wattest.apps.settings_reader import SettingInvalid, read_settings
from wattest.apps.settlement_orders import (
    MeteringChannelMissing,
    SettlementOrder,
    SettlementOrders,
    SettlementOrderUnreadable,
    StatementChannelUnserved,
    duty_of_terms,
    parse_order,
    statement_channels,
)
from wattest.crypto.canonical import encode, parse
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.settlement_terms import SignedTerms
from wattest.receipt.deployment import Deployment, DistributionEntry
from wattest.settlement.allocation import AllocationKey
from wattest.settlement.tariff import Tariff
from wattest.settlement.terms_file import NamedPayee, TermsFile
from wattest.settling.billing_period import BillingPeriodInvalid, month_of
from wattest.store.duty import Duty, OpenDuty, OpenUse

A = b"\x0a" * 20
VILLAGE = ChannelIdentity(A, ChannelKind.SCHEDULED, bytes(32))
BILLS = ChannelIdentity(A, ChannelKind.OPEN, b"\x01" * 32)
FILES = ChannelIdentity(A, ChannelKind.OPEN, b"\x02" * 32)
DEPLOYMENT = Deployment(
    31_337, b"\x09" * 32, 0, A, A, A, A, A, A, (A,), 1, (b"root",), (VILLAGE, BILLS, FILES),
    (DistributionEntry(b"\x03" * 32, BILLS.id, A, VILLAGE.id),),
)  # fmt: skip
DUTY = Duty(VILLAGE, 86_400, 0, ())
TERMS = TermsFile(
    BILLS.id, VILLAGE.id, bytes(32), Tariff(1, 2, 3, 4, 5, 6, currency_decimals=2), AllocationKey.dynamic(1),
    (NamedPayee("flat", b"\x04" * 64, A),), SignedTerms(0, 9, bytes(65)),
)  # fmt: skip
ORDER = SettlementOrder(TERMS.to_bytes().decode(), month_of("2026-03", "Europe/Vienna"), is_rounded=True)


def table(channel: bytes, use: str = "statements", more: str = "") -> str:
    return f'[[open_channel]]\nchannel = "{channel.hex()}"\nuse = "{use}"\n{more}'


def read(folder: Path, text: str) -> tuple[OpenDuty, ...]:
    (folder / "operator.toml").write_text(text)
    top = read_settings(folder / "operator.toml")
    return read_open_channels(top.get("open_channel", []).items(16), DEPLOYMENT, [DUTY])


def test_open_channels_and_what_they_stand_beside(tmp_path: Path) -> None:
    found = read(tmp_path, table(BILLS.id) + table(FILES.id, "imports"))
    assert found == (OpenDuty(BILLS, OpenUse.STATEMENTS, VILLAGE.id), OpenDuty(FILES, OpenUse.IMPORTS))
    assert statement_channels(found) == [BILLS.id]
    assert read(tmp_path, "") == ()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (table(VILLAGE.id), "channel"),
        (table(b"\x07" * 32), "channel"),
        (table(BILLS.id) + table(BILLS.id, "imports"), "channel"),
        (table(BILLS.id, "functions"), "use"),
        (table(BILLS.id, more="deposit = 1\n"), "deposit"),
    ],
)
def test_open_channels_that_are_none(tmp_path: Path, text: str, place: str) -> None:
    with pytest.raises(SettingInvalid) as caught:
        read(tmp_path, text)
    assert place in str(caught.value.fields["place"])


def test_an_order_comes_back_as_it_was_left() -> None:
    assert parse_order(ORDER.to_bytes()) == ORDER
    assert ORDER.file == TERMS


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"format": "wattest/settle-order/2"}, SettlementOrderUnreadable),
        ({"days": 0}, SettlementOrderUnreadable),
        ({"days": "31"}, SettlementOrderUnreadable),
        ({"first": "2026-3-1"}, BillingPeriodInvalid),
        ({"whole_batches": 1}, SettlementOrderUnreadable),
        ({"more": 1}, SettlementOrderUnreadable),
    ],
)
def test_an_order_that_is_none(changed: dict[str, object], error: type[Exception]) -> None:
    value = parse(ORDER.to_bytes())
    assert isinstance(value, dict)
    with pytest.raises(error):
        parse_order(encode({**value, **changed}))


def test_orders_are_files_and_asked_twice_is_once(tmp_path: Path) -> None:
    orders = SettlementOrders(tmp_path / "orders")
    path = orders.leave(ORDER)
    path.with_suffix(".refused").write_bytes(b"an earlier try")
    assert orders.leave(ORDER) == path
    assert [one.name for one in (tmp_path / "orders").iterdir()] == [path.name]
    assert path.stat().st_mode & 0o077 == 0


def test_terms_that_the_operator_cannot_settle() -> None:
    assert duty_of_terms(TERMS, [DUTY], [BILLS.id]) == DUTY
    with pytest.raises(StatementChannelUnserved):
        duty_of_terms(TERMS, [DUTY], [FILES.id])
    with pytest.raises(MeteringChannelMissing):
        duty_of_terms(replace(TERMS, metering_channel=FILES.id), [DUTY], [BILLS.id])
