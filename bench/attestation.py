"""Appraisal of evidence: the whole judgement an appraiser makes, the steps that it consists of, and what comes of it.

python bench/attestation.py [--scale full|quick|tiny] [--json FILE]
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import dcap_qvl
from measure import Figure, Report, Scale, Table, cpu_seconds, run_alone, scaled

from wattest.attestation.appraisal import appraise
from wattest.attestation.appraisal_policy import parse_policy
from wattest.attestation.collateral_check import verify_collateral
from wattest.attestation.ear import build_ear, encode_ear
from wattest.attestation.ear_token import open_ear, sign_ear
from wattest.attestation.endorsements import parse_endorsements
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.platform_model import model_of
from wattest.attestation.roots import parse_root
from wattest.attestation.verification import authenticate
from wattest.crypto.p256 import P256PrivateKey
from wattest.enclave.measured.device import AttestationDevice
from wattest.enclave.simulator.launch import DeviceService
from wattest.enclave.simulator.platform import SimulatedPlatform

TITLE = "Appraising evidence"
ABOUT = (
    "A DCAP v3 quote of the simulator with its collateral (the same bytes and the same verifier as an Intel quote), "
    "judged as an appraiser does before it signs a verdict. Processor seconds of one core. The floor is dcap-qvl "
    "alone: certificate chains, revocation lists, signatures, TCB level."
)
NOW = 1_750_000_000
MEASUREMENT = b"\x06" * 32
REPORT_DATA = b"\x07" * 64


def measure(scale: Scale) -> Report:
    """Quoting, parsing, verification, the whole; a quote changed in one bit is refused before anything is timed."""
    runs, each = scale.pick((7, 50), (5, 10), (1, 1))
    with tempfile.TemporaryDirectory(prefix="wattest-bench-") as folder:
        platform = SimulatedPlatform.create(Path(folder) / "platform", NOW)
        device: AttestationDevice = DeviceService(platform, MEASUREMENT, debug=False)
        quote, collateral = device.quote(REPORT_DATA), platform.collateral(NOW).to_json()
        policy = parse_policy(
            f'version = 1\n[[enclave]]\nname = "bench"\nmr_enclave = "{MEASUREMENT.hex()}"\n'.encode()
        )
        roots = [parse_root(platform.root_certificate)]

        def judge(evidence: bytes) -> bool:
            return appraise(parse_evidence(evidence), parse_endorsements(collateral), policy, roots, NOW).accepted

        changed = bytearray(quote)
        changed[400] ^= 1
        if not judge(quote) or judge(bytes(changed)):
            raise RuntimeError("appraisal is wrong")
        evidence, endorsements = parse_evidence(quote), parse_endorsements(collateral)
        result = appraise(evidence, endorsements, policy, roots, NOW)
        key = P256PrivateKey.from_seed(b"\x08" * 32)
        model = model_of(evidence)

        def sign() -> bytes:
            return sign_ear(encode_ear(build_ear(result, developer="wattest", build="bench")), key)

        token = sign()
        if open_ear(token, key.public_key).accepted is not True:
            raise RuntimeError("the attestation result says something else than the appraisal")
        theirs = dcap_qvl.QuoteCollateralV3.from_json(collateral.decode())
        root = roots[0].certificate
        floor = cpu_seconds(runs, lambda: [dcap_qvl.verify_with_root_ca(quote, theirs, root, NOW) for _ in range(each)])
        whole = cpu_seconds(runs, lambda: [judge(quote) for _ in range(each)])
        verifying = cpu_seconds(
            runs, lambda: [authenticate(evidence, endorsements.collateral, roots[0], NOW) for _ in range(each)]
        )
        judging = cpu_seconds(runs, lambda: [appraise(evidence, endorsements, policy, roots, NOW) for _ in range(each)])
        checking = cpu_seconds(
            runs, lambda: [verify_collateral(endorsements, model, roots[0], NOW) for _ in range(each)]
        )
        signing = cpu_seconds(runs, lambda: [sign() for _ in range(each)])
        opening = cpu_seconds(runs, lambda: [open_ear(token, key.public_key) for _ in range(each)])
        quoting = cpu_seconds(runs, lambda: [device.quote(REPORT_DATA) for _ in range(each)])

    def milliseconds(samples: tuple[float, ...]) -> tuple[float, ...]:
        return scaled(1_000 / each, samples)

    figures = (
        Figure(
            "appraise: parse, verify, apply the policy", "ms", milliseconds(whole),
            floor="dcap-qvl alone", floor_samples=milliseconds(floor),
        ),
        Figure("dcap-qvl alone", "ms", milliseconds(floor)),
        Figure(
            "verify a quote: dcap-qvl as called here, its fault named", "ms", milliseconds(verifying),
            floor="dcap-qvl alone", floor_samples=milliseconds(floor),
        ),
        Figure(
            "appraise what is parsed already", "ms", milliseconds(judging),
            floor="dcap-qvl alone", floor_samples=milliseconds(floor),
        ),
        Figure("check collateral without a quote, as when it is fetched", "ms", milliseconds(checking)),
        Figure("EAR: build and sign", "ms", milliseconds(signing)),
        Figure("EAR: check the signature and read", "ms", milliseconds(opening)),
        Figure("simulator: make a quote", "ms", milliseconds(quoting)),
    )  # fmt: skip
    rows = (("quote", len(quote)), ("collateral, JSON", len(collateral)), ("EAR, signed", len(token)))
    sizes = Table("Sizes", ("what", "bytes"), rows)
    return Report(TITLE, ABOUT, figures, (sizes,))


if __name__ == "__main__":
    run_alone(measure, __doc__)
