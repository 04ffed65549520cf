"""Make the seeds of the fuzz corpus: valid input for every parser, all of it from one simulator seed.

Run it after a format changed: python tests/fuzz/fuzz_seeds.py. Files ``seed-*`` are its own; ``found-*`` beside them
are inputs that once broke a promise, and are kept.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import fuzz_meter_files
import fuzz_series
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from wattest.appraiser.appraiser import RegistrationRequest
from wattest.appraiser.appraiser_service import request_body
from wattest.attestation.appraisal import appraise
from wattest.attestation.appraisal_policy import parse_policy
from wattest.attestation.ear import build_ear, encode_ear
from wattest.attestation.ear_token import sign_ear
from wattest.attestation.endorsements import endorse
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.formats.quote import TeeType
from wattest.attestation.formats.tagged_evidence import Claims, encode_tagged_evidence
from wattest.attestation.ra_tls import issue_certificate, public_key_info
from wattest.attestation.roots import parse_root
from wattest.collateral.pccs_wire import Item, SignedStatement, encode_signed_statement
from wattest.crypto.p256 import P256PrivateKey
from wattest.enclave.simulator.collateral import CollateralOptions
from wattest.enclave.simulator.pki import SimulatedPki, pem_chain
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.enclave.simulator.quoting import trust_domain_report
from wattest.messages.report_data import KeyBinding

ROOT = Path(__file__).resolve().parents[2]
NOW = 1_790_000_000
MR_ENCLAVE, MR_TD = bytes([1] * 32), bytes([3] * 48)
POLICY = f"""version = 1
production = false
maximum_collateral_age_days = 7
minimum_tcb_evaluation_number = 17
platforms = ["{"5a" * 32}"]
allowed_fmspcs = ["575453494d00", "00906ed50000"]
denied_fmspcs = ["b0c06f000000"]
minimum_qe_svn = 8
minimum_pce_svn = 11
mr_config_id = ["{"00" * 48}"]
mr_owner = ["{"00" * 48}", "{"5a" * 48}"]

[[enclave]]
name = "by measurement"
mr_enclave = "{MR_ENCLAVE.hex()}"

[[enclave]]
name = "by signer"
mr_signer = "{"02" * 32}"
product = 1
minimum_svn = 2

[[trust_domain]]
name = "domain"
mr_td = "{MR_TD.hex()}"
rt_mr3 = "{"00" * 48}"

[[tcb]]
status = "SWHardeningNeeded"
advisories = ["INTEL-SA-00615"]

[[tcb]]
status = "OutOfDate"
advisories = []
until = 2026-12-31

