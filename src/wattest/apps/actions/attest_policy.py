"""``wattest attest policy``: is a file a policy, and what does it say.

Decided here: what is printed. The rules are ``wattest.attestation.appraisal_policy``'s, the words ``policy_words``'.
Exit code 3 for a file that is no policy, with the place of the fault; one that accepts nothing is a policy still, and
warned about.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from wattest.apps.actions.bounded_file import read_bounded
from wattest.attestation.appraisal_policy import MAX_POLICY_BYTES, AppraisalPolicy, parse_policy
from wattest.attestation.appraisal_policy_words import explain_policy, is_barren


def check(file: Path, *, as_json: bool) -> None:
    """What ``wattest attest policy check`` does."""
    policy = _read(file)
    warnings = explain_policy(policy).warnings
    if as_json:
        click.echo(
            json.dumps(
                {"digest": policy.digest.hex(), "accepts_nothing": is_barren(policy), "warnings": list(warnings)},
                indent=2,
            )
        )
        return
    click.echo(f"a policy; digest {policy.digest.hex()}")
    _print_all("warning: ", warnings)


def explain(file: Path, *, as_json: bool) -> None:
    """What ``wattest attest policy explain`` does."""
    policy = _read(file)
    words = explain_policy(policy)
    if as_json:
        shown = {"wanted": words.wanted, "conditions": words.conditions, "refused": words.refused}
        click.echo(json.dumps({"digest": policy.digest.hex(), **shown, "warnings": words.warnings}, indent=2))
        return
    click.echo(f"Policy {policy.digest.hex()}")
    for title, sentences in (
        ("Accepts one of these:", words.wanted),
        ("provided that:", words.conditions),
        ("Refuses in any case:", words.refused),
        ("Look twice:", words.warnings),
    ):
        if sentences:
            click.echo(title)
            _print_all("  - ", sentences)


def _read(file: Path) -> AppraisalPolicy:
    return parse_policy(read_bounded(file, MAX_POLICY_BYTES))


def _print_all(lead: str, sentences: tuple[str, ...]) -> None:
    for sentence in sentences:
        click.echo(lead + sentence)
