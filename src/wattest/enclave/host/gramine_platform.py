"""Gramine on SGX behind the port of platforms: the rendered and signed folder is started by ``gramine-sgx``.

Decided here: how the host starts what the manifest pins, how readiness and failure are told, how it ends. Not decided
here: what the manifest may say (``gramine_manifest``). Invariants: the program ends when its standard input does, and
so with the host; its state folder and its port stand in MRENCLAVE: no other folder can be asked for. Not run on SGX
hardware (deploy/gramine/README.md, "What was tried, and what not").
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from wattest.attestation.evidence import parse_evidence
from wattest.attestation.platform_model import PlatformModel, PlatformModelUnknown, model_of
from wattest.attestation.roots import TrustRoot, intel_root
from wattest.enclave.host.client import EnclaveClient
from wattest.enclave.host.gramine_render import LAUNCH_FILE
from wattest.enclave.host.process import STOP_TIMEOUT_S, EnclaveStartFailed, await_ready
from wattest.errors import ConfigError, InputError

COMMAND = ("gramine-sgx", "wattest")
QUOTE_FILE = "platform-quote.bin"
MAX_LAUNCH_BYTES = 4 * 1024 * 1024
MAX_QUOTE_BYTES = 64 * 1024


class LaunchFileUnusable(InputError):
    """A platform's folder without the launch file that was rendered there."""


class EnclaveStateElsewhere(ConfigError):
    """An enclave is asked for with another state folder than the one that its measurement pins."""


class GramineEnclave:
    """The one enclave of a rendered folder."""

    def __init__(
        self, folder: Path, place: int | Path, command: Sequence[str], environment: Mapping[str, str] | None
    ) -> None:
        self._folder = folder
        self._place = place
        self._command = list(command)
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._client: EnclaveClient | None = None

    @property
    def client(self) -> EnclaveClient:
        """The connection to the running enclave."""
        if self._client is None:
            raise EnclaveStartFailed("the enclave is not running", retryable=False, hint="call start() first")
        return self._client

    @property
    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> EnclaveClient:
        """Start what was signed, and wait for its one word."""
        if self.is_running:
            return self.client
        self.stop()
        log = self._folder / "enclave.log"
        try:
            if isinstance(self._place, Path):
                self._place.unlink(missing_ok=True)  # what an enclave that was killed left
            with log.open("ab") as errors:
                self._process = subprocess.Popen(
                    self._command,
                    cwd=self._folder,
                    env=None if self._environment is None else dict(self._environment),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    start_new_session=True,  # Ctrl-C reaches the host, which stops the enclave in order
                )
        except OSError as error:
            raise EnclaveStartFailed(
                f"{self._command[0]} could not be started: {error.strerror}",
                retryable=False,
                hint="install Gramine, and sign the manifest: deploy/gramine/README.md",
                path=str(self._folder),
            ) from error
        assert self._process.stdout is not None  # it was asked for
        try:
            await_ready(self._process.stdout, log)
        except BaseException:
            self.stop()
            raise
        self._client = EnclaveClient(self._place)
        return self._client

    def stop(self) -> None:
        """Close its standard input, which ends it; what does not end is killed."""
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._process is not None:
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


class GraminePlatform:
    """A machine with SGX and one rendered, signed folder on it."""

    name = "gramine"
    is_for_development = False

    def __init__(
        self,
        folder: Path,
        *,
        command: Sequence[str] = COMMAND,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = folder
        self._command = command
        self._environment = environment
        path = folder / LAUNCH_FILE
        try:
            with path.open("rb") as file:
                run = json.loads(file.read(MAX_LAUNCH_BYTES))["run"]
            port, self._state, socket = run["port"], Path(run["state_dir"]), Path(run["socket"])
            if type(port) is not int or not 0 <= port <= 65_535:
                raise ValueError("no port")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise LaunchFileUnusable(
                f"no launch file of a rendered manifest ({type(error).__name__})",
                path=path,
                hint="name the folder that tools/gramine_manifest.py render wrote",
            ) from error
        self._place: int | Path = port or socket

    @classmethod
    def open(cls, folder: Path) -> GraminePlatform:
        """The platform of a rendered folder; raises ``LaunchFileUnusable``."""
        return cls(folder)

    @property
    def root(self) -> TrustRoot:
        """Intel's."""
        return intel_root()

    def model(self) -> PlatformModel:
        """The model that a quote of this machine names, which whoever set it up left in the folder."""
        path = self._folder / QUOTE_FILE
        try:
            with path.open("rb") as file:
                quote = file.read(MAX_QUOTE_BYTES)
        except OSError as error:
            raise PlatformModelUnknown(
                f"no quote tells the platform's model: {error.strerror}",
                path=path,
                hint="keep one quote of this machine there",
            ) from error
        return model_of(parse_evidence(quote))

    def collateral(self, now: int) -> bytes | None:
        """None: Intel issues it."""
        del now
        return None

    def enclave(self, state_dir: Path) -> GramineEnclave:
        """The folder's enclave; never a debug one, since no such manifest is rendered."""
        if state_dir.resolve() != self._state.resolve():
            raise EnclaveStateElsewhere(
                "the enclave's measurement pins another state folder",
                expected=str(self._state),
                actual=str(state_dir),
                hint="render another folder for it: deploy/gramine/README.md",
            )
        return GramineEnclave(self._folder, self._place, self._command, self._environment)
