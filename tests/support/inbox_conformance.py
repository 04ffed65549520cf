"""The one suite of the ``BlockInbox`` port: what an operator and its HTTP server count on, wherever blocks wait."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from memory_inbox import MemoryInbox

from wattest.store import inbox as inbox_module
from wattest.store.back_ends import INBOXES
from wattest.store.ports import MAX_BLOCK_BYTES, BlockInbox, BlockTooLarge, InboxFull

HERE, THERE = b"\x01" * 32, b"\x02" * 32
BODIES = [b"block %d" % number for number in range(7)]


@dataclass(frozen=True)
class InboxMaker:
    """One back end for the suite.

    ``make`` opens it at a folder, with room for so many blocks of a channel, None for its own limit. ``refused`` gives
    what was set aside of a channel: body and reason by name. ``kind`` is its name in the register where its blocks
    outlive the process, None where they do not.
    """

    make: Callable[[Path, int | None], BlockInbox]
    refused: Callable[[BlockInbox, Path, bytes], dict[str, tuple[bytes, dict[str, object]]]]
    kind: str | None = None


def left(inbox: BlockInbox, channel: bytes) -> dict[str, bytes]:
    return {name: inbox.body(channel, name) for name in inbox.waiting(channel)}


def keeps_what_was_left(maker: InboxMaker, folder: Path) -> None:
    inbox = maker.make(folder, None)
    assert list(inbox.waiting(HERE)) == []
    names = [inbox.put(HERE, body) for body in BODIES]
    assert left(inbox, HERE) == dict(zip(names, BODIES, strict=True))
    assert list(inbox.waiting(HERE)) == sorted(names)
    assert list(inbox.waiting(THERE)) == []


def keeps_one_of_the_same(maker: InboxMaker, folder: Path) -> None:
    inbox = maker.make(folder, 1)
    assert inbox.put(HERE, BODIES[0]) == inbox.put(HERE, BODIES[0])
    assert list(left(inbox, HERE).values()) == [BODIES[0]]
    inbox.put(THERE, BODIES[0])  # another channel's is another's
    assert list(left(inbox, THERE).values()) == [BODIES[0]]


def forgets_what_is_taken(maker: InboxMaker, folder: Path) -> None:
    inbox = maker.make(folder, None)
    first, second = (inbox.put(HERE, body) for body in BODIES[:2])
    inbox.put(THERE, BODIES[0])
    inbox.taken(HERE, first)
    assert left(inbox, HERE) == {second: BODIES[1]}
    assert list(left(inbox, THERE).values()) == [BODIES[0]]
    assert inbox.put(HERE, BODIES[0]) == first  # it may come again
    assert set(left(inbox, HERE).values()) == {BODIES[0], BODIES[1]}


def keeps_what_is_set_aside_out_of_the_way(maker: InboxMaker, folder: Path) -> None:
    inbox = maker.make(folder, None)
    first, second = (inbox.put(HERE, body) for body in BODIES[:2])
    reason: dict[str, object] = {"code": "ForeignMeter", "message": "the meter is no member of the channel"}
    inbox.set_aside(HERE, first, reason)
    assert left(inbox, HERE) == {second: BODIES[1]}
    assert maker.refused(inbox, folder, HERE) == {first: (BODIES[0], reason)}
    assert maker.refused(inbox, folder, THERE) == {}
    inbox.put(HERE, BODIES[0])  # and whoever sends it again is told again
    inbox.set_aside(HERE, first, reason)
    assert maker.refused(inbox, folder, HERE) == {first: (BODIES[0], reason)}


def lets_wait_again_what_may_return(maker: InboxMaker, folder: Path) -> None:
    inbox = maker.make(folder, None)
    names = [inbox.put(HERE, body) for body in BODIES[:3]]
    for name, code in zip(names, ("PeriodMismatch", "PeriodMismatch", "ForeignMeter"), strict=True):
        inbox.set_aside(HERE, name, {"error": code})
    assert inbox.take_back(THERE, "PeriodMismatch", lambda _: True) == 0
    assert inbox.take_back(HERE, "PeriodMismatch", lambda body: body == BODIES[0]) == 1
    assert left(inbox, HERE) == {names[0]: BODIES[0]}
    assert set(maker.refused(inbox, folder, HERE)) == set(names[1:])
    assert inbox.take_back(HERE, "PeriodMismatch", lambda body: body == BODIES[0]) == 0  # once


def has_room_for_so_many(maker: InboxMaker, folder: Path) -> None:
    inbox = maker.make(folder, 5)
    names = [inbox.put(HERE, body) for body in BODIES[:5]]
    with pytest.raises(InboxFull):
        inbox.put(HERE, BODIES[5])
    assert set(left(inbox, HERE).values()) == set(BODIES[:5])
    inbox.put(HERE, BODIES[0])  # it waits already
    inbox.put(THERE, BODIES[5])
    inbox.taken(HERE, names[0])
    inbox.put(HERE, BODIES[5])
    with pytest.raises(InboxFull):
        inbox.put(HERE, BODIES[6])


def refuses_what_is_too_large(maker: InboxMaker, folder: Path) -> None:
    inbox = maker.make(folder, None)
    inbox.put(HERE, bytes(MAX_BLOCK_BYTES))
    with pytest.raises(BlockTooLarge) as caught:
        inbox.put(HERE, bytes(MAX_BLOCK_BYTES + 1))
    assert caught.value.fields["expected"] == MAX_BLOCK_BYTES
    assert [len(body) for body in left(inbox, HERE).values()] == [MAX_BLOCK_BYTES]


def takes_from_many_threads(maker: InboxMaker, folder: Path) -> None:
    inbox = maker.make(folder, None)
    bodies = [b"%d" % (number % 40) for number in range(80)]
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda body: inbox.put(HERE, body), bodies))
    assert left(inbox, HERE) == dict(zip(names, bodies, strict=True))
    assert len(set(names)) == 40


def outlives_a_kill(maker: InboxMaker, folder: Path) -> None:
    """What was acknowledged is there after a kill, in every registered back end."""
    if maker.kind is None:
        return
    program = (
        "import os, signal, sys; from pathlib import Path; from wattest.store.back_ends import INBOXES\n"
        "inbox = INBOXES[sys.argv[1]](Path(sys.argv[2]))\n"
        "print(inbox.put(b'\\x01' * 32, b'left before the end'), flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, maker.kind, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == -9
    inbox = INBOXES[maker.kind](folder)
    assert left(inbox, HERE) == {done.stdout.strip(): b"left before the end"}


CHECKS: list[Callable[[InboxMaker, Path], None]] = [
    keeps_what_was_left,
    keeps_one_of_the_same,
    forgets_what_is_taken,
    keeps_what_is_set_aside_out_of_the_way,
    lets_wait_again_what_may_return,
    has_room_for_so_many,
    refuses_what_is_too_large,
    takes_from_many_threads,
    outlives_a_kill,
]


def _files(folder: Path, most: int | None) -> BlockInbox:
    inbox = INBOXES["files"](folder)
    if most is not None:
        inbox_module.MAX_INBOX_FILES = most  # the test's fixture puts it back
    return inbox


def _refused_files(_: BlockInbox, folder: Path, channel: bytes) -> dict[str, tuple[bytes, dict[str, object]]]:
    found = (folder / "inbox" / "refused" / channel.hex()).glob("*.block")
    return {path.stem: (path.read_bytes(), json.loads(path.with_suffix(".json").read_text())) for path in found}


def _refused_in_memory(inbox: BlockInbox, _: Path, channel: bytes) -> dict[str, tuple[bytes, dict[str, object]]]:
    assert isinstance(inbox, MemoryInbox)
    return {name: kept for (of, name), kept in inbox.refused.items() if of == channel}


INBOX_MAKERS = {
    "files": InboxMaker(_files, _refused_files, "files"),
    "memory": InboxMaker(lambda _, most: MemoryInbox(*(() if most is None else (most,))), _refused_in_memory),
}


class ForgetfulInbox(MemoryInbox):
    """Must be refused: a block that is set aside is gone."""

    def set_aside(self, channel: bytes, name: str, reason: object) -> None:
        self.taken(channel, name)


class DoublingInbox(MemoryInbox):
    """Must be refused: the same block twice is two."""

    def put(self, channel: bytes, body: bytes) -> str:
        name = super().put(channel, body)
        self._waiting[channel][name + str(len(self._waiting[channel]))] = body
        return name


class EndlessInbox(MemoryInbox):
    """Must be refused: it is never full."""

    def __init__(self, _: int | None = None) -> None:
        super().__init__(1 << 40)


FLAWED = {
    "forgetful": (ForgetfulInbox, keeps_what_is_set_aside_out_of_the_way),
    "doubling": (DoublingInbox, keeps_one_of_the_same),
    "endless": (EndlessInbox, has_room_for_so_many),
}
