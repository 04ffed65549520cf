"""Write vectors/ear/ear.json: appraisal results as EAR claims and signed tokens, and tokens that must be refused.

All of it comes from fixed values and deterministic signatures, so the file is the same every time. ``check_ear.py``
confirms it without wattest.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from wattest.attestation.ear import build_ear, encode_ear
from wattest.attestation.ear_token import TOKEN_HEADER, sign_ear
from wattest.attestation.result import AppraisalResult, Finding
from wattest.attestation.roots import RootKind
from wattest.crypto.canonical import encode
from wattest.crypto.p256 import ORDER, P256PrivateKey

OUT = Path(__file__).parent / "ear" / "ear.json"
NONE = b'{"alg":"none","typ":"eat+jwt"}'
KEY, STRANGER = P256PrivateKey.from_seed(bytes(31) + b"\x07"), P256PrivateKey.from_seed(bytes(31) + b"\x08")
SGX = {"tee": "SGX", "mr_enclave": "11" * 32, "mr_signer": "22" * 32, "product": 7, "svn": 3, "report_data": "00" * 64}
TDX = {"tee": "TDX", "mr_enclave": None, "mr_td": "33" * 48, "report_data": "00" * 64}


def appraisal(*codes: str, **fields: Any) -> AppraisalResult:
    """A result with these codes; genuine, under Intel's root and up to date unless the fields say otherwise."""
    genuine = fields.get("genuine", True)
    values: dict[str, Any] = {
        "genuine": genuine,
        "accepted": codes == ("accepted",),
        "tcb_status": "UpToDate" if genuine else None,
        "qe_status": "UpToDate" if genuine else None,
        "advisories": (),
        "findings": tuple(Finding(code, f"because of {code}") for code in codes),
        "warnings": (),
        "measurement": SGX,
        "measurement_id": bytes.fromhex("11" * 32),
        "reference": "ours" if codes == ("accepted",) else None,
        "platform_id": bytes([4] * 32) if genuine else None,
        "fmspc": bytes(6) if genuine else None,
        "root": RootKind.INTEL if genuine else None,
        "appraised_at": 1_790_000_000,
        "evidence_digest": bytes([5] * 32),
        "endorsements_digest": bytes([6] * 32),
        "policy_digest": bytes([0xFB] * 32),
    }
    return AppraisalResult(**(values | fields))


RESULTS = {
    "up to date": appraisal("accepted"),
    "trust domain": appraisal("accepted", measurement=TDX),
    "hardening allowed": appraisal("accepted", tcb_status="SWHardeningNeeded", advisories=("INTEL-SA-00615",)),
    "configuration allowed": appraisal("accepted", tcb_status="ConfigurationNeeded"),
    "quoting enclave worse than the platform": appraisal("accepted", qe_status="OutOfDateConfigurationNeeded"),
    "a root of one's own": appraisal("accepted", root=RootKind.OTHER),
    "simulator, accepted for development": appraisal("accepted", root=RootKind.SIMULATOR),
    "unknown measurement": appraisal("unknown_measurement"),
    "platform model not allowed": appraisal("fmspc_not_allowed"),
    "platform model denied, provisioning enclave too old": appraisal("fmspc_denied", "pce_svn"),
    "trust domain of another owner on another module": appraisal("mr_seam", "mr_owner", measurement=TDX),
    "status not allowed": appraisal("tcb_status", tcb_status="OutOfDate"),
    "provision key and stale nonce": appraisal("provision_key", "report_data"),
    "debug": appraisal("debug", genuine=False),
    "forged report": appraisal("report_signature", "no_reference_value", genuine=False),
    "other root": appraisal("other_root", genuine=False),
    "a reason that is not known": appraisal("of_tomorrow"),
    "verifier gave up": appraisal("verifier_panicked", genuine=False),
    "verifier gave up on a debug enclave": appraisal("verifier_panicked", "debug", genuine=False),
}


