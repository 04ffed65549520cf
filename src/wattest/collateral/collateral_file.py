"""The collateral file that appraisals read: replaced whole, by newer collateral of the same platforms only.

Decided here: when fetched collateral takes the file's place. Not decided here: what holds
(``attestation.collateral_check``) and what going back is (``attestation.collateral_succession``).

Invariants: the file holds what it held, or the new collateral whole; a file that cannot be read is never replaced,
since what it had seen would be forgotten with it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wattest.attestation.collateral_succession import is_same, verify_succession
from wattest.attestation.endorsements import Endorsements, parse_endorsements
from wattest.attestation.formats.collateral import MAX_COLLATERAL_BYTES, CollateralMalformed
from wattest.io.files import DiskFailed, write_atomically


class CollateralFile:
    """One path, which may not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Endorsements | None:
        """What is there; None when nothing is.

        Raises:
            CollateralMalformed: something else is there.
            DiskFailed: it cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                data = file.read(MAX_COLLATERAL_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DiskFailed(
                "the collateral file cannot be read", retryable=False, path=self.path, cause=error.strerror
            ) from error
        try:
            return parse_endorsements(data)
        except CollateralMalformed as error:
            raise CollateralMalformed(
                f"{self.path} is there and is no collateral ({error.message}): move it away, or name another file"
            ) from error

    def replace(self, new: Endorsements) -> bool:
        """Put newer collateral there; False when it says the same already.

        Raises:
            CollateralForOthers, CollateralWentBack: it may not take the place of what is there.
            CollateralMalformed, DiskFailed: as ``read``; or it cannot be written.
        """
        with self._alone():
            old = self.read()
            if old is not None:
                if is_same(new, old):
                    return False
                verify_succession(new, old)
            write_atomically(self.path, new.collateral.to_json() + b"\n")
        return True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two that fetch at once must not each compare with what was there before, and the older write last."""
        try:
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise DiskFailed(
                "the collateral file's folder cannot be opened",
                retryable=False,
                path=self.path.parent,
                cause=error.strerror,
            ) from error
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)
