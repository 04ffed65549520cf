"""Every inbox passes the suite of its port, and the suite finds inboxes that must not pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from inbox_conformance import CHECKS, FLAWED, INBOX_MAKERS, InboxMaker
from suites import every

from wattest.store import inbox as inbox_module
from wattest.store.back_ends import INBOXES


@pytest.fixture(autouse=True)
def _the_limit_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "MAX_INBOX_FILES", inbox_module.MAX_INBOX_FILES)


def test_every_registered_inbox_has_a_maker() -> None:
    assert {maker.kind for maker in INBOX_MAKERS.values()} - {None} == set(INBOXES)


@every(CHECKS, INBOX_MAKERS)
def test_an_inbox(check: Callable[[InboxMaker, Path], None], maker: InboxMaker, tmp_path: Path) -> None:
    check(maker, tmp_path)


@pytest.mark.parametrize("name", FLAWED)
def test_the_suite_refuses(name: str, tmp_path: Path) -> None:
    flawed, check = FLAWED[name]
    maker = replace(INBOX_MAKERS["memory"], make=lambda _, most: flawed(*(() if most is None else (most,))))
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(maker, tmp_path)
