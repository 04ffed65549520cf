"""``wattest attest collateral fetch``: what is written, what is said, and what a service that is down leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from http_faults import FaultyProxy, changed, status

from wattest.apps.cli import run
from wattest.attestation.endorsements import endorse, parse_endorsements
from wattest.collateral.pccs_server import PccsServer
from wattest.enclave.simulator.collateral import CollateralOptions
from wattest.enclave.simulator.pki import SimulatedPki
from wattest.enclave.simulator.platform import SimulatedPlatform

NOW, DAY = 1_790_000_000, 86_400
PLATFORM = SimulatedPlatform(SimulatedPki.create(bytes(range(32)), NOW))
HEALTHY = endorse(PLATFORM.collateral(NOW))
OLDER = endorse(PLATFORM.collateral(NOW, CollateralOptions(evaluation_number=19)))


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with PccsServer(lambda _: [HEALTHY]) as server:
        yield server.url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    quote = PLATFORM.quote(measurement=bytes(32), signer=bytes(32), product=0, svn=0, report_data=bytes(64))
    (tmp_path / "quote").write_bytes(quote)
    (tmp_path / "root.pem").write_bytes(PLATFORM.root_certificate_pem)
    return tmp_path


def command(folder: Path, url: str, *more: str, now: int = NOW, platform: tuple[str, ...] | None = None) -> list[str]:
    named = platform if platform is not None else ("--quote", str(folder / "quote"))
    fixed = ["--url", url, "--root", str(folder / "root.pem"), "--out", str(folder / "kept.json"), "--at", str(now)]
    return ["attest", "collateral", "fetch", *named, *fixed, "--attempts", "1", *more]


def test_what_is_fetched_is_written_once(folder: Path, service: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command(folder, service)) == 0
    words = capsys.readouterr()
    assert words.out.startswith("wrote ")
    assert "usable until 2026-09-28 14:13:20Z (TCB info ends first)" in words.out
    assert "asking for the PCK revocation list: http://127.0.0.1:" in words.err
    assert parse_endorsements((folder / "kept.json").read_bytes()) == HEALTHY
    named = ("--tee", "sgx", "--fmspc", "575453494D00", "--ca", "platform")
    assert run(command(folder, service, "--json", platform=named)) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["written"], shown["fmspc"], shown["ca"]) == (False, "575453494d00", "platform")
    assert (shown["usable"], shown["usable_until"], shown["ends_first"]) == (True, NOW + 7 * DAY, "TCB info")
    assert shown["digest"] == HEALTHY.digest.hex()


@pytest.mark.parametrize(("age", "usable"), [(DAY, True), (6 * DAY, True), (8 * DAY, False)])
def test_a_service_that_is_down_leaves_the_file_and_says_what_it_is_good_for(
    age: int, usable: bool, folder: Path, service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command(folder, service)) == 0
    before = (folder / "kept.json").read_bytes()
    capsys.readouterr()
    with FaultyProxy(service, {"/tcb": [status(503)]}) as proxy:
        assert run(command(folder, proxy.url, "--json", now=NOW + age)) == 6
        caught = capsys.readouterr()
        assert caught.out == ""
        said = json.loads(caught.err.splitlines()[-1])
        assert said["error"] == "CollateralServiceDown"
        assert said["fields"]["status"] == 503
        assert said["fields"]["url"].startswith(proxy.url)
        kept = {name: value for name, value in said["fields"].items() if name.startswith("kept")}
        assert kept == {"kept_usable": usable, "kept_usable_until": NOW + 7 * DAY, "kept_age_s": age}
        assert f"{age // DAY} d 0 h old, usable until 2026-09-28" in said["hint"]
        (folder / "kept.json").unlink()
        assert run(command(folder, proxy.url)) == 6  # nothing was there, nothing is said of it
        assert "what is there stays:" not in capsys.readouterr().err
        assert not (folder / "kept.json").exists()
    (folder / "kept.json").write_bytes(before)


def test_older_collateral_is_refused_and_the_file_stays(
    folder: Path, service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command(folder, service)) == 0
    before = (folder / "kept.json").read_bytes()
    with PccsServer(lambda _: [OLDER]) as back:
        assert run(command(folder, back.url, "--json")) == 4
    said = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert (said["error"], said["fields"]) == ("CollateralWentBack", {"expected": 20, "actual": 19})
    assert (folder / "kept.json").read_bytes() == before


def test_clocks_that_differ_are_said(folder: Path, service: str, capsys: pytest.CaptureFixture[str]) -> None:
    with FaultyProxy(service, {"/": [changed(date="Mon, 21 Sep 2026 14:13:20 GMT")]}) as proxy:
        assert run(command(folder, proxy.url)) == 0
    assert "the service's: set it" in capsys.readouterr().err
    (folder / "kept.json").unlink()
    assert run(command(folder, service, "--json", now=NOW - 120)) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["issued_ahead_seconds"] == 120
    assert "behind the collateral's issuer" in shown["warnings"][0]
    assert run(command(folder, service, "--clock-tolerance", "119", now=NOW - 120)) == 4
    assert "ahead_s: 120" in capsys.readouterr().err


def test_an_early_warning(folder: Path, service: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command(folder, service, now=NOW + 6 * DAY)) == 0
    assert "WARNING: the collateral can be used for 1 d 0 h more" in capsys.readouterr().err


def test_usage_and_configuration(folder: Path, service: str) -> None:
    assert run(command(folder, service, platform=())) == 2
    assert run(command(folder, service, platform=("--tee", "sgx", "--fmspc", "575453494D00"))) == 2
    assert run(command(folder, service, "--tee", "sgx")) == 2
    assert run(command(folder, service, platform=("--tee", "sgx", "--fmspc", "hello", "--ca", "platform"))) == 3
    assert run(command(folder, "http://pccs.example")) == 7
    assert run(command(folder, service, "--root", "intel")) == 4
    assert run(command(folder, service, "--tls-ca", str(folder / "quote"))) == 7
    assert run(["attest", "collateral", "serve"]) == 2
    assert run(["attest", "collateral", "serve", "x", "--platform", "y"]) == 2
    assert run(["attest", "collateral", "serve", str(folder / "nowhere")]) == 3
    assert run(["attest", "collateral", "serve", "--platform", str(folder / "nowhere")]) == 3
    (folder / "kept.json").write_bytes(HEALTHY.collateral.to_json())
    serve = ["attest", "collateral", "serve", str(folder / "kept.json")]
    assert run([*serve, "--tls-cert", "x"]) == 2
    assert run([*serve, "--tls-cert", str(folder / "root.pem"), "--tls-key", str(folder / "quote")]) == 7
    assert run([*serve, "--port", service.rpartition(":")[2]]) == 6
