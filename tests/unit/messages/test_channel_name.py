"""Names of channels: one salt a name, found by name or id, and nothing guessed."""

from __future__ import annotations

import pytest

from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.channel_name import ChannelNameInvalid, ChannelUnknown, channel_salt, find_channel

MINE, OTHER = b"\x01" * 20, b"\x02" * 20
VILLAGE = ChannelIdentity(MINE, ChannelKind.SCHEDULED, channel_salt("village"))
BILLS = ChannelIdentity(MINE, ChannelKind.OPEN, channel_salt("village-bills"))
OTHERS = ChannelIdentity(OTHER, ChannelKind.OPEN, channel_salt("village-bills"))


def test_a_channel_is_found_by_its_name_or_its_id() -> None:
    assert channel_salt("village").hex() == "3615954fc6308de3f850edcc54cac28171edcdbbe5c8f730750a64d119087ad3"
    assert find_channel([VILLAGE, BILLS], "village") == VILLAGE
    for text in (BILLS.id.hex(), "0x" + BILLS.id.hex(), BILLS.id.hex().upper()):
        assert find_channel([VILLAGE, BILLS, OTHERS], text) == BILLS


@pytest.mark.parametrize("text", ["town", "", "00" * 32, "vill\nage", "0x" + "0" * 63])
def test_what_is_not_there_is_refused(text: str) -> None:
    with pytest.raises(ChannelUnknown, match="no such channel"):
        find_channel([VILLAGE, BILLS], text)


def test_a_name_of_two_is_refused() -> None:
    with pytest.raises(ChannelUnknown, match="several") as refused:
        find_channel([BILLS, OTHERS], "village-bills")
    assert refused.value.fields["expected"] == [BILLS.id.hex(), OTHERS.id.hex()]


@pytest.mark.parametrize("name", ["", "Village", "a b", "-a", "a-", "x" * 65, "ab" * 32, "vill\u00e4ge"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ChannelNameInvalid):
        channel_salt(name)
