"""Failures of a guest: each is typed, and none of them comes with a result.

Decided here: their names and fields. Messages and fields never hold a job's bytes. docs/spec/workload.md
"""

from __future__ import annotations

from wattest.errors import VerificationError


class GuestFailure(VerificationError):
    """A guest that was refused or did not finish its job; there is no result."""


class GuestRefused(GuestFailure):
    """A module that may not run at all: imports, exports, features, or a size that makes compiling it unsafe."""


class FuelExhausted(GuestFailure):
    """A guest that spent the job's fuel: an endless loop, or a limit too low for the input."""


class DeadlineExceeded(GuestFailure):
    """A guest that the watchdog stopped: the one failure that depends on time."""


class StackOverflowed(GuestFailure):
    """A guest that spent the fixed stack."""


class MemoryExceeded(GuestFailure):
    """A guest or an input that needs more memory than the job's limit or the machine allows."""


class GuestTrapped(GuestFailure):
    """A guest that trapped: unreachable code, an access out of bounds, a division by zero."""


class OutputInvalid(GuestFailure):
    """A guest whose ``alloc`` or ``run`` answered with a range outside its memory or over the output limit."""


class JobDeclined(VerificationError):
    """A guest's own, deterministic answer that the job's input is wrong.

    Fields ``guest``, ``reason`` (the code of the guest's specification page), ``index`` (of the record or household, or
    None).
    """
