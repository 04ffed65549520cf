"""The PCCS client against our own PCCS over real HTTP, and what comes of every fault on the way."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import ipaddress
import json
import random
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from evidence_world import KINDS
from http_faults import (
    Fault,
    FaultyProxy,
    body,
    changed,
    cut_short,
    endless,
    garbage,
    hang_up,
    slow_drip,
    status,
    whole,
)
from waiting import HANG_S

from wattest.attestation.appraisal import appraise
from wattest.attestation.appraisal_policy import default_policy, parse_policy
from wattest.attestation.collateral_check import CollateralRefused, model_named_by
from wattest.attestation.collateral_succession import CollateralForOthers, CollateralWentBack
from wattest.attestation.endorsements import Endorsements, endorse, parse_endorsements
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.formats.collateral import CollateralMalformed
from wattest.attestation.platform_model import PlatformModel, model_of
from wattest.attestation.roots import TrustRoot, intel_root, parse_root
from wattest.collateral.collateral_file import CollateralFile
from wattest.collateral.pccs import (
    CollateralNotServed,
    CollateralService,
    CollateralServiceDown,
    InsecureService,
    ServiceSettings,
)
from wattest.collateral.pccs_server import PccsServer, ServiceNotStarted
from wattest.collateral.pccs_wire import ServiceAnswerMalformed, ServiceKind
from wattest.enclave.simulator.collateral import CollateralOptions
from wattest.enclave.simulator.pki import SimulatedPki
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.errors import ConfigError, WattestError
from wattest.io.files import DiskFailed
from wattest.io.http_exchange import HttpAnswer

NOW = 1_790_000_000
PLATFORM = SimulatedPlatform(SimulatedPki.create(bytes(range(32)), NOW))
OTHER = SimulatedPlatform(SimulatedPki.create(bytes(32), NOW))
ROOT = parse_root(PLATFORM.root_certificate)
QUOTE = PLATFORM.quote(measurement=bytes(32), signer=bytes(32), product=0, svn=0, report_data=bytes(64))
MODEL = model_of(parse_evidence(QUOTE))
HEALTHY = endorse(PLATFORM.collateral(NOW))


def serving(*collateral: Endorsements) -> PccsServer:
    return PccsServer(lambda _: collateral, clock=lambda: NOW)


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with serving(HEALTHY) as server:
        yield server.url


def fetch(
    url: str, model: PlatformModel = MODEL, root: TrustRoot = ROOT, now: int = NOW, **settings: object
) -> Endorsements:
    patient = {"timeout_s": HANG_S, "deadline_s": HANG_S, "max_attempts": 3} | settings
    return (
        CollateralService(ServiceSettings(url, **patient), sleep=lambda _: None)  # type: ignore[arg-type]
        .fetch_collateral(model, root, now)
        .endorsements
    )


def test_what_is_fetched_is_what_was_issued_and_appraises(service: str) -> None:
    fetched = fetch(service)
    assert fetched == HEALTHY
    assert appraise(parse_evidence(QUOTE), fetched, default_policy(), [ROOT], NOW).genuine


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_evidence_finds_its_collateral(kind: str) -> None:
    parts = KINDS[kind]
    evidence = parse_evidence(parts.quote())
    with serving(*(endorse(each.collateral()) for each in KINDS.values())) as server:
        fetched = fetch(server.url, model_of(evidence), parse_root(parts.root), parts.at)
    assert appraise(evidence, fetched, parse_policy(parts.policy.encode()), [parse_root(parts.root)], parts.at).accepted


def test_a_path_before_the_api_s_own_is_kept(service: str) -> None:
    with FaultyProxy(service, {}) as proxy, pytest.raises(CollateralNotServed):
        fetch(proxy.url + "/cache/")
    assert proxy.requests == ["/cache/sgx/certification/v4/tcb?fmspc=575453494D00"]


@pytest.mark.parametrize("name", ["phala_sgx_v3_2025-06", "phala_tdx_v4_2025-06", "automata_sgx_v3_2025-08"])
def test_intel_s_own_collateral_passes_through_service_and_client(name: str, real_data: Path) -> None:
    folder = real_data / "quotes"
    collateral = parse_endorsements((folder / f"{name}.collateral.json").read_bytes())
    facts = next(each for each in json.loads((folder / "manifest.json").read_bytes()) if each["name"] == name)
    model = model_of(parse_evidence((folder / f"{name}.quote.bin").read_bytes()))
    with serving(collateral) as server:
        fetched = fetch(server.url, model, intel_root(), facts["verify_at"])
        assert fetched.collateral == dataclasses.replace(collateral.collateral, pck_certificate_chain=None)
        with pytest.raises(CollateralRefused) as refused:
            fetch(server.url, model, ROOT, facts["verify_at"])
    assert refused.value.reason == "other_root"


TCB, QE, PCK, ROOTS = "/tcb", "/qe/identity", "/pckcrl", "/rootcacrl"
FOREVER = {
    "truncated body": (TCB, cut_short),
    "connection closed": (QE, hang_up),
    "no HTTP": (PCK, garbage),
    "slow drip": (TCB, slow_drip),
    "500": (ROOTS, status(500)),
    "503": (TCB, status(503, retry_after="3600")),
}


@pytest.mark.parametrize("name", FOREVER)
def test_a_service_that_gives_nothing_usable_is_down(name: str, service: str) -> None:
    part, fault = FOREVER[name]
    with FaultyProxy(service, {part: [fault]}) as proxy, pytest.raises(CollateralServiceDown) as down:
        fetch(proxy.url, **({"timeout_s": 1.0, "deadline_s": 1.0} if fault is slow_drip else {}))
    asked = [path for path in proxy.requests if part in path]
    assert len(asked) == (1 if name == "503" else 3)
    assert down.value.exit_code == 6
    assert down.value.retryable
    assert part in str(down.value.fields["url"])
    assert down.value.fields["status"] == {"500": 500, "503": 503}.get(name)


def test_a_service_that_comes_back_is_waited_for(service: str) -> None:
    pauses: list[float] = []
    said: list[str] = []
    faults = [status(500), status(429, retry_after="7"), cut_short, whole]
    with FaultyProxy(service, {TCB: faults}) as proxy:
        client = CollateralService(
            ServiceSettings(proxy.url), sleep=pauses.append, clock=lambda: NOW, report=said.append
        )
        assert client.fetch_collateral(MODEL, ROOT, NOW).endorsements == HEALTHY
    assert 0.5 <= pauses[0] <= 0.75
    assert pauses[1] == 7
    assert 2 <= pauses[2] <= 3
    assert len([line for line in said if "trying again" in line]) == 3


REFUSED: dict[str, tuple[str, Fault, type[WattestError]]] = {
    "404": (TCB, status(404), CollateralNotServed),
    "401": (PCK, status(401), CollateralNotServed),
    "redirect": (TCB, status(302, location="http://127.0.0.1:1/elsewhere"), CollateralNotServed),
    "nothing": (TCB, status(204), CollateralNotServed),
    "huge body": (TCB, body(lambda data: data + b" " * (1 << 20)), ServiceAnswerMalformed),
    "endless body": (PCK, endless, ServiceAnswerMalformed),
    "content type of TCB info": (TCB, changed(content_type="text/html"), ServiceAnswerMalformed),
    "no content type": (QE, changed(content_type=None), ServiceAnswerMalformed),
    "content type of a list": (PCK, changed(content_type="application/json"), ServiceAnswerMalformed),
    "chain missing": (TCB, changed(tcb_info_issuer_chain=None), ServiceAnswerMalformed),
    "chain garbled": (QE, changed(sgx_enclave_identity_issuer_chain="%zz"), ServiceAnswerMalformed),
    "chain no certificates": (PCK, changed(sgx_pck_crl_issuer_chain="hello"), ServiceAnswerMalformed),
    "not JSON": (TCB, body(lambda data: data[:-1]), ServiceAnswerMalformed),
    "other member": (TCB, body(lambda data: data.replace(b"tcbInfo", b"tcbinfo")), ServiceAnswerMalformed),
    "deep JSON": (TCB, body(lambda data: b"[" * 100_000), ServiceAnswerMalformed),
    "no list": (PCK, body(lambda _: b"<html>sign in</html>"), ServiceAnswerMalformed),
    "empty list": (ROOTS, body(lambda _: b""), ServiceAnswerMalformed),
    "root's list as PCK list": (PCK, body(lambda _: HEALTHY.collateral.root_ca_crl), CollateralRefused),
    "PCK list as root's list": (ROOTS, body(lambda _: HEALTHY.collateral.pck_crl.hex().encode()), CollateralRefused),
    "text changed": (TCB, body(lambda data: data.replace(b'"version":3', b'"version": 3')), CollateralRefused),
    "signature changed": (QE, body(lambda data: data[:-10] + b"00000000" + data[-2:]), CollateralRefused),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_collateral_is_refused_at_once(name: str, service: str) -> None:
    part, fault, expected = REFUSED[name]
    with FaultyProxy(service, {part: [fault]}) as proxy, pytest.raises(expected) as refused:
        fetch(proxy.url)
    assert type(refused.value) is expected
    assert len([path for path in proxy.requests if part in path]) == 1
    assert (
        refused.value.exit_code == {CollateralNotServed: 6, ServiceAnswerMalformed: 3, CollateralRefused: 4}[expected]
    )


def test_a_redirect_is_not_followed(service: str) -> None:
    with FaultyProxy(service, {}) as elsewhere:
        leads = status(307, location=elsewhere.url + "/sgx/certification/v4/tcb")
        with FaultyProxy(service, {TCB: [leads]}) as proxy, pytest.raises(CollateralNotServed, match="does not serve"):
            fetch(proxy.url)
        assert not elsewhere.requests


def test_a_repeated_chain_field_is_ambiguous(service: str) -> None:
    def twice(answer: HttpAnswer) -> Iterator[bytes]:
        (data,) = whole(answer)
        field = next(line for line in data.split(b"\r\n") if line.lower().startswith(b"tcb-info-issuer-chain"))
        yield data.replace(field, field + b"\r\n" + field, 1)

    with FaultyProxy(service, {TCB: [twice]}) as proxy, pytest.raises(ServiceAnswerMalformed):
        fetch(proxy.url)


CHANGES: dict[str, tuple[CollateralOptions, str]] = {
    "other FMSPC": (CollateralOptions(fmspc=bytes(6)), "fmspc_mismatch"),
    "revoked CA": (CollateralOptions(revoke_platform_ca=True), "certificate_revoked"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_collateral_that_does_not_hold_is_not_handed_on(name: str) -> None:
    options, reason = CHANGES[name]
    other = endorse(PLATFORM.collateral(NOW, options))
    spoil = {TCB: [body(lambda _: _tcb_body(other))], ROOTS: [body(lambda _: other.collateral.root_ca_crl)]}
    with (
        serving(HEALTHY) as server,
        FaultyProxy(server.url, spoil) as proxy,
        pytest.raises(CollateralRefused) as refused,
    ):
        fetch(proxy.url)
    assert refused.value.reason == reason


def _tcb_body(endorsements: Endorsements) -> bytes:
    found = endorsements.collateral
    return f'{{"tcbInfo":{found.tcb_info},"signature":"{found.tcb_info_signature.hex()}"}}'.encode()


def test_another_root_s_collateral_is_refused() -> None:
    with serving(endorse(OTHER.collateral(NOW))) as server, pytest.raises(CollateralRefused) as refused:
        fetch(server.url)
    assert refused.value.reason == "other_root"


@pytest.mark.parametrize(("offset", "reason"), [(-301, "collateral_from_future"), (30 * 86_400, "collateral_expired")])
def test_dates_are_judged_with_a_tolerance(offset: int, reason: str, service: str) -> None:
    assert fetch(service, now=NOW - 300) == HEALTHY
    assert fetch(service, now=NOW + 30 * 86_400 - 1) == HEALTHY
    with pytest.raises(CollateralRefused) as refused:
        fetch(service, now=NOW + offset)
    assert refused.value.reason == reason


def test_the_service_s_clock_is_compared(service: str) -> None:
    behind = changed(date="Mon, 21 Sep 2026 14:13:20 GMT")  # NOW
    with FaultyProxy(service, {"/": [behind]}) as proxy:
        client = CollateralService(ServiceSettings(proxy.url), clock=lambda: NOW + 4_000)
        assert client.fetch_collateral(MODEL, ROOT, NOW).clock_ahead_s == 4_000
    for odd in (None, "yesterday", "9" * 80):
        with FaultyProxy(service, {"/": [changed(date=odd)]}) as proxy:
            assert (
                CollateralService(ServiceSettings(proxy.url)).fetch_collateral(MODEL, ROOT, NOW).clock_ahead_s is None
            )


def test_the_vendor_s_service_has_the_root_s_list_elsewhere(service: str) -> None:
    list_url = service + "/sgx/certification/v4/rootcacrl"
    with FaultyProxy(service, {}) as proxy:
        fetched = fetch(proxy.url, kind=ServiceKind.PCS, root_list_url=list_url)
    assert fetched == HEALTHY
    assert not [path for path in proxy.requests if ROOTS in path]
    with pytest.raises(CollateralServiceDown) as down:  # the simulator's root names an address that does not exist
        fetch(service, kind=ServiceKind.PCS, max_attempts=1)
    assert "invalid" in str(down.value.fields["url"])
    assert CollateralService(ServiceSettings("https://api.trustedservices.intel.com")).kind is ServiceKind.PCS


def test_a_root_without_an_address_of_its_list_needs_one(service: str, tmp_path: Path) -> None:
    silent = parse_root(_own_certificate(tmp_path)[1])
    with pytest.raises(ConfigError, match="names no address"):
        fetch(service, root=silent, kind=ServiceKind.PCS)


@pytest.mark.parametrize("url", ["http://pccs.example:8081", "http://192.0.2.1", "http://[2001:db8::1]/"])
def test_an_address_without_tls_must_be_this_machine_s(url: str) -> None:
    with pytest.raises(InsecureService):
        CollateralService(ServiceSettings(url))
    CollateralService(ServiceSettings(url, unsafe_http=True))
    CollateralService(ServiceSettings(url.replace("http:", "https:")))


@pytest.mark.parametrize("url", ["", "ftp://x", "http://", "http://a:99999/", "https://user@host/", "http://[::1"])
def test_an_address_is_one(url: str) -> None:
    with pytest.raises(ConfigError):
        CollateralService(ServiceSettings(url))


def _own_certificate(folder: Path) -> tuple[ssl.SSLContext, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a PCCS of one's own")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(Encoding.PEM)
    path = folder / "own.pem"
    path.write_bytes(pem + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context, pem


def test_tls_takes_the_named_authority_and_no_other(tmp_path: Path) -> None:
    context, pem = _own_certificate(tmp_path)
    with PccsServer(lambda _: [HEALTHY], tls=context) as server:
        assert server.url.startswith("https://")
        assert fetch(server.url, tls_authorities=pem) == HEALTHY
        with pytest.raises(CollateralServiceDown, match="not trusted") as down:
            fetch(server.url)
        assert not down.value.retryable
        with pytest.raises(CollateralServiceDown, match="not trusted"):
            fetch(server.url.replace("127.0.0.1", "localhost"), tls_authorities=pem)  # another name than certified
    with pytest.raises(ConfigError, match="cannot be read"):
        fetch("https://127.0.0.1:1", tls_authorities=b"no certificates")


def test_a_port_that_is_taken_is_said(service: str) -> None:
    with pytest.raises(ServiceNotStarted):
        PccsServer(lambda _: [], port=int(service.rpartition(":")[2])).start()


# --- the file


def issued(at: int, **options: object) -> Endorsements:
    return endorse(PLATFORM.collateral(at, CollateralOptions(**options)))  # type: ignore[arg-type]


def test_a_file_takes_newer_collateral_and_says_when_nothing_changed(tmp_path: Path) -> None:
    file = CollateralFile(tmp_path / "collateral.json")
    assert file.read() is None
    assert file.replace(HEALTHY)
    assert not file.replace(HEALTHY)
    newer = issued(NOW + 60, evaluation_number=21)
    assert file.replace(newer)
    assert file.read() == newer
    assert [path.name for path in tmp_path.iterdir()] == ["collateral.json"]


BACK: dict[str, Callable[[], Endorsements]] = {
    "evaluation number": lambda: issued(NOW + 60, evaluation_number=19),
    "issue date": lambda: issued(NOW - 1),
    "QE identity's evaluation number": lambda: endorse(
        dataclasses.replace(
            issued(NOW + 60).collateral, qe_identity=issued(NOW + 60, evaluation_number=19).collateral.qe_identity
        )
    ),
    "root list's issue date": lambda: endorse(
        dataclasses.replace(issued(NOW + 60).collateral, root_ca_crl=issued(NOW - 60).collateral.root_ca_crl)
    ),
}


@pytest.mark.parametrize("name", BACK)
def test_a_file_does_not_go_back(name: str, tmp_path: Path) -> None:
    file = CollateralFile(tmp_path / "collateral.json")
    file.replace(HEALTHY)
    before = file.path.read_bytes()
    with pytest.raises(CollateralWentBack) as back:
        file.replace(BACK[name]())
    assert back.value.fields["actual"] < back.value.fields["expected"]  # type: ignore[operator]
    assert file.path.read_bytes() == before


def test_of_many_that_write_at_once_the_newest_stays(tmp_path: Path) -> None:
    candidates = [issued(NOW + index) for index in range(16)]

    def write(new: Endorsements) -> None:
        with contextlib.suppress(CollateralWentBack):
            CollateralFile(tmp_path / "collateral.json").replace(new)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, random.Random(7).sample(candidates, len(candidates))))
    assert CollateralFile(tmp_path / "collateral.json").read() == candidates[-1]
    with pytest.raises(DiskFailed):
        CollateralFile(tmp_path / "nowhere" / "collateral.json").replace(candidates[0])


def test_a_file_keeps_to_its_platforms(tmp_path: Path) -> None:
    file = CollateralFile(tmp_path / "collateral.json")
    file.replace(HEALTHY)
    with pytest.raises(CollateralForOthers):
        file.replace(issued(NOW + 60, fmspc=bytes(6)))


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff" * 100])
def test_a_file_that_is_no_collateral_is_left_alone(data: bytes, tmp_path: Path) -> None:
    file = CollateralFile(tmp_path / "collateral.json")
    file.path.write_bytes(data)
    with pytest.raises(CollateralMalformed, match="move it away"):
        file.replace(HEALTHY)
    assert file.path.read_bytes() == data


def test_the_server_answers_for_what_it_has(service: str) -> None:
    assert model_named_by(HEALTHY) == MODEL
    for change in ({"fmspc": bytes(6)}, {"tee": "tdx"}, {"authority": "processor"}):
        with pytest.raises(CollateralNotServed) as refused:
            fetch(service, dataclasses.replace(MODEL, **change))
        assert refused.value.fields["status"] == 404
