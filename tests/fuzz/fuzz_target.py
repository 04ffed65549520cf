"""What a fuzz target is, and the world that all of them stand in: one simulated platform, one time, one corpus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fuzz_mutators import Mutator

from wattest.attestation.formats.collateral import Collateral, parse_collateral
from wattest.attestation.roots import TrustRoot, parse_root
from wattest.enclave.simulator.pki import SimulatedPki
from wattest.enclave.simulator.platform import SimulatedPlatform

NOW = 1_790_000_000  # 2026-09-21; the corpus was made for it
PLATFORM = SimulatedPlatform(SimulatedPki.create(bytes(range(32)), NOW))
CORPUS = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Target:
    """A parser under test: ``run`` gives a short word for the shape of what came back; ``folder`` holds its corpus."""

    name: str
    run: Callable[[bytes], str]
    mutate: Mutator
    folder: str


@cache
def seed(folder: str, name: str) -> bytes:
    """One file of the corpus."""
    return (CORPUS / folder / name).read_bytes()


@cache
def sound_collateral(kind: str) -> Collateral:
    """The collateral that belongs to a seed, ``sgx`` or ``tdx``."""
    return parse_collateral(seed("collateral", f"seed-{kind}.json"))


@cache
def vendor_texts() -> frozenset[str]:
    """TCB info and QE identity as the vendor signed them, of every seed."""
    found = [parse_collateral(path.read_bytes()) for path in sorted((CORPUS / "collateral").glob("seed-*"))]
    return frozenset(text for each in found for text in (each.tcb_info, each.qe_identity))


@cache
def own_root() -> TrustRoot:
    """The platform's root."""
    return parse_root(PLATFORM.root_certificate)
