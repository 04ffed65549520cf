"""``wattest attest``: appraise a DCAP quote, Intel's or a simulator's.

Decided here: how files and options become an appraisal, and how its result is shown. The judgement itself is
``wattest.attestation.appraisal``. Exit codes: 0 accepted, 4 not accepted, 3 for input that cannot be read; with
``--json`` even that prints a verdict (``genuine`` false), so that a script reads one form only. With ``--ear`` it does
not: what cannot be read has no attestation result.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import click

from wattest import __version__
from wattest.apps.actions.attest_roots import read_root
from wattest.apps.actions.bounded_file import read_bounded
from wattest.apps.actions.collateral_words import printable
from wattest.apps.actions.evidence_files import read_quote_and_collateral
from wattest.attestation.appraisal import Expectation, appraise
from wattest.attestation.appraisal_policy import MAX_POLICY_BYTES, AppraisalPolicy, default_policy, parse_policy
from wattest.attestation.collateral_age import CollateralLife, show_span
from wattest.attestation.ear import build_ear, encode_ear
from wattest.attestation.ear_token import sign_ear
from wattest.attestation.result import AppraisalResult
from wattest.attestation.roots import TrustRoot
from wattest.crypto.p256 import P256PrivateKey
from wattest.errors import EXIT_DONE, EXIT_VERIFICATION, InputError
from wattest.io.files import read_key_file

_REPORT_DATA = re.compile(r"[0-9a-f]{128}\Z")


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
    """What ``wattest attest verify`` does."""
    if as_ear and as_json:
        raise click.UsageError("--ear and --json are two forms of one result: choose one")
    if not as_ear and (sign_key is not None or ear_minimal):
        raise click.UsageError("--sign-key and --ear-minimal say how --ear prints: give it, too")
    expectation = Expectation(_report_data(report_data), seen_evaluation_number)
    key = None if sign_key is None else P256PrivateKey.from_seed(read_key_file(sign_key))
    try:
        result = appraise(
            *read_quote_and_collateral(quote, collateral),
            _policy(policy),
            [trusted := read_root(root)],
            now,
            expectation=expectation,
        )
    except InputError as error:
        if as_json:
            click.echo(json.dumps(_unreadable(error), indent=2))
        raise
    if as_json:
        click.echo(json.dumps(result.as_dict(), indent=2))
    elif as_ear:
        _print_ear(result, key, detail=not ear_minimal)
    else:
        click.echo(_explain(result, trusted, policy is not None))
    return EXIT_DONE if result.accepted else EXIT_VERIFICATION


def _report_data(text: str | None) -> bytes | None:
    if text is not None and not _REPORT_DATA.match(text):
        raise click.UsageError("--report-data takes 128 lower-case hex digits")
    return None if text is None else bytes.fromhex(text)


def _policy(path: Path | None) -> AppraisalPolicy:
    return default_policy() if path is None else parse_policy(read_bounded(path, MAX_POLICY_BYTES))


def _print_ear(result: AppraisalResult, key: P256PrivateKey | None, *, detail: bool) -> None:
    encoded = encode_ear(build_ear(result, developer="wattest", build=f"wattest {__version__}", detail=detail))
    if key is None:
        click.echo(encoded.decode())
        return
    click.echo(sign_ear(encoded, key).decode())
    click.echo(f"signed with the key whose public half is {key.public_key.hex()}", err=True)


def _unreadable(error: InputError) -> dict[str, object]:
    return {
        "genuine": False,
        "tcb_status": None,
        "advisories": [],
        "accepted": False,
        "reasons": [error.message],
        "codes": [error.code],
        "warnings": [],
        "measurement": None,
    }


def _collateral(life: CollateralLife) -> str:
    if not life.is_usable and life.ahead_s:
        return f"NOT USABLE: issued {show_span(life.ahead_s)} after this time"
    if not life.is_usable:
        return f"NOT USABLE: {life.ends_first} ended {show_span(-life.seconds_left)} ago"
    return f"usable for {show_span(life.seconds_left)} more ({life.ends_first} ends first)"


def _explain(result: AppraisalResult, root: TrustRoot, with_policy: bool) -> str:
    measured = result.measurement
    lines = [
        "ACCEPTED" if result.accepted else "NOT ACCEPTED",
        f"  genuine:     {'yes' if result.genuine else 'NO - believe nothing below'}",
        f"  TCB status:  {result.tcb_status or '-'}"
        + (f" ({', '.join(result.advisories)})" if result.advisories else ""),
        f"  measurement: {measured.get('mr_enclave') or measured.get('mr_td')} ({measured['tee']})",
    ]
    if measured.get("mr_signer"):
        lines.append(f"  signer:      {measured['mr_signer']}, product {measured['product']}, SVN {measured['svn']}")
    lines.append(f"  under root:  {root.shown}")
    if result.platform_id is not None:
        lines.append(f"  platform:    {result.platform_id.hex()}")
    if result.collateral is not None:
        lines.append(f"  collateral:  {_collateral(result.collateral)}")
    lines += [f"  reason:      {reason}" for reason in result.reasons]
    lines += [f"  warning:     {warning}" for warning in result.warnings]
    if result.genuine and not result.accepted and not with_policy:
        lines.append("  what to do:  write a policy that names this measurement (docs/spec/appraisal-policy.md)")
    elif not result.genuine:
        lines.append(
            "  what to do:  fetch quote and collateral again; check --at and --root; do not trust this enclave"
        )
    elif not result.accepted:
        lines.append("  what to do:  mend what the reasons name, or change the policy if you mean to allow it")
    # A name or advisory in hostile collateral must not steer the terminal.
    return "\n".join(printable(line) for line in lines)
