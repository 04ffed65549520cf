"""DCAP wire formats: quotes and collateral; the only place that uses those words."""
