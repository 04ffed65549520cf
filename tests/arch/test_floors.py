"""The floors hold, and what checks them would notice if they did not.

Each of import-linter's contracts is seen to fail on a copy of the package with one forbidden import. What import-linter
cannot say is checked on the syntax trees: measured code and what it reaches, and that the pure rooms call no clock.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest
from waiting import HANG_S

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "wattest"

PURE_ROOMS = (
    "units",
    "errors",
    "config",
    "crypto",
    "merkle",
    "metering",
    "workload",
    "messages",
    "protocol",
    "settlement",
)
PURE_ROOMS += ("settlement", "attestation", "receipt", "environment", "url_text", "versions")
IMPURE_MODULES = {
    *("socket", "ssl", "http", "urllib", "aiohttp", "web3", "asyncio", "select", "selectors", "smtplib", "ftplib"),
    *("time", "sched", "random", "secrets", "uuid", "os", "subprocess", "multiprocessing", "signal", "sqlite3"),
    *("tempfile", "shutil", "glob", "fcntl", "mmap", "shelve", "dbm", "ctypes"),
}
IMPURE_CALLS = {"now", "utcnow", "today", "urandom", "monotonic", "perf_counter", "getrandbits", "token_bytes", "open"}
READS_OWN_DATA = {"attestation/roots.py", "workload/guests.py"}  # importlib.resources: data of the package itself

MEASURED_ROOMS = {"enclave", "attestation", "workload", "metering", "merkle", "crypto", "messages", "sealing"}
MEASURED_ROOMS |= {"units", "errors", "url_text"}
MEASURED_MESSAGES = {
    *("channel", "eip712", "fields", "header", "member_list", "report_data", "roster"),
    *("settlement_terms", "hand_over_permit", "peer_policy", "witness_verdict"),
}
MEASURED_ATTESTATION = {
    *(
        "appraisal",
        "endorsements",
        "evidence",
        "dcap_faults",
        "formats",
        "appraisal_policy",
        "appraisal_policy_table",
        "ra_tls",
        "result",
    ),
    *("collateral_age", "collateral_signers", "list_issuer", "platform_rules", "roots", "verification"),
}


def lint(folder: Path) -> tuple[int, dict[str, str]]:
    """import-linter's exit code and its word on each contract, for the package in ``folder``."""
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-logo", "--no-cache", "--config", ROOT / "pyproject.toml"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_S,
    )
    return done.returncode, dict(re.findall(r"^(.+) (KEPT|BROKEN)$", done.stdout, re.MULTILINE))


def test_every_contract_is_kept() -> None:
    code, verdicts = lint(PACKAGE.parent)
    assert code == 0, verdicts
    assert len(verdicts) == 3
    assert set(verdicts.values()) == {"KEPT"}


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("merkle/tree.py", "import wattest.metering.records", "Floors"),
        ("chain/rpc.py", "import wattest.enclave.host.client", "Floors"),
        ("enclave/measured/seal_series.py", "import wattest.settlement.share_reader", "Measured code"),
        ("twin/stake.py", "import time", "Receipt and below"),
        ("workload/engine.py", "import secrets", "Receipt and below"),
    ],
)
def test_a_forbidden_import_breaks_its_contract(file: str, line: str, contract: str, tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "wattest", ignore=shutil.ignore_patterns("__pycache__", "*.so", "data"))
    (tmp_path / "wattest/settlement/share_reader.py").write_text('"""A module that only this test has."""\n')
    changed = tmp_path / "wattest" / file
    source = changed.read_text(encoding="utf-8")
    changed.write_text(source.replace("from __future__ import annotations\n", f"{line}\n", 1), encoding="utf-8")
    code, verdicts = lint(tmp_path)
    assert code != 0
    assert any(name.startswith(contract) and verdict == "BROKEN" for name, verdict in verdicts.items()), verdicts


def test_measured_code_reaches_only_its_rooms() -> None:
    graph = grimp.build_graph("wattest", cache_dir=None)
    start = graph.find_descendants("wattest.enclave.measured") | {"wattest.enclave.measured"}
    reached = set(start)
    for module in start:
        reached |= graph.find_upstream_modules(module)
    rooms = {module.split(".")[1] for module in reached if module != "wattest"}
    assert rooms <= MEASURED_ROOMS
    assert {"workload", "crypto", "merkle"} <= rooms  # the walk found something
    assert not {module for module in reached if re.match(r"wattest\.enclave\.(host|simulator)", module)}
    messages = {module.split(".")[2] for module in reached if module.startswith("wattest.messages.")}
    assert messages <= MEASURED_MESSAGES, "say in docs/architecture.md what else is measured, then here"
    attestation = {module.split(".")[2] for module in reached if module.startswith("wattest.attestation.")}
    assert attestation <= MEASURED_ATTESTATION, "say in docs/architecture.md what else is measured, then here"


def impurities(source: str, *, own_data: bool = False) -> Iterator[str]:
    """What a module imports or calls that could reach a clock, network, disk or randomness."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        else:
            names = []
        yield from (name for name in names if name.split(".")[0] in IMPURE_MODULES)
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            reads = isinstance(called, ast.Attribute) and name in {"read_bytes", "read_text", "write_bytes"}
            if name in IMPURE_CALLS or (reads and not own_data):
                yield f"{name}()"


def test_pure_rooms_reach_no_clock_network_disk_or_randomness() -> None:
    found = {}
    files = [path for room in PURE_ROOMS for path in [PACKAGE / f"{room}.py", *(PACKAGE / room).rglob("*.py")]]
    seen = [path for path in files if path.is_file()]
    assert len(seen) > 80
    for path in seen:
        name = path.relative_to(PACKAGE).as_posix()
        wrong = set(impurities(path.read_text(encoding="utf-8"), own_data=name in READS_OWN_DATA))
        if wrong:
            found[name] = wrong
    assert not found


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("import time", "time"),
        ("from os import urandom", "os"),
        ("import urllib.request", "urllib.request"),
        ("from datetime import datetime\nx = datetime.now()", "now()"),
        ("open('f')", "open()"),
        ("def f(p):\n    import socket\n", "socket"),
        ("p.read_bytes()", "read_bytes()"),
    ],
)
def test_an_impurity_would_be_seen(source: str, wrong: str) -> None:
    assert list(impurities(source)) == [wrong]
    assert not list(impurities("from datetime import datetime, UTC\nx = datetime.fromtimestamp(1, UTC)"))
