"""The simulated quoting enclave: turns an enclave's report into a DCAP ECDSA quote, version 3.

Decided here: what a simulated quote contains, byte for byte as the hardware path lays it out. Not decided here: what
is measured, and what the report data means.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric import ec

from wattest.attestation.formats.quote import CERTIFICATION_PCK_CHAIN, EnclaveReport, QuoteHeader, TeeType
from wattest.enclave.simulator.collateral import QE_MR_SIGNER, QE_PRODUCT, QE_SVN
from wattest.enclave.simulator.pki import CPU_SVN, PCE_SVN, SimulatedPki, pem_chain, public_key_bytes, sign_raw

QE_MR_ENCLAVE = hashlib.sha256(b"wattest simulator quoting enclave").digest()
# INIT | MODE64BIT, XFRM x87 | SSE | AVX | AVX-512: what a production enclave on a server carries.
DEFAULT_ATTRIBUTES = struct.pack("<QQ", 0x05, 0xE7)
# The quoting enclave also holds PROVISION_KEY.
QE_ATTRIBUTES = struct.pack("<QQ", 0x15, 0xE7)
_AUTHENTICATION_DATA = bytes(range(32))


@dataclass(frozen=True)
class QuotingEnclave:
    """Signs reports under one platform's keys; about 0.1 ms a quote, since only the report's signature is new."""

    pki: SimulatedPki
    qe_attributes: bytes = QE_ATTRIBUTES

    def quote(self, report: EnclaveReport) -> bytes:
        """The quote over a report, about 4.5 kB; the report's CPU SVN is replaced by the platform's."""
        signed = self._header + _on_this_platform(report).pack()
        signature = sign_raw(self.pki.attestation_key, signed)
        return _assemble(signed, signature, public_key_bytes(self.pki.attestation_key), self._certification)

    def unsafe_quote_with_key(self, report: EnclaveReport, key: ec.EllipticCurvePrivateKey) -> bytes:
        """A quote signed by an attestation key that the quoting enclave never vouched for; for negative tests."""
        signed = self._header + _on_this_platform(report).pack()
        return _assemble(signed, sign_raw(key, signed), public_key_bytes(key), self._certification)

    @cached_property
    def _header(self) -> bytes:
        identity = self.pki.derive_secret("public/qe-id", 16)
        return QuoteHeader(3, TeeType.SGX, qe_svn=QE_SVN, pce_svn=PCE_SVN, user_data=identity + bytes(4)).pack()

    @cached_property
    def _certification(self) -> bytes:
        key = public_key_bytes(self.pki.attestation_key)
        report = EnclaveReport(
            mr_enclave=QE_MR_ENCLAVE,
            mr_signer=QE_MR_SIGNER,
            product=QE_PRODUCT,
            svn=QE_SVN,
            report_data=hashlib.sha256(key + _AUTHENTICATION_DATA).digest() + bytes(32),
            attributes=self.qe_attributes,
            cpu_svn=CPU_SVN,
        ).pack()
        chain = pem_chain(self.pki.pck, self.pki.platform_ca, self.pki.root).encode() + b"\x00"
        return b"".join(
            (
                report,
                sign_raw(self.pki.pck_key, report),
                struct.pack("<H", len(_AUTHENTICATION_DATA)),
                _AUTHENTICATION_DATA,
                struct.pack("<HI", CERTIFICATION_PCK_CHAIN, len(chain)),
                chain,
            )
        )


def _on_this_platform(report: EnclaveReport) -> EnclaveReport:
    return EnclaveReport(
        report.mr_enclave,
        report.mr_signer,
        report.product,
        report.svn,
        report.report_data,
        report.attributes,
        CPU_SVN,
        report.misc_select,
    )


def _assemble(signed: bytes, signature: bytes, attestation_key: bytes, certification: bytes) -> bytes:
    authentication = signature + attestation_key + certification
    return signed + struct.pack("<I", len(authentication)) + authentication
