"""The embedded chain: an anvil process of our own, its state in a folder, its clock in our hands.

Decided here: where anvil is found, how it is started, checkpointed, stopped and started again on the same state, and
that only this chain's time may be moved. Development and demonstrations only: it listens on the loopback interface,
has no unlocked accounts, and money appears by ``fund``. Keys are not its matter: every transaction comes signed.

The folder (``chain_folder``) holds ``state.json``, the whole state, replaced atomically. Anvil dumps beside it, now and
then and on its way out; such a dump takes the place of ``state.json`` once it is seen to be whole and newer, so that a
process killed in the middle of a dump costs half a minute and not the chain.
Invariants: chain time never runs backwards, also across a restart; the process ends when the one that started it ends,
however that ends; a second process never opens the same folder; the block before the latest has the hash that contracts
see, so that it can be a nonce.
"""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from wattest.chain import chain_control
from wattest.chain.chain_folder import (
    LOCK_FILE,
    METADATA_FILE,
    METADATA_FORMAT,
    ChainMetadata,
    NotAChainFolder,
    forget_served,
    write_served,
)
from wattest.chain.rpc import ChainUnreachable, JsonRpc
from wattest.chain.wire import parse_data, parse_quantity
from wattest.errors import ConfigError, TransportError
from wattest.io.files import DiskFailed, write_atomically

DEFAULT_CHAIN_ID = 31_337
HARDFORK = "osaka"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
STATE_INTERVAL_S = 30
BLOCKS_ON_TOP = 2
"""Mined over a loaded state, whose blocks' hashes contracts do not see: anvil makes up what BLOCKHASH gives."""
DUMP_FILE = "anvil-dump.json"

# The child asks the kernel for a signal at its parent's death, then makes sure that the parent had not died before.
END_WITH_PARENT = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


class AnvilMissing(ConfigError):
    """No anvil executable was found."""


class PortTaken(ConfigError):
    """Another process listens on the port that was asked for."""


class ChainFolderInUse(ConfigError):
    """Another process serves this folder's chain, or the folder holds a chain where a new one was asked for."""


class ChainStartFailed(TransportError):
    """Anvil ended or stayed silent while starting."""


def find_anvil(configured: Path | None = None) -> Path:
    """Return the anvil executable: the configured path, WATTEST_ANVIL, PATH, then the checkout's node_modules.

    Raises ``AnvilMissing`` when none is there or the named one cannot be run.
    """
    named = configured or (Path(value) if (value := os.environ.get("WATTEST_ANVIL")) else None)
    if named is not None:
        if not os.access(named, os.X_OK) or named.is_dir():
            raise AnvilMissing("the configured anvil cannot be run", actual=named, hint="correct the path, or unset it")
        return named.resolve()
    if (found := shutil.which("anvil")) and not _is_script(Path(found)):
        return Path(found)
    for root in (Path.cwd(), *Path(__file__).resolve().parents):
        for candidate in sorted(root.glob("node_modules/@foundry-rs/anvil-*/bin/anvil*")):
            if os.access(candidate, os.X_OK):
                return candidate
    raise AnvilMissing(
        "anvil, the embedded chain, is not installed",
        hint="run `npm ci` in the checkout, or install Foundry and put anvil into PATH or WATTEST_ANVIL",
    )


