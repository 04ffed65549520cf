"""All fuzz targets by name: what reads what strangers wrote, for an appraisal or into a sealed batch.

Invariants: a target raises ``WattestError`` for bad input and ``AssertionError`` for a broken promise; whatever else
comes out of it is a finding. No target reads clock, network or randomness.
"""

from __future__ import annotations

import fuzz_appraisal
import fuzz_meter_files
import fuzz_peer
import fuzz_series
import fuzz_service
from fuzz_target import CORPUS, Target

__all__ = ["CORPUS", "TARGETS", "Target"]

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        *fuzz_appraisal.TARGETS,
        *fuzz_service.TARGETS,
        *fuzz_peer.TARGETS,
        *fuzz_series.TARGETS,
        *fuzz_meter_files.TARGETS,
    )
}
