"""The enclave as a process: measured, launched, watched, stopped.

Decided here: what the host hands to the process (launch file, device socket, lifeline), how readiness and failure are
told, and how it ends. Not decided here: what it answers (``client``). Invariants: the process ends when the host does,
however the host ends (it watches a pipe that the kernel closes); a start that fails leaves nothing behind and says why;
the socket lies in a folder that only this user can enter.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO

from wattest.enclave.host.client import EnclaveClient
from wattest.enclave.measured.wire import parse_reply
from wattest.enclave.simulator.launch import DeviceService
from wattest.enclave.simulator.measurement import BOOT_FILE, LaunchSettings, Measurement, interpreter_path, measure
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.errors import TransportError, WattestError

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 5.0
LOG_TAIL_BYTES = 2_000
CODE_FOLDER = "code"
MAX_PLACE_BYTES = 64
_MAX_READY_BYTES = 64 * 1024


def _short_place() -> str | None:
    """Where a socket's path stays within the 107 bytes a Unix address has; None for the usual place."""
    return None if len(os.fsencode(tempfile.gettempdir())) <= MAX_PLACE_BYTES else "/tmp"  # noqa: S108 - mode 0700


class EnclaveStartFailed(TransportError):
    """The enclave process ended, or said nothing, before it was ready."""


