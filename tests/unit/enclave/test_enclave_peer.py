"""Attested TLS between two enclaves: it holds, and every way in which it must not has its own reason.

The enclaves run in this process (the same service as in theirs); the wire between them is the test's to hold.
"""

from __future__ import annotations

import contextlib
import datetime
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from enclave_community import MEASUREMENT, NONCE, Community, LocalEnclave
from enclave_peers import NOW, UNTIL, Unended, meet, peer_settings, permit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wattest.attestation.appraisal_policy_table import PolicyMalformed
from wattest.attestation.ra_tls import PeerRefused
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.enclave.host.jobs import PeerSettings
from wattest.enclave.measured.errors import (
    IdentityUnknown,
    PeerMisspoke,
    PeerSessionInvalid,
    RequestInvalid,
    TlsFailed,
)
from wattest.enclave.measured.tls import TlsEndpoint
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.errors import WattestError
from wattest.messages.hand_over_permit import PermitKind
from wattest.messages.peer_policy import PeerPolicyUnsigned

Platforms = tuple[SimulatedPlatform, SimulatedPlatform]
Pair = tuple[LocalEnclave, LocalEnclave]
COMMUNITY = Community(2)


@pytest.fixture(scope="module")
def platforms(tmp_path_factory: pytest.TempPathFactory) -> Platforms:
    folder = tmp_path_factory.mktemp("platforms")
    return SimulatedPlatform.create(folder / "a", NOW), SimulatedPlatform.create(folder / "b", NOW)


@pytest.fixture
def pair(platforms: Platforms, tmp_path: Path) -> Pair:
    """A giver with a key of the channel, and a taker that waits."""
    return make_pair(platforms, tmp_path)


def make_pair(
    platforms: Platforms, folder: Path, *, debug: bool = False, taker_measurement: bytes = MEASUREMENT
) -> Pair:
    giver = LocalEnclave(platforms[0], folder / "giver")
    taker = LocalEnclave(platforms[1], folder / "taker", debug=debug, measurement=taker_measurement)
    giver.create_identity(COMMUNITY.binding(), COMMUNITY.channel)
    taker.prepare_successor(COMMUNITY.binding(), COMMUNITY.channel)
    return giver, taker


def both(platforms: Platforms) -> tuple[PeerSettings, PeerSettings]:
    """What each host gives its enclave: the giver's, the taker's."""
    return (
        peer_settings(COMMUNITY, platforms[0], platforms),
        peer_settings(COMMUNITY, platforms[1], platforms),
    )


def run(
    platforms: Platforms,
    pair: Pair,
    giver: PeerSettings | None = None,
    taker: PeerSettings | None = None,
    **changed: object,
) -> None:
    """The taker takes; whoever refuses raises. ``changed`` are fields of the permit."""
    plain = both(platforms)
    signed = permit(COMMUNITY, platforms[1], **changed)  # type: ignore[arg-type]
    meet(pair[1], taker or plain[1], "take", pair[0], giver or plain[0], "give", signed=signed)


def is_untouched(pair: Pair) -> bool:
    """Whether nothing was handed over."""
    return [enclave.describe().identities[0].phase for enclave in pair] == ["active", "awaiting"]


def test_two_enclaves_meet(platforms: Platforms, pair: Pair) -> None:
    run(platforms, pair)
    assert not is_untouched(pair)


@pytest.mark.parametrize(
    ("code", "changed"),
    [
        ("unknown_measurement", {"measurements": (b"\x07" * 32,)}),
        ("root_refused", {"extra": "production = true"}),
        ("platform", {"extra": f'platforms = ["{"00" * 32}"]'}),
        ("evaluation_number", {"extra": "minimum_tcb_evaluation_number = 21"}),
    ],
)
@pytest.mark.parametrize("refuser", [0, 1], ids=["giver", "taker"])
def test_a_policy_that_the_peer_does_not_meet(
    platforms: Platforms, pair: Pair, refuser: int, code: str, changed: dict[str, object]
) -> None:
    strict = peer_settings(COMMUNITY, platforms[refuser], platforms, **changed)  # type: ignore[arg-type]
    with pytest.raises(PeerRefused) as caught:
        run(platforms, pair, **{("giver", "taker")[refuser]: strict})
    assert code in caught.value.fields["codes"]
    assert is_untouched(pair)


