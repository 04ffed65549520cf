"""The pure twin of the contracts: referee, registry and payouts; bytes, state and time are passed in."""