class EnclaveProcess:
    """One simulated enclave: ``start`` it, use ``client``, ``stop`` it; also a context manager.

    ``state_dir`` keeps sealed state and belongs to one operator on one platform. With ``device_root`` the program uses
    Gramine's pseudo-files below that folder instead of the platform's socket.
    """

    def __init__(
        self,
        platform: SimulatedPlatform,
        state_dir: Path,
        *,
        log_path: Path | None = None,
        debug: bool = False,
        device_root: Path | None = None,
        request_timeout_s: float = 120.0,
    ) -> None:
        self._platform = platform
        self._state_dir = state_dir
        self._log_path = log_path if log_path is not None else state_dir / "enclave.log"
        self._settings = LaunchSettings(device="simulator" if device_root is None else "gramine", debug=debug)
        self._device_root = device_root
        self._request_timeout_s = request_timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: int | None = None
        self._run_dir: Path | None = None
        self._client: EnclaveClient | None = None
        self._measurement: Measurement | None = None

    @property
    def client(self) -> EnclaveClient:
        """The connection to the running enclave; it is opened by the first question.

        Raises: EnclaveStartFailed when the enclave was not started.
        """
        if self._client is None:
            raise EnclaveStartFailed("the enclave is not running", retryable=False, hint="call start() first")
        return self._client

    @property
    def measurement(self) -> Measurement:
        """What was measured at the last start.

        Raises: EnclaveStartFailed before the first start.
        """
        if self._measurement is None:
            raise EnclaveStartFailed("the enclave was never started", retryable=False, hint="call start() first")
        return self._measurement

    @property
    def process_id(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self.process_id is not None

    def start(self) -> EnclaveClient:
        """Measure, launch and wait until the enclave listens; a running one is left as it is.

        Raises: EnclaveStartFailed, or the typed error with which the program refused to start; MeasurementFailed.
        """
        if self.is_running:
            return self.client
        self.stop()
        measurement = measure(self._settings)
        self._measurement = measurement
        try:
            self._state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._log_path.parent.mkdir(parents=True, exist_ok=True)
            run_dir = Path(tempfile.mkdtemp(prefix="wattest-enclave-", dir=_short_place()))
        except OSError as error:
            raise EnclaveStartFailed(
                f"no place for the enclave's files: {error.strerror}", retryable=False, path=str(self._state_dir)
            ) from error
        self._run_dir = run_dir
        try:
            ready = self._spawn(measurement, run_dir)
            with os.fdopen(ready, "rb", buffering=0) as stream:
                await_ready(stream, self._log_path)
        except BaseException:
            self.stop()
            raise
        self._client = EnclaveClient(run_dir / "enclave.sock", request_timeout_s=self._request_timeout_s)
        return self._client

    def stop(self) -> None:
        """End the process, at first politely, and remove its socket; sealed state stays. Safe to repeat."""
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._run_dir is not None:
            shutil.rmtree(self._run_dir, ignore_errors=True)
            self._run_dir = None

    def restart(self) -> EnclaveClient:
        """Stop and start, the way back after ``EnclaveUnreachable``; the enclave finds its identities in its state."""
        self.stop()
        return self.start()

    def __enter__(self) -> EnclaveProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _code_dir(self) -> str:
        """Where the machine's enclaves keep sealed code; empty where there is no such place, or another device."""
        folder = self._platform.folder
        if folder is None or self._device_root is not None:
            return ""
        place = folder.resolve() / CODE_FOLDER
        try:
            place.mkdir(mode=0o700, exist_ok=True)
        except OSError:
            return ""
        return str(place)

    def _spawn(self, measurement: Measurement, run_dir: Path) -> int:
        inside, outside = socket.socketpair()
        lifeline_read, lifeline_write = os.pipe()
        ready_read, ready_write = os.pipe()
        self._lifeline = lifeline_write
        run = {
            "socket": str(run_dir / "enclave.sock"),
            "port": 0,
            "state_dir": str(self._state_dir.resolve()),
            "device_root": str(self._device_root.resolve()) if self._device_root is not None else "",
            "code_dir": self._code_dir(),
            "device_fd": inside.fileno(),
            "lifeline_fd": lifeline_read,
            "ready_fd": ready_write,
        }
        launch = {"manifest": measurement.manifest, "paths": measurement.paths, "run": run}
        try:
            with tempfile.TemporaryFile(dir=run_dir) as launch_file, self._log_path.open("ab") as log:
                launch_file.write(json.dumps(launch).encode())
                launch_file.flush()
                launch_file.seek(0)
                command = [
                    str(interpreter_path()),
                    *self._settings.interpreter_flags,
                    "-X",
                    f"pycache_prefix={run_dir / 'no-cache'}",
                    measurement.paths[BOOT_FILE],
                    str(launch_file.fileno()),
                ]
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=dict(self._settings.environment),
                    cwd=run_dir,
                    pass_fds=(launch_file.fileno(), inside.fileno(), lifeline_read, ready_write),
                    start_new_session=True,  # Ctrl-C reaches the host, which stops the enclave in order
                )
        except OSError as error:
            os.close(ready_read)
            outside.close()
            raise EnclaveStartFailed(
                f"the enclave process could not be started: {error.strerror}", retryable=False
            ) from error
        finally:
            inside.close()
            os.close(lifeline_read)
            os.close(ready_write)
        DeviceService(self._platform, measurement.digest, debug=self._settings.debug).start(outside)
        return ready_read


def await_ready(stream: IO[bytes], log: Path) -> None:
    """Wait for a program's one word: a reply that says ready, or the error with which it refuses to start.

    Raises: EnclaveStartFailed with the last line of ``log``, or that error.
    """
    readable, _, _ = select.select([stream], [], [], START_TIMEOUT_S)
    if not readable:
        raise _start_failed(f"the enclave was not ready after {START_TIMEOUT_S:.0f} s", log)
    word = bytearray()
    while piece := stream.read(_MAX_READY_BYTES):
        word += piece
    if not word:
        raise _start_failed("the enclave ended before it was ready", log)
    try:
        reply = parse_reply(bytes(word))
    except WattestError as error:
        raise _start_failed("the enclave's first word is not a reply", log) from error
    if reply.error is not None:
        raise reply.error


def _start_failed(message: str, log: Path) -> EnclaveStartFailed:
    tail = ""
    with contextlib.suppress(OSError):
        tail = log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
    return EnclaveStartFailed(
        message,
        retryable=True,
        hint="the enclave's log says more",
        log=str(log),
        last_line=tail.rpartition("\n")[2],
    )
