"""Gas of every call on two nodes: anvil with today's prices, geth's development chain with those that are to come.

WATTEST_TEST_GETH=PATH python bench/gas_geth.py [--scale full|quick|tiny] [--json FILE]

The same transactions on both nodes, real ones, in an open channel with windows of seconds; then, on geth, commits of a
scheduled channel at chosen sequences, simulated on its state (eth_simulateV1) with the operator's head and history
replaced. docs/howto/run-the-benchmarks.md says how geth is built.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from gas_geth_world import Operator, World, octets
from gas_node import Called, GasNode, hexed
from measure import Figure, Report, Scale, Table, run_alone

from wattest.messages.channel import ChannelKind
from wattest.messages.header import sign_header
from wattest.twin.history_proof import history_word
from wattest.twin.signature_words import signature_words
from wattest.units import SECONDS_PER_DAY

TITLE = "Gas on two nodes"
ABOUT = (
    "Receipts of anvil (Osaka) and of geth's development chain, which has the state prices that are to come: a new "
    "slot costs some 110,000 there, one written again 12,200. The commits at chosen sequences are simulated on geth's "
    "state by the node itself, and so are activation and claim on both nodes, which must wait an hour."
)
TODAY_TARGET_GAS, COMING_TARGET_GAS = 62_000, 75_000
RING = 8
STEADY_FROM = 10
"""The first commit that writes no new slot is the ninth; one more for the first peaks."""
MINUTE_S = 60


def life(world: World, commits: int) -> dict[str, int]:
    """Every call of a batch's life once, by name, in the order in which it is due."""
    gas: dict[str, int] = {f"deploy {name}": used for name, used in world.deployment_gas.items()}

    def note(name: str, called: Called) -> Called:
        gas[name] = called.gas
        return called

    channel = world.channel("life", ChannelKind.OPEN, note=note)
    operator = world.operator("operator", channel, note=note)
    for number in range(1, commits + 1):
        called = world.commit(operator)
        name = {1: "commit, first of an operator", 2: "commit, second to eighth"}.get(number)
        if number == commits:
            name = f"commit, steady, sequence {commits}"
        if name:
            note(name, called)
    note("challenge, an operator's first", world.challenge(operator, 0))
    note("answer, an answerer's first", world.answer(operator, 0))
    world.challenge(operator, 1)
    note("answer", world.answer(operator, 1))
    note("challenge, of a batch challenged before", world.challenge(operator, 2))
    note("expire and slash", world.expire(operator, 2))
    note("withdraw what is owed", world.challenges.send(world.catcher, "withdrawOwed", world.catcher.address))
    note("withdraw what is burned", world.referee.send(world.catcher, "withdrawBurned"))
    world.wait_for_finality(operator)
    note("release, one batch", world.release(operator, 1, 1))
    note(f"release, {commits - 1} batches", world.release(operator, 2, commits - 1))
    note("prove equivocation, of a final batch: a fine", world.equivocate(operator, 1))
    forger = world.operator("forger", channel)
    world.commit(forger, forged=True)
    note("prove invalid evidence", world.prove_invalid_evidence(forger))
    for name, called in world.payout(channel):
        note(name, called)
    return gas


def steady(world: World, sequences: list[int]) -> list[tuple[int, int, int, int]]:
    """Commits of a scheduled channel by sequence: sequence, peaks brought, bytes of input, gas."""
    channel = world.channel("scheduled", ChannelKind.SCHEDULED)
    operator = world.operator("scheduled", channel)
    simulated = Simulated(world, operator)
    rows = []
    for sequence in sequences:
        peaks, data, gas = simulated.commit(sequence)
        rows.append((sequence, peaks, data, gas))
    return rows


