"""The member file: what a channel's manager keeps of its households, as TOML that a person can read.

Decided here: the file's fields, a household's card, and that no name and no key comes twice. Not decided here: the list
that is signed (``member_list``), which secrets stand behind the keys. Invariant: a file that was read makes a member
list whose order is the list's own. Source: docs/spec/member-file.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from wattest.crypto.p256 import verify_public_key
from wattest.crypto.strict_fields import Field, Fields, Reader, Refusal
from wattest.crypto.toml_text import dump_toml, load_toml
from wattest.errors import InputError, VerificationError
from wattest.messages.fields import ADDRESS_BYTES, WORD, require_bytes
from wattest.messages.member_list import MAX_MEMBERS, MAX_WATCHERS, PUBLIC_KEY_BYTES, Member, MemberList

MEMBER_FILE_FORMAT = "wattest/members/1"
MEMBER_CARD_FORMAT = "wattest/member/1"
MAX_MEMBER_FILE_BYTES = 512 * 2**20
MAX_CARD_BYTES = 64 * 1024
MAX_NAME = 64
NO_PAYEE = bytes(ADDRESS_BYTES)


class MemberFileInvalid(InputError):
    """A member file or a household's card that is not of its format; ``place`` says where."""


class MemberRepeated(VerificationError):
    """A name or a key that another member or watcher of the file has already."""


def _refuse(refusal: Refusal) -> MemberFileInvalid:
    place = refusal.where or "the whole"
    return MemberFileInvalid(f"{place}: {refusal.message}", place=place, **refusal.details)


_READER = Reader(_refuse, "a table", shows_text=True)


@dataclass(frozen=True, slots=True)
class NamedMember:
    """A household: what people call it, its member, and the 20-byte account that payouts go to (zero: none)."""

    name: str
    member: Member
    payee: bytes = NO_PAYEE

    def __post_init__(self) -> None:
        require_name(self.name)
        require_bytes("payee", self.payee, ADDRESS_BYTES)

    def to_card(self) -> bytes:
        """The household's card, which it gives to the manager."""
        return dump_toml({"format": MEMBER_CARD_FORMAT, "member": _shown_member(self)}).encode()


@dataclass(frozen=True, slots=True)
class NamedWatcher:
    """A watcher that may read: a name and its X25519 reader key, 32 bytes."""

    name: str
    reader_key: bytes

    def __post_init__(self) -> None:
        require_name(self.name)
        require_bytes("watcher reader key", self.reader_key, WORD)
        if not any(self.reader_key):
            raise MemberFileInvalid("a watcher's reader key must not be zero", place=self.name)


@dataclass(frozen=True, slots=True)
class MemberFile:
    """The households and watchers of one channel (32 bytes), in the order in which they joined.

    Raises: MemberRepeated, MemberFileInvalid.
    """

    channel: bytes
    members: tuple[NamedMember, ...] = ()
    watchers: tuple[NamedWatcher, ...] = ()

    def __post_init__(self) -> None:
        require_bytes("channel", self.channel, WORD)
        for what, count, most in (
            ("members", len(self.members), MAX_MEMBERS),
            ("watchers", len(self.watchers), MAX_WATCHERS),
        ):
            if count > most:
                raise MemberFileInvalid(f"too many {what}", expected=f"at most {most}", actual=count)
        names = [*(one.name for one in self.members), *(one.name for one in self.watchers)]
        _require_single("name", ((name, name) for name in names))
        for what, key in (
            ("public key", "public_key"),
            ("meter key commitment", "meter_key_commitment"),
        ):
            _require_single(what, ((one.name, getattr(one.member, key).hex()) for one in self.members))
        readers = [(one.name, one.member.reader_key) for one in self.members]
        readers += [(one.name, one.reader_key) for one in self.watchers]
        _require_single("reader key", ((name, key.hex()) for name, key in readers))

    def added(self, member: NamedMember) -> MemberFile:
        """The file with one more household. Raises: MemberRepeated."""
        if member in self.members:
            raise MemberRepeated(
                f"{member.name!r} is a member already, with this very card",
                name=member.name,
                held_by=member.name,
                what="card",
                hint="there is nothing to add; `wattest manager members list` shows who is in",
            )
        return replace(self, members=(*self.members, member))

    def watched_by(self, watcher: NamedWatcher) -> MemberFile:
        """The file with one more watcher. Raises: MemberRepeated."""
        return replace(self, watchers=(*self.watchers, watcher))

    def without(self, name: str) -> MemberFile:
        """The file without the member or watcher of that name. Raises: MemberFileInvalid."""
        members = tuple(one for one in self.members if one.name != name)
        watchers = tuple(one for one in self.watchers if one.name != name)
        if len(members) + len(watchers) == len(self.members) + len(self.watchers):
            known = [*(one.name for one in self.members), *(one.name for one in self.watchers)]
            raise MemberFileInvalid("nobody in the member file has this name", actual=name, expected=known[:MAX_NAME])
        return replace(self, members=members, watchers=watchers)

    def named(self, public_key: bytes) -> NamedMember | None:
        """The household whose meter has this key, X||Y, or None."""
        return next((one for one in self.members if one.member.public_key == public_key), None)

    def in_list_order(self) -> tuple[NamedMember, ...]:
        """The households in the order of the signed list: ascending by public key."""
        return tuple(sorted(self.members, key=lambda one: one.member.public_key))

    def member_list(self, valid_from: int) -> MemberList:
        """What the manager signs for periods from ``valid_from`` (unix seconds) on. Raises: MemberListInvalid."""
        return MemberList(
            self.channel,
            valid_from,
            tuple(one.member for one in self.in_list_order()),
            tuple(sorted(one.reader_key for one in self.watchers)),
        )

    def to_bytes(self) -> bytes:
        """The TOML text."""
        document: dict[str, object] = {
            "format": MEMBER_FILE_FORMAT,
            "channel": self.channel.hex(),
            "member": [_shown_member(one) for one in self.members],
        }
        if self.watchers:
            document["watcher"] = [{"name": one.name, "reader_key": one.reader_key.hex()} for one in self.watchers]
        return dump_toml(document).encode()


