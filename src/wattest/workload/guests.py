"""The guests that ship with the package, as bytes whose hash is pinned.

Decided here: that a module is handed out only when it is the one that was built and reviewed. The hashes lie beside the
modules, written by ``tools/build_guests.py``; the enclave's measurement covers both.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.resources
import json
import threading
from typing import Literal

from wattest.crypto.hashing import sha256
from wattest.errors import ConfigError, WattestError
from wattest.workload.engine import EngineConfiguration, Guest

GuestName = Literal["vee", "settle"]
_compiling = threading.Lock()


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


def load_guest(name: GuestName, configuration: EngineConfiguration) -> Guest:
    """A shipped guest, compiled once per configuration and process. Raises ``GuestDamaged``, ``GuestRefused``."""
    with _compiling:  # whoever comes while it is compiled gets that one
        return _compiled(name, configuration)


def load_guest_early(name: GuestName, configuration: EngineConfiguration) -> threading.Thread:
    """Compile a shipped guest in a thread, while the caller imports what needs it; ``load_guest`` then waits for it.

    A refusal is not kept: ``load_guest`` meets it again, where it can be reported.
    """

    def load() -> None:
        with contextlib.suppress(WattestError):
            load_guest(name, configuration)

    thread = threading.Thread(target=load, name=f"compile {name}")
    thread.start()
    return thread


@functools.lru_cache(maxsize=8)
def _compiled(name: GuestName, configuration: EngineConfiguration) -> Guest:
    return Guest.load(load_guest_bytes(name), configuration)
