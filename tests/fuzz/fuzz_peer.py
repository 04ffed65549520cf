"""What another enclave shows in its TLS certificate: tagged evidence, and the certificate around it."""

from __future__ import annotations

from fuzz_mutators import at_fields, mutate_bytes, mutate_der, one_of
from fuzz_target import Target

from wattest.attestation.formats.tagged_evidence import encode_tagged_evidence, parse_claims, parse_tagged_evidence
from wattest.attestation.ra_tls import parse_attested_certificate


def read_tagged_evidence(data: bytes) -> str:
    """Tagged evidence: its one form is what was read, and its claims read by themselves."""
    evidence = parse_tagged_evidence(data)
    assert encode_tagged_evidence(evidence.quote, evidence.claims_buffer) == data
    assert parse_claims(evidence.claims_buffer) == evidence.claims
    assert len(evidence.report_data) == 64
    return f"{evidence.claims.hash_algorithm} {evidence.claims.nonce is None}"


def read_certificate(data: bytes) -> str:
    """An attested certificate: read, never believed here."""
    certificate = parse_attested_certificate(data)
    assert certificate.certificate == data
    return f"{certificate.is_self_signed} {certificate.evidence.claims.hash_algorithm}"


_HEADS = at_fields(*((offset, 1) for offset in range(12)), (1, 2), (4, 1), (5, 2))

_DER = one_of(mutate_der, mutate_der, mutate_bytes)
TARGETS = (
    Target("tagged-evidence", read_tagged_evidence, one_of(mutate_bytes, mutate_bytes, _HEADS), "tagged-evidence"),
    Target("attested-certificate", read_certificate, _DER, "attested-certificate"),
)
