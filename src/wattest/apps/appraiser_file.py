"""An appraiser's configuration file: TOML in, frozen values out. docs/spec/verdict.md

Decided here: which settings there are. Not decided here: how one is read (``settings_reader``), what an appraiser does
with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wattest.apps.settings_reader import (
    read_chain,
    read_deployment,
    read_listen,
    read_policy_file,
    read_production,
    read_settings,
    read_text,
)
from wattest.chain.signers import SignerName, signer_name
from wattest.config import ChainConfig
from wattest.receipt.deployment import Deployment
from wattest.units import SECONDS_PER_DAY


@dataclass(frozen=True, slots=True)
class AppraiserFile:
    """An appraiser's configuration; ``policy`` is the policy file's bytes."""

    production: bool | None
    chain: ChainConfig
    deployment: Deployment
    signer: SignerName
    policy: bytes
    host: str
    port: int
    registration_s: int


def read_appraiser_file(path: Path) -> AppraiserFile:
    """Read an appraiser's configuration with everything it names except its key; raises ``SettingInvalid``."""
    folder, top = path.resolve().parent, read_settings(path, "docs/howto/run-an-operator.md shows one")
    chain, appraiser = read_chain(top["chain"].fields()), top["appraiser"].fields()
    host, port = read_listen(appraiser, "127.0.0.1:8549")
    result = AppraiserFile(
        production=read_production(top),
        chain=chain,
        deployment=read_deployment(appraiser["deployment"], folder),
        signer=signer_name(read_text(appraiser["key"]), folder),
        policy=read_policy_file(appraiser["policy"], folder),
        host=host,
        port=port,
        registration_s=appraiser.get("registration_days", 30).integer(1, 90) * SECONDS_PER_DAY,
    )
    for table in (appraiser, top):
        table.close()
    return result