def test_a_root_that_the_policy_does_not_name(platforms: Platforms, pair: Pair) -> None:
    own_only = peer_settings(COMMUNITY, platforms[0], platforms[:1])
    with pytest.raises(PeerRefused) as caught:
        run(platforms, pair, giver=own_only)
    assert caught.value.fields["codes"] == ["other_root"]
    assert is_untouched(pair)


@pytest.mark.parametrize(("age_days", "code"), [(8, "collateral_too_old"), (40, "collateral_expired")])
def test_stale_collateral(platforms: Platforms, pair: Pair, age_days: int, code: str) -> None:
    stale = peer_settings(COMMUNITY, platforms[1], platforms, collateral_at=NOW - age_days * 86_400)
    with pytest.raises(PeerRefused) as caught:
        run(platforms, pair, taker=stale)
    assert code in caught.value.fields["codes"]
    assert is_untouched(pair)


@pytest.mark.parametrize("endorsements", [b"", b"{}", b"\xff" * 100])
def test_no_collateral(platforms: Platforms, pair: Pair, endorsements: bytes) -> None:
    with pytest.raises(PeerRefused) as caught:
        run(platforms, pair, taker=replace(both(platforms)[1], endorsements=endorsements))
    assert caught.value.fields["codes"] == ["malformed"]


def test_a_debug_enclave_and_another_measurement(platforms: Platforms, tmp_path: Path) -> None:
    pair = make_pair(platforms, tmp_path / "debug", debug=True)
    with pytest.raises(PeerRefused) as caught:
        run(platforms, pair)
    assert "debug" in caught.value.fields["codes"]
    pair = make_pair(platforms, tmp_path / "other", taker_measurement=b"\x07" * 32)
    with pytest.raises(PeerRefused) as caught:
        run(platforms, pair, to_measurement=b"\x07" * 32)
    assert caught.value.fields["codes"] == ["unknown_measurement"]
    assert is_untouched(pair)


def test_policy_and_roots_are_the_managers(platforms: Platforms, pair: Pair) -> None:
    good = both(platforms)[0]
    host = Secp256k1PrivateKey.from_seed(b"\x09" * 32)
    wider = peer_settings(COMMUNITY, platforms[0], platforms, signer=host)
    for changed in (
        wider,
        replace(good, policy=good.policy + b"\n"),
        replace(good, roots=good.roots[::-1]),
        replace(good, valid_until=UNTIL + 1),
        replace(good, now=UNTIL),
    ):
        with pytest.raises(PeerPolicyUnsigned):
            run(platforms, pair, giver=changed)
    assert is_untouched(pair)


def test_settings_that_cannot_be_read(platforms: Platforms, pair: Pair) -> None:
    with pytest.raises(PolicyMalformed):
        run(platforms, pair, giver=peer_settings(COMMUNITY, platforms[0], platforms, extra="nonsense = 1"))
    with pytest.raises(RequestInvalid):
        run(platforms, pair, giver=replace(both(platforms)[0], now=2**63))
    with pytest.raises(RequestInvalid):
        run(platforms, pair, giver=replace(both(platforms)[0], roots=(b"",) * 9))
    with pytest.raises(RequestInvalid):  # also when the manager signed that nothing is trusted
        run(platforms, pair, giver=peer_settings(COMMUNITY, platforms[0], ()))
    with pytest.raises(RequestInvalid):
        pair[0].open_peer(both(platforms)[0], "listen", permit(COMMUNITY, platforms[1]))
    with pytest.raises(RequestInvalid):
        pair[0].open_peer(both(platforms)[0], "give")
    with pytest.raises(IdentityUnknown):
        pair[0].open_peer(replace(both(platforms)[0], channel=bytes(32)), "witness")


