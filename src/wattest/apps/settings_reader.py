"""What the configuration files of operators, watchers and appraisers share: TOML in, each mistake named with its place.

Decided here: which error a setting that is not as it must be becomes, how relative paths are read (from the file's own
folder), and the tables that every file has. Not decided here: which settings a file has (``operator_file``,
``channel_tables``, ``watcher_file``, ``appraiser_file``). Unknown settings are refused, so that a misspelt one cannot
be silently off. docs/howto/run-an-operator.md, docs/howto/run-a-watcher.md
"""

from __future__ import annotations

from pathlib import Path

from wattest.config import ChainConfig
from wattest.crypto.strict_fields import Field, Fields, Reader, Refusal
from wattest.crypto.toml_text import load_toml
from wattest.errors import ConfigError, InputError
from wattest.receipt.deployment import MAX_DEPLOYMENT_BYTES, Deployment, parse_deployment

MAX_FILE_BYTES = 64 * 1024
MAX_TABLES = 1_024
_MAX_POLICY_BYTES = 4 * MAX_FILE_BYTES
_LONGEST_SPAN_S = 86_400


class SettingInvalid(ConfigError):
    """A missing, unknown or wrongly typed setting; ``place`` says which."""


class FileMissing(InputError):
    """A file that a configuration names and that cannot be read."""


def _refuse(refusal: Refusal) -> SettingInvalid:
    hint = None
    if refusal.unknown:
        hint = "correct the name, or take the setting out"
    elif refusal.message.startswith(("missing: a table", "missing: a list")):
        hint = f"add [{refusal.where}]" if refusal.expected == _SETTINGS.map_name else f"add [[{refusal.where}]]"
    place = refusal.where or "top"
    return SettingInvalid(f"{place}: {refusal.message}", hint=hint, place=place, **refusal.details)


_SETTINGS = Reader(_refuse, "a table", shows_text=True)


def read_settings(path: Path, made_by: str) -> Fields:
    """The tables of a configuration file; ``made_by`` says how one is made. Raises: SettingInvalid; FileMissing."""
    try:
        raw = read_file(path, MAX_FILE_BYTES)
    except FileMissing as error:
        if not path.exists():
            error.hint = f"check the path, or make one: {made_by}"
        raise
    try:
        return _SETTINGS.fields(load_toml(raw))
    except ValueError as error:
        raise SettingInvalid(f"the configuration is not TOML: {error}", place=str(path)) from error


def read_file(path: Path, limit: int) -> bytes:
    """A file's bytes, at most so many. Raises: FileMissing."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise FileMissing(f"a file cannot be read: {error.strerror}", path=path) from error
    if len(data) > limit:
        raise FileMissing("a file is too large", path=path, limit_bytes=limit)
    return data


def read_text(field: Field) -> str:
    """A text, as long as the file lets it be."""
    return field.text(MAX_FILE_BYTES)


def read_path(field: Field, folder: Path) -> Path:
    """A path, relative to the configuration file."""
    text = read_text(field)
    if "\0" in text:
        raise field.faulted("no path has a zero character")
    return folder.joinpath(text).resolve()


def read_policy_file(field: Field, folder: Path) -> bytes:
    """The bytes of the policy file that is named."""
    return read_file(read_path(field, folder), _MAX_POLICY_BYTES)


def read_seconds(field: Field) -> float:
    """A time span, a millisecond to a day; written as a whole number or with a fraction."""
    return field.number(0.001, _LONGEST_SPAN_S)


def read_chain(table: Fields) -> ChainConfig:
    """``[chain]``."""
    config = ChainConfig(
        rpc_url=read_text(table["rpc_url"]),
        confirmations=table.get("confirmations", 1).integer(0, 10_000),
        request_timeout_s=read_seconds(table.get("request_timeout_s", 10.0)),
        max_attempts=table.get("max_attempts", 8).integer(1, 100),
    )
    table.close()
    return config


def read_production(top: Fields) -> bool | None:
    """``production`` of the file's top; None where it says nothing."""
    setting = top.optional("production")
    return None if setting is None else setting.boolean()


def read_deployment(field: Field, folder: Path) -> Deployment:
    """The address book that is named."""
    path = read_path(field, folder)
    try:
        return parse_deployment(read_file(path, MAX_DEPLOYMENT_BYTES))
    except InputError as error:
        error.fields.setdefault("path", str(path))
        raise


def read_listen(table: Fields, default: str) -> tuple[str, int]:
    """``listen``: the host and port that a server listens on."""
    field = table.get("listen", default)
    return parse_address(read_text(field), field.where, default)


def read_peer(field: Field | None, example: str) -> tuple[str, int] | None:
    """A host and port, or None where the setting is not there or empty."""
    return None if field is None or field.value == "" else parse_address(read_text(field), field.where, example)


def parse_address(text: str, place: str, example: str) -> tuple[str, int]:
    """A host and a port; raises ``SettingInvalid`` that names the place."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdecimal()) or len(port) > 5 or int(port) > 65_535:
        raise SettingInvalid("not an address and port", place=place, actual=text, hint=f"one such as {example}")
    return host, int(port)
