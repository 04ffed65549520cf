"""Mistakes that people made, one row each: what is said, where, what to do, which exit code, and nothing left behind.

Each is made twice, in text and with ``--json``: the same message, hint and code. A row says what must be found in what
is said; no mistake ends in a traceback, prints to standard output, or changes a file.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from wattest.apps.cli import run

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Mistake:
    """``words``: the command; ``says``: parts of the message, its fields and its hint."""

    words: str
    error: str
    code: int
    says: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()


USAGE = [
    Mistake("recipt", "usage", 2, ("no such command 'recipt'", "wattest receipt", "wattest --help")),
    Mistake("recipt verify x", "usage", 2, ("no such command 'recipt'", "wattest receipt")),
    Mistake("verify x", "usage", 2, ("wattest receipt verify", "wattest attest verify")),
    Mistake("receipt verfy x", "usage", 2, ("'verfy'", "wattest receipt verify", "wattest receipt --help")),
    Mistake("operator rotatekey", "usage", 2, ("wattest operator rotate-key",)),
    Mistake("attest colateral show x", "usage", 2, ("wattest attest collateral",)),
    Mistake("attest collateral shw x", "usage", 2, ("wattest attest collateral show",)),
    Mistake("chain policy widraw", "usage", 2, ("wattest chain policy withdraw",)),
    Mistake("operator receipt", "usage", 2, ("no such command 'receipt'", "wattest receipt")),
    Mistake("frobnicate", "usage", 2, ("no such command 'frobnicate'", "wattest --help")),
    Mistake("receipt verify x --deploymnt y", "usage", 2, ("'--deploymnt'", "--deployment", "receipt verify --help")),
    Mistake("demo --house 3", "usage", 2, ("no such option '--house'", "wattest demo --help")),
    Mistake("demo --cheat stel", "usage", 2, ("'stel'", "withhold")),
    Mistake("demo --cheat frge", "usage", 2, ("did you mean: forge",)),
    Mistake("demo --households many", "usage", 2, ("'many'", "--households")),
    Mistake("demo --households 0", "usage", 2, ("--households", "1<=x<=")),
    Mistake("receipt verify", "usage", 2, ("missing argument 'FILE...'",)),
    Mistake("receipt verify x", "ReceiptFileUnreadable", 3, ("cannot read deployment.json", "--deployment")),
    Mistake("operator run --config", "usage", 2, ("'--config'", "argument")),
    Mistake("--verbose receipt", "usage", 2, ("no such option '--verbose'", "options follow the command")),
    Mistake("bench merkel", "usage", 2, ("'merkel'", "did you mean: merkle")),
    Mistake("demo --keys keys.json", "usage", 2, ("--keys goes with --data",)),
    Mistake("attest collateral fetch --out x", "usage", 2, ("name the platform", "--quote")),
]
ENVIRONMENT = [
    Mistake(
        "receipt verify x --deployment y", "EnvironmentInvalid", 7, ("WATTEST_THREADS", "1 to 256", "unset it"),
        (("WATTEST_THREADS", "many"),),
    ),
    Mistake(
        "operator new-key file", "EnvironmentInvalid", 7, ("WATTEST_SIMD", "avx2", "sse"), (("WATTEST_SIMD", "sse"),)
    ),
    Mistake(
        "demo", "EnvironmentInvalid", 7, ("WATTEST_ANVIL_PATH", "did you mean WATTEST_ANVIL"),
        (("WATTEST_ANVIL_PATH", "/x"),),
    ),
]  # fmt: skip
RECEIPT = (ROOT / "vectors/receipt/owed.json").read_bytes()
BOOK = (ROOT / "vectors/receipt/deployment.json").read_bytes()
BOM = b"\xef\xbb\xbf"
FILES = {
    "receipt": RECEIPT,
    "book": BOOK,
    "newline": RECEIPT + b"\n",
    "crlf": RECEIPT + b"\r\n",
    "bom": BOM + RECEIPT,
    "utf16": RECEIPT[:200].decode().encode("utf-16"),
    "indented": json.dumps(json.loads(RECEIPT), indent=1).encode(),
    "leading": b" " + RECEIPT,
    "cut": RECEIPT[: len(RECEIPT) // 2],
    "empty": b"",
    "gzip": gzip.compress(RECEIPT),
    "page": b"<!doctype html><title>Sign in</title>",
    "booknewlines": BOOK + b"\n\n",
    "bookbom": BOM + BOOK,
    "collateral": (ROOT / "examples/attestation/collateral.json").read_bytes(),
    "quote": (ROOT / "examples/attestation/enclave.quote").read_bytes(),
    "policybom": BOM + b"version = 1\n",
    "key": b"11" * 32 + b"\n",
    "keycrlf": b"11" * 32 + b"\r\n",
    "keyupper": b"AA" * 32,
    "key0x": b"0x" + b"11" * 32,
    "keybom": BOM + b"11" * 32,
    "emptykey": b"",
}
VERIFY = "receipt verify {} --deployment {}"
OTHER, CANONICAL, UNREADABLE = "AnotherKindOfFile", "CanonicalJsonInvalid", "ReceiptFileUnreadable"
SAVED = [
    Mistake(VERIFY.format("book", "receipt"), OTHER, 3, ("the two are swapped", "--deployment", "receipt")),
    Mistake(VERIFY.format("receipt", "receipt"), OTHER, 3, ("this is a receipt, where an address book",)),
    Mistake(VERIFY.format("book", "book"), OTHER, 3, ("this is an address book, where a receipt",)),
    Mistake(VERIFY.format("collateral", "book"), OTHER, 3, ("this is collateral, where a receipt",)),
    Mistake(VERIFY.format("newline", "book"), CANONICAL, 3, ("1 byte after its last brace", "as it came")),
    Mistake(VERIFY.format("crlf", "book"), CANONICAL, 3, ("2 bytes after its last brace", "adds a line end")),
    Mistake(VERIFY.format("bom", "book"), CANONICAL, 3, ("byte order mark", "as it came")),
    Mistake(VERIFY.format("utf16", "book"), CANONICAL, 3, ("UTF-16",)),
    Mistake(VERIFY.format("indented", "book"), CANONICAL, 3, ("white space from byte 1 on", "laid out anew")),
    Mistake(VERIFY.format("leading", "book"), CANONICAL, 3, ("1 byte before its first brace",)),
    Mistake(VERIFY.format("cut", "book"), CANONICAL, 3, ("it was cut off", "copy or download it again")),
    Mistake(VERIFY.format("empty", "book"), CANONICAL, 3, ("it is empty",)),
    Mistake(VERIFY.format("gzip", "book"), CANONICAL, 3, ("compressed (gzip): unpack it first",)),
    Mistake(VERIFY.format("page", "book"), CANONICAL, 3, ("a web page",)),
    Mistake(VERIFY.format("receipt", "booknewlines"), CANONICAL, 3, ("1 byte after its last brace",)),
    Mistake(VERIFY.format("receipt", "bookbom"), CANONICAL, 3, ("byte order mark", "bookbom")),
    Mistake(VERIFY.format("nowhere", "book"), UNREADABLE, 3, ("nowhere", "No such file", "check the path")),
    Mistake(VERIFY.format("receipt", "."), UNREADABLE, 3, ("Is a directory",)),
    Mistake("attest policy check policybom", "PolicyMalformed", 3, ("byte order mark",)),
]
CHAIN = "chain policy show --channel 00 --deployment {} --rpc {}"
PERMIT = "manager permit-hand-over --deployment book --channel 00 --operator 00 --policy x"
PERMIT += " --from 0 --to 0 --platform 0 --key-file "
KEYS = [
    Mistake("operator new-key key", "KeyFileExists", 7, ("exists already", "move it away")),
    Mistake("watcher new-key emptykey", "KeyFileExists", 7, ("there and empty", "rm emptykey")),
    Mistake("watcher new-reader-key emptykey", "KeyFileExists", 7, ("there and empty", "rm emptykey")),
    Mistake("appraiser new-key key/below", "KeyFileUnwritable", 7, ("key is a file, not a folder", "key/below")),
    Mistake(PERMIT + "nowhere", "KeyFileMissing", 7, ("nowhere", "No such file")),
    Mistake(PERMIT + "emptykey", "KeyFileInvalid", 3, ("the key file is empty",)),
    Mistake(PERMIT + "keycrlf", "KeyFileInvalid", 3, ("another line end",)),
    Mistake(PERMIT + "keyupper", "KeyFileInvalid", 3, ("upper-case letters",)),
    Mistake(PERMIT + "key0x", "KeyFileInvalid", 3, ("begins with 0x",)),
    Mistake(PERMIT + "keybom", "KeyFileInvalid", 3, ("byte order mark",)),
    Mistake(PERMIT + "key", "ChannelUnknown", 3, ("no such channel", "64 hex digits")),
    Mistake(CHAIN.format("receipt", "http://127.0.0.1:1"), OTHER, 3, ("this is a receipt",)),
    Mistake(CHAIN.format("book", "127.0.0.1:8545"), "ConfigError", 7, ("not an RPC address", "http://127.0.0.1:8545")),
]
APPRAISE = "attest verify {} --collateral {} --at 1790000000"
EVIDENCE = [
    Mistake(APPRAISE.format("collateral", "quote"), OTHER, 3, ("the two are swapped", "behind --collateral", "path")),
    Mistake(APPRAISE.format("collateral", "collateral"), OTHER, 3, ("this is collateral, where a quote is wanted",)),
    Mistake(APPRAISE.format("quote", "quote"), OTHER, 3, ("this is a quote, where collateral is wanted",)),
    Mistake(APPRAISE.format("receipt", "quote"), OTHER, 3, ("this is a receipt, where a quote is wanted",)),
    Mistake(APPRAISE.format("page", "collateral"), "QuoteMalformed", 3, ("truncated or not a DCAP quote",)),
    Mistake(APPRAISE.format("quote", "page"), "CollateralMalformed", 3, ("not JSON",)),
    Mistake("attest collateral show quote", OTHER, 3, ("this is a quote, where collateral is wanted",)),
    Mistake("attest collateral fetch --quote collateral --out x", OTHER, 3, ("collateral, where a quote is wanted",)),
]
MISTAKES = [*USAGE, *ENVIRONMENT, *SAVED, *KEYS, *EVIDENCE]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, data in FILES.items():
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_bytes(data)
    return tmp_path


def told(capfd: pytest.CaptureFixture[str]) -> str:
    shown = capfd.readouterr()
    if shown.out:  # a verdict, for scripts that read one form
        verdict = json.loads(shown.out)
        assert verdict.get("valid", verdict.get("genuine")) is False
    assert "Traceback" not in shown.err
    return shown.err


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.words.replace("/", "|"))
def test_a_mistake_is_explained(
    mistake: Mistake, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in mistake.environment:
        monkeypatch.setenv(name, value)
    before = contents(folder)
    assert run(mistake.words.split()) == mistake.code
    text = told(capfd)
    assert text.startswith("error: ")
    assert not [part for part in mistake.says if part not in text], text
    assert contents(folder) == before

    run_json(mistake, capfd)
    assert contents(folder) == before


def run_json(mistake: Mistake, capfd: pytest.CaptureFixture[str]) -> None:
    """The same with ``--json``, where the command has it: one object, which says the same."""
    if "--config" in mistake.words.split()[-1]:
        return  # the option would take it as its value
    code = run([*mistake.words.split(), "--json"])
    value = json.loads(told(capfd))
    assert set(value) == {"error", "message", "hint", "fields"}
    if value["message"].startswith("no such option '--json'"):
        assert code == 2  # a command without a result in JSON
        return
    assert (value["error"], code) == (mistake.error, mistake.code)
    everything = json.dumps([f"{name.replace('_', ' ')}: {field}" for name, field in value["fields"].items()])
    said = f"{value['message']} {value['hint']} {everything}".replace("['", "").replace("']", "")
    assert not [part for part in mistake.says if part not in said], said
