"""Trees and proofs over bytes; knows nothing of readings."""
