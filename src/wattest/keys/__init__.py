"""The life of an operator's enclave keys: made, registered, renewed, handed over, kept on standby, revoked."""
