"""The error tree: one branch per exit code, JSON-ready fields, class names as stable codes."""

from __future__ import annotations

import json

import pytest

from wattest.errors import (
    ConfigError,
    InputError,
    ProtocolError,
    TransportError,
    VerificationError,
    WattestError,
)


@pytest.mark.parametrize(
    ("branch", "exit_code"), [(InputError, 3), (VerificationError, 4), (ProtocolError, 5), (ConfigError, 7)]
)
def test_each_branch_has_its_exit_code(branch: type[WattestError], exit_code: int) -> None:
    assert branch("wrong").exit_code == exit_code


def test_transport_errors_say_whether_to_try_again() -> None:
    error = TransportError("refused", retryable=True)
    assert error.retryable
    assert error.exit_code == 6


def test_an_error_becomes_json_with_bytes_in_hex() -> None:
    error = InputError("too long", hint="shorten it", expected=(1, b"\x01"), actual={"root": b"\xab"}, other=object)
    shown = json.loads(json.dumps(error.as_dict()))
    assert shown["error"] == "InputError"
    assert shown["hint"] == "shorten it"
    assert shown["fields"]["expected"] == [1, "01"]
    assert shown["fields"]["actual"] == {"root": "ab"}
