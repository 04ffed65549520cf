"""Four ways for an operator to cheat, played by a second operator in a channel of its own.

Decided here: what the cheater does, step by step. Not decided here: what becomes of it: the watcher is a process of
its own, the referee a contract. Invariant: each cheat uses the real parts; only ``forge`` goes around the measured
code, and says so by its name.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wattest.apps.demo.community import Community
from wattest.apps.demo.result import Cheat
from wattest.apps.demo.site import OperatorSite
from wattest.apps.demo.unsafe_forger import UnsafeForger
from wattest.apps.interrupts import hold_interrupts
from wattest.enclave.host.client import ChainHead, SealedBatch, SealJob
from wattest.operator.operator import OperatorSettings
from wattest.operator.server import UnsafeBehaviour

WITHHELD_ENTRY = 0


class CheatUnpunished(RuntimeError):
    """A cheat had another outcome than it must: a fault in wattest, not of the user."""


@dataclass(frozen=True, slots=True)
class Cheater:
    """The cheating operator: its site and the community that it should serve."""

    site: OperatorSite
    community: Community
    cheat: Cheat

    def open(self) -> None:
        """Open the operator's loop and server, already bent where the cheat asks for it."""
        withheld = frozenset({WITHHELD_ENTRY}) if self.cheat == "withhold" else frozenset[int]()
        self.site.open(
            [self.community.duty],
            settings=OperatorSettings(unsafe_withheld=withheld),
            unsafe_behaviour=UnsafeBehaviour(withheld=withheld),
            enclave=self._stolen_key() if self.cheat == "forge" else None,
        )

    def commit_day(self, day: int, advance_past: Callable[[int], None]) -> str | None:
        """Commit one day, cheating on the way; the enclave's words when it refuses.

        ``advance_past`` moves the chain's clock past a time.
        """
        channel = self.community.channel.id
        kept = self.site.folder / "kept.sealed"
        if day == 0 and self.cheat in ("rollback", "equivocate"):
            shutil.copyfile(self._sealed_file, kept)  # the host keeps what the enclave sealed before its first batch
        if day == 1 and self.cheat == "rollback":
            self._restore(kept)
        remote = self.site.remote
        for home in self.community.households:
            remote.send_block(channel, self.community.device_block(home, day))
        advance_past(self.community.readings.period(day)[1])
        report = self.site.operator.step()
        if day == 1 and self.cheat == "rollback":
            if report.committed or [error.code for error in report.errors] != ["HeadMismatch"]:
                raise CheatUnpunished("a rolled-back enclave did not refuse for its state's sake")
            return report.errors[0].message
        report.raise_first()
        if len(report.committed) != 1:
            raise CheatUnpunished(f"the cheater's day {day} was not committed")
        if day == 0 and self.cheat == "equivocate":
            self._restore(kept)
            self._show_second_header()
        return None

    @property
    def _sealed_file(self) -> Path:
        return self.site.enclave_folder / f"{self.community.channel.id.hex()}.sealed"

    def _stolen_key(self) -> UnsafeForger:
        return UnsafeForger(self.site.platform, self.site.description.measurement, self._sealed_file)

    def _restore(self, kept: Path) -> None:
        """Give the enclave its old sealed state back, as a host can that owns the disk."""
        with hold_interrupts():
            self.site.process.stop()
            shutil.copyfile(kept, self._sealed_file)
            self.site.process.start()

    def _show_second_header(self) -> None:
        """Lie to the rolled-back enclave about the chain's head, and serve the second header that it signs."""
        start, end = self.community.readings.period(0)
        keys = self.community.member_keys
        blocks = [self.community.device_block(home, 0) for home in self.community.households[1:]]
        job = SealJob(ChainHead(), start, end, keys.members, keys.meter_keys, blocks)
        second: SealedBatch = self.site.process.client.seal(job)
        place = (self.community.channel.id, second.header.sequence)
        shown = UnsafeBehaviour(other_headers={place: (second.header.to_bytes(), second.signature)})
        self.site.show(shown, [self.community.duty])
