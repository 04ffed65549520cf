"""The manifest an enclave was launched with: its digest is the measurement.

Decided here: how a manifest becomes 32 bytes. Not decided here: what is in it (``simulator.measurement``) and that it
is enforced (``boot``). Invariant: host and enclave compute the same digest from the same values.
Source: docs/adr/0006-measured-code.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wattest.crypto import canonical
from wattest.crypto.hashing import sha256

MEASUREMENT_DOMAIN = b"wattest/measurement/1"


def manifest_digest(manifest: Mapping[str, Any]) -> bytes:
    """SHA-256("wattest/measurement/1" || RFC 8785 of the manifest): the simulated MRENCLAVE, 32 bytes."""
    return sha256(MEASUREMENT_DOMAIN + canonical.encode(dict(manifest)))
