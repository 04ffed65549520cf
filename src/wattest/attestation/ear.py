"""EAR (draft-ietf-rats-ear-04): the attestation result in the form that other relying parties read.

Decided here: how an appraisal becomes a claims set, and what is read back as one. Not decided here: the values of the
trustworthiness vector (``trust_vector``), the signature around the claims (``ear_token``), how old a result may be
(whoever reads it compares ``appraised_at``, and ``verify_unexpired`` by the time it goes by).

Invariants: one claims set has one encoding (canonical JSON); a status is never better than the worst claim of its
vector; what was not accepted is contraindicated; claims that are not known are passed over, as the draft asks, and
decide nothing. Specification: docs/spec/ear.md.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from wattest.attestation.result import AppraisalResult
from wattest.attestation.trust_vector import ALL_CLAIMS, SEVERITY, Tier, overall_status, trust_vector, worst_tier
from wattest.crypto.canonical import INTEGER_MAX, encode, parse
from wattest.crypto.errors import CanonicalJsonInvalid
from wattest.crypto.strict_fields import Field, Fields, Reader, Refusal
from wattest.errors import InputError, VerificationError

EAR_PROFILE = "tag:ietf.org,2026:rats/ear#04"
MAX_EAR_BYTES = 262_144
_SUBMODULES = {"SGX": "enclave", "TDX": "trust_domain"}
_TOP = {"eat_profile", "iat", "ear_verifier_id", "submods"}
_SUBMODULE = {"ear_status", "ear_trustworthiness_vector", "ear_appraisal_policy_ids"}
_APPRAISAL = {
    *("accepted", "genuine", "reasons", "codes", "warnings", "tcb_status", "qe_status", "advisories", "reference"),
    *("platform_id", "fmspc", "root", "evidence_digest", "endorsements_digest"),
}


class EarMalformed(InputError):
    """Bytes that are no EAR as docs/spec/ear.md has it; ``location`` says where."""

    def __init__(self, location: str, message: str) -> None:
        super().__init__(f"attestation result: {location}: {message}", hint="see docs/spec/ear.md", location=location)


def _refuse(refusal: Refusal) -> EarMalformed:
    return EarMalformed(refusal.where or "claims", refusal.message)


_EAR = Reader(_refuse, shows_text=True)


class EarExpired(VerificationError):
    """An attestation result that says of itself that it no longer counts."""


@dataclass(frozen=True, slots=True)
class Ear:
    """An attestation result as read; ``claims`` is the whole of it. Believe it once its signature held.

    ``accepted`` is None, and reasons and codes are empty, when the verifier left its own claims out.
    """

    status: Tier
    accepted: bool | None
    submodule: str
    vector: dict[str, int]
    appraised_at: int
    developer: str
    build: str
    policy_ids: tuple[str, ...]
    reasons: tuple[str, ...]
    codes: tuple[str, ...]
    expires_at: int | None
    claims: dict[str, object]

    def verify_unexpired(self, now: int) -> None:
        """Raise EarExpired if ``now`` (unix seconds) is at or after the result's own end, if it has one."""
        if self.expires_at is not None and now >= self.expires_at:
            raise EarExpired(
                "the attestation result has expired",
                hint="ask the verifier for a new one",
                expires_at=self.expires_at,
                actual=now,
            )


