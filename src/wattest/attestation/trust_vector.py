"""AR4SI's trustworthiness vector (draft-ietf-rats-ar4si-10, section 2.3): what findings cast doubt on.

Decided here: which value each reason code and each TCB status stands for, and the tier of a value. Not decided here:
what is accepted (``appraisal``) and the message around the vector (``ear``).

Invariants: every reason code has a place, and an unknown one counts against the whole; nothing is claimed in favour of
evidence that is not genuine; a simulator is never called trustworthy hardware, whatever the policy accepts.
Specification: docs/spec/ear.md.
"""

from __future__ import annotations

from enum import StrEnum

from wattest.attestation.result import AppraisalResult
from wattest.attestation.roots import RootKind

INSTANCE, CONFIGURATION, EXECUTABLES = "instance-identity", "configuration", "executables"
HARDWARE, RUNTIME = "hardware", "runtime-opaque"
CLAIMS = (INSTANCE, CONFIGURATION, EXECUTABLES, HARDWARE, RUNTIME)
# The three that no quote says anything about are read from other verifiers' results, and never written.
ALL_CLAIMS = frozenset({*CLAIMS, "file-system", "storage-opaque", "sourced-data"})

MALFUNCTION, NO_CLAIM, AFFIRMED, AFFIRMED_AT_BOOT = -1, 0, 2, 3
VULNERABLE, UNRECOGNISED_CODE, REFUSED, UNKNOWN, FORGED = 32, 33, 96, 97, 99


class Tier(StrEnum):
    """How trustworthy a claim or a whole result is, from nothing said to refused."""

    NONE = "none"
    AFFIRMING = "affirming"
    WARNING = "warning"
    CONTRAINDICATED = "contraindicated"


SEVERITY = (Tier.NONE, Tier.AFFIRMING, Tier.WARNING, Tier.CONTRAINDICATED)

_FORGED_CODES = (
    *("report_signature", "attestation_key", "qe_report_signature", "qe_identity_mismatch", "unknown_qe_vendor"),
    *("tcb_info_signature", "qe_identity_signature", "signature_length", "certificate_chain", "certificate_malformed"),
    *("no_pck_certificate", "wrong_revocation_list", "collateral_signer", "not_genuine"),
)
_BY_CLAIM: tuple[tuple[str, int, tuple[str, ...]], ...] = (
    (
        INSTANCE,
        UNKNOWN,
        (
            *("other_root", "root_refused", "platform", "report_data", "nonce_stale", "nonce_reused", "other_chain"),
            *("other_referee", "other_channel", "other_operator", "other_key", "registration_expired"),
        ),
    ),
    (EXECUTABLES, UNRECOGNISED_CODE, ("no_reference_value", "unknown_measurement")),
    (
        CONFIGURATION,
        REFUSED,
        (
            *("attributes", "xfrm", "misc_select", "td_attributes", "provision_key", "einittoken_key"),
            *("slack_bytes", "certification_type", "quote_version", "qe_report_data"),
            *("mr_config_id", "mr_owner", "mr_owner_config"),
        ),
    ),
    (HARDWARE, UNKNOWN, ("fmspc_not_allowed", "mr_seam")),
    (
        HARDWARE,
        REFUSED,
        (
            *("tcb_status", "advisories", "grace_ended", "tcb_revoked", "no_tcb_level", "unknown_tcb_status"),
            *("tdx_module", "qe_attributes", "qe_below_minimum", "pce_id", "fmspc_mismatch", "evaluation_number"),
            *("evaluation_went_back", "fmspc_denied", "qe_svn", "pce_svn"),
            *("collateral_expired", "collateral_from_future", "collateral_too_old", "collateral_malformed"),
            *("collateral_of_other_kind", "certificate_revoked", "certificate_expired", "certificate_not_yet_valid"),
        ),
    ),
    (RUNTIME, REFUSED, ("debug",)),
)
CODE_VALUES: dict[str, tuple[tuple[str, ...], int]] = {
    **dict.fromkeys(_FORGED_CODES, (CLAIMS, FORGED)),
    **dict.fromkeys(("time", "verifier_panicked"), (CLAIMS, MALFUNCTION)),
    **{code: ((claim,), value) for claim, value, codes in _BY_CLAIM for code in codes},
}
_CONFIGURE = frozenset(
    {
        *("ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDateConfigurationNeeded"),
        "TDRelaunchAdvisedConfigurationNeeded",
    }
)
_KNOWN_WEAK = _CONFIGURE | {"SWHardeningNeeded", "OutOfDate", "TDRelaunchAdvised"}


def tier_of(value: int) -> Tier:
    """The tier of one value, -128 to 127 (AR4SI section 2.3.2)."""
    if -1 <= value <= 1:
        return Tier.NONE
    if -32 <= value <= 31:
        return Tier.AFFIRMING
    if -96 <= value <= 95:
        return Tier.WARNING
    return Tier.CONTRAINDICATED


def worst_tier(vector: dict[str, int]) -> Tier:
    """The worst tier that any claim of a vector has; NONE for an empty one."""
    return max((tier_of(value) for value in vector.values()), key=SEVERITY.index, default=Tier.NONE)


def trust_vector(result: AppraisalResult) -> dict[str, int]:
    """The five claims that a quote supports, each with its value."""
    vector = dict.fromkeys(CLAIMS, NO_CLAIM)
    if result.genuine:
        vector = dict.fromkeys(CLAIMS, AFFIRMED)
        if result.measurement["tee"] == "TDX":
            vector[EXECUTABLES] = AFFIRMED_AT_BOOT  # what a domain loads later, no quote tells
        for status in (result.tcb_status, result.qe_status):
            _weaken(vector, status)
        if result.root is RootKind.SIMULATOR:
            vector |= {HARDWARE: UNKNOWN, RUNTIME: REFUSED}  # there is none, and its host sees everything
        elif result.root is not RootKind.INTEL:
            vector[HARDWARE] = max(vector[HARDWARE], VULNERABLE)
    if not result.accepted:
        for code in result.codes:
            claims, value = CODE_VALUES.get(code, (CLAIMS, FORGED))
            # A malfunction (-1) is said where nothing else is, and gives way to everything that is.
            vector |= {claim: max(vector[claim], value) if vector[claim] else value for claim in claims}
    return vector


def overall_status(result: AppraisalResult, vector: dict[str, int]) -> Tier:
    """The status of the whole: what is not accepted is contraindicated, the rest as bad as its worst claim."""
    return worst_tier(vector) if result.accepted else Tier.CONTRAINDICATED


def _weaken(vector: dict[str, int], status: str | None) -> None:
    if status == "UpToDate":
        return
    if status not in _KNOWN_WEAK:
        vector[HARDWARE] = REFUSED
        return
    if status in _CONFIGURE:
        vector[CONFIGURATION] = VULNERABLE
    if status != "ConfigurationNeeded":
        vector[HARDWARE] = max(vector[HARDWARE], VULNERABLE)
