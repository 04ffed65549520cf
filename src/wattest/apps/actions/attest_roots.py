"""The trust root that a command is given: Intel's, the published development root, or a certificate file.

Decided here: which words ``--root`` takes. What a root is, is ``wattest.attestation.roots``'.
"""

from __future__ import annotations

from pathlib import Path

from wattest.apps.actions.bounded_file import read_bounded
from wattest.attestation.roots import MAX_ROOT_BYTES, TrustRoot, development_root, intel_root, parse_root


def read_root(named: str) -> TrustRoot:
    """The root that ``--root`` names.

    Raises:
        FileUnreadable, RootMalformed: a file that is missing, or no root certificate.
    """
    if named == "intel":
        return intel_root()
    if named == "simulator":
        return development_root()
    return parse_root(
        read_bounded(Path(named), MAX_ROOT_BYTES, hint="--root takes intel, simulator, or a certificate file")
    )
