"""The simulated quoting enclaves: turn an enclave's or a trust domain's report into a DCAP ECDSA quote.

Decided here: what a simulated quote contains, byte for byte as the hardware path lays it out: version 3 for SGX,
versions 4 and 5 for TDX; and which faults a test may ask for. Not decided here: what is measured, and what the report
data means. Source: Intel SGX ECDSA QuoteLibReference, Intel TDX DCAP Quoting Library API.
"""

from __future__ import annotations

import dataclasses
import hashlib
import struct
from dataclasses import dataclass
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from wattest.attestation.formats.quote import (
    CERTIFICATION_PCK_CHAIN,
    CERTIFICATION_QE_REPORT,
    EnclaveReport,
    QuoteHeader,
    TdReport,
    TeeType,
)
from wattest.enclave.simulator.collateral import QE_MR_SIGNER, QE_PRODUCT, QE_SVN, TD_QE_PRODUCT, TEE_TCB_SVN
from wattest.enclave.simulator.pki import CPU_SVN, PCE_SVN, SimulatedPki, pem_chain, public_key_bytes, sign_raw

QE_MR_ENCLAVE = hashlib.sha256(b"wattest simulator quoting enclave").digest()
TD_QE_MR_ENCLAVE = hashlib.sha256(b"wattest simulator TD quoting enclave").digest()
# INIT | MODE64BIT, XFRM x87 | SSE | AVX | AVX-512: what a production enclave on a server carries.
DEFAULT_ATTRIBUTES = struct.pack("<QQ", 0x05, 0xE7)
# The quoting enclave also holds PROVISION_KEY.
QE_ATTRIBUTES = struct.pack("<QQ", 0x15, 0xE7)
# SEPT_VE_DISABLE alone; x87, SSE, AVX, AVX-512, PKRU, CET, AMX: a production trust domain.
DEFAULT_TD_ATTRIBUTES, DEFAULT_XFAM = struct.pack("<Q", 0x10000000), struct.pack("<Q", 0x61AE7)
# The second TEE TCB SVN and MRSERVICETD; body 1.5ex adds more.
_EXTENSIONS = {"1.0": b"", "1.5": TEE_TCB_SVN + bytes(48), "1.5ex": TEE_TCB_SVN + bytes(48 + 237)}
_AUTHENTICATION_DATA = bytes(range(32))


@dataclass(frozen=True, slots=True)
class QuoteOptions:
    """What surrounds a report; the defaults are a healthy platform's, everything else is for negative tests.

    ``product`` of the quoting enclave is 1 for SGX and 2 for TDX when None. ``attestation_key`` signs the report and
    stands in the quote, ``vouched_key`` is what the quoting enclave's report vouches for, ``certification_key`` signs
    that report; ``chain`` is the PEM text of the certification data.
    """

    qe_mr_signer: bytes = QE_MR_SIGNER
    qe_product: int | None = None
    qe_svn: int = QE_SVN
    qe_attributes: bytes = QE_ATTRIBUTES
    qe_misc_select: int = 0
    qe_report_data_tail: bytes = bytes(32)
    attestation_key: ec.EllipticCurvePrivateKey | None = None
    vouched_key: ec.EllipticCurvePrivateKey | None = None
    certification_key: ec.EllipticCurvePrivateKey | None = None
    certification_type: int = CERTIFICATION_PCK_CHAIN
    wrapper_type: int = CERTIFICATION_QE_REPORT
    chain: tuple[x509.Certificate, ...] | None = None


