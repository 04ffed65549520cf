"""Configuration of keys: the appraiser's file, an operator's registration and hand-over; a mistake names its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wattest.apps.appraiser_file import read_appraiser_file
from wattest.apps.operator_file import read_operator_file
from wattest.apps.settings_reader import FileMissing, SettingInvalid
from wattest.collateral.pccs import ServiceSettings
from wattest.collateral.pccs_wire import ServiceKind
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.errors import ConfigError, InputError
from wattest.keys.key_life import KeySettings
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.eip712 import Domain
from wattest.messages.hand_over_permit import PermitKind
from wattest.messages.member_list import Member, MemberList, sign_member_list
from wattest.metering.meter import meter_key_commitment
from wattest.receipt.deployment import Deployment

A = b"\x0a" * 20
MANAGER = Secp256k1PrivateKey.from_seed(b"\x01" * 32)
CHANNEL = ChannelIdentity(MANAGER.address, ChannelKind.SCHEDULED, bytes(32))
METER_KEY = b"\x02" * 32
DEPLOYMENT = Deployment(31_337, b"\x09" * 32, 0, A, A, A, A, A, A, A, A, (A,), 1, (b"root",), (CHANNEL,))
APPRAISER = """
[chain]
rpc_url = "http://127.0.0.1:8545"
[appraiser]
deployment = "deployment.json"
key = "key"
policy = "policy.toml"
"""
HAND_OVER = f"""
[channel.hand_over]
policy = "policy.toml"
policy_until = 2000000000
policy_signature = "{"11" * 65}"
operator = "0x{"0a" * 20}"
from_measurement = "{"22" * 32}"
to_measurement = "{"33" * 32}"
to_platform = "{"44" * 32}"
permit_until = 2000000001
permit_signature = "{"55" * 65}"
giver = "[::1]:8550"
"""
OPERATOR = f"""
[chain]
rpc_url = "http://127.0.0.1:8545"
[operator]
deployment = "deployment.json"
data = "data"
key = "key"
[enclave]
platform = "platform"
state = "enclave"
[registration]
appraisers = ["http://one", "http://two"]
renew_before_s = 3600
rotate_every_days = 90
go_on_after_miss = false
[collateral]
file = "kept.json"
url = "https://pccs:8081"
service = "pccs"
tls_authorities = "policy.toml"
warn_days = 3
[[channel]]
members = "members.bin"
meter_keys = "keys.txt"
first_period_start = 86400
{HAND_OVER}"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deployment.json").write_bytes(DEPLOYMENT.to_bytes())
    (tmp_path / "policy.toml").write_bytes(b"version = 1\n")
    member = Member(b"\x03" * 64, meter_key_commitment(METER_KEY), b"\x04" * 32)
    members = MemberList(CHANNEL.id, 0, (member,), ())
    signed = sign_member_list(MANAGER, members, CHANNEL, Domain(31_337, A))
    (tmp_path / "members.bin").write_bytes(signed.to_bytes())
    (tmp_path / "keys.txt").touch(mode=0o600)
    (tmp_path / "keys.txt").write_text(METER_KEY.hex() + "\n")
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "node.toml"
    path.write_text(text)
    return path


def test_an_appraiser_s_file(folder: Path) -> None:
    read = read_appraiser_file(write(folder, APPRAISER))
    assert (read.host, read.port, read.policy) == ("127.0.0.1", 8549, b"version = 1\n")
    assert read.registration_s == 30 * 86_400


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('key = "key"', "", "appraiser.key"),
        ('key = "key"', 'key = "key"\nlisten = "nowhere"', "appraiser.listen"),
        ('key = "key"', 'key = "key"\nregistration_days = 91', "appraiser.registration_days"),
        ('key = "key"', 'key = "key"\nappraisers = []', "appraiser.appraisers"),
    ],
)
def test_mistakes_of_an_appraiser(folder: Path, old: str, new: str, place: str) -> None:
    with pytest.raises(SettingInvalid) as caught:
        read_appraiser_file(write(folder, APPRAISER.replace(old, new, 1)))
    assert caught.value.fields["place"] == place
    with pytest.raises(FileMissing):
        read_appraiser_file(write(folder, APPRAISER.replace("policy.toml", "absent.toml")))


def test_an_operator_s_keys(folder: Path) -> None:
    read = read_operator_file(write(folder, OPERATOR))
    assert read.appraisers == ("http://one", "http://two")
    assert read.keys == KeySettings(renew_before_s=3_600, rotate_every_s=90 * 86_400, goes_on_after_miss=False)
    place = read.collateral
    assert place is not None
    assert place.service == ServiceSettings(
        "https://pccs:8081", kind=ServiceKind.PCCS, tls_authorities=b"version = 1\n"
    )
    assert (place.file, place.maximum_age_days, place.warn_days) == (folder / "kept.json", 7, 3)
    terms = read.hand_overs[CHANNEL.id]
    assert (terms.policy, terms.roots, terms.giver) == (b"version = 1\n", (b"root",), ("[::1]", 8550))
    assert (terms.permit.permit.channel, terms.permit.permit.operator) == (CHANNEL.id, A)
    assert (terms.valid_until, terms.permit.permit.valid_until) == (2_000_000_000, 2_000_000_001)


