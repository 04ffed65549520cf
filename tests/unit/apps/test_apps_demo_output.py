"""A run's output folder is there as a whole or not at all, and one run's alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wattest.apps.demo.output import (
    OutputFolderInUse,
    OutputFolderTaken,
    OutputFolderUnusable,
    OutputFolderUsed,
    output_folder,
    require_free,
)

HOLD = """
import sys, time
from pathlib import Path
from wattest.apps.demo.output import output_folder
with output_folder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_finished_folder_gets_its_name(tmp_path: Path) -> None:
    with output_folder(tmp_path / "a" / "b") as folder:
        (folder.partial / "x").write_text("1")
        assert folder.path == tmp_path / "a" / "b"
        assert not folder.path.exists()
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["a", "a/b", "a/b/x"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError, OSError])
def test_a_failure_leaves_nothing_but_what_was_there(tmp_path: Path, failure: type[BaseException]) -> None:
    (tmp_path / "kept").mkdir()
    with pytest.raises(failure), output_folder(tmp_path / "kept" / "new" / "out") as folder:
        _write_and_fail(folder.partial, failure)
    assert [path.name for path in tmp_path.rglob("*")] == ["kept"]


def _write_and_fail(folder: Path, failure: type[BaseException]) -> None:
    (folder / "x").write_text("1")
    raise failure


def test_an_empty_folder_may_be_used_and_a_full_one_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with output_folder(tmp_path / "empty") as folder:
        (folder.partial / "x").touch()
    for used in (tmp_path / "empty", tmp_path / "empty" / "x"):
        with pytest.raises(OutputFolderUsed):
            require_free(used)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputFolderUsed):
        require_free(tmp_path / "link")


def test_the_folder_one_is_in_may_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with output_folder(Path()) as folder:
        (folder.partial / "x").touch()
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["here", "here/x"]


def test_a_file_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputFolderUnusable), output_folder(tmp_path / "file" / "out"):
        pass
    with pytest.raises(OutputFolderUnusable):
        require_free(tmp_path / ("x" * 5_000))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_second_run_is_refused_at_its_start(tmp_path: Path) -> None:
    """However it spells the folder; the first is not disturbed, and afterwards the folder is used."""
    out = tmp_path / "new" / "out"
    with output_folder(out) as folder:
        (folder.partial / "x").write_text("first")
        for spelled in (out, tmp_path / "new" / "other" / ".." / "out"):
            with pytest.raises(OutputFolderInUse) as refused, output_folder(spelled):
                pass
            assert refused.value.fields["path"] == str(spelled)
        with output_folder(tmp_path / "new" / "other") as other:  # a neighbour is free
            assert other.partial.is_dir()
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["other", "out"]
    assert (out / "x").read_text() == "first"
    with pytest.raises(OutputFolderUsed), output_folder(out):
        pass


def test_a_killed_run_holds_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(OutputFolderInUse), output_folder(out):
            pass
        process.kill()
    with output_folder(out) as folder:
        (folder.partial / "x").touch()
    assert (out / "x").exists()
    assert not (tmp_path / ".out.claim").exists()


def killed(out: Path) -> Path:
    """Where a run worked that was killed."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        partial = out.parent / f".{out.name}.{process.pid}.partial"
        (partial / "receipts").mkdir()
        process.kill()
    assert partial.is_dir()
    return partial


def test_what_a_killed_run_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    left = killed(tmp_path / "out")
    with output_folder(tmp_path / "other") as folder:  # another's leavings are none of its business
        assert (folder.cleared, folder.kept) == ((), ())
    assert left.is_dir()
    with output_folder(tmp_path / "out") as folder:
        assert (folder.cleared, folder.kept) == ((left,), ())
        assert folder.partial.is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "out"]


def test_what_may_be_a_living_run_s_is_kept(tmp_path: Path) -> None:
    """Its process has the number still; so have a file, a link and names that no run gives."""
    living = tmp_path / f".out.{os.getppid()}.partial"
    others = [tmp_path / name for name in (".out.0.partial", ".out.x.partial", ".out.1.2.partial", ".outs.7.partial")]
    for folder in (living, *others):
        folder.mkdir()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    link = tmp_path / f".out.{gone.pid}.partial"
    link.symlink_to(others[0])
    with output_folder(tmp_path / "out") as folder:
        assert (folder.cleared, folder.kept) == ((), (living,))
    assert all(folder.is_dir() for folder in (living, *others, link))


def test_leavings_under_our_own_number_do_not_stand_in_the_way(tmp_path: Path) -> None:
    """In a container every run may have the same number."""
    own = tmp_path / f".out.{os.getpid()}.partial"
    (own / "old").mkdir(parents=True)
    with output_folder(tmp_path / "out") as folder:
        assert (folder.partial, folder.cleared) == (own, (own,))
        assert list(own.iterdir()) == []


def test_somebody_who_was_quicker_keeps_the_folder_and_we_our_results(tmp_path: Path) -> None:
    with pytest.raises(OutputFolderTaken) as taken, output_folder(tmp_path / "out") as folder:  # noqa: PT012
        (folder.partial / "ours").touch()
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "theirs").touch()
        (tmp_path / "out-2").touch()
    assert taken.value.fields["results"] == str(tmp_path / "out-3")
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    assert found == ["out", "out-2", "out-3", "out-3/ours", "out/theirs"]


def test_free_names_count_up_past_what_is_there_or_being_made(tmp_path: Path) -> None:
    (tmp_path / "wattest-demo-1").symlink_to("nowhere")
    with output_folder(None, tmp_path) as second, output_folder(None, tmp_path) as third:
        assert (second.path.name, third.path.name) == ("wattest-demo-2", "wattest-demo-3")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["wattest-demo-1", "wattest-demo-2", "wattest-demo-3"]
