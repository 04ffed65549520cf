"""An enclave process, registered by its quote alone: it commits, is watched, and anyone can take its key away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from node_community import EPOCH_S, FIRST_PERIOD, TERMS, Community, build_community, destroy

from wattest.appraiser.appraiser import RegistrationRequest
from wattest.attestation.appraisal_policy import parse_policy
from wattest.attestation.chain_evidence import chain_evidence
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.policy_for_chain import channel_policy
from wattest.attestation.roots import parse_root
from wattest.chain.dcap_verifier import DcapVerifier
from wattest.chain.local_signer import LocalSigner
from wattest.chain.registry import EnclaveRegistry
from wattest.enclave.simulator.collateral import CollateralOptions
from wattest.keys.quote_registrar import QuoteRegistrar
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.header import BatchHeader
from wattest.messages.report_data import KeyBinding
from wattest.operator.operator import Operator, OperatorSettings
from wattest.store.bundle_store import BundleFolder
from wattest.store.inbox import InboxFolder
from wattest.store.operator_store import SqliteOperatorStore
from wattest.twin.dcap_errors import DCAP_REVERTS
from wattest.watcher.registration_check import EvidenceNotServed, RegistrationAppraiser

pytestmark = pytest.mark.e2e


@pytest.fixture
def community(tmp_path: Path) -> Iterator[Community]:
    built = build_community(tmp_path, by_quote=True)
    yield built
    destroy(built)


class Served:
    """The documents that an operator serves."""

    def __init__(self, **documents: bytes) -> None:
        self.documents = documents

    def fetch_document(self, channel: bytes, name: str) -> bytes:
        return self.documents[name.partition("-")[0]]  # the rest is the digest


def test_from_a_quote_to_a_commit_to_a_revocation(community: Community, tmp_path: Path) -> None:
    channel, request, client = community.channel.id, community.extra["request"], community.client()
    assert isinstance(request, RegistrationRequest)
    verifier = DcapVerifier(client, community.contracts.verifier)
    registry = EnclaveRegistry(client, community.contracts.registry)
    store = SqliteOperatorStore(tmp_path / "node" / "operator.sqlite")
    node = Operator(
        store,
        BundleFolder(tmp_path / "node" / "bundles"),
        InboxFolder(tmp_path / "node" / "inbox"),
        community.referee(community.client(journal=store.journal)),
        LocalSigner(community.operator_key),
        lambda: community.process.client,
        duties=[community.duty],
        settings=OperatorSettings(collect_grace_s=0),
    )
    try:
        for home in community.households:
            assert node.ingest(channel, home.block(FIRST_PERIOD))
        community.anvil.advance_to(FIRST_PERIOD + EPOCH_S)
        report = node.step()
        report.raise_first()
        assert len(report.committed) == 1
        header = store.batches(channel)[0].header
        assert header is not None
        assert community.referee().operator_head(channel, node.address).sequence == 1
        watched(community, registry, request, header)
    finally:
        store.close()

    stranger = LocalSigner(b"\x51" * 32)
    community.anvil.fund(stranger.address, 10**20)
    root = parse_root(community.platform.root_certificate)
    revoked = community.platform.collateral(client.now(), CollateralOptions(revoke_pck=True))
    shown = chain_evidence(parse_evidence(request.evidence)).revocation(request.binding.nonce, request.workload)
    binding = community.contracts.referee, channel, node.address
    with pytest.raises(DCAP_REVERTS["NothingAgainst"]):
        registry.revoke_with_evidence(stranger, binding, request.enclave_key, shown)
    verifier.collateral.publish(stranger, root, revoked)
    registry.revoke_with_evidence(stranger, binding, request.enclave_key, shown)
    assert registry.registration_of(binding, request.enclave_key).revoked_at == client.now()
    key, _ = registry.active_key(community.contracts.referee, channel, node.address, request.workload)
    assert key == bytes(20)


def watched(community: Community, registry: EnclaveRegistry, request: RegistrationRequest, header: BatchHeader) -> None:
    """A watcher appraises again what the operator serves; other bytes are not what was registered."""
    appraiser_of(community, registry, header.operator, request.evidence, request)(header, request.enclave_key)
    other = request.evidence[:-1] + b"\x01"
    with pytest.raises(EvidenceNotServed):
        appraiser_of(community, registry, header.operator, other, request)(header, request.enclave_key)


def appraiser_of(
    community: Community, registry: EnclaveRegistry, operator: bytes, evidence: bytes, request: RegistrationRequest
) -> RegistrationAppraiser:
    policy = str(community.extra["policy"]).encode()
    roots = [parse_root(community.platform.root_certificate)]
    remotes: Any = {operator: Served(evidence=evidence, endorsements=request.endorsements)}
    return RegistrationAppraiser(
        registry, community.contracts.referee, remotes, policy=policy, roots=roots, is_judged_by_quote=True
    )


def test_one_bit_and_a_production_policy(community: Community) -> None:
    client, request = community.client(), community.extra["request"]
    assert isinstance(request, RegistrationRequest)
    verifier = DcapVerifier(client, community.contracts.verifier)
    registry = EnclaveRegistry(client, community.contracts.registry)
    operator = LocalSigner(community.operator_key)
    production = ChannelIdentity(community.manager.address, ChannelKind.SCHEDULED, b"\x77" * 32)
    parameters = community.referee().parameters_of(community.channel.id, 1)
    community.referee().create_standard_channel(community.manager, production.kind, production.salt, parameters, TERMS)
    policy = parse_policy(b"production = true\n" + str(community.extra["policy"]).encode())
    on_chain = channel_policy(
        policy, roots=[parse_root(community.platform.root_certificate)], workloads=[request.workload]
    )
    verifier.set_policy(community.manager, community.contracts.referee, production.id, on_chain)

    def ask(channel: ChannelIdentity) -> RegistrationRequest:
        nonce = registry.recent_nonce()
        binding = KeyBinding(client.chain_id, community.contracts.referee, channel.id, operator.address, nonce.hash)
        identity = community.process.client.create_identity(binding, channel)
        return replace(
            request, binding=binding, enclave_key=identity.address, evidence=identity.evidence, nonce_block=nonce.number
        )

    registrar = QuoteRegistrar(verifier)
    proven = registrar.prove(ask(production), client.now())
    with pytest.raises(DCAP_REVERTS["RootNotIntel"]):
        registry.register(operator, proven.verdict, [proven.proof])

    community.anvil.advance_to(client.now() + 60)
    proven = registrar.prove(ask(community.channel), client.now())
    for at, code in ((-1046 + 112, "ReportSignatureInvalid"), (-1046 + 600, "QeReportSignatureInvalid")):
        changed = bytearray(proven.proof)
        changed[at] ^= 1
        with pytest.raises(DCAP_REVERTS[code]):
            registry.register(operator, proven.verdict, [bytes(changed)])
    # The digest names a file that the contract never sees: a watcher holds the file to the quote that was judged.
    community.anvil.mine(3)
    other = ask(community.channel)
    lying = replace(proven.verdict, evidence_digest=parse_evidence(other.evidence).digest)
    registry.register(operator, lying, [proven.proof])
    header: Any = SimpleNamespace(channel=community.channel.id, operator=operator.address)
    with pytest.raises(EvidenceNotServed, match="another quote"):
        appraiser_of(community, registry, operator.address, other.evidence, request)(header, lying.enclave_key)
