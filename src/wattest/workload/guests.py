"""The guests that ship with the package, as bytes whose hash is pinned.

Decided here: that a module is handed out only when it is the one that was built and reviewed. The hashes lie beside the
modules, written by ``tools/build_guests.py``; the enclave's measurement covers both.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from typing import Literal

from wattest.crypto.hashing import sha256
from wattest.errors import ConfigError
from wattest.workload.engine import EngineConfiguration, Guest

GuestName = Literal["vee", "settle"]


class GuestDamaged(ConfigError):
    """A shipped module that is missing, or is not the one whose hash is pinned."""


@functools.lru_cache(maxsize=8)
def load_guest_bytes(name: GuestName) -> bytes:
    """The ``.wasm`` of a shipped guest. Raises ``GuestDamaged``."""
    hint = "install wattest again, or build the guests with tools/build_guests.py"
    folder = importlib.resources.files("wattest.workload") / "modules"
    try:
        expected = bytes.fromhex(json.loads((folder / "hashes.json").read_bytes())[name])
        wasm = (folder / f"{name}.wasm").read_bytes()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GuestDamaged(f"guest {name} cannot be read", reason=type(error).__name__, hint=hint) from None
    if (actual := sha256(wasm)) != expected:
        raise GuestDamaged(f"guest {name} is not the one that was built", expected=expected, actual=actual, hint=hint)
    return wasm


@functools.lru_cache(maxsize=8)
def load_guest(name: GuestName, configuration: EngineConfiguration) -> Guest:
    """A shipped guest, compiled once per configuration and process. Raises ``GuestDamaged``, ``GuestRefused``."""
    return Guest.load(load_guest_bytes(name), configuration)
