"""What the commands about quotes judged on chain share: the deployment, ids in hex, moments in words.

Not decided here: what any of them does (``chain_quotes``, ``chain_policy_changes``, ``chain_revoke``).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from wattest.apps.actions.bounded_file import read_bounded
from wattest.chain.client import ChainClient
from wattest.chain.dcap_verifier import DcapVerifier
from wattest.chain.deploy import Contracts
from wattest.errors import ConfigError, InputError
from wattest.receipt.deployment import MAX_DEPLOYMENT_BYTES, parse_deployment


class QuotesNotJudged(ConfigError):
    """The deployment's verifier is a quorum of appraisers: it takes neither collateral nor policies."""


class HexInvalid(InputError):
    """A text that is no id or address of this length in hex."""


def connect(address_book: Path, rpc: str) -> tuple[Contracts, DcapVerifier]:
    """The deployment's contracts and its verifier.

    Raises: QuotesNotJudged; what reading the file and reaching the chain raise.
    """
    deployment = parse_deployment(read_bounded(address_book, MAX_DEPLOYMENT_BYTES + 1))
    client = ChainClient.connect(rpc, chain_id=deployment.chain_id, genesis_hash=deployment.genesis_hash)
    contracts = Contracts.at(client, deployment)
    if contracts.quotes is None:
        raise QuotesNotJudged(
            "this deployment's evidence is judged by appraisers", hint="ask them, or deploy with a quote verifier"
        )
    return contracts, contracts.quotes


def read_hex(text: str, option: str, size: int = 32) -> bytes:
    """``size`` bytes that an option names in hex, with or without 0x. Raises: HexInvalid."""
    digits = text.removeprefix("0x")
    try:
        value = bytes.fromhex(digits)
    except ValueError:
        value = b""
    if len(value) != size or len(digits) != 2 * size:
        raise HexInvalid(f"{option} takes {2 * size} hex digits", actual=text[:80])
    return value


def moment(seconds: int) -> str:
    """Unix seconds as people read them."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
