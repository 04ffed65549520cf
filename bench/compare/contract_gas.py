"""Gas of one inclusion proof on chain: our library against OpenZeppelin's MerkleProof, the same depth, on anvil."""

from __future__ import annotations

import json
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from measure import REPOSITORY

from compare.contender import altered, octets
from compare.rows import Row
from compare.runner import PeerMissing, Run
from wattest.chain.abi import ContractAbi
from wattest.chain.anvil import Anvil
from wattest.chain.client import ChainClient
from wattest.chain.local_signer import LocalSigner
from wattest.config import ChainConfig
from wattest.crypto.hashing import keccak256
from wattest.errors import ProtocolError
from wattest.merkle import node_hash

DEPTH = 20
SOURCE = REPOSITORY / "bench" / "contracts" / "MerkleGas.sol"
OURS = REPOSITORY / "contracts" / "src" / "lib" / "MerkleRfc9162.sol"
OPEN_ZEPPELIN = REPOSITORY / "node_modules" / "@openzeppelin" / "contracts"
SOLC = REPOSITORY / "tools" / "solc"
HASHES = ("utils/cryptography/MerkleProof.sol", "utils/cryptography/Hashes.sol")


class ProofTaken(AssertionError):
    """A contract took a proof that does not hold: nothing it costs is worth knowing."""


def compiled() -> ContractAbi:
    """The measuring contract, compiled as the project's own are."""
    if not OPEN_ZEPPELIN.is_dir() or not (REPOSITORY / "node_modules" / "solc").is_dir():
        raise PeerMissing(
            "a contender of this benchmark is not installed", missing="@openzeppelin/contracts, solc",
            hint="npm ci in the checkout",
        )  # fmt: skip
    sources = {"MerkleGas.sol": SOURCE, "wattest/lib/MerkleRfc9162.sol": OURS}
    sources |= {f"@openzeppelin/contracts/{name}": OPEN_ZEPPELIN / name for name in HASHES}
    asked = {
        "language": "Solidity",
        "sources": {name: {"content": path.read_text()} for name, path in sources.items()},
        "settings": {
            "viaIR": True, "evmVersion": "osaka", "optimizer": {"enabled": True, "runs": 2000},
            "outputSelection": {"MerkleGas.sol": {"MerkleGas": ["abi", "evm.bytecode.object"]}},
        },
    }  # fmt: skip
    done = subprocess.run(
        [SOLC, "--standard-json"], input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    faults = [one["formattedMessage"] for one in answer.get("errors", []) if one["severity"] == "error"]
    if faults:
        raise AssertionError("\n".join(faults))
    contract = answer["contracts"]["MerkleGas.sol"]["MerkleGas"]
    return ContractAbi("MerkleGas", contract["abi"], bytes.fromhex(contract["evm"]["bytecode"]["object"]))


def our_root(leaf: bytes, index: int, path: list[bytes]) -> bytes:
    """Up a full tree."""
    for sibling in path:
        leaf = node_hash(sibling, leaf) if index & 1 else node_hash(leaf, sibling)
        index >>= 1
    return leaf


def sorted_root(leaf: bytes, path: list[bytes]) -> bytes:
    """Up a tree of sorted pairs."""
    for sibling in path:
        leaf = keccak256(min(leaf, sibling) + max(leaf, sibling))
    return leaf


def gas_rows(run: Run) -> list[Row]:
    """Both, over several proofs."""
    abi, ours, theirs = compiled(), [], []
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="wattest-bench-"))
        anvil = stack.enter_context(Anvil.create(Path(folder) / "chain", genesis_timestamp_s=1_800_000_000))
        client = ChainClient.connect(anvil.url, config=ChainConfig(confirmations=0))
        signer = LocalSigner(octets(32))
        anvil.fund(signer.address, 10**20)
        address = client.deploy(signer, abi).contract_address
        assert address is not None
        for seed in range(3 if run.quick else 20):
            data = octets(32 * (DEPTH + 1), seed=seed)
            leaf, *path = (data[at : at + 32] for at in range(0, len(data), 32))
            index = int.from_bytes(leaf[:4], "big") % (1 << DEPTH)
            mine, sorted_ = our_root(leaf, index, path), sorted_root(leaf, path)
            size = 1 << DEPTH
            ours.append(float(client.call(abi, address, "ours", mine, leaf, index, size, path)[0]))
            theirs.append(float(client.call(abi, address, "openZeppelin", sorted_, leaf, path)[0]))
            for function, arguments in (
                ("ours", (mine, altered(leaf), index, size, path)),
                ("openZeppelin", (sorted_, altered(leaf), path)),
            ):
                try:
                    client.call(abi, address, function, *arguments)
                except ProtocolError:
                    continue
                raise ProofTaken(f"{function} takes an altered leaf")
    work = f"one inclusion proof of depth {DEPTH} on chain"
    note = "without the call and its input; by gasleft() before and after"
    mine_row = Row(work, "wattest, MerkleRfc9162", "gas", tuple(ours), 0.0, 0.0, DEPTH, "gas",
                   f"{note}; index, size and path length are checked too")  # fmt: skip
    peer = Row(work, "OpenZeppelin, MerkleProof", "gas", tuple(theirs), 0.0, 0.0, DEPTH, "gas",
               f"{note}; pairs sorted, no tag, no position")  # fmt: skip
    return [row.compared(mine_row) for row in (mine_row, peer)]
