"""Ways to remember batches on chain: what a commit pays for its history alone, on anvil and on geth (ADR 23).

WATTEST_TEST_GETH=PATH python bench/gas_history.py [--scale full|quick|tiny] [--json FILE]

Each way is a function of ``bench/contracts/HistoryVariants.sol``, called in a transaction of its own on slots that hold
something already. A figure is that transaction's gas less that of a call without arguments: input, checks, writes.
"""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from gas_node import Deployed, GasNode
from measure import REPOSITORY, Report, Scale, Table, run_alone

from wattest.chain.abi import ContractAbi
from wattest.chain.local_signer import LocalSigner

TITLE = "Ways to remember batches"
ABOUT = "Gas of the history's part of one commit, whole transactions compared; every slot of a ring is in use."
LIBRARIES = REPOSITORY / "contracts" / "src" / "lib"
NAME = "HistoryVariants"
WAYS = {
    "slotPerBatch": "a new slot for each batch",
    "ringOfDigests": "a ring of 256 records' digests",
    "oneSlotOfHashedPeaks": "one word over the peaks",
    "ringOfHashedPeaks": "a ring of eight words over the peaks (chosen)",
    "ringOfFoldedRoots": "a ring of eight words over the folded root",
    "slotPerHeight": "a slot for each height",
}


def compiled() -> ContractAbi:
    """The measuring contract, compiled as the project's own are."""
    sources = {f"{NAME}.sol": REPOSITORY / "bench" / "contracts" / f"{NAME}.sol"}
    sources |= {f"wattest/lib/{name}.sol": LIBRARIES / f"{name}.sol" for name in ("History", "MerkleRfc9162")}
    asked = {
        "language": "Solidity",
        "sources": {name: {"content": path.read_text()} for name, path in sources.items()},
        "settings": {
            "viaIR": True, "evmVersion": "osaka", "optimizer": {"enabled": True, "runs": 200},
            "outputSelection": {f"{NAME}.sol": {NAME: ["abi", "evm.bytecode.object"]}},
        },
    }  # fmt: skip
    solc = REPOSITORY / "tools" / "solc"
    done = subprocess.run(
        [solc, "--standard-json"], input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    faults = [one["formattedMessage"] for one in answer.get("errors", []) if one["severity"] == "error"]
    if faults:
        raise AssertionError("\n".join(faults))
    contract = answer["contracts"][f"{NAME}.sol"][NAME]
    return ContractAbi(NAME, contract["abi"], bytes.fromhex(contract["evm"]["bytecode"]["object"]))


def costs(node: GasNode, abi: ContractAbi, sizes: list[int]) -> dict[str, list[int]]:
    """Gas of every way at every size, in the order of ``sizes``."""
    signer = LocalSigner(bytes(31) + b"\x01")
    node.fund(signer.address)
    contract = Deployed(node, signer, abi)
    base = contract.send(signer, "nothing").gas
    found: dict[str, list[int]] = {way: [] for way in WAYS}
    for size in sizes:
        draw = random.Random(size)
        previous, leaf = draw.randbytes(32), draw.randbytes(32)
        peaks = tuple(draw.randbytes(32) for _ in range(size.bit_count()))
        path = tuple(draw.randbytes(32) for _ in range((size & -size).bit_length() - 1))
        arguments: dict[str, tuple[object, ...]] = {
            "slotPerBatch": (size, previous, 1, 1, 1, leaf),
            "ringOfDigests": (size, previous, 1, 1, 1, leaf),
            "slotPerHeight": (size, leaf, path),
        }
        for way in WAYS:
            contract.send(signer, "prime", size, previous, peaks)
            given = arguments.get(way, (size, previous, leaf, peaks))
            found[way].append(contract.send(signer, way, *given).gas - base)
    return found


def measure(scale: Scale) -> Report:
    """Both nodes."""
    abi = compiled()
    sizes = scale.pick([9, 100, 365, 511, 512, 731, 1_000, 1_023, 1_024], [365, 1_023], [365])
    makers: dict[str, Callable[[ExitStack], GasNode]] = {"anvil": GasNode.anvil, "geth": GasNode.geth}
    tables = []
    for name, start in makers.items():
        with ExitStack() as stack:
            found = costs(start(stack), abi, sizes)
        rows = tuple((WAYS[way], *gas) for way, gas in found.items())
        columns = ("way", *(f"after {size:,} ({size.bit_count()} peaks)" for size in sizes))
        tables.append(Table(f"On {name}", columns, rows))
    return Report(TITLE, ABOUT, (), tuple(tables))


if __name__ == "__main__":
    run_alone(measure, __doc__)
