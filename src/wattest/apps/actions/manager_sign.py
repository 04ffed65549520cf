"""``wattest manager sign`` and ``terms``: what a manager signs from its member file.

Decided here: that the roster count on chain is set before the list is handed out, that nothing is signed over another
list than the file's, and that no signed file is written over another. Not decided here: the messages
(``messages.member_list``, ``messages.settlement_terms``). Invariant: the same command again signs the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from wattest.apps.actions.bounded_file import read_bounded
from wattest.apps.actions.chain_deployment import moment
from wattest.apps.actions.manager_members import read_member_file
from wattest.apps.amounts import read_moment
from wattest.apps.channel_tables import MAX_MEMBER_LIST_BYTES
from wattest.apps.key_use import connect_contracts_of, read_address_book, require_money, use_key
from wattest.chain.referee_once import RefereeOnce
from wattest.chain.signers import open_signer
from wattest.crypto.signer import Signer
from wattest.errors import ConfigError, InputError, ProtocolError, VerificationError
from wattest.io.files import write_atomically
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.channel_name import find_channel
from wattest.messages.member_file import MemberFile
from wattest.messages.member_list import parse_signed_member_list, sign_member_list, verify_member_list
from wattest.messages.settlement_terms import SignedTerms, sign_terms
from wattest.settlement.allocation import WHOLE_PPM, AllocationKey, split
from wattest.settlement.terms_file import NamedPayee, TermsFile, make_tariff


class SignerNotManager(VerificationError):
    """A key that is not the channel's manager's: no enclave would take its signature."""


class SignedFileExists(ConfigError):
    """Something else is signed in the file that is to be written."""


class PeriodNotOfChannel(InputError):
    """A moment at which no period of the channel begins, or one whose period is over."""


class ChannelNotOnChain(ProtocolError):
    """The address book lists a channel that the chain has not."""


class MembersChangedLately(ProtocolError):
    """The number of members cannot be changed yet, so soon after the change before."""


class ChannelKindWrong(InputError):
    """A scheduled channel is named for statements, which have no schedule."""


class MembersDiffer(VerificationError):
    """The member file and the signed list do not have the same members."""


class SharesInvalid(InputError):
    """Shares or ranks that are not one for each member, or do not add up."""


class MembersMissing(ProtocolError):
    """A member file without members: there is nobody to sign for."""


def sign(
    *, members: Path, valid_from: str, address_book: Path, rpc: str, key_file: Path, out: Path, as_json: bool
) -> None:
    """What ``wattest manager sign`` does."""
    book = read_address_book(address_book)
    found = read_member_file(members)
    identity = find_channel(book.channels, found.channel.hex())
    start = read_moment(valid_from, "--from")
    key = open_signer(key_file)
    _require_manager(key, identity)
    if not found.members:
        raise MembersMissing(
            "the member file has no members", path=members, hint="wattest manager members add FOLDER/member.toml"
        )
    signed = sign_member_list(key, found.member_list(start), identity, book.referee_domain)
    _require_free(out, signed.to_bytes())
    count = len(found.members)
    with use_key(key_file, book.genesis_hash) as use:
        contracts = connect_contracts_of(book, rpc, use.journal)
        referee = contracts.referee
        if not any(referee.manager_of(identity.id)):
            raise ChannelNotOnChain(
                "the channel is not on this chain", channel=identity.id, hint="wattest manager create-channel NAME"
            )
        head = referee.channel_head(identity.id)
        epoch_s = head.epoch_s
        if start % epoch_s:
            raise PeriodNotOfChannel(
                "no period of the channel begins at --from",
                expected=f"{moment(start - start % epoch_s)}, or {epoch_s} s later, and so on",
                actual=moment(start),
            )
        if is_new := referee.roster_count_at(identity.id, start) != count:
            now = contracts.client.now()
            if start + epoch_s <= now:
                raise PeriodNotOfChannel(
                    "the period that begins at --from is over",
                    expected=f"{moment(now - now % epoch_s)} or later",
                    actual=moment(start),
                    hint="the number of members is set on chain before their first period ends",
                )
            if head.next_roster_from <= now < head.next_roster_from + head.commit_deadline_s:
                raise MembersChangedLately(
                    "the last change of members began just now, and batches of the day before may still be committed",
                    expected=f"{moment(head.next_roster_from + head.commit_deadline_s)} or later, in chain time",
                    actual=moment(now),
                    hint="try again then",
                )
            require_money(contracts.client, key.address)
            RefereeOnce(referee, use.signer, use.done).set_roster_count(identity.id, count, start)
    write_atomically(out, signed.to_bytes())
    if as_json:
        shown = {
            "file": str(out),
            "channel": identity.id.hex(),
            "valid_from": start,
            "members": count,
            "watchers": len(found.watchers),
            "roster_set": is_new,
        }
        click.echo(json.dumps(shown))
        return
    click.echo(f"{out}: {count} members from {moment(start)} on")
    on_chain = "now says so, too" if is_new else "said so already"
    click.echo(f"the chain {on_chain}; next: give {out} to the operator", err=True)


def terms(
    *,
    members: Path,
    signed_list: Path,
    statement_channel: str,
    valid_from: str,
    valid_until: str,
    prices: Sequence[str],
    sharing: str,
    shares: Sequence[str],
    decimals: int,
    address_book: Path,
    key_file: Path,
    out: Path,
    as_json: bool,
) -> None:
    """What ``wattest manager terms`` does."""
    book = read_address_book(address_book)
    found = read_member_file(members)
    hint = "`wattest manager sign` makes it"
    signed = parse_signed_member_list(read_bounded(signed_list, MAX_MEMBER_LIST_BYTES, hint))
    verify_member_list(signed, book.referee_domain)
    listed = signed.member_list
    if replace(found.member_list(listed.valid_from), watcher_reader_keys=listed.watcher_reader_keys) != listed:
        raise MembersDiffer(
            f"{members} and {signed_list} do not have the same members",
            expected=f"{len(listed.members)} members of {listed.channel.hex()}",
            actual=f"{len(found.members)} members of {found.channel.hex()}",
            hint="sign the member file as it is now: wattest manager sign",
        )
    statements = find_channel(book.channels, statement_channel)
    if statements.kind is not ChannelKind.OPEN:
        raise ChannelKindWrong(
            "statements go into an open channel, and this one is scheduled",
            channel=statements.id,
            hint="make one: wattest manager create-channel NAME --kind open",
        )
    key = open_signer(key_file)
    _require_manager(key, statements)
    unsigned = TermsFile(
        statement_channel=statements.id,
        metering_channel=listed.channel,
        members_hash=listed.struct_hash,
        tariff=make_tariff(prices, decimals),
        allocation=_allocation(found, sharing, shares),
        payees=tuple(NamedPayee.of(one) for one in found.in_list_order()),
        signed=SignedTerms(read_moment(valid_from, "--from"), read_moment(valid_until, "--until"), bytes(65)),
    )
    agreed = replace(unsigned, signed=sign_terms(key, unsigned.terms, book.referee_domain))
    _require_free(out, agreed.to_bytes())
    write_atomically(out, agreed.to_bytes())
    if as_json:
        shown = {
            "file": str(out),
            "statement_channel": statements.id.hex(),
            "metering_channel": listed.channel.hex(),
            "valid_from": agreed.signed.valid_from,
            "valid_until": agreed.signed.valid_until,
            "members": len(agreed.payees),
            "sharing": sharing,
        }
        click.echo(json.dumps(shown))
        return
    span = f"{moment(agreed.signed.valid_from)} to {moment(agreed.signed.valid_until)}"
    click.echo(f"{out}: terms for {len(agreed.payees)} members, {span}")


def _require_manager(key: Signer, identity: ChannelIdentity) -> None:
    if key.address != identity.manager:
        raise SignerNotManager(
            "the key is not the channel's manager's",
            channel=identity.id,
            expected=identity.manager,
            actual=key.address,
            hint="name the key that `wattest manager create-channel` was given",
        )


def _require_free(out: Path, data: bytes) -> None:
    """Refuse to write over something else that was signed, which others may still need."""
    if not out.absolute().parent.is_dir():
        raise SignedFileExists("the folder for the signed file is not there", path=out, hint=f"mkdir -p {out.parent}")
    if out.exists() and out.read_bytes() != data:
        raise SignedFileExists(
            "the file is there, and something else is signed in it",
            path=out,
            hint="name another with --out: whoever settles earlier periods needs the old one",
        )


def _allocation(found: MemberFile, sharing: str, shares: Sequence[str]) -> AllocationKey:
    """The key in list order. ``shares`` are NAME=NUMBER: percent for fixed, ranks for ranked."""
    names = [one.name for one in found.in_list_order()]
    if sharing in {"by-use", "equal"}:
        if shares:
            raise SharesInvalid(f"{sharing} takes no --share", hint="say --sharing fixed, or ranked")
        return AllocationKey.dynamic(len(names)) if sharing == "by-use" else AllocationKey.equal(len(names))
    told: dict[str, int] = {}
    for text in shares:
        name, equals, number = text.rpartition("=")
        if not equals or name not in names or name in told or not (number.isascii() and number.isdecimal()):
            raise SharesInvalid(
                "a share is NAME=NUMBER of a member, once each",
                place="--share",
                actual=ascii(text[:80]),
                expected=names[:64],
            )
        told[name] = int(number[:9])
    if missing := [name for name in names if name not in told]:
        raise SharesInvalid("every member has a share", place="--share", missing=missing[:64])
    numbers = [told[name] for name in names]
    if sharing == "ranked":
        return AllocationKey.priority(numbers)
    if sum(numbers) != 100:
        raise SharesInvalid("shares are percent and add up to 100", expected=100, actual=sum(numbers))
    return AllocationKey.static(split(WHOLE_PPM, numbers))
