"""Commands without a configuration file: what their options say of production.

Decided here: which option is which fact. Not decided here: what is refused (``production``). An option that names an
address, a key, a root or a switch has a line in ``READERS``, and an arch test finds the one that has none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from wattest.apps.actions.attest_roots import read_root
from wattest.apps.actions.bounded_file import read_bounded
from wattest.apps.production import Facts, Listener
from wattest.apps.production_files import Standing, fault_switches, key_files, says_production, stand
from wattest.chain.signers import KEY_FILE, signer_name
from wattest.receipt.deployment import MAX_DEPLOYMENT_BYTES, parse_deployment

MAX_POLICY_BYTES = 256 * 1024


@dataclass(slots=True)
class _Found:
    """Facts as they are gathered, each list as in ``Facts``."""

    roots: list[tuple[str, bytes]] = field(default_factory=list)
    urls: list[tuple[str, str]] = field(default_factory=list)
    listeners: list[Listener] = field(default_factory=list)
    key_files: list[Any] = field(default_factory=list)
    policies: list[tuple[str, bool]] = field(default_factory=list)
    chains: list[tuple[str, int]] = field(default_factory=list)
    switches: list[str] = field(default_factory=list)
    debug: list[str] = field(default_factory=list)
    platforms: list[tuple[str, str]] = field(default_factory=list)


Reader = Callable[[_Found, Any, Mapping[str, Any]], None]


def _url(option: str) -> Reader:
    return lambda found, value, _: found.urls.append((option, value))


def _signer(option: str) -> Reader:
    """A file that holds a signer's key; of another kind of signer there is no file to judge."""

    def read(found: _Found, value: Any, _: Mapping[str, Any]) -> None:
        named = signer_name(str(value))
        if named.kind == KEY_FILE:
            found.key_files.extend(key_files([(option, named.folder / named.where)]))

    return read


def _key(option: str) -> Reader:
    return lambda found, value, _: found.key_files.extend(key_files([(option, value)]))


def _listen(found: _Found, value: str, given: Mapping[str, Any]) -> None:
    found.listeners.append(Listener("--host", value, has_tls=given.get("tls_cert") is not None))


def _listen_at(found: _Found, value: str, _: Mapping[str, Any]) -> None:
    found.listeners.append(Listener("--listen", value.rpartition(":")[0]))


def _root(found: _Found, value: str, _: Mapping[str, Any]) -> None:
    found.roots.append((f"--root {value}", read_root(value).certificate))


def _roots(found: _Found, values: tuple[str, ...], given: Mapping[str, Any]) -> None:
    for value in values:
        _root(found, value, given)


def _address_book(found: _Found, path: Path, _: Mapping[str, Any]) -> None:
    book = parse_deployment(read_bounded(path, MAX_DEPLOYMENT_BYTES + 1))
    found.chains.append(("--deployment", book.chain_id))
    found.roots.extend((f"--deployment: trust_roots[{at}]", root) for at, root in enumerate(book.trust_roots))


def _policy(found: _Found, path: Path, _: Mapping[str, Any]) -> None:
    found.policies.append((f"policy {path}", says_production(read_bounded(path, MAX_POLICY_BYTES))))


READERS: dict[str, Reader] = {
    "rpc": _url("--rpc"),
    "url": _url("--url"),
    "root_crl_url": _url("--root-crl-url"),
    "host": _listen,
    "listen": _listen_at,
    "key_file": _signer("--key-file"),
    "sign_key": _key("--sign-key"),
    "tls_key": _key("--tls-key"),
    "root": _root,
    "roots": _roots,
    "address_book": _address_book,
    "deployment": _address_book,
    "policy": _policy,
    "unsafe_http": lambda found, _, __: found.switches.append("--unsafe-http"),
    "debug": lambda found, _, __: found.debug.append("--debug"),
    "platform_dir": lambda found, _, __: found.platforms.append(("--platform", "simulator")),
}
"""By the name of the command's parameter."""


def stand_by_options(
    given: Mapping[str, Any], *, switched_on: bool, renamed: Mapping[str, str], development: str | None
) -> Standing:
    """Judge a command by its options; ``renamed`` parameter -> the name in ``READERS`` that it goes by here.

    Raises: ProductionRefused; what reading the files that options name raises.
    """
    found = _Found(switches=fault_switches(faulty=False))
    for name, value in given.items():
        reader = READERS.get(renamed.get(name, name))
        if reader is not None and value not in (None, False, "", ()):
            reader(found, value, given)
    commands = [] if development is None else [("command", development)]
    facts = Facts(**{one.name: getattr(found, one.name) for one in fields(found)}, commands=commands)
    return stand(switched_on or None, "--production", facts)
