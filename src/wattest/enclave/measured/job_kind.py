"""A kind of job: what a host may ask of one over the socket, and what every open job can do.

Decided here: the port. A kind is one file that names its steps and reads their fields, and one line in ``job_kinds``;
what it seals stays its own. Not decided here: that one job is open at a time and ends with its first failed step
(``service``), how a batch is built (``batch_builder``).
Source: docs/spec/enclave-socket.md, docs/howto/add-a-job-kind.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from wattest.crypto.strict_fields import Fields
from wattest.enclave.measured.identity import Identities
from wattest.enclave.measured.release import Head
from wattest.enclave.measured.sealed_state import PendingBatch
from wattest.enclave.measured.stop_points import StopPoints
from wattest.workload.engine import Guest

MAX_BLOCKS_PER_STEP = 4_096
MAX_MEMBER_LIST_BYTES = 160 * 1024 * 1024


class JobSession(Protocol):
    """An open job, whatever its kind: it ends in one signed header and is handed out in pages."""

    def finish(self) -> PendingBatch:
        """Seal the state and release the header; again, it gives the same one. Raises when something is missing."""
        ...

    def results(self) -> dict[str, object]:
        """What the reply to ``batch.finish`` has beside header and signature."""
        ...

    def page(self, start: int, count: int) -> dict[str, object]:
        """Entries ``start`` to ``start + count`` of the released batch."""
        ...


@dataclass(frozen=True, slots=True)
class JobTools:
    """What a job is made with: the enclave's identities, where a test may stop it, and the guests by name."""

    identities: Identities
    stop_points: StopPoints
    guests: Mapping[str, Guest]


Session = TypeVar("Session", bound=JobSession)


@dataclass(frozen=True, slots=True)
class JobKind(Generic[Session]):
    """One kind: the first part of its methods' names, how it begins, and its steps in between.

    ``begin`` gives the session and the reply to ``NAME.begin``; ``steps`` has what ``NAME.STEP`` does with the open
    session. Both take every field they want and leave none (``Fields.close``).
    """

    name: str
    begin: Callable[[JobTools, Fields], tuple[Session, dict[str, object]]]
    steps: Mapping[str, Callable[[Session, Fields], dict[str, object]]]


def read_span(fields: Fields) -> tuple[bytes, Head, tuple[int, int]]:
    """What every job begins with: channel (32 bytes), the operator's head on chain, the period in unix seconds."""
    channel = fields["channel"].octets(32)
    head = Head(fields["head_sequence"].uint(), fields["head_digest"].octets(32))
    return channel, head, (fields["period_start"].uint(), fields["period_end"].uint())
