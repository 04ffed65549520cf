"""The demo's receipts: made for every household from what its operator serves, and judged by strangers.

Decided here: what a household fetches itself, what is made once for a batch and used for all, and that whoever judges
is a process of its own that knows the receipts' files, the address book and a node, and nothing else of the run. Not
decided here: what a receipt holds (``receipt.build``) and when it holds (``receipt.verify``).
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
from wattest.apps.demo.settling import TARIFF, Settlement
from wattest.apps.demo.site import OperatorSite
from wattest.chain.anvil import END_WITH_PARENT
from wattest.errors import VerificationError
from wattest.messages.channel import ChannelIdentity
from wattest.messages.eip712 import Domain
from wattest.metering.meter import blinded_meter, meter_key_id, statement_job_id
from wattest.receipt.build import (
    BatchPieces,
    DayPieces,
    MeteringBatchPieces,
    OwnBlock,
    PayoutPieces,
    StatementPieces,
    build_receipt,
)
from wattest.receipt.link import Link, LinkStatus
from wattest.receipt.receipt import RegistrationPart
from wattest.sealing.bundle import open_block
from wattest.sealing.wrapped_keys import unwrap_series_key
from wattest.store.remote_operator import OperatorRemote

FILES_AT_ONCE = 250
"""Receipts that one stranger judges: few starts for many receipts, and a sign of life now and then."""


class ReceiptsRefused(VerificationError):
    """A receipt of an honest run that a stranger does not take: a fault of ours."""


class ReceiptMaker:
    """Makes the receipts of one settled period.

    What is the same for all (headers, manifests, trees, rosters) is fetched and built once; its own entry's series key
    and block each household fetches and opens with its own key.
    """

    def __init__(
        self,
        site: OperatorSite,
        community: Community,
        domain: Domain,
        statement_channel: ChannelIdentity,
        settlement: Settlement,
        days: int,
    ) -> None:
        self._community = community
        self._domain = domain
        self._settlement = settlement
        self._remote: OperatorRemote = site.remote
        self._registrations = [
            RegistrationPart(
                one.verdict, one.signatures, one.identity.evidence, one.endorsements.decode(), one.policy.decode()
            )
            for one in site.registered.values()
        ]
        key_of = {meter_key_id(one.meter.public_key): one.meter.public_key for one in community.households}
        channel = community.channel.id
        self._days = []
        for sequence in range(1, days + 1):
            batch, roster = self._batch(site, channel, sequence), site.operator.store.roster(channel, sequence)
            keys = [key_of[roster[at : at + 32]] for at in range(0, len(roster), 32)]
            self._days.append(
                MeteringBatchPieces(
                    batch.header, batch.signature, batch.entries, batch.entry_salts, batch.manifest, keys
                )
            )
        self._statement = self._batch(site, statement_channel.id, settlement.stored.sequence)

    def make(self, home: Household) -> bytes:
        """One household's receipt."""
        tree = self._settlement.payouts
        is_paid = tree is not None and home.payee.address in self._settlement.payees
        days = []
        for batch in self._days:
            name = blinded_meter(home.meter_key, batch.header.channel, batch.header.period_start)
            days.append(DayPieces(batch, self._own(batch, home, name)))
        header = self._statement.header
        job_id = statement_job_id(home.meter_key, header.channel, header.period_start)
        receipt = build_receipt(
            self._domain,
            home.meter_key,
            home.meter.public_key,
            days,
            StatementPieces(self._statement, self._own(self._statement, home, job_id), TARIFF.to_bytes()),
            self._registrations,
            PayoutPieces(tree, home.payee.address) if tree is not None and is_paid else None,
        )
        return receipt.to_bytes()

    def _batch(self, site: OperatorSite, channel: bytes, sequence: int) -> BatchPieces:
        header, signature = self._remote.fetch_header(channel, sequence)
        entries, salts = site.store.entries(channel, sequence)
        return BatchPieces(header, signature, entries, salts, self._remote.fetch_manifest(channel, sequence))

    def _own(self, batch: BatchPieces, home: Household, name: bytes) -> OwnBlock:
        """The household's own series key and block: ``name`` is what only it and its operator know its entry by."""
        header = batch.header
        place = header.channel, header.sequence
        wrapped = self._remote.fetch_wrapped_keys(*place, home.reader.public_key, header.entry_count)
        (position,) = wrapped
        key = unwrap_series_key(home.reader, wrapped[position], *place, position, name)
        return OwnBlock(key, open_block(key, *place, name, self._remote.fetch_block(*place, position)))


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
