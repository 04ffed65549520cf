"""Meter files that join a demo, and the days a demo runs on: judged before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from wattest.apps.demo.charging import charging_sessions
from wattest.apps.demo.imports import (
    DataFileRefused,
    DataFileUnreadable,
    ReadingsFromFuture,
    read_data_files,
    shipped_sessions,
)
from wattest.apps.demo.run import CHEATED_HOUSEHOLDS, LARGEST_DEMO, demo_readings
from wattest.errors import InputError
from wattest.metering.reading import MAX_FILE_BYTES

START, END = 1_780_272_000, 1_780_272_000 + 86_400
SESSION = charging_sessions(1, START, END)[0]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / SESSION.file_name
    path.write_bytes(SESSION.telegram)
    return path


@pytest.mark.parametrize("with_key", [True, False])
def test_a_file_forms_one_job_of_its_own_period(file: Path, with_key: bool) -> None:
    keys = {file.name: SESSION.public_key} if with_key else {}
    (read,) = read_data_files([file], keys, END)
    assert START <= read.period_start < read.period_end <= END
    assert read.records >= 1
    assert read.public_key == keys.get(file.name)
    assert SESSION.telegram.hex() not in repr(read)


def test_each_shipped_session_holds_and_is_another() -> None:
    sessions = shipped_sessions(START, END)
    assert len({one.content for one in sessions}) == len(sessions) == 2
    assert all(START <= one.period_start < one.period_end <= END for one in sessions)


def test_another_key_and_another_byte_are_refused(file: Path) -> None:
    other = charging_sessions(2, START, END)[1].public_key
    with pytest.raises(DataFileRefused) as caught:
        read_data_files([file], {file.name: other}, END)
    assert caught.value.fields["path"] == str(file)
    file.write_bytes(SESSION.telegram.replace(b"DEMO", b"DEMA"))
    with pytest.raises(DataFileRefused):
        read_data_files([file], {file.name: SESSION.public_key}, END)


def test_readings_after_the_demo_are_refused(file: Path) -> None:
    (read,) = read_data_files([file], {}, END)
    with pytest.raises(ReadingsFromFuture):
        read_data_files([file], {}, read.period_end - 1)


def test_files_that_cannot_be_read_say_which(file: Path, tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as handle:
        handle.truncate(MAX_FILE_BYTES + 1)
    (tmp_path / "empty").touch()
    for path, error in ((tmp_path / "missing", DataFileUnreadable), (tmp_path, DataFileUnreadable),
                        (large, DataFileUnreadable), (tmp_path / "empty", InputError)):  # fmt: skip
        with pytest.raises(error) as caught:
            read_data_files([file, path], {}, END)
        assert caught.value.fields["path"] == str(path)


@pytest.mark.parametrize("wall_clock_s", [1_790_000_000, 1_900_000_000])
@pytest.mark.parametrize(("days", "cheat"), [(1, "rollback"), (2, "withhold"), (14, "rollback")])
def test_a_run_ends_before_the_wall_clock(days: int, cheat: str, wall_clock_s: int) -> None:
    """Days, challenge window and payout delay fit between the first reading and now; weekday and hour stay."""
    readings = demo_readings(days, 3, cheat, wall_clock_s)  # type: ignore[arg-type]
    shipped = demo_readings(days, 3, cheat, 2**40).start  # type: ignore[arg-type]
    assert readings.start + (days + 14) * 86_400 <= wall_clock_s
    assert (shipped - readings.start) % (52 * 7 * 86_400) == 0
    assert readings.days == max(days, 2 if cheat == "rollback" else 1)
    assert readings.load.shape[0] == 3 + CHEATED_HOUSEHOLDS


def test_the_largest_demo_has_readings() -> None:
    assert demo_readings(1, LARGEST_DEMO, "none", 2**40).load.shape[0] == LARGEST_DEMO + CHEATED_HOUSEHOLDS
