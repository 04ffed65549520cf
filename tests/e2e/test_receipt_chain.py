"""A household's receipt against the real contracts: registered, committed, final, paid, and verified from a file."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from enclave_community import DAY_S, FIRST_DAY, TARIFF, Community, secret
from receipt_world import World
from waiting import HANG_S

from wattest.chain.anvil import Anvil
from wattest.chain.client import ChainClient
from wattest.chain.deploy import Contracts, deploy_all
from wattest.chain.local_signer import LocalSigner
from wattest.chain.view import chain_view
from wattest.config import ChainConfig
from wattest.enclave.host.client import SealedBatch
from wattest.merkle import MerkleTree
from wattest.messages.channel import ChannelKind
from wattest.messages.eip712 import Domain
from wattest.receipt.deployment import Deployment, DistributionEntry
from wattest.receipt.link import LinkStatus
from wattest.receipt.receipt import Receipt
from wattest.receipt.verify import ChainMismatch, exit_code, verify_receipt
from wattest.sealing.statement_block import payout_job_id
from wattest.twin.batch import BatchCitation, BatchRecord, EntryInclusion
from wattest.twin.challenge import ChallengeTerms
from wattest.twin.parameters import ChannelParameters
from wattest.twin.payouts import DistributionTerms, distribution_id

pytestmark = pytest.mark.e2e
AT_ONCE = ChainConfig(confirmations=0)
SCHEDULED = ChannelParameters(DAY_S, 7_200, 7 * DAY_S, 21 * DAY_S, 10**18, 2 * 10**17, 10**16)
TERMS = ChallengeTerms(DAY_S, 10**15, 5 * 10**14, 10**11)
OPEN = replace(SCHEDULED, epoch_s=0, commit_deadline_s=0)
DISTRIBUTION_SALT = b"\x01" * 32


@dataclass
class Settled:
    """One settled period on a running chain, before finality."""

    anvil: Anvil
    client: ChainClient
    contracts: Contracts
    world: World
    deployment: Deployment
    signer: LocalSigner
    receipt: Receipt
    records: dict[bytes, BatchRecord]
    distribution: bytes
    headers: list[SealedBatch]

    def statuses(self, receipt: Receipt | None = None) -> dict[str, LinkStatus]:
        view = chain_view(self.anvil.url, self.deployment, config=AT_ONCE)
        return {link.name: link.status for link in verify_receipt(receipt or self.receipt, self.deployment, view)}

    def citation(self, batch: SealedBatch) -> BatchCitation:
        header = batch.header
        record = self.records[header.digest(self.world.community.domain)]
        return BatchCitation(header.channel, header.operator, header.sequence, record)


@pytest.fixture
def settled(tmp_path: Path) -> Iterator[Settled]:
    with Anvil.create(tmp_path / "chain", genesis_timestamp_s=FIRST_DAY - 600) as anvil:
        yield settle(anvil, tmp_path)


def settle(anvil: Anvil, folder: Path) -> Settled:
    client = ChainClient.connect(anvil.url, config=AT_ONCE)
    signer, manager = LocalSigner(secret("operator")), None
    anvil.fund(signer.address, 10**21)
    appraisers = sorted(_address(secret("appraiser", number)) for number in range(3))
    addresses = deploy_all(client, signer, appraisers=appraisers, threshold=2, demo_token_supply=10**12)
    contracts = Contracts.at(client, addresses)
    community = Community(5, domain=Domain(client.chain_id, addresses.referee))
    manager = LocalSigner(secret(community.name, "manager"))
    anvil.fund(manager.address, 10**21)
    assert manager.address == community.manager.address
    contracts.referee.create_standard_channel(manager, ChannelKind.SCHEDULED, community.channel.salt, SCHEDULED, TERMS)
    contracts.referee.create_standard_channel(manager, ChannelKind.OPEN, community.open_channel.salt, OPEN, TERMS)
    contracts.referee.set_roster_count(manager, community.channel.id, community.count, FIRST_DAY)
    for channel in (community.channel, community.open_channel):
        contracts.referee.deposit(signer, channel.id, 5 * SCHEDULED.exposure_wei)

    nonce = contracts.registry.recent_nonce()
    world = World(folder, 2, community, 1, client.now(), signer.address, nonce.hash)
    registry = Domain(client.chain_id, addresses.registry)
    parts = [world.register(channel, registry, nonce.number) for channel in (community.channel, community.open_channel)]
    for part in parts:
        contracts.registry.register(signer, part.verdict, part.signatures)

    world.seal()
    records: dict[bytes, BatchRecord] = {}
    for batch in [*world.warm_up, *world.batches]:
        anvil.advance_to(batch.header.period_end + 60)
        commit(contracts, signer, batch, records, community)
    commit(contracts, signer, world.statement, records, community)

    terms = DistributionTerms(
        poster=signer.address,
        disabler=manager.address,
        token=addresses.token,
        referee=addresses.referee,
        statement_channel=community.open_channel.id,
        statement_operator=signer.address,
        activation_delay_s=DAY_S,
        metering_channels=(community.channel.id,),
        import_channels=(),
    )
    contracts.payouts.create_distribution(signer, DISTRIBUTION_SALT, terms)
    distribution = distribution_id(signer.address, DISTRIBUTION_SALT)
    deployment = replace(
        world.deployment(addresses.registry, client.block(0).hash),
        chain_id=client.chain_id,
        challenges=addresses.challenges,
        fraud_proofs=addresses.fraud_proofs,
        verifier=addresses.verifier,
        payouts=addresses.payouts,
        first_light=addresses.first_light,
        token=addresses.token,
        deployed_at_block=addresses.deployed_at_block,
        distributions=(
            DistributionEntry(distribution, community.open_channel.id, signer.address, (community.channel.id,)),
        ),
    )
    receipt = world.receipt(1, parts)
    return Settled(anvil, client, contracts, world, deployment, signer, receipt, records, distribution, world.batches)


def commit(
    contracts: Contracts,
    signer: LocalSigner,
    batch: SealedBatch,
    records: dict[bytes, BatchRecord],
    community: Community,
) -> None:
    header = batch.header
    contracts.referee.commit(signer, header, batch.signature)
    committed = contracts.referee.committed_batch(header.channel, header.operator, header.sequence)
    assert committed is not None
    records[header.digest(community.domain)] = committed.record


def post_root(settled: Settled) -> None:
    statement = settled.world.statement
    assert statement.payouts is not None
    job = payout_job_id(statement.header.channel, statement.header.period_start)
    index = next(at for at, entry in enumerate(statement.entries) if entry[2:34] == job)
    tree = MerkleTree.from_payloads(list(statement.entries), list(statement.entry_salts))
    entry = EntryInclusion(index, statement.entry_salts[index], statement.entries[index], tuple(tree.prove(index).path))
    settled.contracts.payouts.post_root(
        settled.signer,
        settled.distribution,
        root=statement.payouts.root,
        total=statement.payouts.total,
        header=statement.header,
        statement=settled.citation(statement),
        entry=entry,
        cited=[settled.citation(batch) for batch in settled.headers],
    )


def test_a_receipt_grows_true_on_chain(settled: Settled, tmp_path: Path) -> None:
    statuses = settled.statuses()
    assert {name for name, status in statuses.items() if status is LinkStatus.FAILED} == {"finality", "payout root"}
    post_root(settled)
    statuses = settled.statuses()
    assert {name for name, status in statuses.items() if status is LinkStatus.FAILED} == {"finality"}

    settled.anvil.advance_to(settled.client.now() + 8 * DAY_S)
    assert set(settled.statuses().values()) == {LinkStatus.OK}
    payout = settled.receipt.payout
    assert payout is not None
    settled.contracts.token.approve(settled.signer, settled.deployment.payouts, payout.total)
    settled.contracts.payouts.fund(settled.signer, settled.distribution, payout.total)
    settled.contracts.payouts.activate_root(
        settled.signer,
        settled.distribution,
        settled.citation(settled.world.statement),
        [settled.citation(batch) for batch in settled.headers],
    )
    count = len(settled.world.statement.payouts.salts) // 16  # type: ignore[union-attr]
    settled.contracts.payouts.claim(
        settled.signer,
        settled.distribution,
        account=payout.account,
        cumulative_amount=payout.amount,
        salt=payout.leaf_salt,
        leaf_index=payout.leaf_index,
        leaf_count=count,
        path=payout.leaf_path,
    )
    assert settled.contracts.token.balance_of(payout.account) == payout.amount

    # Years later: the registration, the collateral and the certificates have long expired.
    settled.anvil.advance_to(settled.client.now() + 20 * 365 * DAY_S)
    assert set(settled.statuses().values()) == {LinkStatus.OK}
    verify_from_files(settled, tmp_path)


def verify_from_files(settled: Settled, folder: Path) -> None:
    """A separate process that has a receipt, an RPC address and the address book, and nothing else."""
    away = folder / "away"
    away.mkdir()
    (away / "receipt.json").write_bytes(settled.receipt.to_bytes())
    (away / "deployment.json").write_bytes(settled.deployment.to_bytes())
    shutil.rmtree(folder / "state")
    command = [sys.executable, "-m", "wattest.apps.cli", "receipt", "verify", "receipt.json"]
    command += ["--deployment", "deployment.json", "--rpc", settled.anvil.url, "--json"]
    done = subprocess.run(
        [*command, "--rpc", settled.anvil.url], cwd=away, capture_output=True, timeout=HANG_S, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["valid"] is True
    data = (away / "receipt.json").read_bytes()
    key = settled.receipt.days[0].series_key.hex().encode()
    (away / "receipt.json").write_bytes(data.replace(key, key[:-1] + (b"0" if key[-1:] != b"0" else b"1")))
    done = subprocess.run(
        [*command, "--rpc", settled.anvil.url], cwd=away, capture_output=True, timeout=HANG_S, check=False
    )
    assert done.returncode == 4
    assert json.loads(done.stdout)["valid"] is False


def test_a_slashed_batch_breaks_the_receipt(settled: Settled) -> None:
    batch = settled.headers[0]
    cited = settled.citation(batch)
    settled.contracts.referee.challenge(settled.signer, batch.header, cited, 0, 10**15)
    settled.anvil.advance_to(settled.client.now() + DAY_S + 60)
    settled.contracts.referee.expire(settled.signer, cited, 0)
    settled.anvil.advance_to(settled.client.now() + 8 * DAY_S)
    statuses = settled.statuses()
    assert statuses["commitment"] is LinkStatus.FAILED
    assert statuses["finality"] is LinkStatus.FAILED


def test_another_chain_is_refused(settled: Settled) -> None:
    view = chain_view(settled.anvil.url, settled.deployment, config=AT_ONCE)
    for changed in ({"chain_id": 1}, {"genesis_hash": b"\x01" * 32}):
        with pytest.raises(ChainMismatch):
            verify_receipt(settled.receipt, replace(settled.deployment, **changed), view)  # type: ignore[arg-type]
    assert exit_code(verify_receipt(settled.receipt, settled.deployment, None)) == 8
    assert TARIFF.units_per_cent > 0


def _address(seed: bytes) -> bytes:
    return LocalSigner(seed).address
