"""Collateral supply: fetched from a service or a chain, checked, kept, and looked after before it ends."""
