"""What production refuses, given facts: the one list.

Decided here: which facts are not for production, what each is called, where it is set and what to do about it; when
production is on; and the one error that names all of it. Not decided here: where facts come from (``production_files``
for nodes' files, ``production_options`` for commands' options). Nothing here reads a file, a clock or the process.
docs/howto/run-in-production.md
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from wattest.attestation.roots import RootKind, RootMalformed, development_root, parse_root
from wattest.environment import PRODUCTION_VARIABLE, is_production_host
from wattest.errors import ConfigError
from wattest.io.loopback import is_loopback
from wattest.url_text import show_url

EMBEDDED_CHAIN_ID = 31_337
"""Of chains that anvil makes: their accounts' keys are published, and their time can be set."""

_SECRET_NAME = re.compile(r"KEY|SECRET|SEED|MNEMONIC|PASSPHRASE", re.IGNORECASE)
_SECRET_VALUE = re.compile(
    r"(0x)?[0-9A-Fa-f]{64}|([a-z]+ ){11,23}[a-z]+|.*-----BEGIN [A-Z ]*PRIVATE KEY-----.*", re.DOTALL
)


class ProductionRefused(ConfigError):
    """Production is on, and something is set that is for development only; ``refused`` has all of it."""


class ProductionSwitchedOff(ConfigError):
    """A file says ``production = false`` on a host where every command is to be in production."""


@dataclass(frozen=True, slots=True)
class Weakness:
    """One thing that is not for production: where it is set, what it is, what to do.

    ``is_refused`` False: it is said, and production goes on.
    """

    place: str
    what: str
    remedy: str
    is_refused: bool = True

    def shown(self) -> dict[str, str]:
        """For an error's fields and for ``--json``."""
        return {"place": self.place, "what": self.what, "do": self.remedy}


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key file that is there: where it is named, its path, its mode's last nine bits and its owner."""

    place: str
    path: str
    mode: int
    owner: int


