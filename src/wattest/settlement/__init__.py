"""Allocation, tariffs, bills and payouts: the pure twin of the settle guest. docs/spec/settlement.md"""

from wattest.settlement.allocation import (
    Allocation,
    AllocationInvalid,
    AllocationKey,
    AllocationKind,
    allocate,
    parse_allocation_key,
)
from wattest.settlement.bill import (
    Bill,
    BillInvalid,
    BillLine,
    BillMismatch,
    LineKind,
    parse_bill,
    verify_bill,
)
from wattest.settlement.payout import Payout, PayoutsInvalid, PayoutTree, merge_payouts, payout_result_digest
from wattest.settlement.settle_twin import community_rounding_cents, settle, settle_bytes
from wattest.settlement.tariff import Tariff, TariffInvalid, parse_tariff

__all__ = [
    "Allocation",
    "AllocationInvalid",
    "AllocationKey",
    "AllocationKind",
    "Bill",
    "BillInvalid",
    "BillLine",
    "BillMismatch",
    "LineKind",
    "Payout",
    "PayoutTree",
    "PayoutsInvalid",
    "Tariff",
    "TariffInvalid",
    "allocate",
    "community_rounding_cents",
    "merge_payouts",
    "parse_allocation_key",
    "parse_bill",
    "parse_tariff",
    "payout_result_digest",
    "settle",
    "settle_bytes",
    "verify_bill",
]
