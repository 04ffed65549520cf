"""How long the collateral that a contract holds for one platform can still be used, and whether it can be used now.

Decided here: which of the stored dates count, and what is said when something is missing. Not decided here: what the
contract takes (it has the word: a registration is tried before it is sent), who brings collateral. Invariant: what is
called usable here is refused by the contract for no date, as long as what it holds was signed by the signers that the
given collateral names: the contract does not say which one signed. A signer that it does not know signed nothing there
and is passed over. docs/spec/dcap-on-chain.md, section "Time".
"""

from __future__ import annotations

from dataclasses import dataclass

from wattest.attestation.chain_evidence import chain_evidence
from wattest.attestation.endorsements import parse_endorsements
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.formats.collateral import Collateral
from wattest.attestation.roots import TrustRoot, parse_root
from wattest.chain.collateral_registry import CollateralRegistry, StoredAuthority, StoredSigner, StoredStatement
from wattest.chain.dcap_verifier import DcapVerifier
from wattest.errors import ProtocolError
from wattest.messages.channel_policy import CollateralKind

HINT = "anyone may bring it: wattest chain collateral publish"


class ChainCollateralUnusable(ProtocolError):
    """The contract holds no collateral that it would take a registration by, and this operator brought none."""


@dataclass(frozen=True, slots=True)
class StoredLife:
    """What is not there, and the last second (unix) at which what is there can be used, with the part that ends then.

    ``revoked`` are authorities that a list has named: no newer collateral mends that.
    """

    missing: tuple[str, ...]
    revoked: tuple[str, ...]
    usable_until: int
    ends_first: str

    def is_usable(self, now: int) -> bool:
        """Whether the contract would take it at ``now``, as far as dates go."""
        return not self.missing and not self.revoked and now <= self.usable_until

    def require(self, now: int) -> None:
        """Raises: ChainCollateralUnusable."""
        if self.is_usable(now):
            return
        if self.revoked:
            raise ChainCollateralUnusable(
                "an authority behind the platform's certificate is revoked",
                revoked=self.revoked,
                hint="another platform is needed, or its new certificate",
            )
        raise ChainCollateralUnusable(
            "the contract has no collateral that can be used for this platform",
            missing=self.missing,
            ends_first=self.ends_first,
            usable_until=self.usable_until,
            now_s=now,
            hint=HINT,
        )


def stored_life(registry: CollateralRegistry, root: TrustRoot, collateral: Collateral, max_age_s: int) -> StoredLife:
    """What the registry holds of the root, CA, platform model and quoting enclave that ``collateral`` is about.

    ``max_age_s`` is the policy's, 0 for any age. Raises: CollateralMalformed; ``TransportError`` when the chain does
    not answer.
    """
    missing: list[str] = []
    revoked: list[str] = []
    ends: list[tuple[int, str]] = []
    for kind, stored in registry.stored_for(root, collateral).items():
        if isinstance(stored, StoredAuthority):
            _note_authority(kind, stored, max_age_s, missing, revoked, ends)
        elif isinstance(stored, StoredSigner):
            if stored.is_revoked:  # what it said binds nobody: newer collateral, by another signer, is what lacks
                missing.append(kind.name)
            elif stored.not_after:
                ends.append((stored.not_after - 1, kind.name))
        elif isinstance(stored, StoredStatement):
            if stored.next_update:
                ends.append((_last_second(stored.next_update, stored.issued_at, max_age_s), kind.name))
            else:
                missing.append(kind.name)
    until, first = min(ends, default=(0, missing[0] if missing else ""))
    return StoredLife(tuple(missing), tuple(revoked), until, first)


def registered_life(
    verifier: DcapVerifier, referee: bytes, channel: bytes, evidence: bytes, endorsements: bytes
) -> StoredLife:
    """The same for the platform that made ``evidence``, under the channel's policy in force."""
    collateral = parse_endorsements(endorsements).collateral
    root = parse_root(chain_evidence(parse_evidence(evidence), collateral).root_certificate)
    policy = verifier.policy_of(referee, channel)
    return stored_life(verifier.collateral, root, collateral, policy.head.max_collateral_age_s)


def _note_authority(
    kind: CollateralKind,
    stored: StoredAuthority,
    max_age_s: int,
    missing: list[str],
    revoked: list[str],
    ends: list[tuple[int, str]],
) -> None:
    if not stored.not_after:
        missing.append(kind.name)
        return
    if stored.is_revoked:
        revoked.append(kind.name)
    ends.append((stored.not_after - 1, kind.name))
    is_root = kind is CollateralKind.Root
    listing = (CollateralKind.RootRevocationList if is_root else CollateralKind.RevocationList).name
    if not stored.next_update:
        missing.append(listing)
        return
    # A root's list is reissued about once a year: the contract asks its expiry, not its age.
    ends.append((_last_second(stored.next_update, stored.this_update, 0 if is_root else max_age_s), listing))


def _last_second(expires_at: int, issued_at: int, max_age_s: int) -> int:
    return min(expires_at - 1, issued_at + max_age_s) if max_age_s else expires_at - 1