@dataclass(frozen=True, slots=True)
class Listener:
    """A server of ours: where its address is set, the host, and whether it speaks TLS."""

    place: str
    host: str
    has_tls: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a command before it does anything; each entry begins with the setting's place.

    ``platforms`` (place, kind) of platforms for development, ``roots`` (place, certificate as PEM or DER), ``chains``
    (place, chain id), ``policies`` (place, whether the policy says production), ``switches`` the unsafe ones that are
    on, ``debug`` places that ask for a debug enclave, ``commands`` (place, what of the command exists for development
    only), ``user`` the id that this process runs under.
    """

    platforms: Sequence[tuple[str, str]] = ()
    roots: Sequence[tuple[str, bytes]] = ()
    urls: Sequence[tuple[str, str]] = ()
    listeners: Sequence[Listener] = ()
    key_files: Sequence[KeyFile] = ()
    policies: Sequence[tuple[str, bool]] = ()
    chains: Sequence[tuple[str, int]] = ()
    switches: Sequence[str] = ()
    debug: Sequence[str] = ()
    commands: Sequence[tuple[str, str]] = ()
    environment: Mapping[str, str] | None = None
    user: int | None = None


def is_production(said: bool | None, place: str, environment: Mapping[str, str]) -> bool:
    """Whether production is on: said in a file or by an option, or on for the whole host; None: nothing is said.

    Raises: ProductionSwitchedOff where a file says no and the host says yes.
    """
    if not is_production_host(environment):
        return bool(said)
    if said is False:
        raise ProductionSwitchedOff(
            f"production is switched off on a host where {PRODUCTION_VARIABLE} switches it on",
            place=place,
            expected="true, or not said",
            actual=False,
            hint=f"take the setting out, or run this on a host without {PRODUCTION_VARIABLE}",
        )
    return True


def weaknesses(facts: Facts) -> tuple[Weakness, ...]:
    """Everything in ``facts`` that is not for production, in a fixed order."""
    return (
        *_commands(facts),
        *_platforms(facts),
        *_roots(facts),
        *_chains(facts),
        *_policies(facts),
        *_switches(facts),
        *_urls(facts),
        *_key_files(facts),
        *_environment(facts.environment or {}),
        *_listeners(facts),
    )


def require_production(found: Iterable[Weakness]) -> None:
    """Refuse every weakness that production refuses, all in one error.

    Raises: ProductionRefused.
    """
    refused = [weakness for weakness in found if weakness.is_refused]
    if refused:
        count = len(refused)
        raise ProductionRefused(
            f"production refuses {'a setting' if count == 1 else f'{count} settings'}",
            refused=[weakness.shown() for weakness in refused],
            hint="correct what is named; nothing was opened, bound or sent. docs/howto/run-in-production.md",
        )


def summary(found: Sequence[Weakness], *, production: bool) -> str | None:
    """What a long-running command says in one line as it starts; None where there is nothing to say."""
    said = list(dict.fromkeys(weakness.what for weakness in found))
    lead = "in production, and to be known" if production else "not for production"
    return f"{lead}: {'; '.join(said)}" if said else None


def _commands(facts: Facts) -> Iterator[Weakness]:
    for place, what in facts.commands:
        yield Weakness(place, what, "run it on a machine for development, not in production")
    for place in facts.debug:
        yield Weakness(place, "a debug enclave, whose memory its host can read", f"leave {place} out")


def _platforms(facts: Facts) -> Iterator[Weakness]:
    for place, kind in facts.platforms:
        yield Weakness(
            place, f"simulated platform ({kind}), whose keys lie on this host", "name a platform with hardware: gramine"
        )


def _roots(facts: Facts) -> Iterator[Weakness]:
    for place, certificate in facts.roots:
        try:
            root = parse_root(certificate)
        except RootMalformed:
            yield Weakness(place, "a root that cannot be read", "trust Intel's root alone")
            continue
        if root.kind is RootKind.INTEL:
            continue
        if root.certificate == development_root().certificate:
            what = "published development root, whose private key is public"
        elif root.kind is RootKind.SIMULATOR:
            what = f"a simulator's root {root.shown}"
        else:
            what = f"a root that is not Intel's: {root.shown}"
        yield Weakness(place, what, "trust Intel's root alone")


def _chains(facts: Facts) -> Iterator[Weakness]:
    for place, chain_id in facts.chains:
        if chain_id == EMBEDDED_CHAIN_ID:
            what = f"embedded development chain (chain id {chain_id}) with the demonstration token"
            yield Weakness(place, what, "use the address book of a deployment on a public chain")


def _policies(facts: Facts) -> Iterator[Weakness]:
    for place, says_production in facts.policies:
        if not says_production:
            yield Weakness(place, "a policy without production = true", "write production = true into the policy")


def _switches(facts: Facts) -> Iterator[Weakness]:
    for place in facts.switches:
        yield Weakness(place, f"unsafe switch {place}", "leave it out")


def _urls(facts: Facts) -> Iterator[Weakness]:
    for place, url in facts.urls:
        try:
            parts = urlsplit(url)
            scheme, host = parts.scheme.lower(), parts.hostname or ""
        except ValueError:
            continue  # no address at all: whoever opens it says so
        if scheme != "https" and not is_loopback(host):
            yield Weakness(place, f"plain HTTP to {show_url(url)}", "use https://, or a node of this machine's own")


def _key_files(facts: Facts) -> Iterator[Weakness]:
    for file in facts.key_files:
        if file.mode & 0o077:
            yield Weakness(
                file.place,
                f"key file {file.path} that others may read (mode {file.mode:04o})",
                f"chmod 600 {file.path}",
            )
        if facts.user is not None and file.owner != facts.user:
            yield Weakness(
                file.place,
                f"key file {file.path} that belongs to user {file.owner}, not to {facts.user}",
                f"chown {facts.user} {file.path}, or run under its owner",
            )


def _environment(environment: Mapping[str, str]) -> Iterator[Weakness]:
    for name in sorted(environment):
        value = environment[name]
        if _SECRET_NAME.search(name) and _SECRET_VALUE.fullmatch(value):
            yield Weakness(
                f"environment variable {name}",
                f"key material in the environment variable {name}, which every child process gets",
                f"keep it in a file of mode 0600, and unset {name}",
            )


def _listeners(facts: Facts) -> Iterator[Weakness]:
    for listener in facts.listeners:
        if not listener.has_tls and not is_loopback(listener.host):
            yield Weakness(
                listener.place,
                f"listening on {listener.host} without TLS",
                "listen on 127.0.0.1 behind a proxy that speaks TLS",
                is_refused=False,
            )
