"""The appraisal policy that accepts one measurement alone, for development.

Decided here: its text. Not decided here: what a policy means (docs/spec/appraisal-policy.md).
"""

from __future__ import annotations

from pathlib import Path

from wattest.errors import ConfigError
from wattest.io.files import write_atomically


class PolicyExists(ConfigError):
    """A file is where a policy is to be written, and is another one."""


def measurement_policy(measurement: bytes) -> bytes:
    """A development appraisal policy that names one measurement and nothing else, TOML."""
    return (
        "# Development policy: exactly this program, on a platform that is up to date.\n"
        'version = 1\n\n[[enclave]]\nname = "wattest"\n'
        f'mr_enclave = "{measurement.hex()}"\n'
    ).encode()


def write_measurement_policy(file: Path, measurement: bytes) -> None:
    """Write the policy, unless another one stands there. Raises: PolicyExists."""
    policy = measurement_policy(measurement)
    if file.exists() and file.read_bytes() != policy:
        raise PolicyExists(
            "another policy stands there", path=file, hint="name another file, or edit that one: it is TOML"
        )
    write_atomically(file, policy)
