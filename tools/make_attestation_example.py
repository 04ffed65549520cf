"""Write examples/attestation: a simulated enclave's quote, its collateral and a policy that accepts it.

The platform follows from a fixed seed and stands under the published development root, so that
``wattest attest verify --root simulator`` accepts it on any machine, at the fixed time below.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from wattest.enclave.simulator.pki import SimulatedPki
from wattest.enclave.simulator.platform import SimulatedPlatform

OUT = Path(__file__).resolve().parents[1] / "examples" / "attestation"
NOW = 1_790_000_000  # 2026-09-21T14:13:20Z


def files() -> dict[str, bytes]:
    """The files by name."""
    platform = SimulatedPlatform(
        SimulatedPki.create(hashlib.sha256(b"wattest example platform").digest(), NOW, published_root=True)
    )
    measurement = hashlib.sha256(b"wattest example enclave").digest()
    quote = platform.quote(
        measurement=measurement,
        signer=hashlib.sha256(b"wattest example signer").digest(),
        product=1,
        svn=1,
        report_data=hashlib.sha256(b"wattest example key").digest() + bytes(32),
    )
    policy = (
        "# Accepts one enclave, by measurement, on any platform whose TCB is up to date.\n"
        "version = 1\n\n"
        "[[enclave]]\n"
        'name = "example enclave"\n'
        f'mr_enclave = "{measurement.hex()}"\n'
    )
    return {
        "enclave.quote": quote,
        "collateral.json": platform.collateral(NOW).to_json(),
        "policy.toml": policy.encode(),
        "production.toml": policy.replace("version = 1\n", "version = 1\nproduction = true\n").encode(),
    }


def main() -> None:
    """Write them."""
    OUT.mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        (OUT / name).write_bytes(content)


if __name__ == "__main__":
    main()