def main() -> None:
    """Write the vector file."""
    cases = []
    for name, result in RESULTS.items():
        claims = build_ear(result, developer="wattest", build="vectors")
        token = sign_ear(encode_ear(claims), KEY)
        cases.append({"name": name, "result": result.as_dict(), "claims": claims, "token": token.decode()})
    more = {
        "status and vector alone": build_ear(RESULTS["up to date"], developer="wattest", build="vectors", detail=False),
        "claims that are not known, an end, an overall status": build_ear(
            RESULTS["up to date"], developer="wattest", build="vectors"
        )
        | {"exp": 1_790_000_600, "ear_status": "affirming", "tag:example.org,2026:more": {"than": ["is", "read"]}},
    }
    for name, claims in more.items():
        token = sign_ear(encode_ear(claims), KEY)
        result = RESULTS["up to date"]
        cases.append({"name": name, "result": result.as_dict(), "claims": claims, "token": token.decode()})
    content = {
        "description": "result becomes claims, claims a token under public_key; docs/spec/ear.md",
        "public_key": KEY.public_key.hex(),
        "cases": cases,
        "refused": refused(build_ear(RESULTS["forged report"], developer="wattest", build="vectors")),
    }
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(content, indent=1) + "\n")


def refused(claims: dict[str, Any]) -> list[dict[str, str]]:
    """Tokens that differ from a good one in one thing, each with its error."""
    good = sign_ear(encode_ear(claims), KEY).decode()
    header, body, signature = good.split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    high = raw[:32] + (ORDER - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    entry = claims["submods"]["enclave"]
    inner = entry["ear_verifier_claims"]["wattest_appraisal"]
    found = {
        "unsigned": (b64(NONE) + f".{body}.", "EarForged"),
        "algorithm none, signed": (signed(NONE, encode(claims)), "EarForged"),
        "other algorithm": (signed(b'{"alg":"HS256","typ":"eat+jwt"}', encode(claims)), "EarForged"),
        "other type": (signed(b'{"alg":"ES256","typ":"JWT"}', encode(claims)), "EarForged"),
        "header with a key": (signed(b'{"alg":"ES256","kid":"1","typ":"eat+jwt"}', encode(claims)), "EarForged"),
        "header with a blank": (signed(b'{"alg": "ES256","typ":"eat+jwt"}', encode(claims)), "EarForged"),
        "stranger's signature": (signed(TOKEN_HEADER, encode(claims), STRANGER), "EarForged"),
        "signature of other claims": (f"{header}.{b64(encode(claims | {'iat': 1}))}.{signature}", "EarForged"),
        "high s": (f"{header}.{body}.{b64(high)}", "EarForged"),
        "signature cut": (f"{header}.{body}.{b64(raw[:-1])}", "EarForged"),
        "two parts": (f"{header}.{body}", "EarMalformed"),
        "four parts": (good + "." + signature, "EarMalformed"),
        "padding": (good + "==", "EarMalformed"),
        "stray bits": (good[:-1] + chr(ord(good[-1]) + 1), "EarMalformed"),
        "not canonical": (signed(TOKEN_HEADER, json.dumps(claims).encode()), "EarMalformed"),
        "other profile": (signed(TOKEN_HEADER, encode(claims | {"eat_profile": "tag:other"})), "EarMalformed"),
        "end as text": (signed(TOKEN_HEADER, encode(claims | {"exp": "1"})), "EarMalformed"),
        "overall status better than the submodule's": (
            signed(TOKEN_HEADER, encode(claims | {"ear_status": "warning"})),
            "EarMalformed",
        ),
        "no policy": (changed(claims, entry | {"ear_appraisal_policy_ids": []}), "EarMalformed"),
        "no time": (signed(TOKEN_HEADER, encode({k: v for k, v in claims.items() if k != "iat"})), "EarMalformed"),
        "refused but affirming": (changed(claims, entry | {"ear_status": "affirming"}), "EarMalformed"),
        "status unknown": (changed(claims, entry | {"ear_status": "fine"}), "EarMalformed"),
        "vector out of range": (
            changed(claims, entry | {"ear_trustworthiness_vector": {"hardware": 128}}),
            "EarMalformed",
        ),
        "accepted against its codes": (
            changed(claims, entry | {"ear_verifier_claims": {"wattest_appraisal": inner | {"accepted": True}}}),
            "EarMalformed",
        ),
    }
    return [{"name": name, "token": token, "error": error} for name, (token, error) in found.items()]


def changed(claims: dict[str, Any], entry: dict[str, Any]) -> str:
    """A well-signed token with another submodule entry."""
    return signed(TOKEN_HEADER, encode(claims | {"submods": {"enclave": entry}}))


def signed(header: bytes, body: bytes, key: P256PrivateKey = KEY) -> str:
    """A token of any header and claims."""
    text = f"{b64(header)}.{b64(body)}"
    return f"{text}.{b64(key.sign_digest(hashlib.sha256(text.encode()).digest()))}"


def b64(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


if __name__ == "__main__":
    main()
