"""The demo's receipts: made for every household from what its operator serves, and judged by strangers.

Decided here: that each household opens what the operator's server gives to anybody, and that whoever judges is a
process of its own that knows the receipts' files, the address book and a node, and nothing else of the run. Not decided
here: how a receipt is made (``settling.receipt_issue``) and when it holds (``receipt.verify``).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from wattest.apps.demo.community import Community, Household
from wattest.apps.demo.site import OperatorSite
from wattest.apps.embedded import EmbeddedDeployment
from wattest.chain.anvil import END_WITH_PARENT
from wattest.errors import VerificationError
from wattest.receipt.link import Link, LinkStatus
from wattest.settling.receipt_issue import HomeKeys, ReceiptIssuer
from wattest.settling.registration_parts import registration_parts
from wattest.store.settlement import Settlement

FILES_AT_ONCE = 250
"""Receipts that one stranger judges: few starts for many receipts, and a sign of life now and then."""


class ReceiptsRefused(VerificationError):
    """A receipt of an honest run that a stranger does not take: a fault of ours."""


def receipt_issuer(
    site: OperatorSite, deployment: EmbeddedDeployment, community: Community, settlement: Settlement
) -> ReceiptIssuer:
    """Makes the receipts of a settled period; each household opens its own entries, fetched from the server."""
    contracts = deployment.contracts
    policies = {one.verdict.policy_digest: one.policy.decode() for one in site.registered.values()}
    parts = registration_parts(
        settlement, site.store, contracts.registry, community.domain, policies, is_by_quote=False
    )
    return ReceiptIssuer(settlement, site.store, site.bundles, community.domain, parts, own=site.remote)


def home_keys(home: Household) -> HomeKeys:
    """What a household brings for its receipt."""
    return HomeKeys(home.name, home.meter.public_key, home.meter_key, home.reader)


class Strangers:
    """Processes that judge receipts: each is given files, the address book and a node's address, and nothing else."""

    def __init__(self, deployment: Path, rpc_url: str) -> None:
        self._options = ["--deployment", str(deployment.resolve()), "--rpc", rpc_url, "--json"]
        self._running: list[subprocess.Popen[str]] = []
        self._lock = threading.Lock()
        self._is_stopped = False

    def judge(self, files: Sequence[Path], done: Callable[[int], None]) -> dict[str, list[Link]]:
        """Every receipt's links by file name; all files lie in one folder, ``done`` is told how many more are judged.

        Raises ReceiptsRefused if any link of any receipt does not hold. However it ends, no process is left.
        """
        judged: dict[str, list[Link]] = {}
        pieces = [files[at : at + FILES_AT_ONCE] for at in range(0, len(files), FILES_AT_ONCE)]
        with ThreadPoolExecutor(min(len(pieces), os.cpu_count() or 1)) as pool:
            try:
                for found in pool.map(self._judge_some, pieces):
                    judged.update(found)
                    done(len(found))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self._stop()
                raise
        refused = [name for name, links in judged.items() if any(link.status is not LinkStatus.OK for link in links)]
        if refused:
            raise ReceiptsRefused(f"{len(refused)} of {len(files)} receipts do not verify, {refused[0]} among them")
        return judged

    def _judge_some(self, files: Sequence[Path]) -> dict[str, list[Link]]:
        names = [file.name for file in files]
        said, complaint = self._run(names, files[0].parent)
        try:
            value = json.loads(said)
        except ValueError:
            raise ReceiptsRefused(f"a verifier came to no result: {complaint[-500:]}") from None
        results = value if isinstance(value, list) else [{"file": names[0], **value}]
        if [result["file"] for result in results] != names:
            raise ReceiptsRefused("a verifier told of other receipts than it was given")
        return {
            result["file"]: [Link(one["name"], LinkStatus(one["status"]), one["reason"]) for one in result["links"]]
            for result in results
        }

    def _run(self, names: Sequence[str], folder: Path) -> tuple[str, str]:
        command = [sys.executable, "-m", "wattest.apps.cli", "receipt", "verify", *names, *self._options]
        with self._lock:
            if self._is_stopped:
                return "", "stopped"
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", END_WITH_PARENT, str(os.getpid()), *command],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,  # Ctrl-C reaches the demo, which ends its processes in order
            )
            self._running.append(process)
        return process.communicate()

    def _stop(self) -> None:
        with self._lock:
            self._is_stopped = True
            for process in self._running:
                process.kill()
