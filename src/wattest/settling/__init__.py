"""Settling a channel's months: what is cited, the statement, its payouts on chain, claims and receipts."""
