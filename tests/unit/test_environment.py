"""What environment variables count, and that the list is whole: in the sources, on the page, and at the core's face."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from wattest.environment import (
    CHECKOUT_PREFIXES,
    SIMD_KERNELS,
    THREADS_MAX,
    VARIABLES,
    EnvironmentInvalid,
    check_environment,
)

ROOT = Path(__file__).resolve().parents[2]
READ = re.compile(r"\bWATTEST_[A-Z][A-Z0-9_]*\b")


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"PATH": "/bin", "WATT": "1", "_WATTEST_COMPLETE": "bash_source"},
        {"WATTEST_THREADS": "1"},
        {"WATTEST_THREADS": "256"},
        {"WATTEST_THREADS": ""},
        {"WATTEST_SIMD": "scalar"},
        {"WATTEST_UNSAFE_FAULT": "after commit:2"},
        {"WATTEST_TEST_DATA": "/x", "WATTEST_TEST_ANYTHING": "", "WATTEST_DCAP_QUOTE": "0x"},
    ],
)
def test_what_counts(environment: dict[str, str]) -> None:
    check_environment(environment)


@pytest.mark.parametrize(
    ("environment", "variable", "hint"),
    [
        ({"WATTEST_THREADS": "0"}, "WATTEST_THREADS", "1 to 256"),
        ({"WATTEST_THREADS": "257"}, "WATTEST_THREADS", "1 to 256"),
        ({"WATTEST_THREADS": "four"}, "WATTEST_THREADS", "1 to 256"),
        ({"WATTEST_THREADS": "²"}, "WATTEST_THREADS", "1 to 256"),
        ({"WATTEST_SIMD": "AVX2"}, "WATTEST_SIMD", "avx2"),
        ({"WATTEST_UNSAFE_FAULT": "point:twice"}, "WATTEST_UNSAFE_FAULT", "occurrence"),
        ({"WATTEST_THREAD": "2"}, "WATTEST_THREAD", "did you mean WATTEST_THREADS"),
        ({"WATTEST_ANVILL": "/x"}, "WATTEST_ANVILL", "did you mean WATTEST_ANVIL"),
        ({"WATTEST_QQQ": "1"}, "WATTEST_QQQ", "unset it"),
    ],
)
def test_what_does_not(environment: dict[str, str], variable: str, hint: str) -> None:
    with pytest.raises(EnvironmentInvalid) as caught:
        check_environment({"PATH": "/bin", **environment})
    assert caught.value.fields["variable"] == variable
    assert hint in (caught.value.hint or "")
    assert caught.value.exit_code == 7


def test_every_variable_that_anything_reads_is_registered() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout: which files are the project's is not known")
    files = [ROOT / name for name in listed.stdout.splitlines() if name != Path(__file__).relative_to(ROOT).as_posix()]
    named: set[str] = set()
    for path in files:
        if path.is_file() and (path.suffix in {".py", ".rs", ".sol", ".sh", ".mk"} or path.name in {"Makefile", "run"}):
            named |= set(READ.findall(path.read_text("utf-8", errors="replace")))
    named -= {"WATTEST_COMPLETE"}
    known = {variable.name for variable in VARIABLES}
    mistakes = {"WATTEST_THREAD", "WATTEST_ANVIL_PATH"}  # made on purpose, by tests
    assert {name for name in named - known - mistakes if not f"{name}_".startswith(CHECKOUT_PREFIXES)} == set()
    assert known <= named | {"WATTEST_CHECKOUT"}, "a variable that nothing reads"


def test_the_page_lists_them() -> None:
    page = (ROOT / "docs" / "commands.md").read_text("utf-8")
    text = page.split("## Environment\n", 1)[1].split("\n## ", 1)[0]
    assert {f"`{variable.name}`" for variable in VARIABLES} <= set(re.findall(r"`WATTEST_\w+`", text))


def python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("environment", [{"WATTEST_THREADS": "0"}, {"WATTEST_SIMD": "sse9"}])
def test_a_program_is_told_by_the_core_s_face(environment: dict[str, str]) -> None:
    code = (
        "from wattest.errors import ConfigError\n"
        "try:\n    from wattest.crypto.hashing import keccak256\n    print(keccak256(b'').hex())\n"
        "except ConfigError as error: print('refused', error.code)"
    )
    assert python(code, **environment).startswith("refused ")
    assert python(code).startswith("c5d24601")


def test_the_register_and_the_core_have_one_set_of_values() -> None:
    from wattest.crypto import native

    assert set(native.simd_kernels()) <= set(SIMD_KERNELS)
    ask = "from wattest.crypto import native; print(native.default_threads())"
    assert python(ask, WATTEST_THREADS=str(THREADS_MAX)).strip() == str(THREADS_MAX)
    assert "ThreadsInvalid" in python(ask, WATTEST_THREADS=str(THREADS_MAX + 1))
