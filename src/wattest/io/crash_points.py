"""Named points between the steps of a node, where a test may kill it.

Decided here: how a point is named and that nothing happens there unless a development switch armed it. The names are
listed, so that a test can prove it visits every one.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

from wattest.errors import ConfigError

FAULT_VARIABLE = "WATTEST_UNSAFE_FAULT"

OPERATOR_CRASH_POINTS = (
    "block.kept",  # a device block is in the database, its file still in the inbox
    "batch.collected",
    "batch.sealing",
    "enclave.released",  # the enclave signed, nothing is stored
    "batch.sealed",
    "bundle.written",  # beside the store, under no name yet, not synced
    "bundles.synced",  # every bundle of the group is durable, none has its name
    "bundle.named",
    "batch.stored",  # the whole group is
    "batch.committing",  # every batch of the round is
    "transaction.recorded",  # all of the round are signed and remembered, none is broadcast
    "commit.mined",  # on chain, not noted
    "batch.committed",
    "challenge.noted",
    "answer.mined",
    "batch.final",
)
KEY_CRASH_POINTS = (
    "key.created",  # made inside, not noted: the next start removes its slot
    "key.noted",
    "key.carried",  # the enclave before gave its state; only where the manager allows it
    "registration.proven",  # judged, not on disk
    "registration.prepared",
    "registration.mined",
    "registration.noted",
    "key.switched",
    "revocation.mined",
    "key.revoked",
)
SETTLING_CRASH_POINTS = (
    "settlement.planned",
    "settlement.sealed",  # in the change that keeps the statement's header and payouts: all of it is gone again
    "root.mined",  # on chain, not noted
    "activation.mined",
    "settlement.noted",  # a step is in the store
)
ABANDON_CRASH_POINTS = (
    "abandon.marked",  # inside the one change on disk: nothing of it is kept
    "abandon.noted",  # the change is kept, what was set aside is not back yet
    "abandon.returned",
)
WATCHER_CRASH_POINTS = (
    "commit.noted",
    "batch.judged",
    "transaction.recorded",
    "action.mined",
    "action.noted",
)


class UnknownCrashPoint(ConfigError):
    """A fault point that no node has."""


class CrashPoints:
    """Does nothing, or kills this process the n-th time that one point is reached."""

    def __init__(self, point: str | None = None, occurrence: int = 1) -> None:
        nodes = (OPERATOR_CRASH_POINTS, KEY_CRASH_POINTS, SETTLING_CRASH_POINTS, WATCHER_CRASH_POINTS)
        known = {*ABANDON_CRASH_POINTS, *(one for points in nodes for one in points)}
        if point is not None and point not in known:
            raise UnknownCrashPoint("no such fault point", actual=point, hint="see wattest.io.crash_points")
        self._point = point
        self._left = occurrence

    @classmethod
    def unsafe_from_environment(cls, environment: Mapping[str, str]) -> CrashPoints:
        """Armed by WATTEST_UNSAFE_FAULT=point[:occurrence]; call it only where a development switch was given."""
        text = environment.get(FAULT_VARIABLE)
        if not text:
            return cls()
        point, _, occurrence = text.partition(":")
        if occurrence and not (occurrence.isascii() and occurrence.isdecimal()):
            raise UnknownCrashPoint("an occurrence is a number", actual=text)
        return cls(point, int(occurrence or 1))

    def reach(self, point: str) -> None:
        """Say that a point was reached."""
        if point != self._point:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
