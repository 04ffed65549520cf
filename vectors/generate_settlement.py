"""Write vectors/settlement/settlement.json: periods with their bills and payouts, and refusals.

Everything follows from fixed values; outputs are those of ``wattest.settlement``. ``check_settlement.py`` computes
allocation, lines, bills and payouts again with fractions and without wattest, and a test runs the attested guest.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from wattest.settlement.allocation import AllocationKey
from wattest.settlement.bill import parse_bill
from wattest.settlement.payout import PayoutTree
from wattest.settlement.settle_twin import settle_bytes
from wattest.settlement.tariff import Tariff
from wattest.workload.settle import (
    HouseholdInput,
    Payout,
    StatementInput,
    encode_statement_input,
    parse_statement_output,
)

OUT = Path(__file__).parent / "settlement" / "settlement.json"
TARIFF = Tariff(31_250_000, 8_900_000, 14_500_000, 4_200_000, 7_340_000, 24_000_000, currency_decimals=6)
PROGRESS = Tariff(10**12, 0, 10**12, 1, 10**12, 10**12, currency_decimals=18)


def content(label: str, length: int) -> bytes:
    """Reproducible bytes of a label."""
    return hashlib.shake_256(f"wattest vectors settlement {label}".encode()).digest(length)


def column(label: str, intervals: int, most: int) -> list[int]:
    """Reproducible energies, about a third of them zero."""
    values = [int.from_bytes(content(f"{label} {t}", 8), "big") for t in range(intervals)]
    return [0 if value % 3 == 0 else value % most for value in values]


def period(
    name: str, key: AllocationKey, tariff: Tariff, intervals: int = 8, most: int = 900_000, previous: int = 0
) -> StatementInput:
    """A period of the key's households; the second and third share an address, the fourth has none."""
    households = [
        HouseholdInput(
            content(f"{name} job {i}", 32), content(f"{name} blinding {i}", 16),
            column(f"{name} import {i}", intervals, most), column(f"{name} export {i}", intervals, 5 * most * (i % 3)),
        ) if i % 3 else HouseholdInput(
            content(f"{name} job {i}", 32), content(f"{name} blinding {i}", 16),
            column(f"{name} import {i}", intervals, most), [0] * intervals,
        )
        for i in range(len(key.keys))
    ]  # fmt: skip
    payees = [content("payee 1" if i == 2 else f"payee {i}", 20) if i != 3 else bytes(20) for i in range(len(key.keys))]
    old = sorted([content("payee 1", 20), content("payee gone", 20)])[:previous]
    return StatementInput(
        1_750_000_500, 1_750_000_500 + 900 * intervals, 900, tariff.to_bytes(), key.to_bytes(), payees, households,
        [Payout(address, 10**6 + at) for at, address in enumerate(old)],
    )  # fmt: skip


def main() -> None:
    """Write the vector file."""
    static = AllocationKey.static([400_000, 250_000, 150_000, 150_000, 50_000])
    periods = {
        "static": period("static", static, TARIFF),
        "dynamic": period("dynamic", AllocationKey.dynamic(5), TARIFF, previous=2),
        "priority": period("priority", AllocationKey.priority([2, 0, 1, 1, 0]), TARIFF, previous=1),
        "one household": period("one", AllocationKey.equal(1), TARIFF, intervals=1),
        "ties": period("ties", AllocationKey.equal(7), TARIFF, most=4),
        "highest prices": period("prices", AllocationKey.dynamic(4), PROGRESS, most=2**40, intervals=3),
    }
    settled = []
    for name, job in periods.items():
        data = encode_statement_input(job)
        output = settle_bytes(data)
        result = parse_statement_output(output)
        salts = [content(f"salt {at}", 16) for at in range(len(result.payouts))]
        tree = PayoutTree.build(result.payouts, salts) if result.payouts else None
        settled.append(
            {
                "name": name,
                "input": data.hex(),
                "output": output.hex(),
                "bill_digests": [parse_bill(bill).digest.hex() for bill in result.bills],
                "payout_salts": [salt.hex() for salt in salts],
                "payout_root": tree.root.hex() if tree else None,
                "payout_result_digest": tree.result_digest.hex() if tree else None,
            }
        )
    base, listed = encode_statement_input(periods["static"]), encode_statement_input(periods["dynamic"])
    changes = {
        "version": (base, 0, b"\2"),
        "interval": (base, 17, (899).to_bytes(4, "big")),
        "decimals": (base, 26, b"\1"),
        "price": (base, 27, (10**12 + 1).to_bytes(8, "big")),
        "kind": (base, 75, b"\0"),
        "weights": (base, 80, b"\0\0\0\1"),
        "previous payouts": (listed, 204, bytes(20)),
        "energy": (base, 204 + 48, (2**50).to_bytes(8, "big")),
    }
    refused = []
    for name, (whole, at, new) in changes.items():
        data = whole[:at] + new + whole[at + len(new) :]
        refused.append({"name": name, "input": data.hex(), "output": settle_bytes(data).hex()})
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"settled": settled, "refused": refused}, indent=1) + "\n")


if __name__ == "__main__":
    main()