class Simulated:
    """A commit of a scheduled channel on the node's state with the operator's book replaced."""

    def __init__(self, world: World, operator: Operator) -> None:
        self.world, self.operator = world, operator
        self.period_start = int(world.node.block()["timestamp"], 16) // SECONDS_PER_DAY * SECONDS_PER_DAY
        self.period_start += SECONDS_PER_DAY
        self.time = self.period_start + SECONDS_PER_DAY + MINUTE_S
        self.place = self._place_of_the_book()

    def commit(self, sequence: int) -> tuple[int, int, int]:
        """Number of peaks, bytes of input, gas of the commit with this sequence."""
        draw = random.Random(sequence)
        previous = draw.randbytes(32)
        count = (sequence - 1).bit_count()
        peaks = tuple(draw.randbytes(32) for _ in range(count))
        overrides = {self._slot(0): self._head(sequence - 1)}
        for place in range(RING):
            overrides[self._slot(1 + place)] = draw.randbytes(32)
        if sequence > 1:
            overrides[self._slot(1 + (sequence - 1) % RING)] = history_word(sequence - 1, previous, peaks)
        data = self._input(sequence, previous if sequence > 1 else bytes(32), peaks)
        state = {"stateDiff": {slot: hexed(value) for slot, value in overrides.items()}}
        (called,) = self.world.simulate(self.time, [self._call(data)], {hexed(self.world.referee.address): state})
        return count, len(data), called.gas

    def _input(self, sequence: int, previous: bytes, peaks: tuple[bytes, ...]) -> bytes:
        header = self.world.header(self.operator, octets("root", sequence))
        header = replace(
            header, sequence=sequence, previous=previous, period_start=self.period_start,
            period_end=self.period_start + SECONDS_PER_DAY, roster=octets("roster"), state=octets("state"),
        )  # fmt: skip
        r, vs = signature_words(sign_header(self.operator.enclave, header, self.world.domain))
        return self.world.referee.abi.encode_call("commit", header, r, vs, peaks)

    def _head(self, sequence: int) -> bytes:
        """OperatorHeads: active, a few batches open, the deposit above what they bind."""
        if not sequence:
            return (1 | 100 * 10**9 << 200).to_bytes(32, "big")
        open_batches = min(7, sequence)
        exposure = open_batches * 1_250_000_000
        before = self.period_start - SECONDS_PER_DAY
        word = 2 | open_batches << 4 | sequence << 20 | before << 52 | exposure << 144 | 100 * 10**9 << 200
        return word.to_bytes(32, "big")

    def _slot(self, offset: int) -> str:
        return "0x" + (self.place + offset).to_bytes(32, "big").hex()

    def _place_of_the_book(self) -> int:
        """The first slot of the operator's book: the lowest that a first commit writes."""
        call = self._call(self._input(1, bytes(32), ()))
        tracer = {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}}
        options = {**tracer, "blockOverrides": {"time": hex(self.time)}}
        trace = self.world.node.rpc.request("debug_traceCall", call, "latest", options)
        written = trace["post"][hexed(self.world.referee.address)]["storage"]
        return min(int(slot, 16) for slot in written)

    def _call(self, data: bytes) -> dict[str, str]:
        return self.world.call(self.operator.signer, self.world.referee, data)


def measure(scale: Scale) -> Report:
    """Both nodes, one after the other."""
    commits = scale.pick(20, 12, 10)
    sequences = scale.pick(
        [2, 9, 10, 32, 64, 128, 256, 366, 512, 731, 1_000, 1_024, 2_000, 2_047, 2_048, 4_096], [10, 366, 1_024], [10]
    )
    found: dict[str, dict[str, int]] = {}
    rows: list[tuple[int, int, int, int]] = []
    makers: dict[str, Callable[[ExitStack], GasNode]] = {"anvil": GasNode.anvil, "geth": GasNode.geth}
    for name, start in makers.items():
        with ExitStack() as stack:
            world = World(start(stack))
            found[name] = life(world, commits)
            if name == "geth":
                rows = steady(world, sequences)
    table = tuple((name, today, found["geth"][name]) for name, today in found["anvil"].items())
    steady_name = f"commit, steady, sequence {commits}"
    coming = [float(gas) for sequence, _, _, gas in rows if sequence >= STEADY_FROM]
    figures = (
        Figure("steady commit on anvil, open channel", "gas", (float(found["anvil"][steady_name]),),
               at_most=TODAY_TARGET_GAS, exact=True),
        Figure("steady commits on geth, scheduled channel, at the sequences below", "gas", tuple(coming),
               at_most=COMING_TARGET_GAS, exact=True),
    )  # fmt: skip
    tables = (
        Table("Every call", ("call", "anvil", "geth"), table),
        Table("Steady commits on geth by sequence", ("sequence", "peaks", "input, bytes", "gas"), tuple(rows),
              "A commit costs at least 15,000 and 64 for each byte of its input there, whatever it runs."),
    )  # fmt: skip
    return Report(TITLE, ABOUT, figures, tables)


if __name__ == "__main__":
    run_alone(measure, __doc__)
