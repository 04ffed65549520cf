"""Every kind of signer passes the suite of its port, and the suite finds signers that must not pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from signer_conformance import CHECKS, FLAWED, SIGNER_MAKERS, SignerMaker
from suites import every

from wattest.chain.signers import SIGNERS, SignerName, signer_name
from wattest.errors import WattestError
from wattest.io.files import read_key_file


def test_every_kind_has_a_maker() -> None:
    assert set(SIGNER_MAKERS) == set(SIGNERS)


@every(CHECKS, SIGNER_MAKERS)
def test_a_signer(check: Callable[[SignerMaker, Path], None], maker: SignerMaker, tmp_path: Path) -> None:
    check(maker, tmp_path)


@pytest.mark.parametrize("name", FLAWED)
def test_the_suite_refuses(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signer, check = FLAWED[name]
    monkeypatch.setitem(SIGNERS, name, lambda where, folder: signer(read_key_file(folder / where)))
    with pytest.raises((AssertionError, WattestError, pytest.fail.Exception)):
        check(replace(SIGNER_MAKERS["key_file"], kind=name), tmp_path)


def test_a_text_names_a_kind_or_a_key_file(tmp_path: Path) -> None:
    assert signer_name("operator.key", tmp_path) == SignerName("key_file", "operator.key", tmp_path)
    assert signer_name("key_file:operator.key", tmp_path) == SignerName("key_file", "operator.key", tmp_path)
    assert signer_name("no_kind:x", tmp_path) == SignerName("key_file", "no_kind:x", tmp_path)
    assert signer_name("/keys/a:b") == SignerName("key_file", "/keys/a:b", Path())
