"""A watcher's configuration file: TOML in, frozen values out. docs/howto/run-a-watcher.md

Decided here: which settings there are. Not decided here: how one is read (``settings_reader``), what a watcher does
with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wattest.apps.settings_reader import (
    MAX_TABLES,
    read_chain,
    read_deployment,
    read_path,
    read_policy_file,
    read_production,
    read_seconds,
    read_settings,
    read_text,
)
from wattest.chain.signers import SignerName, signer_name
from wattest.config import ChainConfig
from wattest.receipt.deployment import Deployment


@dataclass(frozen=True, slots=True)
class WatcherFile:
    """A watcher's configuration; ``operators`` maps addresses (20 bytes) to server addresses."""

    production: bool | None
    chain: ChainConfig
    deployment: Deployment
    data_dir: Path
    signer: SignerName
    reader_key_file: Path
    interval_s: float
    max_challenges_per_batch: int
    unreachable_grace_s: int
    operators: dict[bytes, str]
    policy: bytes | None


def read_watcher_file(path: Path) -> WatcherFile:
    """Read a watcher's configuration with everything it names except secrets; raises ``SettingInvalid``."""
    folder, top = path.resolve().parent, read_settings(path, "wattest watcher init")
    chain, watcher = read_chain(top["chain"].fields()), top["watcher"].fields()
    operators: dict[bytes, str] = {}
    for entry in top["operator"].items(MAX_TABLES, 1):
        table = entry.fields()
        operators[table["address"].hex(20, any_case=True, prefixed=True)] = read_text(table["url"])
        table.close()
    policy = watcher.get("policy", "")
    result = WatcherFile(
        production=read_production(top),
        chain=chain,
        deployment=read_deployment(watcher["deployment"], folder),
        data_dir=read_path(watcher["data"], folder),
        signer=signer_name(read_text(watcher["key"]), folder),
        reader_key_file=read_path(watcher["reader_key"], folder),
        interval_s=read_seconds(watcher.get("interval_s", 5.0)),
        max_challenges_per_batch=watcher.get("max_challenges_per_batch", 1).integer(0, 1_000),
        unreachable_grace_s=watcher.get("unreachable_grace_s", 3_600).integer(0, 7 * 86_400),
        operators=operators,
        policy=None if policy.value == "" else read_policy_file(policy, folder),
    )
    for each in (watcher, top):
        each.close()
    return result
