"""The appraisal policy: which true facts about an enclave are good enough, read from TOML.

Decided here: what a policy can say, what holds when it says nothing, and what no policy may say. Not decided here: how
it is applied (``appraisal``).

Invariants: an unknown key is an error that names its place, so a misspelt check is never a missing check; nothing is
accepted by default (no reference value, no status but UpToDate, attributes pinned); a status is allowed only together
with the advisories it may carry; OutOfDate only until a date. Specification: docs/spec/appraisal-policy.md.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from types import MappingProxyType

from wattest.attestation.appraisal_policy_table import (
    MAX_ENTRIES,
    POLICY_TABLES,
    Pin,
    PolicyMalformed,
    read_day,
    read_name,
    read_pin,
    read_pins,
)
from wattest.attestation.collateral_age import DEFAULT_WARN_DAYS
from wattest.attestation.formats.collateral import FMSPC_BYTES
from wattest.attestation.formats.quote import TD_REGISTER_BYTES
from wattest.crypto.strict_fields import Field, Fields
from wattest.crypto.toml_text import load_toml

POLICY_VERSION = 1
MAX_POLICY_BYTES = 262_144
DEFAULT_COLLATERAL_AGE_DAYS = 7
MAX_CLOCK_TOLERANCE_S = 600
MAX_SVN = 0xFFFF
DEFAULT_POLICY_TOML = b"version = 1\n"

GRACE_ONLY = frozenset({"OutOfDate", "OutOfDateConfigurationNeeded"})
ALLOWABLE = GRACE_ONLY | {
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "TDRelaunchAdvised",
    "TDRelaunchAdvisedConfigurationNeeded",
}
# Field of a trust domain's report, key of the policy, and reason code in one -> the register's name.
DOMAIN_REGISTERS = MappingProxyType(
    {
        "mr_seam": "MRSEAM",
        "mr_config_id": "MRCONFIGID",
        "mr_owner": "MROWNER",
        "mr_owner_config": "MROWNERCONFIG",
    }
)
_ADVISORY = re.compile(r"[A-Za-z0-9-]{1,64}\Z")


@dataclass(frozen=True, slots=True)
class EnclaveReference:
    """An SGX enclave that is wanted: by measurement, or by signer, product and minimum SVN."""

    name: str
    mr_enclave: bytes | None = None
    mr_signer: bytes | None = None
    product: int | None = None
    minimum_svn: int | None = None


@dataclass(frozen=True, slots=True)
class TrustDomainReference:
    """A TDX trust domain that is wanted; a run-time register that is None is not looked at. 48 bytes each."""

    name: str
    mr_td: bytes
    rt_mr: tuple[bytes | None, bytes | None, bytes | None, bytes | None] = (None, None, None, None)


@dataclass(frozen=True, slots=True)
class AllowedStatus:
    """A TCB status besides UpToDate, with the advisories it may carry, and until when (unix seconds, exclusive)."""

    status: str
    advisories: frozenset[str]
    until: int | None = None


_ALL_64 = 2**64 - 1
# XFRM and XFAM: x87 and SSE always; AVX, AVX-512, PKRU, CET and AMX may be on or off.
_FEATURES = Pin(0x3, _ALL_64 & ~0x61AE4)
_PLAIN_ENCLAVE = Pin(0x5, _ALL_64)  # INIT | MODE64BIT: no DEBUG, PROVISION_KEY, EINITTOKEN_KEY, CET, KSS
_NO_EXTRAS = Pin(0, 0xFFFFFFFF)
_PLAIN_TRUST_DOMAIN = Pin(0x10000000, _ALL_64)  # SEPT_VE_DISABLE alone


@dataclass(frozen=True, slots=True)
class AttributePins:
    """What an enclave's attributes must be; the defaults are a plain 64-bit production enclave or trust domain."""

    flags: Pin = _PLAIN_ENCLAVE
    xfrm: Pin = _FEATURES
    misc_select: Pin = _NO_EXTRAS
    td_attributes: Pin = _PLAIN_TRUST_DOMAIN
    xfam: Pin = _FEATURES


@dataclass(frozen=True, slots=True)
class TrustDomainPins:
    """Values that a trust domain's registers may have, 48 bytes each; None: any, an empty set: none.

    ``mr_seam`` measures the TDX module, the others are what the host gave the domain when it was made.
    """

    mr_seam: frozenset[bytes] | None = None
    mr_config_id: frozenset[bytes] | None = None
    mr_owner: frozenset[bytes] | None = None
    mr_owner_config: frozenset[bytes] | None = None


@dataclass(frozen=True, slots=True)
class AppraisalPolicy:
    """A policy as read; ``digest`` is the SHA-256 of the file's bytes, which verdicts cite.

    ``allowed_fmspcs`` None: any platform model, empty: none; ``denied_fmspcs`` are refused whatever else holds (6 bytes
    each). ``minimum_qe_svn`` and ``minimum_pce_svn`` are floors of one's own, whatever the vendor's levels say.
    """

    digest: bytes
    production: bool = False
    maximum_collateral_age_days: int = DEFAULT_COLLATERAL_AGE_DAYS
    minimum_tcb_evaluation_number: int = 0
    platforms: frozenset[bytes] | None = None
    enclaves: tuple[EnclaveReference, ...] = ()
    trust_domains: tuple[TrustDomainReference, ...] = ()
    statuses: tuple[AllowedStatus, ...] = ()
    pins: AttributePins = AttributePins()
    clock_tolerance_s: int = 0
    warn_days: int = DEFAULT_WARN_DAYS
    allowed_fmspcs: frozenset[bytes] | None = None
    denied_fmspcs: frozenset[bytes] = frozenset()
    minimum_qe_svn: int = 0
    minimum_pce_svn: int = 0
    domain_pins: TrustDomainPins = TrustDomainPins()


