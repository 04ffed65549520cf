"""Collateral's dates: every part has them, and what is called usable an appraisal at the same time does not refuse."""

from __future__ import annotations

import contextlib
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattest.attestation.appraisal import appraise
from wattest.attestation.appraisal_policy import parse_policy
from wattest.attestation.collateral_age import Freshness, Part, dated_parts
from wattest.attestation.endorsements import Endorsements, endorse
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.formats.collateral import CollateralMalformed
from wattest.attestation.roots import parse_root
from wattest.enclave.simulator.collateral import CollateralOptions
from wattest.enclave.simulator.pki import SimulatedPki
from wattest.enclave.simulator.platform import SimulatedPlatform

NOW, DAY = 1_790_000_000, 86_400
PLATFORM = SimulatedPlatform(SimulatedPki.create(bytes(range(32)), NOW))
MEASUREMENT = bytes([0x11] * 32)
QUOTE = PLATFORM.quote(measurement=MEASUREMENT, signer=bytes(32), product=0, svn=0, report_data=bytes(64))
DATES = {"collateral_expired", "collateral_from_future", "collateral_too_old", "certificate_expired"}
DATES |= {"certificate_not_yet_valid"}


def collateral(valid_days: int = 30) -> Endorsements:
    return endorse(PLATFORM.collateral(NOW, CollateralOptions(valid_days=valid_days)))


def refused_for_dates(endorsements: Endorsements, now: int, days: int) -> bool:
    policy = f'version = 1\nmaximum_collateral_age_days = {days}\n[[enclave]]\nname = "x"\n'
    policy += f'mr_enclave = "{MEASUREMENT.hex()}"\n'
    root = parse_root(PLATFORM.root_certificate)
    result = appraise(parse_evidence(QUOTE), endorsements, parse_policy(policy.encode()), [root], now)
    assert result.accepted or set(result.codes) & DATES, result.codes
    return not result.accepted


@pytest.mark.parametrize("valid_days", [3, 30])
@pytest.mark.parametrize("days", [2, 7, 60])
@pytest.mark.parametrize(
    "offset", [-1, 0, 1, 2 * DAY, 2 * DAY + 1, 3 * DAY - 1, 3 * DAY, 3 * DAY + 1, 7 * DAY, 7 * DAY + 1]
)
def test_usable_here_is_usable_in_an_appraisal(valid_days: int, days: int, offset: int) -> None:
    endorsements, now = collateral(valid_days), NOW + offset
    found = {part.freshness(now, days, 0) for part in dated_parts(endorsements)}
    assert (found <= {Freshness.FRESH, Freshness.ENDING}) == (not refused_for_dates(endorsements, now, days))


def test_every_part_is_listed_with_its_dates() -> None:
    parts = {part.name: part for part in dated_parts(collateral())}
    assert len(parts) >= 7
    assert (parts["TCB info"].issued_at, parts["TCB info"].expires_at) == (NOW, NOW + 30 * DAY)
    assert [name for name, part in parts.items() if part.ages] == ["TCB info", "QE identity", "PCK revocation list"]


@pytest.mark.parametrize(
    ("offset", "freshness"),
    [
        (-1, Freshness.FROM_FUTURE),
        (0, Freshness.FRESH),
        (5 * DAY, Freshness.FRESH),
        (5 * DAY + 1, Freshness.ENDING),
        (7 * DAY, Freshness.ENDING),
        (7 * DAY + 1, Freshness.TOO_OLD),
        (10 * DAY - 1, Freshness.TOO_OLD),
        (10 * DAY, Freshness.EXPIRED),
    ],
)
def test_a_part_ages(offset: int, freshness: Freshness) -> None:
    part = Part("x", NOW, NOW + 10 * DAY, ages=True)
    assert part.freshness(NOW + offset, 7, 2) is freshness
    if freshness is Freshness.TOO_OLD:
        assert dataclasses.replace(part, ages=False).freshness(NOW + offset, 7, 0) is Freshness.FRESH


@pytest.mark.parametrize(
    "change",
    [
        {"tcb_info": "{}"},
        {"qe_identity": "[]"},
        {"pck_crl": b"\x30\x00"},
        {"root_ca_crl": b""},
        {"tcb_info_issuer_chain": "no certificate"},
        {"pck_certificate_chain": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
    ],
)
def test_what_has_no_dates_is_refused(change: dict[str, str | bytes]) -> None:
    broken = dataclasses.replace(PLATFORM.collateral(NOW), **change)  # type: ignore[arg-type]
    with pytest.raises(CollateralMalformed):
        dated_parts(endorse(broken))


def test_a_chain_without_end_is_refused() -> None:
    healthy = PLATFORM.collateral(NOW)
    endless = dataclasses.replace(healthy, tcb_info_issuer_chain=healthy.tcb_info_issuer_chain * 9)
    with pytest.raises(CollateralMalformed, match="at most 16"):
        dated_parts(endorse(endless))


HEALTHY = PLATFORM.collateral(NOW)


@given(st.sampled_from(["pck_crl", "root_ca_crl", "tcb_info_issuer_chain", "tcb_info", "qe_identity"]), st.data())
def test_mutated_parts_are_dated_or_refused(field: str, data: st.DataObject) -> None:
    value = getattr(HEALTHY, field)
    at = data.draw(st.integers(0, len(value) - 1))
    cut = data.draw(st.integers(0, 3))
    new: str | bytes
    if isinstance(value, bytes):
        new = value[:at] + data.draw(st.binary(max_size=3)) + value[at + cut :]
    else:
        new = value[:at] + data.draw(st.text(st.characters(max_codepoint=127), max_size=3)) + value[at + cut :]
    changed: dict[str, str | bytes] = {field: new}
    with contextlib.suppress(CollateralMalformed):
        parts = dated_parts(endorse(dataclasses.replace(HEALTHY, **changed)))  # type: ignore[arg-type]
        assert all(part.freshness(NOW, 7, 2) in Freshness for part in parts)
