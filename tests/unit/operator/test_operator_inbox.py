"""An inbox holds so many blocks and no more, however its room is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from wattest.operator import ingest
from wattest.operator.ingest import Inbox, InboxFull

CHANNEL = b"\x01" * 32


@pytest.mark.parametrize("per_count", [1, 2, 1_000])
def test_full_is_full_and_has_room_again_once_blocks_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, per_count: int
) -> None:
    monkeypatch.setattr(ingest, "MAX_INBOX_FILES", 5)
    monkeypatch.setattr(ingest, "BLOCKS_PER_COUNT", per_count)
    inbox = Inbox(tmp_path)
    paths = [inbox.put(CHANNEL, bytes([number])) for number in range(5)]
    with pytest.raises(InboxFull):
        inbox.put(CHANNEL, b"one more")
    assert inbox.put(CHANNEL, bytes([0])) == paths[0]  # it waits already
    inbox.put(b"\x02" * 32, b"another channel's")
    for path in paths[:2]:
        path.unlink()
    for number in range(2):
        inbox.put(CHANNEL, bytes([10 + number]))
    with pytest.raises(InboxFull):
        inbox.put(CHANNEL, b"one more")
    assert len(list(paths[0].parent.iterdir())) == 5
