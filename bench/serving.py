"""Serving one household: its entry's proof and its block, out of batches of growing size.

python bench/serving.py [--scale full|quick|tiny] [--json FILE]
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from measure import Figure, Report, Scale, cpu_seconds, run_alone, scaled

from wattest.merkle import MerkleTree
from wattest.messages.header import BatchHeader
from wattest.store.batch_state import StoredBatch
from wattest.store.batch_tree import BatchTrees
from wattest.store.bundle_group import FolderGroup
from wattest.store.bundle_store import BundleFolder
from wattest.store.operator_store import SqliteOperatorStore

TITLE = "Serving one entry"
ABOUT = (
    "What an operator does when a household asks for its entry's proof and for its encrypted block: processor time of "
    "one request, drawn at random out of a stored batch, without HTTP. The first proof of a batch builds its tree and "
    "the first block of a bundle finds where all of them lie; both are measured apart."
)
CHANNEL, ZERO = b"\xc1" * 32, bytes(32)
BLOCK_BYTES = 9_400
ASKED = 200


def stored(folder: Path, count: int) -> tuple[SqliteOperatorStore, BundleFolder, StoredBatch]:
    """A sealed and stored batch of ``count`` entries with blocks as long as a day's."""
    draw = random.Random(count)
    payloads = [draw.randbytes(118) for _ in range(count)]
    salts = [draw.randbytes(16) for _ in range(count)]
    root = MerkleTree.build(b"".join(payloads), 118, b"".join(salts)).root
    bundles = BundleFolder(folder / "bundles")
    block = draw.randbytes(BLOCK_BYTES)
    with FolderGroup(bundles) as group:
        content_id = group.add(b"manifest %d" % count, (block for _ in range(count)))
        group.store()
    header = BatchHeader(
        CHANNEL, b"\x0a" * 20, 1, ZERO, 0, 900, root, count, ZERO, ZERO, ZERO, ZERO, content_id, ZERO, ZERO
    )
    store = SqliteOperatorStore(folder / "operator.sqlite")
    store.collect(CHANNEL, 1, (0, 900))
    store.mark_if_before_sealed(CHANNEL, 1)
    store.save_sealed(
        header, b"\x0d" * 32, bytes(65), entries=payloads, salts=salts, wrapped_keys=[{}] * count, roster=b""
    )
    return store, bundles, store.batch(CHANNEL, 1)


def served(count: int, runs: int, folder: Path) -> list[Figure]:
    """Proofs and blocks out of a batch of ``count``."""
    store, bundles, batch = stored(folder, count)
    trees = BatchTrees.in_cache(store.cache_folder)
    asked = [random.Random(at).randrange(count) for at in range(ASKED)]
    content_id = batch.content_id or b""

    first_proof = cpu_seconds(1, lambda: trees.inclusion(store, batch, asked[0]))
    first_block = cpu_seconds(1, lambda: bundles.block(content_id, asked[0]))
    proofs = cpu_seconds(runs, lambda: [trees.inclusion(store, batch, position) for position in asked])
    blocks = cpu_seconds(runs, lambda: [bundles.block(content_id, position) for position in asked])
    store.close()
    name = f"{count:,} entries"
    return [
        Figure(f"{name}: an entry's proof", "µs", scaled(1e6 / ASKED, proofs)),
        Figure(f"{name}: an entry's block", "µs", scaled(1e6 / ASKED, blocks)),
        Figure(f"{name}: the first proof of the batch", "ms", scaled(1e3, first_proof)),
        Figure(f"{name}: the first block of the bundle", "ms", scaled(1e3, first_block)),
    ]


def measure(scale: Scale) -> Report:
    """Every size."""
    figures: list[Figure] = []
    for count in scale.pick([1_000, 10_000, 100_000], [1_000, 10_000], [20]):
        with tempfile.TemporaryDirectory(prefix="wattest-bench-") as folder:
            figures += served(count, scale.pick(5, 3, 1), Path(folder))
    return Report(TITLE, ABOUT, tuple(figures))


if __name__ == "__main__":
    run_alone(measure, __doc__)
