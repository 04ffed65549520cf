"""Rules of the house that no linter knows: long files have a reason, licences are named, nothing is left to do.

Each rule is a function over a file's text; each is shown to find what it looks for.
"""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 500
CODE = (".py", ".pyi", ".rs", ".sol", ".sh")
THIS = Path(__file__).resolve()

LONG_FILES = {
    "src/wattest/twin/errors.py": "made from the contracts: every custom error, with words and a hint",
    "src/wattest/twin/dcap_errors.py": "the same for the contracts that judge quotes and keep collateral",
    "tests/support/protocol_scenarios.py": "one player for the twin and for twin and contracts side by side",
    "vectors/generate_dcap_registry.py": "certificates and texts made to order, and every call of every scenario",
}
MAY_BE_UNSAFE = {
    "guests/abi/abi.rs": "where bytes enter and leave a guest; the rest of the guests has none",
    "native/lanes/src/avx2.rs": "calls into the kernel, loads and stores of a register",
    "native/lanes/src/avx512.rs": "the same",
    "native/lanes/src/avx512_one.rs": "the same",
    "native/lanes/src/neon.rs": "the same",
    "native/lanes/src/prefetch.rs": "a hint that takes a pointer and reads nothing",
}


@cache
def project() -> tuple[Path, ...]:
    """The project's own files, as git names them."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout: which files are the project's is not known")
    return tuple(ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file())


def code(*suffixes: str) -> dict[str, str]:
    """Path to text of the project's code files, without this one."""
    chosen = suffixes or CODE
    return {
        path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
        for path in project()
        if path.suffix in chosen and path != THIS
    }


def left_to_do(text: str) -> list[str]:
    return re.findall(r"\b(?:TODO|FIXME|XXX|HACK)\b", text)


def blanket_exceptions(text: str) -> list[str]:
    """Switched-off checks that do not say which."""
    return re.findall(r"#\s*type:\s*ignore(?!\[[a-z])|#\s*noqa(?!:\s*[A-Z]+\d)|#\s*mypy:\s*ignore-errors", text)


def is_licensed(text: str) -> bool:
    return text.startswith("// SPDX-License-Identifier: Apache-2.0\n")


def unsafe_rust(text: str) -> list[str]:
    """Unsafe blocks, functions, traits and implementations; words in comments are none."""
    return re.findall(r"\bunsafe\s*(?:\{|fn\b|impl\b|trait\b|extern\b)", re.sub(r"//.*", "", text))


def test_long_files_have_a_reason() -> None:
    sizes = {name: len(text.splitlines()) for name, text in code().items()}
    assert {name for name, size in sizes.items() if size > LONGEST} <= set(LONG_FILES)
    assert not [name for name in LONG_FILES if sizes.get(name, 0) < LONGEST - 50], "no reason is needed any more"


def test_most_files_are_short() -> None:
    sizes = sorted(len(text.splitlines()) for name, text in code(".py").items() if name.startswith("src/"))
    assert sizes[len(sizes) // 2] < 200


def test_solidity_names_its_licence() -> None:
    sources = code(".sol")
    assert len(sources) > 30
    assert not [name for name, text in sources.items() if not is_licensed(text)]
    assert is_licensed("// SPDX-License-Identifier: Apache-2.0\npragma solidity 0.8.37;\n")
    assert not is_licensed("pragma solidity 0.8.37;\n")


def test_nothing_is_left_to_do() -> None:
    texts = {
        path: path.read_text("utf-8") for path in project() if path.suffix in {*CODE, ".md", ".toml"} and path != THIS
    }
    assert len(texts) > 350
    assert not {path.relative_to(ROOT).as_posix() for path, text in texts.items() if left_to_do(text)}
    assert left_to_do("# TODO: later, // FIXME") == ["TODO", "FIXME"]


def test_switched_off_checks_say_which() -> None:
    assert not {name for name, text in code(".py", ".pyi").items() if blanket_exceptions(text)}
    assert len(blanket_exceptions("x  # type: ignore\ny  # noqa\n")) == 2
    assert not blanket_exceptions("x  # type: ignore[misc]\ny  # noqa: T201\n")


def test_unsafe_rust_stands_in_one_place() -> None:
    sources = code(".rs")
    assert {name for name, text in sources.items() if unsafe_rust(text)} == set(MAY_BE_UNSAFE)
    workspace = tomllib.loads((ROOT / "native/Cargo.toml").read_text("utf-8"))
    assert workspace["workspace"]["lints"]["rust"]["unsafe_code"] == "forbid"
    core = tomllib.loads((ROOT / "native/core/Cargo.toml").read_text("utf-8"))
    assert core["lints"] == {"workspace": True}
    assert unsafe_rust("// unsafe { }\nfn f() { unsafe { g() } }") == ["unsafe {"]


def test_test_files_have_names_of_their_own() -> None:
    names = Counter(path.name for path in project() if path.name.startswith("test_") and path.suffix == ".py")
    assert len(names) > 70
    assert not [name for name, count in names.items() if count > 1]


def test_what_skips_a_check_in_production_says_unsafe() -> None:
    """A module or switch for development only is named so where it is used, not only where it is made."""
    demo = code(".py")["src/wattest/apps/demo/cheats.py"]
    assert "unsafe_forger" in demo
    assert "unsafe_behaviour" in demo
    keys = {path.name for path in project() if path.suffix == ".pem" and b"PRIVATE KEY" in path.read_bytes()}
    assert keys == {"unsafe_development_root_key.pem"}
