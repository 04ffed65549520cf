"""The fuzz driver: feeds mutated corpus files to a target, keeps what led somewhere new, and notes what went wrong.

Decided here: how inputs are drawn, what counts as new (the exception's class and the lines it came through, or the
shape of a value), the limits of one input, and how work is split. Not decided here: the mutations and the targets.

Invariants: a chunk's inputs follow from seed, target, chunk number and corpus alone; an input that takes longer than
``INPUT_SECONDS``, makes memory grow by more than ``INPUT_MEMORY``, ends the process or raises anything but a
``WattestError`` is a finding and is written out. A chunk that is noted as done is not run again.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import multiprocessing
import os
import re
import resource
import signal
import struct
import time
import traceback
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from types import FrameType

from fuzz_targets import CORPUS, TARGETS, Target

import wattest.errors
from wattest.errors import WattestError

CHUNK = 25_000
INPUT_SECONDS = 2  # of processor time: a busy machine is no finding
START_SECONDS = 600
STALL_SECONDS = 120  # a process that holds the interpreter's lock for so long is ended from outside
INPUT_MEMORY = 256 * 1024 * 1024
PROCESS_MEMORY = 3 * 1024 * 1024 * 1024
MAX_KEPT = 400
_NOT_LETTERS = re.compile(r"[^A-Za-z]+")
_SLOT = struct.Struct("<QQ")  # number of the input, its length; then the input itself
_SLOT_BYTES = 1 << 20


class InputTooSlow(BaseException):
    """One input took longer than its limit; no parser's ``except`` may swallow it."""


@dataclass
class ChunkReport:
    """What a chunk of inputs gave: how many ran, how each outcome was met how often, what was found."""

    target: str
    chunk: int
    inputs: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    findings: list[dict[str, str]] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    seconds: float = 0.0


def corpus(target: Target) -> list[bytes]:
    """The target's corpus in the order of its file names."""
    files = sorted(path for path in (CORPUS / target.folder).iterdir() if path.is_file())
    if not files:
        raise FileNotFoundError(f"{CORPUS / target.folder} holds no corpus")
    return [path.read_bytes() for path in files]


