"""Nodes' files opened for a command: what of them is not for production is refused, or said as the command starts.

Decided here: which facts a file has, and that they are judged after the file was read and before anything is opened,
bound or sent. Not decided here: what is refused (``production``), how a file is read (``operator_file``,
``watcher_file``, ``appraiser_file``). Every command with ``--config`` comes through here; an arch test sees to it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import click

from wattest.apps.appraiser_file import AppraiserFile, read_appraiser_file
from wattest.apps.channel_tables import require_closed
from wattest.apps.operator_file import OperatorFile, read_operator_file
from wattest.apps.production import (
    Facts,
    KeyFile,
    Listener,
    Weakness,
    is_production,
    require_production,
    summary,
    weaknesses,
)
from wattest.apps.watcher_file import WatcherFile, read_watcher_file
from wattest.attestation.appraisal_policy import parse_policy
from wattest.attestation.appraisal_policy_table import PolicyMalformed
from wattest.chain.signers import KEY_FILE, SignerName
from wattest.io.crash_points import FAULT_VARIABLE
from wattest.receipt.deployment import Deployment


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a command is in production, and what of its settings is not for production."""

    production: bool
    unsafe: tuple[Weakness, ...]

    def say(self) -> None:
        """One line on standard error, where there is something to say: for a command that goes on running."""
        line = summary(self.unsafe, production=self.production)
        if line is not None:
            click.echo(line, err=True)

    def as_dict(self) -> dict[str, object]:
        """``production`` and ``unsafe``, as ``--json`` shows them."""
        return {"production": self.production, "unsafe": [weakness.shown() for weakness in self.unsafe]}


def stand(said: bool | None, place: str, facts: Facts) -> Standing:
    """Judge what is known of a command; ``said`` is what ``place`` says of production.

    Raises: ProductionRefused, ProductionSwitchedOff.
    """
    environment = dict(os.environ)
    production = is_production(said, place, environment)
    found = weaknesses(replace(facts, environment=environment, user=os.getuid()))
    if production:
        require_production(found)
    return Standing(production, found)


def open_operator_file(path: Path, *, faulty: bool = False) -> tuple[OperatorFile, Standing]:
    """An operator's file and how it stands; ``faulty``: faults may be armed. Raises: as ``stand`` and its reader."""
    settings = read_operator_file(path)
    standing = stand(settings.production, f"{path}: production", operator_facts(settings, faulty=faulty))
    for _, key_file in settings.meter_key_files:
        require_closed(key_file)  # in production it was named among the others
    return settings, standing


def open_watcher_file(path: Path, *, faulty: bool = False) -> tuple[WatcherFile, Standing]:
    """A watcher's file and how it stands. Raises: as ``stand`` and its reader."""
    settings = read_watcher_file(path)
    return settings, stand(settings.production, f"{path}: production", watcher_facts(settings, faulty=faulty))


def open_appraiser_file(path: Path) -> tuple[AppraiserFile, Standing]:
    """An appraiser's file and how it stands. Raises: as ``stand`` and its reader."""
    settings = read_appraiser_file(path)
    return settings, stand(settings.production, f"{path}: production", appraiser_facts(settings))


def operator_facts(settings: OperatorFile, *, faulty: bool = False) -> Facts:
    """What an operator's file says that production may refuse."""
    urls = [("chain.rpc_url", settings.chain.rpc_url or "")]
    urls += [(f"registration.appraisers[{at}]", url) for at, url in enumerate(settings.appraisers)]
    switches = fault_switches(faulty=faulty)
    service = None if settings.collateral is None else settings.collateral.service
    if service is not None:
        urls.append(("collateral.url", service.url))
        if service.root_list_url is not None:
            urls.append(("collateral.root_crl_url", service.root_list_url))
        if service.unsafe_http:
            switches.append("collateral.unsafe_http")
    policies = _peer_policies(settings)
    keys = [*_signer_file("operator.key", settings.signer), *settings.meter_key_files]
    return Facts(
        platforms=[("enclave.kind", settings.platform.kind)] if settings.platform.is_for_development else [],
        roots=_roots(settings.deployment, "operator.deployment"),
        chains=[("operator.deployment", settings.deployment.chain_id)],
        urls=urls,
        listeners=[Listener("operator.listen", settings.host)],  # standby and witness meet under attested TLS
        key_files=key_files(keys),
        policies=[(place, says_production(policy)) for place, policy in policies],
        switches=switches,
    )


def watcher_facts(settings: WatcherFile, *, faulty: bool = False) -> Facts:
    """What a watcher's file says that production may refuse."""
    operators = [(f"operator[{at}].url", url) for at, url in enumerate(settings.operators.values())]
    policy = settings.policy
    return Facts(
        roots=_roots(settings.deployment, "watcher.deployment"),
        chains=[("watcher.deployment", settings.deployment.chain_id)],
        urls=[("chain.rpc_url", settings.chain.rpc_url or ""), *operators],
        key_files=key_files(
            [*_signer_file("watcher.key", settings.signer), ("watcher.reader_key", settings.reader_key_file)]
        ),
        policies=[] if policy is None else [("watcher.policy", says_production(policy))],
        switches=fault_switches(faulty=faulty),
    )


def appraiser_facts(settings: AppraiserFile) -> Facts:
    """What an appraiser's file says that production may refuse."""
    return Facts(
        roots=_roots(settings.deployment, "appraiser.deployment"),
        chains=[("appraiser.deployment", settings.deployment.chain_id)],
        urls=[("chain.rpc_url", settings.chain.rpc_url or "")],
        listeners=[Listener("appraiser.listen", settings.host)],
        key_files=key_files(_signer_file("appraiser.key", settings.signer)),
        policies=[("appraiser.policy", says_production(settings.policy))],
        switches=fault_switches(faulty=False),
    )


def fault_switches(*, faulty: bool) -> list[str]:
    """The switches for development faults that are on: the option, and the variable that it listens to."""
    switches = ["--unsafe-development-faults"] if faulty else []
    return [*switches, FAULT_VARIABLE] if os.environ.get(FAULT_VARIABLE) else switches


def key_files(named: Iterable[tuple[str, Path]]) -> list[KeyFile]:
    """Mode and owner of key files, (place, path) each; one that is not there is its reader's to complain of."""
    found = []
    for place, path in named:
        try:
            status = path.stat()
        except OSError:
            continue
        found.append(KeyFile(place, str(path), stat.S_IMODE(status.st_mode), status.st_uid))
    return found


def says_production(policy: bytes) -> bool:
    """Whether an appraisal policy says production; one that cannot be read says nothing."""
    try:
        return parse_policy(policy).production
    except PolicyMalformed:
        return False


def _peer_policies(settings: OperatorFile) -> list[tuple[str, bytes]]:
    """What managers signed for this operator's enclaves, with its place in the file."""
    found = []
    for number, duty in enumerate(settings.duties):
        place, name = f"channel[{number}]", duty.channel.id
        if name in settings.hand_overs:
            found.append((f"{place}.hand_over.policy", settings.hand_overs[name].policy))
        if name in settings.standbys:
            found.append((f"{place}.standby.policy", settings.standbys[name].terms.policy))
        if name in settings.witnesses:
            found.append((f"{place}.witness.policy", settings.witnesses[name].policy))
    return found


def _signer_file(place: str, signer: SignerName) -> list[tuple[str, Path]]:
    return [(place, signer.folder / signer.where)] if signer.kind == KEY_FILE else []


def _roots(deployment: Deployment, place: str) -> list[tuple[str, bytes]]:
    return [(f"{place}: trust_roots[{at}]", root) for at, root in enumerate(deployment.trust_roots)]
