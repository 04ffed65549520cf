"""Anyone has a root, a channel and a policy of their own, where any address is an enclave's key: nowhere else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from quote_world import DAY, PARAMETERS, TERMS, WORKLOAD, build_world, policy_text

from wattest.attestation.appraisal_policy import parse_policy
from wattest.attestation.policy_for_chain import channel_policy
from wattest.attestation.roots import parse_root
from wattest.chain.anvil import Anvil
from wattest.chain.deploy import ContractAddresses, Contracts, ContractsUnrelated, deploy_all
from wattest.chain.view import RpcChainView
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.messages.channel import ChannelIdentity, ChannelKind

pytestmark = pytest.mark.e2e


def test_nobody_keeps_a_key_out_by_taking_it_elsewhere(tmp_path: Path) -> None:
    with Anvil.create(tmp_path / "chain", genesis_timestamp_s=1_800_000_000) as anvil:
        world = build_world(anvil, tmp_path)
        world.publish()
        world.set_policy()
        other = SimulatedPlatform.create(tmp_path / "other", world.client.now() - DAY)
        root, now = parse_root(other.root_certificate), world.client.now()
        world.collateral.publish(world.stranger, root, other.collateral(now))
        channel = ChannelIdentity(world.stranger.address, ChannelKind.SCHEDULED, bytes(32))
        world.contracts.referee.create_standard_channel(world.stranger, channel.kind, channel.salt, PARAMETERS, TERMS)
        loose = channel_policy(
            parse_policy(policy_text()), roots=[root], workloads=[WORKLOAD], collateral=[other.collateral(now)]
        )
        world.verifier.set_policy(world.stranger, world.referee, channel.id, loose)

        honest = world.request()
        taken = world.request(key=honest.enclave_key, channel=channel, operator=world.stranger, platform=other)
        registry, theirs = world.contracts.registry, (world.referee, channel.id, world.stranger.address)
        world.register(taken, world.stranger)
        registry.revoke(world.stranger, theirs, honest.enclave_key)
        world.register(honest)

        assert world.is_active(honest.enclave_key)
        ours = world.referee, world.channel.id, world.operator.address
        assert registry.registration_of(theirs, honest.enclave_key).revoked_at
        assert not registry.registration_of(ours, honest.enclave_key).revoked_at
        assert not registry.registration_of((*ours[:2], world.stranger.address), honest.enclave_key).is_known
        (registered,) = registry.registered_verdicts(ours, honest.enclave_key)
        assert registered.verdict.channel == world.channel.id
        at = world.contracts
        addresses = ContractAddresses(
            world.verifier.address, registry.address, world.referee, at.payouts.address, at.first_light.address,
            at.token.address, 0, collateral=world.collateral.address,
        )  # fmt: skip
        seen = RpcChainView(world.client, addresses).registrations(honest.enclave_key)
        assert [one.revoked_at is None for one in seen] == [False, True]


def test_an_address_book_names_who_judges(tmp_path: Path) -> None:
    with Anvil.create(tmp_path / "chain", genesis_timestamp_s=1_800_000_000) as anvil:
        world = build_world(anvil, tmp_path)
        mine, other = (deploy_all(world.client, world.manager) for _ in range(2))
        assert Contracts.at(world.client, mine).quotes is not None
        for wrong in (replace(mine, verifier=other.verifier), replace(mine, collateral=other.collateral)):
            with pytest.raises(ContractsUnrelated):
                Contracts.at(world.client, wrong)
