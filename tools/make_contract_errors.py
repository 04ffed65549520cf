#!/usr/bin/env python3
"""Write the twin's error classes from the contracts' custom errors: names, parameters and words are Solidity's.

``src/wattest/twin/errors.py`` gets those of channels, batches, challenges, registrations and payouts, and
``dcap_errors.py`` those of the contracts that judge quotes and keep collateral. The sentence of a class is the error's
``@notice``, its hint the ``@custom:advice``, its fields the parameters, snake-cased. An error that several files
declare has one set of words and parameters, or nothing is written. With ``--check`` nothing is written and the exit
code is 1 if a file differs.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "contracts" / "src"
TWIN = ROOT / "src" / "wattest" / "twin"
NEVER_DEPLOYED = "dev"
OF_DCAP = {"dcap", "ICollateralRegistry.sol", "IDcapVerifier.sol"}
OF_MERKLE = {"MerkleRfc9162.sol"}  # wattest.merkle has these, as verification and input errors
WIDTH = 120

ERROR = re.compile(
    r"(?P<doc>(?:^[ \t]*///[^\n]*\n)*)^[ \t]*error\s+(?P<name>\w+)\((?P<parameters>[^)]*)\)\s*;", re.MULTILINE
)
TAG = re.compile(r"@(?P<tag>[\w:]+)\s+(?P<words>.*?)(?=\s*@[\w:]+\s|$)", re.DOTALL)

ERRORS_HEAD = '''"""Every way a contract refuses, under the name of its Solidity custom error.

Made by ``tools/make_contract_errors.py`` from the contracts' NatSpec: change it there. Decided here: names, fields and
words only; who raises them is in the twin's modules. Invariant: a revert from the chain and a refusal of the twin are
the same error.
"""

from __future__ import annotations

from wattest.twin.reverted import Reverted, reverts_in
'''
DCAP_HEAD = '''"""Every way the contracts that judge quotes refuse, under the name of its Solidity custom error.

Made by ``tools/make_contract_errors.py`` from the contracts' NatSpec, as ``errors`` is, for ``DcapVerifier``,
``CollateralRegistry`` and the libraries that they read DCAP's formats with. How evidence is judged off chain is decided
in ``attestation``.
"""

from __future__ import annotations

from wattest.twin.reverted import Reverted, reverts_in
'''


@dataclass(frozen=True)
class CustomError:
    """One custom error as Solidity declares it: its words, what to do, its parameters in snake case."""

    name: str
    words: str
    advice: str | None
    parameters: tuple[str, ...]


def snake(name: str) -> str:
    """``requiredWei`` as ``required_wei``."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def declared(text: str) -> Iterator[CustomError]:
    """The custom errors of one Solidity file, in its order; one without a ``@notice`` is refused."""
    for found in ERROR.finditer(text):
        doc = " ".join(line.strip().removeprefix("///").strip() for line in found["doc"].splitlines())
        tags = {tag["tag"]: " ".join(tag["words"].split()) for tag in TAG.finditer(doc)}
        if "notice" not in tags:
            raise SystemExit(f"{found['name']} has no @notice: say what is wrong")
        if strange := set(tags) - {"notice", "custom:advice"}:
            raise SystemExit(f"{found['name']} has tags that become nothing: {', '.join(sorted(strange))}")
        names = (part.split()[-1] for part in found["parameters"].split(",") if part.strip())
        parameters = tuple(snake(name.rstrip("_")) for name in names)
        yield CustomError(found["name"], tags["notice"].replace("`", "``"), tags.get("custom:advice"), parameters)


def by_file(*, of_dcap: bool) -> dict[str, list[CustomError]]:
    """Each error once, under the file that declares it first; files by name."""
    groups: dict[str, list[CustomError]] = {}
    known: dict[str, CustomError] = {}
    for source in sorted(SOURCES.rglob("*.sol"), key=lambda path: path.name):
        parts = set(source.relative_to(SOURCES).parts)
        if NEVER_DEPLOYED in parts or parts & OF_MERKLE or bool(parts & OF_DCAP) != of_dcap:
            continue
        for error in declared(source.read_text("utf-8")):
            if known.setdefault(error.name, error) != error:
                raise SystemExit(f"{source.name} declares {error.name} otherwise than another file")
            if error is known[error.name]:
                groups.setdefault(source.stem, []).append(error)
    return groups


def class_of(error: CustomError) -> Iterator[str]:
    """The lines of one class."""
    yield f"class {error.name}(Reverted):"
    lines = textwrap.wrap(f'"""{error.words}"""', WIDTH, initial_indent="    ", subsequent_indent="    ")
    if len(lines) > 1:
        lines = [*textwrap.wrap(f'"""{error.words}', WIDTH, initial_indent="    ", subsequent_indent="    "), '    """']
    yield from lines
    if error.parameters or error.advice:
        yield ""
    if error.parameters:
        yield f"    arguments = {error.parameters!r}"
    if error.advice:
        yield f"    advice = {error.advice!r}"


def module(head: str, groups: dict[str, list[CustomError]], register: str) -> str:
    """A whole module, as the formatter lays it out."""
    lines: list[str] = [head]
    for file, errors in groups.items():
        lines += ["", f"# {file}", ""]
        for error in errors:
            lines += ["", *class_of(error), ""]
    lines += ["", f"{register}: dict[str, type[Reverted]] = reverts_in(__name__)", ""]
    return formatted("\n".join(lines))


def formatted(text: str) -> str:
    """What ruff makes of it."""
    ran = subprocess.run(
        [Path(sys.executable).parent / "ruff", "format", "--stdin-filename", "src/wattest/twin/errors.py", "-"],
        cwd=ROOT,
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.replace("reverts_in\n\n\n#", "reverts_in\n\n#", 1)  # as the import sorter wants it


def modules() -> dict[Path, str]:
    """Path to text of both modules."""
    return {
        TWIN / "errors.py": module(ERRORS_HEAD, by_file(of_dcap=False), "REVERTS"),
        TWIN / "dcap_errors.py": module(DCAP_HEAD, by_file(of_dcap=True), "DCAP_REVERTS"),
    }


def main(arguments: Iterable[str] | None = None) -> int:
    """Write or compare; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with what is there, write nothing")
    options = parser.parse_args(None if arguments is None else list(arguments))
    different = {path: text for path, text in modules().items() if path.read_text("utf-8") != text}
    for path, text in different.items():
        if not options.check:
            path.write_text(text, "utf-8")
        print(f"{path.relative_to(ROOT)}: {'differs' if options.check else 'written'}")
    return 1 if options.check and different else 0


if __name__ == "__main__":
    raise SystemExit(main())
