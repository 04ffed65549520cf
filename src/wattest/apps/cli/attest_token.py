"""``wattest attest token``: open a signed attestation result (EAR) and say what it says.

Decided here: what is asked for. What is done is in ``apps.actions.attest_token``.
"""

from __future__ import annotations

from pathlib import Path

import click

from wattest.apps.cli.options import FILE, JSON, LATEST_TIME, TOKEN_STATUSES


@click.group("token")
def token_group() -> None:
    """Open signed attestation results."""


@token_group.command("open")
@FILE
@click.option(
    "--key", required=True, metavar="HEX|FILE", help="The verifier's public key: X and Y in hex, or a file (PEM, hex)."
)
@click.option("--at", "now", type=click.IntRange(0, LATEST_TIME), help="Time of reading, unix seconds.")
@click.option(
    "--maximum-age", type=click.IntRange(0, LATEST_TIME), help="With --at: refuse a result older than this, in seconds."
)
@click.option(
    "--require",
    type=click.Choice(TOKEN_STATUSES),
    help="Exit 4 unless the status is at least this good.",
)
@JSON
def open_token(
    file: Path, *, key: str, now: int | None, maximum_age: int | None, require: str | None, as_json: bool
) -> int:
    """Check FILE's signature under the verifier's key, and say what the attestation result says.

    Exit code 0 says that the token is the verifier's, not that the enclave is good: --require asks for that.
    """
    from wattest.apps.actions import attest_token

    return attest_token.open_token(file, key=key, now=now, maximum_age=maximum_age, require=require, as_json=as_json)
