"""The back ends that an operator's data may be kept in, by the names that a configuration says.

Decided here: the registers, one line a back end; each opens what lies in an operator's data folder. Not decided here:
what a back end promises (``ports``, ``operator_port``). docs/howto/add-a-back-end.md
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wattest.io.crash_points import CrashPoints
from wattest.store.bundle_store import BundleFolder
from wattest.store.inbox import InboxFolder
from wattest.store.operator_port import OperatorStore, OperatorView
from wattest.store.operator_store import SqliteOperatorStore
from wattest.store.ports import BlockInbox, BundleStore

SQLITE_FILE = "operator.sqlite"


@dataclass(frozen=True, slots=True)
class Tables:
    """An operator's tables at a data folder: opened once by their writer, which raises ``DatabaseInUse`` where there
    is one already, as often as wanted by readers."""

    write: Callable[[Path, CrashPoints | None], OperatorStore]
    view: Callable[[Path], OperatorView]
    are_there: Callable[[Path], bool]


OPERATOR_STORES: dict[str, Tables] = {
    "sqlite": Tables(
        lambda data, faults: SqliteOperatorStore(data / SQLITE_FILE, faults=faults),
        lambda data: SqliteOperatorStore(data / SQLITE_FILE, read_only=True),
        lambda data: (data / SQLITE_FILE).exists(),
    ),
}
BUNDLE_STORES: dict[str, Callable[[Path], BundleStore]] = {
    "files": lambda data: BundleFolder(data / "bundles"),
}
INBOXES: dict[str, Callable[[Path], BlockInbox]] = {
    "files": lambda data: InboxFolder(data / "inbox"),
}


@dataclass(frozen=True, slots=True)
class DataPlace:
    """An operator's data: the folder, and which back end keeps what; names are of the registers."""

    folder: Path
    tables: str = "sqlite"
    bundles: str = "files"
    inbox: str = "files"

    @property
    def has_tables(self) -> bool:
        """Whether an operator has run here before."""
        return OPERATOR_STORES[self.tables].are_there(self.folder)

    def write(self, faults: CrashPoints | None = None) -> OperatorStore:
        """The tables, for their one writer: that it opens says that no operator runs here."""
        return OPERATOR_STORES[self.tables].write(self.folder, faults)

    def view(self) -> OperatorView:
        """The tables, to read."""
        return OPERATOR_STORES[self.tables].view(self.folder)

    def open_bundles(self) -> BundleStore:
        """The bundles."""
        return BUNDLE_STORES[self.bundles](self.folder)

    def open_inbox(self) -> BlockInbox:
        """The inbox."""
        return INBOXES[self.inbox](self.folder)