def test_steps_out_of_order(platforms: Platforms, pair: Pair) -> None:
    giver = pair[0]
    with pytest.raises(PeerSessionInvalid):
        giver.relay_peer(b"x")
    giver.open_peer(both(platforms)[0], "give", permit(COMMUNITY, platforms[1]))
    with pytest.raises(PeerSessionInvalid):
        giver.relay_peer(b"x")
    giver.open_peer(both(platforms)[0], "give", permit(COMMUNITY, platforms[1]))
    giver.start_peer(NONCE, b"")
    with pytest.raises(PeerSessionInvalid):
        giver.start_peer(NONCE, b"")
    giver.close_peer()
    with pytest.raises(PeerSessionInvalid):
        giver.start_peer(NONCE, b"")
    with pytest.raises(PeerSessionInvalid):
        giver.open_peer(both(platforms)[0], "ask")


class Outsider:
    """An ordinary TLS stack (Python's ssl) with a certificate of its own, on the wire of an enclave."""

    def __init__(
        self, folder: Path, certificate: bytes | None, key: ec.EllipticCurvePrivateKey, *, is_server: bool = False
    ) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if is_server else ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if certificate is not None:
            pem = ssl.DER_cert_to_PEM_cert(certificate).encode()
            pem += key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            (folder / "outsider.pem").write_bytes(pem)
            context.load_cert_chain(folder / "outsider.pem")
        self.context = context
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.is_server = is_server

    def start(self) -> bytes:
        self.tls = self.context.wrap_bio(self.incoming, self.outgoing, server_side=self.is_server)
        return self.take(b"")

    def take(self, data: bytes) -> bytes:
        self.incoming.write(data)
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()