def default_policy() -> AppraisalPolicy:
    """What holds when no policy is given: it names no reference value, so it accepts nothing and only explains."""
    return parse_policy(DEFAULT_POLICY_TOML)


def parse_policy(data: bytes) -> AppraisalPolicy:
    """Read a policy from TOML.

    Raises:
        PolicyMalformed: over 256 KiB, not TOML, an unknown or missing key, a value of a wrong kind, or a rule that no
            policy may state; the location is a path such as ``enclave[1].mr_enclave``.
    """
    if len(data) > MAX_POLICY_BYTES:
        raise PolicyMalformed("file", f"{len(data)} bytes, at most {MAX_POLICY_BYTES}")
    try:
        document = load_toml(data)
    except ValueError as error:
        raise PolicyMalformed("file", f"not TOML: {error}") from error
    table = POLICY_TABLES.fields(document)
    version = table["version"].integer(1, 2**31)
    if version != POLICY_VERSION:
        raise PolicyMalformed("version", f"{version} is unknown, {POLICY_VERSION} is read here")
    policy = AppraisalPolicy(
        digest=hashlib.sha256(data).digest(),
        production=table.get("production", False).boolean(),
        maximum_collateral_age_days=table.get("maximum_collateral_age_days", DEFAULT_COLLATERAL_AGE_DAYS).integer(
            1, 365
        ),
        minimum_tcb_evaluation_number=table.get("minimum_tcb_evaluation_number", 0).integer(0, 2**32 - 1),
        platforms=read_pins(table, "platforms", 32),
        enclaves=table.get("enclave", []).each(_enclave, MAX_ENTRIES),
        trust_domains=table.get("trust_domain", []).each(_trust_domain, MAX_ENTRIES),
        statuses=table.get("tcb", []).each(_status, MAX_ENTRIES),
        pins=_pins(table.get("attributes", {}).fields()),
        clock_tolerance_s=table.get("clock_tolerance_s", 0).integer(0, MAX_CLOCK_TOLERANCE_S),
        warn_days=table.get("warn_days", DEFAULT_WARN_DAYS).integer(0, 365),
        allowed_fmspcs=read_pins(table, "allowed_fmspcs", FMSPC_BYTES),
        denied_fmspcs=read_pins(table, "denied_fmspcs", FMSPC_BYTES) or frozenset(),
        minimum_qe_svn=table.get("minimum_qe_svn", 0).integer(0, MAX_SVN),
        minimum_pce_svn=table.get("minimum_pce_svn", 0).integer(0, MAX_SVN),
        domain_pins=TrustDomainPins(**{name: read_pins(table, name, TD_REGISTER_BYTES) for name in DOMAIN_REGISTERS}),
    )
    table.close()
    seen = [allowed.status for allowed in policy.statuses]
    if len(set(seen)) != len(seen):
        raise PolicyMalformed("tcb", "a status is listed twice; put all its advisories in one entry")
    if both := sorted((policy.allowed_fmspcs or frozenset()) & policy.denied_fmspcs):
        raise PolicyMalformed("denied_fmspcs", f"{both[0].hex()} is allowed, too: take it out of one of the lists")
    return policy


def _enclave(entry: Field) -> EnclaveReference:
    table = entry.fields()
    name = read_name(table)
    if "mr_enclave" in table:
        if "mr_signer" in table:
            raise table["mr_signer"].faulted("name the measurement or the signer, not both")
        reference = EnclaveReference(name, mr_enclave=table["mr_enclave"].hex(32))
    else:
        if "mr_signer" not in table:
            table.close("product", "minimum_svn")  # a misspelt key says more than a missing one
            raise table["mr_enclave"].faulted("missing: name the measurement, or the signer")
        reference = EnclaveReference(
            name,
            mr_signer=table["mr_signer"].hex(32),
            product=table["product"].integer(0, 0xFFFF),
            minimum_svn=table["minimum_svn"].integer(0, 0xFFFF),
        )
    table.close()
    return reference


def _trust_domain(entry: Field) -> TrustDomainReference:
    table = entry.fields()
    registers = [
        table[f"rt_mr{index}"].hex(TD_REGISTER_BYTES) if f"rt_mr{index}" in table else None for index in range(4)
    ]
    reference = TrustDomainReference(
        read_name(table),
        table["mr_td"].hex(TD_REGISTER_BYTES),
        (registers[0], registers[1], registers[2], registers[3]),
    )
    table.close()
    return reference


def _status(entry: Field) -> AllowedStatus:
    table = entry.fields()
    status = table["status"].one_of(ALLOWABLE)
    advisories = table["advisories"].each(lambda each: each.matching(_ADVISORY, "an advisory's id"), MAX_ENTRIES)
    until = read_day(table, "until")
    if until is None and status in GRACE_ONLY:
        raise table["until"].faulted(f"missing: {status} can only be tolerated until a date")
    table.close()
    return AllowedStatus(status, frozenset(advisories), until)


def _pins(table: Fields) -> AttributePins:
    defaults = AttributePins()
    pins = AttributePins(
        flags=read_pin(table, "flags", defaults.flags, 64),
        xfrm=read_pin(table, "xfrm", defaults.xfrm, 64),
        misc_select=read_pin(table, "misc_select", defaults.misc_select, 32),
        td_attributes=read_pin(table, "td_attributes", defaults.td_attributes, 64),
        xfam=read_pin(table, "xfam", defaults.xfam, 64),
    )
    table.close()
    return pins
