"""A small machine: an operator and its enclave on one core, without vector instructions, in half a gibibyte.

python bench/small.py [--scale full|quick|tiny] [--json FILE]
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

from measure import HELPERS, Figure, Report, Scale, process_peak_mebibytes, run_alone

sys.path.extend(HELPERS)

TITLE = "A small machine"
ABOUT = (
    "Operator and enclave share one core of this machine, with scalar kernels and one thread. Chain and meters are "
    "elsewhere: anvil runs on the other cores. OpenSSL, ring and the WASM engine detect the processor by themselves "
    "and keep their instructions, and a Raspberry Pi's core is slower by a factor that this does not show; memory is "
    "what it is. The WASM engine's interpreter would save 3 MiB and take three times as long, so the compiler stays "
    "(docs/spec/workload.md)."
)
MEMORY_MIB = 512
PLAIN = {"WATTEST_SIMD": "scalar", "WATTEST_THREADS": "1"}


def measure(scale: Scale) -> Report:
    """Days of two communities, with the memory of both processes."""
    import node
    from node_community import build_community, destroy

    from wattest.chain.local_signer import LocalSigner
    from wattest.enclave.simulator import measurement
    from wattest.operator.operator import Operator, OperatorSettings
    from wattest.store.bundle_store import BundleFolder
    from wattest.store.inbox import InboxFolder
    from wattest.store.operator_store import SqliteOperatorStore

    every_core = os.sched_getaffinity(0)
    figures: list[Figure] = []
    for households in scale.pick([20, 500], [100], [3]):
        times = node.Times()
        with tempfile.TemporaryDirectory(prefix="wattest-bench-") as name, ExitStack() as stack:
            folder = Path(name)
            # an enclave's environment is measured: a machine that sets it has a measurement of its own
            stack.enter_context(patch.object(measurement, "ENVIRONMENT", {**measurement.ENVIRONMENT, **PLAIN}))
            stack.callback(os.sched_setaffinity, 0, every_core)
            os.sched_setaffinity(0, {min(every_core)})
            community = build_community(folder, households=households, deposit_ether=100)
            stack.callback(destroy, community)
            others = every_core - {min(every_core)} or every_core
            os.sched_setaffinity(community.anvil.process_id, others)
            store = SqliteOperatorStore(folder / "node" / "operator.sqlite")
            stack.callback(store.close)
            enclave = node.TimedEnclave(community.process.client)
            operator = Operator(
                store, BundleFolder(folder / "node" / "bundles"), InboxFolder(folder / "node" / "inbox"),
                community.referee(community.client(journal=store.journal)), LocalSigner(community.operator_key),
                lambda enclave=enclave: enclave, duties=[community.duty],  # type: ignore[arg-type, misc, return-value]
                settings=OperatorSettings(collect_grace_s=0),
            )  # fmt: skip
            for day in range(scale.pick(4, 3, 2)):
                node.run_day(community, operator, enclave, day, times)
            assert community.process.process_id is not None
            memory = process_peak_mebibytes() + process_peak_mebibytes(community.process.process_id)
        name = f"{households} households"
        figures += [
            Figure(f"{name}: last reading to commitment", "s", tuple(times.commit_s[1:])),
            Figure(f"{name}: of it sealing", "s", tuple(times.sealing_s[1:])),
            Figure(
                f"{name}: handing in one block before", "ms",
                tuple(1_000 * taken / (households - 1) for taken in times.ingest_s[1:]),
            ),
            Figure(f"{name}: operator and enclave, peak memory", "MiB", (memory,), at_most=MEMORY_MIB),
        ]  # fmt: skip
    return Report(TITLE, ABOUT, tuple(figures))


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in PLAIN.items()):  # libraries read them when they are loaded
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **PLAIN})
    run_alone(measure, __doc__)
