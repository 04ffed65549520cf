"""``wattest attest collateral serve`` as a process: for a simulated platform, over TLS, fetched from, interrupted."""

from __future__ import annotations

import datetime
import ipaddress
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from waiting import HANG_S

from wattest.apps.cli import run
from wattest.enclave.simulator.pki import FMSPC
from wattest.enclave.simulator.platform import SimulatedPlatform

pytestmark = pytest.mark.e2e


def tls_files(folder: Path) -> tuple[Path, Path]:
    """A certificate of one's own for the loopback address, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a PCCS of one's own")])
    now = datetime.datetime.now(datetime.UTC)
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(loopback, critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "tls.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "tls.pem", folder / "tls.key"


def test_a_simulated_platform_s_collateral_is_fetched_over_tls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    SimulatedPlatform.create(tmp_path / "platform", int(time.time()))
    certificate, key = tls_files(tmp_path)
    serve = ["attest", "collateral", "serve", "--platform", str(tmp_path / "platform"), "--port", "0", "--json"]
    serve += ["--tls-cert", str(certificate), "--tls-key", str(key)]
    process = subprocess.Popen([sys.executable, "-m", "wattest.apps.cli", *serve], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        shown = json.loads(process.stdout.readline())
        assert len(shown["platforms"]) == 2
        fetch = ["attest", "collateral", "fetch", "--fmspc", FMSPC.hex(), "--ca", "platform", "--url", shown["url"]]
        fetch += ["--root", str(tmp_path / "platform" / "root.pem"), "--attempts", "1"]
        for tee in ("sgx", "tdx"):
            named = [*fetch, "--tee", tee, "--out", str(tmp_path / f"{tee}.json")]
            assert run(named) == 6  # nobody vouches for this certificate
            assert "--tls-ca" in capsys.readouterr().err
            assert run([*named, "--tls-ca", str(certificate), "--json"]) == 0
            answer = json.loads(capsys.readouterr().out)
            assert (answer["written"], answer["tee"], answer["usable"]) == (True, tee, True)
            assert run([*named, "--tls-ca", str(certificate), "--json"]) == 0  # within the hour nothing is newer
            assert json.loads(capsys.readouterr().out)["tcb_evaluation_number"] == 20
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=HANG_S)
    assert code == 130
