"""Contenders in processes of their own, taking turns: A B C A B C, so that a busy machine meets all of them alike.

Those that use one core run on the same one in a round, and in the next round on the next: what else runs on a core
slows some kinds of code to half and others not at all.

A contender that is not installed ends the benchmark with ``PeerMissing``; none is ever left out. Before anything is
timed each contender has shown that it refuses an altered input, and contenders that build the same tree must come to
the same root.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from compare.progress import Progress
from compare.rows import Energy, Row
from wattest.errors import ConfigError, InputError, TransportError, VerificationError

FOLDER = Path(__file__).resolve().parent
NODE_MODULES = FOLDER.parent / "node_modules"
PIP_HINT = "pip install 'wattest[bench]', or in a checkout make setup-bench"
ONE_THREAD = {"WATTEST_THREADS": "1"}
NPM_HINT = "npm ci in the folder bench of the checkout, or make setup-bench"


class PeerMissing(ConfigError):
    """A contender is not installed; a comparison without it would not be the one that was asked for."""


class ContenderFailed(TransportError):
    """A contender's process ended, or answered something else than the protocol."""


class NotABenchmark(InputError):
    """No benchmark has this name, or a file is not what a benchmark wrote."""


class RootsDiffer(VerificationError):
    """Two contenders that should build one tree came to different roots."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one benchmark was asked for: a look or figures, where its files go, and whether it goes on with them.

    ``alike`` says what two runs must have in common for their pieces to stand in one report.
    """

    quick: bool
    out: Path
    resume: bool = False
    alike: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Contender:
    """How a contender is started and what is known of it.

    ``needs`` names what must be installed: ``python:MODULE`` or ``npm:PACKAGE``. ``small`` divides the number of leaves
    for contenders that would take minutes, ``clock`` is ``wall`` for those with several threads.
    """

    who: str
    command: tuple[str, ...]
    work: str
    note: str = ""
    needs: tuple[str, ...] = ()
    small: int = 1
    clock: str = "processor"
    environment: dict[str, str] = field(default_factory=dict)
    reference: bool = False
    target: str = ""


def python(script: str, *arguments: str) -> tuple[str, ...]:
    """A contender in Python."""
    return (sys.executable, str(FOLDER / script), *arguments)


def node(peer: str) -> tuple[str, ...]:
    """A contender in JavaScript."""
    return ("node", "--expose-gc", "--max-old-space-size=8192", str(FOLDER / "peers.mjs"), peer)


def require_installed(contenders: Sequence[Contender]) -> None:
    """Raises ``PeerMissing`` for everything that is not there, at once."""
    missing = sorted({need for contender in contenders for need in contender.needs if not _is_installed(need)})
    if missing:
        hints = {NPM_HINT if need.startswith("npm:") else PIP_HINT for need in missing}
        raise PeerMissing(
            "a contender of this benchmark is not installed",
            missing=", ".join(need.partition(":")[2] for need in missing),
            hint="; ".join(sorted(hints)),
        )


def _is_installed(need: str) -> bool:
    kind, _, name = need.partition(":")
    return (NODE_MODULES / name / "package.json").is_file() if kind == "npm" else find_spec(name) is not None


class Process:
    """One contender, prepared and ready to run."""

    def __init__(self, contender: Contender, n: int) -> None:
        self.contender = contender
        self.n = max(2, n // contender.small)
        self._process = subprocess.Popen(
            contender.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **contender.environment},
            text=True,
            start_new_session=True,  # Ctrl-C reaches us alone, and we end them
        )

    def prepare(self) -> None:
        """Make the input."""
        self._ask({"op": "prepare", "work": self.contender.work, "n": self.n})

    def run(self, turn: int = 0) -> dict[str, Any]:
        """Do the work once; of work in pieces, the piece ``turn``."""
        return self._ask({"op": "run", "turn": turn})

    def settle_on(self, cores: set[int]) -> None:
        """Let its main thread, and every thread that it starts from now on, run on these cores alone."""
        os.sched_setaffinity(self._process.pid, cores)

    @property
    def peak_mib(self) -> float:
        """Largest resident size so far."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024

    def __enter__(self) -> Process:
        """The process runs already."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # a question that it never read
                    pipe.close()

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        pipes: tuple[IO[str] | None, IO[str] | None] = (self._process.stdin, self._process.stdout)
        assert pipes[0] is not None
        assert pipes[1] is not None
        try:
            pipes[0].write(json.dumps(question) + "\n")
            pipes[0].flush()
            answer = json.loads(pipes[1].readline())
        except (OSError, ValueError) as error:
            raise ContenderFailed(
                "a contender ended in the middle of its work",
                retryable=False,
                who=self.contender.who,
                work=self.contender.work,
                hint="what it said stands above",
            ) from error
        assert isinstance(answer, dict)
        return answer


def compete(work: str, contenders: Sequence[Contender], n: int, rounds: int, unit: str) -> list[Row]:
    """Let all of them do the work ``rounds`` times in turn, after one that warms up; nanoseconds for each item."""
    require_installed(contenders)
    energy = Energy()
    with ExitStack() as stack:
        progress = stack.enter_context(Progress(work, len(contenders) * (rounds + 1)))
        processes = [stack.enter_context(Process(contender, n)) for contender in contenders]
        for process in processes:
            process.prepare()
            process.run()
            progress.advance()
        answers: list[list[dict[str, Any]]] = [[] for _ in processes]
        joules: list[list[float]] = [[] for _ in processes]
        for number in range(rounds):
            for at, process in enumerate(processes):
                process.settle_on(_cores(process.contender, number))
                begun = energy.now_uj()
                answer = process.run()
                answers[at].append(answer)
                joules[at].append(energy.of(begun, answer["cpu_s"]))
                progress.advance()
        _require_one_root(processes, answers)
        rows = [
            Row(
                work,
                process.contender.who,
                unit,
                tuple(1e9 * one["cpu_s" if process.contender.clock == "processor" else "wall_s"] / one["items"]
                      for one in answers[at]),
                statistics.median(one["cpu_s"] for one in answers[at]),
                process.peak_mib,
                process.n,
                process.contender.clock,
                process.contender.note,
                energy_uj=statistics.median(joules[at]) / answers[at][0]["items"],
                energy_from=energy.source,
                target=process.contender.target,
                extra={"wall_s": statistics.median(one["wall_s"] for one in answers[at])},
            )
            for at, process in enumerate(processes)
        ]  # fmt: skip
    ours = next(row for row, contender in zip(rows, contenders, strict=True) if contender.reference)
    return [row.compared(ours) for row in rows]


def _cores(contender: Contender, number: int) -> set[int]:
    """Where a contender runs in a round: all that use one core on the same, since cores have different neighbours."""
    cores = sorted(os.sched_getaffinity(0))
    return set(cores) if contender.clock != "processor" else {cores[number % len(cores)]}


def _require_one_root(processes: Sequence[Process], answers: Sequence[Sequence[dict[str, Any]]]) -> None:
    by_size: dict[int, dict[str, str]] = {}
    for process, runs in zip(processes, answers, strict=True):
        if runs[0]["check"]:
            by_size.setdefault(process.n, {})[process.contender.who] = runs[0]["check"]
    for n, roots in by_size.items():
        if len(set(roots.values())) > 1:
            raise RootsDiffer("contenders that build one tree come to different roots", n=n, **roots)
