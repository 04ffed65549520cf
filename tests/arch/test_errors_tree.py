"""Every exception that wattest defines hangs in one tree, under exactly one branch, or says here why not."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType

import wattest
from wattest.errors import (
    ConfigError,
    InputError,
    ProtocolError,
    TransportError,
    VerificationError,
    WattestError,
)

BRANCHES = (InputError, VerificationError, ProtocolError, TransportError, ConfigError)
OUTSIDE = {
    "wattest.crypto._native.Fault": "the native core's own; merkle and crypto turn it into leaf classes",
    "wattest.crypto.json_text.JsonTooDeep": "a ValueError beside json's own; each format's reader wraps both",
    "wattest.crypto.json_text.JsonKeyTwice": "a ValueError beside json's own; each format's reader wraps it",
    "wattest.enclave.measured.boot.OutsideMeasurement": "the fence answers as the system does, or code would go on",
    "wattest.receipt.link.LinkUnchecked": "a verdict on its way to its link; never leaves the room",
    "wattest.apps.demo.cheats.CheatUnpunished": "a demo whose cheat was not caught is a bug, and must end as one",
}


def modules() -> list[ModuleType]:
    names = [found.name for found in pkgutil.walk_packages(wattest.__path__, "wattest.")]
    return [importlib.import_module(name) for name in names if not name.endswith("__main__")]


def exceptions(module: ModuleType) -> dict[str, type[BaseException]]:
    """The public exception classes that a module defines, by their full name; private ones never leave it."""
    return {
        f"{module.__name__}.{name}": value
        for name, value in vars(module).items()
        if inspect.isclass(value)
        and issubclass(value, BaseException)
        and value.__module__ == module.__name__
        and not name.startswith("_")
    }


def misplaced(found: dict[str, type[BaseException]]) -> set[str]:
    """Those that do not hang under exactly one branch."""
    return {
        name
        for name, cls in found.items()
        if cls is not WattestError and sum(issubclass(cls, branch) for branch in BRANCHES) != 1
    }


def test_every_exception_hangs_under_one_branch() -> None:
    found: dict[str, type[BaseException]] = {}
    for module in modules():
        found |= exceptions(module)
    assert len(found) > 200
    assert misplaced(found) == set(OUTSIDE)


def test_leaves_keep_their_branch_s_exit_code_and_say_what_they_are() -> None:
    for module in modules():
        for name, cls in exceptions(module).items():
            if issubclass(cls, BRANCHES):
                (branch,) = (branch for branch in BRANCHES if issubclass(cls, branch))
                assert cls.exit_code == branch.exit_code, name
                assert cls.__doc__, name


def test_a_stray_exception_would_be_seen() -> None:
    stray = ModuleType("wattest.stray")

    class Stray(ValueError):
        """Hangs nowhere."""

    class TwoBranches(InputError, VerificationError):
        """Hangs twice."""

    class Bare(WattestError):
        """Hangs under no branch."""

    class Placed(InputError):
        """Hangs where it should."""

    for cls in (Stray, TwoBranches, Bare, Placed):
        cls.__module__ = stray.__name__
        setattr(stray, cls.__name__, cls)
    assert misplaced(exceptions(stray)) == {f"wattest.stray.{name}" for name in ("Stray", "TwoBranches", "Bare")}
