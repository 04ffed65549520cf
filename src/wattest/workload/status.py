"""The status byte in front of every guest's output: a result, or the guest's own refusal of its input.

Decided here: the framing that the guests of this project share, and that a refusal becomes ``JobDeclined``.
docs/spec/workload.md
"""

from __future__ import annotations

from collections.abc import Mapping

from wattest.errors import InputError
from wattest.workload.failures import JobDeclined

_DONE, _DECLINED = 0, 1
_NOWHERE = 2**32 - 1


class MalformedGuestOutput(InputError):
    """Guest output that does not follow its specification page."""


def result_of(guest: str, output: bytes, reasons: Mapping[int, str]) -> bytes:
    """What follows the status byte of a finished job.

    Raises ``JobDeclined`` with the reason that ``reasons`` gives for the guest's code, ``MalformedGuestOutput``.
    """
    if output[:1] == bytes([_DONE]):
        return output[1:]
    if len(output) != 6 or output[0] != _DECLINED or output[1] not in reasons:
        raise MalformedGuestOutput(f"the output of {guest} has no valid status", actual=bytes(output[:6]))
    index = int.from_bytes(output[2:6], "big")
    reason = reasons[output[1]]
    where = None if index == _NOWHERE else index
    raise JobDeclined(
        f"{guest} declined its input: {reason}" + ("" if where is None else f" (at {where})"),
        guest=guest, reason=reason, reason_code=output[1], index=where,
    )  # fmt: skip
