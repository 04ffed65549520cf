"""Verifying a receipt, link by link.

Decided here: which links there are, their names and order. Each is judged on its own and says why it holds or fails, so
that a household sees at which point trust ends. Not decided here: how the chain is reached (``ChainView``).
Source: docs/spec/receipt.md, section "Links".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wattest.errors import EXIT_DONE, EXIT_INCOMPLETE, EXIT_VERIFICATION, ConfigError
from wattest.receipt.chain_links import (
    check_commitment,
    check_enclave_verdict,
    check_finality,
    check_header_signature,
    check_payout_root,
    check_registration,
)
from wattest.receipt.deployment import Deployment
from wattest.receipt.link import Link, LinkStatus, judge, require
from wattest.receipt.metering_links import check_batch, check_meter_signature, check_records, check_series
from wattest.receipt.receipt import Receipt
from wattest.receipt.registration_evidence import RegistrationEvidence
from wattest.receipt.statement_links import check_bill, check_payout, check_statement

if TYPE_CHECKING:
    from wattest.receipt.chain_view import ChainView


class ChainMismatch(ConfigError):
    """The chain that answers is not the deployment's."""


class ReceiptVerifier:
    """Judges receipts of one deployment against one chain.

    What several receipts rest on (a batch on chain, an enclave's evidence) is asked and appraised once for all of them:
    a verifier is for one run, whose answers are those of its beginning.
    """

    def __init__(self, deployment: Deployment, chain_view: ChainView | None) -> None:
        """Without ``chain_view`` the links that need the chain stay unchecked.

        Raises: ChainMismatch when the view is of another chain; TransportError from the view.
        """
        if chain_view is not None:
            _require_chain(deployment, chain_view)
            from wattest.receipt.chain_view import RememberedChainView  # without a chain there is none to remember

            chain_view = RememberedChainView(chain_view)
        self._deployment = deployment
        self._view = chain_view
        self._evidence = RegistrationEvidence(deployment)

    def verify(self, receipt: Receipt) -> list[Link]:
        """Judge every link. Raises: TransportError from the view."""
        deployment, view, evidence = self._deployment, self._view, self._evidence
        return [
            judge("deployment", lambda: _check_deployment(receipt, deployment)),
            judge("meter signature", lambda: check_meter_signature(receipt)),
            judge("records", lambda: check_records(receipt)),
            judge("series", lambda: check_series(receipt)),
            judge("batch", lambda: check_batch(receipt, deployment)),
            judge("header signature", lambda: check_header_signature(receipt, deployment)),
            judge("enclave verdict", lambda: check_enclave_verdict(receipt, deployment, view, evidence)),
            judge("registration", lambda: check_registration(receipt, deployment, view)),
            judge("commitment", lambda: check_commitment(receipt, deployment, view)),
            judge("finality", lambda: check_finality(receipt, view)),
            judge("statement", lambda: check_statement(receipt, deployment)),
            judge("bill arithmetic", lambda: check_bill(receipt)),
            judge("payout", lambda: check_payout(receipt)),
            judge("payout root", lambda: check_payout_root(receipt, deployment, view)),
        ]


def verify_receipt(receipt: Receipt, deployment: Deployment, chain_view: ChainView | None) -> list[Link]:
    """Judge every link of one receipt; without ``chain_view`` those that need the chain are unchecked.

    Raises: ChainMismatch when the view is of another chain; TransportError from the view.
    """
    return ReceiptVerifier(deployment, chain_view).verify(receipt)


def exit_code(links: Sequence[Link]) -> int:
    """0 if every link holds, 4 if any failed, 8 if none failed but some could not be checked."""
    statuses = {link.status for link in links}
    if LinkStatus.FAILED in statuses:
        return EXIT_VERIFICATION
    return EXIT_INCOMPLETE if LinkStatus.UNCHECKED in statuses else EXIT_DONE


def is_valid(links: Sequence[Link]) -> bool | None:
    """Whether a receipt holds: true or false, and None where nothing failed and some of it was not checked."""
    statuses = {link.status for link in links}
    if LinkStatus.FAILED in statuses:
        return False
    return None if not links or LinkStatus.UNCHECKED in statuses else True


def _check_deployment(receipt: Receipt, deployment: Deployment) -> str:
    require("the receipt is of another chain", deployment.chain_id, receipt.chain_id)
    require("the receipt is of another referee", deployment.referee, receipt.referee)
    return f"chain {deployment.chain_id}, referee 0x{deployment.referee.hex()}"


def _require_chain(deployment: Deployment, view: ChainView) -> None:
    if (chain_id := view.chain_id()) != deployment.chain_id:
        raise ChainMismatch(
            "the node serves another chain than the deployment's",
            expected=deployment.chain_id,
            actual=chain_id,
            hint="pass the RPC address of the deployment's chain",
        )
    if (genesis := view.genesis_hash()) != deployment.genesis_hash:
        raise ChainMismatch(
            "the node's chain began with another block than the deployment's",
            expected=deployment.genesis_hash,
            actual=genesis,
            hint="this is another chain with the same id; pass the one that the deployment was made on",
        )
