"""The back ends that an operator's data may be kept in, by the names that a configuration says.

Decided here: the registers, one line a back end; each opens what lies in an operator's data folder. Not decided here:
what a back end promises (``ports``). docs/howto/add-a-back-end.md
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from wattest.store.inbox import InboxFolder
from wattest.store.ports import BlockInbox

INBOXES: dict[str, Callable[[Path], BlockInbox]] = {
    "files": lambda data: InboxFolder(data / "inbox"),
}
