"""The kinds of signers there are, and how a configuration or a command names one: ``KIND:WHERE``.

Decided here: the register, one line a kind. A text without a kind's name before its first colon is a key file's path,
relative to the configuration that holds it. Not decided here: what a kind makes of ``WHERE``.
docs/howto/add-a-back-end.md
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wattest.chain.local_signer import LocalSigner
from wattest.crypto.signer import Signer

KEY_FILE = "key_file"

SIGNERS: dict[str, Callable[[str, Path], Signer]] = {
    KEY_FILE: lambda where, folder: LocalSigner.from_file(folder / where),
}


@dataclass(frozen=True, slots=True)
class SignerName:
    """A signer before it is opened: its kind, where it is, and the folder that relative paths start from."""

    kind: str
    where: str
    folder: Path

    def open(self) -> Signer:
        """The signer itself; raises what its kind raises, always a ``WattestError``."""
        return SIGNERS[self.kind](self.where, self.folder)


def signer_name(text: str, folder: Path = Path()) -> SignerName:
    """What a text names, without opening it."""
    kind, colon, where = text.partition(":")
    if colon and kind in SIGNERS:
        return SignerName(kind, where, folder)
    return SignerName(KEY_FILE, text, folder)


def open_signer(text: str | Path) -> Signer:
    """The signer that a command's option names; paths are relative to the working folder."""
    return signer_name(str(text)).open()
