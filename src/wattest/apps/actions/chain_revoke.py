"""``wattest chain revoke``: anyone ends an enclave key by the quote that registered it and a fact that is on chain now.

Decided here: what is asked for, what is printed, where the quote is found: in the transaction that registered the key,
so that an operator who serves nothing is revoked as well. Not decided here: what speaks against a key (the contract).
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from wattest.apps.actions.chain_deployment import connect, read_channel, read_hex
from wattest.attestation.chain_evidence import registered_revocation
from wattest.chain.signers import open_signer
from wattest.errors import ProtocolError


class KeyNeverRegistered(ProtocolError):
    """The registry never registered this key for this operator in this channel."""


def revoke(
    *, channel: str, operator: str, key: str, key_file: Path, address_book: Path, rpc: str, as_json: bool
) -> None:
    """What ``wattest chain revoke`` does."""
    contracts, _ = connect(address_book, rpc)
    payer = open_signer(key_file)
    enclave_key = read_hex(key, "--key", 20)
    binding = contracts.referee.address, read_channel(channel, address_book), read_hex(operator, "--operator", 20)
    registered = contracts.registry.registered_verdicts(binding, enclave_key)
    if not registered:
        raise KeyNeverRegistered(
            "the key was never registered there",
            enclave_key=enclave_key,
            channel=binding[1],
            operator=binding[2],
            hint="check --channel, --operator and --key; keys are on batch headers and in the registry's log",
        )
    last = registered[-1]
    shown = registered_revocation(last.evidence, last.verdict.nonce, last.verdict.workload)
    receipt = contracts.registry.revoke_with_evidence(payer, binding, enclave_key, shown)
    if as_json:
        value = {
            "key": "0x" + enclave_key.hex(),
            "registered_at_block": last.registered_at_block,
            "revoked_at_block": receipt.block_number,
            "gas": receipt.gas_used,
        }
        click.echo(json.dumps(value, sort_keys=True))
        return
    click.echo(f"key 0x{enclave_key.hex()} revoked in block {receipt.block_number}, {receipt.gas_used:,} gas")
