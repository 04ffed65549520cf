"""Every bundle store passes the suite of its port, and the suite finds stores that must not pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from bundle_conformance import BUNDLE_MAKERS, CHECKS, FLAWED, BundleMaker
from suites import every

from wattest.errors import WattestError
from wattest.store.back_ends import BUNDLE_STORES


def test_every_registered_bundle_store_has_a_maker() -> None:
    assert {maker.kind for maker in BUNDLE_MAKERS.values()} - {None} == set(BUNDLE_STORES)


@every(CHECKS, BUNDLE_MAKERS)
def test_a_bundle_store(check: Callable[[BundleMaker, Path], None], maker: BundleMaker, tmp_path: Path) -> None:
    check(maker, tmp_path)


@pytest.mark.parametrize("name", FLAWED)
def test_the_suite_refuses(name: str, tmp_path: Path) -> None:
    flawed, check = FLAWED[name]
    with pytest.raises((AssertionError, WattestError, pytest.fail.Exception)):
        check(replace(BUNDLE_MAKERS["memory"], make=lambda _: flawed()), tmp_path)
