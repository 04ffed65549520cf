"""Enclaves seen from their host, the simulator, and the measured program in ``measured``."""