def self_signed(key: ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([])
    date = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(date).not_valid_after(date + datetime.timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


KEY = ec.derive_private_key(5, ec.SECP256R1())


def talk(giver: LocalEnclave, platforms: Platforms, outsider: Outsider) -> None:
    """The outsider takes the taker's place, to the end of what the giver lets it do."""
    giver.open_peer(both(platforms)[0], "give", permit(COMMUNITY, platforms[1]))
    giver.start_peer(NONCE, platforms[1].collateral(NOW).to_json())
    back_and_forth(lambda data: outsider.take(giver.relay_peer(data).data), outsider.start())


def back_and_forth(turn: Callable[[bytes], bytes], data: bytes) -> None:
    """Let two ends speak in turn until one refuses."""
    for _ in range(8):
        data = turn(data)
    raise AssertionError("nobody refused anything")


def test_an_ordinary_stack_completes_the_handshake_and_is_no_enclave(
    platforms: Platforms, pair: Pair, tmp_path: Path
) -> None:
    outsider = Outsider(tmp_path, self_signed(KEY), KEY)
    with pytest.raises(PeerRefused, match="carries no evidence"):
        talk(pair[0], platforms, outsider)
    assert outsider.tls.version() == "TLSv1.3"
    shown = outsider.tls.getpeercert(binary_form=True)
    assert shown is not None
    assert b"\x67\x81\x05\x05\x04\x09" in shown  # the enclave's evidence, on an ordinary stack
    assert is_untouched(pair)


def der(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    size = len(content)
    head = bytes((size,)) if size < 0x80 else bytes((0x81, size)) if size < 0x100 else b"\x82" + size.to_bytes(2, "big")
    return bytes((tag,)) + head + content


def rebuilt(version: bytes, dates: bytes) -> bytes:
    """A certificate whose version and dates are any bytes, signed over them as it should be."""
    whole = self_signed(KEY)
    tbs = x509.load_der_x509_certificate(whole).tbs_certificate_bytes
    algorithm = der(0x30, bytes.fromhex("06082a8648ce3d040302"))
    rest = tbs[tbs.index(key_info := KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)) :]
    assert rest.startswith(key_info)
    body = der(0x30, version, der(0x02, b"\x01"), algorithm, der(0x30), dates, der(0x30), rest)
    return der(0x30, body, algorithm, der(0x03, b"\0", KEY.sign(body, ec.ECDSA(hashes.SHA256()))))


V3, DATES = der(0xA0, der(0x02, b"\x02")), der(0x30, der(0x17, b"250101000000Z"), der(0x17, b"491231235959Z"))


@pytest.mark.parametrize(
    ("version", "dates"),
    [
        (V3, DATES),
        (der(0xA0, der(0x02, b"\x09")), DATES),
        (der(0xA0, der(0x02, b"\x00")), DATES),
        (V3, der(0x30, der(0x17, b"991332000000Z"), der(0x17, b"491231235959Z"))),
        (V3, der(0x30, der(0x18, b"20200101000000.5Z"), der(0x17, b"491231235959Z"))),
    ],
    ids=["no evidence", "version 10", "version 1 spelt out", "month 13", "half a second"],
)
def test_a_certificate_that_only_the_tls_stack_can_read(
    platforms: Platforms, pair: Pair, tmp_path: Path, version: bytes, dates: bytes
) -> None:
    """OpenSSL completes the handshake over things that its caller cannot parse."""
    with pytest.raises(PeerRefused) as caught:
        talk(pair[0], platforms, Outsider(tmp_path, rebuilt(version, dates), KEY))
    assert caught.value.fields["codes"] == ["malformed"]
    assert ("carries no evidence" in caught.value.message) == ((version, dates) == (V3, DATES))
    assert is_untouched(pair)


def test_no_client_certificate(platforms: Platforms, pair: Pair, tmp_path: Path) -> None:
    with pytest.raises(TlsFailed, match="certificate"):
        talk(pair[0], platforms, Outsider(tmp_path, None, KEY))


def test_downgrade_to_tls_1_2(platforms: Platforms, pair: Pair, tmp_path: Path) -> None:
    outsider = Outsider(tmp_path, self_signed(KEY), KEY)
    outsider.context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(TlsFailed, match="protocol"):
        talk(pair[0], platforms, outsider)


def test_a_server_of_tls_1_2(platforms: Platforms, pair: Pair, tmp_path: Path) -> None:
    server = Outsider(tmp_path, self_signed(KEY), KEY, is_server=True)
    server.context.maximum_version = ssl.TLSVersion.TLSv1_2
    pair[1].open_peer(both(platforms)[1], "take", permit(COMMUNITY, platforms[1]))
    hello = pair[1].start_peer(NONCE, b"").data
    server.tls = server.context.wrap_bio(server.incoming, server.outgoing, server_side=True)
    with pytest.raises(ssl.SSLError):
        server.take(hello)
    with pytest.raises(TlsFailed):
        pair[1].relay_peer(server.outgoing.read())


def test_evidence_of_an_earlier_session_is_of_no_use(platforms: Platforms, pair: Pair, tmp_path: Path) -> None:
    """Its certificate is public; replayed, it lacks its key, and in another session it has another nonce."""
    outsider = Outsider(tmp_path, self_signed(KEY), KEY)
    with pytest.raises(PeerRefused):
        talk(pair[0], platforms, outsider)
    replayed = outsider.tls.getpeercert(binary_form=True)
    assert replayed is not None
    with pytest.raises(ssl.SSLError, match="mismatch"):
        Outsider(tmp_path, replayed, KEY)
    # An enclave that answers with what it attested for somebody else's nonce.
    giver, taker = pair
    signed = permit(COMMUNITY, platforms[1])
    settings_of = both(platforms)
    giver.open_peer(settings_of[0], "give", signed)
    nonce = taker.open_peer(settings_of[1], "take", signed)
    giver.start_peer(nonce, settings_of[1].endorsements)
    data = taker.start_peer(b"\x33" * 32, settings_of[0].endorsements).data
    with pytest.raises(PeerRefused) as caught:
        back_and_forth(lambda data: taker.relay_peer(giver.relay_peer(data).data).data, data)
    assert caught.value.fields["codes"] == ["nonce"]
    assert is_untouched(pair)


def test_a_proxy_in_the_middle_with_a_certificate_of_its_own(platforms: Platforms, pair: Pair, tmp_path: Path) -> None:
    """Towards the taker it plays the giver, towards the giver the taker; it passes the nonces on."""
    giver, taker = pair
    signed = permit(COMMUNITY, platforms[1])
    to_giver, to_taker = (
        giver.open_peer(both(platforms)[0], "give", signed),
        taker.open_peer(both(platforms)[1], "take", signed),
    )
    giver.start_peer(to_taker, both(platforms)[1].endorsements)
    data = taker.start_peer(to_giver, both(platforms)[0].endorsements).data
    server = Outsider(tmp_path, self_signed(KEY), KEY, is_server=True)
    server.start()
    with pytest.raises(PeerRefused, match="carries no evidence"):
        back_and_forth(lambda data: taker.relay_peer(server.take(data)).data, data)
    client = Outsider(tmp_path, self_signed(KEY), KEY)
    data = client.start()
    with pytest.raises(PeerRefused, match="carries no evidence"):
        back_and_forth(lambda data: client.take(giver.relay_peer(data).data), data)
    assert is_untouched(pair)


def test_a_reflection_is_refused(platforms: Platforms, pair: Pair) -> None:
    """What an enclave sent is sent back to it."""
    taker = pair[1]
    nonce = taker.open_peer(both(platforms)[1], "take", permit(COMMUNITY, platforms[1]))
    data = taker.start_peer(nonce, both(platforms)[1].endorsements).data
    with pytest.raises(TlsFailed):
        taker.relay_peer(data)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"\xff\xff\xff\xff", "too large"),
        (b"\x00\x00\x00\x01\xff", "cannot be read"),
        (b"\x00\x00\x00\x01\xa0", "cannot be read"),
        (b"\x00\x00\x00\x0d\xa1fmethoddtake"[:17], "cannot be read"),
    ],
)
def test_what_an_accepted_peer_may_not_say(
    platforms: Platforms, pair: Pair, monkeypatch: pytest.MonkeyPatch, message: bytes, why: str
) -> None:
    plain: Callable[[TlsEndpoint, bytes], None] = TlsEndpoint.write
    monkeypatch.setattr(TlsEndpoint, "write", lambda self, _: plain(self, message))
    with pytest.raises(PeerMisspoke, match=why):
        run(platforms, pair)
    assert is_untouched(pair)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 3), st.integers(0, 8_000), st.integers(1, 255))
