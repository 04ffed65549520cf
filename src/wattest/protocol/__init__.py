"""The pure twin of the contracts: bytes, state and time are passed in."""