[attributes]
flags = {{ value = "0x5", mask = "0xffffffffffffffff" }}
xfam = {{ value = "0x3", mask = "0xfffffffffff9e51b" }}
"""
MANIFEST = f"""libos.entrypoint = "/usr/bin/python3"
loader.argv = ["/usr/bin/python3", "-I", "-S", "-m", "wattest.enclave.measured"]
loader.env.LD_LIBRARY_PATH = "/lib"
loader.log_level = "error"
fs.mounts = [
  {{ path = "/lib", uri = "file:/gramine/lib" }},
  {{ type = "encrypted", path = "/var/lib/wattest", uri = "file:/state", key_name = "_sgx_mrenclave" }},
]
sgx.debug = false
sgx.remote_attestation = "dcap"
sgx.enclave_size = "1G"
sgx.max_threads = 16
sgx.trusted_files = [{{ uri = "file:/usr/bin/python3", sha256 = "{"ab" * 32}" }}]
"""


def seeds() -> dict[str, bytes]:
    """Path inside the corpus to content."""
    platform = SimulatedPlatform(SimulatedPki.create(bytes(range(32)), NOW))
    pki = platform.pki
    quotes = {
        "sgx": platform.quote(
            measurement=MR_ENCLAVE, signer=bytes([2] * 32), product=1, svn=2, report_data=bytes(range(64))
        )
    }
    domain = trust_domain_report(MR_TD, bytes(range(64)))
    quotes["tdx"] = platform.quoting_enclave.quote_trust_domain(domain)
    for body in ("1.0", "1.5", "1.5ex"):
        report = trust_domain_report(MR_TD, bytes(range(64)), body=body)
        quotes[f"tdx5-{body}"] = platform.quoting_enclave.quote_trust_domain(report, version=5)
    options = {
        "sgx": CollateralOptions(),
        "tdx": CollateralOptions(tee=TeeType.TDX),
        "sgx-out-of-date": CollateralOptions(
            minimum_component_svn=6, lower_status="OutOfDate", advisories=("INTEL-SA-00615",), qe_advisories=("X-1",)
        ),
        "sgx-revoked": CollateralOptions(revoke_pck=True, revoke_platform_ca=True),
    }
    collaterals = {name: platform.collateral(NOW, each) for name, each in options.items()}
    leaf = dataclasses.replace(collaterals["sgx"], pck_certificate_chain=pem_chain(*pki.pck_chain))
    made = {f"quote/seed-{name}.bin": quote for name, quote in quotes.items()}
    made["quote/seed-trailing.bin"] = quotes["sgx"] + bytes(64)
    for name, collateral in (collaterals | {"sgx-with-leaf": leaf}).items():
        if name != "sgx-revoked":
            made[f"collateral/seed-{name}.json"] = collateral.to_json()
    for name in ("sgx", "tdx", "sgx-out-of-date"):
        made[f"tcb-info/seed-{name}.json"] = collaterals[name].tcb_info.encode()
        made[f"qe-identity/seed-{name}.json"] = collaterals[name].qe_identity.encode()
    for name, certificate in (("pck", pki.pck), ("platform-ca", pki.platform_ca)):
        made[f"certificate/seed-{name}.der"] = certificate.public_bytes(Encoding.DER)
    made["chain/seed-pck.pem"] = pem_chain(*pki.pck_chain).encode()
    made["chain/seed-signing.pem"] = pem_chain(pki.tcb_signing, pki.root).encode()
    for name in ("sgx", "sgx-revoked"):
        made[f"revocation-list/seed-{name}-pck.der"] = collaterals[name].pck_crl
        made[f"revocation-list/seed-{name}-root.der"] = collaterals[name].root_ca_crl
    made["root/seed-root.der"] = platform.root_certificate
    made["root/seed-root.pem"] = platform.root_certificate_pem
    made["policy/seed-full.toml"] = POLICY.encode()
    made["policy/seed-short.toml"] = b"version = 1\n"
    made["manifest/seed-rendered.toml"] = MANIFEST.encode()
    made["manifest/seed-template.toml"] = (ROOT / "deploy" / "gramine" / "wattest.manifest.template").read_bytes()
    for name in ("sgx", "tdx"):
        info, identity = collaterals[name].tcb_info_signature, collaterals[name].qe_identity_signature
        made[f"signed-statement/seed-{name}-tcb.json"] = encode_signed_statement(
            SignedStatement(collaterals[name].tcb_info, info), Item.TCB_INFO
        )
        made[f"signed-statement/seed-{name}-qe.json"] = encode_signed_statement(
            SignedStatement(collaterals[name].qe_identity, identity), Item.QE_IDENTITY
        )
    peer = ec.derive_private_key(99, ec.SECP256R1())
    for name, quote, claims in (
        ("whole", quotes["sgx"], Claims.over(public_key_info(peer))),
        ("nonce", b"", Claims.over(public_key_info(peer), bytes(range(32)))),
    ):
        made[f"tagged-evidence/seed-{name}.cbor"] = encode_tagged_evidence(quote, claims.to_bytes())
        made[f"attested-certificate/seed-{name}.der"] = issue_certificate(peer, quote, claims.to_bytes(), NOW)
    binding = KeyBinding(31_337, bytes([4] * 20), bytes([5] * 32), bytes([6] * 20), bytes([8] * 32))
    asked = RegistrationRequest(binding, bytes([9] * 20), quotes["sgx"][:600], b'{"tcb_info":""}', 17, bytes([10] * 32))
    made["verdict-request/seed-short.json"] = request_body(asked, NOW)
    key = P256PrivateKey.from_seed(bytes([7] * 32))
    for name, quote, collateral in (
        ("accepted", quotes["sgx"], collaterals["sgx"]),
        ("domain", quotes["tdx"], collaterals["tdx"]),
        ("refused", quotes["sgx"], collaterals["sgx-revoked"]),
    ):
        policy = parse_policy(POLICY.replace(f'platforms = ["{"5a" * 32}"]\n', "").encode())
        root = parse_root(platform.root_certificate)
        result = appraise(parse_evidence(quote), endorse(collateral), policy, (root,), NOW)
        claims = encode_ear(build_ear(result, developer="wattest", build="0.1.0"))
        made[f"ear/seed-{name}.json"] = claims
        made[f"ear-token/seed-{name}.jwt"] = sign_ear(claims, key)
    return made | fuzz_series.seeds() | fuzz_meter_files.seeds()


def main(corpus: Path) -> None:
    """Write the seeds, and take away seeds that are none any more."""
    made = seeds()
    for path in corpus.rglob("seed-*"):
        if path.relative_to(corpus).as_posix() not in made:
            path.unlink()
    for name, content in made.items():
        path = corpus / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "corpus")
