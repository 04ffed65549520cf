"""A household is told what every link means, whatever became of it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from wattest.apps.receipt_words import LINES, LINKS, bill_of, link_sentence, money, receipt_json, receipt_lines
from wattest.receipt.deployment import parse_deployment
from wattest.receipt.link import Link, LinkStatus
from wattest.receipt.receipt import parse_receipt
from wattest.receipt.verify import is_valid, verify_receipt
from wattest.settlement.bill import LineKind, bill_head

VECTORS = Path(__file__).resolve().parents[3] / "vectors" / "receipt"


def test_every_link_has_its_words() -> None:
    receipt = parse_receipt((VECTORS / "owed.json").read_bytes())
    deployment = parse_deployment((VECTORS / "deployment.json").read_bytes())
    links = verify_receipt(receipt, deployment, None)
    assert [link.name for link in links] == list(LINKS)
    said = [getattr(words, one.name) for words in LINKS.values() for one in fields(words)]
    assert len(set(said)) == 3 * len(links)
    assert set(LINES) == set(LineKind)


@pytest.mark.parametrize("name", list(LINKS))
def test_each_status_is_said(name: str) -> None:
    told = {status: link_sentence(Link(name, status, "")) for status in LinkStatus}
    assert told == {
        LinkStatus.OK: LINKS[name].holds,
        LinkStatus.FAILED: LINKS[name].fails,
        LinkStatus.UNCHECKED: LINKS[name].unchecked,
    }
    assert told[LinkStatus.UNCHECKED].endswith("open")


def test_valid_has_three_values() -> None:
    links = {status: Link("records", status, "") for status in LinkStatus}
    good, bad, loose = links[LinkStatus.OK], links[LinkStatus.FAILED], links[LinkStatus.UNCHECKED]
    assert is_valid([good, good]) is True
    assert is_valid([good, loose, bad]) is False
    assert is_valid([good, loose]) is None
    assert is_valid([]) is None


def test_a_bill_in_words_and_in_numbers_says_the_same() -> None:
    for file in (VECTORS / "owed.json", VECTORS / "owing.json"):
        receipt = parse_receipt(file.read_bytes())
        bill, text = bill_of(receipt), "\n".join(receipt_lines(receipt, "Top floor", "Europe/Vienna"))
        assert "household   Top floor" in text
        assert ("you pay" in text) is (bill.total_cents >= 0)
        assert text.count(" ct/") >= len(bill.lines)
        assert money(abs(bill.total_cents)) in text
        value = receipt_json(receipt, None, "UTC")
        assert value["total_cents"] == bill.total_cents
        head = bill_head(bill.to_bytes()[:353])
        assert (head.lines, head.total_cents, head.total_import) == (bill.lines, bill.total_cents, bill.total_import)


def test_money_has_two_decimals() -> None:
    assert [money(cents) for cents in (0, 5, -5, 1234, -100)] == ["0.00", "0.05", "-0.05", "12.34", "-1.00"]