def test_a_byte_changed_on_the_way_is_noticed(platforms: Platforms, pair: Pair, step: int, at: int, mask: int) -> None:
    passed = 0
    place = 0

    def change(records: bytes) -> bytes:
        nonlocal passed, place
        passed += 1
        if passed - 1 != step:
            return records
        place = at % len(records)
        changed = bytearray(records)
        changed[place] ^= mask
        return bytes(changed)

    signed = permit(COMMUNITY, platforms[1], PermitKind.STANDBY)  # which can be repeated
    giver, taker = both(platforms)
    try:
        found = meet(pair[1], taker, "take", pair[0], giver, "give", signed=signed, to_server=change, to_client=change)
    except (WattestError, Unended):
        return
    # TLS 1.3 ignores the version in the head of a record in plain, and nothing else.
    assert step < 2 or (step == 2 and place < 6), f"byte {place} of step {step} was changed, and nobody noticed"
    assert [fields["sequence"].uint() for fields in found] == [0, 0]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=600))
def test_any_bytes_instead_of_tls(platforms: Platforms, pair: Pair, data: bytes) -> None:
    for enclave, role, own in ((pair[0], "give", 0), (pair[1], "take", 1)):
        enclave.open_peer(both(platforms)[own], role, permit(COMMUNITY, platforms[1]))
        enclave.start_peer(NONCE, b"{}")
        try:
            enclave.relay_peer(data)
            enclave.relay_peer(b"\x00" * 32_768)
        except TlsFailed:
            continue
        raise AssertionError("32 KiB of zeros are no TLS")