def build_ear(result: AppraisalResult, *, developer: str, build: str, detail: bool = True) -> dict[str, object]:
    """The claims set of an appraisal; ``developer`` and ``build`` name the verifier (``ear_verifier_id``).

    Without ``detail`` neither measurement, platform nor reasons are told: status, vector and policy alone.
    """
    vector, shown = trust_vector(result), result.as_dict()
    told: dict[str, object] = {
        "ear_attester_claims": {"wattest_measurement": result.measurement},
        "ear_verifier_claims": {"wattest_appraisal": {name: shown[name] for name in sorted(_APPRAISAL)}},
    }
    return {
        "eat_profile": EAR_PROFILE,
        "iat": result.appraised_at,
        "ear_verifier_id": {"developer": developer, "build": build},
        "submods": {
            _SUBMODULES[str(result.measurement["tee"])]: {
                "ear_status": overall_status(result, vector).value,
                "ear_trustworthiness_vector": vector,
                "ear_appraisal_policy_ids": [policy_id(result.policy_digest)],
                **(told if detail else {}),
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
        EarMalformed: over 256 KiB, not canonical JSON, a claim missing or of a wrong kind, or a status that is better
            than its vector, its submodule or its verdict allows.
    """
    try:
        claims = _claims(_EAR.field(parse(data, MAX_EAR_BYTES)), _TOP)
    except CanonicalJsonInvalid as error:
        raise EarMalformed("claims", error.message) from error
    claims["eat_profile"].one_of((EAR_PROFILE,), f"'{EAR_PROFILE}'")
    verifier = _claims(claims["ear_verifier_id"], {"developer", "build"})
    submodules = claims["submods"].fields()
    if len(submodules.values) != 1 or not submodules.values.keys() <= set(_SUBMODULES.values()):
        raise submodules.of.faulted("exactly one, 'enclave' or 'trust_domain', belongs here")
    name = next(iter(submodules.values))
    inner = _claims(submodules[name], _SUBMODULE)
    vector = _vector(inner["ear_trustworthiness_vector"].fields())
    status = inner["ear_status"].member_of(Tier)
    if SEVERITY.index(status) < SEVERITY.index(worst_tier(vector)):
        raise inner["ear_status"].faulted("better than the worst claim of the trustworthiness vector")
    if "ear_status" in claims and SEVERITY.index(claims["ear_status"].member_of(Tier)) < SEVERITY.index(status):
        raise claims["ear_status"].faulted("better than the submodule's")
    policy_ids = inner["ear_appraisal_policy_ids"].each(_text, MAX_EAR_BYTES, 1)
    inner.get("ear_attester_claims", {}).fields()
    accepted, reasons, codes = _appraisal(inner, status)
    return Ear(
        status=status,
        accepted=accepted,
        submodule=name,
        vector=vector,
        appraised_at=_time(claims["iat"]),
        developer=_text(verifier["developer"]),
        build=_text(verifier["build"]),
        policy_ids=policy_ids,
        reasons=reasons,
        codes=codes,
        expires_at=_time(claims["exp"]) if "exp" in claims else None,
        claims=claims.values,
    )


def _appraisal(inner: Fields, status: Tier) -> tuple[bool | None, tuple[str, ...], tuple[str, ...]]:
    own = inner.get("ear_verifier_claims", {}).fields()
    if "wattest_appraisal" not in own:
        return None, (), ()
    appraisal = _claims(own["wattest_appraisal"], _APPRAISAL)
    accepted = appraisal["accepted"].boolean()
    reasons, codes = (appraisal[name].each(_text, MAX_EAR_BYTES) for name in ("reasons", "codes"))
    if not codes or len(codes) != len(reasons) or (codes == ("accepted",)) != accepted:
        raise appraisal["codes"].faulted("a code for each reason, in agreement with the verdict")
    if not accepted and status != Tier.CONTRAINDICATED:
        raise inner["ear_status"].faulted("not accepted, and yet better")
    return accepted, reasons, codes


def _claims(field: Field, wanted: set[str]) -> Fields:
    """A claims set with at least these; others are passed over, as the draft asks of a receiver."""
    table = field.fields()
    if missing := wanted - table.values.keys():
        raise table[min(missing)].refused("a claim")
    return table


def _vector(claims: Fields) -> dict[str, int]:
    vector: dict[str, int] = {}
    for name in claims.names(len(ALL_CLAIMS)):
        if name not in ALL_CLAIMS:
            raise claims[name].faulted("no claim of AR4SI")
        vector[name] = claims[name].integer(-128, 127)
    if not vector:
        raise claims.of.faulted("at least one claim belongs here")
    return vector


def _time(field: Field) -> int:
    return field.integer(0, INTEGER_MAX)


def _text(field: Field) -> str:
    return field.text(MAX_EAR_BYTES)
