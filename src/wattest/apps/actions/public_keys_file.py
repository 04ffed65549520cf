"""The file that ``--keys`` names: which meter file is signed by which public key.

Decided here: its form, ``{"samples": [{"file": "a.ocmf", "public_key": "3059..."}]}``; other fields of a sample are
passed over, and a sample without a key. Not decided here: how a key is written (``metering.readers.public_key``).
docs/howto/read-meter-files.md
"""

from __future__ import annotations

from pathlib import Path

from wattest.apps.actions.bounded_file import read_bounded
from wattest.crypto.strict_fields import Reader, Refusal
from wattest.errors import InputError

MAX_KEYS_FILE_BYTES = 16 * 2**20
_MAX_SAMPLES = 100_000
_MAX_TEXT = 65_536
_FORM = 'its form is {"samples": [{"file": "a.ocmf", "public_key": "3059..."}]}'


class KeysFileInvalid(InputError):
    """A --keys file that is not of the form {"samples": [{"file": ..., "public_key": ...}]}."""


def read_public_keys(path: Path) -> dict[str, str]:
    """Each file as it is named there, and its key's text; the last one counts where a file comes twice.

    Raises: KeysFileInvalid; FileUnreadable.
    """

    def refuse(refusal: Refusal) -> KeysFileInvalid:
        at = f"{refusal.where}: " if refusal.where else ""
        return KeysFileInvalid(f"{path}: {at}{refusal.message}", hint=_FORM, path=str(path), **refusal.details)

    keys: dict[str, str] = {}
    reader = Reader(refuse, shows_text=True)
    fields = reader.json(read_bounded(path, MAX_KEYS_FILE_BYTES, _FORM), MAX_KEYS_FILE_BYTES).fields()
    for item in fields["samples"].items(_MAX_SAMPLES):
        sample = item.fields()
        key = sample.get("public_key", None)
        if not key.is_null:
            keys[sample["file"].text(_MAX_TEXT)] = key.text(_MAX_TEXT)
    return keys
