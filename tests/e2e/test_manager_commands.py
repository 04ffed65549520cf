"""A channel, its members and what its manager signs, by commands: done once each, and refused in words out of order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from own_world import START_S, OwnWorld, build, refused, told

from wattest.chain.anvil import Anvil
from wattest.chain.client import ChainClient
from wattest.chain.deploy import referee_at
from wattest.chain.local_signer import LocalSigner
from wattest.chain.referee import Referee
from wattest.messages.channel_name import find_channel
from wattest.messages.member_file import parse_member_file
from wattest.messages.member_list import parse_signed_member_list, verify_member_list
from wattest.receipt.deployment import parse_deployment
from wattest.settlement.terms_file import parse_terms_file, verify_terms_file

pytestmark = pytest.mark.e2e
DAY_S = 86_400
PRICES = (
    "--energy", "24", "--grid", "9.35", "--community", "12", "--community-grid", "4", "--feed-in", "8",
    "--per-day", "10",
)  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> Iterator[OwnWorld]:
    with Anvil.create(tmp_path / "chain", genesis_timestamp_s=START_S, may_advance=True) as chain:
        yield build(tmp_path, chain)


def manager(world: OwnWorld) -> str:
    return "0x" + LocalSigner.from_file(world.folder / "manager.key").address.hex()


def referee(world: OwnWorld) -> Referee:
    book = parse_deployment((world.folder / "deployment.json").read_bytes())
    return referee_at(ChainClient.connect(world.chain.url), book)


def signed(world: OwnWorld) -> None:
    cards = world.households("flat-1", "flat-2", "flat-3")
    world.do("manager", "members", "add", *cards, *members(world), "--channel", "village")
    world.do("manager", "sign", "--from", "2026-03-01", *signing(world))


def members(world: OwnWorld) -> list[str]:
    return ["--members", world.path("members.toml"), "--deployment", world.path("deployment.json")]


def signing(world: OwnWorld, out: str = "members.bin") -> list[str]:
    return ["--members", world.path("members.toml"), "--out", world.path(out), *world.keyed("manager.key")]


def test_a_channel_is_made_once(world: OwnWorld, capsys: pytest.CaptureFixture[str]) -> None:
    count = world.spent(manager(world))
    again = told(capsys, "manager", "create-channel", "village", *world.keyed("manager.key"))
    assert again["created"] is False
    assert world.spent(manager(world)) == count
    other = refused(capsys, 5, "manager", "create-channel", "village", "--stake", "2", *world.keyed("manager.key"))
    assert other["error"] == "ChannelDiffers"
    assert other["fields"]["expected"]["stake_wei"] == 2 * 10**18
    assert world.spent(manager(world)) == count
    made = told(capsys, "manager", "create-channel", "town", "--stake", "2", *world.keyed("manager.key"))
    assert made["created"] is True
    assert made["manager"] == manager(world)
    assert referee(world).channel_head(bytes.fromhex(made["channel"])).exposure_wei > 2 * 10**18
    refused(capsys, 3, "manager", "create-channel", "Town Hall", *world.keyed("manager.key"))


def test_a_channel_that_the_address_book_lost_is_listed_again(
    world: OwnWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    path = world.folder / "deployment.json"
    whole = parse_deployment(path.read_bytes())
    world.do("manager", "create-channel", "town", *world.keyed("manager.key"))
    path.write_bytes(whole.to_bytes())  # as if killed before it was written
    assert told(capsys, "manager", "create-channel", "town", *world.keyed("manager.key"))["created"] is False
    assert find_channel(parse_deployment(path.read_bytes()).channels, "town").manager == whole.channels[0].manager


def test_members_join_and_leave_by_name(world: OwnWorld, capsys: pytest.CaptureFixture[str]) -> None:
    cards = world.households("flat-1", "flat-2")
    none = refused(capsys, 7, "manager", "members", "add", *cards, *members(world))
    assert "--channel NAME" in none["hint"]
    shown = told(capsys, "manager", "members", "add", cards[0], *members(world), "--channel", "village")
    assert [one["name"] for one in shown["members"]] == ["flat-1"]
    assert shown["members"][0]["payee"].startswith("0x")
    before = (world.folder / "members.toml").read_bytes()
    twice = refused(capsys, 4, "manager", "members", "add", cards[1], cards[0], *members(world))
    assert twice["error"] == "MemberRepeated"
    assert "flat-1" in twice["message"]
    assert (world.folder / "members.toml").read_bytes() == before
    told(capsys, "manager", "members", "add", cards[1], "--watcher", "union=" + "77" * 32, *members(world))
    listed = told(capsys, "manager", "members", "list", "--members", world.path("members.toml"))
    assert [one["name"] for one in listed["members"]] == ["flat-1", "flat-2"]
    assert listed["watchers"] == [{"name": "union", "reader_key": "77" * 32}]
    wrong = refused(capsys, 7, "manager", "members", "add", cards[1], *members(world), "--channel", "village-bills")
    assert wrong["error"] == "ChannelOfMembersMissing"
    left = told(capsys, "manager", "members", "remove", "flat-1", "--members", world.path("members.toml"))
    assert [one["name"] for one in left["members"]] == ["flat-2"]
    refused(capsys, 3, "manager", "members", "remove", "flat-1", "--members", world.path("members.toml"))
    refused(capsys, 3, "manager", "members", "list", "--members", world.path("nowhere.toml"))
    refused(capsys, 2, "manager", "members", "add", *members(world))


def test_a_list_is_signed_and_its_count_is_on_chain_once(world: OwnWorld, capsys: pytest.CaptureFixture[str]) -> None:
    signed(world)
    book = parse_deployment((world.folder / "deployment.json").read_bytes())
    data = (world.folder / "members.bin").read_bytes()
    found = parse_signed_member_list(data)
    verify_member_list(found, book.referee_domain)
    file = parse_member_file((world.folder / "members.toml").read_bytes())
    assert found.member_list == file.member_list(START_S)
    assert referee(world).roster_count_at(found.identity.id, START_S) == 3
    count = world.spent(manager(world))
    again = told(capsys, "manager", "sign", "--from", "2026-03-01", *signing(world))
    assert again == {
        "file": world.path("members.bin"), "channel": found.identity.id.hex(), "valid_from": START_S, "members": 3,
        "watchers": 0, "roster_set": False,
    }  # fmt: skip
    assert (world.folder / "members.bin").read_bytes() == data
    world.do("manager", "members", "add", *world.households("flat-4"), *members(world))
    other = refused(capsys, 7, "manager", "sign", "--from", "2026-03-03", *signing(world))
    assert other["error"] == "SignedFileExists"
    assert world.spent(manager(world)) == count
    soon = refused(capsys, 5, "manager", "sign", "--from", "2026-03-03", *signing(world, "members-2.bin"))
    assert soon["error"] == "MembersChangedLately"
    assert "2026-03-01 02:00" in soon["fields"]["expected"]
    world.do("chain", "advance", str(world.chain.folder), "--to", "2026-03-01T02:00")
    later = told(capsys, "manager", "sign", "--from", "2026-03-03", *signing(world, "members-2.bin"))
    assert later["roster_set"] is True
    assert [referee(world).roster_count_at(found.identity.id, START_S + day * DAY_S) for day in (0, 1, 2)] == [3, 3, 4]


def test_what_is_not_signed(world: OwnWorld, capsys: pytest.CaptureFixture[str]) -> None:
    missing = refused(capsys, 3, "manager", "sign", "--from", "2026-03-01", *signing(world))
    assert "members add" in missing["hint"]
    cards = world.households("flat-1")
    world.do("manager", "members", "add", *cards, *members(world), "--channel", "village")
    count = world.spent(manager(world))
    odd = refused(capsys, 3, "manager", "sign", "--from", "2026-03-01T06:00", *signing(world))
    assert odd["error"] == "PeriodNotOfChannel"
    theirs = [*signing(world)[:-1], world.path("operator.key")]
    assert refused(capsys, 4, "manager", "sign", "--from", "2026-03-01", *theirs)["error"] == "SignerNotManager"
    world.do("chain", "advance", str(world.chain.folder), "--to", "2026-03-02T00:00:01")
    over = refused(capsys, 3, "manager", "sign", "--from", "2026-03-01", *signing(world))
    assert "2026-03-02" in over["fields"]["expected"]
    with Anvil.create(world.folder / "second", genesis_timestamp_s=START_S + 5) as second:
        elsewhere = [second.url if word == world.chain.url else word for word in signing(world)]
        assert refused(capsys, 7, "manager", "sign", "--from", "2026-03-02", *elsewhere)["error"] == "WrongChain"
    assert world.spent(manager(world)) == count
    assert not (world.folder / "members.bin").exists()


def terms(world: OwnWorld, *more: str, out: str = "terms.toml") -> list[str]:
    return [
        "manager", "terms", *members(world), "--list", world.path("members.bin"), "--statement-channel",
        "village-bills", "--from", "2026-03-01", "--until", "2026-04-01", *PRICES, "--out", world.path(out),
        "--key-file", world.path("manager.key"), *more,
    ]  # fmt: skip


def test_terms_that_anybody_can_check(world: OwnWorld, capsys: pytest.CaptureFixture[str]) -> None:
    signed(world)
    told(capsys, *terms(world))
    book = parse_deployment((world.folder / "deployment.json").read_bytes())
    found = parse_terms_file((world.folder / "terms.toml").read_bytes())
    verify_terms_file(found, find_channel(book.channels, "village-bills"), book.referee_domain)
    listed = parse_signed_member_list((world.folder / "members.bin").read_bytes()).member_list
    assert found.members_hash == listed.struct_hash
    assert [payee.public_key for payee in found.payees] == [member.public_key for member in listed.members]
    assert (found.tariff.energy, found.tariff.grid, found.tariff.fixed_per_day) == (24_000_000, 9_350_000, 10_000_000)
    before = (world.folder / "terms.toml").read_bytes()
    told(capsys, *terms(world))
    assert (world.folder / "terms.toml").read_bytes() == before
    assert refused(capsys, 7, *terms(world, "--sharing", "equal"))["error"] == "SignedFileExists"
    told(
        capsys,
        *terms(
            world, "--sharing", "fixed", "--share", "flat-1=60", "--share", "flat-2=30", "--share", "flat-3=10", out="f"
        ),
    )
    fixed = parse_terms_file((world.folder / "f").read_bytes())
    by_name = {payee.name: key for payee, key in zip(fixed.payees, fixed.allocation.keys, strict=True)}
    assert by_name == {"flat-1": 600_000, "flat-2": 300_000, "flat-3": 100_000}


@pytest.mark.parametrize(
    ("more", "code", "error"),
    [
        (["--energy", "24,5"], 3, "PriceInvalid"),
        (["--statement-channel", "village"], 3, "ChannelKindWrong"),
        (["--statement-channel", "town"], 3, "ChannelUnknown"),
        (["--until", "2026-02-01"], 3, "TermsInvalid"),
        (["--sharing", "fixed"], 3, "SharesInvalid"),
        (
            ["--sharing", "fixed", "--share", "flat-1=60", "--share", "flat-2=30", "--share", "flat-3=11"],
            3,
            "SharesInvalid",
        ),
        (["--sharing", "ranked", "--share", "flat-9=1"], 3, "SharesInvalid"),
        (["--share", "flat-1=1"], 3, "SharesInvalid"),
    ],
)
def test_terms_that_are_none(
    world: OwnWorld, capsys: pytest.CaptureFixture[str], more: list[str], code: int, error: str
) -> None:
    signed(world)
    assert refused(capsys, code, *terms(world, *more))["error"] == error
    assert not (world.folder / "terms.toml").exists()


def test_terms_over_another_list_than_the_file_s(world: OwnWorld, capsys: pytest.CaptureFixture[str]) -> None:
    signed(world)
    world.do("manager", "members", "remove", "flat-2", "--members", world.path("members.toml"))
    assert refused(capsys, 4, *terms(world))["error"] == "MembersDiffer"