def test_without_them_nothing_is_registered_by_itself(folder: Path) -> None:
    start, end = OPERATOR.index("[registration]"), OPERATOR.index("[[channel]]")
    read = read_operator_file(write(folder, OPERATOR[:start] + OPERATOR[end:].replace(HAND_OVER, "")))
    assert (read.appraisers, read.keys, read.hand_overs) == ((), KeySettings(), {})
    assert (read.collateral, read.brings_collateral) == (None, True)


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('"http://two"]', "2]", "registration.appraisers[1]"),
        ("renew_before_s = 3600", "renew_before_s = 120", "registration.renew_before_s"),
        ("renew_before_s = 3600", "renew_before = 3600", "registration.renew_before"),
        ("go_on_after_miss = false", "go_on_after_miss = 0", "registration.go_on_after_miss"),
        ("go_on_after_miss = false", "bring_collateral = 1", "registration.bring_collateral"),
        ('file = "kept.json"', "", "collateral.file"),
        ('url = "https://pccs:8081"', "", "collateral.url"),
        ('service = "pccs"', 'service = "cache"', "collateral.service"),
        ("warn_days = 3", "warn_days = -1", "collateral.warn_days"),
        ("warn_days = 3", "warn_day = 3", "collateral.warn_day"),
        ('to_platform = "44', 'to_platform = "4', "channel[0].hand_over.to_platform"),
        ('permit_signature = "55', 'permit_signature = "5g', "channel[0].hand_over.permit_signature"),
        ("permit_until = 2000000001", "", "channel[0].hand_over.permit_until"),
        ("permit_until", "permit_from", "channel[0].hand_over.permit_until"),
        ("policy_until = 2000000000", "policy_until = 2000000000\nmore = 1", "channel[0].hand_over.more"),
        ("[::1]:8550", "8550", "channel[0].hand_over.giver"),
    ],
)
def test_mistakes_of_an_operator(folder: Path, old: str, new: str, place: str) -> None:
    assert old in OPERATOR
    with pytest.raises(SettingInvalid) as caught:
        read_operator_file(write(folder, OPERATOR.replace(old, new, 1)))
    assert caught.value.fields["place"] == place


def test_a_choice_says_what_was_meant(folder: Path) -> None:
    with pytest.raises(SettingInvalid) as caught:
        read_operator_file(write(folder, OPERATOR.replace('service = "pccs"', 'service = "pcss"', 1)))
    assert "one of pccs, pcs belongs here" in caught.value.message
    assert "did you mean 'pccs'?" in caught.value.message or "did you mean 'pcs'?" in caught.value.message


STANDBY = HAND_OVER.replace("hand_over", "standby").replace('giver = "[::1]:8550"', 'listen = "127.0.0.1:8551"')


def test_a_standby_s_side(folder: Path) -> None:
    waiting = read_operator_file(write(folder, OPERATOR + STANDBY + "take_over_after_s = 60\n")).standbys[CHANNEL.id]
    assert (waiting.listen, waiting.host, waiting.take_over_after_s) == (("127.0.0.1", 8551), None, 60)
    assert waiting.terms.permit.permit.kind is PermitKind.STANDBY
    primary = read_operator_file(write(folder, OPERATOR + STANDBY.replace("listen", "host"))).standbys[CHANNEL.id]
    assert (primary.listen, primary.host) == (None, ("127.0.0.1", 8551))


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("listen =", 'host = "b:1"\nlisten =', "channel[0].standby.host"),
        ('listen = "127.0.0.1:8551"', "", "channel[0].standby.host"),
        ("127.0.0.1:8551", "8551", "channel[0].standby.listen"),
        ("listen =", "take_over_after_s = 60\nhost =", "channel[0].standby.take_over_after_s"),
        ("listen =", "take_over_after_s = -1\nlisten =", "channel[0].standby.take_over_after_s"),
        ("listen =", 'giver = "b:1"\nlisten =', "channel[0].standby.giver"),
        ("go_on_after_miss = false", "go_on_after_revocation = true", "registration.go_on_after_revocation"),
    ],
)
def test_mistakes_of_a_standby(folder: Path, old: str, new: str, place: str) -> None:
    text = OPERATOR + STANDBY
    assert old in text
    with pytest.raises(SettingInvalid) as caught:
        read_operator_file(write(folder, text.replace(old, new, 1)))
    assert caught.value.fields["place"] == place


WITNESS = f"""
[channel.witness]
policy = "policy.toml"
policy_until = 2000000000
policy_signature = "{"11" * 65}"
listen = "127.0.0.1:8552"
"""


def test_a_witness_s_terms(folder: Path) -> None:
    serving = read_operator_file(write(folder, OPERATOR + WITNESS)).witnesses[CHANNEL.id]
    assert (serving.channel, serving.listen, serving.roots) == (CHANNEL.id, ("127.0.0.1", 8552), (b"root",))
    asking = read_operator_file(write(folder, OPERATOR + WITNESS.replace('listen = "127.0.0.1:8552"', "")))
    assert asking.witnesses[CHANNEL.id].listen is None


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("127.0.0.1:8552", "8552", "channel[0].witness.listen"),
        ("listen =", "permit_until = 1\nlisten =", "channel[0].witness.permit_until"),
        ('policy_signature = "11', 'policy_signature = "1', "channel[0].witness.policy_signature"),
    ],
)
def test_mistakes_of_a_witness(folder: Path, old: str, new: str, place: str) -> None:
    with pytest.raises(SettingInvalid) as caught:
        read_operator_file(write(folder, OPERATOR + WITNESS.replace(old, new, 1)))
    assert caught.value.fields["place"] == place


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text(alphabet='[]="appraisechn.\n0x7 {}', max_size=120).map(str.encode))
def test_arbitrary_bytes_as_an_appraiser_s_file(folder: Path, data: bytes) -> None:
    path = folder / "fuzz.toml"
    path.write_bytes(data)
    with pytest.raises((ConfigError, InputError)):
        read_appraiser_file(path)
