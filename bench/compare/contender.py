"""A contender's side of the line protocol: one JSON object a line in, one out, in a process of its own.

``{"op": "prepare", "work": NAME, "n": N}`` makes the input and shows that the work is right (what verifies must refuse
an altered input); ``{"op": "run"}`` does the work once and answers with ``wall_s``, ``cpu_s``, ``items`` and
``check``. Inputs are made before the clock starts, garbage is collected before it, and the runner reads the peak
memory from outside. A run that takes less than a second is done once more before the clock starts: while others have
their turn a host may take memory back that is free, and the first to touch it again would pay for that.
``{"op": "run", "turn": K}`` says which piece of a work in pieces is meant: such a work makes each
piece when it is asked for it, and answers by a clock of its own (``Timed``).
"""

from __future__ import annotations

import gc
import json
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np

LEAF_BYTES, SALT_BYTES, PAYLOAD_BYTES = 112, 16, 95
PATH_QUERIES = 2_000
SHORT_S = 1.0
VERIFIED, VERIFIED_AGAIN = 40, 50
"""Proofs that are verified, and how often each in one run: few, since one peer makes them slowly."""


@dataclass(frozen=True, slots=True)
class Timed:
    """What a run found that had a clock of its own, since it makes its input when it is asked for it.

    ``cpu_s`` counts every process that did the work; ``peak_mib`` is of those that the runner does not see; ``parts``
    are times on the way, by name.
    """

    items: int
    wall_s: float
    cpu_s: float
    peak_mib: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)


class Work(ABC):
    """One piece of work of one contender; of work in pieces ``turn`` is the one that is asked for."""

    turn = 0
    is_in_pieces = False

    def __init__(self, n: int) -> None:
        self.n = n

    @abstractmethod
    def run(self) -> object:
        """The work that is timed; what it returns is kept alive until the clock has stopped."""

    @property
    def items(self) -> int:
        """How many things one run does."""
        return self.n

    def check(self, result: object) -> str:  # noqa: ARG002 - most have nothing to compare
        """What must be the same at every contender that does the very same work, empty where nobody else does."""
        return ""


def octets(n: int, seed: int = 1) -> bytes:
    """``n`` bytes that follow from ``seed``, the same for every contender."""
    return np.random.default_rng(seed).bytes(n)


def leaves(n: int) -> tuple[bytes, bytes]:
    """Payloads of 95 bytes and salts of 16, flat: with the tag they hash as 112 bytes."""
    return octets(PAYLOAD_BYTES * n), octets(SALT_BYTES * n, seed=2)


def leaf_inputs(n: int) -> list[bytes]:
    """What follows the tag in each leaf's hash: salt and payload, 111 bytes."""
    payloads, salts = leaves(n)
    return [
        salts[SALT_BYTES * at : SALT_BYTES * (at + 1)] + payloads[PAYLOAD_BYTES * at : PAYLOAD_BYTES * (at + 1)]
        for at in range(n)
    ]


def queries(n: int, size: int) -> list[int]:
    """Indices that are asked for."""
    return [int(index) for index in np.random.default_rng(3).integers(0, size, n)]


def altered(data: bytes) -> bytes:
    """The same with one bit changed."""
    return bytes([data[0] ^ 1]) + data[1:]


def require(holds: bool, what: str) -> None:
    """A contender that is wrong must not be timed."""
    if not holds:
        raise AssertionError(f"this contender {what}")


def serve(works: dict[str, Callable[[int], Work]]) -> None:
    """Answer until the input ends."""
    work: Work | None = None
    last_s = SHORT_S
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["op"] == "prepare":
            work = works[asked["work"]](asked["n"])
            answer: dict[str, object] = {"ready": True}
        else:
            assert work is not None
            work.turn = asked.get("turn", 0)
            if last_s < SHORT_S and not work.is_in_pieces:
                work.run()
            gc.collect()
            cpu, begun = time.process_time(), time.perf_counter()
            result = work.run()
            wall_s, cpu_s = time.perf_counter() - begun, time.process_time() - cpu
            last_s = wall_s
            if isinstance(result, Timed):
                answer = {**asdict(result), "check": ""}
            else:
                answer = {"wall_s": wall_s, "cpu_s": cpu_s, "items": work.items, "check": work.check(result)}
            del result
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
