"""Every entry point of the native core, from Python, with arguments made to break it.

``GENUINE`` has one call that works for each function, method and property of ``_native.pyi``; what each argument may be
replaced with follows from its annotation there. A new entry point needs its line in ``GENUINE`` and nothing else.
"""

from __future__ import annotations

import array
import ast
import ctypes
import itertools
import json
import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from wattest.crypto import _native, native

ROOT = Path(__file__).resolve().parents[2]
STUB = ROOT / "src" / "wattest" / "crypto" / "_native.pyi"
REFUSALS = (native.Fault, TypeError, OverflowError, BufferError, ValueError)
"""What an entry point may answer with beside a value: faults, and what Python says of wrong types and numbers."""

SIZE, WIDTH = 40, 24
PAYLOADS, SALTS = Random(1).randbytes(SIZE * WIDTH), Random(2).randbytes(SIZE * 16)
TREE = native.Tree.build(PAYLOADS, WIDTH, SALTS)
INDICES, ENDS = (3, 9, 10, 0, 39), (3, 5)
LEAVES = TREE.leaves(INDICES)
HASH, KEY = bytes(range(32)), bytes(range(32, 64))
WORK_MAX = 100_000
_numbered = itertools.count()


def _block() -> bytes:
    cases = json.loads((ROOT / "vectors" / "metering" / "device_blocks.json").read_text())["cases"]
    return bytes.fromhex(next(case["bytes"] for case in cases if case["outcome"] == "accepted"))


