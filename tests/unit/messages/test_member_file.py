"""Member files and cards: what is read is what was written, and nothing comes twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wattest.crypto.errors import PublicKeyInvalid
from wattest.crypto.p256 import P256PrivateKey
from wattest.messages.member_file import (
    MemberFile,
    MemberFileInvalid,
    MemberRepeated,
    NamedMember,
    NamedWatcher,
    parse_member_card,
    parse_member_file,
)
from wattest.messages.member_list import Member
from wattest.metering.meter import meter_key_commitment


def household(number: int, name: str | None = None) -> NamedMember:
    seed = bytes([number]) * 32
    member = Member(P256PrivateKey.from_seed(seed).public_key, meter_key_commitment(seed), seed)
    return NamedMember(name or f"flat-{number}", member, bytes([number]) * 20)


FILE = MemberFile(b"\x07" * 32, (household(3), household(1), household(2)), (NamedWatcher("union", b"\x09" * 32),))


def test_a_file_comes_back_and_keeps_the_order_of_joining() -> None:
    assert parse_member_file(FILE.to_bytes()) == FILE
    assert [one.name for one in FILE.members] == ["flat-3", "flat-1", "flat-2"]
    empty = MemberFile(b"\x07" * 32)
    assert parse_member_file(empty.to_bytes()) == empty


def test_the_signed_list_ascends_whatever_the_order() -> None:
    listed = FILE.member_list(86_400)
    keys = [member.public_key for member in listed.members]
    assert keys == sorted(keys)
    assert listed.watcher_reader_keys == (b"\x09" * 32,)
    assert [one.member for one in FILE.in_list_order()] == list(listed.members)
    assert FILE.named(keys[0]) is not None
    assert FILE.named(b"\x01" * 64) is None


def test_a_card_comes_back_with_and_without_a_payee() -> None:
    for card in (household(4), replace(household(4), payee=bytes(20)), replace(household(4), name='Müller "2"')):
        assert parse_member_card(card.to_card()) == card


@pytest.mark.parametrize(
    ("field", "word"), [("public_key", "public key"), ("meter_key_commitment", "commitment"), ("reader_key", "reader")]
)
def test_a_key_belongs_to_one_member(field: str, word: str) -> None:
    other = household(5)
    twin = replace(other, member=replace(other.member, **{field: getattr(household(1).member, field)}))
    with pytest.raises(MemberRepeated, match=word) as refused:
        FILE.added(twin)
    assert refused.value.fields["held_by"] == "flat-1"
    assert len(FILE.added(other).members) == 4


def test_a_name_belongs_to_one_member() -> None:
    with pytest.raises(MemberRepeated, match="two are called 'flat-1'"):
        FILE.added(household(6, "flat-1"))
    with pytest.raises(MemberRepeated, match="two are called 'union'"):
        FILE.added(household(6, "union"))
    with pytest.raises(MemberRepeated, match="reader key"):
        FILE.watched_by(NamedWatcher("other", bytes([1]) * 32))


def test_the_same_card_again_is_called_that() -> None:
    with pytest.raises(MemberRepeated, match="'flat-1' is a member already") as refused:
        FILE.added(household(1))
    assert "nothing to add" in str(refused.value.fields.get("hint", refused.value.hint))


def test_whoever_leaves_is_gone_and_a_stranger_cannot() -> None:
    assert [one.name for one in FILE.without("flat-1").members] == ["flat-3", "flat-2"]
    assert FILE.without("union").watchers == ()
    with pytest.raises(MemberFileInvalid, match="nobody"):
        FILE.without("flat-9")


@pytest.mark.parametrize("name", ["", " flat", "flat\n", "a" * 65, "\x1b[2J"])
def test_a_name_is_what_people_can_read(name: str) -> None:
    with pytest.raises(MemberFileInvalid):
        household(1, name) if name else replace(household(1), name=name)


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [
        (b"wattest/members/1", b"wattest/members/2", "another kind or version"),
        (b"wattest/members/1", b"wattest/member/1", "a household's card"),
        (b"\nchannel", b"\nchanel", "channel"),
        (b'payee = "0x0101', b'payee = "0x01', r"member\[1\].payee"),
        (b"[[member]]", b"[[membre]]", "membre"),
        (b'name = "flat-2"', b'name = "flat-2"\nage = 3', "age"),
    ],
)
def test_anything_else_is_refused_with_its_place(before: bytes, after: bytes, place: str) -> None:
    text = FILE.to_bytes()
    assert before in text
    with pytest.raises(MemberFileInvalid, match=place):
        parse_member_file(text.replace(before, after))


def test_a_public_key_is_a_point() -> None:
    key = household(1).member.public_key.hex().encode()
    with pytest.raises(PublicKeyInvalid):
        parse_member_file(FILE.to_bytes().replace(key, key[:-1] + (b"0" if key[-1:] != b"0" else b"1")))


def test_what_is_no_toml_is_refused() -> None:
    for data in (b"\xff", b"a = ", b""):
        with pytest.raises(MemberFileInvalid):
            parse_member_file(data)
