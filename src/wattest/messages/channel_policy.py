"""A channel's policy for enclaves as ``DcapVerifier`` takes it: the same fields in the same order.

Decided here: fields and what they mean in bytes. Not decided here: how a policy file becomes this
(``attestation.policy_for_chain``), and what the contract refuses (``twin.dcap_errors``).
Source: contracts/src/types/ChannelPolicy.sol; docs/spec/dcap-on-chain.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from wattest.messages.fields import WORD, require_bytes, require_uint

NO_END = 2**64 - 1


class TcbStatus(IntEnum):
    """Intel's words for a level, in the contract's order."""

    UpToDate = 0
    SWHardeningNeeded = 1
    ConfigurationNeeded = 2
    ConfigurationAndSWHardeningNeeded = 3
    OutOfDate = 4
    OutOfDateConfigurationNeeded = 5
    Revoked = 6


class CollateralKind(IntEnum):
    """What an error of the collateral registry is about, in the contract's order."""

    Root = 0
    Authority = 1
    RootRevocationList = 2
    RevocationList = 3
    TcbSigner = 4
    TcbInfo = 5
    QeIdentity = 6
    Platform = 7


@dataclass(frozen=True, slots=True)
class EnclaveReference:
    """An enclave that a channel wants, in one trust domain for one workload; 32 bytes each, zero where the other
    decides.

    ``root`` is SHA-256 of the root key's SubjectPublicKeyInfo; ``until`` unix seconds, exclusive, NO_END without one.
    """

    root: bytes
    measurement: bytes
    signer: bytes
    product: int
    minimum_svn: int
    workload: bytes
    until: int = NO_END

    def __post_init__(self) -> None:
        for name in ("root", "measurement", "signer", "workload"):
            require_bytes(name, getattr(self, name), WORD)
        require_uint("product", self.product, 16)
        require_uint("minimum_svn", self.minimum_svn, 16)
        require_uint("until", self.until, 64)


@dataclass(frozen=True, slots=True)
class AllowedStatus:
    """A status with exactly the advisories that come with it: keccak256 of their JSON list as signed, zero without
    one."""

    status: TcbStatus
    advisories: bytes
    until: int = NO_END

    def __post_init__(self) -> None:
        require_bytes("advisories", self.advisories, WORD)
        require_uint("until", self.until, 64)


@dataclass(frozen=True, slots=True)
class ChannelPolicy:
    """What a channel's manager demands; ``digest`` is SHA-256 of the policy file, which verdicts cite.

    ``flags`` 8 and ``misc_select`` 4 bytes as in a report, every bit pinned; ``xfrm`` 8 where ``xfrm_mask`` looks.
    """

    digest: bytes
    production: bool
    max_collateral_age_s: int
    min_evaluation_number: int
    max_registration_s: int
    flags: bytes
    xfrm: bytes
    xfrm_mask: bytes
    misc_select: bytes
    is_platform_listed: bool
    references: tuple[EnclaveReference, ...]
    statuses: tuple[AllowedStatus, ...] = ()
    platforms: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        require_bytes("digest", self.digest, WORD)
        for name in ("max_collateral_age_s", "min_evaluation_number", "max_registration_s"):
            require_uint(name, getattr(self, name), 32)
        for name in ("flags", "xfrm", "xfrm_mask"):
            require_bytes(name, getattr(self, name), 8)
        require_bytes("misc_select", self.misc_select, 4)
        for platform in self.platforms:
            require_bytes("platform", platform, WORD)


@dataclass(frozen=True, slots=True)
class PolicyHead:
    """The part of a policy in force that is no list; version 0 when there is none."""

    version: int
    max_collateral_age_s: int
    min_evaluation_number: int
    max_registration_s: int
    flags: bytes
    misc_select: bytes
    production: bool
    is_platform_listed: bool
