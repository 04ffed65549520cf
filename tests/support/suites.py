"""What the suites of all ports share: a check is a function over one maker, and a suite is a list of checks.

A suite lives in ``tests/support/<port>_conformance.py``; ``tests/conformance/`` runs it for every back end that the
port's register names, and refuses a back end without a maker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import pytest


def every(suite: Iterable[Callable[..., None]], makers: Mapping[str, object]) -> pytest.MarkDecorator:
    """Parametrises a test over ``check`` and ``maker``: each check of the suite with each back end's maker."""
    return pytest.mark.parametrize(
        ("check", "maker"),
        [
            pytest.param(check, maker, id=f"{name}-{check.__name__}")
            for name, maker in makers.items()
            for check in suite
        ],
    )
