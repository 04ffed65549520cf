"""Write vectors/attestation/appraisal.json: evidence, endorsements, policies and roots, and how each set is appraised.

All of it comes from one fixed simulator seed, and signatures are deterministic, so the file is the same every time.
``check_attestation.py`` confirms it without wattest and without dcap-qvl.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from wattest.attestation.appraisal import Expectation, appraise
from wattest.attestation.appraisal_policy import parse_policy
from wattest.attestation.endorsements import endorse
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.formats.quote import EnclaveReport
from wattest.attestation.roots import parse_root
from wattest.enclave.simulator.collateral import CollateralOptions
from wattest.enclave.simulator.pki import SimulatedPki
from wattest.enclave.simulator.platform import SimulatedPlatform

OUT = Path(__file__).parent / "attestation" / "appraisal.json"
NOW = 1_790_000_000
DAY = 86_400
SEED = bytes(range(32))
MEASUREMENT, SIGNER, REPORT_DATA = bytes([0x11] * 32), bytes([0x22] * 32), bytes(range(64))
ATTRIBUTES = struct.pack("<QQ", 0x5, 0xE7)


def main() -> None:
    """Write the vector file."""
    platform = SimulatedPlatform(SimulatedPki.create(SEED, NOW))
    stranger = SimulatedPlatform(SimulatedPki.create(SEED[::-1], NOW))
    report = {"measurement": MEASUREMENT, "signer": SIGNER, "product": 7, "svn": 3, "report_data": REPORT_DATA}
    healthy, collateral = platform.quote(**report), platform.collateral(NOW)  # type: ignore[arg-type]
    foreign_key = ec.derive_private_key(7, ec.SECP256R1())
    forged = platform.quoting_enclave.unsafe_quote_with_key(
        EnclaveReport(MEASUREMENT, SIGNER, 7, 3, REPORT_DATA, ATTRIBUTES), foreign_key
    )
    other_report: Callable[..., bytes] = lambda **fields: platform.quote(**(report | fields))  # noqa: E731
    quotes = {
        "healthy": healthy,
        "trailing bytes": healthy + bytes(64),
        "measurement altered": _flip(healthy, 112),
        "report signature altered": _flip(healthy, 436),
        "quoting enclave's report altered": _flip(healthy, 574),
        "foreign attestation key": forged,
        "debug": other_report(attributes=struct.pack("<QQ", 0x7, 0xE7)),
        "provision key": other_report(attributes=struct.pack("<QQ", 0x15, 0xE7)),
        "launch key": other_report(attributes=struct.pack("<QQ", 0x25, 0xE7)),
        "other measurement": other_report(measurement=bytes(32)),
    }
    collaterals = {
        "healthy": collateral,
        "software hardening": platform.collateral(
            NOW, CollateralOptions(tcb_status="SWHardeningNeeded", advisories=("INTEL-SA-00615",))
        ),
        "out of date": platform.collateral(NOW, CollateralOptions(tcb_status="OutOfDate")),
        "quoting enclave needs configuration": platform.collateral(
            NOW, CollateralOptions(qe_status="ConfigurationNeeded")
        ),
        "certificate revoked": platform.collateral(NOW, CollateralOptions(revoke_pck=True)),
        "other platform model": platform.collateral(NOW, CollateralOptions(fmspc=bytes(6))),
        "other provisioning enclave": platform.collateral(NOW, CollateralOptions(pce_id=b"\x01\x00")),
        "TCB info altered": dataclasses.replace(
            collateral, tcb_info=collateral.tcb_info.replace("2026-01-01", "2026-02-01")
        ),
        "root list as PCK list": dataclasses.replace(collateral, pck_crl=collateral.root_ca_crl),
        "PCK list from the future": dataclasses.replace(collateral, pck_crl=platform.collateral(NOW + 9 * DAY).pck_crl),
    }
    by_measurement = f'version = 1\n[[enclave]]\nname = "by measurement"\nmr_enclave = "{MEASUREMENT.hex()}"\n'
    by_signer = (
        f'version = 1\n[[enclave]]\nname = "by signer"\nmr_signer = "{SIGNER.hex()}"\nproduct = 7\nminimum_svn = 3\n'
    )
    hardening = '[[tcb]]\nstatus = "SWHardeningNeeded"\nadvisories = ["INTEL-SA-00615"]\n'
    policies = {
        "nothing named": "version = 1\n",
        "by measurement": by_measurement,
        "by signer": by_signer,
        "by signer, next version": by_signer.replace("minimum_svn = 3", "minimum_svn = 4"),
        "production": "production = true\n" + by_measurement,
        "hardening allowed": by_measurement + hardening,
        "hardening allowed, other advisory": by_measurement + hardening.replace("615", "616"),
        "grace until 2026-09-23": by_measurement
        + '[[tcb]]\nstatus = "OutOfDate"\nadvisories = []\nuntil = 2026-09-23\n',
        "this platform": f'platforms = ["{platform.platform_id.hex()}"]\n' + by_measurement,
        "another platform": f'platforms = ["{stranger.platform_id.hex()}"]\n' + by_measurement,
    }
    roots = {"own": platform.root_certificate, "stranger": stranger.root_certificate}
    # quote, collateral, policy, root, time; and what the caller expects as report data
    good = ("healthy", "healthy", "by measurement", "own", NOW + DAY)
    sets: list[tuple[str, str, str, str, int, bytes | None]] = [(*good, None), (*good, REPORT_DATA), (*good, bytes(64))]
    sets += [(name, *good[1:], None) for name in quotes if name != "healthy"]
    sets += [(good[0], name, *good[2:], None) for name in collaterals if name != "healthy"]
    sets += [(*good[:2], name, *good[3:], None) for name in policies if name != "by measurement"]
    sets += [(*good[:3], "stranger", NOW + DAY, None)]
    sets += [(*good[:4], at, None) for at in (NOW - 1, NOW, NOW + 7 * DAY, NOW + 7 * DAY + 1, NOW + 31 * DAY)]
    for policy in ("hardening allowed", "hardening allowed, other advisory"):
        sets.append(("healthy", "software hardening", policy, "own", NOW + DAY, None))
    for at in (NOW + DAY, NOW + 2 * DAY):  # the grace ends in between
        sets.append(("healthy", "out of date", "grace until 2026-09-23", "own", at, None))
    cases = []
    for quote, endorsements, policy, root, at, expected in sets:
        result = appraise(
            parse_evidence(quotes[quote]),
            endorse(collaterals[endorsements]),
            parse_policy(policies[policy].encode()),
            (parse_root(roots[root]),),
            at,
            expectation=Expectation(report_data=expected),
        ).as_dict()
        for words in (
            "reasons",
            "findings",
            "warnings",
            "measurement",
            "appraised_at",
            "collateral",
        ):  # words may change, and inputs say the rest
            del result[words]
        cases.append(
            {
                "quote": quote,
                "collateral": endorsements,
                "policy": policy,
                "root": root,
                "at": at,
                "expected_report_data": expected.hex() if expected is not None else None,
                "result": result,
            }
        )
    content = {
        "description": "appraise(quote, collateral, policy, root, at) gives result; docs/spec/evidence.md",
        "quotes": {name: quote.hex() for name, quote in quotes.items()},
        "collaterals": {name: json.loads(each.to_json()) for name, each in collaterals.items()},
        "policies": policies,
        "roots": {name: root.hex() for name, root in roots.items()},
        "cases": cases,
    }
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(content, indent=1) + "\n")


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


if __name__ == "__main__":
    main()
