"""The trust root that a command is given: Intel's, the published development root, or a certificate file.

Decided here: the option's words. What a root is, is ``wattest.attestation.roots``'.
"""

from __future__ import annotations

from pathlib import Path

import click

from wattest.apps.cli.bounded_file import read_bounded
from wattest.attestation.roots import MAX_ROOT_BYTES, TrustRoot, development_root, intel_root, parse_root

ROOT_OPTION = click.option(
    "--root",
    default="intel",
    show_default=True,
    metavar="intel|simulator|FILE",
    help="Whom to trust: Intel, the published development root, or a root certificate (PEM or DER).",
)


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
