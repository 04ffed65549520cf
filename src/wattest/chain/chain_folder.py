"""The folder of an embedded chain: what it records of its chain, and where that chain is served now.

Decided here: the files beside the chain's state: ``chain.json`` (chain id, genesis, how it was made, whether people may
move its time by command), ``lock`` (held while a process serves the chain) and ``served`` (where). Not decided here:
the process and the state (``anvil``). Development and demonstrations only.
"""

from __future__ import annotations

import fcntl
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from wattest.crypto.strict_fields import Reader, Refusal
from wattest.errors import InputError
from wattest.io.files import write_atomically
from wattest.units import U64_MAX

METADATA_FORMAT = "wattest/embedded-chain/1"
METADATA_FILE = "chain.json"
LOCK_FILE = "lock"
_SERVED_FILE = "served"
_MAX_METADATA_BYTES = 4096


class NotAChainFolder(InputError):
    """The folder holds no embedded chain, or one of an unknown format."""


@dataclass(frozen=True, slots=True)
class ChainMetadata:
    """What ``chain.json`` records: enough to serve the same chain again and to recognise it."""

    format: str
    chain_id: int
    genesis_timestamp_s: int
    genesis_hash: str
    hardfork: str
    may_advance: bool = False
    """Whether people may move this chain's time by command; a chain of an earlier version may not."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read and check the metadata of ``folder``; raises ``NotAChainFolder``."""
        path = folder / METADATA_FILE
        hint = "make one with `wattest chain new`, or give that of a demo, for example OUT/chain"
        try:
            with path.open("rb") as file:
                raw = file.read(_MAX_METADATA_BYTES + 1)
        except OSError as error:
            raise NotAChainFolder("no embedded chain in this folder", folder=folder, hint=hint) from error

        def refuse(refusal: Refusal) -> NotAChainFolder:
            at = f", {refusal.where}" if refusal.where else ""
            return NotAChainFolder(f"chain.json{at}: {refusal.message}", folder=folder, hint=hint, **refusal.details)

        reader = Reader(refuse, shows_text=True)
        value = reader.json(raw, _MAX_METADATA_BYTES).fields()
        if (said := value["format"].text(_MAX_METADATA_BYTES)) != METADATA_FORMAT:
            raise NotAChainFolder(
                "chain.json is not of a known format",
                folder=folder,
                expected=METADATA_FORMAT,
                actual=said[:64],
                hint=f"{hint}; one of another version: run the demo again, or the wattest that made it",
            )
        metadata = cls(
            said,
            value["chain_id"].integer(0, U64_MAX),
            value["genesis_timestamp_s"].integer(0, U64_MAX),
            value["genesis_hash"].text(_MAX_METADATA_BYTES),
            value["hardfork"].text(_MAX_METADATA_BYTES),
            value.get("may_advance", False).boolean(),
        )
        value.close()
        if not (folder / "state.json").is_file():  # anvil would start an empty chain in its place
            raise NotAChainFolder("the chain's state.json is missing", folder=folder, hint=hint)
        return metadata

    def to_bytes(self) -> bytes:
        """The JSON text; what an earlier version does not know is left out where it says nothing."""
        shown = asdict(self)
        if not self.may_advance:
            del shown["may_advance"]
        return (json.dumps(shown, indent=2, sort_keys=True) + "\n").encode()


def write_served(folder: Path, url: str) -> None:
    """Say where the chain of ``folder`` is served, by whoever holds its lock."""
    write_atomically(folder / _SERVED_FILE, url.encode() + b"\n")


def forget_served(folder: Path) -> None:
    """Say it no more; a process that is killed leaves it, and ``served_url`` sees that nobody holds the lock."""
    (folder / _SERVED_FILE).unlink(missing_ok=True)


def served_url(folder: Path) -> str | None:
    """Where another process serves the chain of ``folder`` now; None where nobody does, or not yet."""
    if not is_in_use(folder):
        return None
    try:
        return (folder / _SERVED_FILE).read_bytes()[:_MAX_METADATA_BYTES].decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None


def is_in_use(folder: Path) -> bool:
    """Whether another process has the chain of ``folder``, be it starting or ending."""
    try:
        with (folder / LOCK_FILE).open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    except FileNotFoundError:
        pass
    return False
