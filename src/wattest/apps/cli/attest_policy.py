"""``wattest attest policy``: is a file a policy, and what does it say.

Decided here: what is asked for. What is done is in ``apps.actions.attest_policy``.
"""

from __future__ import annotations

from pathlib import Path

import click

from wattest.apps.cli.options import FILE, JSON


@click.group("policy")
def policy_group() -> None:
    """Check and explain appraisal policies."""


@policy_group.command()
@FILE
@JSON
def check(file: Path, *, as_json: bool) -> None:
    """Say whether FILE is an appraisal policy, and if not, where it goes wrong."""
    from wattest.apps.actions import attest_policy

    attest_policy.check(file, as_json=as_json)


@policy_group.command()
@FILE
@JSON
def explain(file: Path, *, as_json: bool) -> None:
    """Say in plain sentences what the policy in FILE accepts and what it refuses."""
    from wattest.apps.actions import attest_policy

    attest_policy.explain(file, as_json=as_json)
