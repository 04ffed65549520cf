"""``wattest attest``: appraise a DCAP quote, Intel's or a simulator's.

Decided here: what is asked for. What is done is in ``apps.actions.attest_verify``.
"""

from __future__ import annotations

from pathlib import Path

import click

from wattest.apps.cli.attest_collateral import collateral_group
from wattest.apps.cli.attest_policy import policy_group
from wattest.apps.cli.attest_token import token_group
from wattest.apps.cli.options import LATEST_TIME, PATH, ROOT, production_switch


@click.group()
def attest() -> None:
    """Appraise attestation evidence."""


attest.add_command(policy_group)
attest.add_command(collateral_group)
attest.add_command(token_group)


@attest.command()
@click.argument("quote", type=PATH)
@click.option("--collateral", required=True, type=PATH, help="Collateral, dcap-qvl's JSON form.")
@click.option(
    "--at", "now", required=True, type=click.IntRange(0, LATEST_TIME), help="Time of appraisal, unix seconds."
)
@ROOT
@click.option("--policy", type=PATH, help="Appraisal policy, TOML.")
@click.option("--report-data", metavar="HEX", help="The 64 bytes that the quote must bind.")
@click.option(
    "--seen-evaluation-number",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    help="Refuse collateral whose TCB evaluation number is below this one, seen before.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.option("--ear", "as_ear", is_flag=True, help="Print the result as EAR claims, canonical JSON.")
@click.option(
    "--ear-minimal", is_flag=True, help="With --ear: status, vector and policy alone; no measurement, no reason."
)
@click.option("--sign-key", type=PATH, help="With --ear: sign as JWT with this P-256 key file (mode 0600).")
@production_switch()
def verify(
    quote: Path,
    *,
    collateral: Path,
    now: int,
    root: str,
    policy: Path | None,
    report_data: str | None,
    seen_evaluation_number: int,
    as_json: bool,
    as_ear: bool,
    ear_minimal: bool,
    sign_key: Path | None,
) -> int:
    """Say whether QUOTE is genuine, and whether the policy accepts it.

    Without --policy nothing is accepted, since no measurement is named; the reasons still say all that was found.
    """
    from wattest.apps.actions import attest_verify

    return attest_verify.verify(
        quote,
        collateral=collateral,
        now=now,
        root=root,
        policy=policy,
        report_data=report_data,
        seen_evaluation_number=seen_evaluation_number,
        as_json=as_json,
        as_ear=as_ear,
        ear_minimal=ear_minimal,
        sign_key=sign_key,
    )
