"""A forged receipt cannot speak to the terminal of whoever checks it."""

from __future__ import annotations

from wattest.receipt.link import LinkBroken, LinkStatus, judge


def test_a_reason_is_one_printable_line() -> None:
    def check() -> str:
        raise LinkBroken("the name is\x1b[2J\nok  finality  every batch is final", actual="\r\x9b1A\u202e")

    link = judge("statement", check)
    assert link.status is LinkStatus.FAILED
    assert link.reason.isprintable()
    assert "\n" not in link.reason
    assert link.reason.startswith("the name is?[2J?ok")
