"""Every parser of attestation over mutated input: a value that keeps its promises, or a typed error, in bounds.

The short form runs a few thousand inputs a parser; the deep one WATTEST_FUZZ_COUNT of them (a million when unset), as
``make fuzz`` does.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from random import Random
from typing import NoReturn

import fuzz_driver
import fuzz_mutators
import fuzz_seeds
import pytest
from fuzz_driver import Campaign, corpus, outcome_of, run_inputs
from fuzz_targets import CORPUS, TARGETS, Target

from wattest.errors import InputError

SLOW = {name for name in TARGETS if name.endswith(("-judged", "-checked"))} | {"chain-field"}
SHORT = {name: 300 if name in SLOW else 2_500 for name in TARGETS}
# How many kinds of outcome the short form must meet: a corpus or mutator that went blind would fall below.
FEWEST_OUTCOMES = {name: 5 if name in SLOW else 8 for name in TARGETS}

pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number")


@pytest.mark.parametrize("name", TARGETS)
def test_short(name: str) -> None:
    report = run_inputs(TARGETS[name], "short", 0, SHORT[name])
    assert not report.findings, report.findings[0]
    assert report.inputs == SHORT[name]
    assert len(report.outcomes) >= FEWEST_OUTCOMES[name], report.outcomes
    assert any(word.startswith("value") for word in report.outcomes)


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_is_read(name: str) -> None:
    target = TARGETS[name]
    for path in sorted((CORPUS / target.folder).iterdir()):
        word, fault = outcome_of(target, path.read_bytes())
        assert fault is None, fault
        # Of the two certificates only the leaf names a platform; what was found once is refused now, or read.
        wanted = path.name.startswith("seed-") and (name, path.name) != ("certificate", "seed-platform-ca.der")
        assert word.startswith("value") or not wanted, (path.name, word)


@pytest.mark.deep
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", TARGETS)
def test_deep(name: str, tmp_path: Path) -> None:
    count = int(os.environ.get("WATTEST_FUZZ_COUNT", "1000000"))
    campaign = Campaign(tmp_path, os.environ.get("WATTEST_DEEP_SEED", "20261122"), count, [name])
    campaign.run(os.cpu_count() or 1)
    summary = campaign.summary()[name]
    assert summary["findings"] == 0, sorted((tmp_path / "findings").rglob("*.txt"))[0].read_text()
    assert summary["inputs"] == count


def test_the_generator_gives_these_seeds() -> None:
    made = fuzz_seeds.seeds()
    there = {path.relative_to(CORPUS).as_posix(): path.read_bytes() for path in CORPUS.rglob("seed-*")}
    assert there.keys() == made.keys()
    # Results change with what an appraisal has to say; that theirs are still read is asked above.
    assert [name for name in made if there[name] != made[name] and not name.startswith("ear")] == []
    assert sum(path.stat().st_size for path in CORPUS.rglob("*")) < 400_000


def test_a_chunk_is_the_same_every_time() -> None:
    one, other, next_one = (run_inputs(TARGETS["quote"], "same", chunk, 500) for chunk in (1, 1, 2))
    assert (one.outcomes, one.kept) == (other.outcomes, other.kept)
    assert one.outcomes != next_one.outcomes


def spoilt(run: object) -> Target:
    return Target("spoilt", run, fuzz_mutators.mutate_bytes, "policy")  # type: ignore[arg-type]


def fail(_: bytes) -> NoReturn:
    raise InputError("refused")


def test_a_refusal_is_no_finding() -> None:
    assert outcome_of(spoilt(fail), b"")[1] is None


def test_what_is_no_refusal_is_a_finding() -> None:
    def divide(data: bytes) -> str:
        return str(1 // len(data))

    def promise(data: bytes) -> str:
        assert not data
        return ""

    assert "ZeroDivisionError" in outcome_of(spoilt(divide), b"")[0]
    assert "AssertionError" in outcome_of(spoilt(promise), b"x")[0]


def test_an_input_that_takes_memory_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def swell(_: bytes) -> str:
        return str(len(b"a" * (600 * 1024 * 1024)))

    monkeypatch.setitem(TARGETS, "spoilt", spoilt(swell))
    campaign = Campaign(tmp_path, "s", 1, ["spoilt"])
    campaign.run(1)
    (found,) = (tmp_path / "findings" / "spoilt").glob("*.txt")
    assert found.read_text().startswith("too much memory\n")


def test_an_endless_input_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def stay(_: bytes) -> str:
        try:
            while True:
                pass
        except Exception:  # noqa: BLE001 -- a parser that swallows everything
            return ""

    monkeypatch.setattr(fuzz_driver, "INPUT_SECONDS", 0.2)
    report = run_inputs(spoilt(stay), "stay", 1, 1)
    assert [finding["outcome"] for finding in report.findings] == ["too slow"]


def test_a_process_that_ends_or_stalls_leaves_its_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(_: bytes) -> str:
        os._exit(9)

    def hold(data: bytes) -> str:
        threading.Event().wait()
        return str(data)

    monkeypatch.setattr(fuzz_driver, "STALL_SECONDS", 0.5)
    monkeypatch.setattr(fuzz_driver, "INPUT_SECONDS", 50)
    for number, run in enumerate((end, hold)):
        monkeypatch.setitem(TARGETS, "spoilt", spoilt(run))
        campaign = Campaign(tmp_path / str(number), "s", 10, ["spoilt"])
        campaign.run(1)
        assert campaign.summary()["spoilt"]["findings"] == 1
        (found,) = (tmp_path / str(number) / "findings" / "spoilt").glob("*.bin")
        assert found.read_bytes() == corpus(TARGETS["spoilt"])[0]


def test_a_campaign_goes_on_where_it_was(tmp_path: Path) -> None:
    first = Campaign(tmp_path, "s", 60_000, ["quote"])
    assert [size for _, _, size in first.pending()] == [25_000, 25_000, 10_000]
    first.note(run_inputs(TARGETS["quote"], "s", 0, 25), 25_000)
    again = Campaign(tmp_path, "s", 60_000, ["quote"])
    assert [chunk for _, chunk, _ in again.pending()] == [1, 2]
    assert len(Campaign(tmp_path, "other seed", 60_000, ["quote"]).pending()) == 3
    again.run(1, until=0.0)
    assert again.summary()["quote"]["inputs"] == 25


@pytest.mark.parametrize(
    "mutate",
    [
        fuzz_mutators.mutate_bytes,
        fuzz_mutators.mutate_der,
        fuzz_mutators.mutate_json,
        fuzz_mutators.mutate_toml,
        fuzz_mutators.mutate_pem,
        fuzz_mutators.mutate_collateral,
    ],
)
def test_a_mutator_takes_anything_and_stays_in_bounds(mutate: fuzz_mutators.Mutator) -> None:
    random = Random(1)
    given = [b"", b"\x30\x80", b"{}", b"[]", bytes(70_000), *(corpus(TARGETS["root"]))]
    for _ in range(300):
        for data in given:
            assert len(mutate(random, data, given)) <= fuzz_mutators.MAX_MUTANT_BYTES
