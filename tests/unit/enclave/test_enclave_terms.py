"""A hostile host chooses neither prices, shares, payees nor the channel that is settled: the manager signed them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from enclave_community import TARIFF, Community, LocalEnclave, secret

from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.enclave.host.client import Identity, SealedBatch, StatementJob
from wattest.enclave.measured.errors import TermsRefused
from wattest.errors import InputError, VerificationError
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.eip712 import Domain
from wattest.messages.settlement_terms import (
    SettlementTerms,
    SignedTerms,
    TermsInvalid,
    TermsUnsigned,
    sign_terms,
    verify_terms,
)
from wattest.settlement.allocation import AllocationKey


@pytest.fixture
def metering(enclave: LocalEnclave, community: Community) -> tuple[Identity, list[SealedBatch]]:
    """One sealed day, and a key for the statement channel."""
    identity = enclave.describe().identities[0]
    enclave.create_identity(community.binding(community.open_channel), community.open_channel)
    return identity, [enclave.seal(community.seal_job(0))]


def _payee(job: StatementJob) -> StatementJob:
    return replace(job, payees=[b"\x66" * 20, *job.payees[1:]])


THEFTS: dict[str, Callable[[StatementJob], StatementJob]] = {
    "a payee of the host's own": _payee,
    "two payees swapped": lambda job: replace(job, payees=[job.payees[1], job.payees[0], *job.payees[2:]]),
    "another price for what is fed in": lambda job: replace(
        job, tariff=replace(TARIFF, feed_in=TARIFF.feed_in * 1000).to_bytes()
    ),
    "other shares": lambda job: replace(
        job, allocation=AllocationKey.static([1_000_000, *[0] * (len(job.payees) - 1)]).to_bytes()
    ),
    "no signature": lambda job: replace(job, terms=replace(job.terms, signature=bytes(65))),
    "terms made to last longer": lambda job: replace(
        job, terms=replace(job.terms, valid_until=job.terms.valid_until - 1)
    ),
    "terms that end before they begin": lambda job: replace(job, terms=SignedTerms(5, 4, job.terms.signature)),
}


@pytest.mark.parametrize("change", THEFTS.values(), ids=THEFTS.keys())
def test_a_host_cannot_change_what_the_manager_signed(
    enclave: LocalEnclave,
    community: Community,
    metering: tuple[Identity, list[SealedBatch]],
    change: Callable[[StatementJob], StatementJob],
) -> None:
    identity, batches = metering
    job = community.statement_job(batches, identity)
    with pytest.raises(TermsRefused):
        enclave.seal(change(job))
    assert enclave.last_release(community.open_channel.id) is None
    assert enclave.seal(job).header.sequence == 1


def test_terms_of_a_stranger_or_of_other_times_are_refused(
    enclave: LocalEnclave, community: Community, metering: tuple[Identity, list[SealedBatch]]
) -> None:
    identity, batches = metering
    job = community.statement_job(batches, identity)
    with pytest.raises(TermsRefused):
        enclave.seal(community.agreed(job, signer=Secp256k1PrivateKey.from_seed(secret("host"))))
    parameters = (job.channel, job.members.member_list, job.tariff, job.allocation, list(job.payees))
    for span in ((job.period_start + 1, job.period_end), (job.period_start, job.period_end - 1)):
        terms = SettlementTerms.over(*parameters, *span)
        with pytest.raises(TermsRefused):
            enclave.seal(replace(job, terms=sign_terms(community.manager, terms, community.domain)))
    exact = SettlementTerms.over(*parameters, job.period_start, job.period_end)
    enclave.seal(replace(job, terms=sign_terms(community.manager, exact, community.domain)))


def test_a_made_up_channel_cannot_be_settled_into_a_true_statement_channel(
    enclave: LocalEnclave, community: Community
) -> None:
    # The host is the manager of a channel of its own, with meters of its own that feed in what it likes. The enclave
    # seals that channel; its credits must not enter the payout list that the true channel's next root continues.
    own = Community(3, name="the host's own")
    enclave.create_identity(own.binding(), own.channel)
    enclave.create_identity(community.binding(community.open_channel), community.open_channel)
    identity = next(found for found in enclave.describe().identities if found.channel == own.channel.id)
    sealed = enclave.seal(replace(own.seal_job(0), members=own.members))
    job = replace(own.statement_job([sealed], identity), channel=community.open_channel.id)
    with pytest.raises(TermsRefused):
        enclave.seal(own.agreed(job))
    assert enclave.last_release(community.open_channel.id) is None


def test_terms_bind_each_of_their_fields(community: Community) -> None:
    domain = community.domain
    terms = SettlementTerms.over(
        community.open_channel.id, community.members.member_list, TARIFF.to_bytes(), b"\x02", [bytes(20)], 100, 200
    )
    signed = sign_terms(community.manager, terms, domain)
    verify_terms(terms, signed.signature, community.open_channel, domain, (100, 200))
    for name in ("metering_channel", "members", "tariff", "allocation", "payees"):
        changed = replace(terms, **{name: secret(name)})
        with pytest.raises((TermsUnsigned, InputError, VerificationError)):
            verify_terms(changed, signed.signature, community.open_channel, domain, (100, 200))
    for other in (Domain(domain.chain_id + 1, domain.verifying_contract), Domain(domain.chain_id, b"\x09" * 20)):
        with pytest.raises(TermsUnsigned):
            verify_terms(terms, signed.signature, community.open_channel, other, (100, 200))
    elsewhere = ChannelIdentity(community.manager.address, ChannelKind.OPEN, secret("elsewhere"))
    with pytest.raises(TermsUnsigned):
        verify_terms(terms, signed.signature, elsewhere, domain, (100, 200))
    for period in ((99, 200), (100, 201), (150, 150)):
        with pytest.raises(TermsUnsigned):
            verify_terms(terms, signed.signature, community.open_channel, domain, period)
    with pytest.raises(TermsInvalid):
        replace(terms, valid_until=100)
