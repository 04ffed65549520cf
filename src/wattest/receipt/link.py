"""A link of the chain from reading to payout: its name, whether it holds, and why.

Decided here: the three statuses and how a check's errors become one. Invariant: a check that raises anything but an
expected refusal is a bug and stays one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from wattest.errors import InputError, ProtocolError, VerificationError


class LinkStatus(StrEnum):
    """``unchecked``: it could not be judged with what was given."""

    OK = "ok"
    FAILED = "failed"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Link:
    """One link with its status and a sentence for people."""

    name: str
    status: LinkStatus
    reason: str

    def as_dict(self) -> dict[str, str]:
        """JSON-ready."""
        return {"name": self.name, "status": self.status.value, "reason": self.reason}


class LinkUnchecked(Exception):
    """Raised by a check that cannot judge; the text says what is missing."""


class LinkBroken(VerificationError):
    """Two parts of a receipt that do not belong together."""


def judge(name: str, check: Callable[[], str]) -> Link:
    """Run one check; what it returns is the reason why the link holds."""
    try:
        return Link(name, LinkStatus.OK, check())
    except LinkUnchecked as missing:
        return Link(name, LinkStatus.UNCHECKED, str(missing))
    except (InputError, VerificationError, ProtocolError) as error:
        return Link(name, LinkStatus.FAILED, _one_line(_sentence(error)))


def _one_line(text: str) -> str:
    """A reason may quote the receipt: it must neither move a terminal's cursor nor look like another link's line."""
    return "".join(one if one.isprintable() else "?" for one in text)


def require(what: str, expected: object, actual: object) -> None:
    """Check that two values are the same.

    Raises: LinkBroken.
    """
    if expected != actual:
        raise LinkBroken(what, expected=expected, actual=actual)


def _sentence(error: InputError | VerificationError | ProtocolError) -> str:
    fields = error.as_dict()["fields"]
    assert isinstance(fields, dict)
    shown = ", ".join(f"{name} {str(fields[name])[:80]}" for name in ("expected", "actual") if name in fields)
    return f"{error.message} ({shown})" if shown else error.message
