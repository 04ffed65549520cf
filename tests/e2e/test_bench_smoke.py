"""Every benchmark still runs, at its tiniest, and what it reports can be shown; nothing is asserted about time."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from gas_breakdown import GasUnexplained, calldata_gas, commit_breakdown, floor_gas
from measure import Figure, Report, Scale, Table, report_from_json
from report import BEGIN, END, Run, markdown, put_between_markers, shown, table_text
from run import BENCHMARKS, NEEDS_GETH, joined

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"


@pytest.mark.e2e
@pytest.mark.parametrize("name", BENCHMARKS)
def test_benchmark_runs(name: str, tmp_path: Path) -> None:
    found, page = tmp_path / "samples.json", tmp_path / "figures.md"
    page.write_text(f"before\n{BEGIN}\nwhat stood here\n{END}\nafter\n")
    command = [sys.executable, str(BENCH / "run.py"), "--only", name, "--scale", "tiny"]
    done = subprocess.run(
        [*command, "--json", str(found), "--markdown", str(page)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (run,) = json.loads(found.read_text())["runs"]
    report = report_from_json(run["report"])
    assert report.figures
    assert all(figure.samples and all(sample >= 0 for sample in figure.samples) for figure in report.figures)
    assert len({figure.name for figure in report.figures}) == len(report.figures)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "what stood here" not in text
    assert all(figure.name in text for figure in report.figures)


def test_a_part_is_measured_anew(tmp_path: Path) -> None:
    found = tmp_path / "samples.json"
    command = [sys.executable, str(BENCH / "run.py"), "--scale", "tiny", "--json", str(found)]
    subprocess.run([*command, "--only", "merkle", "workload"], capture_output=True, check=True)
    before = {run["name"]: run for run in json.loads(found.read_text())["runs"]}
    subprocess.run([*command, "--only", "merkle", "--from", str(found)], capture_output=True, check=True)
    after = {run["name"]: run for run in json.loads(found.read_text())["runs"]}
    assert set(after) == {"merkle", "workload"}
    assert after["workload"] == before["workload"]
    assert after["merkle"]["report"]["figures"] != before["merkle"]["report"]["figures"]


def test_every_benchmark_is_listed() -> None:
    modules = {path.stem for path in BENCH.glob("*.py") if "run_alone(measure, __doc__)" in path.read_text()}
    assert modules == {*BENCHMARKS, *NEEDS_GETH}
    assert not set(BENCHMARKS) & set(NEEDS_GETH)


def test_a_benchmark_that_fails_is_named(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCH / "run.py"), "--only", "no-such-benchmark"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 2
    (tmp_path / "run.py").write_text((BENCH / "run.py").read_text())
    for module in ("measure", "report", "machine"):
        (tmp_path / f"{module}.py").write_text((BENCH / f"{module}.py").read_text())
    (tmp_path / "merkle.py").write_text("raise SystemExit(3)\n")
    done = subprocess.run(
        [sys.executable, str(tmp_path / "run.py"), "--only", "merkle"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "merkle ended with 3" in done.stderr


def test_the_page_can_be_written_again() -> None:
    page = (ROOT / "docs" / "figures.md").read_text()
    again = put_between_markers(page, "new")
    assert f"{BEGIN}\n\nnew\n{END}" in again
    for broken in (page.replace(END, ""), page + BEGIN, f"{END}{BEGIN}"):
        with pytest.raises(ValueError, match="the page needs"):
            put_between_markers(broken, "new")


def test_targets_are_judged_by_median_or_worst() -> None:
    figure = Figure("rate", "1/s", (1.0, 3.0, 4.0), at_least=3.0)
    assert figure.is_met is True
    assert replace(figure, exact=True).is_met is False
    assert replace(figure, samples=(1.0, 2.0, 4.0)).is_met is False
    gas = Figure("commit", "gas", (74_000.0, 75_000.0), at_most=75_000, exact=True)
    assert gas.is_met is True
    assert replace(gas, samples=(74_000.0, 75_001.0)).is_met is False
    assert replace(gas, at_most=None).is_met is None


def test_rounds_are_joined_and_shown() -> None:
    figure = Figure("a", "s", (1.0,), at_most=1.0, floor="least", floor_samples=(0.5,))
    report = Report("Title", "About.", (figure,), (Table("Parts", ("x", "y"), (("one", 1234),)),))
    first = Run("name", report, (1.0,), (2.0,), 3.0, (0.5,))
    second = replace(first, report=replace(report, figures=(replace(figure, samples=(3.0,)),)), peak_mib=9.0)
    run = joined(joined(None, first), second)
    assert run.report.figures[0].samples == (1.0, 3.0)
    assert run.report.figures[0].ratio_to_floor == 4.0
    assert run.peak_mib == 9.0
    assert report_from_json(asdict(run.report)) == run.report
    text = markdown([run], {"date": "today"})
    for part in (
        "| a | 2 | 1 | 3 | s | 2 | 4.00 x least | at most 1: **missed** |",
        "1,234",
        "| Title | a | median | 2 | s | at most 1: **missed** |",
    ):
        assert part in text


def test_numbers_are_short() -> None:
    assert [shown(value) for value in (74_987.0, 0.0123456, 1234.5, 2.0, "74k")] == [
        "74,987", "0.0123", "1,234", "2", "74k",
    ]  # fmt: skip
    assert table_text(("a", "b", "empty"), [("x", 1, "")]) == "| a | b |\n| --- | ---: |\n| x | 1 |"


def test_scale_picks_its_own() -> None:
    assert [scale.pick(3, 2, 1) for scale in Scale] == [3, 2, 1]


def step(operation: str, gas: int, cost: int, depth: int = 1, stack: tuple[str, ...] = ()) -> dict[str, object]:
    return {"op": operation, "gas": gas, "gasCost": cost, "depth": depth, "stack": list(stack)}


def test_gas_is_explained_to_the_last_unit() -> None:
    data = bytes(4) + b"\x01" * 2
    assert calldata_gas(data) == 48
    assert floor_gas(data) == 21_120
    steps = [
        step("SLOAD", 50_000, 2_100),
        step("STATICCALL", 47_900, 47_000, stack=("0x1", "0xb000")),
        step("STATICCALL", 44_800, 43_000, stack=("0xabcdef", "0xa000")),
        step("SLOAD", 42_000, 2_100, depth=2),
        step("RETURN", 39_900, 0, depth=2),
        step("SSTORE", 39_900, 22_100),
        step("SSTORE", 17_800, 2_900),
        step("STOP", 14_900, 0),
    ]
    parts = commit_breakdown({"structLogs": steps}, data, 21_048 + 50_000 - 14_900)
    assert parts["ecrecover"] == 3_100
    assert parts["storage: reads"] == 4_200
    assert parts["reaching the registry, a cold account"] == 2_800
    with pytest.raises(GasUnexplained):
        commit_breakdown({"structLogs": steps}, data, 21_048 + 50_000 - 14_901)
