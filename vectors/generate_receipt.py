"""Write vectors/receipt/: two households' receipts of one settled period, and the address book they name.

Made by the real enclave program on a simulated platform (tests/support/receipt_world.py). The enclave draws its keys,
so each run makes other files: regenerate only when the format changes. Old files must verify for ever, which is why
they are kept. `check_receipt.py` recomputes them with other libraries and without wattest.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))

from receipt_world import World  # noqa: E402

OWED, OWING = 1, 2


def main() -> None:
    """One household that is owed money, one that owes some and has a day without data."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), days=3)
        world.seal()
        deployment = world.deployment()
        parts = world.registrations(deployment.registry_domain)
        target = HERE / "receipt"
        target.mkdir(exist_ok=True)
        (target / "deployment.json").write_bytes(deployment.to_bytes())
        (target / "owed.json").write_bytes(world.receipt(OWED, parts).to_bytes())
        (target / "owing.json").write_bytes(world.receipt(OWING, parts).to_bytes())


if __name__ == "__main__":
    main()
