"""``wattest attest``: appraise a DCAP quote, Intel's or a simulator's.

Decided here: how files and options become an appraisal, and how its result is shown. The judgement itself is
``wattest.attestation.appraisal``. Exit codes: 0 accepted, 4 not accepted, 3 for input that cannot be read; with
``--json`` even that prints a verdict (``genuine`` false), so that a script reads one form only.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from wattest.attestation.appraisal import appraise
from wattest.attestation.endorsements import parse_endorsements
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.formats.collateral import MAX_COLLATERAL_BYTES
from wattest.attestation.formats.quote import MAX_INPUT_BYTES
from wattest.attestation.policy import MAX_POLICY_BYTES, AppraisalPolicy, default_policy, parse_policy
from wattest.attestation.result import AppraisalResult
from wattest.attestation.roots import MAX_ROOT_BYTES, TrustRoot, development_root, intel_root, parse_root
from wattest.errors import EXIT_DONE, EXIT_VERIFICATION, InputError

LATEST_TIME = 253_402_300_799  # 9999-12-31T23:59:59Z


class FileUnreadable(InputError):
    """A file named on the command line that is missing, no file, or too long."""


@click.group()
def attest() -> None:
    """Appraise attestation evidence."""


@attest.command()
@click.argument("quote", type=click.Path(path_type=Path))
@click.option("--collateral", required=True, type=click.Path(path_type=Path), help="Collateral, dcap-qvl's JSON form.")
@click.option(
    "--at", "now", required=True, type=click.IntRange(0, LATEST_TIME), help="Time of appraisal, unix seconds."
)
@click.option(
    "--root",
    default="intel",
    show_default=True,
    metavar="intel|simulator|FILE",
    help="Whom to trust: Intel, the published development root, or a root certificate (PEM or DER).",
)
@click.option("--policy", type=click.Path(path_type=Path), help="Appraisal policy, TOML.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def verify(quote: Path, *, collateral: Path, now: int, root: str, policy: Path | None, as_json: bool) -> int:
    """Say whether QUOTE is genuine, and whether the policy accepts it.

    Without --policy nothing is accepted, since no measurement is named; the reasons still say all that was found.
    """
    try:
        result = appraise(
            parse_evidence(_read(quote, MAX_INPUT_BYTES)),
            parse_endorsements(_read(collateral, MAX_COLLATERAL_BYTES)),
            _policy(policy),
            [_root(root)],
            now,
        )
    except InputError as error:
        if as_json:
            click.echo(json.dumps(_unreadable(error), indent=2))
        raise
    if as_json:
        click.echo(json.dumps(result.as_dict(), indent=2))
    else:
        click.echo(_explain(result, policy is not None))
    return EXIT_DONE if result.accepted else EXIT_VERIFICATION


def _root(named: str) -> TrustRoot:
    if named == "intel":
        return intel_root()
    if named == "simulator":
        return development_root()
    return parse_root(_read(Path(named), MAX_ROOT_BYTES, hint="--root takes intel, simulator, or a certificate file"))


def _policy(path: Path | None) -> AppraisalPolicy:
    return default_policy() if path is None else parse_policy(_read(path, MAX_POLICY_BYTES))


def _read(path: Path, limit: int, hint: str = "check the path") -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise FileUnreadable(f"cannot read {path}: {reason}", hint=hint, path=str(path)) from error
    if len(data) > limit:
        raise FileUnreadable(
            f"{path} is longer than {limit} bytes",
            hint="check that this is the right file",
            path=str(path),
            limit=limit,
        )
    return data


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


def _explain(result: AppraisalResult, with_policy: bool) -> str:
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
    if result.platform_id is not None:
        lines.append(f"  platform:    {result.platform_id.hex()}")
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
    return "\n".join("".join(part if part.isprintable() else "?" for part in line) for line in lines)
