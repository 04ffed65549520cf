"""The node: time from reading to commitment, and gas per commit, with a real enclave process and the embedded chain.

    python bench/node.py [--households 3 20 100] [--days 5] [--json]

A day's blocks are signed beforehand. The time runs from handing in the first block to the receipt of the commit: ingest
(parse, check, SQLite), sealing in the enclave, bundle, database, transaction, mining. Medians over the days; the first
day warms caches and is left out. The floor is what the enclave alone takes for the same job.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from node_community import EPOCH_S, FIRST_PERIOD, build_community, destroy

from wattest.chain.signer import LocalSigner
from wattest.enclave.host.client import EnclaveClient, SealedBatch, SealJob
from wattest.node.bundle import BundleStore
from wattest.node.check import ServedBatch, check_batch
from wattest.node.ingest import Inbox
from wattest.node.operator import Operator, OperatorSettings
from wattest.node.store import OperatorStore
from wattest.workload.configuration import EngineConfiguration
from wattest.workload.guests import load_guest


class TimedEnclave:
    """Passes jobs on and keeps how long the last one took."""

    def __init__(self, client: EnclaveClient) -> None:
        self._client = client
        self.last_s = 0.0

    def seal_batch(self, job: SealJob) -> SealedBatch:
        """Seal, timed."""
        start = time.perf_counter()
        sealed = self._client.seal_batch(job)
        self.last_s = time.perf_counter() - start
        return sealed


def measure(households: int, days: int) -> dict[str, object]:
    """One community."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        community = build_community(folder, households=households, deposit_ether=100)
        store = OperatorStore(folder / "node" / "operator.sqlite")
        enclave = TimedEnclave(community.process.client)
        bundles = BundleStore(folder / "node" / "bundles")
        operator = Operator(
            store, bundles, Inbox(folder / "node" / "inbox"),
            community.referee(community.client(journal=store.journal)), LocalSigner(community.operator_key),
            lambda: enclave, duties=[community.duty], settings=OperatorSettings(collect_grace_s=0),  # type: ignore[arg-type, return-value]
        )  # fmt: skip
        total_s, sealing_s, checking_s, gas = [], [], [], []
        guest = load_guest("vee", EngineConfiguration.for_enclave())
        try:
            for day in range(days):
                period = FIRST_PERIOD + day * EPOCH_S
                blocks = [home.block(period) for home in community.households]
                community.anvil.advance_to(period + EPOCH_S)
                start = time.perf_counter()
                operator.ingest_many(community.channel.id, blocks)
                report = operator.step()
                report.raise_first()
                total_s.append(time.perf_counter() - start)
                sealing_s.append(enclave.last_s)
                gas.append(report.committed[0].gas_used)
                batch = store.batch(community.channel.id, day + 1)
                assert batch.header is not None
                with bundles.open(batch.header.content_id) as bundle:
                    served = ServedBatch(
                        bundle.manifest(), dict(enumerate(bundle.blocks())),
                        b"".join(store.entries(community.channel.id, day + 1)[0]),
                        store.wrapped_keys(community.channel.id, day + 1, community.watcher_reader.public_key),
                        store.roster(community.channel.id, day + 1), community.members,
                    )  # fmt: skip
                start = time.perf_counter()
                judgement = check_batch(
                    batch.header, served, community.watcher_reader, guest,
                    workloads=frozenset({guest.workload}), meters_before=None,
                )  # fmt: skip
                checking_s.append(time.perf_counter() - start)
                assert judgement.is_clean, judgement.findings
        finally:
            store.close()
            destroy(community)
    readings = households * 96
    median_s, floor_s = statistics.median(total_s[1:]), statistics.median(sealing_s[1:])
    return {
        "households": households,
        "readings": readings,
        "reading_to_commitment_s": round(median_s, 4),
        "of_it_sealing_s": round(floor_s, 4),
        "ratio_to_sealing": round(median_s / floor_s, 2),
        "watcher_check_s": round(statistics.median(checking_s[1:]), 4),
        "gas_per_commit": int(statistics.median(gas[1:])),
        "gas_first_commit": gas[0],
        "gas_per_reading": round(statistics.median(gas[1:]) / readings, 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--households", type=int, nargs="+", default=[3, 20, 100])
    parser.add_argument("--days", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = [measure(count, options.days) for count in options.households]
    if options.json:
        print(json.dumps(results))
        return
    for result in results:
        print(", ".join(f"{name} {value}" for name, value in result.items()))


if __name__ == "__main__":
    main()
