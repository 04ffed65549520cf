"""A policy file as ``DcapVerifier`` takes it: the same rules, where the contract can keep them.

Decided here: which policies can go on chain and what becomes of each rule. Not decided here: what the file says
(``policy``). Where the contract is stricter, the file is refused rather than loosened: every attribute flag and all of
MISCSELECT are pinned, a status comes with exactly one list of advisories, so the lists are taken from the collateral
that is in force when the policy is set.
Invariant: no demand of a file is dropped. A setting that is neither kept on chain nor without effect there refuses the
file, one that a later version of the format adds included. Specification: docs/spec/dcap-on-chain.md, section "Policy".
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import fields

from cryptography import x509

from wattest.attestation.appraisal_policy import DOMAIN_REGISTERS, AppraisalPolicy, TrustDomainPins
from wattest.attestation.appraisal_policy import AllowedStatus as NamedStatus
from wattest.attestation.chain_evidence import root_id_of
from wattest.attestation.formats.collateral import Collateral
from wattest.attestation.formats.qe_identity import parse_qe_identity
from wattest.attestation.formats.tcb_info import parse_tcb_info
from wattest.attestation.roots import TrustRoot
from wattest.crypto.hashing import keccak256
from wattest.errors import InputError
from wattest.messages.channel_policy import NO_END, AllowedStatus, ChannelPolicy, EnclaveReference, TcbStatus
from wattest.units import SECONDS_PER_DAY

DEFAULT_REGISTRATION_S = 30 * SECONDS_PER_DAY
# What the contract keeps, each in ``channel_policy``; ``pins`` and ``statuses`` with checks of their own there.
_KEPT = frozenset(
    {
        *("digest", "production", "maximum_collateral_age_days", "minimum_tcb_evaluation_number", "platforms"),
        *("enclaves", "statuses", "pins"),
    }
)
# What demands nothing of a quote: a contract warns nobody, and asks the block's time without any tolerance.
_WITHOUT_EFFECT = frozenset({"warn_days", "clock_tolerance_s"})
_ALL_64, _ALL_32, _X87_AND_SSE = 2**64 - 1, 2**32 - 1, 0x3


class PolicyNotForChain(InputError):
    """The policy says something that the contract cannot keep, or would not be kept as it is meant."""


def channel_policy(
    policy: AppraisalPolicy,
    *,
    roots: Collection[TrustRoot],
    workloads: Collection[bytes],
    collateral: Collection[Collateral] = (),
    until: Mapping[str, int] | None = None,
    max_registration_s: int = DEFAULT_REGISTRATION_S,
) -> ChannelPolicy:
    """The policy for a channel: each enclave it names, in each trust domain, with each workload (32-byte digests).

    ``until`` ends a reference by its name (unix seconds, exclusive). ``collateral`` is where the lists of advisories of
    the allowed statuses are found. Raises: PolicyNotForChain, CollateralMalformed.
    """
    ends = dict(until or {})
    if unknown := sorted(set(ends) - {one.name for one in policy.enclaves}):
        raise PolicyNotForChain("an end is given for an enclave that the policy does not name", names=unknown)
    for what, fits in (
        ("a trust domain (TDX)", not policy.trust_domains),
        ("no enclave", bool(policy.enclaves)),
        ("attribute flags that are not all pinned", policy.pins.flags.mask == _ALL_64),
        ("a MISCSELECT that is not all pinned", policy.pins.misc_select.mask == _ALL_32),
        ("an XFRM without x87 and SSE pinned", policy.pins.xfrm.mask & _X87_AND_SSE == _X87_AND_SSE),
    ):
        if not fits:
            raise PolicyNotForChain(f"the policy names {what}", hint="docs/spec/dcap-on-chain.md says what can be set")
    if unkept := _unkept(policy):
        raise PolicyNotForChain(
            f"the contract cannot keep what the policy demands by {', '.join(unkept)}",
            hint="take it out of the file for the chain, or let appraisers register enclaves by it",
            settings=unkept,
        )
    xfrm = policy.pins.xfrm
    references = tuple(
        EnclaveReference(
            root=root_id_of(x509.load_der_x509_certificate(root.certificate)),
            measurement=one.mr_enclave or bytes(32),
            signer=one.mr_signer or bytes(32),
            product=one.product or 0,
            minimum_svn=one.minimum_svn or 0,
            workload=workload,
            until=ends.get(one.name, NO_END),
        )
        for root in roots
        for one in policy.enclaves
        for workload in sorted(set(workloads))
    )
    return ChannelPolicy(
        digest=policy.digest,
        production=policy.production,
        max_collateral_age_s=policy.maximum_collateral_age_days * SECONDS_PER_DAY,
        min_evaluation_number=policy.minimum_tcb_evaluation_number,
        max_registration_s=max_registration_s,
        flags=policy.pins.flags.value.to_bytes(8, "little"),
        xfrm=(xfrm.value & xfrm.mask).to_bytes(8, "little"),
        xfrm_mask=xfrm.mask.to_bytes(8, "little"),
        misc_select=policy.pins.misc_select.value.to_bytes(4, "little"),
        is_platform_listed=policy.platforms is not None,
        references=references,
        statuses=_statuses(policy, collateral),
        platforms=tuple(sorted(policy.platforms or ())),
    )


def _unkept(policy: AppraisalPolicy) -> list[str]:
    """The keys of the file that are set and would be dropped."""
    found = []
    for field in fields(AppraisalPolicy):
        value = getattr(policy, field.name)
        if field.name in _KEPT | _WITHOUT_EFFECT or value == field.default:
            continue
        if isinstance(value, TrustDomainPins):
            found += [name for name in DOMAIN_REGISTERS if getattr(value, name) is not None]
        else:
            found.append(field.name)
    return found


def advisories_digest(advisories: Collection[str] | None) -> bytes:
    """keccak256 of a list of advisories as the vendor signs it (JSON without blanks); zero where there is no list."""
    if advisories is None:
        return bytes(32)
    return keccak256(json.dumps(list(advisories), separators=(",", ":")).encode())


def _statuses(policy: AppraisalPolicy, collateral: Collection[Collateral]) -> tuple[AllowedStatus, ...]:
    allowed = {one.status: one for one in policy.statuses}
    found: dict[tuple[TcbStatus, bytes], int] = {}
    for name, one in allowed.items():
        if name not in TcbStatus.__members__:
            raise PolicyNotForChain("the policy allows a status of TDX's", status=name)
        if not one.advisories:
            _allow(found, one, None)
    statements = [parse_tcb_info(each.tcb_info) for each in collateral]
    statements += [parse_qe_identity(each.qe_identity) for each in collateral]
    for level in (level for each in statements for level in each.levels):
        named = allowed.get(level.status)
        if named is not None and set(level.advisories or ()) <= named.advisories:
            _allow(found, named, level.advisories)
    if missing := sorted(set(allowed) - {status.name for status, _ in found}):
        raise PolicyNotForChain(
            "no level of the collateral has these statuses with the advisories that the policy allows",
            statuses=missing,
            hint="give the collateral of the platforms that are meant",
        )
    return tuple(AllowedStatus(status, digest, until) for (status, digest), until in sorted(found.items()))


def _allow(found: dict[tuple[TcbStatus, bytes], int], named: NamedStatus, advisories: Collection[str] | None) -> None:
    until = NO_END if named.until is None else named.until
    found[TcbStatus[named.status], advisories_digest(advisories)] = until
