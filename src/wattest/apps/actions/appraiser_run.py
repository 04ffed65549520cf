"""``wattest appraiser``: judge enclaves' evidence for operators and sign verdicts.

Decided here: which parts a running appraiser is made of. Not decided here: what it checks
(``appraiser.appraiser_service``) and how evidence is judged (``attestation``).
"""

from __future__ import annotations

import threading
from pathlib import Path

import click

from wattest.appraiser.appraiser import Appraiser
from wattest.appraiser.appraiser_service import AppraiserServer
from wattest.apps.interrupts import SteadyStack
from wattest.apps.production_files import open_appraiser_file
from wattest.apps.settings_agreement import require_appraiser_agreement
from wattest.attestation.appraisal_policy import parse_policy
from wattest.attestation.roots import parse_root
from wattest.chain.client import ChainClient
from wattest.workload.configuration import EngineConfiguration
from wattest.workload.engine import workload_digest
from wattest.workload.guests import load_guest_bytes


def run(config_path: Path) -> None:
    """What ``wattest appraiser run`` does."""
    settings, standing = open_appraiser_file(config_path)
    deployment = settings.deployment
    parse_policy(settings.policy)  # a mistake in it is told now, not to the first who asks
    configuration = EngineConfiguration.for_enclave()
    judge = Appraiser(
        settings.signer.open(),
        settings.policy,
        [parse_root(root) for root in deployment.trust_roots],
        frozenset(workload_digest(load_guest_bytes(name), configuration) for name in ("vee", "settle")),
        settings.registration_s,
        report=lambda line: click.echo(line, err=True),
    )
    client = ChainClient.connect(
        settings.chain.rpc_url or "",
        chain_id=deployment.chain_id,
        genesis_hash=deployment.genesis_hash,
        config=settings.chain,
    )
    require_appraiser_agreement(settings, client, judge.key.address)
    with SteadyStack() as stack:
        server = AppraiserServer(
            judge,
            client,
            deployment.registry_domain,
            deployment.referee,
            host=settings.host,
            port=settings.port,
        ).start()
        stack.callback(server.stop)
        click.echo(f"appraiser 0x{judge.key.address.hex()} judges at {server.url}", err=True)
        standing.say()
        threading.Event().wait()
