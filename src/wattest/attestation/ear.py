"""EAR (draft-ietf-rats-ear-04): the attestation result in the form that other relying parties read.

Decided here: how an appraisal becomes a claims set, and what is read back as one. Not decided here: the values of the
trustworthiness vector (``trust_vector``), the signature around the claims (``ear_token``), how old a result may be
(whoever reads it compares ``appraised_at``).

Invariants: one claims set has one encoding (canonical JSON); a status is never better than the worst claim of its
vector; what was not accepted is contraindicated. Specification: docs/spec/ear.md.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from wattest.attestation.result import AppraisalResult
from wattest.attestation.trust_vector import ALL_CLAIMS, SEVERITY, Tier, overall_status, trust_vector, worst_tier
from wattest.crypto.canonical import encode, parse
from wattest.crypto.errors import CanonicalJsonInvalid
from wattest.errors import InputError

EAR_PROFILE = "tag:ietf.org,2026:rats/ear#04"
MAX_EAR_BYTES = 262_144
_SUBMODULES = {"SGX": "enclave", "TDX": "trust_domain"}
_TOP = {"eat_profile", "iat", "ear_verifier_id", "submods"}
_SUBMODULE = {
    *("ear_status", "ear_trustworthiness_vector", "ear_appraisal_policy_ids"),
    *("ear_attester_claims", "ear_verifier_claims"),
}
_APPRAISAL = {
    *("accepted", "genuine", "reasons", "codes", "warnings", "tcb_status", "qe_status", "advisories", "reference"),
    *("platform_id", "fmspc", "root", "evidence_digest", "endorsements_digest"),
}


class EarMalformed(InputError):
    """Bytes that are no EAR as docs/spec/ear.md has it; ``location`` says where."""

    def __init__(self, location: str, message: str) -> None:
        super().__init__(f"attestation result: {location}: {message}", hint="see docs/spec/ear.md", location=location)


@dataclass(frozen=True, slots=True)
class Ear:
    """An attestation result as read; ``claims`` is the whole of it. Believe it once its signature held."""

    status: Tier
    accepted: bool
    submodule: str
    vector: dict[str, int]
    appraised_at: int
    developer: str
    build: str
    policy_ids: tuple[str, ...]
    reasons: tuple[str, ...]
    codes: tuple[str, ...]
    claims: dict[str, object]


def build_ear(result: AppraisalResult, *, developer: str, build: str) -> dict[str, object]:
    """The claims set of an appraisal; ``developer`` and ``build`` name the verifier (``ear_verifier_id``)."""
    vector, shown = trust_vector(result), result.as_dict()
    return {
        "eat_profile": EAR_PROFILE,
        "iat": result.appraised_at,
        "ear_verifier_id": {"developer": developer, "build": build},
        "submods": {
            _SUBMODULES[str(result.measurement["tee"])]: {
                "ear_status": overall_status(result, vector).value,
                "ear_trustworthiness_vector": vector,
                "ear_appraisal_policy_ids": [policy_id(result.policy_digest)],
                "ear_attester_claims": {"wattest_measurement": result.measurement},
                "ear_verifier_claims": {"wattest_appraisal": {name: shown[name] for name in sorted(_APPRAISAL)}},
            }
        },
    }


def encode_ear(claims: dict[str, object]) -> bytes:
    """The one encoding of a claims set.

    Raises:
        EarMalformed: over 256 KiB, which hostile collateral with thousands of advisories may lead to.
    """
    data = encode(claims)
    if len(data) > MAX_EAR_BYTES:
        raise EarMalformed("claims", f"{len(data)} bytes, at most {MAX_EAR_BYTES}")
    return data


def policy_id(digest: bytes) -> str:
    """A policy's name: ``ni:///sha-256;`` and its digest as base64url (RFC 6920)."""
    return "ni:///sha-256;" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def parse_ear(data: bytes) -> Ear:
    """Read a claims set, in its one encoding.

    Raises:
        EarMalformed: over 256 KiB, not canonical JSON, a claim missing, unknown or of a wrong kind, or a status that is
            better than its vector or verdict allows.
    """
    try:
        claims = _table(parse(data, MAX_EAR_BYTES), "claims", _TOP)
    except CanonicalJsonInvalid as error:
        raise EarMalformed("claims", error.message) from error
    if claims["eat_profile"] != EAR_PROFILE:
        raise EarMalformed("eat_profile", f"'{EAR_PROFILE}' belongs here")
    verifier = _table(claims["ear_verifier_id"], "ear_verifier_id", {"developer", "build"})
    submodules = _object(claims["submods"], "submods")
    if len(submodules) != 1 or not set(submodules) <= set(_SUBMODULES.values()):
        raise EarMalformed("submods", "exactly one, 'enclave' or 'trust_domain', belongs here")
    name = next(iter(submodules))
    at = f"submods.{name}"
    inner = _table(submodules[name], at, _SUBMODULE)
    vector = _vector(inner["ear_trustworthiness_vector"], f"{at}.ear_trustworthiness_vector")
    _table(inner["ear_attester_claims"], f"{at}.ear_attester_claims", {"wattest_measurement"})
    own = _table(inner["ear_verifier_claims"], f"{at}.ear_verifier_claims", {"wattest_appraisal"})
    appraisal = _table(own["wattest_appraisal"], f"{at}.wattest_appraisal", _APPRAISAL)
    accepted, status = appraisal["accepted"], inner["ear_status"]
    if not isinstance(accepted, bool):
        raise EarMalformed(f"{at}.wattest_appraisal.accepted", "true or false belongs here")
    if not isinstance(status, str) or status not in set(Tier):
        raise EarMalformed(f"{at}.ear_status", "none, affirming, warning or contraindicated belongs here")
    reasons = _texts(appraisal["reasons"], f"{at}.wattest_appraisal.reasons")
    codes = _texts(appraisal["codes"], f"{at}.wattest_appraisal.codes")
    if not codes or len(codes) != len(reasons) or (codes == ("accepted",)) != accepted:
        raise EarMalformed(f"{at}.wattest_appraisal.codes", "a code for each reason, in agreement with the verdict")
    if SEVERITY.index(Tier(status)) < SEVERITY.index(worst_tier(vector)):
        raise EarMalformed(f"{at}.ear_status", "better than the worst claim of the trustworthiness vector")
    if not accepted and status != Tier.CONTRAINDICATED:
        raise EarMalformed(f"{at}.ear_status", "not accepted, and yet not contraindicated")
    return Ear(
        status=Tier(status),
        accepted=accepted,
        submodule=name,
        vector=vector,
        appraised_at=_time(claims["iat"]),
        developer=_text(verifier["developer"], "ear_verifier_id.developer"),
        build=_text(verifier["build"], "ear_verifier_id.build"),
        policy_ids=_texts(inner["ear_appraisal_policy_ids"], f"{at}.ear_appraisal_policy_ids"),
        reasons=reasons,
        codes=codes,
        claims=claims,
    )


def _object(value: object, location: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise EarMalformed(location, "an object belongs here")
    return value


def _table(value: object, location: str, keys: set[str]) -> dict[str, object]:
    table = _object(value, location)
    if table.keys() != keys:
        odd = min(table.keys() ^ keys)
        raise EarMalformed(f"{location}.{odd[:64]}", "missing" if odd in keys else "unknown claim")
    return table


def _vector(value: object, location: str) -> dict[str, int]:
    vector: dict[str, int] = {}
    for name, claim in _object(value, location).items():
        if name not in ALL_CLAIMS or isinstance(claim, bool) or not isinstance(claim, int) or not -128 <= claim <= 127:
            raise EarMalformed(f"{location}.{name[:64]}", "a claim of AR4SI from -128 to 127 belongs here")
        vector[name] = claim
    if not vector:
        raise EarMalformed(location, "at least one claim belongs here")
    return vector


def _time(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise EarMalformed("iat", "unix seconds belong here")
    return value


def _text(value: object, location: str) -> str:
    if not isinstance(value, str):
        raise EarMalformed(location, "text belongs here")
    return value


def _texts(value: object, location: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise EarMalformed(location, "a list of texts belongs here")
    return tuple(_text(item, location) for item in value)
