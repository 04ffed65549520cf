"""A community whose operator settles by commands: anvil, a statement channel, a distribution, signed terms."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from node_community import (
    EPOCH_S,
    ETHER,
    FIRST_PERIOD,
    PARAMETERS,
    TERMS,
    Community,
    build_community,
    destroy,
    seed,
    write_operator_files,
)
from settling_stage import TARIFF, energy_block
from waiting import HANG_S

from wattest.appraiser.appraiser import Appraiser
from wattest.appraiser.appraiser_service import AppraiserServer
from wattest.attestation.roots import parse_root
from wattest.chain.deploy import Contracts
from wattest.chain.local_signer import LocalSigner
from wattest.chain.registry import EnclaveRegistry
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.io.crash_points import FAULT_VARIABLE
from wattest.io.files import write_key_file
from wattest.keys.key_standing import sealing_workload, settling_workload
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.member_file import MemberFile, NamedMember
from wattest.messages.settlement_terms import SettlementTerms, sign_terms
from wattest.receipt.deployment import Deployment, DistributionEntry, parse_deployment
from wattest.settlement.allocation import AllocationKey
from wattest.settlement.tariff import Tariff
from wattest.settlement.terms_file import NamedPayee, TermsFile
from wattest.store.inbox import InboxFolder
from wattest.store.operator_store import SqliteOperatorStore
from wattest.twin.payouts import DistributionTerms, distribution_id

DELAY_S = 86_400
FIRST_DATE = "2023-11-14"
TOKENS = 10**9
MANAGER = LocalSigner(seed("manager"))


@dataclass
class SettlingCommunity:
    """The folder of an operator with everything that its commands need."""

    community: Community
    folder: Path
    config: Path
    contracts: Contracts
    statements: ChannelIdentity
    distribution: bytes
    members: tuple[NamedMember, ...]
    appraiser: AppraiserServer

    @property
    def deployment(self) -> Deployment:
        return parse_deployment((self.folder / "deployment.json").read_bytes())

    def command(self, *arguments: str, fault: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run wattest; ``fault`` is where it is killed."""
        environment = {name: value for name, value in os.environ.items() if name != FAULT_VARIABLE}
        if fault is not None:
            environment[FAULT_VARIABLE] = fault
            arguments = (*arguments, "--unsafe-development-faults")
        return subprocess.run(
            [sys.executable, "-m", "wattest.apps.cli", *arguments],
            env=environment, cwd=self.folder, capture_output=True, text=True, timeout=HANG_S, check=False,
        )  # fmt: skip

    def said(self, *arguments: str) -> Any:
        """What a command that must succeed prints as JSON."""
        done = self.command(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def settle(self, *arguments: str, fault: str | None = None) -> subprocess.CompletedProcess[str]:
        return self.command("settle", "--config", "operator.toml", *arguments, fault=fault)

    def run_operator(self) -> None:
        done = self.command("operator", "run", "--config", "operator.toml", "--once")
        assert done.returncode == 0, done.stderr

    def commit_day(self, day: int) -> None:
        """A day is over and goes on chain; the first household of the list has solar power."""
        period = FIRST_PERIOD + day * EPOCH_S
        homes = sorted(self.community.households, key=lambda home: home.meter.public_key)
        for at, home in enumerate(homes):
            block = energy_block(home, period, 0 if at == 0 else 250, 900 if at == 0 else 0)
            InboxFolder(self.folder / "data" / "inbox").put(self.community.channel.id, block)
        self.community.anvil.advance_to(period + EPOCH_S)
        self.run_operator()

    def pass_windows(self) -> None:
        client = self.community.client()
        self.community.anvil.advance_to(client.now() + PARAMETERS.challenge_window_s + 1)
        self.run_operator()

    def write_terms(
        self, name: str = "terms.toml", *, days: tuple[int, int] = (0, 31), key: bytes = b"", tariff: Tariff = TARIFF
    ) -> Path:
        """Terms that the manager, or whoever has ``key``, signed."""
        listed = self.community.members.member_list
        payees = tuple(NamedPayee.of(one) for one in self.members)
        allocation = AllocationKey.dynamic(len(payees))
        terms = SettlementTerms.over(
            self.statements.id, listed, tariff.to_bytes(), allocation.to_bytes(), [one.address for one in payees],
            FIRST_PERIOD + days[0] * EPOCH_S, FIRST_PERIOD + days[1] * EPOCH_S,
        )  # fmt: skip
        signed = sign_terms(LocalSigner(key or seed("manager")), terms, self.deployment.referee_domain)
        path = self.folder / name
        path.write_bytes(
            TermsFile(
                self.statements.id, listed.channel, listed.struct_hash, tariff, allocation, payees, signed
            ).to_bytes()
        )
        return path

    def fund(self, amount: int) -> None:
        payouts = self.contracts.payouts
        self.contracts.token.approve(MANAGER, payouts.address, amount)
        payouts.fund(MANAGER, self.distribution, amount)

    def store(self) -> SqliteOperatorStore:
        return SqliteOperatorStore(self.folder / "data" / "operator.sqlite", read_only=True)

    def states(self) -> list[str]:
        store = self.store()
        try:
            return [one.state.value for one in store.settlements.all()]
        finally:
            store.close()


@contextmanager
def settling_community(folder: Path) -> Iterator[SettlingCommunity]:
    """Everything up to the first day."""
    community = build_community(folder, deposit_ether=60, token_supply=TOKENS)
    try:
        community.process.stop()
        appraiser = Appraiser(
            Secp256k1PrivateKey.from_seed(seed("appraiser")),
            community.extra["policy"].encode(),
            [parse_root(community.platform.root_certificate)],
            frozenset({sealing_workload(), settling_workload()}),
        )
        registry = EnclaveRegistry(community.client(), community.contracts.registry)
        server = AppraiserServer(appraiser, community.client(), registry.domain, community.contracts.referee)
        with server:
            yield _open(community, folder / "operator", server)
    finally:
        destroy(community)


def _open(community: Community, folder: Path, appraiser: AppraiserServer) -> SettlingCommunity:
    config = write_operator_files(community, folder)
    book = parse_deployment((folder / "deployment.json").read_bytes())
    contracts = Contracts.at(community.client(), book)
    operator = LocalSigner(community.operator_key)
    statements = ChannelIdentity(MANAGER.address, ChannelKind.OPEN, seed("statements"))
    parameters = replace(PARAMETERS, epoch_s=0, commit_deadline_s=0)
    contracts.referee.create_standard_channel(MANAGER, statements.kind, statements.salt, parameters, TERMS)
    contracts.referee.deposit(operator, statements.id, 20 * ETHER)
    distribution = distribution_id(MANAGER.address, bytes(32))
    contracts.payouts.create_distribution(
        MANAGER,
        bytes(32),
        DistributionTerms(
            operator.address, MANAGER.address, book.token, book.referee, statements.id, operator.address,
            DELAY_S, (community.channel.id,), (),
        ),
    )  # fmt: skip
    entry = DistributionEntry(distribution, statements.id, operator.address, (community.channel.id,))
    book = replace(book, channels=(*book.channels, statements), distributions=(entry,))
    (folder / "deployment.json").write_bytes(book.to_bytes())
    config.write_text(
        f'{config.read_text()}\n[[open_channel]]\nchannel = "{statements.id.hex()}"\nuse = "statements"\n'
        f'\n[registration]\nappraisers = ["{appraiser.url}"]\n'
    )
    members = tuple(
        NamedMember(f"flat-{at}", member, seed(f"payee {at}", 20))
        for at, member in enumerate(community.members.member_list.members)
    )
    (folder / "members.toml").write_bytes(MemberFile(community.channel.id, members).to_bytes())
    (folder / "policy.toml").write_text(community.extra["policy"])
    for at, member in enumerate(members):
        home = next(one for one in community.households if one.meter.public_key == member.member.public_key)
        place = folder / "homes" / member.name
        place.mkdir(parents=True)
        (place / "member.toml").write_bytes(member.to_card())
        index = next(n for n in range(len(members)) if seed(f"{n} meter key") == home.meter_key)
        write_key_file(place / "blinding.key", home.meter_key)
        write_key_file(place / "reader.key", seed(f"{index} reader"))
        assert at >= 0
    return SettlingCommunity(community, folder, config, contracts, statements, distribution, members, appraiser)