def outcome_of(target: Target, data: bytes) -> tuple[str, str | None]:
    """What an input leads to, as a word; and the traceback when it is a finding."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        word = "value: " + target.run(data)
    except WattestError as error:
        word = f"{error.code}: {_way(error)}"
    except InputTooSlow:
        return "too slow", traceback.format_exc(limit=-12)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 -- whatever else comes out is what we look for
        return f"{type(error).__name__}: {_way(error)}", traceback.format_exc(limit=-12)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    if grown > INPUT_MEMORY:
        return "too much memory", f"grew by {grown} bytes"
    return word, None


def _way(error: BaseException) -> str:
    """The lines of this project an exception came through: where it was raised, however it is worded."""
    lines: list[str] = []
    step = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        if "wattest" in code.co_filename:
            lines.append(f"{Path(code.co_filename).stem}:{step.tb_lineno}")
        step = step.tb_next
    cause = error.__cause__
    if cause is None:
        return " ".join(lines[-4:])
    # The X.509 library names the place in a certificate; other words may quote the input and are left out.
    place = _NOT_LETTERS.sub(" ", str(cause))[:160] if "ParseError" in str(cause) else ""
    return f"{' '.join(lines[-4:])} {type(cause).__name__} {place}".strip()


def run_inputs(target: Target, seed: str, chunk: int, count: int, slot: mmap.mmap | None = None) -> ChunkReport:
    """Run ``count`` inputs of a chunk in this process; the first chunk begins with the corpus itself."""
    report, began = ChunkReport(target.name, chunk), time.monotonic()
    random = Random(f"{seed}/{target.name}/{chunk}")
    seeds = corpus(target)
    pool, kept = list(seeds), []
    previous = signal.signal(signal.SIGPROF, _too_slow)
    try:
        for number in range(count):
            if chunk == 0 and number < len(seeds):
                data = seeds[number]
            elif random.random() < 0.01:
                data = random.randbytes(int(random.random() ** 3 * 2_000))
            else:
                # What led somewhere new lately is half of what is changed next.
                newest = pool[-8:] if random.random() < 0.25 else pool
                data = target.mutate(random, newest[int(random.random() * len(newest))], pool)
            if slot is not None:
                slot[_SLOT.size : _SLOT.size + len(data)] = data
                slot[: _SLOT.size] = _SLOT.pack(number + 1, len(data))
            signal.setitimer(signal.ITIMER_PROF, INPUT_SECONDS)
            try:
                word, fault = outcome_of(target, data)
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
            report.inputs += 1
            if fault is not None:
                report.findings.append({"outcome": word, "trace": fault, "input": data.hex()})
            if word not in report.outcomes and fault is None and len(pool) < len(seeds) + MAX_KEPT:
                pool.append(data)
                kept.append(data)
            report.outcomes[word] = report.outcomes.get(word, 0) + 1
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)
    report.kept = [data.hex() for data in kept]
    report.seconds = round(time.monotonic() - began, 3)
    return report


def _too_slow(_: int, __: FrameType | None) -> None:
    raise InputTooSlow(f"longer than {INPUT_SECONDS} s")


def corpus_digest() -> str:
    """SHA-256 over corpus, driver and what is tested: chunks run with other ones do not count as done."""
    digest = hashlib.sha256()
    package = Path(wattest.errors.__file__).parent
    tested = [*(package / "attestation").rglob("*.py"), *(package / "crypto").rglob("*.py")]
    for path in sorted([*CORPUS.rglob("*"), *Path(__file__).parent.glob("fuzz_*.py"), *tested]):
        if path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


class Campaign:
    """Many chunks of many targets in a folder that remembers what is done: interrupt it, start it again, it goes on."""

    def __init__(self, folder: Path, seed: str, count: int, targets: Iterable[str]) -> None:
        self.folder, self.seed, self.count = folder, seed, count
        self.targets = [TARGETS[name] for name in targets]
        self._state = folder / "progress"
        self._state.mkdir(parents=True, exist_ok=True)
        self._key = f"{seed}-{corpus_digest()[:16]}"

    def pending(self) -> list[tuple[str, int, int]]:
        """Chunks that are not done: target, number, inputs; round about the targets, so that all advance."""
        chunks = (self.count + CHUNK - 1) // CHUNK
        return [
            (target.name, chunk, min(CHUNK, self.count - chunk * CHUNK))
            for chunk in range(chunks)
            for target in self.targets
            if not self._place(target.name, chunk, min(CHUNK, self.count - chunk * CHUNK)).exists()
        ]

    def run(self, jobs: int, until: float | None = None, say: Callable[[str], None] = lambda _: None) -> None:
        """Run what is pending in ``jobs`` processes, until it is done or the monotonic clock reaches ``until``."""
        context = multiprocessing.get_context("fork")
        waiting, running = self.pending(), dict[int, _Job]()
        total, began = len(waiting), time.monotonic()
        try:
            while waiting or running:
                late = until is not None and time.monotonic() > until
                while waiting and len(running) < jobs and not late:
                    job = _Job(context, self, *waiting.pop(0))
                    running[job.pid] = job
                if late and not running:
                    return
                time.sleep(0.05)
                for pid, job in list(running.items()):
                    if job.is_over():
                        job.close()
                        del running[pid]
                        done = total - len(waiting) - len(running)
                        spent = time.monotonic() - began
                        say(f"[{done}/{total}, {spent:.0f} s] {job.target} {job.chunk}: {job.said}")
        finally:
            for job in running.values():
                job.kill()

    def note(self, report: ChunkReport, size: int) -> None:
        """Remember a chunk; write its findings and what it kept as files."""
        for finding in report.findings[:50]:
            data = bytes.fromhex(finding["input"])
            name = hashlib.sha256(data).hexdigest()[:12]
            place = self.folder / "findings" / report.target
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{name}.bin").write_bytes(data)
            (place / f"{name}.txt").write_text(f"{finding['outcome']}\n{finding['trace']}\n")
        for text in report.kept:
            data = bytes.fromhex(text)
            place = self.folder / "kept" / report.target
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{hashlib.sha256(data).hexdigest()[:12]}.bin").write_bytes(data)
        place = self._place(report.target, report.chunk, size)
        shown = asdict(report) | {"findings": len(report.findings), "kept": len(report.kept)}
        place.with_suffix(".tmp").write_text(json.dumps(shown))
        place.with_suffix(".tmp").replace(place)

    def summary(self) -> dict[str, dict[str, object]]:
        """What is done so far, by target: inputs, findings, distinct outcomes, seconds of processor time."""
        shown: dict[str, dict[str, object]] = {}
        for target in self.targets:
            reports = [json.loads(path.read_text()) for path in self._state.glob(f"{self._key}.{target.name}.*.json")]
            outcomes = {word for report in reports for word in report["outcomes"]}
            shown[target.name] = {
                "inputs": sum(report["inputs"] for report in reports),
                "findings": sum(report["findings"] for report in reports),
                "outcomes": len(outcomes),
                "values": sum(
                    n for report in reports for word, n in report["outcomes"].items() if word.startswith("value")
                ),
                "seconds": round(sum(report["seconds"] for report in reports), 1),
            }
        return shown

    def _place(self, target: str, chunk: int, size: int) -> Path:
        return self._state / f"{self._key}.{target}.{chunk}.{size}.json"


def _address_space() -> int:
    """What this process has reserved already; a WASM engine reserves far more than it uses."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


class _Job:
    """One chunk in a process of its own, watched from outside."""

    def __init__(
        self, context: multiprocessing.context.ForkContext, campaign: Campaign, target: str, chunk: int, size: int
    ) -> None:
        self.target, self.chunk, self._size, self._campaign = target, chunk, size, campaign
        self.said = ""
        self._slot = mmap.mmap(-1, _SLOT_BYTES)
        self._seen, self._since = 0, time.monotonic()
        self._process = context.Process(target=self._work, daemon=True)
        self._process.start()
        self.pid = self._process.pid or 0

    def _work(self) -> None:
        warnings.simplefilter("ignore")  # what libraries remark on odd certificates is no outcome
        limit = _address_space() + PROCESS_MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        report = run_inputs(TARGETS[self.target], self._campaign.seed, self.chunk, self._size, self._slot)
        self._campaign.note(report, self._size)
        os._exit(0)

    def is_over(self) -> bool:
        """Whether the process ended; ends it when its present input has stalled."""
        number = _SLOT.unpack(self._slot[: _SLOT.size])[0]
        if number != self._seen:
            self._seen, self._since = number, time.monotonic()
        elif time.monotonic() - self._since > (STALL_SECONDS if number else START_SECONDS):
            self.kill()
        return not self._process.is_alive()

    def close(self) -> None:
        """Note what the process left: a report of its own, or the input that ended it."""
        self._process.join()
        if self._process.exitcode == 0:
            self.said = f"{self._size} inputs"
        else:
            number, length = _SLOT.unpack(self._slot[: _SLOT.size])
            data = self._slot[_SLOT.size : _SLOT.size + length]
            fault = {"outcome": f"process ended ({self._process.exitcode})", "trace": "", "input": data.hex()}
            report = ChunkReport(self.target, self.chunk, number, {fault["outcome"]: 1}, [fault])
            self._campaign.note(report, self._size)
            self.said = f"ended by input {number}"
        self._slot.close()

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
