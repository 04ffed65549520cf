"""The node: time from the last reading to the commitment, with a real enclave process and the embedded chain.

python bench/node.py [--scale full|quick|tiny] [--json FILE]
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from measure import HELPERS, Figure, Report, Scale, run_alone

sys.path.extend(HELPERS)

from node_channels import Fleet, add_channels
from node_community import EPOCH_S, FIRST_PERIOD, Community, build_community, destroy
from node_keys import KeyRig

from wattest.chain.local_signer import LocalSigner
from wattest.enclave.host.client import EnclaveClient, SealedBatch, SealJob
from wattest.operator.operator import Operator, OperatorSettings
from wattest.store.bundle_store import BundleFolder
from wattest.store.enclave_key import Cause
from wattest.store.inbox import InboxFolder
from wattest.store.operator_store import SqliteOperatorStore
from wattest.watcher.check_batch import check_batch
from wattest.watcher.check_entries import ServedBatch
from wattest.workload.configuration import EngineConfiguration
from wattest.workload.engine import Guest
from wattest.workload.guests import load_guest

TITLE = "From reading to commitment"
ABOUT = (
    "A day's blocks are signed beforehand and handed in but for one. The time runs from handing in the last block to "
    "the receipt of the commit: parse, check, SQLite, sealing in the enclave process, bundle, database, transaction, "
    "mining (anvil mines at once: on a chain with blocks every 12 s, its inclusion comes on top). Seconds on the "
    "wall; the first day warms caches and is left out. A renewal runs from its start to the mined transaction: nonce "
    "block, quote, collateral, one appraiser's judgement over HTTP, transaction; a new key adds an enclave process. "
    "Many channels: a day of each is due at once, three households in each, and one step takes all to the chain. "
    "Its blocks are counted on the same chain when it mines only while the operator waits."
)


class TimedEnclave:
    """Passes jobs on and keeps how long the last one took."""

    def __init__(self, client: EnclaveClient) -> None:
        self._client = client
        self.last_s = 0.0

    def seal(self, job: SealJob) -> SealedBatch:
        """Seal, timed."""
        start = time.perf_counter()
        sealed = self._client.seal(job)
        self.last_s = time.perf_counter() - start
        return sealed


@dataclass
class Times:
    """Seconds of one community, a sample for each day."""

    ingest_s: list[float] = field(default_factory=list)
    commit_s: list[float] = field(default_factory=list)
    sealing_s: list[float] = field(default_factory=list)
    checking_s: list[float] = field(default_factory=list)
    gas: list[int] = field(default_factory=list)


def run_community(households: int, days: int) -> Times:
    """``days`` days of one community, after a first that warms caches."""
    times = Times()
    with tempfile.TemporaryDirectory(prefix="wattest-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        community = build_community(folder, households=households, deposit_ether=100)
        stack.callback(destroy, community)
        store = SqliteOperatorStore(folder / "node" / "operator.sqlite")
        stack.callback(store.close)
        enclave = TimedEnclave(community.process.client)
        operator = Operator(
            store, BundleFolder(folder / "node" / "bundles"), InboxFolder(folder / "node" / "inbox"),
            community.referee(community.client(journal=store.journal)), LocalSigner(community.operator_key),
            lambda: enclave, duties=[community.duty], settings=OperatorSettings(collect_grace_s=0),  # type: ignore[arg-type, return-value]
        )  # fmt: skip
        guest = load_guest("vee", EngineConfiguration.for_enclave())
        for day in range(days + 1):
            run_day(community, operator, enclave, day, times)
            times.checking_s.append(check_day(community, operator, guest, day + 1))
    for samples in (times.ingest_s, times.commit_s, times.sealing_s, times.checking_s, times.gas):
        del samples[0]
    return times


def run_day(community: Community, operator: Operator, enclave: TimedEnclave, day: int, times: Times) -> None:
    """Hand in a day's blocks, the last one when the day is over, and commit."""
    period = FIRST_PERIOD + day * EPOCH_S
    *early, last = (home.block(period) for home in community.households)
    begun = time.perf_counter()
    operator.ingest_many(community.channel.id, early)
    times.ingest_s.append(time.perf_counter() - begun)
    community.anvil.advance_to(period + EPOCH_S)
    begun = time.perf_counter()
    operator.ingest_many(community.channel.id, [last])
    report = operator.step()
    times.commit_s.append(time.perf_counter() - begun)
    report.raise_first()
    times.gas.append(report.committed[0].gas_used)
    times.sealing_s.append(enclave.last_s)


