"""An appraisal policy in plain sentences: what it accepts, what it refuses, and what in it deserves a second look.

Decided here: the words. Not decided here: the rules (``policy``) and how they are applied (``appraisal``); each
sentence repeats one of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from wattest.attestation.appraisal_policy import (
    ALLOWABLE,
    DOMAIN_REGISTERS,
    AllowedStatus,
    AppraisalPolicy,
    EnclaveReference,
    TrustDomainReference,
)
from wattest.attestation.appraisal_policy_table import Pin

_ALWAYS_REFUSED_FLAGS = 0x02 | 0x10 | 0x20  # DEBUG, PROVISION_KEY, EINITTOKEN_KEY
_UNDER_DEBUG = 0xFF


@dataclass(frozen=True, slots=True)
class PolicyInWords:
    """Sentences: an accepted quote satisfies one of ``wanted`` and all ``conditions``; ``refused`` holds always."""

    wanted: tuple[str, ...]
    conditions: tuple[str, ...]
    refused: tuple[str, ...]
    warnings: tuple[str, ...]


def explain_policy(policy: AppraisalPolicy) -> PolicyInWords:
    """What a policy says, in sentences for people."""
    wanted = [_enclave(each) for each in policy.enclaves] + [_trust_domain(each) for each in policy.trust_domains]
    return PolicyInWords(
        tuple(wanted or ["nothing: no reference value is named"]),
        tuple(_conditions(policy)),
        tuple(_refused(policy)),
        tuple(_warnings(policy)),
    )


def is_barren(policy: AppraisalPolicy) -> bool:
    """Whether no quote at all can satisfy the policy."""
    enclaves = policy.enclaves and not policy.pins.flags.value & _ALWAYS_REFUSED_FLAGS
    trust_domains = policy.trust_domains and not policy.pins.td_attributes.value & _UNDER_DEBUG
    if frozenset() in (getattr(policy.domain_pins, name) for name in DOMAIN_REGISTERS):
        trust_domains = ()
    return frozenset() in (policy.platforms, policy.allowed_fmspcs) or not (enclaves or trust_domains)


def _enclave(reference: EnclaveReference) -> str:
    if reference.mr_enclave is not None:
        return f"the SGX enclave '{reference.name}': measurement {reference.mr_enclave.hex()}"
    signer = reference.mr_signer.hex() if reference.mr_signer is not None else "-"
    return (
        f"any SGX enclave '{reference.name}': signer {signer}, product {reference.product},"
        f" security version {reference.minimum_svn} or higher"
    )


def _trust_domain(reference: TrustDomainReference) -> str:
    named = "".join(
        f", RTMR{index} {register.hex()}" for index, register in enumerate(reference.rt_mr) if register is not None
    )
    return f"the TDX trust domain '{reference.name}': MRTD {reference.mr_td.hex()}{named}"


def _conditions(policy: AppraisalPolicy) -> Iterator[str]:
    if policy.production:
        yield "the chain ends in Intel's root"
    else:
        yield "the chain ends in the root that the caller names, a simulator's too"
    yield _listed("the platform", policy.platforms)
    if policy.allowed_fmspcs is not None or not policy.denied_fmspcs:
        yield _listed("the platform model (FMSPC)", policy.allowed_fmspcs)
    if policy.denied_fmspcs:
        yield "the platform model (FMSPC) is none of " + _shown(policy.denied_fmspcs)
    if policy.minimum_qe_svn:
        yield f"the quoting enclave's security version is {policy.minimum_qe_svn} or higher, by its own report"
    if policy.minimum_pce_svn:
        yield (
            f"the provisioning certification enclave's security version is {policy.minimum_pce_svn} or higher, by the"
            " PCK certificate"
        )
    yield "the TCB status of platform and quoting enclave is UpToDate, or one of those below"
    yield from (_allowed(each) for each in policy.statuses)
    yield f"TCB info, QE identity and PCK revocation list are at most {policy.maximum_collateral_age_days} days old"
    if policy.clock_tolerance_s:
        yield f"collateral issued up to {policy.clock_tolerance_s} s after this clock's time is judged as of its issue"
    if policy.minimum_tcb_evaluation_number:
        yield f"the TCB evaluation number is {policy.minimum_tcb_evaluation_number} or higher"
    pins = policy.pins
    if policy.enclaves or not policy.trust_domains:
        yield _pin("SGX attribute flags", pins.flags, 64)
        yield _pin("XFRM (extended features)", pins.xfrm, 64)
        yield _pin("MISCSELECT", pins.misc_select, 32)
    if policy.trust_domains:
        yield _pin("trust domain attributes", pins.td_attributes, 64)
        yield _pin("XFAM (extended features)", pins.xfam, 64)
        for name, register in DOMAIN_REGISTERS.items():
            yield _listed(f"the trust domain's {register}", getattr(policy.domain_pins, name))


def _listed(what: str, values: frozenset[bytes] | None) -> str:
    if values is None:
        return f"{what} may be any"
    return f"{what} is one of {_shown(values)}" if values else f"{what} is on a list that is empty"


def _shown(values: frozenset[bytes]) -> str:
    return ", ".join(sorted(each.hex() for each in values))


def _allowed(allowed: AllowedStatus) -> str:
    named = ", ".join(sorted(allowed.advisories))
    carrying = f"with no advisory but {named}" if named else "without any advisory"
    until = f", and only before {_day(allowed.until)} (UTC)" if allowed.until is not None else ""
    return f"{allowed.status} is tolerated {carrying}{until}"


def _pin(what: str, pin: Pin, bits: int) -> str:
    if pin.mask == 2**bits - 1:
        return f"{what} are exactly {pin.value:#x}"
    if pin.mask == 0:
        return f"{what} may be anything"
    return f"{what} have {pin.value:#x} under the mask {pin.mask:#x}; the other bits are free"


def _refused(policy: AppraisalPolicy) -> Iterator[str]:
    yield "whatever is not genuine: a signature, chain, date, revocation or identity that does not hold"
    yield "debug mode, PROVISION_KEY and EINITTOKEN_KEY, whatever the attributes may be"
    yield "the status Revoked, and every status that is unknown"
    if missing := sorted(ALLOWABLE - {each.status for each in policy.statuses}):
        yield "these statuses, since no entry names them: " + ", ".join(missing)
    yield "collateral that is expired, from the future, or for another platform model"
    if policy.production:
        yield "every root but Intel's"


def _warnings(policy: AppraisalPolicy) -> Iterator[str]:
    if is_barren(policy):
        yield "this policy accepts nothing"
    if not policy.production:
        yield "not for production: a simulator's evidence can be accepted (production = true forbids it)"
    for enclave in policy.enclaves:
        if enclave.mr_signer is not None:
            yield f"'{enclave.name}' trusts whatever its signer will sign, also what nobody has seen yet"
    for domain in policy.trust_domains:
        if all(register is None for register in domain.rt_mr):
            yield f"'{domain.name}' pins MRTD alone: what the domain loads later (RTMR0 to RTMR3) is not looked at"
    for name, register in DOMAIN_REGISTERS.items():
        if getattr(policy.domain_pins, name) is not None and not policy.trust_domains:
            yield f"{name} is listed, and no trust domain is named: only trust domains have an {register}"
    for status in policy.statuses:
        if status.until is None:
            yield f"{status.status} is tolerated without an end; 'until' would give it one"
    checked = {
        "flags": (policy.pins.flags, bool(policy.enclaves)),
        "xfrm": (policy.pins.xfrm, bool(policy.enclaves)),
        "misc_select": (policy.pins.misc_select, bool(policy.enclaves)),
        "td_attributes": (policy.pins.td_attributes, bool(policy.trust_domains)),
        "xfam": (policy.pins.xfam, bool(policy.trust_domains)),
    }
    for name, (pin, matters) in checked.items():
        if matters and pin.mask == 0:
            yield f"attributes.{name} has an empty mask: it is not checked"


def _day(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).date().isoformat()