@dataclass(frozen=True)
class QuotingEnclave:
    """Signs reports under one platform's keys; about 0.1 ms a quote, since only the report's signature is new."""

    pki: SimulatedPki
    qe_attributes: bytes = QE_ATTRIBUTES

    def quote(self, report: EnclaveReport) -> bytes:
        """The version 3 quote over a report, about 4.4 kB; the report's CPU SVN is replaced by the platform's."""
        signed = self._header(3, TeeType.SGX) + _on_this_platform(report).pack()
        authentication = self._signature(signed, self.pki.attestation_key) + self._certification
        return signed + struct.pack("<I", len(authentication)) + authentication

    def quote_trust_domain(self, report: TdReport, *, version: int = 4) -> bytes:
        """The version 4 or 5 quote over a trust domain's report, about 4.7 kB.

        Version 4 has room for body 1.0 alone. The report's TEE TCB SVN is taken as it is: it names the TDX module.
        """
        return self.unsafe_quote(report, QuoteOptions(), version=version)

    def unsafe_quote(self, report: EnclaveReport | TdReport, options: QuoteOptions, *, version: int) -> bytes:
        """A quote of any version with the faults that ``options`` name; for negative tests."""
        if isinstance(report, EnclaveReport):
            tee, body_type, body = TeeType.SGX, 1, _on_this_platform(report).pack()
        else:
            tee, body_type, body = TeeType.TDX, report.body_type, report.pack()
        descriptor = struct.pack("<HI", body_type, len(body)) if version == 5 else b""
        signed = self._header(version, tee) + descriptor + body
        key = options.attestation_key or self.pki.attestation_key
        certification = self._certify(options, tee)
        if version >= 4:
            certification = struct.pack("<HI", options.wrapper_type, len(certification)) + certification
        authentication = self._signature(signed, key) + certification
        return signed + struct.pack("<I", len(authentication)) + authentication

    def unsafe_quote_with_key(self, report: EnclaveReport, key: ec.EllipticCurvePrivateKey) -> bytes:
        """A quote signed by an attestation key that the quoting enclave never vouched for; for negative tests."""
        return self.unsafe_quote(report, QuoteOptions(attestation_key=key), version=3)

    def _header(self, version: int, tee: TeeType) -> bytes:
        user_data = self.pki.derive_secret("public/qe-id", 16) + bytes(4)
        if version == 3:
            return QuoteHeader(3, tee, qe_svn=QE_SVN, pce_svn=PCE_SVN, user_data=user_data).pack()
        return QuoteHeader(version, tee, user_data=user_data).pack()  # the two SVNs are reserved from version 4 on

    @staticmethod
    def _signature(signed: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
        return sign_raw(key, signed) + public_key_bytes(key)

    @cached_property
    def _certification(self) -> bytes:
        return self._certify(QuoteOptions(qe_attributes=self.qe_attributes), TeeType.SGX)

    def _certify(self, options: QuoteOptions, tee: TeeType) -> bytes:
        """The quoting enclave's report, its signature, and the certificates under which that signature holds."""
        key = public_key_bytes(options.vouched_key or self.pki.attestation_key)
        usual = QE_PRODUCT if tee is TeeType.SGX else TD_QE_PRODUCT
        report = EnclaveReport(
            mr_enclave=QE_MR_ENCLAVE if tee is TeeType.SGX else TD_QE_MR_ENCLAVE,
            mr_signer=options.qe_mr_signer,
            product=usual if options.qe_product is None else options.qe_product,
            svn=options.qe_svn,
            report_data=hashlib.sha256(key + _AUTHENTICATION_DATA).digest() + options.qe_report_data_tail,
            attributes=options.qe_attributes,
            cpu_svn=CPU_SVN,
            misc_select=options.qe_misc_select,
        ).pack()
        certificates = options.chain if options.chain is not None else self.pki.pck_chain
        chain = pem_chain(*certificates).encode() + b"\x00"
        return b"".join(
            (
                report,
                sign_raw(options.certification_key or self.pki.pck_key, report),
                struct.pack("<H", len(_AUTHENTICATION_DATA)),
                _AUTHENTICATION_DATA,
                struct.pack("<HI", options.certification_type, len(chain)),
                chain,
            )
        )


def trust_domain_report(mr_td: bytes, report_data: bytes, *, body: str = "1.0", **fields: object) -> TdReport:
    """A production trust domain's report on the simulated platform: MRTD 48, report data 64 bytes; RTMRs zero.

    ``fields`` replace others of TdReport.
    """
    report = TdReport(
        body=body,
        tee_tcb_svn=TEE_TCB_SVN,
        mr_seam=hashlib.sha384(b"wattest simulator TDX module").digest(),
        mr_signer_seam=bytes(48),
        seam_attributes=bytes(8),
        td_attributes=DEFAULT_TD_ATTRIBUTES,
        xfam=DEFAULT_XFAM,
        mr_td=mr_td,
        mr_config_id=bytes(48),
        mr_owner=bytes(48),
        mr_owner_config=bytes(48),
        rt_mr=(bytes(48), bytes(48), bytes(48), bytes(48)),
        report_data=report_data,
        extension=_EXTENSIONS[body],
    )
    return dataclasses.replace(report, **fields)  # type: ignore[arg-type]  # names and kinds are TdReport's


def _on_this_platform(report: EnclaveReport) -> EnclaveReport:
    return dataclasses.replace(report, cpu_svn=CPU_SVN)
