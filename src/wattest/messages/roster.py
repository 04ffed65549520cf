"""The roster: which meters a batch must contain, in the order of its entries, under one root in the header.

Decided here: an item's 64 bytes and the root over them. Not decided here: how many a channel must have (the roster
count on chain, ``twin.referee``), who is a member (``member_list``). docs/spec/member-list.md, section "Roster root"
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wattest.crypto.hashing import DIGEST_BYTES
from wattest.merkle import sha256_root
from wattest.messages.fields import WORD, require_bytes
from wattest.messages.member_list import MAX_MEMBERS, PUBLIC_KEY_BYTES, MemberListInvalid, require_ascending
from wattest.metering.meter import meter_key_id

ROSTER_ITEM_BYTES = 2 * DIGEST_BYTES


def roster_items(blinded_meters: Iterable[bytes], meter_key_ids: Iterable[bytes]) -> bytes:
    """The items one after the other: blinded meter (32 bytes) || SHA-256 of the meter's public key (32)."""
    return b"".join(name + key_id for name, key_id in zip(blinded_meters, meter_key_ids, strict=True))


def roster_root(blinded_meters: Sequence[bytes], public_keys: Sequence[bytes]) -> bytes:
    """The header's ``roster``: the SHA-256 RFC 9162 root over the items, 32 bytes; public keys are X || Y, 64 bytes.

    Raises: MemberListInvalid when the counts differ, are out of bounds, or blinded meters do not ascend strictly.
    """
    if len(blinded_meters) != len(public_keys):
        raise MemberListInvalid(
            "a roster pairs each blinded meter with a key", expected=len(blinded_meters), actual=len(public_keys)
        )
    if not 0 < len(blinded_meters) <= MAX_MEMBERS:
        raise MemberListInvalid(
            "roster count out of bounds", expected=f"1 to {MAX_MEMBERS}", actual=len(blinded_meters)
        )
    for blinded, public_key in zip(blinded_meters, public_keys, strict=True):
        require_bytes("blinded meter", blinded, WORD)
        require_bytes("public key", public_key, PUBLIC_KEY_BYTES)
    require_ascending("blinded meters", blinded_meters)
    return sha256_root(roster_items(blinded_meters, map(meter_key_id, public_keys)), ROSTER_ITEM_BYTES)
