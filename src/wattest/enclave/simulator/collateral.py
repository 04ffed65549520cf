"""Collateral of a simulated platform: TCB info, QE identity and revocation lists, signed anew for any time.

Decided here: what the simulator says of its own platform, and which faults a test may ask for. Not decided here:
whether that is accepted (``attestation.appraisal``, the same code as for hardware).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from wattest.attestation.formats.collateral import Collateral
from wattest.attestation.formats.quote import TeeType
from wattest.enclave.simulator.pki import CPU_SVN, FMSPC, PCE_ID, PCE_SVN, SimulatedPki, pem_chain, sign_raw

QE_MR_SIGNER = hashlib.sha256(b"wattest simulator quoting enclave signer").digest()
QE_PRODUCT, TD_QE_PRODUCT = 1, 2
QE_SVN = 8
# The TDX module's SVN 5 and major version 1, then the SEAM loader's and what else TDX counts.
TEE_TCB_SVN = bytes([5, 1, 2, *[0] * 13])
TDX_MODULE_SVN = TEE_TCB_SVN[0]


@dataclass(frozen=True, slots=True)
class CollateralOptions:
    """What the simulator's vendor says; the defaults are a healthy platform, everything else is for tests.

    ``tee`` says for which kind of evidence. ``advisories`` are named at the platform's TCB level,
    ``minimum_component_svn`` above 5 leaves the platform below that level, which is below every level unless
    ``lower_status`` gives those that miss it one of their own; for TDX ``minimum_tdx_svn`` above 2 does so, too.
    ``module_status`` is the TDX module's. ``valid_days`` is the span from issue to next update. The root's revocation
    list lives a year, as Intel's does.
    """

    tee: TeeType = TeeType.SGX

    tcb_status: str = "UpToDate"
    advisories: tuple[str, ...] = ()
    qe_status: str = "UpToDate"
    qe_mr_signer: bytes = QE_MR_SIGNER
    qe_minimum_svn: int = QE_SVN
    qe_advisories: tuple[str, ...] = ()
    module_status: str = "UpToDate"
    module_minimum_svn: int = TDX_MODULE_SVN
    minimum_tdx_svn: int = TEE_TCB_SVN[2]
    lower_status: str | None = None
    tcb_date: str = "2026-01-01T00:00:00Z"
    evaluation_number: int = 20
    fmspc: bytes = FMSPC
    pce_id: bytes = PCE_ID
    minimum_component_svn: int = CPU_SVN[0]
    revoke_pck: bool = False
    revoke_platform_ca: bool = False
    revoke_tcb_signing: bool = False
    valid_days: int = 30


def issue_collateral(pki: SimulatedPki, now: int, options: CollateralOptions | None = None) -> Collateral:
    """Everything a verifier needs for this platform's quotes, issued at ``now`` (unix seconds), valid 30 days."""
    options = options or CollateralOptions()
    issued = datetime.fromtimestamp(now, UTC)
    expires = issued + timedelta(days=options.valid_days)
    tcb_info = _text(_tcb_info(options, issued, expires))
    qe_identity = _text(_qe_identity(options, issued, expires))
    signing_chain = pem_chain(pki.tcb_signing, pki.root)
    revoked_by_root = [pki.platform_ca.serial_number] if options.revoke_platform_ca else []
    if options.revoke_tcb_signing:
        revoked_by_root.append(pki.tcb_signing.serial_number)
    revoked_by_ca = [pki.pck.serial_number] if options.revoke_pck else []
    return Collateral(
        pck_crl_issuer_chain=pem_chain(pki.platform_ca, pki.root),
        root_ca_crl=revocation_list(pki.root, pki.root_key, issued, issued + timedelta(days=365), revoked_by_root),
        pck_crl=revocation_list(pki.platform_ca, pki.platform_ca_key, issued, expires, revoked_by_ca),
        tcb_info_issuer_chain=signing_chain,
        tcb_info=tcb_info,
        tcb_info_signature=sign_raw(pki.tcb_signing_key, tcb_info.encode()),
        qe_identity_issuer_chain=signing_chain,
        qe_identity=qe_identity,
        qe_identity_signature=sign_raw(pki.tcb_signing_key, qe_identity.encode()),
    )


