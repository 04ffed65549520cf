"""The links from a signed header to the chain: signer, verdict, registration, commitment, finality, posted root.

Decided here: which time each is judged at. A verdict's evidence is appraised again as of the registration's block (or,
without a chain, as of the time that the appraisers signed), a header's registration as of its commit's block: what has
expired since does not count against it. Not decided here: how evidence is appraised (``attestation``).
Source: docs/spec/receipt.md, sections "Links" and "Times".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from wattest.messages.evidence_verdict import verify_quorum
from wattest.messages.header import BatchHeader, recover_header_signer
from wattest.receipt.deployment import Deployment
from wattest.receipt.link import LinkBroken, LinkUnchecked, require
from wattest.receipt.receipt import Receipt, RegistrationPart
from wattest.receipt.registration_evidence import RegistrationEvidence
from wattest.receipt.statement_links import distribution_of, owed_payout

if TYPE_CHECKING:  # without a chain nobody asks it
    from wattest.receipt.chain_view import ChainView, CommittedBatchView, RegistrationView

NO_CHAIN = "needs the chain: pass the address of a node with --rpc"


def headers_of(receipt: Receipt) -> Iterator[tuple[str, BatchHeader, bytes]]:
    """Every header with its signature and a name for people."""
    for position, day in enumerate(receipt.days):
        yield f"day {position + 1}", day.header, day.signature
    yield "the statement", receipt.statement.header, receipt.statement.signature


def check_header_signature(receipt: Receipt, deployment: Deployment) -> str:
    """Each header is signed by a key whose verdict is in the receipt, for its channel, operator and workload."""
    used: set[int] = set()
    count = 0
    for name, header, signature in headers_of(receipt):
        candidates = _candidates(receipt, deployment, header, signature)
        if not candidates:
            raise LinkBroken(
                f"{name} is signed by a key that no verdict of the receipt vouches for",
                actual=recover_header_signer(header, signature, deployment.referee_domain),
            )
        used.update(candidates)
        count += 1
    if len(used) != len(receipt.registrations):
        raise LinkBroken("the receipt holds a registration that it does not need", expected=len(used))
    keys = [(part.verdict.enclave_key, part.verdict.issued_at) for part in receipt.registrations]
    if keys != sorted(set(keys)):
        raise LinkBroken("the registrations are not in order")
    return f"{count} headers signed by {len({key for key, _ in keys})} enclave keys with a verdict"


def check_enclave_verdict(
    receipt: Receipt, deployment: Deployment, view: ChainView | None, evidence: RegistrationEvidence
) -> str:
    """Each verdict has its quorum, or the registry's own judgement; its evidence passes the policy again, as of its
    time.

    A verdict that no appraiser signed is as good as the registration that holds it: without the chain it is unchecked.
    """
    kinds: set[str] = set()
    for part in receipt.registrations:
        verdict = part.verdict
        require("a verdict is for another referee", deployment.referee, verdict.referee)
        found = _registered(view, deployment, part) if view is not None else None
        if deployment.is_judged_by_quote:
            require("a verdict on a quote that the chain judges is signed", (), part.signatures)
            if view is not None and found is None:
                raise LinkBroken("the registry never took a verdict", actual=verdict.enclave_key)
        else:
            appraisers = frozenset(deployment.appraisers)
            verify_quorum(verdict, part.signatures, deployment.registry_domain, appraisers, deployment.threshold)
        at = verdict.issued_at if found is None else found.registered_at
        kinds.add(evidence.root_of(part, at))
    named = ", ".join(sorted(kinds))
    if deployment.is_judged_by_quote:
        if view is None:
            raise LinkUnchecked(f"the evidence is accepted (root: {named}); that the contract took it {NO_CHAIN}")
        return f"{len(receipt.registrations)} verdicts taken by the contract; evidence accepted again (root: {named})"
    return f"{len(receipt.registrations)} verdicts signed by the appraisers; evidence accepted again (root: {named})"


def check_registration(receipt: Receipt, deployment: Deployment, view: ChainView | None) -> str:
    """Each header's key was registered, unexpired and unrevoked when the header was committed."""
    chain = _required(view)
    for name, header, signature in headers_of(receipt):
        committed = _committed(chain, name, header)
        parts = [receipt.registrations[at] for at in _candidates(receipt, deployment, header, signature)]
        found = [_registered(chain, deployment, part) for part in parts]
        if not any(one is not None and _held_at(one, committed.committed_at) for one in found):
            raise LinkBroken(f"{name} was committed while its enclave key was not registered")
    return "every enclave key was registered when its header was committed"


def check_commitment(receipt: Receipt, deployment: Deployment, view: ChainView | None) -> str:
    """The referee holds each header, and none was slashed."""
    chain = _required(view)
    from wattest.twin.batch import BatchState  # without a chain nobody asks, and the twin stays out of the process

    last = 0
    for name, header, _ in headers_of(receipt):
        found = _committed(chain, name, header)
        require(
            f"{name} was committed with another header", found.header_digest, header.digest(deployment.referee_domain)
        )
        if found.state is BatchState.SLASHED:
            raise LinkBroken(f"{name}'s batch was slashed", actual=found.state.name.lower())
        last = max(last, found.committed_at)
    return f"all headers are committed, the last at {last} (unix seconds)"


def check_finality(receipt: Receipt, view: ChainView | None) -> str:
    """Nobody can dispute any of the batches any more."""
    chain = _required(view)
    for name, header, _ in headers_of(receipt):
        if not _committed(chain, name, header).is_final:
            raise LinkBroken(f"{name}'s batch is not final: its challenge window is open, or a challenge is")
    return "every batch is final"


def check_payout_root(receipt: Receipt, deployment: Deployment, view: ChainView | None) -> str:
    """The payout root was posted, and not disabled."""
    payout = owed_payout(receipt)
    if payout is None:
        return "nothing is owed, so no root is needed"
    chain = _required(view)
    found = chain.payout_root(distribution_of(receipt, deployment).id, payout.root, payout.total)
    if found is None:
        raise LinkBroken("the payout root was never posted", actual=payout.root)
    if found.disabled_at is not None:
        raise LinkBroken("the payout root was disabled", actual=found.disabled_at)
    if found.activated_at is None:
        return f"posted at {found.posted_at}; claims open when it is activated"
    return f"posted at {found.posted_at}, active since {found.activated_at}"


def _candidates(receipt: Receipt, deployment: Deployment, header: BatchHeader, signature: bytes) -> list[int]:
    signer = recover_header_signer(header, signature, deployment.referee_domain)
    wanted = (signer, header.channel, header.operator, header.workload)
    return [
        position
        for position, part in enumerate(receipt.registrations)
        if (part.verdict.enclave_key, part.verdict.channel, part.verdict.operator, part.verdict.workload) == wanted
    ]


def _registered(view: ChainView, deployment: Deployment, part: RegistrationPart) -> RegistrationView | None:
    digest = part.verdict.digest(deployment.registry_domain)
    return next((one for one in view.registrations(part.verdict.enclave_key) if one.verdict_digest == digest), None)


def _held_at(registration: RegistrationView, at: int) -> bool:
    revoked = registration.revoked_at is not None and registration.revoked_at < at
    return registration.registered_at <= at < registration.expires_at and not revoked


def _committed(view: ChainView, name: str, header: BatchHeader) -> CommittedBatchView:
    found = view.batch(header.channel, header.operator, header.sequence)
    if found is None:
        raise LinkBroken(f"{name} was never committed", actual=header.sequence)
    return found


def _required(view: ChainView | None) -> ChainView:
    if view is None:
        raise LinkUnchecked(NO_CHAIN)
    return view
