"""The measured program: everything that runs inside an enclave, and nothing else."""
