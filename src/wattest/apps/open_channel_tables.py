"""The ``[[open_channel]]`` tables of an operator's file: where statements and imports go.

Decided here: which settings an open channel has, and which metering channel's enclave it stands beside. Not decided
here: how one is read (``settings_reader``), the rest of the file (``operator_file``). docs/howto/settle-a-month.md
"""

from __future__ import annotations

from collections.abc import Sequence

from wattest.apps.settings_reader import SettingInvalid
from wattest.crypto.strict_fields import Field
from wattest.messages.channel import ChannelKind
from wattest.receipt.deployment import Deployment
from wattest.store.duty import Duty, OpenDuty, OpenUse


def read_open_channels(
    entries: Sequence[Field], deployment: Deployment, duties: Sequence[Duty]
) -> tuple[OpenDuty, ...]:
    """The open channels, in the file's order. Raises: SettingInvalid."""
    found: dict[bytes, OpenDuty] = {}
    for entry in entries:
        table = entry.fields()
        named = table["channel"]
        channel = named.hex(32, any_case=True, prefixed=True)
        use = table["use"].member_of(OpenUse)
        table.close()
        identity = deployment.channel(channel)
        if identity is None or identity.kind is not ChannelKind.OPEN:
            raise SettingInvalid(
                "the deployment lists no open channel of this id",
                place=named.where,
                actual=channel,
                hint="get deployment.json again from the manager, or make one: wattest manager create-channel",
            )
        if channel in found:
            raise SettingInvalid("the channel is named twice", place=named.where, actual=channel)
        found[channel] = OpenDuty(identity, use, _metering(deployment, channel, duties))
    return tuple(found.values())


def _metering(deployment: Deployment, channel: bytes, duties: Sequence[Duty]) -> bytes | None:
    """The channel that is settled into this one, where this operator serves it."""
    served = {duty.channel.id for duty in duties}
    feeding = (one.metering_channels for one in deployment.distributions if one.statement_channel == channel)
    settled = (metered for channels in feeding for metered in channels)
    return next((one for one in settled if one in served), None)
