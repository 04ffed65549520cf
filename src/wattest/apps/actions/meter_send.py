"""``wattest meter send``: signed days to an operator, and its answers in words.

Decided here: what a refusal means to a household. Not decided here: what an operator takes
(docs/spec/operator-http.md). Invariant: a block that was taken is taken again without harm, so that the same command
can be given again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from wattest.apps.actions.bounded_file import read_bounded
from wattest.apps.actions.chain_deployment import read_channel
from wattest.crypto.hashing import sha256
from wattest.metering.device_block import parse_device_block, verify_device_block
from wattest.store.remote_operator import BlockRefused, OperatorRemote

MAX_BLOCK_BYTES = 16 * 2**20
HINTS = {
    "ForeignMeter": "the manager adds the household (wattest manager members add) and signs a new list for the "
    "operator; or the block goes to another channel",
    "PeriodMismatch": "the channel has other periods than days, or the block is of another channel",
    "NotServed": "ask the operator which channels it serves: GET /v1/status; check --operator and --channel",
    "BodyTooLarge": "sign fewer readings in one block",
}
_ELSE = "ask the operator; the same block can be sent again without harm"


def send(files: Sequence[Path], *, url: str, channel: str, address_book: Path, as_json: bool) -> None:
    """What ``wattest meter send`` does."""
    name = read_channel(channel, address_book)
    bodies = [read_bounded(file, MAX_BLOCK_BYTES, "a block that `wattest meter sign` wrote") for file in files]
    blocks = [parse_device_block(body) for body in bodies]
    for block in blocks:
        verify_device_block(block)
    remote = OperatorRemote(url)
    accepted: list[dict[str, object]] = []
    for file, body, block in zip(files, bodies, blocks, strict=True):
        try:
            remote.send_block(name, body)
        except BlockRefused as error:
            error.hint = HINTS.get(str(error.fields["refusal"]), _ELSE)
            error.fields |= {"file": str(file), "accepted_before": len(accepted)}
            raise
        shown = {"file": str(file), "period_start": block.period_start, "accepted": sha256(body).hex()}
        accepted.append(shown)
        if not as_json:
            day = datetime.fromtimestamp(block.period_start, UTC).strftime("%Y-%m-%d %H:%M")
            click.echo(f"{file}: the operator has it, {block.records.shape[0]} readings from {day} UTC on")
    if as_json:
        click.echo(json.dumps(accepted))
