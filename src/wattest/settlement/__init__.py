"""Allocation, tariffs, bills and payouts: the pure twin of the settle guest. docs/spec/settlement.md

Import from the noun's own file: whoever checks one bill has no use for the twin of the whole guest.
"""
