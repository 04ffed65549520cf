"""Allocation, tariffs, bills and payouts: the pure twin of the settle guest."""
