"""What the command line writes out, so that its help is quick, is what the rooms say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args

from wattest.apps.cli import options
from wattest.apps.demo.result import Cheat
from wattest.attestation.appraisal_policy import DEFAULT_COLLATERAL_AGE_DAYS
from wattest.attestation.collateral_age import DEFAULT_WARN_DAYS
from wattest.attestation.platform_model import PckAuthority, Tee
from wattest.attestation.policy_for_chain import DEFAULT_REGISTRATION_S
from wattest.attestation.trust_vector import Tier
from wattest.collateral.pccs import CLOCK_TOLERANCE_S, INTEL_PCS_HOST
from wattest.collateral.pccs_wire import ServiceKind
from wattest.messages.channel_policy import TcbStatus
from wattest.units import SECONDS_PER_DAY


def test_defaults_are_the_rooms() -> None:
    assert options.COLLATERAL_AGE_DAYS == DEFAULT_COLLATERAL_AGE_DAYS
    assert options.WARN_DAYS == DEFAULT_WARN_DAYS
    assert options.REGISTRATION_DAYS * SECONDS_PER_DAY == DEFAULT_REGISTRATION_S
    assert options.FETCH_CLOCK_TOLERANCE_S == CLOCK_TOLERANCE_S
    assert f"https://{INTEL_PCS_HOST}" == options.INTEL_PCS_URL
    assert datetime.fromtimestamp(options.LATEST_TIME, UTC) == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_choices_are_the_rooms() -> None:
    assert get_args(Cheat) == options.CHEATS
    assert tuple(each.value for each in Tee) == options.TEES
    assert tuple(each.value for each in PckAuthority) == options.PCK_AUTHORITIES
    assert tuple(each.value for each in ServiceKind) == options.SERVICE_KINDS
    assert (Tier.AFFIRMING.value, Tier.WARNING.value) == options.TOKEN_STATUSES
    assert tuple(each.name for each in TcbStatus) == options.TCB_STATUSES
