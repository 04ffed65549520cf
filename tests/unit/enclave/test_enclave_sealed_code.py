"""Sealed code: what was compiled is found again under its key, and under nothing else."""

from __future__ import annotations

import hashlib
import os
import socket
import stat
from pathlib import Path
from types import CodeType

import pytest

from wattest.enclave.measured import sealed_code as room
from wattest.enclave.measured import wire
from wattest.enclave.measured.boot import Fence, OutsideMeasurement
from wattest.enclave.measured.errors import DeviceFailed
from wattest.enclave.measured.sealed_code import KEY_REPLY, KEY_REQUEST, MAX_FILES, SealedCode, ask_sealing_key
from wattest.enclave.simulator.launch import DeviceService, sealing_key
from wattest.enclave.simulator.platform import SimulatedPlatform

KEY = b"\x07" * 32
NAME = "packages/room/inner.py"
SOURCE = b"VALUE = 42\n"
PURPOSE = b"code"
MEASUREMENT = b"\x06" * 32


def compiled(source: bytes = SOURCE) -> CodeType:
    return compile(source, "inner.py", "exec")


def kept(folder: Path, key: bytes = KEY) -> Path:
    """Seal one module's code; the file."""
    before = set(folder.iterdir())
    sealed = SealedCode(str(folder), key)
    sealed.add(NAME, compiled())
    sealed.keep()
    (made,) = set(folder.iterdir()) - before
    return made


def value_of(code: CodeType | None) -> object:
    assert code is not None
    names: dict[str, object] = {}
    exec(code, names)
    return names["VALUE"]


def test_what_was_compiled_is_there_at_the_next_start(tmp_path: Path) -> None:
    place = kept(tmp_path)
    assert value_of(SealedCode(str(tmp_path), KEY).get(NAME)) == 42
    assert SealedCode(str(tmp_path), KEY).get("packages/room/other.py") is None
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_more_is_added_to_what_was_sealed_and_nothing_is_written_without_more(tmp_path: Path) -> None:
    place = kept(tmp_path)
    inode = place.stat().st_ino
    second = SealedCode(str(tmp_path), KEY)
    second.keep()
    assert place.stat().st_ino == inode
    second.add("packages/room/other.py", compiled(b"VALUE = 43\n"))
    second.keep()
    third = SealedCode(str(tmp_path), KEY)
    assert (value_of(third.get(NAME)), value_of(third.get("packages/room/other.py"))) == (42, 43)


def test_one_bit_anywhere_or_a_missing_end_makes_it_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = kept(tmp_path)
    honest = place.read_bytes()

    def never(_: bytes) -> object:
        raise AssertionError("unmarshalled before the tag held")

    monkeypatch.setattr(room.marshal, "loads", never)
    for position in range(len(honest)):
        place.write_bytes(honest[:position] + bytes([honest[position] ^ 1]) + honest[position + 1 :])
        assert SealedCode(str(tmp_path), KEY).get(NAME) is None
        place.write_bytes(honest[:position])
        assert SealedCode(str(tmp_path), KEY).get(NAME) is None
    place.write_bytes(honest + b"\0")
    assert SealedCode(str(tmp_path), KEY).get(NAME) is None
    monkeypatch.setattr(room, "MAX_BYTES", len(honest) - 1)
    place.write_bytes(honest)
    assert SealedCode(str(tmp_path), KEY).get(NAME) is None
    monkeypatch.undo()
    assert value_of(SealedCode(str(tmp_path), KEY).get(NAME)) == 42


def test_another_key_neither_finds_nor_believes_it(tmp_path: Path) -> None:
    place = kept(tmp_path)
    other = SealedCode(str(tmp_path), b"\x08" * 32)
    assert other.get(NAME) is None
    place.replace(other._place)
    assert SealedCode(str(tmp_path), b"\x08" * 32).get(NAME) is None


def test_only_the_newest_files_stay(tmp_path: Path) -> None:
    for number in range(MAX_FILES + 2):
        place = kept(tmp_path, bytes([number]) * 32)
        os.utime(place, ns=(number, number))
    assert len(list(tmp_path.iterdir())) == MAX_FILES
    assert SealedCode(str(tmp_path), bytes([0]) * 32).get(NAME) is None
    assert value_of(SealedCode(str(tmp_path), bytes([MAX_FILES + 1]) * 32).get(NAME)) == 42


def test_where_nothing_can_be_written_nothing_is_kept_and_nothing_fails(tmp_path: Path) -> None:
    sealed = SealedCode(str(tmp_path / "nowhere"), KEY)
    sealed.add(NAME, compiled())
    sealed.keep()
    assert not list(tmp_path.iterdir())


def test_question_and_answer_are_those_of_the_socket(enclave_platform: SimulatedPlatform) -> None:
    assert wire.encode_request(1, "sealing_key", {"purpose": PURPOSE}) == KEY_REQUEST
    assert wire.encode_result(1, {"key": KEY}) == KEY_REPLY + KEY
    inside, outside = socket.socketpair()
    DeviceService(enclave_platform, MEASUREMENT, debug=False).start(outside)
    with inside:
        expected = sealing_key(enclave_platform, MEASUREMENT, PURPOSE, debug=False)
        assert ask_sealing_key(inside.fileno()) == expected
        assert ask_sealing_key(inside.fileno()) == expected  # the stream stands at the next frame
    assert expected != sealing_key(enclave_platform, MEASUREMENT, PURPOSE, debug=True)


@pytest.mark.parametrize(
    "answer",
    [
        wire.encode_error(1, DeviceFailed("no", retryable=False)),
        wire.encode_result(1, {"key": KEY[:-1]}),
        wire.encode_result(1, {"key": KEY + b"\0"}),
        wire.encode_result(2, {"key": KEY}),
        b"",
    ],
    ids=["error", "short", "long", "another question", "nothing"],
)
def test_an_answer_of_another_form_is_no_key(answer: bytes) -> None:
    inside, outside = socket.socketpair()
    with inside, outside:
        if answer:
            wire.send_frame(outside, answer)
        outside.shutdown(socket.SHUT_WR)
        assert ask_sealing_key(inside.fileno()) == b""


def test_a_platform_that_is_gone_gives_no_key() -> None:
    inside, outside = socket.socketpair()
    outside.close()
    with inside:
        assert ask_sealing_key(inside.fileno()) == b""


def test_a_source_is_checked_whether_its_code_is_sealed_or_not(tmp_path: Path) -> None:
    source, folder = tmp_path / "inner.py", tmp_path / "code"
    folder.mkdir()
    source.write_bytes(SOURCE)
    fence = Fence({NAME: hashlib.sha256(SOURCE).hexdigest()}, {NAME: str(source)})

    def loaded() -> object:
        fence.sealed = SealedCode(str(folder), KEY)
        spec = fence.find_spec("room.inner", None)
        assert spec is not None
        code = spec.loader.get_code("room.inner")  # type: ignore[union-attr]
        fence.sealed.keep()
        assert code.co_filename == str(source)
        return value_of(code)

    assert loaded() == 42
    assert SealedCode(str(folder), KEY).get(NAME) is not None
    assert loaded() == 42
    source.write_bytes(b"VALUE = 43\n")
    with pytest.raises(OutsideMeasurement):
        loaded()
