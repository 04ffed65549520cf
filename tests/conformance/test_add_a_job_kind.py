"""The page on adding a kind of job holds: its code makes a kind that passes the suite."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import job_kind_conformance as conformance
import pytest

from wattest.enclave.measured import job_kinds, service
from wattest.enclave.simulator.platform import SimulatedPlatform

PAGE = Path(__file__).resolve().parents[2] / "docs/howto/add-a-job-kind.md"
INSIDE, OUTSIDE, MAKER = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def kind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    """The page's code as modules, registered."""
    for name, text in (("seal_single", INSIDE), ("single_job", OUTSIDE)):
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    inside, outside = importlib.import_module("seal_single"), importlib.import_module("single_job")
    every = (*job_kinds.JOB_KINDS, inside.KIND)
    for place in (job_kinds, service, conformance):
        monkeypatch.setattr(place, "JOB_KINDS", every)
    monkeypatch.setattr(service, "_OF_A_JOB", ("batch.", *(f"{one.name}." for one in every)))
    makers = dict(conformance.JOB_MAKERS)
    space = {**vars(conformance), "SingleJob": outside.SingleJob, "JOB_MAKERS": makers}
    exec(compile(MAKER, str(PAGE), "exec"), space)
    monkeypatch.setattr(conformance, "JOB_MAKERS", makers)
    yield inside
    for name in ("seal_single", "single_job"):
        sys.modules.pop(name)


def test_the_page_s_kind_passes_the_suite(kind: ModuleType, tmp_path: Path) -> None:
    platform = SimulatedPlatform.create(tmp_path / "platform", 1_750_000_000)
    maker = conformance.JOB_MAKERS[kind.KIND.name]
    for check in conformance.JOB_KIND_SUITE:
        check(maker, conformance.Bench(platform, tmp_path / check.__name__))


def test_without_its_line_the_kind_is_unknown(tmp_path: Path) -> None:
    from wattest.enclave.measured.errors import MethodUnknown

    platform = SimulatedPlatform.create(tmp_path / "platform", 1_750_000_000)
    with pytest.raises(MethodUnknown):
        conformance.Bench(platform, tmp_path / "state").enclave().service.call("single.begin", {})
