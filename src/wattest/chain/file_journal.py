"""What one key has sent and is not yet done with, in a file: the transaction journal of commands that run once.

Decided here: the file's form, and that it is replaced whole before anything is broadcast. Not decided here: nodes'
journals, which their databases keep (``store.database``), and when an intent is done. Invariants: transactions of
another chain (by its genesis hash) are kept and never given out; a journal that holds nothing has no file. One process
at a time uses a journal (``apps.key_use``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from wattest.chain.transactions import SentTransaction
from wattest.crypto.strict_fields import Field, Reader, Refusal
from wattest.errors import InputError
from wattest.io.files import DiskFailed, fsync_folder, write_atomically

JOURNAL_FORMAT = "wattest/sent/1"
MAX_JOURNAL_BYTES = 64 * 2**20
MAX_TRANSACTIONS = 10_000
_MAX_TRANSACTION_BYTES = 512 * 1024
_MAX_INTENT = 256


class JournalUnreadable(InputError):
    """The file of sent transactions is damaged, or of another version."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A transaction and the genesis hash (32 bytes) of the chain that it was signed for."""

    genesis_hash: bytes
    sent: SentTransaction


class FileJournal:
    """The journal of one chain in ``path``. Raises: JournalUnreadable; DiskFailed where it cannot be written."""

    def __init__(self, path: Path, genesis_hash: bytes) -> None:
        self.path = path
        self._genesis_hash = genesis_hash
        self._entries = _read(path)

    def find(self, sender: bytes, intent: str) -> Sequence[SentTransaction]:
        """Every broadcast of this intent, oldest first."""
        return [one for one in self._own() if (one.sender, one.intent) == (sender, intent)]

    def record(self, transactions: Iterable[SentTransaction]) -> None:
        """Remember transactions before they are broadcast: all of them, or none."""
        if more := [_Entry(self._genesis_hash, one) for one in transactions]:
            self._keep([*self._entries, *more])

    def forget(self, sender: bytes, intent: str) -> None:
        """Drop an intent whose nonce was spent without doing it, or that is done and asked for no more."""
        mine = (self._genesis_hash, sender, intent)
        kept = [one for one in self._entries if (one.genesis_hash, one.sent.sender, one.sent.intent) != mine]
        if len(kept) != len(self._entries):
            self._keep(kept)

    def outstanding(self, sender: bytes, from_nonce: int) -> Sequence[SentTransaction]:
        """The newest broadcast per nonce at or above ``from_nonce``, ascending by nonce."""
        newest = {one.nonce: one for one in self._own() if one.sender == sender and one.nonce >= from_nonce}
        return [newest[nonce] for nonce in sorted(newest)]

    def intents(self, sender: bytes) -> list[str]:
        """What this sender meant by everything that is remembered, oldest first, each once."""
        return list(dict.fromkeys(one.intent for one in self._own() if one.sender == sender))

    def _own(self) -> list[SentTransaction]:
        return [one.sent for one in self._entries if one.genesis_hash == self._genesis_hash]

    def _keep(self, entries: list[_Entry]) -> None:
        if entries:
            shown = {"format": JOURNAL_FORMAT, "transactions": [_shown(one) for one in entries]}
            write_atomically(self.path, (json.dumps(shown, indent=1) + "\n").encode(), mode=0o600)
        else:
            try:
                self.path.unlink(missing_ok=True)
                fsync_folder(self.path.parent)
            except OSError as error:
                raise DiskFailed(
                    "the file of sent transactions could not be removed", retryable=False, path=self.path
                ) from error
        self._entries = entries


def _read(path: Path) -> list[_Entry]:
    def refuse(refusal: Refusal) -> JournalUnreadable:
        return JournalUnreadable(
            f"{path}, {refusal.where or 'the whole'}: {refusal.message}",
            path=path,
            hint="it remembers what this key has sent: take it from a copy, or, once nothing of that is still to be "
            "mined, move it away",
            **refusal.details,
        )

    try:
        with path.open("rb") as file:
            raw = file.read(MAX_JOURNAL_BYTES + 1)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DiskFailed(
            f"the file of sent transactions cannot be read: {error.strerror}", retryable=False, path=path
        ) from error
    top = Reader(refuse, shows_text=True).json(raw, MAX_JOURNAL_BYTES).fields("format", "transactions")
    top["format"].one_of({JOURNAL_FORMAT})
    return list(top["transactions"].each(_entry, MAX_TRANSACTIONS))


def _entry(field: Field) -> _Entry:
    names = ("genesis_hash", "intent", "sender", "nonce", "raw", "hash", "gas", "max_fee_wei")
    table = field.fields(*names)
    sent = SentTransaction(
        intent=table["intent"].text(_MAX_INTENT),
        sender=table["sender"].hex(20),
        nonce=table["nonce"].uint(64),
        raw=table["raw"].hex_up_to(_MAX_TRANSACTION_BYTES),
        hash=table["hash"].hex(32),
        gas=table["gas"].uint(64),
        max_fee_wei=table["max_fee_wei"].uint(256),
    )
    return _Entry(table["genesis_hash"].hex(32), sent)


def _shown(entry: _Entry) -> dict[str, object]:
    sent = entry.sent
    return {
        "genesis_hash": entry.genesis_hash.hex(),
        "intent": sent.intent,
        "sender": sent.sender.hex(),
        "nonce": sent.nonce,
        "raw": sent.raw.hex(),
        "hash": sent.hash.hex(),
        "gas": sent.gas,
        "max_fee_wei": sent.max_fee_wei,
    }
