"""A run's output folder is there as a whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from wattest.apps.demo.output import (
    OutputFolderUnusable,
    OutputFolderUsed,
    free_folder,
    output_folder,
    require_free,
)


def test_a_finished_folder_gets_its_name(tmp_path: Path) -> None:
    with output_folder(tmp_path / "a" / "b") as folder:
        (folder / "x").write_text("1")
        assert not (tmp_path / "a" / "b").exists()
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["a", "a/b", "a/b/x"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError, OSError])
def test_a_failure_leaves_nothing_but_what_was_there(tmp_path: Path, failure: type[BaseException]) -> None:
    (tmp_path / "kept").mkdir()
    with pytest.raises(failure), output_folder(tmp_path / "kept" / "new" / "out") as folder:
        _write_and_fail(folder, failure)
    assert [path.name for path in tmp_path.rglob("*")] == ["kept"]


def _write_and_fail(folder: Path, failure: type[BaseException]) -> None:
    (folder / "x").write_text("1")
    raise failure


def test_an_empty_folder_may_be_used_and_a_full_one_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with output_folder(tmp_path / "empty") as folder:
        (folder / "x").touch()
    for used in (tmp_path / "empty", tmp_path / "empty" / "x"):
        with pytest.raises(OutputFolderUsed):
            require_free(used)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputFolderUsed):
        require_free(tmp_path / "link")


def test_a_file_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputFolderUnusable), output_folder(tmp_path / "file" / "out"):
        pass
    with pytest.raises(OutputFolderUnusable):
        require_free(tmp_path / ("x" * 5_000))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_somebody_who_was_quicker_keeps_the_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputFolderUnusable), output_folder(tmp_path / "out"):  # noqa: PT012 - raises at its end
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "theirs").touch()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["out", "theirs"]


def test_free_names_count_up(tmp_path: Path) -> None:
    assert free_folder(tmp_path).name == "wattest-demo-1"
    (tmp_path / "wattest-demo-1").symlink_to("nowhere")
    assert free_folder(tmp_path).name == "wattest-demo-2"
