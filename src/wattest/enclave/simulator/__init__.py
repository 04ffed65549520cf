"""A simulated SGX platform: PKI, quoting, sealing keys and measurement; passes the same appraisal as hardware."""
