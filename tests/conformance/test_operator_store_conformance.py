"""Every back end of an operator's tables passes the suite of its port, which finds tables that must not pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from operator_store_conformance import (
    CHECKS,
    TABLES_MAKERS,
    TablesMaker,
    changes_all_or_nothing,
    erases_after_finality_and_for_good,
    makes_only_the_table_s_moves,
    refuses_a_second_header,
)
from suites import every

from wattest.errors import WattestError
from wattest.store.batch_state import StoredState
from wattest.store.operator_store import SqliteOperatorStore


class JumpingStore(SqliteOperatorStore):
    """Must be refused: any state may follow any other."""

    def mark(self, channel: bytes, sequence: int, state: StoredState) -> None:
        self.database.run(
            "UPDATE batch SET state = ? WHERE channel = ? AND sequence = ?", state.value, channel, sequence
        )


class OverwritingStore(SqliteOperatorStore):
    """Must be refused: a later header replaces the one before."""

    def save_sealed(self, header: object, header_digest: bytes, signature: bytes, **rest: object) -> None:
        self.database.run("UPDATE batch SET header_digest = ? WHERE header_digest IS NOT NULL", header_digest)
        super().save_sealed(header, header_digest, signature, **rest)  # type: ignore[arg-type]


class HoardingStore(SqliteOperatorStore):
    """Must be refused: it says that it erased."""

    def erase(self, channel: bytes, sequence: int, position: int) -> int:
        return 2 if self.batch(channel, sequence).state is StoredState.FINAL else super().erase(channel, sequence, 0)


class LooseStore(SqliteOperatorStore):
    """Must be refused: its transactions are none."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        yield


FLAWED = {
    "jumping": (JumpingStore, makes_only_the_table_s_moves),
    "overwriting": (OverwritingStore, refuses_a_second_header),
    "hoarding": (HoardingStore, erases_after_finality_and_for_good),
    "loose": (LooseStore, changes_all_or_nothing),
}


@every(CHECKS, TABLES_MAKERS)
def test_an_operator_s_tables(check: Callable[[TablesMaker, Path], None], maker: TablesMaker, tmp_path: Path) -> None:
    check(maker, tmp_path)


@pytest.mark.parametrize("name", FLAWED)
def test_the_suite_refuses(name: str, tmp_path: Path) -> None:
    flawed, check = FLAWED[name]
    maker = TablesMaker(lambda folder: flawed(folder / "x.sqlite"), TABLES_MAKERS["sqlite"].view)
    with pytest.raises((AssertionError, WattestError, pytest.fail.Exception)):
        check(maker, tmp_path)
