"""Check vectors/settlement without wattest: docs/spec/settlement.md once more, with fractions and slices.

Exits with an assertion error at the first value that this reading does not confirm.
"""

from __future__ import annotations

import hashlib
import json
import math
from fractions import Fraction
from pathlib import Path

HERE = Path(__file__).parent
ENERGY_UNIT, DAY_UNIT = 10**12, 86_400 * 10**6


def number(data: bytes) -> int:
    """A big-endian unsigned integer."""
    return int.from_bytes(data, "big")


def numbers(data: bytes, size: int) -> list[int]:
    """A column of them."""
    return [number(data[at : at + size]) for at in range(0, len(data), size)]


def split(amount: int, weights: list[int]) -> list[int]:
    """Largest remainder, one unit at a time."""
    if not sum(weights):
        return [0] * len(weights)
    exact = [Fraction(amount) * weight / sum(weights) for weight in weights]
    parts = [math.floor(part) for part in exact]
    while sum(parts) < amount:
        parts[max(range(len(parts)), key=lambda i: (exact[i] - parts[i], -i))] += 1
    return parts


def allocate(kind: int, keys: list[int], uses: list[int], exports: list[int]) -> tuple[list[int], list[int]]:
    """One interval: allocated, credited."""
    surplus = sum(exports)
    if kind == 1:
        shared = [min(part, use) for part, use in zip(split(surplus, keys), uses, strict=True)]
    elif kind == 2:
        shared = split(min(surplus, sum(uses)), uses)
    else:
        shared, left = [0] * len(uses), surplus
        for _, i in sorted((key, i) for i, key in enumerate(keys)):
            shared[i] = min(uses[i], left)
            left -= shared[i]
    return shared, split(sum(shared), exports)


def cents(quantity: int, price: int, unit: int) -> int:
    """Half a cent rounds up."""
    return math.floor(Fraction(quantity * price, unit) + Fraction(1, 2))


def settle(data: bytes) -> tuple[bytes, list[bytes], list[tuple[bytes, int]]]:
    """The output that the page asks for, the bills, the payout list."""
    start, end, interval, households = number(data[1:9]), number(data[9:17]), number(data[17:21]), number(data[21:25])
    n = (end - start) // interval
    tariff, at = data[25:75], 75
    key = data[at : at + 5 + 4 * households]
    kind, keys = key[0], numbers(key[5:], 4)
    at += len(key)
    payees = [data[at + 20 * i : at + 20 * i + 20] for i in range(households)]
    at += 20 * households
    old_count, at = number(data[at : at + 4]), at + 4
    sums = {
        data[at + 52 * i : at + 52 * i + 20]: number(data[at + 52 * i + 20 : at + 52 * i + 52])
        for i in range(old_count)
    }
    at += 52 * old_count
    size = 48 + 16 * n
    parts = [data[at + size * i : at + size * (i + 1)] for i in range(households)]
    assert at + size * households == len(data)
    uses = [numbers(part[48 : 48 + 8 * n], 8) for part in parts]
    exports = [numbers(part[48 + 8 * n :], 8) for part in parts]
    allocated = [allocate(kind, keys, [u[t] for u in uses], [e[t] for e in exports]) for t in range(n)]
    energy, grid, community, community_grid, feed_in, fixed = numbers(tariff[2:], 8)
    tariff_hash = hashlib.sha256(b"wattest/tariff/1" + tariff).digest()
    key_hash = hashlib.sha256(b"wattest/allocation/1" + key).digest()
    bills, rounding = [], 0
    for i, part in enumerate(parts):
        shared, credited = [a[0][i] for a in allocated], [a[1][i] for a in allocated]
        used, given, s, c = sum(uses[i]), sum(exports[i]), sum(shared), sum(credited)
        lines = [
            (used - s, energy, cents(used - s, energy, ENERGY_UNIT)),
            (used - s, grid, cents(used - s, grid, ENERGY_UNIT)),
            (s, community, cents(s, community, ENERGY_UNIT)),
            (s, community_grid, cents(s, community_grid, ENERGY_UNIT)),
            (c, community, -cents(c, community, ENERGY_UNIT)),
            (given - c, feed_in, -cents(given - c, feed_in, ENERGY_UNIT)),
            (end - start, fixed, cents(end - start, fixed, DAY_UNIT)),
        ]
        total = sum(line[2] for line in lines)
        rounding += lines[2][2] + lines[4][2]
        bill = b"\1" + part[:48] + data[1:21] + n.to_bytes(4, "big") + tariff_hash + key_hash
        bill += b"".join(value.to_bytes(8, "big") for value in (used, given, s, c)) + b"\7"
        for position, (quantity, price, amount) in enumerate(lines, 1):
            bill += bytes([position]) + quantity.to_bytes(8, "big") + price.to_bytes(8, "big")
            bill += amount.to_bytes(8, "big", signed=True)
        bill += total.to_bytes(8, "big", signed=True) + b"".join(v.to_bytes(8, "big") for v in shared + credited)
        bills.append(bill)
        if total < 0 and any(payees[i]):
            sums[payees[i]] = sums.get(payees[i], 0) - total * 10 ** (tariff[1] - 2)
    payouts = sorted(sums.items())
    output = b"\0" + households.to_bytes(4, "big") + len(bills[0]).to_bytes(4, "big") + b"".join(bills)
    output += len(payouts).to_bytes(4, "big") + b"".join(a + v.to_bytes(32, "big") for a, v in payouts)
    output += b"".join(
        sum(map(sum, columns)).to_bytes(8, "big") for columns in (uses, exports, [a[0] for a in allocated])
    )
    output += rounding.to_bytes(8, "big", signed=True)
    return output, bills, payouts


def main() -> None:
    """Recompute every settled period; a refusal is six bytes."""
    vectors = json.loads((HERE / "settlement" / "settlement.json").read_text())
    for vector in vectors["settled"]:
        output, bills, payouts = settle(bytes.fromhex(vector["input"]))
        assert output.hex() == vector["output"], vector["name"]
        assert [hashlib.sha256(bill).hexdigest() for bill in bills] == vector["bill_digests"]
        assert len(payouts) == len(vector["payout_salts"])
        assert bool(payouts) == bool(vector["payout_root"])
    for vector in vectors["refused"]:
        assert len(bytes.fromhex(vector["output"])) == 6
        assert vector["output"].startswith("01")


if __name__ == "__main__":
    main()
