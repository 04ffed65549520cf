"""Every entry point of the native core with hostile arguments: a value or a typed refusal, never a panic or a hang."""

from __future__ import annotations

import os
import threading
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from fuzz_native import ENTRIES, GENUINE, KINDS, REFUSED, attempt, changed_call, declared, offered

SHORT = 250
DEEP = int(os.environ.get("WATTEST_FUZZ_COUNT", "20000"))


def test_every_entry_point_is_fuzzed() -> None:
    assert set(GENUINE) == set(ENTRIES), "an entry point of _native.pyi needs a genuine call in fuzz_native.GENUINE"
    assert set(ENTRIES) == offered(), "_native.pyi declares other entry points than the module has"
    assert {kind for entry in ENTRIES.values() for kind in entry.arguments} <= set(KINDS)


def test_a_new_entry_point_would_be_seen() -> None:
    more = declared(
        "def f(a: Buffer, b: int = 1, /) -> None: ...\n"
        "class C:\n"
        "    def __init__(self) -> None: ...\n"
        "    @staticmethod\n"
        "    def s(a: int, /) -> C: ...\n"
        "    @property\n"
        "    def p(self) -> int: ...\n"
        "    def m(self, a: Indices, /) -> int: ...\n"
    )
    assert {name: entry.arguments for name, entry in more.items()} == {
        "f": ("Buffer", "int"),
        "C": (),
        "C.s": ("int",),
        "C.p": (),
        "C.m": ("Indices",),
    }
    assert (more["C.p"].is_property, more["C.m"].is_method, more["C.s"].is_method) == (True, True, False)


@pytest.mark.parametrize("name", GENUINE)
def test_the_genuine_call_works(name: str, tmp_path: Path) -> None:
    assert (attempt(ENTRIES[name], GENUINE[name](tmp_path)) == "value") == (name not in REFUSED)


def fuzz(name: str, folder: Path, first: int, count: int) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    for seed in range(first, first + count):
        arguments = changed_call(ENTRIES[name], folder, Random(f"{name} {seed}"))
        try:
            outcomes[attempt(ENTRIES[name], arguments)] += 1
        except BaseException as error:
            error.add_note(f"seed {seed} of {name}")
            raise
    return outcomes


@pytest.mark.parametrize("name", GENUINE)
def test_hostile_arguments(name: str, tmp_path: Path) -> None:
    outcomes = fuzz(name, tmp_path, 0, SHORT if ENTRIES[name].arguments else 5)
    if ENTRIES[name].arguments:
        assert outcomes["value"] < SHORT, "nothing hostile was refused"
        assert len(outcomes) >= 3, outcomes


@pytest.mark.deep
@pytest.mark.parametrize("name", GENUINE)
def test_hostile_arguments_at_length(name: str, tmp_path: Path) -> None:
    fuzz(name, tmp_path, SHORT, DEEP)


def test_buffers_that_another_thread_changes(tmp_path: Path) -> None:
    """Each entry point with every buffer in memory that is written to meanwhile."""
    calls = []
    memory = []
    for name, entry in ENTRIES.items():
        arguments = list(GENUINE[name](tmp_path))
        for at, given in enumerate(arguments):
            if isinstance(given, bytes) and "Buffer" in entry.arguments:
                arguments[at] = np.frombuffer(given, np.uint8).copy()
                memory.append(arguments[at])
            elif isinstance(given, tuple) and given and isinstance(given[0], int):
                arguments[at] = np.array(given, np.uint64)
                memory.append(arguments[at])
        calls.append((entry, arguments))
    assert len(memory) > 40
    stop = threading.Event()

    def change() -> None:
        random = Random(5)
        while not stop.is_set():
            each: Any = random.choice(memory)
            if each.size:
                each[random.randrange(each.size)] ^= each.dtype.type(random.choice((1, 128)))

    writer = threading.Thread(target=change)
    writer.start()
    try:
        for _ in range(150):
            for entry, arguments in calls:
                attempt(entry, arguments)
    finally:
        stop.set()
        writer.join()


def test_a_buffer_that_is_held_cannot_go() -> None:
    """A bytearray is neither shortened nor freed under a call that reads it from another thread."""
    payloads, salts, stop = bytearray(24 * 50_000), bytes(16 * 50_000), threading.Event()
    build = ENTRIES["Tree.build"]

    def shrink() -> None:
        while not stop.is_set():
            try:
                payloads.append(1)
                del payloads[24 * 50_000 :]
            except BufferError:  # it is being read
                continue

    shrinker = threading.Thread(target=shrink)
    shrinker.start()
    try:
        outcomes = Counter(attempt(build, (payloads, 24, salts, 2)) for _ in range(10))
    finally:
        stop.set()
        shrinker.join()
    assert set(outcomes) <= {"value", "LengthWrong"}
