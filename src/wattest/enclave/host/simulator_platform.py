"""The simulator behind the port of platforms: enclaves are processes, and quotes verify under a root of its own."""

from __future__ import annotations

from pathlib import Path

from wattest.attestation.evidence import parse_evidence
from wattest.attestation.platform_model import PlatformModel, model_of
from wattest.attestation.roots import TrustRoot, parse_root
from wattest.enclave.host.process import EnclaveProcess
from wattest.enclave.simulator.platform import SimulatedPlatform


class SimulatorPlatform:
    """A simulated machine; for development only."""

    name = "simulator"
    is_for_development = True

    def __init__(self, simulated: SimulatedPlatform) -> None:
        self.simulated = simulated

    @classmethod
    def open(cls, folder: Path) -> SimulatorPlatform:
        """The platform that a folder keeps; raises ``PlatformFileMalformed``."""
        return cls(SimulatedPlatform.open(folder))

    @property
    def root(self) -> TrustRoot:
        """The machine's own root."""
        return parse_root(self.simulated.root_certificate)

    def model(self) -> PlatformModel:
        """The model that a quote over nothing names."""
        zeros = bytes(32)
        quote = self.simulated.quote(measurement=zeros, signer=zeros, product=0, svn=0, report_data=bytes(64))
        return model_of(parse_evidence(quote))

    def collateral(self, now: int) -> bytes | None:
        """Collateral issued at ``now``."""
        return self.simulated.collateral(now).to_json()

    def enclave(self, state_dir: Path) -> EnclaveProcess:
        """An enclave process with this folder's state."""
        return EnclaveProcess(self.simulated, state_dir)
