"""The households whose receipts are issued: their folders, or a member file with a key that reads all of them.

Decided here: which files are read, and that secrets are where only their owner may read them. Not decided here: what is
made of the keys (``settling.receipt_issue``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wattest.apps.actions.bounded_file import read_bounded
from wattest.apps.actions.household_folder import BLINDING_KEY, CARD, READER_KEY
from wattest.crypto.hpke import ReaderPrivateKey
from wattest.errors import ConfigError
from wattest.io.files import read_key_file
from wattest.messages.member_file import MAX_CARD_BYTES, MAX_MEMBER_FILE_BYTES, parse_member_card, parse_member_file
from wattest.metering.meter import meter_key_commitment
from wattest.settling.receipt_issue import HomeKeys
from wattest.store.duty import Duty


class HouseholdFolderMixed(ConfigError):
    """A household's folder whose card and secrets are of different households."""


class MeterKeyUnknown(ConfigError):
    """A household of the member file whose meter key the operator's configuration does not hold."""


def read_household(folder: Path) -> HomeKeys:
    """A folder that ``wattest meter new-key`` made.

    Raises: FileUnreadable, MemberFileInvalid, HouseholdFolderMixed; what reading a key file raises.
    """
    card = parse_member_card(
        read_bounded(folder / CARD, MAX_CARD_BYTES, "name a folder that `wattest meter new-key` made")
    )
    meter_key = read_key_file(folder / BLINDING_KEY)
    reader = ReaderPrivateKey.from_seed(read_key_file(folder / READER_KEY))
    if (meter_key_commitment(meter_key), reader.public_key) != (
        card.member.meter_key_commitment,
        card.member.reader_key,
    ):
        raise HouseholdFolderMixed(
            "the card and the keys of a household's folder do not belong together",
            path=folder,
            hint="take card and keys from one folder of `wattest meter new-key`",
        )
    return HomeKeys(card.name, card.member.public_key, meter_key, reader)


def read_all_households(members: Path, reader_key: Path, duties: Sequence[Duty]) -> list[HomeKeys]:
    """Everybody in a member file, read with one watcher's key; meter keys are the operator's.

    Raises: FileUnreadable, MemberFileInvalid, MeterKeyUnknown; what reading a key file raises.
    """
    listed = parse_member_file(read_bounded(members, MAX_MEMBER_FILE_BYTES))
    reader = ReaderPrivateKey.from_seed(read_key_file(reader_key))
    known = {meter_key_commitment(key): key for duty in duties for keys in duty.member_lists for key in keys.meter_keys}
    homes = []
    for one in listed.members:
        meter_key = known.get(one.member.meter_key_commitment)
        if meter_key is None:
            raise MeterKeyUnknown(
                "the operator's configuration does not hold the meter key of a household",
                household=one.name,
                hint="issue this one's receipt from its folder, or add its line to the meter keys' file",
            )
        homes.append(HomeKeys(one.name, one.member.public_key, meter_key, reader))
    return homes
