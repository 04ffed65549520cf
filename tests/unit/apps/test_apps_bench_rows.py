"""Comparisons: rows and ratios, pages, what is missing, what is resumed; and the fleet that is measured."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from compare import runner, session
from compare.fleet_contender import piece_of, pieces, rfc9162_root
from compare.fleet_rows import GROWTHS, Kept, growth_rows, schedule
from compare.page import page
from compare.rows import Energy, Row, row_from_json
from compare.runner import Contender, ContenderFailed, PeerMissing, RootsDiffer, Run, compete, python
from compare.session import NotABenchmark
from compare.suites import BENCHMARKS, Work, tree_contenders
from compare.targets import Target, judged
from fleet import FIRST_DAY, MAX_METERS, Fleet
from hypothesis import given
from hypothesis import strategies as st

from wattest.apps.cli import bench as command
from wattest.apps.cli.bench import NAMES, bench
from wattest.errors import InputError
from wattest.io.files import DiskFailed
from wattest.merkle import MerkleTree
from wattest.units import SECONDS_PER_DAY

OURS = Row("work", "wattest", "ns/leaf", (100.0, 110.0, 90.0), 1.0, 10.0, 8)


def test_a_ratio_is_how_many_times_as_fast_ours_is() -> None:
    slower = replace(OURS, who="peer", samples=(400.0,))
    assert slower.compared(OURS).speed_ratio == 4
    rate = replace(OURS, unit="1/s", more_is_better=True, samples=(50.0,))
    assert replace(rate, samples=(10.0,)).compared(rate).speed_ratio == 5
    assert replace(rate, unit="other").compared(rate).speed_ratio is None
    assert OURS.spread == pytest.approx(0.2)
    assert row_from_json(json.loads(json.dumps(OURS.as_json()))) == OURS


def test_energy_is_read_or_stated() -> None:
    energy = Energy()
    assert energy.source
    assert energy.of(None, 2.0) == 20e6


def test_a_page_shows_every_row_and_escapes() -> None:
    rows = [OURS, replace(OURS, who="<peer>", samples=(400.0, 500.0)), replace(OURS, unit="", samples=(0.0,))]
    growing = [replace(OURS, work="grows", n=10**k, who=f"wattest, {10**k}") for k in (3, 4, 5)]
    text = page("merkle", rows + growing, {"processor": "a & b"})
    assert text.count("<svg") == 2
    assert "&lt;peer&gt;" in text
    assert "<peer>" not in text
    assert "a &amp; b" in text
    assert "polyline" in text
    quotient = replace(OURS, unit="x", samples=(2.0,), cpu_s=0.0, peak_mib=0.0)
    assert page("merkle", [*rows, quotient], {}).count("<svg") == 1  # in the table alone
    assert "http" not in text


def test_names_are_the_same_everywhere() -> None:
    assert NAMES == BENCHMARKS
    assert CliRunner().invoke(bench, ["no-such"]).exit_code == 2
    with pytest.raises(NotABenchmark):
        session.measure("no-such", quick=True, out=Path("/nowhere"), resume=False)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DiskFailed) as caught:
        session.measure("merkle", quick=True, out=tmp_path / "file" / "out", resume=False)
    assert caught.value.fields["path"] == tmp_path / "file" / "out"


def test_a_missing_peer_ends_the_benchmark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(runner, "NODE_MODULES", tmp_path)
    with pytest.raises(PeerMissing) as caught:
        compete("work", tree_contenders("merkle"), 8, 1, "ns")
    assert "merkletreejs" in str(caught.value.fields["missing"])
    assert "npm ci" in str(caught.value.hint)
    absent = Contender("nobody", ("true",), "merkle", needs=("python:no_such_module_here",))
    with pytest.raises(PeerMissing) as caught:
        runner.require_installed([absent])
    assert "make setup-bench" in str(caught.value.hint)


def test_contenders_take_turns_and_agree() -> None:
    ours = Contender("wattest", python("ours.py"), "merkle", reference=True)
    hashlib_ = Contender("hashlib loop", python("loops.py", "hashlib"), "merkle", small=2)
    mine, loop = compete("work", [ours, hashlib_], 64, 2, "ns/leaf")
    assert (mine.n, loop.n) == (64, 32)
    assert len(mine.samples) == 2
    assert mine.speed_ratio == 1
    assert loop.speed_ratio is not None
    assert mine.peak_mib > 1
    for work in ("proofs", "proofs in bulk", "verify", "verify in bulk", "limit"):
        assert compete(work, [replace(ours, work=work)], 64, 1, "ns")[0].median > 0


def test_contenders_that_differ_or_die_are_seen(tmp_path: Path) -> None:
    liar = tmp_path / "liar.py"
    answer = json.dumps({"wall_s": 1, "cpu_s": 1, "items": 1, "check": "00"})
    liar.write_text(f"import sys\nfor line in sys.stdin: print({answer!r}, flush=True)\n")
    ours = Contender("wattest", python("ours.py"), "merkle", reference=True)
    with pytest.raises(RootsDiffer):
        compete("work", [ours, Contender("liar", (sys.executable, str(liar)), "merkle")], 8, 1, "ns")
    with pytest.raises(ContenderFailed):
        compete("work", [ours, Contender("dead", (sys.executable, "-c", ""), "merkle")], 8, 1, "ns")


def test_what_is_measured_is_resumed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    measured: list[str] = []

    def work(name: str) -> Work:
        def run(asked: Run) -> list[Row]:
            assert asked.out == tmp_path
            measured.append(name)
            if name == "cut" and measured.count("cut") == 1:
                raise KeyboardInterrupt
            return [replace(OURS, work=name)]

        return Work(name, run)

    monkeypatch.setattr(session, "works", lambda name: iter([work("first"), work("cut"), work("last")]))
    with pytest.raises(KeyboardInterrupt):
        session.measure("merkle", quick=True, out=tmp_path, resume=False)
    outcome = session.measure("merkle", quick=True, out=tmp_path, resume=True)
    assert measured == ["first", "cut", "cut", "last"]
    assert [row.work for row in outcome.rows] == ["first", "cut", "last"]
    assert outcome.page_path.read_text().startswith("<!doctype html>")
    session.measure("merkle", quick=False, out=tmp_path, resume=True)  # another size: nothing is kept
    assert measured[4:] == ["first", "cut", "last"]
    monkeypatch.setattr(command, "_session", lambda: session)
    shown = CliRunner().invoke(bench, ["merkle", "--json", "--resume", "--out", str(tmp_path)])
    value = json.loads(shown.stdout)
    assert {"work", "who", "median", "unit", "spread", "speed_ratio", "cpu_s", "peak_mib"} <= set(value["rows"][0])
    for broken in (b"", b"[]", b"{}", outcome.json_path.read_bytes()[:-9]):
        outcome.json_path.write_bytes(broken)
        with pytest.raises(NotABenchmark):
            session.measure("merkle", quick=True, out=tmp_path, resume=True)


def test_two_runs_never_write_the_same_results(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def inside(_: Run) -> list[Row]:
        with pytest.raises(session.ResultsInUse):
            session.measure("merkle", quick=True, out=tmp_path, resume=False)
        assert session.measure("proofs", quick=True, out=tmp_path, resume=False).rows == ()  # another one's are free
        return [OURS]

    monkeypatch.setattr(session, "works", lambda name: iter([Work("all", inside)] if name == "merkle" else []))
    assert len(session.measure("merkle", quick=True, out=tmp_path, resume=False).rows) == 1
    assert not list(tmp_path.glob(".*"))


def test_targets_are_quotients_of_one_run() -> None:
    rows = [
        replace(OURS, extra={"wall_s": 8.0}),
        replace(OURS, who="wattest, two threads", clock="wall", extra={"wall_s": 4.0}),
        replace(OURS, who="mrkle", samples=(900.0,)),
        replace(OURS, who="slow", samples=(9_000.0,)),
    ]
    targets = (
        Target("over mrkle", "wattest", "mrkle", 8),
        Target("over mrkle by far", "wattest", "mrkle", 10),
        Target("over the best", "wattest", "*", 8.9),
        Target("threads", "wattest, two threads", "wattest", 1.7, by_wall=True),
        Target("limit", "mrkle", "wattest", at_most=9.1),
        Target("rate", "wattest", "", 1e7),
        Target("of nobody", "wattest", "absent", 1),
    )
    found = {row.who: (round(row.median, 3), row.target.rpartition(" ")[2]) for row in judged(rows, targets)}
    assert found == {
        "over mrkle": (9, "met"),
        "over mrkle by far": (9, "missed"),
        "over the best": (9, "met"),
        "threads": (2, "met"),
        "limit": (9, "met"),
        "rate": (1e7, "met"),
    }
    assert replace(rows[1], samples=(1.0,)).compared(rows[0]).speed_ratio == 0.5  # by the wall, as their clocks differ


@given(first=st.integers(0, MAX_METERS - 5), day=st.integers(0, 2_000), seed=st.integers(0, 2**32 - 1))
def test_any_piece_of_a_fleet_can_be_made_alone(first: int, day: int, seed: int) -> None:
    fleet = Fleet(MAX_METERS, seed)
    records, one, tomorrow = (
        fleet.records(first, 3, day),
        fleet.records(first + 2, 1, day),
        fleet.records(first, 3, day + 1),
    )
    assert records[2].tobytes() == one[0].tobytes()
    for register, energy in (
        ("import_register", "import_milliwatt_hours"),
        ("export_register", "export_milliwatt_hours"),
    ):
        levels = records[register].astype(np.int64)
        assert (np.diff(levels, axis=1) == records[energy][:, 1:].astype(np.int64)).all()
        assert (levels[:, -1] + tomorrow[energy][:, 0] == tomorrow[register][:, 0]).all()
    assert (records["start"][:, 0] == (FIRST_DAY + day) * SECONDS_PER_DAY).all()
    daily = records["import_milliwatt_hours"].astype(np.int64).sum(axis=1)
    assert ((daily > 2_500_000) & (daily < 25_000_000)).all()
    assert Fleet(MAX_METERS, seed ^ 1).records(first, 3, day).tobytes() != records.tobytes()


def test_a_fleet_streams_and_refuses() -> None:
    fleet = Fleet(25)
    assert [(first, len(records)) for first, records in fleet.pieces(0, 10)] == [(0, 10), (10, 10), (20, 5)]
    for wrong in (
        lambda: Fleet(0),
        lambda: Fleet(MAX_METERS + 1),
        lambda: Fleet(5, -1),
        lambda: fleet.records(20, 6, 0),
    ):
        with pytest.raises(InputError):
            wrong()


@given(st.integers(1, 40), st.integers(0, 3))
def test_shards_have_the_root_of_the_whole(shards: int, less: int) -> None:
    size = 4
    count = shards * size - min(less, size - 1)
    payloads, salts = np.random.default_rng(count).bytes(8 * count), bytes(16 * count)
    roots = [
        MerkleTree.build(payloads[8 * at : 8 * (at + size)], 8, salts[16 * at : 16 * (at + size)]).root
        for at in range(0, count, size)
    ]
    assert rfc9162_root(roots) == MerkleTree.build(payloads, 8, salts).root


def test_a_fleet_goes_through_all_its_pieces() -> None:
    assert [piece_of(turn, 25, 10) for turn in range(4)] == [(0, 10), (10, 10), (20, 5), (0, 10)]
    assert pieces(25, 10) == 3
    seal = GROWTHS["seal"]
    largest = max(seal.sizes)
    assert largest * 96 >= 10**8
    assert seal.turns(largest) == pieces(largest, seal.piece)
    assert sum(piece_of(turn, largest, seal.piece)[1] for turn in range(seal.turns(largest))) == largest


@given(st.dictionaries(st.integers(1, 10**7), st.integers(1, 120), min_size=1, max_size=4))
def test_every_turn_of_every_size_comes_once_and_in_order(turns: dict[int, int]) -> None:
    found: dict[int, list[int]] = {n: [] for n in turns}
    for n, turn in schedule(turns):
        found[n].append(turn)
    assert found == {n: list(range(count)) for n, count in turns.items()}


@pytest.mark.parametrize("kind", ["generate", "tree", "seal"])
def test_a_growing_fleet_is_measured_and_goes_on(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = replace(GROWTHS[kind], sizes=(5, 12), piece=5, most_turns=2)
    monkeypatch.setitem(GROWTHS, kind, tiny)
    asked = Run(False, tmp_path, resume=True, alike={"commit": "one"})
    kept = Kept(tmp_path / f"fleet-{kind}.pieces", asked)
    kept.keep(12, 0, {"cpu_s": 12e3, "wall_s": 1.0, "items": 12, "peak_mib": 1.0})
    small, large, flat = growth_rows(kind, asked)
    assert [len(row.samples) for row in (small, large)] == [2, 2]
    assert large.samples[0] == 1e12  # the piece that was measured before
    assert large.samples[1] > 0
    assert small.peak_mib > 1
    assert flat.target.startswith("within") == (kind != "generate")
    assert not kept.path.exists()


def test_pieces_of_another_run_are_not_taken(tmp_path: Path) -> None:
    path, answer = tmp_path / "one.pieces", {"cpu_s": 1.0}
    asked = Run(False, tmp_path, resume=True, alike={"commit": "one"})
    Kept(path, asked).keep(1, 0, answer)
    with path.open("a") as file:
        file.write('{"n": 1, "tur')  # cut short in the middle of a line
    assert Kept(path, asked).answers == {(1, 0): answer}
    assert Kept(path, replace(asked, alike={"commit": "two"})).answers == {}
    Kept(path, asked).keep(1, 0, answer)
    assert Kept(path, replace(asked, resume=False)).answers == {}
    Kept(path, asked).keep(1, 0, answer)
    path.write_bytes(path.read_bytes() + b"{}\n")
    with pytest.raises(NotABenchmark):
        Kept(path, asked)
