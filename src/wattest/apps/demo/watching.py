"""The demo's watcher: a process of its own with its own keys, told nothing but addresses.

Decided here: how the process is configured, started, listened to and ended. Not decided here: what it checks and does
(``watcher.watcher``). Invariants: it never sees an operator's disk; it ends with the demo, however that ends.
"""

from __future__ import annotations

import json
import os
import queue
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wattest.apps.embedded import Account
from wattest.chain.anvil import END_WITH_PARENT
from wattest.crypto.hpke import ReaderPrivateKey
from wattest.crypto.toml_text import dump_toml
from wattest.errors import TransportError
from wattest.io.files import write_key_file

STEP_S = 0.2
PATIENCE_S = 60.0
STOP_TIMEOUT_S = 10.0
_LOG_TAIL_BYTES = 2_000


class WatcherSilent(TransportError):
    """The watcher process ended, or did not do in time what it must."""


class WatcherProcess:
    """One watcher; ``start`` it once the operators serve, then ``await_event``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.account = Account.create()
        self._reader_secret = secrets.token_bytes(32)
        self.reader_public_key = ReaderPrivateKey.from_seed(self._reader_secret).public_key
        self.events: list[dict[str, Any]] = []
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._process: subprocess.Popen[str] | None = None

    def start(self, rpc_url: str, deployment_file: Path, operators: Mapping[bytes, str]) -> None:
        """Write the configuration and start the process; ``operators`` maps addresses to server addresses."""
        self.folder.mkdir(parents=True)
        write_key_file(self.folder / "key", self.account.secret)
        write_key_file(self.folder / "reader-key", self._reader_secret)
        settings = {
            "chain": {"rpc_url": rpc_url, "confirmations": 0},
            "watcher": {
                "deployment": str(deployment_file.resolve()),
                "data": "data",
                "key": "key",
                "reader_key": "reader-key",
                "interval_s": STEP_S,
            },
            "operator": [{"address": "0x" + address.hex(), "url": url} for address, url in operators.items()],
        }
        configuration = self.folder / "watcher.toml"
        configuration.write_text(dump_toml(settings), encoding="utf-8")
        command = [sys.executable, "-m", "wattest.apps.cli", "watcher", "run", "--config", str(configuration)]
        with (self.folder / "watcher.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", END_WITH_PARENT, str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # Ctrl-C reaches the demo, which ends the watcher in order
            )
        threading.Thread(target=self._listen, name="watcher-output", daemon=True).start()

    def await_event(self, wanted: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """The first event, past or coming, that is wanted; raises ``WatcherSilent`` when it does not come."""
        for seen in self.events:
            if wanted(seen):
                return seen
        deadline = time.monotonic() + PATIENCE_S
        while (left := deadline - time.monotonic()) > 0:
            try:
                line = self._lines.get(timeout=left)
            except queue.Empty:
                break
            if line is None:
                raise self._silent(f"the watcher ended before it could {what}")
            event: dict[str, Any] = json.loads(line)
            self.events.append(event)
            if wanted(event):
                return event
        raise self._silent(f"the watcher did not {what} within {PATIENCE_S:.0f} s")

    def await_verdict(self, channel: bytes, operator: bytes, sequence: int) -> dict[str, Any]:
        """The watcher's verdict on one batch."""
        place = {"channel": channel.hex(), "operator": operator.hex(), "sequence": sequence}
        return self.await_event(
            lambda event: "verdict" in event and place.items() <= event.items(), f"judge batch {sequence}"
        )

    def await_transaction(self, kind: str) -> dict[str, Any]:
        """The watcher's transaction of a kind: ``challenge``, ``expire``, ``invalid-evidence``, ``equivocation``."""
        return self.await_event(lambda event: event.get("event") == kind, f"send {kind}")

    def stop(self) -> None:
        """End the process; safe to repeat."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _listen(self) -> None:
        process = self._process
        if process is not None and process.stdout is not None:
            with process.stdout as lines:
                for line in lines:
                    self._lines.put(line)
        self._lines.put(None)

    def _silent(self, message: str) -> WatcherSilent:
        try:
            tail = (self.folder / "watcher.log").read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace").strip()
        except OSError:
            tail = ""
        return WatcherSilent(
            message, retryable=True, log=tail.rpartition("\n")[2], hint="run the demo again; report it if it persists"
        )
