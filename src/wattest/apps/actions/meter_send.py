"""``wattest meter send``: signed days to an operator, and its answers in words.

Decided here: what a refusal means to a household, and that the operator's signed word is kept beside the block. Not
decided here: what an operator takes (docs/spec/operator-http.md), what its word says (docs/spec/acceptance.md).
Invariants: a block that was taken is taken again without harm, so that the same command can be given again; a word that
holds is never replaced by none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from wattest.apps.actions.bounded_file import read_bounded
from wattest.apps.actions.chain_deployment import read_channel, read_hex
from wattest.apps.key_use import read_address_book
from wattest.crypto.errors import SignatureInvalid
from wattest.io.files import read_key_file, write_atomically
from wattest.messages.acceptance import AcceptanceUnsigned
from wattest.metering.device_block import DeviceBlock, parse_device_block, verify_device_block
from wattest.metering.meter import blinded_meter
from wattest.store.remote_operator import BlockRefused, BlockTaken, OperatorRemote

MAX_BLOCK_BYTES = 16 * 2**20
HINTS = {
    "ForeignMeter": "the manager adds the household (wattest manager members add) and signs a new list for the "
    "operator; or the block goes to another channel",
    "PeriodMismatch": "the channel has other periods than days, or the block is of another channel",
    "NotServed": "ask the operator which channels it serves: GET /v1/status; check --operator and --channel",
    "BodyTooLarge": "sign fewer readings in one block",
}
_ELSE = "ask the operator; the same block can be sent again without harm"
ACCEPTANCE_SUFFIX = ".accepted.json"
KEY_NAME = "blinding.key"
UNSIGNED = {
    "PeriodCollected": "it collected that period before, and does not promise that this block is in it",
    "": "its version does not sign",
}


def send(
    files: Sequence[Path],
    *,
    url: str,
    channel: str,
    address_book: Path,
    account: str | None,
    blinding_key: Path | None,
    as_json: bool,
) -> None:
    """What ``wattest meter send`` does."""
    name, domain = read_channel(channel, address_book), read_address_book(address_book).referee_domain
    operator = None if account is None else read_hex(account, "--account", 20)
    bodies = [read_bounded(file, MAX_BLOCK_BYTES, "a block that `wattest meter sign` wrote") for file in files]
    blocks = [parse_device_block(body) for body in bodies]
    for block in blocks:
        verify_device_block(block)
    keys = [_meter_key(file, blinding_key) for file in files]
    remote = OperatorRemote(url)
    accepted: list[dict[str, object]] = []
    for file, body, block, key in zip(files, bodies, blocks, keys, strict=True):
        try:
            taken = remote.send_block(name, body)
            operator = operator or remote.fetch_operator()
            signed = taken.verified(name, operator, domain, partial(_is_name, name, key, block))
        except (BlockRefused, AcceptanceUnsigned, SignatureInvalid) as error:
            if isinstance(error, BlockRefused):
                error.hint = HINTS.get(str(error.fields["refusal"]), _ELSE)
            error.fields |= {"file": str(file), "accepted_before": len(accepted)}
            raise
        kept = None
        if signed is not None:
            kept = file.with_name(file.name + ACCEPTANCE_SUFFIX)
            write_atomically(kept, signed.to_bytes())
        accepted.append(
            {
                "file": str(file),
                "period_start": block.period_start,
                "accepted": taken.digest.hex(),
                "acceptance": None if kept is None else str(kept),
                "signed_by": None if signed is None else f"0x{operator.hex()}",
                "meter_checked": None if signed is None else key is not None,
            }
        )
        if not as_json:
            _say(file, block, taken, kept, operator, has_key=key is not None)
    if as_json:
        click.echo(json.dumps(accepted))


def _say(
    file: Path, block: DeviceBlock, taken: BlockTaken, kept: Path | None, operator: bytes, *, has_key: bool
) -> None:
    day = datetime.fromtimestamp(block.period_start, UTC).strftime("%Y-%m-%d %H:%M")
    click.echo(f"{file}: the operator has it, {block.records.shape[0]} readings from {day} UTC on")
    if kept is None:
        click.echo(f"  not signed: {UNSIGNED.get(taken.unsigned, taken.unsigned)}")
        return
    click.echo(f"  signed by 0x{operator.hex()}: {kept}")
    if not has_key:
        click.echo(f"  whether it names this meter was not checked: no {KEY_NAME} (--blinding-key)")


def _meter_key(file: Path, given: Path | None) -> bytes | None:
    """The meter key that a block's acceptance is checked with: as given, else of the household's folder, if there."""
    if given is not None:
        return read_key_file(given)
    places = (file.parent / KEY_NAME, file.resolve().parent.parent / KEY_NAME)
    found = next((place for place in places if place.is_file()), None)
    return None if found is None else read_key_file(found)


def _is_name(channel: bytes, key: bytes | None, block: DeviceBlock, period_start: int, name: bytes) -> bool:
    """Whether the name is the meter's in a period that begins before the block does; unknown without the key."""
    if period_start > block.period_start:
        return False
    return key is None or blinded_meter(key, channel, period_start) == name
