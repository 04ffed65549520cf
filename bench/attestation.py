"""Appraisal of evidence: the whole judgement an appraiser makes, and the steps that it consists of.

python bench/attestation.py [--scale full|quick|tiny] [--json FILE]
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import dcap_qvl
from measure import Figure, Report, Scale, Table, cpu_seconds, run_alone, scaled

from wattest.attestation.appraisal import appraise
from wattest.attestation.endorsements import parse_endorsements
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.policy import parse_policy
from wattest.attestation.roots import parse_root
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
        theirs = dcap_qvl.QuoteCollateralV3.from_json(collateral.decode())
        root = roots[0].certificate
        floor = cpu_seconds(runs, lambda: [dcap_qvl.verify_with_root_ca(quote, theirs, root, NOW) for _ in range(each)])
        whole = cpu_seconds(runs, lambda: [judge(quote) for _ in range(each)])
        quoting = cpu_seconds(runs, lambda: [device.quote(REPORT_DATA) for _ in range(each)])

    def milliseconds(samples: tuple[float, ...]) -> tuple[float, ...]:
        return scaled(1_000 / each, samples)

    figures = (
        Figure(
            "appraise: parse, verify, apply the policy", "ms", milliseconds(whole),
            floor="dcap-qvl alone", floor_samples=milliseconds(floor),
        ),
        Figure("dcap-qvl alone", "ms", milliseconds(floor)),
        Figure("simulator: make a quote", "ms", milliseconds(quoting)),
    )  # fmt: skip
    sizes = Table("Sizes", ("what", "bytes"), (("quote", len(quote)), ("collateral, JSON", len(collateral))))
    return Report(TITLE, ABOUT, figures, (sizes,))


if __name__ == "__main__":
    run_alone(measure, __doc__)