BLOCK = _block()
BLOCK_END = len(BLOCK).to_bytes(8, "big")
OPENED = native.open_device_blocks(BLOCK, BLOCK_END)
RECORDS = BLOCK[85:-64]
EDITED = b"\0" + (1).to_bytes(4, "big") + (len(RECORDS) // 63).to_bytes(4, "big") + RECORDS
SEALED, CIPHERTEXT = native.seal_series(HASH, 7, OPENED, EDITED, bytes(25), HASH, KEY, b"", 1)
ENTRY = SEALED[1:119]
PLAINTEXT, PLAINTEXT_END = native.open_series(HASH, 7, HASH, KEY, CIPHERTEXT, len(CIPHERTEXT).to_bytes(8, "big"), 1)
CHECKED = native.check_series(ENTRY, KEY, PLAINTEXT, PLAINTEXT_END, 1)
READER, ONE = b"\x09" + bytes(31), (1).to_bytes(8, "big")


def _wrapping() -> native.KeyWrapping:
    return native.ReaderContexts(HASH).check_out(7, HASH, KEY, READER, ONE)


def _growing() -> native.GrowingTree:
    tree = native.GrowingTree()
    tree.append(PAYLOADS, WIDTH, SALTS)
    return tree


def _stored(folder: Path) -> native.StoredTree:
    tree = native.StoredTree.create(folder / f"tree-{next(_numbered)}")
    tree.append(PAYLOADS, WIDTH, SALTS)
    tree.commit()
    return tree


def _file(folder: Path) -> Path:
    path = folder / f"file-{next(_numbered)}"
    native.StoredTree.create(path)
    return path


def _unsalted() -> native.Tree:
    return native.Tree.build_sha256(PAYLOADS, WIDTH)


GENUINE: dict[str, Callable[[Path], tuple[Any, ...]]] = {
    "keccak256": lambda _: (PAYLOADS,),
    "leaf_hash": lambda _: (SALTS[:16], PAYLOADS[:WIDTH]),
    "node_hash": lambda _: (HASH, KEY),
    "derive_salts": lambda _: (KEY, 1, 9),
    "key_salts": lambda _: (HASH + KEY, 2),
    "keccak_permutations": lambda _: (100,),
    "simd_kernels": lambda _: (),
    "verify_inclusion": lambda _: (TREE.root, TREE.leaf(3), 3, SIZE, native.split_nodes(TREE.path(3))),
    "verify_sha256_inclusion": lambda _: (
        _unsalted().root, PAYLOADS[:WIDTH], 0, SIZE, native.split_nodes(_unsalted().path(0)),
    ),
    "verify_multiproof": lambda _: (TREE.root, SIZE, INDICES[:3], LEAVES[:96], TREE.multiproofs(INDICES[:3], (3,))),
    "verify_multiproofs": lambda _: (TREE.root, SIZE, INDICES, ENDS, LEAVES, TREE.multiproofs(INDICES, ENDS), 2),
    "verify_batch": lambda _: (TREE.root, SIZE, INDICES, LEAVES, TREE.paths(INDICES), 2),
    "batch_node_count": lambda _: (INDICES, SIZE),
    "multiproof_node_count": lambda _: (INDICES, ENDS, SIZE),
    "split_nodes": lambda _: (LEAVES,),
    "verify_signatures": lambda _: ("p256", HASH + KEY, PAYLOADS, len(PAYLOADS).to_bytes(8, "big"), bytes(64), 2),
    "open_device_blocks": lambda _: (BLOCK, BLOCK_END, 2),
    "vee_input": lambda _: (BLOCK, BLOCK_END, OPENED, bytes(25), 900, 2**40),
    "seal_series": lambda _: (HASH, 7, OPENED, EDITED, bytes(25), HASH, KEY, b"", 2),
    "open_series": lambda _: (HASH, 7, HASH, KEY, CIPHERTEXT, len(CIPHERTEXT).to_bytes(8, "big"), 2),
    "check_series": lambda _: (ENTRY, KEY, PLAINTEXT, PLAINTEXT_END, 2),
    "checked_vee_input": lambda _: (PLAINTEXT, PLAINTEXT_END, CHECKED, 900, 2**40),
    "compare_edited": lambda _: (PLAINTEXT, PLAINTEXT_END, CHECKED, EDITED),
    "crc16": lambda _: (PAYLOADS,),
    "default_threads": lambda _: (),
    "ReaderContexts": lambda _: (HASH,),
    "ReaderContexts.check_out": lambda _: (native.ReaderContexts(HASH), 7, HASH, KEY, READER, ONE),
    "KeyWrapping.page": lambda _: (_wrapping(), 0, 1, 2),
    "Tree.build": lambda _: (PAYLOADS, WIDTH, SALTS, 2),
    "Tree.from_payloads": lambda _: ([b"", PAYLOADS[:118], b"x"], [SALTS[:16]] * 3),
    "Tree.build_sha256": lambda _: (PAYLOADS, WIDTH),
    "Tree.size": lambda _: (TREE,),
    "Tree.root": lambda _: (TREE,),
    "Tree.leaf": lambda _: (TREE, 3),
    "Tree.leaves": lambda _: (TREE, INDICES),
    "Tree.path": lambda _: (TREE, 3),
    "Tree.paths": lambda _: (TREE, INDICES),
    "Tree.multiproofs": lambda _: (TREE, INDICES, ENDS),
    "Tree.nodes": lambda _: (TREE,),
    "GrowingTree": lambda _: (),
    "GrowingTree.append": lambda _: (_growing(), PAYLOADS, WIDTH, SALTS, 2),
    "GrowingTree.size": lambda _: (_growing(),),
    "GrowingTree.root": lambda _: (native.GrowingTree(),),
    "GrowingTree.prove": lambda _: (_growing(), INDICES),
    "GrowingTree.prove_groups": lambda _: (_growing(), INDICES, ENDS),
    "StoredTree.create": lambda folder: (folder / f"new-{next(_numbered)}",),
    "StoredTree.open": lambda folder: (_file(folder), False),
    "StoredTree.append": lambda folder: (_stored(folder), PAYLOADS, WIDTH, SALTS, 2),
    "StoredTree.commit": lambda folder: (_stored(folder),),
    "StoredTree.size": lambda folder: (_stored(folder),),
    "StoredTree.committed_size": lambda folder: (_stored(folder),),
    "StoredTree.root": lambda folder: (_stored(folder),),
    "StoredTree.prove": lambda folder: (_stored(folder), INDICES),
    "StoredTree.prove_groups": lambda folder: (_stored(folder), INDICES, ENDS),
}  # fmt: skip
REFUSED = {"GrowingTree.root"}
"""Of these the genuine call is itself a refusal: it has no arguments that could be wrong."""


@dataclass(frozen=True)
class Entry:
    """A function, method or property as the stub declares it: its path, and each argument's annotation."""

    name: str
    arguments: tuple[str, ...]
    is_property: bool = False
    is_method: bool = False

    def call(self, arguments: Sequence[Any]) -> object:
        """Calls it; of a method the first argument is the object."""
        owner, _, last = self.name.rpartition(".")
        if self.is_property:
            return getattr(arguments[0], last)
        if self.is_method:
            return getattr(arguments[0], last)(*arguments[1:])
        return getattr(getattr(_native, owner) if owner else _native, last)(*arguments)


def declared(stub: str) -> dict[str, Entry]:
    """Every entry point of a stub, by path; a class that can be called by its own name."""
    found = {}
    for node in ast.parse(stub).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = Entry(node.name, _annotations(node))
        elif isinstance(node, ast.ClassDef) and node.name != "Fault":
            for method in node.body:
                if not isinstance(method, ast.FunctionDef) or method.name == "__len__":
                    continue
                marks = {ast.unparse(mark) for mark in method.decorator_list}
                if method.name == "__init__":
                    found[node.name] = Entry(node.name, _annotations(method)[1:])
                elif "staticmethod" in marks:
                    path = f"{node.name}.{method.name}"
                    found[path] = Entry(path, _annotations(method))
                else:
                    path = f"{node.name}.{method.name}"
                    found[path] = Entry(path, _annotations(method)[1:], "property" in marks, "property" not in marks)
    return found


def _annotations(function: ast.FunctionDef) -> tuple[str, ...]:
    given = [*function.args.posonlyargs, *function.args.args]
    return tuple("" if each.annotation is None else ast.unparse(each.annotation) for each in given)


ENTRIES = declared(STUB.read_text("utf-8"))


def offered() -> set[str]:
    """Every entry point that the module has when it runs."""
    found = set()
    for name, value in vars(_native).items():
        if name.startswith("_") or value is native.Fault:
            continue
        if not isinstance(value, type):
            found.add(name)
            continue
        found |= {f"{name}.{member}" for member in vars(value) if not member.startswith("_")}
        if "__new__" in vars(value):
            found.add(name)
    return found


class Thrown(Exception):
    """What a hostile argument raises when it is looked at: it comes back as it is."""


class Thrower(Sequence[Any]):
    """Raises whatever is asked of it."""

    def _fail(self, *_: object) -> Any:
        raise Thrown

    __len__ = __getitem__ = __iter__ = __index__ = __int__ = __fspath__ = __bytes__ = __array_interface__ = _fail


class Endless(Sequence[Any]):
    """Says that it is short, or as long as can be, and never ends."""

    def __init__(self, length: int, item: object) -> None:
        self._length, self._item = length, item

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, at: Any) -> Any:
        return self._item

    def __iter__(self) -> Iterator[Any]:
        return itertools.repeat(self._item)