def _is_script(path: Path) -> bool:
    """Whether the file is a wrapper: signals would reach it and not the chain behind it."""
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def free_port() -> int:
    """Return a loopback TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Anvil:
    """One embedded chain in one folder; a context manager that starts it and stops it.

    Use ``Anvil.create`` for a new chain and ``Anvil.open`` for one that a folder holds. Start it from a thread that
    lives as long as the chain must: Linux counts the starting thread as the parent.
    """

    def __init__(
        self,
        folder: Path,
        *,
        metadata: ChainMetadata | None,
        chain_id: int,
        genesis_timestamp_s: int,
        port: int | None,
        binary: Path | None,
        block_time_s: int | None,
        may_advance: bool,
    ) -> None:
        self.folder = folder
        self.may_advance = may_advance
        self.chain_id = chain_id
        self.genesis_timestamp_s = genesis_timestamp_s
        self._metadata = metadata
        self._wanted_port = port
        self._binary = binary
        self._block_time_s = block_time_s
        self._process: subprocess.Popen[bytes] | None = None
        self._rpc: JsonRpc | None = None
        self._lock: IO[bytes] | None = None
        self.port = 0

    @classmethod
    def create(
        cls,
        folder: Path,
        *,
        genesis_timestamp_s: int,
        chain_id: int = DEFAULT_CHAIN_ID,
        port: int | None = None,
        binary: Path | None = None,
        block_time_s: int | None = None,
        may_advance: bool = False,
    ) -> Self:
        """Prepare a new chain in ``folder``, which must hold none; ``port`` None picks a free one.

        ``may_advance`` is kept in the folder: people may move this chain's time by command.

        ``block_time_s`` makes empty blocks too, so that the chain's clock runs without transactions and what is mined
        gets blocks on top of it; with None only transactions make blocks, and whoever wants others mines them.
        """
        if (folder / METADATA_FILE).exists():
            raise ChainFolderInUse("the folder holds a chain already", folder=folder, hint="choose an empty folder")
        return cls(
            folder,
            metadata=None,
            chain_id=chain_id,
            genesis_timestamp_s=genesis_timestamp_s,
            port=port,
            binary=binary,
            block_time_s=block_time_s,
            may_advance=may_advance,
        )

    @classmethod
    def open(
        cls, folder: Path, *, port: int | None = None, binary: Path | None = None, block_time_s: int | None = None
    ) -> Self:
        """Prepare to serve the chain that ``folder`` holds; raises ``NotAChainFolder``.

        A start puts ``BLOCKS_ON_TOP`` empty blocks over what the folder holds.
        """
        metadata = ChainMetadata.read(folder)
        return cls(
            folder,
            metadata=metadata,
            chain_id=metadata.chain_id,
            genesis_timestamp_s=metadata.genesis_timestamp_s,
            port=port,
            binary=binary,
            block_time_s=block_time_s,
            may_advance=metadata.may_advance,
        )

    @property
    def url(self) -> str:
        """The RPC address of the running chain."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def rpc(self) -> JsonRpc:
        """The connection to the running chain; raises ``ChainUnreachable`` when it does not run."""
        if self._rpc is None or self._process is None or self._process.poll() is not None:
            raise ChainUnreachable("the embedded chain does not run", retryable=False, folder=self.folder)
        return self._rpc

    @property
    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def process_id(self) -> int:
        """The running chain's process; raises ``ChainUnreachable`` when it does not run."""
        if self._process is None or self._process.poll() is not None:
            raise ChainUnreachable("the embedded chain does not run", retryable=False, folder=self.folder)
        return self._process.pid

    def start(self) -> Self:
        """Start anvil and wait until it answers; raises ``PortTaken``, ``ChainFolderInUse``, ``ChainStartFailed``."""
        binary = find_anvil(self._binary)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._acquire_folder()
        forget_served(self.folder)  # what a process that was killed may have left
        try:
            if self._metadata is None:
                for name in ("state.json", DUMP_FILE):  # what a start that was cut short may have left
                    (self.folder / name).unlink(missing_ok=True)
            else:
                self._take_over_dump()
            self.port = self._choose_port()
            self._spawn(binary)
            self._wait_until_up()
            self._recognise()
            write_served(self.folder, self.url)
        except BaseException:
            self._kill()
            self._release_folder()
            raise
        return self

    def stop(self) -> None:
        """Write the state and end the process; safe to call twice, and after the process died.

        Raises ``DiskFailed``, once the process has ended, when the state could not be written.
        """
        process, unwritten = self._process, None
        if process is not None and process.poll() is None:
            try:
                self.checkpoint()
            except DiskFailed as error:
                unwritten = error
            except TransportError:
                pass  # anvil dumps once more on its way out
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._kill()
        if self._lock is not None:
            self._take_over_dump()
        self._release_folder()
        if unwritten is not None:
            raise unwritten

    def checkpoint(self) -> None:
        """Write the chain's whole state to ``state.json``, atomically."""
        dump = parse_data(self.rpc.request("anvil_dumpState"))
        write_atomically(self.folder / "state.json", gzip.decompress(dump))

    def now(self) -> int:
        """The latest block's timestamp, unix seconds: the only clock that windows are measured by."""
        return chain_control.now(self.rpc)

    def advance_to(self, timestamp_s: int) -> None:
        """Mine one block at exactly ``timestamp_s``, after the latest block's time; the clock runs on from there."""
        chain_control.advance_to(self.rpc, timestamp_s)

    def mine(self, blocks: int = 1) -> None:
        """Mine empty blocks, at most 10,000."""
        chain_control.mine(self.rpc, blocks)

    def fund(self, address: bytes, wei: int) -> None:
        """Set the balance of ``address`` (20 bytes); money from nothing, on the embedded chain only."""
        chain_control.set_balance(self.rpc, address, wei)

    def __enter__(self) -> Self:
        """Start the chain."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the chain, whatever happened."""
        self.stop()

    def _acquire_folder(self) -> None:
        lock = (self.folder / LOCK_FILE).open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise ChainFolderInUse(
                "another process serves this chain", folder=self.folder, hint="stop it first, or use its RPC address"
            ) from error
        self._lock = lock

    def _take_over_dump(self) -> None:
        dump, state = self.folder / DUMP_FILE, self.folder / "state.json"
        try:
            if dump.stat().st_mtime_ns > state.stat().st_mtime_ns:
                json.loads(dump.read_bytes())
                dump.replace(state)
        except (OSError, ValueError):
            pass  # none, or torn: the last checkpoint stands
        dump.unlink(missing_ok=True)

    def _release_folder(self) -> None:
        if self._lock is not None:
            forget_served(self.folder)
            self._lock.close()
            self._lock = None

    def _choose_port(self) -> int:
        if self._wanted_port is None:
            return free_port()
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self._wanted_port))
            except (OSError, OverflowError) as error:
                raise PortTaken(
                    "the port cannot be used",
                    port=self._wanted_port,
                    hint="choose another with --port, or leave it out",
                ) from error
        return self._wanted_port

    def _spawn(self, binary: Path) -> None:
        arguments = [
            str(binary),
            "--hardfork",
            HARDFORK,
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--chain-id",
            str(self.chain_id),
            "--accounts",
            "0",
            "--quiet",
            "--dump-state",
            str(self.folder / DUMP_FILE),
            "--state-interval",
            str(STATE_INTERVAL_S),
        ]
        if self._metadata is not None:
            arguments += ["--load-state", str(self.folder / "state.json")]
        if self._block_time_s is not None:
            arguments += ["--block-time", str(self._block_time_s), "--mixed-mining"]
        # Given again for a loaded state, so that anvil makes the same genesis block and not a second one beside it; the
        # clock, which that throws back, is set right by _recognise.
        arguments += ["--timestamp", str(self.genesis_timestamp_s)]
        with (self.folder / "anvil.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", END_WITH_PARENT, str(os.getpid()), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us alone, and we stop it in order
            )

    def _wait_until_up(self) -> None:
        assert self._process is not None
        self._rpc = JsonRpc(self.url, timeout_s=30.0, max_attempts=1)
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            if self._process.poll() is not None:
                log = (self.folder / "anvil.log").read_text(errors="replace")[-400:].strip()
                if "failed to parse json" in log:
                    raise NotAChainFolder(
                        "the chain's state.json is damaged", folder=self.folder, hint="take it from a copy", output=log
                    )
                if "in use" in log:
                    raise PortTaken("the port was taken meanwhile", port=self.port, hint="try again")
                raise ChainStartFailed(
                    "anvil ended while starting",
                    retryable=False,
                    exit_status=self._process.returncode,
                    output=log,
                    hint="a damaged state.json is one reason; run anvil --version to see whether it runs at all",
                )
            try:
                self._rpc.request("eth_chainId")
            except TransportError as error:
                if time.monotonic() > deadline:
                    raise ChainStartFailed(
                        "anvil does not answer", retryable=True, waited_s=START_TIMEOUT_S, output=str(error)
                    ) from error
                time.sleep(0.01)
            else:
                return

    def _recognise(self) -> None:
        genesis, latest = self.rpc.batch(
            [("eth_getBlockByNumber", ["0x0", False]), ("eth_getBlockByNumber", ["latest", False])]
        )
        if self._metadata is None:
            self._metadata = ChainMetadata(
                METADATA_FORMAT, self.chain_id, self.genesis_timestamp_s, genesis["hash"], HARDFORK, self.may_advance
            )
            self.checkpoint()
            write_atomically(self.folder / METADATA_FILE, self._metadata.to_bytes())
            return
        if genesis["hash"] != self._metadata.genesis_hash:
            raise NotAChainFolder(
                "state.json belongs to another chain",
                expected=self._metadata.genesis_hash,
                actual=genesis["hash"],
                folder=self.folder,
            )
        self.rpc.request("evm_setTime", parse_quantity(latest["timestamp"]) + 1)
        self.mine(BLOCKS_ON_TOP)

    def _kill(self) -> None:
        if self._rpc is not None:
            self._rpc.close()
            self._rpc = None
        if self._process is not None:
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
            self._process = None
