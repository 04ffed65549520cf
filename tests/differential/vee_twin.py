"""The rules of docs/spec/vee.md once more, written from the page for tests alone: slow and plain."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from fractions import Fraction

HEADER = struct.Struct(">BBQQIQQQQQI")
RECORD = struct.Struct(">B16sQIQQQQH")
ESTIMATED, ROLLOVER, IMPLAUSIBLE, MISMATCH = 0x0100, 0x0200, 0x0400, 0x0800
MOST = 100_000
NOWHERE = 2**32 - 1


class RefusedError(Exception):
    """code, index"""


@dataclass(frozen=True)
class Rec:
    version: int
    pseudonym: bytes
    start: int
    duration: int
    registers: tuple[int, int]
    energies: tuple[int, int]
    quality: int

    @property
    def end(self) -> int:
        return self.start + self.duration

    def pack(self) -> bytes:
        return RECORD.pack(
            self.version, self.pseudonym, self.start, self.duration, *self.registers, *self.energies, self.quality
        )


def unpack(data: bytes) -> Rec:
    version, pseudonym, start, duration, ir, er, i, e, quality = RECORD.unpack(data)
    return Rec(version, pseudonym, start, duration, (ir, er), (i, e), quality)


def vee(data: bytes) -> bytes:
    try:
        return b"\0" + (_many(data[1:]) if data[:1] == b"\2" else _packed(_vee(data)))
    except RefusedError as refusal:
        return struct.pack(">BBI", 1, *refusal.args)


def _packed(records: list[Rec]) -> bytes:
    return len(records).to_bytes(4, "big") + b"".join(record.pack() for record in records)


def _many(data: bytes) -> bytes:
    if len(data) < 4 or not 1 <= (jobs := int.from_bytes(data[:4], "big")) <= MOST:
        raise RefusedError(1, NOWHERE)
    output, data, total = data[:4], data[4:], 0
    for job in range(jobs):
        length = int.from_bytes(data[:4], "big")
        if len(data) < 4 + length:
            raise RefusedError(1, NOWHERE)
        try:
            records = _vee(data[4 : 4 + length], MOST - total)
        except RefusedError as refusal:
            raise RefusedError(refusal.args[0], job) from None
        total += len(records)
        output += _packed(records)
        data = data[4 + length :]
    if data:
        raise RefusedError(1, NOWHERE)
    return output


def _vee(data: bytes, room: int = MOST) -> list[Rec]:
    if len(data) < HEADER.size:
        raise RefusedError(1, NOWHERE)
    version, flags, start, end, interval, modulus, most, prev_end, prev_i, prev_e, count = HEADER.unpack_from(data)
    modulus = modulus or 2**64
    previous = (prev_end, (prev_i, prev_e)) if flags == 1 else None
    if (
        version != 1
        or flags not in (0, 1)
        or not start < end < 2**48
        or not 1 <= count <= MOST
        or (flags == 0 and (prev_end or prev_i or prev_e))
        or (previous and (prev_end > start or prev_i >= modulus or prev_e >= modulus))
        or len(data) != HEADER.size + count * RECORD.size
    ):
        raise RefusedError(1, NOWHERE)
    inputs = [unpack(data[at : at + RECORD.size]) for at in range(HEADER.size, len(data), RECORD.size)]

    def implausible(energy: int, seconds: int) -> bool:
        if not most:
            return False
        return energy > most if not interval else Fraction(energy, seconds) > Fraction(most, interval)

    out: list[Rec] = []

    def put(record: Rec, index: int) -> None:
        if len(out) == room:
            raise RefusedError(11, index)
        out.append(record)
        if any(sum(r.energies[side] for r in out[-1:]) + totals[side] >= 2**64 for side in (0, 1)):
            raise RefusedError(10, index)
        for side in (0, 1):
            totals[side] += record.energies[side]

    totals = [0, 0]

    def fill(a: int, b: int, registers: tuple[int, int], gap: tuple[int, int], extra: int, index: int) -> None:
        if not interval or a >= b:
            return

        def line(side: int, t: int) -> int:
            return gap[side] * (t - a) // (b - a)

        at = max(a, start)
        while at < b:
            following = start + ((at - start) // interval + 1) * interval
            until = min(following, b)
            put(
                Rec(
                    1, inputs[0].pseudonym, at, until - at,
                    tuple((registers[s] + line(s, until)) % modulus for s in (0, 1)),  # type: ignore[arg-type]
                    tuple(line(s, until) - line(s, at) for s in (0, 1)),  # type: ignore[arg-type]
                    ESTIMATED | extra,
                ),
                index,
            )  # fmt: skip
            at = until

    entry = previous[1] if previous else None
    standing = previous
    earliest = start
    for index, record in enumerate(inputs):
        if record.version != 1:
            raise RefusedError(2, index)
        if record.pseudonym != inputs[0].pseudonym:
            raise RefusedError(3, index)
        if record.quality >> 8:
            raise RefusedError(4, index)
        if record.duration == 0:
            raise RefusedError(5, index)
        if record.start < start or record.end > end:
            raise RefusedError(6, index)
        if record.start < earliest:
            raise RefusedError(7, index)
        if any(value >= modulus for value in record.registers + record.energies):
            raise RefusedError(8, index)
        flag = 0
        if standing:
            before_end, before = standing
            gap = [0, 0]
            contiguous = before_end == record.start
            for side in (0, 1):
                step = record.registers[side] - before[side]
                if step < 0:
                    step += modulus
                    explained = (contiguous and step == record.energies[side]) or (
                        most > 0 and not implausible(step, record.end - before_end)
                    )
                    if not explained:
                        raise RefusedError(9, index)
                if contiguous:
                    flag |= MISMATCH if step != record.energies[side] else 0
                elif step < record.energies[side]:
                    flag |= MISMATCH
                else:
                    gap[side] = step - record.energies[side]
            if index == 0 and interval and before_end < record.start:
                # the predecessor of the first output record stands on the gap's line at the period's start
                covered, whole = max(before_end, start) - before_end, record.start - before_end
                entry = tuple(  # type: ignore[assignment]
                    (before[side] + gap[side] * covered // whole) % modulus for side in (0, 1)
                )
            fill(before_end, record.start, before, (gap[0], gap[1]), flag, index)
        else:
            at_start = []
            for side in (0, 1):
                register = record.registers[side] - record.energies[side]
                flag |= MISMATCH if register < 0 else 0
                at_start.append(register if register >= 0 else record.registers[side])
            fill(start, record.start, (at_start[0], at_start[1]), (0, 0), 0, index)
        put(replace(record, quality=record.quality | flag), index)
        earliest = record.end
        standing = (record.end, record.registers)
    assert standing
    fill(standing[0], end, standing[1], (0, 0), 0, NOWHERE)

    edited = []
    for record in out:
        quality = record.quality
        for side in (0, 1):
            if entry is not None and record.registers[side] < entry[side]:
                quality |= ROLLOVER
            if implausible(record.energies[side], record.duration):
                quality |= IMPLAUSIBLE
        entry = record.registers
        edited.append(replace(record, quality=quality))
    return edited
