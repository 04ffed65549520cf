"""The demo's people: households with their meters and keys, and the member list their manager signs.

Decided here: which keys a household has and how its meter signs a day. Not decided here: what its readings are
(``households``) and who serves the community (``site``). Keys are fresh for every run and live in memory.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from wattest.apps.demo.households import Households
from wattest.apps.embedded import Account
from wattest.crypto.hpke import ReaderPrivateKey
from wattest.crypto.p256 import P256PrivateKey
from wattest.messages.channel import ChannelIdentity
from wattest.messages.eip712 import Domain
from wattest.messages.member_list import Member, MemberList, sign_member_list
from wattest.metering.device_block import sign_device_block
from wattest.metering.meter import meter_key_commitment, pseudonym
from wattest.store.duty import Duty, MemberKeys
from wattest.units import SECONDS_PER_DAY


@dataclass(frozen=True, slots=True)
class Household:
    """One household: its row in the data set, its meter, its secrets, and the account that it is paid to."""

    name: str
    row: int
    meter: P256PrivateKey
    meter_key: bytes = field(repr=False)
    reader: ReaderPrivateKey
    payee: Account

    @classmethod
    def create(cls, name: str, row: int) -> Household:
        """A household with fresh keys."""
        return cls(
            name,
            row,
            P256PrivateKey.from_seed(secrets.token_bytes(32)),
            secrets.token_bytes(32),
            ReaderPrivateKey.from_seed(secrets.token_bytes(32)),
            Account.create(),
        )

    @property
    def member(self) -> Member:
        """What the member list says of it."""
        return Member(self.meter.public_key, meter_key_commitment(self.meter_key), self.reader.public_key)


@dataclass(frozen=True)
class Community:
    """A scheduled channel with its households, in the order of the member list (ascending by meter public key)."""

    channel: ChannelIdentity
    households: tuple[Household, ...]
    readings: Households
    watcher_reader_keys: tuple[bytes, ...]
    manager: Account
    domain: Domain

    @classmethod
    def create(
        cls,
        channel: ChannelIdentity,
        rows: Sequence[int],
        readings: Households,
        watcher_reader_keys: tuple[bytes, ...],
        manager: Account,
        domain: Domain,
    ) -> Community:
        """Households for these rows of the data set, named by their place in it."""
        width = max(2, len(str(len(rows))))
        homes = [Household.create(f"household-{place:0{width}d}", row) for place, row in enumerate(rows, start=1)]
        homes.sort(key=lambda home: home.meter.public_key)
        return cls(channel, tuple(homes), readings, tuple(sorted(watcher_reader_keys)), manager, domain)

    @cached_property
    def member_keys(self) -> MemberKeys:
        """The signed member list, valid from the first day, with the meter keys."""
        members = MemberList(
            self.channel.id,
            self.readings.start,
            tuple(home.member for home in self.households),
            self.watcher_reader_keys,
        )
        signed = sign_member_list(self.manager.key, members, self.channel, self.domain)
        return MemberKeys(signed, [home.meter_key for home in self.households])

    @property
    def duty(self) -> Duty:
        """What an operator serves for this community."""
        return Duty(self.channel, SECONDS_PER_DAY, self.readings.start, (self.member_keys,))

    @property
    def by_name(self) -> list[Household]:
        """The households in the order of their names."""
        return sorted(self.households, key=lambda home: home.name)

    def device_block(self, home: Household, day: int) -> bytes:
        """One day of a household, signed by its meter: 96 readings, one signature."""
        start, end = self.readings.period(day)
        records = self.readings.device_records(home.row, day, pseudonym(home.meter.public_key))
        return sign_device_block(home.meter, start, end, records).to_bytes()
