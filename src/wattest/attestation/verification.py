"""The cryptographic half of appraisal: dcap-qvl's judgement of a quote, with the fault located.

Decided here: how dcap-qvl is called and what its complaints are called here. Not decided here: which true facts are
good enough (``appraisal``). dcap-qvl checks every signature and chain, revocation, expiry, the quoting enclave's
identity and the TCB level, refuses debug enclaves and revoked platforms, and otherwise reports what it found.

Invariants: nothing that dcap-qvl refuses is called genuine, and nothing it takes is called forged. Fault codes are
stable; the words around them are not. Its panics become a fault, never a crash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

import dcap_qvl
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from wattest.attestation.dcap_faults import name_fault
from wattest.attestation.evidence import Evidence
from wattest.attestation.formats.collateral import Collateral
from wattest.attestation.formats.der import X509_FAULTS
from wattest.attestation.formats.quote import CERTIFICATION_PCK_CHAIN
from wattest.attestation.result import Finding
from wattest.attestation.roots import TrustRoot, show_name, show_root
from wattest.errors import VerificationError

_STRAY = "UnknownIssuer"  # how dcap-qvl says that no issuer in a chain fits a certificate
_BROKEN = "a certificate does not lead to the trusted root {}"
MAX_TIME = 253_402_300_799  # 9999-12-31T23:59:59Z


class EvidenceForged(VerificationError):
    """A signature, chain, revocation list, date or identity does not hold; ``fault`` has the stable code and why."""

    def __init__(self, fault: Finding, *, verifier: str | None = None) -> None:
        super().__init__(fault.text, reason=fault.code, verifier=verifier, expected=fault.expected, actual=fault.actual)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class VerifiedEvidence:
    """What holds once dcap-qvl agreed; None where it agreed but could not give the details."""

    root: TrustRoot
    tcb_status: str
    advisories: tuple[str, ...]
    qe_status: str
    qe_advisories: tuple[str, ...]
    ppid: bytes
    fmspc: bytes | None
    pce_id: bytes | None
    pce_svn: int | None


def authenticate(evidence: Evidence, collateral: Collateral, root: TrustRoot, now: int) -> VerifiedEvidence:
    """Check everything that signatures can show, at ``now`` (unix seconds), under one root.

    Raises:
        EvidenceForged: when anything does not hold, with a fault code.
    """
    if not 0 <= now <= MAX_TIME:
        raise EvidenceForged(
            Finding("time", f"the time of appraisal, {now}, lies outside the calendar", f"0 to {MAX_TIME}", now)
        )
    raw, text = evidence.quote.raw, collateral.to_json().decode()

    def judge() -> str:
        theirs = dcap_qvl.QuoteCollateralV3.from_json(text)
        return str(dcap_qvl.verify_with_root_ca(raw, theirs, root.certificate, now).to_json())

    report = json.loads(_call(judge, evidence, root))
    pck = _pck_extension(evidence, collateral)
    return VerifiedEvidence(
        root=root,
        tcb_status=report["status"],
        advisories=tuple(report["advisory_ids"]),
        qe_status=report["qe_status"]["status"],
        qe_advisories=tuple(report["qe_status"]["advisory_ids"]),
        ppid=bytes.fromhex(report["ppid"]),
        fmspc=bytes(pck.fmspc) if pck else None,
        pce_id=bytes(pck.pce_id) if pck else None,
        pce_svn=pck.pce_svn if pck else None,
    )


def _call(judge: Callable[[], str], evidence: Evidence, root: TrustRoot) -> str:
    try:
        return judge()
    except ValueError as error:
        said = str(error)
    except BaseException as error:
        # A Rust panic arrives as pyo3's PanicException, which is no Exception and cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        raise EvidenceForged(Finding("verifier_panicked", "the verification library gave up on this input")) from None
    fault = Finding(*name_fault(said))
    if fault.code in ("other_root", "certificate_chain", "wrong_revocation_list"):
        broken = Finding("certificate_chain", _BROKEN.format(root.shown)) if _STRAY in said else None
        fault = _locate_root(evidence, root) or broken or fault
        if fault.code == "other_root" and fault.expected is None:  # the words of a fault end in "the trusted root"
            fault = Finding(fault.code, f"{fault.text} {root.shown}", root.fingerprint.hex())
    raise EvidenceForged(fault, verifier=" / ".join(line.strip() for line in said.splitlines() if line.strip()))


def _locate_root(evidence: Evidence, root: TrustRoot) -> Finding | None:
    """When the quote's own chain ends elsewhere than in the trusted root, say where it ends."""
    if evidence.quote.certification_type != CERTIFICATION_PCK_CHAIN:
        return None
    try:
        top = x509.load_pem_x509_certificates(evidence.quote.certification_data.rstrip(b"\x00"))[-1]
        subject, der = show_name(top.subject), top.public_bytes(Encoding.DER)
        is_root = top.subject == top.issuer
    except X509_FAULTS:
        return None
    if der == root.certificate or not is_root:
        return None
    return Finding(
        "other_root",
        f"the quote's chain ends in {show_root(subject, der)}, not in the trusted root {root.shown}",
        root.fingerprint.hex(),
        hashlib.sha256(der).hexdigest(),
    )


def _pck_extension(evidence: Evidence, collateral: Collateral) -> dcap_qvl.PckExtension | None:
    """The facts in the certificate that dcap-qvl used; the collateral's chain comes first, as it does there."""
    chain = collateral.pck_certificate_chain
    pem = chain.encode() if chain is not None else evidence.quote.certification_data
    try:
        return dcap_qvl.parse_pck_extension_from_pem(pem)
    except ValueError:
        return None