def revocation_list(
    issuer: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    issued: datetime,
    expires: datetime,
    revoked: list[int],
) -> bytes:
    """A revocation list (DER) in the issuer's name over certificates' serial numbers, signed by ``key``."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(issued)
        .next_update(expires)
        .add_extension(x509.CRLNumber(1), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    for serial in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(issued).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


def _tcb_info(options: CollateralOptions, issued: datetime, expires: datetime) -> dict[str, object]:
    trust_domain = options.tee is TeeType.TDX
    levels = [_level(options, options.minimum_component_svn, options.minimum_tdx_svn, options.tcb_status)]
    if options.advisories:
        levels[0]["advisoryIDs"] = list(options.advisories)
    if options.lower_status is not None:
        levels.append(_level(options, 0, 0, options.lower_status))
    info: dict[str, object] = {
        "id": "TDX" if trust_domain else "SGX",
        "version": 3,
        "issueDate": _iso(issued),
        "nextUpdate": _iso(expires),
        "fmspc": options.fmspc.hex().upper(),
        "pceId": options.pce_id.hex().upper(),
        "tcbType": 0,
        "tcbEvaluationDataNumber": options.evaluation_number,
    }
    if trust_domain:
        info |= _tdx_modules(options)
    return info | {"tcbLevels": levels}


def _level(options: CollateralOptions, component: int, tdx_component: int, status: str) -> dict[str, object]:
    tcb: dict[str, object] = {"sgxtcbcomponents": [{"svn": component}] * 16, "pcesvn": PCE_SVN}
    if options.tee is TeeType.TDX:
        # The first two count the module, which has levels of its own.
        tcb["tdxtcbcomponents"] = [{"svn": svn} for svn in (TDX_MODULE_SVN, 0, tdx_component, *[0] * 13)]
    return {"tcb": tcb, "tcbDate": options.tcb_date, "tcbStatus": status}


def _tdx_modules(options: CollateralOptions) -> dict[str, object]:
    signer = {"mrsigner": "00" * 48, "attributes": "00" * 8, "attributesMask": "FF" * 8}
    level = {
        "tcb": {"isvsvn": options.module_minimum_svn},
        "tcbDate": options.tcb_date,
        "tcbStatus": options.module_status,
    }
    return {
        "tdxModule": signer,
        "tdxModuleIdentities": [{"id": f"TDX_{TEE_TCB_SVN[1]:02X}", **signer, "tcbLevels": [level]}],
    }


def _qe_identity(options: CollateralOptions, issued: datetime, expires: datetime) -> dict[str, object]:
    level: dict[str, object] = {
        "tcb": {"isvsvn": options.qe_minimum_svn},
        "tcbDate": options.tcb_date,
        "tcbStatus": options.qe_status,
    }
    if options.qe_advisories:
        level["advisoryIDs"] = list(options.qe_advisories)
    return {
        "id": "QE" if options.tee is TeeType.SGX else "TD_QE",
        "version": 2,
        "issueDate": _iso(issued),
        "nextUpdate": _iso(expires),
        "tcbEvaluationDataNumber": options.evaluation_number,
        "miscselect": "00000000",
        "miscselectMask": "FFFFFFFF",
        "attributes": "11000000000000000000000000000000",
        "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
        "mrsigner": options.qe_mr_signer.hex().upper(),
        "isvprodid": QE_PRODUCT if options.tee is TeeType.SGX else TD_QE_PRODUCT,
        "tcbLevels": [level],
    }


def _text(value: Mapping[str, object]) -> str:
    return json.dumps(value, separators=(",", ":"))


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
