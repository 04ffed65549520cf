"""The one error tree.

Decided here: the branches, their exit codes, and how an error prints. Leaf classes live beside the code that raises
them and derive from a branch; each says what was wrong, where, and what to do. Expected and actual values are fields,
so that scripts need not parse words; addresses in either are shown without what may be secret in them. A bug is not a
``WattestError`` and stays uncaught (exit code 1).
"""

from __future__ import annotations

from typing import ClassVar

from wattest.url_text import hide_url_secrets


class WattestError(Exception):
    """An expected failure: a sentence for people, fields for scripts, a hint where there is something to do."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None, **fields: object) -> None:
        self.message = hide_url_secrets(message)
        super().__init__(self.message)
        self.hint = None if hint is None else hide_url_secrets(hint)
        self.fields: dict[str, object] = {name: _without_secrets(value) for name, value in fields.items()}

    @property
    def code(self) -> str:
        """The class name, stable for scripts; protocol errors share it with the contract's custom error."""
        return type(self).__name__

    def as_dict(self) -> dict[str, object]:
        """The error as JSON-ready values: bytes become lower-case hex, other objects their text."""
        shown = {name: _json_ready(value) for name, value in self.fields.items()}
        return {"error": self.code, "message": self.message, "hint": self.hint, "fields": shown}


class InputError(WattestError):
    """Bytes, a file or an argument that is malformed, of an unknown version, or over a limit (exit code 3)."""

    exit_code = 3


class VerificationError(WattestError):
    """Well formed but false: a signature, hash, proof or appraisal that does not hold (exit code 4)."""

    exit_code = 4


class ProtocolError(WattestError):
    """The wrong phase, window, stake or caller; the contract has a custom error of the same name (exit code 5)."""

    exit_code = 5


class TransportError(WattestError):
    """A peer, socket, disk or chain that did not answer as it must (exit code 6)."""

    exit_code = 6

    def __init__(self, message: str, *, retryable: bool, hint: str | None = None, **fields: object) -> None:
        super().__init__(message, hint=hint, **fields)
        self.retryable = retryable


class ConfigError(WattestError):
    """A setting, a missing tool or an unsafe choice that policy refuses (exit code 7)."""

    exit_code = 7


EXIT_DONE = 0
EXIT_BUG = 1
EXIT_USAGE = 2
EXIT_VERIFICATION = VerificationError.exit_code
EXIT_INCOMPLETE = 8
EXIT_INTERRUPTED = 130


def _without_secrets(value: object) -> object:
    if isinstance(value, str):
        return hide_url_secrets(value)
    if isinstance(value, (list, tuple)):
        return type(value)(_without_secrets(item) for item in value) if type(value) in (list, tuple) else value
    return value


_ADDRESS_BYTES = 20
"""What has so many bytes is an address, and is shown as one."""


def _json_ready(value: object) -> object:
    if isinstance(value, (bytes, bytearray, memoryview)):
        shown = bytes(value).hex()
        return f"0x{shown}" if len(value) == _ADDRESS_BYTES else shown
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_json_ready(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _json_ready(item) for name, item in value.items()}
    return str(value)
