"""What production refuses, each fact with the like that it takes; when production is on; all refusals in one error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import pytest

from wattest.apps.production import (
    EMBEDDED_CHAIN_ID,
    Facts,
    KeyFile,
    Listener,
    ProductionRefused,
    ProductionSwitchedOff,
    is_production,
    require_production,
    summary,
    weaknesses,
)
from wattest.attestation.roots import development_root, intel_root
from wattest.chain.anvil import DEFAULT_CHAIN_ID
from wattest.enclave.host.gramine_platform import GraminePlatform
from wattest.enclave.host.platforms import PLATFORMS, PlatformName
from wattest.enclave.host.simulator_platform import SimulatorPlatform
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.io.loopback import is_loopback

KEY = "ab" * 32
WORDS = "one two three four five six seven eight nine ten eleven twelve"


@pytest.fixture(scope="module")
def simulator_root(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return SimulatedPlatform.create(tmp_path_factory.mktemp("platform"), 1_750_000_000).root_certificate


REFUSED = [
    (Facts(commands=[("command", "a demo")]), "command", "a demo"),
    (Facts(debug=["--debug"]), "--debug", "debug enclave"),
    (Facts(platforms=[("enclave.kind", "simulator")]), "enclave.kind", "simulated platform"),
    (Facts(roots=[("--root", development_root().certificate)]), "--root", "published development root"),
    (Facts(roots=[("--root", b"not one")]), "--root", "cannot be read"),
    (Facts(chains=[("operator.deployment", 31_337)]), "operator.deployment", "embedded development chain"),
    (Facts(policies=[("watcher.policy", False)]), "watcher.policy", "without production = true"),
    (Facts(switches=["WATTEST_UNSAFE_FAULT"]), "WATTEST_UNSAFE_FAULT", "unsafe switch"),
    (Facts(urls=[("chain.rpc_url", "http://node.example:8545")]), "chain.rpc_url", "plain HTTP to http://node.example"),
    (Facts(urls=[("chain.rpc_url", "http://127.0.0.1.example")]), "chain.rpc_url", "plain HTTP"),
    (Facts(urls=[("chain.rpc_url", "http://localhost@node.example")]), "chain.rpc_url", "plain HTTP"),
    (Facts(urls=[("chain.rpc_url", "HTTP://192.0.2.1")]), "chain.rpc_url", "plain HTTP"),
    (Facts(urls=[("chain.rpc_url", "node.example:8545")]), "chain.rpc_url", "plain HTTP"),
    (Facts(key_files=[KeyFile("operator.key", "/k", 0o640, 7)], user=7), "operator.key", "others may read"),
    (Facts(key_files=[KeyFile("operator.key", "/k", 0o602, 7)], user=7), "operator.key", "(mode 0602)"),
    (Facts(key_files=[KeyFile("operator.key", "/k", 0o600, 8)], user=7), "operator.key", "belongs to user 8"),
    (Facts(environment={"OPERATOR_KEY": KEY}), "environment variable OPERATOR_KEY", "key material"),
    (Facts(environment={"private_key": "0x" + KEY}), "environment variable private_key", "key material"),
    (Facts(environment={"MNEMONIC": WORDS}), "environment variable MNEMONIC", "key material"),
    (
        Facts(environment={"TLS_KEY": "-----BEGIN EC PRIVATE KEY-----\nMHc=\n-----END EC PRIVATE KEY-----"}),
        "environment variable TLS_KEY",
        "key material",
    ),
]
TAKEN = [
    Facts(),
    Facts(roots=[("--root", intel_root().certificate)]),
    Facts(chains=[("operator.deployment", 1)]),
    Facts(policies=[("watcher.policy", True)]),
    Facts(urls=[("chain.rpc_url", "https://node.example")]),
    Facts(urls=[("chain.rpc_url", "http://127.0.0.1:8545"), ("b", "http://[::1]:1"), ("c", "http://localhost:1/x")]),
    Facts(key_files=[KeyFile("operator.key", "/k", 0o600, 7), KeyFile("operator.key", "/k", 0o400, 7)], user=7),
    Facts(environment={"OPERATOR_KEY": "/etc/wattest/operator.key", "COMMIT": KEY, "KEYMAP": "de", "MNEMONIC": "one"}),
    Facts(listeners=[Listener("operator.listen", "127.0.0.1"), Listener("--host", "0.0.0.0", has_tls=True)]),
]


@pytest.mark.parametrize(("facts", "place", "what"), REFUSED)
def test_refused(facts: Facts, place: str, what: str) -> None:
    found = weaknesses(facts)
    assert [one.place for one in found] == [place]
    assert what in found[0].what
    assert found[0].remedy
    with pytest.raises(ProductionRefused) as caught:
        require_production(found)
    assert caught.value.fields["refused"] == [{"place": place, "what": found[0].what, "do": found[0].remedy}]
    assert caught.value.exit_code == 7


@pytest.mark.parametrize("facts", TAKEN)
def test_taken(facts: Facts) -> None:
    assert weaknesses(facts) == ()
    require_production(())


def test_every_fact_is_tried() -> None:
    tried = {one.name for facts, *_ in REFUSED for one in fields(facts) if getattr(facts, one.name)}
    assert tried | {"listeners"} == {one.name for one in fields(Facts)}


def test_a_simulator_s_own_root_is_told_by_its_fingerprint(simulator_root: bytes) -> None:
    (found,) = weaknesses(Facts(roots=[("--root root.pem", simulator_root)]))
    assert "simulator's root" in found.what
    assert "SHA-256" in found.what


def test_a_listener_without_tls_is_said_and_not_refused() -> None:
    found = weaknesses(Facts(listeners=[Listener("operator.listen", "192.0.2.1")]))
    require_production(found)
    assert summary(found, production=True) == "in production, and to be known: listening on 192.0.2.1 without TLS"


def test_all_are_refused_at_once() -> None:
    everything = Facts(
        platforms=[("enclave.kind", "simulator")],
        urls=[("chain.rpc_url", "http://node.example"), ("registration.appraisers[0]", "http://judge.example")],
        switches=["--unsafe-development-faults", "WATTEST_UNSAFE_FAULT"],
    )
    found = weaknesses(everything)
    with pytest.raises(ProductionRefused, match="5 settings") as caught:
        require_production(found)
    assert len(caught.value.fields["refused"]) == 5  # type: ignore[arg-type]
    line = summary(found, production=False)
    assert line is not None
    assert line.startswith("not for production: simulated platform (simulator)")
    assert "plain HTTP to http://node.example; plain HTTP to http://judge.example" in line
    assert summary((), production=False) is None


def test_no_secret_of_an_address_or_of_the_environment_is_shown() -> None:
    found = weaknesses(
        Facts(urls=[("--rpc", "http://me:word@node.example/v2/0123456789abcdef")], environment={"A_KEY": KEY})
    )
    text = str([one.shown() for one in found])
    assert "word" not in text
    assert "0123456789abcdef" not in text
    assert KEY not in text


@pytest.mark.parametrize(
    ("said", "environment", "on"),
    [
        (None, {}, False),
        (False, {}, False),
        (True, {}, True),
        (None, {"WATTEST_PRODUCTION": ""}, False),
        (None, {"WATTEST_PRODUCTION": "1"}, True),
        (True, {"WATTEST_PRODUCTION": "1"}, True),
    ],
)
def test_when_production_is_on(said: bool | None, environment: Mapping[str, str], on: bool) -> None:
    assert is_production(said, "operator.toml: production", environment) is on


def test_a_file_cannot_switch_off_what_the_host_switches_on() -> None:
    with pytest.raises(ProductionSwitchedOff) as caught:
        is_production(False, "operator.toml: production", {"WATTEST_PRODUCTION": "1"})
    assert caught.value.fields["place"] == "operator.toml: production"


def test_a_platform_s_name_says_what_the_platform_says() -> None:
    said = {one.name: one.is_for_development for one in (SimulatorPlatform, GraminePlatform)}
    assert said == {kind: PlatformName(kind, Path()).is_for_development for kind in PLATFORMS}


def test_the_embedded_chain_s_id() -> None:
    assert EMBEDDED_CHAIN_ID == DEFAULT_CHAIN_ID


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "192.0.2.1", "localhost.example", "127.0.0.1.example"])
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)
