"""Gas: every transaction of a batch's life on the embedded chain, where a commit's gas goes, and its worst case.

python bench/gas.py [--scale full|quick|tiny] [--json FILE]
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import replace
from itertools import count as counting
from pathlib import Path

from gas_breakdown import NONZERO_BYTE_GAS, ZERO_BYTE_GAS, calldata_gas, commit_breakdown, floor_gas
from gas_life import disputes, payouts
from gas_world import GasWorld, Operator, octets
from measure import Figure, Report, Scale, Table, run_alone

from wattest.apps.embedded import CHALLENGE_TERMS, PARAMETERS
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.header import BatchHeader, sign_header

TITLE = "Gas"
ABOUT = (
    "Receipts of the embedded chain (anvil, Osaka rules), through the same client as the node's. The parts of a "
    "commit come from the transaction's own trace and its calldata, and sum up to the receipt. Samples differ by the "
    "zero bytes that happen to be in hashes: a zero byte of calldata costs 4 gas, another 16. Where least and most of"
    " a row lie far apart, the most writes a storage slot for the first time: an operator's first open challenge, an "
    "account's first reward, the first burn."
)
COMMIT_TARGET_GAS = 75_000
READINGS = 96
SAVED_BY_A_ZERO_BYTE = NONZERO_BYTE_GAS - ZERO_BYTE_GAS
LARGEST_BATCH = 0xFFFFF
ODD_EPOCH_S = 3_601


def commits(world: GasWorld, sizes: list[int], days: int) -> tuple[list[Figure], list[Table], list[Operator]]:
    """Commits of batches of several sizes, day after day."""
    operators = [world.operator(f"commit {size}", world.channel(f"commit {size}", size), size) for size in sizes]
    receipts = world.commit_days(operators, days)
    rows = [
        (size, size * READINGS, *(statistic([r.gas_used for r in receipts[size][1:]]) for statistic in (min, max)))
        for size in sizes
    ]
    steady = [receipt.gas_used for found in receipts.values() for receipt in found[1:]]
    figures = [
        Figure("commit, first of an operator", "gas", tuple(float(found[0].gas_used) for found in receipts.values()),
               at_most=COMMIT_TARGET_GAS, exact=True),
        Figure("commit, steady", "gas", tuple(map(float, steady)), at_most=COMMIT_TARGET_GAS, exact=True),
    ]  # fmt: skip
    sample = receipts[sizes[-1]][-1]
    data = world.calldata(sample)
    parts = commit_breakdown(world.trace(sample), data, sample.gas_used)
    tables = [
        Table(
            "A commit's gas does not depend on the number of readings",
            ("entries", "readings", "gas, least", "gas, most"),
            tuple(rows),
            "What is left of a difference is zero bytes in calldata.",
        ),
        Table(
            "Where the gas of one steady commit goes",
            ("part", "gas", "share"),
            (
                *((name, gas, f"{gas / sample.gas_used:.1%}") for name, gas in sorted(parts.items(), key=_largest)),
                ("together", sample.gas_used, "100%"),
            ),
            f"Calldata: {len(data)} bytes, {data.count(0)} of them zero. The floor of EIP-7623 for it is "
            f"{floor_gas(data):,} gas and does not bind.",
        ),
    ]
    return figures, tables, operators


def _largest(part: tuple[str, int]) -> int:
    return -part[1]


def worst_commit(world: GasWorld) -> tuple[list[Figure], list[Table]]:
    """A commit whose calldata has a zero byte only where a field's width makes it so."""
    salt = next(salt for number in counting() if 0 not in _channel(world, salt := octets("worst", number)).id)
    channel, referee = _channel(world, salt), world.contracts.referee
    parameters = replace(PARAMETERS, epoch_s=ODD_EPOCH_S, commit_deadline_s=ODD_EPOCH_S // 2)
    referee.create_standard_channel(world.manager, channel.kind, salt, parameters, CHALLENGE_TERMS)
    first = _full_period(world.client.now() + ODD_EPOCH_S)
    referee.set_roster_count(world.manager, channel.id, LARGEST_BATCH, first)
    named = next(name for number in counting() if 0 not in world.account(name := f"worst {number}").address)
    operator = world.operator(named, channel, LARGEST_BATCH, workload=_full(octets("workload"), "workload"))
    world.anvil.advance_to(_full_time(first + ODD_EPOCH_S))
    before = _sealed_full(world, operator, (first, first + ODD_EPOCH_S))
    world.commit(operator, before)
    waiting = first + 1_000 * ODD_EPOCH_S  # one gas more: the rule that holds is no longer the newest
    referee.set_roster_count(world.manager, channel.id, 1, waiting)
    period = first + ODD_EPOCH_S, first + 2 * ODD_EPOCH_S
    while 0 in period[0].to_bytes(4, "big") + period[1].to_bytes(4, "big"):
        period = period[1], period[1] + ODD_EPOCH_S
    world.anvil.advance_to(_full_time(period[1]))
    receipt = world.commit(operator, _sealed_full(world, operator, period))
    data = world.calldata(receipt)
    commit_breakdown(world.trace(receipt), data, receipt.gas_used)
    steps = (
        ("measured, with a sequence of one byte", 0),
        ("a sequence of two bytes: from the 256th batch on", 1),
        ("a sequence of three bytes: from the 65,536th batch on", 1),
        ("a sequence of four bytes: from the 16,777,216th batch on", 1),
        ("a parameters version of two bytes: after 256 changes", 1),
        ("`inputs` set in a scheduled channel, which no enclave does", 32),
    )
    gas, rows = receipt.gas_used, []
    for name, more in steps:
        gas += SAVED_BY_A_ZERO_BYTE * more
        rows.append((name, f"+{SAVED_BY_A_ZERO_BYTE * more}" if more else "", gas))
    note = (
        f"The first line is a receipt (calldata {calldata_gas(data):,} gas); the others follow from it, since a byte "
        f"that is no longer zero costs {SAVED_BY_A_ZERO_BYTE} gas more and changes nothing else."
    )
    *_, (_, _, dearest), _ = rows
    figures = [
        Figure(name, "gas", (float(value),), at_most=COMMIT_TARGET_GAS, exact=True)
        for name, value in (
            ("commit, no zero byte in any hash, address or time, 1,048,575 entries: a receipt", receipt.gas_used),
            ("commit, the dearest an enclave can make, by arithmetic (table below)", dearest),
        )
    ]
    return figures, [Table("The worst that a commit can cost", ("calldata", "more", "gas"), tuple(rows), note)]


def _channel(world: GasWorld, salt: bytes) -> ChannelIdentity:
    return ChannelIdentity(world.manager.address, ChannelKind.SCHEDULED, salt)


def _full(value: bytes, label: str) -> bytes:
    """The value without zero bytes."""
    return next(found for number in counting() if 0 not in (found := octets(value, label, number)))


def _full_time(timestamp: int) -> int:
    """The first time from ``timestamp`` on whose four bytes are not zero."""
    while 0 in timestamp.to_bytes(4, "big"):
        timestamp += 1
    return timestamp


def _full_period(after: int) -> int:
    """A period's start, multiple of the odd epoch, such that it, its end and the next end have no zero byte."""
    start = after // ODD_EPOCH_S * ODD_EPOCH_S + ODD_EPOCH_S
    while any(0 in (start + k * ODD_EPOCH_S).to_bytes(4, "big") for k in range(3)):
        start += ODD_EPOCH_S
    return start


def _sealed_full(world: GasWorld, operator: Operator, period: tuple[int, int]) -> BatchHeader:
    """The next header, such that neither its words, nor its digest, nor its signature hold a zero byte."""
    for number in counting():
        words = {name: _full(octets(number), name) for name in ("roster", "state", "content_id")}
        header = world.header(operator, period, _full(octets(number), "root"), **words)
        signature = sign_header(operator.enclave, header, world.domain)
        if 0 not in header.digest(world.domain) + signature:
            return header
    raise AssertionError("unreachable: counting() does not end")


def measure(scale: Scale) -> Report:
    """Commits, disputes and payouts on one chain."""
    with tempfile.TemporaryDirectory(prefix="wattest-bench-") as folder, ExitStack() as stack:
        world = GasWorld(Path(folder) / "gas", stack)
        sizes = scale.pick([1, 20, 1_000, 65_535, LARGEST_BATCH], [1, 20, 1_000], [20])
        figures, tables, operators = commits(world, sizes, scale.pick(7, 4, 2))
        worst, bound = worst_commit(world)
        for size in scale.pick([20, 1_000, 1 << 20], [20, 1_000], [20]):
            disputes(world, size)
        payouts(world, operators[min(1, len(operators) - 1)], 20)
        figures += worst
        figures += [Figure(name, "gas", tuple(map(float, gas)), exact=True) for name, gas in world.gas.items()]
        deployed = tuple((name, gas) for name, gas in world.deployment_gas.items())
        tables += [*bound, Table("Deployment", ("contract", "gas"), deployed)]
        return Report(TITLE, ABOUT, tuple(figures), tuple(tables))


if __name__ == "__main__":
    run_alone(measure, __doc__)