def check_day(community: Community, operator: Operator, guest: Guest, sequence: int) -> float:
    """Seconds that a watcher takes to verify all of one batch again."""
    channel, store = community.channel.id, operator.store
    batch = store.batch(channel, sequence)
    assert batch.header is not None
    with operator.bundles.open(batch.header.content_id) as bundle:
        served = ServedBatch(
            bundle.manifest(), dict(enumerate(bundle.blocks())), b"".join(store.entries(channel, sequence)[0]),
            store.wrapped_keys(channel, sequence, community.watcher_reader.public_key),
            store.roster(channel, sequence), community.members,
        )  # fmt: skip
    begun = time.perf_counter()
    judgement = check_batch(
        batch.header, served, community.watcher_reader, guest, workloads=frozenset({guest.workload}), meters_before=None
    )
    taken = time.perf_counter() - begun
    assert judgement.is_clean, judgement.findings
    return taken


@dataclass(frozen=True)
class KeyTimes:
    """Seconds from the start of a step in a key's life to its mined registration."""

    renewal_s: tuple[float, ...]
    succession_s: tuple[float, ...]
    gas: tuple[float, ...]


def run_keys(runs: int) -> KeyTimes:
    """Renewals, then successions, of one operator whose keeper asks an appraiser's server."""
    renewals: list[float] = []
    successions: list[float] = []
    gas: list[float] = []
    with tempfile.TemporaryDirectory(prefix="wattest-bench-") as name, ExitStack() as stack:
        rig = KeyRig(Path(name), stack, is_remote=True)
        rig.day_committed()
        for _ in range(runs):
            rig.community.anvil.advance_to(rig.registered_until() - 86_400)
            with rig.registrations(gas):
                renewals.append(rig.timed_key_change("renewed"))
        for _ in range(runs):
            rig.community.anvil.advance_to(rig.now + 60)
            rig.store.keys.order(rig.channel, Cause.PLANNED, rig.now)
            successions.append(rig.timed_key_change("active"))
    return KeyTimes(tuple(renewals), tuple(successions), tuple(gas))


@dataclass
class FleetTimes:
    """Of a step that commits a day of every channel: seconds by commit, and the blocks it waits for."""

    commit_s: list[float] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)


def run_fleet(channels: int, days: int) -> FleetTimes:
    """``days`` timed days of one operator's channels and as many on a slow chain, after a first that warms caches."""
    times = FleetTimes()
    with tempfile.TemporaryDirectory(prefix="wattest-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        community = build_community(folder)
        stack.callback(destroy, community)
        duties = [community.duty, *add_channels(community, channels - 1)]
        fleet = Fleet(community, duties, folder / "node", stack)
        for day in range(2 * days + 1):
            fleet.hand_in(day)
            fleet.end_day(day)
            if day > days:
                with fleet.slow_chain() as blocks:
                    report = fleet.operator.step()
                times.blocks.append(len(blocks))
            else:
                begun = time.perf_counter()
                report = fleet.operator.step()
                times.commit_s.append((time.perf_counter() - begun) / channels)
            report.raise_first()
            assert len(report.committed) == channels
    del times.commit_s[0]
    return times


def measure(scale: Scale) -> Report:
    """Communities of several sizes, one operator's keys, and one operator's channels."""
    keys = run_keys(scale.pick(7, 3, 1))
    figures: list[Figure] = [
        Figure("renewal of a registration, start to mined", "s", keys.renewal_s),
        Figure("a new enclave key, start to mined", "s", keys.succession_s),
        Figure("renewal of a registration", "gas", keys.gas, exact=True),
    ]
    for households in scale.pick([3, 20, 100], [20], [3]):
        times = run_community(households, scale.pick(5, 3, 1))
        name = f"{households} households"
        figures += [
            Figure(
                f"{name}: last reading to commitment", "s", tuple(times.commit_s),
                floor="sealing alone", floor_samples=tuple(times.sealing_s),
            ),
            Figure(f"{name}: of it sealing", "s", tuple(times.sealing_s)),
            Figure(
                f"{name}: handing in one block before", "ms",
                tuple(1_000 * taken / (households - 1) for taken in times.ingest_s),
            ),
            Figure(f"{name}: a watcher verifies all of the batch", "s", tuple(times.checking_s)),
            Figure(f"{name}: commit", "gas", tuple(map(float, times.gas)), at_most=75_000, exact=True),
        ]  # fmt: skip
    for channels in scale.pick([1, 8, 32], [1, 8], [2]):
        fleet = run_fleet(channels, scale.pick(5, 3, 1))
        name = "1 channel" if channels == 1 else f"{channels} channels"
        figures += [
            Figure(f"{name}: a day of each to commitment, by commit", "s", tuple(fleet.commit_s)),
            Figure(
                f"{name}: blocks that it waits for", "blocks", tuple(map(float, fleet.blocks)), at_most=1, exact=True
            ),
        ]  # fmt: skip
    return Report(TITLE, ABOUT, tuple(figures))


if __name__ == "__main__":
    run_alone(measure, __doc__)
