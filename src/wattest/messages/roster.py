"""The roster: which meters a batch must contain, in the order of its entries, under one root in the header.

Decided here: an item's 80 bytes, the root over them, and the 20 bytes that an operator serves of each. Not decided
here: how many a channel must have (the roster count on chain, ``twin.referee``), who is a member (``member_list``).
Invariant: an item names a meter to whoever has the member list, and to nobody else; no two periods' items are alike.
docs/spec/member-list.md, section "Roster root"
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wattest.crypto.hashing import DIGEST_BYTES, sha256
from wattest.errors import InputError
from wattest.merkle import sha256_root
from wattest.messages.fields import WORD, require_bytes
from wattest.messages.member_list import MAX_MEMBERS, PUBLIC_KEY_BYTES, MemberListInvalid, require_ascending
from wattest.metering.meter import ROSTER_SALT_BYTES

ROSTER_ITEM_BYTES = 2 * DIGEST_BYTES + ROSTER_SALT_BYTES
ROSTER_ROW_BYTES = 4 + ROSTER_SALT_BYTES
"""Of an entry, as an operator serves it: its member's place in the member list, u32, and its salt."""


class RosterRowsInvalid(InputError):
    """Served rows of a wrong length, or of a place that the member list has not."""


def roster_items(blinded_meters: Iterable[bytes], salts: Iterable[bytes], public_keys: Iterable[bytes]) -> bytes:
    """The items one after the other: blinded meter (32 bytes) || salt (16) || SHA-256(salt || public key) (32)."""
    rows = zip(blinded_meters, salts, public_keys, strict=True)
    return b"".join(name + salt + sha256(salt + public_key) for name, salt, public_key in rows)


def roster_root(blinded_meters: Sequence[bytes], salts: Sequence[bytes], public_keys: Sequence[bytes]) -> bytes:
    """The header's ``roster``: the SHA-256 RFC 9162 root over the items, 32 bytes; public keys are X || Y, 64 bytes.

    Raises: MemberListInvalid when the counts differ, are out of bounds, or blinded meters do not ascend strictly.
    """
    if not len(blinded_meters) == len(salts) == len(public_keys):
        raise MemberListInvalid(
            "a roster pairs each blinded meter with a salt and a key",
            expected=len(blinded_meters),
            actual=[len(salts), len(public_keys)],
        )
    if not 0 < len(blinded_meters) <= MAX_MEMBERS:
        raise MemberListInvalid(
            "roster count out of bounds", expected=f"1 to {MAX_MEMBERS}", actual=len(blinded_meters)
        )
    for blinded, salt, public_key in zip(blinded_meters, salts, public_keys, strict=True):
        require_bytes("blinded meter", blinded, WORD)
        require_bytes("roster salt", salt, ROSTER_SALT_BYTES)
        require_bytes("public key", public_key, PUBLIC_KEY_BYTES)
    require_ascending("blinded meters", blinded_meters)
    return sha256_root(roster_items(blinded_meters, salts, public_keys), ROSTER_ITEM_BYTES)


def roster_rows(places: Iterable[int], salts: Iterable[bytes]) -> bytes:
    """What is served of the entries, in their order."""
    return b"".join(place.to_bytes(4, "big") + salt for place, salt in zip(places, salts, strict=True))


def parse_roster_rows(data: bytes, entry_count: int, member_count: int) -> tuple[list[int], list[bytes]]:
    """Each entry's place in a member list of that many, and its salt. Raises: RosterRowsInvalid."""
    if len(data) != ROSTER_ROW_BYTES * entry_count:
        raise RosterRowsInvalid(
            "a roster has 20 bytes for each entry", expected=ROSTER_ROW_BYTES * entry_count, actual=len(data)
        )
    rows = [data[at : at + ROSTER_ROW_BYTES] for at in range(0, len(data), ROSTER_ROW_BYTES)]
    places = [int.from_bytes(row[:4], "big") for row in rows]
    if places and max(places) >= member_count:
        raise RosterRowsInvalid("a roster names members of the list", expected=member_count, actual=max(places))
    return places, [row[4:] for row in rows]
