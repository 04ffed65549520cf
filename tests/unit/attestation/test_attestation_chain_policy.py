"""A policy file for the chain: every setting is kept, is without effect there, or refuses the file by its name."""

from __future__ import annotations

from dataclasses import fields

import pytest

from wattest.attestation.appraisal_policy import AppraisalPolicy, parse_policy
from wattest.attestation.policy_for_chain import _KEPT, _WITHOUT_EFFECT, PolicyNotForChain, channel_policy
from wattest.attestation.roots import development_root
from wattest.messages.channel_policy import ChannelPolicy

BASE = 'version = 1\n{}[[enclave]]\nname = "ours"\nmr_enclave = "' + "11" * 32 + '"\n'
REGISTER = '["' + "5a" * 48 + '"]'


def on_chain(line: str = "", more: str = "") -> ChannelPolicy:
    policy = parse_policy((BASE.format(f"{line}\n" if line else "") + more).encode())
    return channel_policy(policy, roots=[development_root()], workloads=[bytes(32)])


@pytest.mark.parametrize(
    ("line", "setting"),
    [
        ('allowed_fmspcs = ["00906ed50000"]', "allowed_fmspcs"),
        ("allowed_fmspcs = []", "allowed_fmspcs"),
        ('denied_fmspcs = ["00906ed50000"]', "denied_fmspcs"),
        ("minimum_qe_svn = 1", "minimum_qe_svn"),
        ("minimum_pce_svn = 1", "minimum_pce_svn"),
        (f"mr_seam = {REGISTER}", "mr_seam"),
        ("mr_config_id = []", "mr_config_id"),
        (f"mr_owner = {REGISTER}", "mr_owner"),
        (f"mr_owner_config = {REGISTER}", "mr_owner_config"),
    ],
)
def test_what_the_contract_cannot_keep_refuses_the_file(line: str, setting: str) -> None:
    assert on_chain().references
    with pytest.raises(PolicyNotForChain) as refused:
        on_chain(line)
    assert refused.value.fields["settings"] == [setting]
    assert setting in refused.value.message


def test_all_that_cannot_be_kept_is_named_at_once() -> None:
    with pytest.raises(PolicyNotForChain) as refused:
        on_chain(f'denied_fmspcs = ["00906ed50000"]\nminimum_qe_svn = 8\nmr_owner = {REGISTER}\nmr_seam = []')
    assert refused.value.fields["settings"] == ["denied_fmspcs", "minimum_qe_svn", "mr_seam", "mr_owner"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('[[trust_domain]]\nname = "d"\nmr_td = "' + "33" * 48 + '"\n', "a trust domain"),
        ('[attributes]\nflags = { value = "0x5", mask = "0x7" }\n', "flags"),
        ('[attributes]\nmisc_select = { value = "0x0", mask = "0x1" }\n', "MISCSELECT"),
        ('[attributes]\nxfrm = { value = "0x1", mask = "0x1" }\n', "XFRM"),
        ('[[tcb]]\nstatus = "TDRelaunchAdvised"\nadvisories = []\n', "TDX"),
    ],
)
def test_what_the_contract_is_stricter_in_refuses_the_file(more: str, words: str) -> None:
    with pytest.raises(PolicyNotForChain, match=words):
        on_chain(more=more)


def test_what_is_kept_is_kept() -> None:
    listed = "5a" * 32
    kept = on_chain(
        "production = true\nmaximum_collateral_age_days = 3\nminimum_tcb_evaluation_number = 17\n"
        f'platforms = ["{listed}"]'
    )
    assert (kept.production, kept.max_collateral_age_s, kept.min_evaluation_number) == (True, 3 * 86_400, 17)
    assert (kept.is_platform_listed, kept.platforms) == (True, (bytes.fromhex(listed),))
    assert (on_chain("platforms = []").is_platform_listed, on_chain().is_platform_listed) == (True, False)


def test_what_has_no_effect_there_changes_nothing() -> None:
    plain, more = on_chain(), on_chain("clock_tolerance_s = 60\nwarn_days = 9")
    names = [field.name for field in fields(ChannelPolicy) if field.name != "digest"]
    assert [getattr(plain, name) for name in names] == [getattr(more, name) for name in names]


def test_every_setting_is_decided_about() -> None:
    """One that is in neither list refuses the file as soon as it is set: see the first test for each of them."""
    names = {field.name for field in fields(AppraisalPolicy)}
    assert names >= _KEPT | _WITHOUT_EFFECT
    assert names - _KEPT - _WITHOUT_EFFECT == {
        *("trust_domains", "allowed_fmspcs", "denied_fmspcs", "minimum_qe_svn", "minimum_pce_svn", "domain_pins")
    }
