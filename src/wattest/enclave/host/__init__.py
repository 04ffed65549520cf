"""The host side of an enclave: process, client, device back ends."""
