"""The page on adding a meter format, followed: its code is written to a file, registered, and passes the suite."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from meter_format_conformance import CHECKS, Case, Sample
from meter_samples import SAMPLES

from wattest.metering.billing_rules import BillingRule, NotImportable
from wattest.metering.entry import EntryKind
from wattest.metering.imported import imported_series
from wattest.metering.readers.formats import FORMATS
from wattest.metering.readers.meter_format import MeterFormat
from wattest.metering.readers.recognise import UnknownFormat, read_meter_file

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/howto/add-a-meter-format.md"
MODULE = "hourly_of_the_page"


@pytest.fixture(scope="module")
def hourly(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeterFormat]:
    """The format of the page, from a file of its own."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    file = tmp_path_factory.mktemp("format") / "hourly.py"
    file.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(MODULE, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    spec.loader.exec_module(module)
    yield module.HOURLY
    del sys.modules[MODULE]


def sample() -> bytes:
    """The file that the page shows."""
    shown = re.search(r"(?:^ {4}\S.*\n)+", PAGE.read_text("utf-8"), re.MULTILINE)
    assert shown is not None
    return re.sub(r"^ {4}", "", shown[0], flags=re.MULTILINE).encode()


@pytest.mark.parametrize("check", CHECKS)
def test_the_pages_format_conforms(hourly: MeterFormat, check: str) -> None:
    foreign = [each for samples in SAMPLES.values() for each in samples]
    CHECKS[check](Case(hourly, [Sample(sample())], (*FORMATS, hourly), foreign))


def test_the_pages_format_is_read_and_imported(hourly: MeterFormat) -> None:
    with pytest.raises(UnknownFormat):
        read_meter_file(sample())
    read = read_meter_file(sample(), formats=(*FORMATS, hourly))
    assert (read.format, read.billable, len(read.readings)) == ("hourly", False, 2)
    (series,) = imported_series(read)
    assert series.kind is EntryKind.UNSIGNED_SOURCE
    assert series.records["import_register"].tolist() == [250_000, 375_000]
    twice = sample().replace(b"T01:00Z", b"T00:00Z")
    with pytest.raises(NotImportable) as refused:
        imported_series(read_meter_file(twice, formats=(*FORMATS, hourly)))
    assert refused.value.rule is BillingRule.READINGS_OVERLAP
