"""Another operator's key beside a data folder: refused before anything is shown, sealed or sent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from wattest.apps.actions.own_key import KeyOfAnotherOperator, require_own_key
from wattest.messages.header import BatchHeader
from wattest.store.operator_store import SqliteOperatorStore

C, OTHER, ZERO = b"\xc1" * 32, b"\xc2" * 32, bytes(32)
MINE, THEIRS = b"\x0a" * 20, b"\x0b" * 20
HEADER = BatchHeader(C, MINE, 1, ZERO, 0, 900, ZERO, 1, ZERO, ZERO, ZERO, ZERO, b"\x0c" * 32, ZERO, ZERO)


@pytest.fixture
def store(tmp_path: Path) -> SqliteOperatorStore:
    return SqliteOperatorStore(tmp_path / "operator.sqlite")


def seal(store: SqliteOperatorStore, sequence: int) -> None:
    period = (900 * (sequence - 1), 900 * sequence)
    header = replace(HEADER, sequence=sequence, period_start=period[0], period_end=period[1])
    store.collect(C, sequence, period)
    store.mark_if_before_sealed(C, sequence)
    store.save_sealed(
        header, sequence.to_bytes(32), bytes(65), entries=[b"e"], salts=[b"s"], wrapped_keys=[{b"r" * 32: b"w"}],
        roster=b"",
    )  # fmt: skip


def test_a_folder_that_sealed_nothing_is_anybody_s(store: SqliteOperatorStore) -> None:
    require_own_key(store, [C, OTHER], MINE)
    store.collect(C, 1, (0, 900))
    require_own_key(store, [C], THEIRS)


@pytest.mark.parametrize("collects_more", [False, True])
def test_another_operator_s_key_is_refused(store: SqliteOperatorStore, collects_more: bool) -> None:
    seal(store, 1)
    if collects_more:  # the newest batch has no header yet
        store.collect(C, 2, (900, 1800))
    require_own_key(store, [OTHER, C], MINE)
    require_own_key(store, [OTHER], THEIRS)
    with pytest.raises(KeyOfAnotherOperator) as caught:
        require_own_key(store, [OTHER, C], THEIRS)
    error = caught.value
    assert error.exit_code == 7
    assert (error.fields["expected"], error.fields["actual"]) == ("0x" + MINE.hex(), "0x" + THEIRS.hex())
    assert error.fields["place"] == "operator.key"
    assert "own key" in (error.hint or "")
