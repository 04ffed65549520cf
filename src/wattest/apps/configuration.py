"""Where the values of the one configuration object come from.

Precedence, highest first: the command line (passed in by the command), the environment (``WATTEST_*``), a TOML file,
the defaults of ``wattest.config``. Unknown keys are refused with their place, so that a misspelt safety switch cannot
be silently off.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

from wattest.config import ChainConfig, Config, EnclaveConfig
from wattest.errors import ConfigError

MAX_CONFIG_BYTES = 64 * 1024

ENVIRONMENT: dict[str, tuple[str, str]] = {
    "WATTEST_DATA_DIR": ("", "data_dir"),
    "WATTEST_PRODUCTION": ("", "production"),
    "WATTEST_RPC_URL": ("chain", "rpc_url"),
    "WATTEST_ANVIL": ("chain", "anvil_path"),
}


def load_config(environment: Mapping[str, str], path: Path | None = None) -> Config:
    """Merge file and environment over the defaults.

    Raises ``ConfigError`` for an unreadable file, an unknown key or a value of the wrong type, naming its place.
    """
    merged: dict[str, dict[str, Any]] = {"": {}, "chain": {}, "enclave": {}}
    if path is not None:
        _merge_file(path, merged)
    for variable, (section, name) in ENVIRONMENT.items():
        if variable in environment:
            merged[section][name] = _coerce(environment[variable], _section_class(section), name, variable)
    return Config(chain=ChainConfig(**merged["chain"]), enclave=EnclaveConfig(**merged["enclave"]), **merged[""])


def _merge_file(path: Path, merged: dict[str, dict[str, Any]]) -> None:
    try:
        with path.open("rb") as handle:
            text = handle.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"the configuration file cannot be read: {error.strerror}", path=str(path)) from error
    if len(text) > MAX_CONFIG_BYTES:
        raise ConfigError("the configuration file is too large", path=str(path), limit_bytes=MAX_CONFIG_BYTES)
    try:
        document = tomllib.loads(text.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"the configuration file is not TOML: {error}", path=str(path)) from error
    for name, value in document.items():
        if isinstance(value, dict) and name in ("chain", "enclave"):
            for inner, inner_value in value.items():
                merged[name][inner] = _coerce(inner_value, _section_class(name), inner, f"{path}: {name}.{inner}")
        else:
            merged[""][name] = _coerce(value, Config, name, f"{path}: {name}")


def _section_class(section: str) -> type:
    return {"": Config, "chain": ChainConfig, "enclave": EnclaveConfig}[section]


def _coerce(value: Any, owner: type, name: str, place: str) -> Any:
    known = {f.name for f in dataclasses.fields(owner)} - {"chain", "enclave"}
    if name not in known:
        raise ConfigError("unknown setting", place=place, known=", ".join(sorted(known)), hint="correct the name")
    wanted = str(get_type_hints(owner)[name])
    if "Path" in wanted and isinstance(value, str) and value:
        return Path(value)
    if "bool" in wanted:
        if isinstance(value, bool):
            return value
        if value in ("0", "1", "true", "false"):
            return value in ("1", "true")
    elif "float" in wanted and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    elif "int" in wanted and isinstance(value, int) and not isinstance(value, bool):
        return value
    elif "str" in wanted and isinstance(value, str):
        return value
    raise ConfigError("a setting has a value of the wrong type", place=place, expected=wanted, actual=repr(value))