class Clearing(list[Any]):
    """Loses its items while it is walked through."""

    def __iter__(self) -> Iterator[Any]:
        for item in super().__iter__():
            yield item
            self.clear()


NUMBERS: tuple[Any, ...] = (
    -1, 0, 1, 2, 38, 39, 40, 41, 255, 256, 257, 65_535, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**33, 2**63 - 1, 2**63,
    2**64 - 1, 2**64, 2**70, -(2**63), -(2**70), True, None, "1", 1.0, 1.5, float("nan"), b"1", (), np.int64(3),
    np.uint64(2**64 - 1), np.float64(3), np.array(3), Thrower(),
)  # fmt: skip


def numbers(_: Any, random: Random) -> Any:
    """Numbers at every limit, and what is none."""
    return random.choice(NUMBERS)


def buffers(genuine: Any, random: Random) -> Any:
    """The same bytes in other forms, other bytes in the same form, and what is no buffer."""
    data = genuine if isinstance(genuine, bytes) else bytes(8)
    change = random.randrange(8)
    if change == 0:
        data = data[:-1]
    elif change == 1:
        data += b"\0"
    elif change == 2:
        data = b""
    elif change == 3 and data:
        at = random.randrange(len(data))
        data = data[:at] + bytes((data[at] ^ 1 << random.randrange(8),)) + data[at + 1 :]
    elif change == 4:
        data = data * random.randrange(3)
    return random.choice(FORMS)(data)


