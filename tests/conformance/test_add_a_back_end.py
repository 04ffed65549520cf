"""The page on adding a back end, followed: its signer is written to a file, registered, and passes the suite."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import signer_conformance
from signer_conformance import CHECKS, SIGNER_MAKERS, SignerMaker

from wattest.chain.signers import SIGNERS, SignerName, signer_name

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/howto/add-a-back-end.md"
MODULE = "split_key_of_the_page"


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignerMaker]:
    """The page's signer from a file of its own, in the register and among the makers as long as this module runs."""
    file_code, line, maker_code = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    file = tmp_path_factory.mktemp("signer") / "split_key.py"
    file.write_text(file_code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(MODULE, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    spec.loader.exec_module(module)
    names = {**vars(signer_conformance), **vars(module), "SIGNERS": SIGNERS}
    exec(compile(line + maker_code, str(PAGE), "exec"), names)
    yield SIGNER_MAKERS["split_key"]
    del SIGNERS["split_key"], SIGNER_MAKERS["split_key"], sys.modules[MODULE]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_page_s_signer_passes_the_suite(
    check: Callable[[SignerMaker, Path], None], maker: SignerMaker, tmp_path: Path
) -> None:
    check(maker, tmp_path)


def test_a_configuration_picks_it_by_name(maker: SignerMaker, tmp_path: Path) -> None:
    name = signer_name(f"split_key:{maker.make(tmp_path)}", tmp_path)
    assert name == SignerName("split_key", "one+two", tmp_path)
    assert name.open().address == SIGNER_MAKERS["key_file"].signer(tmp_path).address


def test_without_the_line_there_is_no_such_kind() -> None:
    assert signer_name("joined:one+two").kind == "key_file"