def parse_member_file(data: bytes) -> MemberFile:
    """Read a member file, at most 512 MiB. Raises: MemberFileInvalid, MemberRepeated, PublicKeyInvalid."""
    top = _table(data, MEMBER_FILE_FORMAT, MAX_MEMBER_FILE_BYTES)
    found = MemberFile(
        top["channel"].hex(WORD, prefixed=True),
        top.get("member", []).each(_member, MAX_MEMBERS),
        top.get("watcher", []).each(_watcher, MAX_WATCHERS),
    )
    top.close()
    return found


def parse_member_card(data: bytes) -> NamedMember:
    """Read a household's card, at most 64 KiB. Raises: MemberFileInvalid, PublicKeyInvalid."""
    top = _table(data, MEMBER_CARD_FORMAT, MAX_CARD_BYTES)
    member = _member(top["member"])
    top.close()
    return member


def require_name(name: str) -> None:
    """Raises ``MemberFileInvalid`` unless this is 1 to 64 printable characters without blanks at its ends."""
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable() or name != name.strip():
        raise MemberFileInvalid(
            f"a name has 1 to {MAX_NAME} printable characters, and no blanks at its ends",
            place="name",
            actual=ascii(name[:MAX_NAME]),
        )


def _table(data: bytes, wanted: str, at_most: int) -> Fields:
    if len(data) > at_most:
        raise MemberFileInvalid("the file is too long", expected=at_most, actual=len(data))
    try:
        top = _READER.fields(load_toml(data))
    except ValueError as error:
        raise MemberFileInvalid(f"this is not TOML: {error}", place="the whole") from error
    said = top["format"].text(MAX_NAME)
    if said != wanted:
        kinds = {MEMBER_FILE_FORMAT: "a member file", MEMBER_CARD_FORMAT: "a household's card"}
        raise MemberFileInvalid(
            f"this is {kinds.get(said, 'a file of another kind or version')}, where {kinds[wanted]} is wanted",
            expected=wanted,
            actual=said,
            hint="`wattest meter new-key` makes a card, `wattest manager members add` a member file",
        )
    return top


def _member(field: Field) -> NamedMember:
    table = field.fields("name", "public_key", "meter_key_commitment", "reader_key", "payee")
    public_key = table["public_key"].hex(PUBLIC_KEY_BYTES)
    verify_public_key(public_key)
    payee = table["payee"]
    return NamedMember(
        table["name"].text(MAX_NAME, at_least=1, what="a name"),
        Member(public_key, table["meter_key_commitment"].hex(WORD), table["reader_key"].hex(WORD)),
        NO_PAYEE if payee.value == "" else payee.hex(ADDRESS_BYTES, any_case=True, prefixed=True),
    )


def _watcher(field: Field) -> NamedWatcher:
    table = field.fields("name", "reader_key")
    return NamedWatcher(table["name"].text(MAX_NAME, at_least=1, what="a name"), table["reader_key"].hex(WORD))


def _shown_member(one: NamedMember) -> dict[str, object]:
    return {
        "name": one.name,
        "public_key": one.member.public_key.hex(),
        "meter_key_commitment": one.member.meter_key_commitment.hex(),
        "reader_key": one.member.reader_key.hex(),
        "payee": "0x" + one.payee.hex() if any(one.payee) else "",
    }


def _require_single(what: str, named: Iterable[tuple[str, str]]) -> None:
    seen: dict[str, str] = {}
    for name, value in named:
        if value in seen:
            who = f"two are called {name!r}" if what == "name" else f"{name!r} has the {what} of {seen[value]!r}"
            raise MemberRepeated(
                f"{who}: a {what} belongs to one alone",
                name=name,
                held_by=seen[value],
                what=what,
                hint="give one of them another name"
                if what == "name"
                else "every household has keys of its own: `wattest meter new-key` makes them",
            )
        seen[value] = name