def _released(data: bytes) -> memoryview:
    view = memoryview(data)
    view.release()
    return view


def _mapped(data: bytes) -> object:
    if not data:
        return mmap.mmap(-1, 4096)
    memory = mmap.mmap(-1, len(data))
    memory.write(data)
    return memory


def _cast(data: bytes, form: str, *shape: list[int]) -> object:
    view = memoryview(data + bytes(-len(data) % 8))
    return view.cast(form, *shape)  # type: ignore[call-overload]  # forms and shapes are drawn


FORMS: tuple[Callable[[bytes], Any], ...] = (
    bytes,
    bytearray,
    memoryview,
    lambda data: memoryview(bytearray(data)).toreadonly(),
    lambda data: memoryview(data)[::2],
    lambda data: memoryview(data)[::-1],
    lambda data: memoryview(b"x" + data)[1:],
    lambda data: _cast(data, "b"),
    lambda data: _cast(data, "H"),
    lambda data: _cast(data, "Q"),
    lambda data: _cast(data, "d"),
    lambda data: _cast(data, "?"),
    lambda data: _cast(data, "B", [8, (len(data) + 7) // 8]) if data else memoryview(b""),
    lambda data: np.frombuffer(data, np.uint8),
    lambda data: np.frombuffer(data, np.int8).copy(),
    lambda data: np.frombuffer(data + data, np.uint8)[::2],
    lambda data: np.asfortranarray(np.frombuffer(data + data, np.uint8).reshape(2, -1)),
    lambda data: np.frombuffer(b"x" + data + bytes(-len(data) % 8), np.uint8)[1:].view(np.uint64),
    lambda data: np.frombuffer(data + bytes(-len(data) % 8), ">u8"),
    lambda data: np.frombuffer(data + bytes(-len(data) % 8), np.dtype([("a", "u4"), ("b", "f4")])),
    lambda data: np.frombuffer(data, np.dtype("V1")),
    lambda data: np.frombuffer(data, "S1"),
    lambda data: np.array([data], object),
    lambda data: np.frombuffer(data, np.bool_),
    lambda data: array.array("B", data),
    lambda data: array.array("h", data + bytes(len(data) % 2)),
    lambda data: (ctypes.c_ubyte * len(data)).from_buffer_copy(data),
    lambda data: (ctypes.c_uint32 * (len(data) // 4))(),
    _mapped,
    _released,
    lambda _: None,
    lambda data: data.hex(),
    list,
    lambda _: 5,
    lambda _: Thrower(),
)


def indices(genuine: Any, random: Random) -> Any:
    """Lists of awkward numbers, sequences that lie, and buffers of every item."""
    choice = random.randrange(8)
    if choice == 0:
        return buffers(b"".join(int(at).to_bytes(8, "little") for at in genuine), random)
    if choice == 1:
        return np.array(genuine, random.choice((np.uint64, np.int64, np.int32, np.float64, ">u8", "u1")))
    if choice == 2:
        strange = (Endless(3, 1), Endless(2**62, 1), Endless(0, "1"), Clearing(genuine), Thrower(), range(2**62), {})
        return random.choice((*strange, range(-(2**62), 0), "12", None, 5, set(genuine), iter(genuine)))
    if choice == 3:
        return memoryview(array.array("Q", genuine))[:: random.choice((-1, 2))]
    changed = list(genuine)
    for _ in range(random.randrange(3)):
        changed.insert(random.randrange(len(changed) + 1), random.choice(NUMBERS))
    random.shuffle(changed)
    return tuple(changed) if choice == 4 else changed[: random.randrange(len(changed) + 1)]


def paths_of_nodes(genuine: Any, random: Random) -> Any:
    """Tuples of another length or of other things, and what is no tuple."""
    changed = [*genuine, HASH] * random.choice((0, 1, 1, 1, 8))
    for _ in range(random.randrange(3)):
        changed.insert(random.randrange(len(changed) + 1), buffers(HASH, random))
    return random.choice((tuple, tuple, tuple, list, iter, repr))(changed)


def lists_of_buffers(genuine: Any, random: Random) -> Any:
    """Lists of buffers of every form and number, sequences that lie, and what is no list."""
    changed = list(genuine)
    for _ in range(random.randrange(3)):
        changed.insert(random.randrange(len(changed) + 1), buffers(changed[0], random))
    strange = (Endless(2**62, b""), range(2**62), range(2**40), Clearing(changed), Thrower(), "ab", b"ab", None, 5, {})
    return random.choice((changed, changed, changed[:-1], tuple(changed), *strange))


def texts(_: Any, random: Random) -> Any:
    """Names that are none."""
    return random.choice(
        ("", "p256", "secp256k1", "ed25519", "P256", "p256\0", "\ud800", "x" * 10_000, None, b"p256", 5, Thrower())
    )


def _pipe(beside: Path) -> Path:
    path = beside.with_name("pipe")
    if not path.exists():
        os.mkfifo(path)
    return path


def files(genuine: Any, random: Random) -> Any:
    """Paths to nothing, to folders and devices, and what is no path."""
    here = Path(genuine)
    other = here.with_name("not-a-tree")
    other.write_bytes(random.randbytes(random.choice((0, 100, 9000))))
    return random.choice((
        here, other, _pipe(here), str(here), here.parent, here / "below", "", "\0", "\ud800", "x" * 5000, "/dev/null",
        "/dev/zero", bytes(here), None, 5, Thrower(),
    ))  # fmt: skip


def switches(_: Any, random: Random) -> Any:
    """What is no truth value of Python's own."""
    return random.choice((True, False, 0, 1, None, "", np.True_, Thrower()))


KINDS: dict[str, Callable[[Any, Random], Any]] = {
    "Buffer": buffers,
    "Indices": indices,
    "int": numbers,
    "int | None": numbers,
    "tuple[bytes, ...]": paths_of_nodes,
    "Sequence[Buffer]": lists_of_buffers,
    "str": texts,
    "str | PathLike[str]": files,
    "bool": switches,
}
"""What an argument is replaced with, by its annotation in the stub."""


def changed_call(entry: Entry, folder: Path, random: Random) -> list[Any]:
    """A genuine call with one to all of its arguments replaced, now and then one too many or too few."""
    arguments = list(GENUINE[entry.name](folder))
    first = len(arguments) - len(entry.arguments)
    for at in random.sample(range(len(entry.arguments)), min(len(entry.arguments), random.choice((1, 1, 1, 2, 9)))):
        arguments[first + at] = KINDS[entry.arguments[at]](arguments[first + at], random)
    if random.randrange(20) == 0 and not entry.is_property:
        arguments = [*arguments, None] if random.randrange(2) else arguments[: max(first, len(arguments) - 1)]
    if entry.name == "keccak_permutations" and arguments and isinstance(arguments[0], int):
        # What is asked for is done, so a number below the limit is work and no refusal.
        arguments[0] = arguments[0] if arguments[0] > 2**33 else min(arguments[0], WORK_MAX)
    return arguments


def attempt(entry: Entry, arguments: Sequence[Any]) -> str:
    """``value``, or the name of the refusal; anything else comes through: a panic is not even an ``Exception``."""
    try:
        entry.call(arguments)
    except native.Fault as fault:
        refused = fault
    except (*REFUSALS, Thrown) as other:
        return type(other).__name__
    else:
        return "value"
    name, message, fields = refused.args
    assert isinstance(message, str), refused
    assert isinstance(fields, dict), refused
    return name
