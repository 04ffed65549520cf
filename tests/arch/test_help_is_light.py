"""The help of a command imports no room and no heavy package: it is there at once.

Counted in modules, not in seconds: time belongs to ``bench/``. Each help is asked for in a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from wattest.apps.cli.commands import cli

LIGHT_FILES = ("config", "environment", "errors", "units", "url_text")
LIGHT_ROOMS = {"wattest", "wattest.apps"} | {f"wattest.{room}" for room in LIGHT_FILES}
LIGHT_PARTS = ("wattest.apps.cli", "wattest.apps.interrupts", "wattest.apps.terminal")
HEAVY = {
    *("numpy", "rich", "wasmtime", "aiohttp", "cryptography", "coincurve", "OpenSSL", "dcap_qvl", "eth_abi", "rfc8785"),
    *(
        "asyncio",
        "ssl",
        "sqlite3",
        "http",
        "multiprocessing",
        "ctypes",
        "tomllib",
        "zoneinfo",
        "urllib.request",
        "hashlib",
    ),
}
ASK = """
import sys
from wattest.apps.cli import run
code = run(sys.argv[1:])
print()
print(*sorted(sys.modules))
sys.exit(code)
"""


def words(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words that call every group and every command."""
    yield path
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group):
            yield from words(command, (*path, name))
        else:
            yield (*path, name)


def imported(*arguments: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", ASK, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def heavy(modules: set[str]) -> set[str]:
    """What a help has no use for."""
    rooms = {name for name in modules if name.split(".")[0] == "wattest"}
    strange = {name for name in rooms - LIGHT_ROOMS if not name.startswith(LIGHT_PARTS)}
    return strange | {name for name in modules if name in HEAVY}


ALL = sorted(words(cli))


@pytest.mark.parametrize("path", ALL, ids=lambda path: " ".join(path) or "wattest")
def test_help_imports_nothing_heavy(path: tuple[str, ...]) -> None:
    assert not heavy(imported(*path, "--help"))


def test_an_import_of_a_room_would_be_seen() -> None:
    assert len(ALL) > 30
    code = "import sys, wattest.apps.actions.receipt_verify; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = heavy(set(done.stdout.split()))
    assert {"wattest.receipt.verify", "wattest.apps.actions", "cryptography"} <= found
