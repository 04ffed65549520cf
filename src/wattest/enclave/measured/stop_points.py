"""Places where a test may stop the process dead, to show what a crash leaves behind.

Decided here: the places and that only a debug enclave has them. Invariant: in an enclave that is not debug (the debug
bit is measured and quoted) nothing can be armed and ``reach`` does nothing.
"""

from __future__ import annotations

import os

from wattest.enclave.measured.errors import DebugRefused, RequestInvalid

POINTS = (
    "before_sign",
    "before_seal",
    "after_temporary_write",
    "after_rename",
    "before_release",
    "after_release",
    "after_page",
)
KILLED_EXIT_CODE = 86


class StopPoints:
    """At most one armed point; it fires once, by ending the process without any clean-up."""

    def __init__(self, *, debug: bool) -> None:
        self._debug = debug
        self._armed: str | None = None

    def arm(self, point: str) -> None:
        """Stop dead when ``point`` is next reached.

        Raises: DebugRefused unless this is a debug enclave; RequestInvalid for an unknown point.
        """
        if not self._debug:
            raise DebugRefused("only a debug enclave can be stopped on purpose", hint="launch it with debug")
        if point not in POINTS:
            raise RequestInvalid("unknown fault point", field="point", expected=list(POINTS), actual=point)
        self._armed = point

    def reach(self, point: str) -> None:
        """Pass ``point``, or end here when it is armed."""
        if self._armed == point:
            os._exit(KILLED_EXIT_CODE)
