"""A claim is one process's, and ends with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from wattest.apps.exclusive import Claimed, exclusive


def test_only_one_has_it_and_the_next_may(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    for _ in range(2):
        with exclusive(lock):
            with pytest.raises(Claimed), exclusive(lock):
                pass
            assert lock.exists()  # a refused one does not remove it
        assert not lock.exists()


def test_an_empty_file_that_nobody_holds_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    with exclusive(tmp_path / "lock"), pytest.raises(Claimed), exclusive(tmp_path / "lock"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"), exclusive(tmp_path / "lock"):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), exclusive(tmp_path / "nowhere" / "lock"):
        pass
