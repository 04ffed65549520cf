"""What a configuration and the chain have differently: each setting with its place, both values and what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wattest.chain.referee_core import ChannelHead
from wattest.chain.shared_settings import (
    SettingsDisagree,
    appraiser_differences,
    channel_differences,
    margin_differences,
    operator_differences,
    pace_differences,
    permit_differences,
    policy_differences,
    require_agreement,
    roster_differences,
    signed_differences,
    watcher_differences,
)
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.eip712 import Domain
from wattest.messages.hand_over_permit import HandOverPermit, PermitKind, sign_permit
from wattest.messages.member_list import Member, MemberList, SignedMemberList, sign_member_list
from wattest.messages.peer_policy import PeerPolicy, sign_peer_policy
from wattest.receipt.deployment import Deployment
from wattest.twin.operator import OperatorHead, OperatorState

DAY = 86_400
MANAGER = Secp256k1PrivateKey.from_seed(b"\x01" * 32)
CHANNEL = ChannelIdentity(MANAGER.address, ChannelKind.SCHEDULED, b"\x02" * 32)
HERE, ELSEWHERE = Domain(31_337, b"\x03" * 20), Domain(31_337, b"\x04" * 20)
HEAD = ChannelHead(ChannelKind.SCHEDULED, 1, 2, 0, 0, DAY, 7_200, 1_000)
OPERATOR = b"\x05" * 20


def members(count: int, valid_from: int = 0, domain: Domain = HERE) -> SignedMemberList:
    keys = sorted(bytes([number]) * 64 for number in range(1, count + 1))
    listed = tuple(Member(key, key[:32], b"\x09" * 32) for key in keys)
    return sign_member_list(MANAGER, MemberList(CHANNEL.id, valid_from, listed), CHANNEL, domain)


def test_a_channel_that_agrees() -> None:
    assert not channel_differences("channel[0]", CHANNEL, DAY, HEAD)
    assert not roster_differences("channel[0]", [members(2)], DAY, HEAD)
    assert not signed_differences("channel[0]", CHANNEL, [members(2)], HERE)
    assert not pace_differences(300, 5.0, [HEAD])
    require_agreement([])


@pytest.mark.parametrize("epoch_s", [8_640, DAY - 1, DAY + 1, 864_000])
def test_another_period_length(epoch_s: int) -> None:
    (found,) = channel_differences("channel[3]", CHANNEL, epoch_s, HEAD)
    assert (found.setting, found.here, found.chain) == ("channel[3].epoch_s", epoch_s, DAY)
    assert "epoch_s = 86400" in found.remedy
    assert not found.may_change


def test_a_channel_that_is_not_there_or_not_scheduled() -> None:
    (found,) = channel_differences("channel[0]", CHANNEL, DAY, replace(HEAD, parameters_version=0, epoch_s=0))
    assert (found.setting, found.chain) == ("channel[0].members", "no such channel")
    (found,) = channel_differences("channel[0]", replace(CHANNEL, kind=ChannelKind.OPEN), DAY, HEAD)
    assert (found.setting, found.chain) == ("channel[0].members", "open")


def test_the_roster_count_of_the_very_period() -> None:
    grows = replace(HEAD, next_roster_count=3, next_roster_from=2 * DAY)
    assert not roster_differences("c", [members(2)], DAY, grows)
    (found,) = roster_differences("c", [members(2)], 2 * DAY, grows)
    assert (found.here, found.chain, found.may_change) == ("2 members", "3 entries", True)
    assert not roster_differences("c", [members(2), members(3, valid_from=2 * DAY)], 2 * DAY, grows)
    (found,) = roster_differences("c", [members(2, valid_from=5 * DAY)], DAY, HEAD)
    assert found.setting == "c.first_period_start"


def test_a_list_for_another_referee() -> None:
    (found,) = signed_differences("channel[0]", CHANNEL, [members(2), members(3, domain=ELSEWHERE)], HERE)
    assert found.setting == "channel[0].members"
    assert "manager" in found.remedy


@pytest.mark.parametrize(("grace", "interval", "differs"), [(7_195, 4.9, False), (7_195, 5.0, True), (9_000, 1, True)])
def test_no_time_left_to_commit(grace: int, interval: float, differs: bool) -> None:
    found = pace_differences(grace, interval, [HEAD, replace(HEAD, commit_deadline_s=9_999)])
    assert bool(found) is differs


def test_another_s_key_and_a_deposit_that_covers_nothing() -> None:
    stands = OperatorHead(OperatorState.ACTIVE, 5, 5, 0, 1_000)
    assert not operator_differences("channel[0]", OPERATOR, stands, HEAD)
    (found,) = operator_differences("channel[0]", OPERATOR, OperatorHead(), HEAD)
    assert (found.setting, found.may_change) == ("operator.key", False)
    (found,) = operator_differences("channel[0]", OPERATOR, replace(stands, deposit_wei=999), HEAD)
    assert (found.setting, found.may_change) == ("channel[0]", True)
    assert not operator_differences("c", OPERATOR, replace(stands, state=OperatorState.EXITING, deposit_wei=0), HEAD)


def test_what_the_manager_signed() -> None:
    policy = PeerPolicy.over(CHANNEL.id, b"policy", [b"root"], 5)  # ended long ago: no matter of settings
    signature = sign_peer_policy(MANAGER, policy, HERE)
    assert not policy_differences("p", CHANNEL, policy, signature, HERE)
    (found,) = policy_differences("p", CHANNEL, replace(policy, valid_until=6), signature, HERE)
    assert (found.setting, found.chain) == ("p.policy_signature", CHANNEL.manager)
    (found,) = policy_differences("p", CHANNEL, policy, bytes(65), HERE)
    assert found.setting == "p.policy_signature"
    word = bytes(32)
    permit = HandOverPermit(CHANNEL.id, OPERATOR, PermitKind.HAND_OVER, word, word, word, 5)
    signed = sign_permit(MANAGER, permit, HERE)
    kind = PermitKind.HAND_OVER
    assert not permit_differences("p", CHANNEL, signed, kind, OPERATOR, HERE)
    (found,) = permit_differences("p", CHANNEL, signed, kind, b"\x06" * 20, HERE)
    assert (found.setting, found.here, found.chain) == ("p.operator", OPERATOR, b"\x06" * 20)
    (found,) = permit_differences("p", CHANNEL, signed, kind, OPERATOR, ELSEWHERE)
    assert found.setting == "p.permit_signature"
    (found,) = permit_differences("p", CHANNEL, signed, PermitKind.STANDBY, OPERATOR, HERE)
    assert "kind" in str(found.here)


def test_registrations_shorter_than_the_margin() -> None:
    assert not margin_differences(120, 121)
    (found,) = margin_differences(120, 120)
    assert found.setting == "registration.inclusion_margin_s"


def test_an_appraiser_whose_verdicts_count_nowhere() -> None:
    a = b"\x0a" * 20
    book = Deployment(1, bytes(32), 0, a, a, a, a, a, a, a, a, (a,), 1, (b"root",))
    assert not appraiser_differences(a, 30 * DAY, 30 * DAY, book)
    found = appraiser_differences(b"\x0b" * 20, 31 * DAY, 30 * DAY, book)
    assert [one.setting for one in found] == ["appraiser.key", "appraiser.registration_days"]
    (found_one,) = appraiser_differences(a, DAY, DAY, replace(book, appraisers=(), threshold=0, collateral=a))
    assert "quotes" in str(found_one.chain)


def test_a_watcher_of_nobody() -> None:
    a, b = b"\x0a" * 20, b"\x0b" * 20
    stands = OperatorHead(OperatorState.REGISTERED)
    urls = {a: "x", b: "y"}
    assert not watcher_differences(urls, {a: [OperatorHead(), stands], b: []}, OPERATOR, 3_600, [7 * DAY])
    found = watcher_differences(urls, {a: [stands], b: [OperatorHead()]}, a, 7 * DAY, [9 * DAY, 7 * DAY])
    assert [one.setting for one in found] == ["watcher.key", "operator[1].address", "watcher.unreachable_grace_s"]


def test_all_of_them_in_one_error() -> None:
    found = channel_differences("channel[0]", CHANNEL, 60, HEAD)
    found += operator_differences("channel[0]", OPERATOR, OperatorHead(), HEAD)
    with pytest.raises(SettingsDisagree) as caught:
        require_agreement(found)
    error = caught.value
    assert error.exit_code == 7
    assert "2 settings" in error.message
    shown = error.as_dict()["fields"]["differences"]  # type: ignore[index]
    assert [one["setting"] for one in shown] == ["channel[0].epoch_s", "operator.key"]
    assert all(set(one) == {"setting", "here", "chain", "do"} and one["do"] for one in shown)
    assert "0x" + OPERATOR.hex() == shown[1]["here"]
