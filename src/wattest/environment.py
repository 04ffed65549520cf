"""The one register of what wattest is told by environment variables: names, meaning, and which values count.

Decided here: every ``WATTEST_*`` that anything of this project reads, and that a wrong value or an unknown name is
refused, not passed over. Not decided here: what a setting does (whoever reads it). The mapping is passed in; nothing
here looks at the process. docs/commands.md, section "Environment", is held against this list by a test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wattest.errors import ConfigError

PREFIX = "WATTEST_"
PRODUCTION_VARIABLE = "WATTEST_PRODUCTION"
THREADS_MAX = 256
SIMD_KERNELS = ("scalar", "avx2", "avx512", "neon")


class EnvironmentInvalid(ConfigError):
    """An environment variable of ours with a value that does not count, or one that nothing reads."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable; ``valid`` says in words what ``accepts`` takes. An empty value is as good as none.

    ``is_for_checkout``: read by tests, benchmarks and tools of a checkout, not by the package.
    """

    name: str
    meaning: str
    valid: str
    accepts: Callable[[str], bool]
    is_for_checkout: bool = False


def _anything(_: str) -> bool:
    return True


def _is_thread_count(text: str) -> bool:
    return bool(re.fullmatch(r"\+?[0-9]{1,6}", text)) and 1 <= int(text) <= THREADS_MAX


def _is_fault(text: str) -> bool:
    return bool(re.fullmatch(r"[^:]+(:[0-9]*)?", text))


def _checkout(name: str, meaning: str, valid: str = "text") -> Variable:
    return Variable(PREFIX + name, meaning, valid, _anything, is_for_checkout=True)


VARIABLES = (
    Variable("WATTEST_ANVIL", "the anvil executable for embedded chains", "a path", _anything),
    Variable("WATTEST_PRODUCTION", "switches production on for every command of the host", "1", "1".__eq__),
    Variable(
        "WATTEST_SIMD",
        "forces a kernel of the native core",
        f"one of {', '.join(SIMD_KERNELS)}, if this processor has it",
        SIMD_KERNELS.__contains__,
    ),
    Variable(
        "WATTEST_THREADS", "bounds the native core's threads in one call", f"1 to {THREADS_MAX}", _is_thread_count
    ),
    Variable(
        "WATTEST_UNSAFE_FAULT",
        "kills a node at a point, with --unsafe-development-faults alone",
        "point or point:occurrence",
        _is_fault,
    ),
    _checkout("CHECKOUT", "the checkout's folder, in the pages' commands", "a path"),
    _checkout("TEST_DATA", "the folder of test data that is no part of the project", "a path"),
    _checkout("INTEL_QVL", "Intel's quote verification library, for a second opinion", "a path"),
    _checkout("GOCAR", "go-car's side of the tests of bundles", "a path"),
    _checkout("GUEST_RUSTC", "the compiler that rebuilds the guests for comparison", "a path"),
    _checkout("REQUIRE_AARCH64", "tests on another processor fail instead of skipping", "1"),
    _checkout("DEEP", "deep tests run, too", "1"),
    _checkout("DEEP_SEED", "the seed of deep tests", "a number"),
    _checkout("FUZZ_COUNT", "inputs of a fuzzing run", "a number"),
    _checkout("FUZZ_RUNS", "at most so many inputs", "a number"),
    _checkout("FUZZ_SECONDS", "how long a fuzzing run takes", "a number"),
    _checkout("FUZZ_SEED", "the seed of a fuzzing run", "a number"),
    _checkout("MERKLE_VECTORS", "the folder of vectors that Solidity tests read", "a path"),
)
CHECKOUT_PREFIXES = ("WATTEST_DCAP_", "WATTEST_TEST_")
"""Variables that a test hands to a test of another language: any name, any value."""

_BY_NAME = {variable.name: variable for variable in VARIABLES}


def check_environment(environment: Mapping[str, str]) -> None:
    """Every variable with our prefix is one that is read, with a value that counts.

    Raises: EnvironmentInvalid, for the first in alphabetical order.
    """
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name.startswith(CHECKOUT_PREFIXES):
            continue
        variable = _BY_NAME.get(name)
        if variable is None:
            raise EnvironmentInvalid(
                f"nothing reads the environment variable {name}", variable=name, hint=_instead(name)
            )
        value = environment[name]
        if value and not variable.accepts(value):
            raise EnvironmentInvalid(
                f"{name} has a value that does not count",
                variable=name,
                expected=variable.valid,
                actual=value[:80],
                hint=f"set {name} to {variable.valid}, or unset it",
            )


def is_production_host(environment: Mapping[str, str]) -> bool:
    """Whether every command of this host is to be in production; the value was checked by ``check_environment``."""
    return bool(environment.get(PRODUCTION_VARIABLE))


def _instead(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, _BY_NAME, n=1)
    return f"did you mean {close[0]}? else unset it" if close else "unset it; docs/commands.md lists those that count"
