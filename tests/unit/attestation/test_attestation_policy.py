"""The policy reader: every mistake is refused with its place."""

import hashlib

import pytest

from wattest.attestation.appraisal_policy import MAX_POLICY_BYTES, TrustDomainPins, default_policy, parse_policy
from wattest.attestation.appraisal_policy_table import Pin, PolicyMalformed

M, S, TD = "11" * 32, "22" * 32, "33" * 48
FULL = f"""
version = 1
production = true
maximum_collateral_age_days = 30
minimum_tcb_evaluation_number = 17
platforms = ["{M}"]
allowed_fmspcs = ["00906ed50000", "00606a000000"]
denied_fmspcs = ["b0c06f000000"]
minimum_qe_svn = 8
minimum_pce_svn = 13
mr_seam = ["{TD}"]
mr_config_id = []
mr_owner = ["{TD}"]

[[enclave]]
name = "by measurement"
mr_enclave = "{M}"

[[enclave]]
name = "by signer"
mr_signer = "{S}"
product = 1
minimum_svn = 2

[[trust_domain]]
name = "a virtual machine"
mr_td = "{TD}"
rt_mr1 = "{TD}"

[[tcb]]
status = "SWHardeningNeeded"
advisories = ["INTEL-SA-00615"]

[[tcb]]
status = "OutOfDate"
advisories = []
until = 2026-12-31

[attributes]
flags = {{ value = "0x5", mask = "0xffffffffffffffff" }}
misc_select = {{ value = "0x1", mask = "0xffffffff" }}
"""


def test_everything_a_policy_can_say():
    policy = parse_policy(FULL.encode())
    assert policy.digest == hashlib.sha256(FULL.encode()).digest()
    assert policy.production
    assert (policy.maximum_collateral_age_days, policy.minimum_tcb_evaluation_number) == (30, 17)
    assert policy.platforms == {bytes.fromhex(M)}
    assert policy.allowed_fmspcs == {bytes.fromhex("00906ed50000"), bytes.fromhex("00606a000000")}
    assert policy.denied_fmspcs == {bytes.fromhex("b0c06f000000")}
    assert (policy.minimum_qe_svn, policy.minimum_pce_svn) == (8, 13)
    listed = frozenset({bytes.fromhex(TD)})
    assert policy.domain_pins == TrustDomainPins(mr_seam=listed, mr_config_id=frozenset(), mr_owner=listed)
    assert [enclave.name for enclave in policy.enclaves] == ["by measurement", "by signer"]
    assert (policy.enclaves[1].product, policy.enclaves[1].minimum_svn) == (1, 2)
    assert policy.trust_domains[0].rt_mr == (None, bytes.fromhex(TD), None, None)
    assert policy.statuses[0].advisories == {"INTEL-SA-00615"}
    assert policy.statuses[1].until == 1_798_675_200
    assert policy.pins.misc_select == Pin(1, 0xFFFFFFFF)


def test_the_default_trusts_nothing():
    policy = default_policy()
    assert not (policy.enclaves)
    assert not (policy.trust_domains)
    assert not (policy.statuses)
    assert policy.maximum_collateral_age_days == 7
    assert policy.platforms is None
    assert policy.allowed_fmspcs is None
    assert policy.denied_fmspcs == frozenset()
    assert (policy.minimum_qe_svn, policy.minimum_pce_svn) == (0, 0)
    assert policy.domain_pins == TrustDomainPins()
    assert policy.pins.flags == Pin(0x5, 2**64 - 1)


