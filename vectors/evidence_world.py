"""What an evidence case is made of: one accepted set for each kind of evidence, and one field of it replaced.

Everything follows from one simulator seed and one time; signatures are deterministic, so the bytes are the same each
time. The faults themselves stand in ``evidence_statuses``, ``evidence_quotes``, ``evidence_structure``,
``evidence_certificates`` and ``evidence_collateral``; what each must lead to is written there by hand, not computed.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec

from wattest.attestation.formats.collateral import Collateral
from wattest.attestation.formats.quote import EnclaveReport, TdReport, TeeType
from wattest.enclave.simulator.collateral import CollateralOptions
from wattest.enclave.simulator.pki import SimulatedPki, sign_raw
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.enclave.simulator.quoting import DEFAULT_ATTRIBUTES, QuoteOptions, trust_domain_report

NOW = 1_790_000_000  # 2026-09-21; collateral is issued then, certificates are valid from a day before
DAY = 86_400
AT = NOW + DAY
SEED = bytes(range(32))
MR_ENCLAVE, MR_SIGNER, MR_TD, REPORT_DATA = bytes([0x11] * 32), bytes([0x22] * 32), bytes([0x33] * 48), bytes(range(64))
POLICY = f"""version = 1
[[enclave]]
name = "case"
mr_enclave = "{MR_ENCLAVE.hex()}"
[[trust_domain]]
name = "case"
mr_td = "{MR_TD.hex()}"
"""
STRANGE_KEY = ec.derive_private_key(7, ec.SECP256R1())


@cache
def own() -> SimulatedPlatform:
    """The platform whose root is trusted."""
    return SimulatedPlatform(SimulatedPki.create(SEED, NOW))


@cache
def stranger() -> SimulatedPlatform:
    """Another simulated platform: the same names, other keys."""
    return SimulatedPlatform(SimulatedPki.create(SEED[::-1], NOW))


def _as_is(value: bytes) -> bytes:
    return value


def _unchanged(value: Collateral) -> Collateral:
    return value


@dataclass(frozen=True)
class Parts:
    """One case's making; a fault replaces exactly one field of what is accepted."""

    version: int
    report: EnclaveReport | TdReport
    platform: SimulatedPlatform = field(default_factory=own)
    quoting: QuoteOptions = field(default_factory=QuoteOptions)
    endorsing: CollateralOptions = field(default_factory=CollateralOptions)
    edit_quote: Callable[[bytes], bytes] = _as_is
    edit_collateral: Callable[[Collateral], Collateral] = _unchanged
    policy: str = POLICY
    root: bytes = field(default_factory=lambda: own().root_certificate)
    at: int = AT

    def quote(self) -> bytes:
        """The quote's bytes."""
        return self.edit_quote(
            self.platform.quoting_enclave.unsafe_quote(self.report, self.quoting, version=self.version)
        )

    def collateral(self) -> Collateral:
        """The collateral, issued at NOW."""
        return self.edit_collateral(self.platform.collateral(NOW, self.endorsing))

    @property
    def is_trust_domain(self) -> bool:
        """Whether the evidence is TDX's."""
        return isinstance(self.report, TdReport)


SGX_REPORT = EnclaveReport(MR_ENCLAVE, MR_SIGNER, 7, 3, REPORT_DATA, DEFAULT_ATTRIBUTES)
KINDS: dict[str, Parts] = {
    "sgx-3": Parts(3, SGX_REPORT),
    "tdx-4": Parts(4, trust_domain_report(MR_TD, REPORT_DATA), endorsing=CollateralOptions(tee=TeeType.TDX)),
    "tdx-5": Parts(
        5, trust_domain_report(MR_TD, REPORT_DATA, body="1.5"), endorsing=CollateralOptions(tee=TeeType.TDX)
    ),
}
SGX, TDX, ALL = ("sgx-3",), ("tdx-4", "tdx-5"), tuple(KINDS)


@dataclass(frozen=True)
class Expected:
    """What must come of a case.

    ``malformed`` names the error of a quote or collateral that cannot be read, ``field`` what a reason must name.
    """

    genuine: bool
    accepted: bool
    tcb_status: str | None
    codes: tuple[str, ...]
    malformed: str | None = None
    field: str | None = None


@dataclass(frozen=True)
class Fault:
    """A fault by name: what is different in one sentence, for which kinds of evidence, and what it must lead to."""

    name: str
    differs: str
    change: Callable[[Parts], Parts]
    expected: Expected
    kinds: tuple[str, ...] = ALL


ACCEPTED = Expected(True, True, "UpToDate", ("accepted",))


def refused(*codes: str, status: str = "UpToDate") -> Expected:
    """Genuine, and yet not accepted."""
    return Expected(True, False, status, codes)


def forged(*codes: str) -> Expected:
    """Not genuine."""
    return Expected(False, False, None, codes)


def unreadable(error: str) -> Expected:
    """Not even read."""
    return Expected(False, False, None, (), error)


def with_report(**fields: object) -> Callable[[Parts], Parts]:
    """Another report, signed as it should be."""
    return lambda parts: dataclasses.replace(parts, report=dataclasses.replace(parts.report, **fields))  # type: ignore[arg-type]


def with_quoting(**fields: object) -> Callable[[Parts], Parts]:
    """Another quoting enclave's doing."""
    return lambda parts: dataclasses.replace(parts, quoting=dataclasses.replace(parts.quoting, **fields))  # type: ignore[arg-type]


def with_endorsing(**fields: object) -> Callable[[Parts], Parts]:
    """Another word of the vendor, signed as it should be."""
    return lambda parts: dataclasses.replace(parts, endorsing=dataclasses.replace(parts.endorsing, **fields))  # type: ignore[arg-type]


def with_quote(edit: Callable[[bytes], bytes]) -> Callable[[Parts], Parts]:
    """The finished quote, edited."""
    return lambda parts: dataclasses.replace(parts, edit_quote=edit)


def with_collateral(edit: Callable[[Collateral], Collateral]) -> Callable[[Parts], Parts]:
    """The finished collateral, edited."""
    return lambda parts: dataclasses.replace(parts, edit_collateral=edit)


def signed_again(name: str, edit: Callable[[dict[str, object]], object]) -> Callable[[Parts], Parts]:
    """TCB info or QE identity with an edit that the vendor's key signed."""

    def change(collateral: Collateral) -> Collateral:
        value = json.loads(getattr(collateral, name))
        edit(value)
        text = json.dumps(value, separators=(",", ":"))
        signature = sign_raw(own().pki.tcb_signing_key, text.encode())
        return dataclasses.replace(collateral, **{name: text, f"{name}_signature": signature})

    return with_collateral(change)


def replaced(**fields: object) -> Callable[[Parts], Parts]:
    """Fields of the collateral put in the place of others."""
    return with_collateral(lambda collateral: dataclasses.replace(collateral, **fields))  # type: ignore[arg-type]


def flip(at: int, bit: int = 0) -> Callable[[bytes], bytes]:
    """One bit of the finished quote turned over."""
    return lambda data: data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def iso(moment: int) -> str:
    """Unix seconds as the vendor writes a date."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def integer(at: int, form: str, value: int) -> Callable[[bytes], bytes]:
    """A little-endian integer of the finished quote overwritten."""
    return lambda data: data[:at] + struct.pack("<" + form, value) + data[at + struct.calcsize("<" + form) :]
