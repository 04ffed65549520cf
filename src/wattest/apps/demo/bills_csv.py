"""The bills of a run as a table for programs: energies in kilowatt-hours with six decimals, money in cents, exact."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from wattest.apps.demo.report_words import exact_kilowatt_hours
from wattest.apps.demo.result import HouseholdBill


def bills_csv(bills: Sequence[HouseholdBill]) -> str:
    """One line a household, in their order."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["household", "imported_kwh", "exported_kwh", "shared_kwh", "total_cents", "paid_out_token_units"])
    for bill in bills:
        writer.writerow(
            [
                bill.household,
                exact_kilowatt_hours(bill.bill.total_import),
                exact_kilowatt_hours(bill.bill.total_export),
                exact_kilowatt_hours(bill.bill.total_shared),
                bill.total_cents,
                bill.paid_out_token,
            ]
        )
    return out.getvalue()