@pytest.mark.parametrize(
    ("old", "new", "location"),
    [
        ("version = 1", "", "version"),
        ("version = 1", "version = 2", "version"),
        ("version = 1", "version = true", "version"),
        ("version = 1", "version = 1\nversoin = 1", "versoin"),
        ("version = 1", "version = 1\nversion = 1", "file"),
        ("version = 1", 'version = 1\n"a\\u001b" = 1', "'a\\x1b'"),
        ("production = true", "production = 1", "production"),
        ("= 30", "= 0", "maximum_collateral_age_days"),
        ("= 30", '= "30"', "maximum_collateral_age_days"),
        ("= 30", "= 30.0", "maximum_collateral_age_days"),
        ("= 17", "= -1", "minimum_tcb_evaluation_number"),
        ('"00906ed50000"', '"00906ED50000"', "allowed_fmspcs[0]"),
        ('"00606a000000"', '"00606a00000"', "allowed_fmspcs[1]"),
        ('"00606a000000"', '"00606a0000000"', "allowed_fmspcs[1]"),
        ('["00906ed50000", "00606a000000"]', '"00906ed50000"', "allowed_fmspcs"),
        ('"b0c06f000000"', "0", "denied_fmspcs[0]"),
        ('"b0c06f000000"', '""', "denied_fmspcs[0]"),
        ('"b0c06f000000"', '"00906ed50000"', "denied_fmspcs"),
        ("denied_fmspcs", "denied_fmspc", "denied_fmspc"),
        ("minimum_qe_svn = 8", "minimum_qe_svn = -1", "minimum_qe_svn"),
        ("minimum_qe_svn = 8", "minimum_qe_svn = true", "minimum_qe_svn"),
        ("minimum_pce_svn = 13", "minimum_pce_svn = 65536", "minimum_pce_svn"),
        ("minimum_pce_svn = 13", 'minimum_pce_svn = "13"', "minimum_pce_svn"),
        (f'mr_seam = ["{TD}"]', f'mr_seam = "{TD}"', "mr_seam"),
        (f'mr_seam = ["{TD}"]', f'mr_seam = ["{M}"]', "mr_seam[0]"),
        ("mr_config_id = []", 'mr_config_id = ["zz"]', "mr_config_id[0]"),
        (f'mr_owner = ["{TD}"]', f'mr_ownr = ["{TD}"]', "mr_ownr"),
        (f'mr_owner = ["{TD}"]', f'mr_owner_config = ["{TD}0"]', "mr_owner_config[0]"),
        ("version = 1\n", "version = 1\nclock_tolerance_s = 601\n", "clock_tolerance_s"),
        ("version = 1\n", "version = 1\nclock_tolerance_s = -1\n", "clock_tolerance_s"),
        ("version = 1\n", "version = 1\nwarn_days = 366\n", "warn_days"),
        ("version = 1\n", 'version = 1\nwarn_days = "2"\n', "warn_days"),
        (f'platforms = ["{M}"]', f'platforms = "{M}"', "platforms"),
        (f'platforms = ["{M}"]', 'platforms = ["11"]', "platforms[0]"),
        (f'mr_enclave = "{M}"', f'mr_enclve = "{M}"', "enclave[0].mr_enclve"),
        (f'mr_enclave = "{M}"', f'mr_enclave = "{M}"\nmr_signer = "{S}"', "enclave[0].mr_signer"),
        (f'mr_enclave = "{M}"', f'mr_enclave = "{M}"\ndebug = true', "enclave[0].debug"),
        (f'mr_enclave = "{M}"', 'mr_enclave = "zz"', "enclave[0].mr_enclave"),
        (f'mr_signer = "{S}"', f'mr_signer = "{"AB" * 32}"', "enclave[1].mr_signer"),
        ("product = 1", "product = 65536", "enclave[1].product"),
        ("minimum_svn = 2", "", "enclave[1].minimum_svn"),
        ('name = "by signer"', 'name = ""', "enclave[1].name"),
        ('name = "by signer"', 'name = "a\\u001b[2Jb"', "enclave[1].name"),
        ('name = "by signer"', "", "enclave[1].name"),
        (f'mr_td = "{TD}"', f'mr_td = "{M}"', "trust_domain[0].mr_td"),
        ("rt_mr1", "rt_mr4", "trust_domain[0].rt_mr4"),
        ('"SWHardeningNeeded"', '"Revoked"', "tcb[0].status"),
        ('"SWHardeningNeeded"', '"UpToDate"', "tcb[0].status"),
        ('"SWHardeningNeeded"', '"OutOfDate"', "tcb[0].until"),
        ('advisories = ["INTEL-SA-00615"]', "", "tcb[0].advisories"),
        ('advisories = ["INTEL-SA-00615"]', 'advisories = ["*"]', "tcb[0].advisories[0]"),
        ("until = 2026-12-31", 'until = "2026-12-31"', "tcb[1].until"),
        ("until = 2026-12-31", "until = 2026-12-31T00:00:00Z", "tcb[1].until"),
        ("until = 2026-12-31", "", "tcb[1].until"),
        ('"OutOfDate"', '"SWHardeningNeeded"', "tcb"),
        ('value = "0x5"', "value = 5", "attributes.flags.value"),
        ('value = "0x5"', 'value = "5"', "attributes.flags.value"),
        ('mask = "0xffffffffffffffff"', 'mask = "0xfffffffffffffff0"', "attributes.flags.value"),
        ('mask = "0xffffffff"', 'mask = "0xfffffffff"', "attributes.misc_select.mask"),
        ("misc_select", "miscselect", "attributes.miscselect"),
        ("[attributes]", "[attribute]", "attribute"),
        ("[[tcb]]", "[tcb]", "file"),
    ],
)
def test_each_mistake_is_refused_with_its_place(old, new, location):
    assert old in FULL
    with pytest.raises(PolicyMalformed) as caught:
        parse_policy(FULL.replace(old, new, 1).encode())
    assert caught.value.fields["location"] == location
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"version = 1\n#" + b" " * MAX_POLICY_BYTES, b"a = " + b"[" * 100_000, b"tcb = 1\nversion = 1"],
)
def test_what_is_no_policy_is_refused(data):
    with pytest.raises(PolicyMalformed):
        parse_policy(data)


def test_too_many_entries_are_refused():
    entry = f'[[enclave]]\nname = "x"\nmr_enclave = "{M}"\n'
    with pytest.raises(PolicyMalformed):
        parse_policy(("version = 1\n" + entry * 1_025).encode())
