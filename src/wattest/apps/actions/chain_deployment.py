"""What the commands about quotes judged on chain share: the deployment, ids in hex, moments in words.

Not decided here: what any of them does (``chain_quotes``, ``chain_policy_changes``, ``chain_revoke``).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from wattest.apps.key_use import connect_contracts_of, read_address_book
from wattest.chain.dcap_verifier import DcapVerifier
from wattest.chain.deploy import Contracts
from wattest.errors import ConfigError, InputError
from wattest.messages.channel_name import find_channel


class QuotesNotJudged(ConfigError):
    """The deployment's verifier is a quorum of appraisers: it takes neither collateral nor policies."""


class HexInvalid(InputError):
    """A text that is no id or address of this length in hex."""


def connect(address_book: Path, rpc: str) -> tuple[Contracts, DcapVerifier]:
    """The deployment's contracts and its verifier.

    Raises: QuotesNotJudged; what reading the file and reaching the chain raise.
    """
    contracts = connect_contracts_of(read_address_book(address_book), rpc)
    if contracts.quotes is None:
        raise QuotesNotJudged(
            "this deployment's evidence is judged by appraisers", hint="ask them, or deploy with a quote verifier"
        )
    return contracts, contracts.quotes


def read_channel(named: str, address_book: Path) -> bytes:
    """The id, 32 bytes, of a channel that ``--channel`` names, by the address book where it is a name.

    Raises: ChannelUnknown; what reading the file raises.
    """
    digits = named.removeprefix("0x")
    if len(digits) == 64 and not digits.strip("0123456789abcdefABCDEF"):
        return bytes.fromhex(digits)
    return find_channel(read_address_book(address_book).channels, named).id


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
