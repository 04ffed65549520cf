"""What the X.509 library raises on hostile certificates and lists; its exceptions share no base of their own."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

X509_FAULTS: tuple[type[Exception], ...] = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.AttributeNotFound,
    x509.UnsupportedGeneralNameType,
)
