"""A policy in words: each rule has its sentence, which goes when the rule goes; what accepts nothing is said to."""

from __future__ import annotations

import pytest

from wattest.attestation.appraisal_policy import AppraisalPolicy, parse_policy
from wattest.attestation.appraisal_policy_words import PolicyInWords, explain_policy, is_barren

BARE = "version = 1\n"
ENCLAVE = '[[enclave]]\nname = "ours"\nmr_enclave = "' + "11" * 32 + '"\n'
SIGNED = '[[enclave]]\nname = "signed"\nmr_signer = "' + "22" * 32 + '"\nproduct = 7\nminimum_svn = 3\n'
DOMAIN = '[[trust_domain]]\nname = "image"\nmr_td = "' + "33" * 48 + '"\n'
GRACE = '[[tcb]]\nstatus = "OutOfDate"\nadvisories = ["INTEL-SA-00828"]\nuntil = 2026-12-31\n'
HARDENING = '[[tcb]]\nstatus = "SWHardeningNeeded"\nadvisories = []\n'


def policy(*parts: str) -> AppraisalPolicy:
    return parse_policy((BARE + "".join(parts)).encode())


def everything(words: PolicyInWords) -> str:
    return "\n".join((*words.wanted, *words.conditions, *words.refused, *words.warnings))


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (ENCLAVE, "the SGX enclave 'ours': measurement " + "11" * 32),
        (SIGNED, "signer " + "22" * 32 + ", product 7, security version 3 or higher"),
        (SIGNED, "'signed' trusts whatever its signer will sign"),
        (DOMAIN, "the TDX trust domain 'image': MRTD " + "33" * 48),
        (DOMAIN, "'image' pins MRTD alone"),
        (DOMAIN, "trust domain attributes are exactly 0x10000000"),
        (DOMAIN + 'rt_mr1 = "' + "44" * 48 + '"\n', "RTMR1 " + "44" * 48),
        (GRACE, "OutOfDate is tolerated with no advisory but INTEL-SA-00828, and only before 2026-12-31 (UTC)"),
        (HARDENING, "SWHardeningNeeded is tolerated without any advisory"),
        (HARDENING, "SWHardeningNeeded is tolerated without an end"),
        ("clock_tolerance_s = 60\n", "collateral issued up to 60 s after this clock's time is judged as of its issue"),
        ("production = true\n", "the chain ends in Intel's root"),
        ("production = true\n", "every root but Intel's"),
        ("maximum_collateral_age_days = 3\n", "at most 3 days old"),
        ("minimum_tcb_evaluation_number = 17\n", "evaluation number is 17 or higher"),
        ("platforms = []\n", "the platform is on a list that is empty"),
        ('allowed_fmspcs = ["00906ed50000"]\n', "the platform model (FMSPC) is one of 00906ed50000"),
        ("allowed_fmspcs = []\n", "the platform model (FMSPC) is on a list that is empty"),
        ('denied_fmspcs = ["00906ed50000"]\n', "the platform model (FMSPC) is none of 00906ed50000"),
        ("minimum_qe_svn = 8\n", "the quoting enclave's security version is 8 or higher"),
        ("minimum_pce_svn = 13\n", "the provisioning certification enclave's security version is 13 or higher"),
        ('mr_seam = ["' + "55" * 48 + '"]\n' + DOMAIN, "the trust domain's MRSEAM is one of " + "55" * 48),
        ("mr_config_id = []\n" + DOMAIN, "the trust domain's MRCONFIGID is on a list that is empty"),
        (DOMAIN, "the trust domain's MROWNER may be any"),
        ('mr_owner_config = ["' + "55" * 48 + '"]\n' + DOMAIN, "the trust domain's MROWNERCONFIG is one of 55"),
        ("mr_owner = []\n" + ENCLAVE, "mr_owner is listed, and no trust domain is named"),
        ('platforms = ["' + "55" * 32 + '"]\n', "the platform is one of " + "55" * 32),
        ('[attributes]\nflags = { value = "0x1", mask = "0x3" }\n', "flags have 0x1 under the mask 0x3"),
        (ENCLAVE + '[attributes]\nxfrm = { value = "0x0", mask = "0x0" }\n', "attributes.xfrm has an empty mask"),
    ],
)
def test_each_rule_has_its_sentence(rule: str, sentence: str) -> None:
    assert sentence in everything(explain_policy(policy(rule)))
    assert sentence not in everything(explain_policy(policy()))


def test_an_allowed_status_is_no_longer_listed_as_refused() -> None:
    (listed,) = [each for each in explain_policy(policy()).refused if "no entry names them" in each]
    (fewer,) = [each for each in explain_policy(policy(GRACE)).refused if "no entry names them" in each]
    assert "OutOfDate," in listed
    assert "OutOfDate," not in fewer


@pytest.mark.parametrize(
    ("parts", "barren"),
    [
        ((), True),
        ((ENCLAVE,), False),
        ((DOMAIN,), False),
        (("platforms = []\n", ENCLAVE), True),
        (("allowed_fmspcs = []\n", ENCLAVE), True),
        (('allowed_fmspcs = ["00906ed50000"]\n', ENCLAVE), False),
        (("mr_seam = []\n", DOMAIN), True),
        (("mr_owner_config = []\n", DOMAIN), True),
        (("mr_owner_config = []\n", ENCLAVE, DOMAIN), False),
        (("mr_owner_config = []\n", ENCLAVE), False),
        ((ENCLAVE, '[attributes]\nflags = { value = "0x7", mask = "0x7" }\n'), True),
        ((ENCLAVE, DOMAIN, '[attributes]\nflags = { value = "0x7", mask = "0x7" }\n'), False),
        ((DOMAIN, '[attributes]\ntd_attributes = { value = "0x1", mask = "0x1" }\n'), True),
    ],
)
def test_a_policy_that_accepts_nothing_is_recognised(parts: tuple[str, ...], barren: bool) -> None:
    found = policy(*parts)
    assert is_barren(found) is barren
    assert ("this policy accepts nothing" in explain_policy(found).warnings) is barren
