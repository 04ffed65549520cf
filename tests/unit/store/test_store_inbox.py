"""An inbox holds so many blocks and no more, however its room is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from wattest.store import inbox as inbox_module
from wattest.store.inbox import InboxFolder
from wattest.store.ports import InboxFull

CHANNEL = b"\x01" * 32


@pytest.mark.parametrize("per_count", [1, 2, 1_000])
def test_full_is_full_and_has_room_again_once_blocks_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, per_count: int
) -> None:
    monkeypatch.setattr(inbox_module, "MAX_INBOX_FILES", 5)
    monkeypatch.setattr(inbox_module, "BLOCKS_PER_COUNT", per_count)
    inbox = InboxFolder(tmp_path)
    names = [inbox.put(CHANNEL, bytes([number])) for number in range(5)]
    with pytest.raises(InboxFull):
        inbox.put(CHANNEL, b"one more")
    assert inbox.put(CHANNEL, bytes([0])) == names[0]  # it waits already
    inbox.put(b"\x02" * 32, b"another channel's")
    for name in names[:2]:
        inbox.taken(CHANNEL, name)
    for number in range(2):
        inbox.put(CHANNEL, bytes([10 + number]))
    with pytest.raises(InboxFull):
        inbox.put(CHANNEL, b"one more")
    assert inbox.waiting(CHANNEL) == sorted(path.stem for path in (tmp_path / CHANNEL.hex()).iterdir())
    assert len(inbox.waiting(CHANNEL)) == 5
