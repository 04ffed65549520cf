"""Who judges an enclave's evidence for a registry: the verdict, and the service that gives it."""
