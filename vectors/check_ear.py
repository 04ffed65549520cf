"""Check vectors/ear/ear.json without wattest: a second reading of docs/spec/ear.md with json, base64 and cryptography.

Ends with an assertion error at the first token, status or vector that it does not confirm.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

HERE = Path(__file__).parent / "ear"
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
TIERS = ["none", "affirming", "warning", "contraindicated"]
FIVE = ["configuration", "executables", "hardware", "instance-identity", "runtime-opaque"]
ENTRY = {"ear_status", "ear_trustworthiness_vector", "ear_appraisal_policy_ids"}
# For the codes of the cases: which claim, which value. All others count against the whole (99).
WEIGHT = {
    "unknown_measurement": ("executables", 33),
    "no_reference_value": ("executables", 33),
    "tcb_status": ("hardware", 96),
    "fmspc_not_allowed": ("hardware", 97),
    "fmspc_denied": ("hardware", 96),
    "pce_svn": ("hardware", 96),
    "mr_seam": ("hardware", 97),
    "mr_owner": ("configuration", 96),
    "provision_key": ("configuration", 96),
    "report_data": ("instance-identity", 97),
    "other_root": ("instance-identity", 97),
    "debug": ("runtime-opaque", 96),
    "verifier_panicked": (None, -1),
}


def unbase64url(text: str) -> bytes:
    """Strict base64url without padding."""
    assert re.fullmatch("[A-Za-z0-9_-]+", text), "alphabet"
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    assert base64.urlsafe_b64encode(data).decode().rstrip("=") == text, "stray bits"
    return data


def read(token: str, public_key: bytes) -> dict[str, Any]:
    """A token's claims, once all of docs/spec/ear.md holds."""
    header, body, signature = token.split(".")
    assert unbase64url(header) == b'{"alg":"ES256","typ":"eat+jwt"}', "header"
    raw = unbase64url(signature)
    assert len(raw) == 64, "signature length"
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    assert s <= ORDER // 2, "high s"
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + public_key)
    key.verify(encode_dss_signature(r, s), f"{header}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
    data = unbase64url(body)
    claims: dict[str, Any] = json.loads(data)
    again = json.dumps(claims, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert again.encode() == data, "not canonical"
    assert set(claims) >= {"eat_profile", "iat", "ear_verifier_id", "submods"}, "claims"
    assert claims["eat_profile"] == "tag:ietf.org,2026:rats/ear#04", "profile"
    ((name, entry),) = claims["submods"].items()
    assert name in {"enclave", "trust_domain"}, "submodule"
    assert set(entry) >= ENTRY, "entry"
    assert entry["ear_appraisal_policy_ids"], "policy"
    vector = entry["ear_trustworthiness_vector"]
    assert vector, "vector"
    assert all(-128 <= value <= 127 for value in vector.values()), "vector"
    status = TIERS.index(entry["ear_status"])
    assert status >= max(tier(value) for value in vector.values()), "status"
    assert TIERS.index(claims.get("ear_status", entry["ear_status"])) >= status, "overall status"
    assert type(claims.get("exp", 0)) is int, "end"
    if "ear_verifier_claims" in entry:
        appraisal = entry["ear_verifier_claims"]["wattest_appraisal"]
        assert appraisal["accepted"] or status == 3, "refused"
        assert (appraisal["codes"] == ["accepted"]) == appraisal["accepted"], "codes"
    return claims


def tier(value: int) -> int:
    """AR4SI's tier of a value, as an index into TIERS."""
    if value in {-1, 0, 1}:
        return 0
    bound = value if value > 0 else -value - 1
    return 1 if bound < 32 else 2 if bound < 96 else 3


def expected_vector(result: dict[str, Any]) -> dict[str, int]:
    """The page's table, read again."""
    vector = dict.fromkeys(FIVE, 2 if result["genuine"] else 0)
    if result["genuine"]:
        for status in (result["tcb_status"], result["qe_status"]):
            if "Configuration" in status:
                vector["configuration"] = 32
            if status not in {"UpToDate", "ConfigurationNeeded"}:
                vector["hardware"] = 32
        if result["root"] != "intel":
            vector["hardware"] = 32
        if result["root"] == "simulator":
            vector.update({"hardware": 97, "runtime-opaque": 96})
        if result["measurement"]["tee"] == "TDX":
            vector["executables"] = 3
    for code in [] if result["accepted"] else result["codes"]:
        claim, value = WEIGHT.get(code, (None, 99))
        for each in [claim] if claim else FIVE:
            # A verifier that gave up says so where nothing else is said: AR4SI's last step.
            vector[each] = value if vector[each] == 0 else max(vector[each], value)
    return vector


def judge(case: dict[str, Any], public_key: bytes) -> None:
    """One case: token, claims and result agree."""
    claims, result = read(case["token"], public_key), case["result"]
    assert claims == case["claims"], case["name"]
    assert claims["iat"] == result["appraised_at"], case["name"]
    entry = claims["submods"]["enclave" if result["measurement"]["tee"] == "SGX" else "trust_domain"]
    vector = expected_vector(result)
    assert entry["ear_trustworthiness_vector"] == vector, case["name"]
    worst = max(tier(value) for value in vector.values()) if result["accepted"] else 3
    assert entry["ear_status"] == TIERS[worst], case["name"]
    (policy,) = entry["ear_appraisal_policy_ids"]
    assert unbase64url(policy.removeprefix("ni:///sha-256;")).hex() == result["policy_digest"], case["name"]
    if "ear_verifier_claims" in entry:
        appraisal = entry["ear_verifier_claims"]["wattest_appraisal"]
        assert appraisal == {name: result[name] for name in appraisal}, case["name"]
        assert entry["ear_attester_claims"] == {"wattest_measurement": result["measurement"]}, case["name"]


def main() -> None:
    """Check the whole file."""
    content = json.loads((HERE / "ear.json").read_text())
    public_key = bytes.fromhex(content["public_key"])
    for case in content["cases"]:
        judge(case, public_key)
    for case in content["refused"]:
        try:
            read(case["token"], public_key)
        except (AssertionError, InvalidSignature, ValueError):
            continue
        raise AssertionError(f"not refused: {case['name']}")


if __name__ == "__main__":
    main()
