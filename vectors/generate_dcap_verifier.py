"""Write vectors/dcap/verifier.json: evidence as DcapVerifier takes it, and channels' policies in their ABI form.

All of it comes from one fixed simulator seed, and signatures are deterministic, so the file is the same every time.
``check_dcap_verifier.py`` confirms it without wattest.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from eth_hash.auto import keccak

from wattest.attestation.appraisal_policy import parse_policy
from wattest.attestation.chain_evidence import chain_evidence
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.policy_for_chain import channel_policy
from wattest.attestation.roots import parse_root
from wattest.chain.abi import load_abi
from wattest.enclave.simulator.collateral import CollateralOptions
from wattest.enclave.simulator.pki import SimulatedPki
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.messages.channel_policy import AllowedStatus, ChannelPolicy, TcbStatus

OUT = Path(__file__).parent / "dcap" / "verifier.json"
NOW = 1_790_000_000
SEED = bytes(range(32))
PLAIN = bytes.fromhex("05000000000000000300000000000000")
POLICY = f"""version = 1
maximum_collateral_age_days = 30
minimum_tcb_evaluation_number = 17
platforms = ["{"44" * 32}"]
[[enclave]]
name = "by measurement"
mr_enclave = "{"11" * 32}"
[[enclave]]
name = "by signer"
mr_signer = "{"22" * 32}"
product = 7
minimum_svn = 3
[[tcb]]
status = "SWHardeningNeeded"
advisories = ["INTEL-SA-00289", "INTEL-SA-00615"]
[[tcb]]
status = "OutOfDate"
advisories = []
until = 2027-01-01
"""


def main() -> None:
    """Write the vector file."""
    platform = SimulatedPlatform(SimulatedPki.create(SEED, NOW))
    quote = platform.quote(
        measurement=b"\x11" * 32, signer=b"\x22" * 32, product=7, svn=3, report_data=b"\x33" * 64, attributes=PLAIN
    )
    evidence = chain_evidence(parse_evidence(quote))
    facts = evidence.facts
    content = {
        "description": "evidence and policies of contracts/src/DcapVerifier.sol; docs/spec/quote-verifier.md",
        "evidence": {
            "whole_quote": quote.hex(),
            "quote": evidence.quote.hex(),
            "certificate": evidence.certificate.hex(),
            "root_certificate": evidence.root_certificate.hex(),
            "facts": facts.pack().hex(),
            "pck": facts.id.hex(),
            "platform": facts.platform.hex(),
            "first": evidence.first().hex(),
            "next": evidence.next().hex(),
            "revocation": evidence.revocation(b"\x55" * 32, b"\x66" * 32).hex(),
        },
        "policies": policies(platform),
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(content, indent=1) + "\n")


def policies(platform: SimulatedPlatform) -> list[dict[str, Any]]:
    """One policy from a file, and what no policy may say: each differs from it in one thing."""
    advisories = ("INTEL-SA-00289", "INTEL-SA-00615")
    hardening = CollateralOptions(tcb_status="SWHardeningNeeded", advisories=advisories)
    good = channel_policy(
        parse_policy(POLICY.encode()),
        roots=[parse_root(platform.root_certificate)],
        workloads=[b"\x77" * 32],
        collateral=[platform.collateral(NOW, hardening)],
        until={"by measurement": NOW},
    )
    one = good.references[0]
    forever = AllowedStatus(TcbStatus.OutOfDate, bytes(32))
    bad: list[tuple[str, ChannelPolicy, str]] = [
        ("without a digest", replace(good, digest=bytes(32)), "digest"),
        ("collateral of any age", replace(good, max_collateral_age_s=0), "maxCollateralAgeS"),
        ("collateral of 366 days", replace(good, max_collateral_age_s=366 * 86_400), "maxCollateralAgeS"),
        ("registrations of no length", replace(good, max_registration_s=0), "maxRegistrationS"),
        ("debug", replace(good, flags=b"\x07" + bytes(7)), "flags"),
        ("provisioning key", replace(good, flags=b"\x15" + bytes(7)), "flags"),
        ("launch key", replace(good, flags=b"\x25" + bytes(7)), "flags"),
        ("not initialised", replace(good, flags=b"\x04" + bytes(7)), "flags"),
        ("SSE unseen", replace(good, xfrm=b"\x01" + bytes(7), xfrm_mask=b"\x01" + bytes(7)), "xfrm"),
        ("XFRM beyond its mask", replace(good, xfrm=b"\x07" + bytes(7), xfrm_mask=b"\x03" + bytes(7)), "xfrm"),
        ("no reference", replace(good, references=()), "references"),
        ("65 references", replace(good, references=(one,) * 65), "references"),
        ("a reference twice", replace(good, references=(one, one)), "reference twice"),
        ("any root", replace(good, references=(replace(one, root=bytes(32)),)), "reference"),
        ("any workload", replace(good, references=(replace(one, workload=bytes(32)),)), "reference"),
        ("any measurement", replace(good, references=(replace(one, measurement=bytes(32)),)), "reference"),
        ("measurement and signer", replace(good, references=(replace(one, signer=b"\x22" * 32),)), "reference"),
        ("a measurement with an SVN", replace(good, references=(replace(one, minimum_svn=1),)), "reference"),
        ("over before it began", replace(good, references=(replace(one, until=0),)), "reference"),
        ("out of date for ever", replace(good, statuses=(forever,)), "status"),
        ("revoked", replace(good, statuses=(replace(forever, status=TcbStatus.Revoked),)), "status"),
        ("up to date, allowed", replace(good, statuses=(replace(forever, status=TcbStatus.UpToDate),)), "status"),
        ("a status twice", replace(good, statuses=good.statuses[:1] * 2), "status twice"),
        ("platforms without a list", replace(good, is_platform_listed=False), "platforms"),
    ]
    return [policy_case("as a file says", good, "")] + [policy_case(*each) for each in bad]


def policy_case(name: str, policy: ChannelPolicy, part: str) -> dict[str, Any]:
    """A policy as the third argument of setPolicy encodes it, and the part that is refused."""
    call = load_abi("DcapVerifier").encode_call("setPolicy", bytes(20), bytes(32), policy)
    # selector, referee, channel, offset; then the struct, which abi.encode puts behind an offset of its own
    encoded = (32).to_bytes(32, "big") + call[4 + 96 :]
    return {"name": name, "abi": encoded.hex(), "hash": keccak(encoded).hex(), "part": part}


if __name__ == "__main__":
    main()
