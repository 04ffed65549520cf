"""Units as the formats count them: integers only, the unit spelled out in the name.

Energy is an unsigned 64-bit count of milliwatt-hours; time is unix seconds, UTC, intervals half-open; money is an
integer of the smallest unit (cents on a bill, the token's own smallest unit on chain).
"""

from __future__ import annotations

MILLIWATT_HOURS_PER_WATT_HOUR = 1_000
MILLIWATT_HOURS_PER_KILOWATT_HOUR = 1_000_000

SECONDS_PER_HOUR = 3_600
SECONDS_PER_DAY = 86_400
QUARTER_HOUR_S = 900
INTERVALS_PER_DAY = SECONDS_PER_DAY // QUARTER_HOUR_S  # 96

U16_MAX = 2**16 - 1
U32_MAX = 2**32 - 1
U64_MAX = 2**64 - 1
U128_MAX = 2**128 - 1
U256_MAX = 2**256 - 1
